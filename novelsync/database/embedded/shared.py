"""
A PostgreSQL server that several processes share: the first one starts it, the last one stops it.

Only locks of the operating system tell who is using it, because those vanish with their process, even a killed one.

    <folder>/users.lock   shared: "I am using the server"; exclusive: "nobody is, and I am stopping it"
    <folder>/start.lock   "I am starting it"; only a user may, so a start never meets a stop
    <folder>/data/        the database, its socket and its log

The server never listens on the network (on Windows: on 127.0.0.1) and never runs as root. This package never changes
the mode or the owner of a folder that it has not made, and sends no SQL.
"""

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelsync.database.embedded.places import HINT
from novelsync.database.embedded.server import PATIENCE, Server
from novelsync.errors import ConfigurationError, DatabaseUnavailable

# POSIX locks belong to the process and not to the file handle: a second one in the same process is always granted, and
# closing its file drops the first. So a process takes the lock once and counts its users. The process id is in the key
# because a fork inherits the dictionary, but not the locks.
_members: dict[tuple[int, Path], "_Member"] = {}
_guard = threading.RLock()


class EmbeddedPostgres:
    """One user of the server in ``folder``. If it is never closed, the server may be left running: see `stop`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._member: _Member | None = None

    def start(self) -> str:
        """
        Starts the server if it is not running, and returns a connection string for its superuser. May be called again.

        Raises `ConfigurationError` if it cannot run on this machine or in this folder, and `DatabaseUnavailable` if it
        does not come up.
        """
        with _guard, _translated_errors(self._folder):
            if self._folder.exists() and not self._folder.is_dir():
                raise ConfigurationError(f"{self._folder} is a file, and the embedded database needs a folder", HINT)
            self._folder.mkdir(parents=True, exist_ok=True)
            folder = self._folder.resolve()
            server = Server.of(folder)
            if self._member is None or self._member.pid != os.getpid():
                self._member = _Member.join(folder)
            try:
                return server.address() or self._member.start(server)
            except BaseException as error:
                # If we only gave up waiting, a long recovery may go on: stopped, it would begin again each time.
                self._leave(stop=not isinstance(error, DatabaseUnavailable))
                raise

    def close(self) -> None:
        """Stops the server if nobody else uses it."""
        with _guard, _translated_errors(self._folder):
            self._leave(stop=True)

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leave(self, *, stop: bool) -> None:
        member, self._member = self._member, None
        if member and member.pid == os.getpid():
            member.leave(stop=stop)


def stop(folder: Path) -> bool:
    """Stops a server that killed processes have left running, unless somebody uses it. True if one was stopped."""
    with _guard, _translated_errors(folder):
        folder = folder.resolve()
        if (os.getpid(), folder) in _members or not (folder / "users.lock").exists():
            return False
        return _stop_if_unused(folder)


@dataclass(slots=True)
class _Member:
    """One process's lock on a folder, shared by all `EmbeddedPostgres` in that process."""

    folder: Path
    pid: int
    lock: Any
    users: int = 0

    @staticmethod
    def join(folder: Path) -> "_Member":
        key = (os.getpid(), folder)
        if key not in _members:
            lock = _users_lock(folder)
            if not lock.acquire_read_lock(timeout=2 * PATIENCE):
                lock.lockfile.close()
                raise DatabaseUnavailable(f"the embedded database in {folder} is still being stopped", "try again")
            _members[key] = _Member(folder, os.getpid(), lock)
        _members[key].users += 1
        return _members[key]

    def start(self, server: Server) -> str:
        import fasteners  # type: ignore[import-untyped]

        with fasteners.InterProcessLock(self.folder / "start.lock"):
            server.initialise()
            return server.bring_up()

    def leave(self, *, stop: bool) -> None:
        self.users -= 1
        if self.users == 0:
            del _members[self.pid, self.folder]
            self.lock.release_read_lock()
            if stop:
                _stop_if_unused(self.folder)


def _users_lock(folder: Path) -> Any:
    import fasteners

    return fasteners.InterProcessReaderWriterLock(folder / "users.lock")


def _stop_if_unused(folder: Path) -> bool:
    lock = _users_lock(folder)
    if not lock.acquire_write_lock(blocking=False):
        lock.lockfile.close()  # collected later, it would drop the lock that this process has by then
        return False
    try:
        return Server.of(folder).bring_down()
    finally:
        lock.release_write_lock()


@contextmanager
def _translated_errors(folder: Path) -> Iterator[None]:
    """Raises the exceptions of the system and of the locks as `NovelSyncError`."""
    try:
        yield
    except (OSError, subprocess.SubprocessError, threading.ThreadError) as error:
        transient = isinstance(error, subprocess.SubprocessError) or getattr(error, "errno", 0) == errno.ENOSPC
        kind = DatabaseUnavailable if transient else ConfigurationError
        raise kind(f"the embedded database in {folder} cannot be used: {error}", HINT) from error
