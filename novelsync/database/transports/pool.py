"""A pool without threads or an upper limit: it opens a connection when none is idle, and reuses it afterwards."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What every connection can do."""

    def close(self) -> object: ...


Connection = TypeVar("Connection", bound=Closable)


class ConnectionPool(Generic[Connection]):
    """Hands a connection to one caller at a time; may be used from several threads at once."""

    def __init__(self, connect: Callable[[], Connection], usable: Callable[[Connection], bool]) -> None:
        """``usable``: asked when a connection comes back and again before it is reused; if it says no, it is closed."""
        self._connect = connect
        self._usable = usable
        # Appending to a deque and popping from it are atomic.
        self._idle: deque[Connection] = deque()
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection that belongs to the ``with`` block alone."""
        connection = self._idle_one() or self._connect()
        try:
            yield connection
        finally:
            if self._usable(connection):
                self._idle.append(connection)
            else:
                connection.close()
            if self._closed:
                # Asked last, because the pool may be closed while this one is put back.
                self.close()

    def _idle_one(self) -> Connection | None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if self._usable(connection):
                return connection
            connection.close()
        return None

    def close(self) -> None:
        """Closes what is idle now, and what is in use as soon as it comes back."""
        self._closed = True
        with suppress(IndexError):  # several may be at it
            while True:
                self._idle.pop().close()
