"""Connections that wait for the next call: as many as there are calls at one time, and no thread of their own."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """A connection."""

    def close(self) -> object: ...


Connection = TypeVar("Connection", bound=Closable)


class ConnectionPool(Generic[Connection]):
    """Hands a connection to one caller at a time; may be used from several threads at once."""

    def __init__(self, connect: Callable[[], Connection], usable: Callable[[Connection], bool]) -> None:
        """``usable``: asked when a connection comes back, and again before it is handed out."""
        self._connect = connect
        self._usable = usable
        # Appending to a deque and popping from it are atomic.
        self._waiting: deque[Connection] = deque()

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection for the block; one that is no longer usable afterwards is closed."""
        connection = self._waiting_one() or self._connect()
        try:
            yield connection
        finally:
            if self._usable(connection):
                self._waiting.append(connection)
            else:
                connection.close()

    def _waiting_one(self) -> Connection | None:
        while self._waiting:
            try:
                connection = self._waiting.pop()
            except IndexError:
                break
            if self._usable(connection):
                return connection
            connection.close()
        return None

    def close(self) -> None:
        while self._waiting:
            self._waiting.pop().close()
