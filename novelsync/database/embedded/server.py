"""One PostgreSQL server: making its data, starting it, stopping it. Knows nothing of who uses it: see `shared`."""

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from novelsync.database.embedded.places import (
    HINT,
    MAJOR,
    SOCKET,
    SOCKET_LIMIT,
    WINDOWS,
    account_for,
    named_after,
    own_folder,
    programs_folder,
    reachable_data,
    reachable_programs,
)
from novelsync.errors import ConfigurationError, DatabaseUnavailable

PATIENCE: Final = 60  # seconds, because after a crash up to 1 GB of its journal is replayed first
LOG: Final = "postgres.log"

# The encoding and the rules for upper and lower case are those of Supabase, and the same on every machine.
_INITDB: Final = (
    *("--username=postgres", "--auth=trust", "--no-instructions", "--encoding=UTF8", "--no-locale"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--set=timezone=UTC", "--set=log_checkpoints=off"),
)
# What the log says while processes of a killed server are still at work.
_ORPHANS: Final = "pre-existing shared memory block"


@dataclass(frozen=True, slots=True)
class Server:
    """The data, the programs that serve it, and the user and group that run them (None: ourselves)."""

    data: Path
    programs: Path
    account: tuple[int, int] | None

    @staticmethod
    def of(folder: Path) -> "Server":
        data, programs = folder / "data", programs_folder()
        if WINDOWS or os.geteuid() != 0:
            return Server(data, programs, None)
        account = account_for(data)
        return Server(reachable_data(data, account), reachable_programs(programs, account), account)

    def address(self) -> str | None:
        """A connection string, None if the server does not answer. From its own file: anybody may have started it."""
        match self._postmaster():
            case _, _, _, port, sockets, host, *_:
                pass
            case _:
                return None
        address = make_conninfo(host=host or str(self.data / sockets), port=port, user="postgres", dbname="postgres")
        answer = PGconn.ping(make_conninfo(address, connect_timeout=5).encode())
        return address if answer == Ping.OK else None

    def initialise(self) -> None:
        """Makes the data if there are none, first under another name: a killed initdb leaves nothing under this one."""
        for leftover in self.data.parent.glob(".novelsync-initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        version = self.data / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != str(MAJOR):
                raise ConfigurationError(
                    f"the database in {self.data} is of PostgreSQL {found}, and the installed one is {MAJOR}",
                    f"move {self.data} away, and the next sync refills a new one from storage; or {HINT}",
                )
            return
        # A new name each time, because an initdb whose parent was killed may still be writing under the old one.
        fresh = Path(tempfile.mkdtemp(prefix=".novelsync-initdb-", dir=self.data.parent))
        if self.account:
            os.chown(fresh, *self.account)
        if said := self._run("initdb", *_INITDB, cwd=fresh):
            shutil.rmtree(fresh, ignore_errors=True)
            raise DatabaseUnavailable(f"no database could be created in {self.data.parent}: {said}", HINT)
        fresh.rename(self.data)

    def bring_up(self) -> str:
        """
        Starts the server, waits until it answers, and returns its address.

        The pg_ctl of a process that was killed goes on, so the server may also come up, or go down, without us.
        """
        deadline, starts, said = time.monotonic() + PATIENCE, 0, ""
        while not (address := self.address()):
            alive = self._is_alive()
            if time.monotonic() > deadline or not (alive or starts < 2 or _ORPHANS in self._log()):
                hint = f"if its data is damaged, move {self.data} away: the next sync refills a new one; or {HINT}"
                said = f"the embedded database in {self.data} does not start: {said} {self._log()}"
                raise DatabaseUnavailable(said, hint)
            if alive:
                time.sleep(0.05)
                continue
            if starts == 0:
                with suppress(OSError):
                    (self.data / LOG).replace(self.data / f"{LOG}.1")
            else:
                # The first start fails if the process id in these files belongs to another process by now.
                for lock in (self.data / "postmaster.pid", self._sockets() / f"{SOCKET}.lock"):
                    lock.unlink(missing_ok=True)
            said = self._run("pg_ctl", "start", "-l", LOG, "-o", self._options(), cwd=self.data)
            starts += 1
        return address

    def bring_down(self) -> bool:
        """Stops the server. Returns whether it was running."""
        if not self._is_alive():
            return False
        said = self._run("pg_ctl", "stop", "-m", "fast", cwd=self.data)
        if said and self._is_alive():
            raise DatabaseUnavailable(f"the embedded database in {self.data} does not stop: {said} {self._log()}")
        return True

    def _is_alive(self) -> bool:
        """Whether the process named in ``postmaster.pid`` is our server, and not another that has its id by now."""
        import psutil

        try:
            process = psutil.Process(int(self._postmaster()[0]))
            if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
                return False
            return Path(process.cwd()).samefile(self.data)
        except psutil.AccessDenied:
            # Our own server can be inspected, except by root in some containers: assume there that it is ours.
            return WINDOWS or os.geteuid() == 0
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return False

    def _postmaster(self) -> list[str]:
        """The lines of ``postmaster.pid``: process id, data, start time, port, folder of the socket, host, and more."""
        try:
            return (self.data / "postmaster.pid").read_text("utf-8", "surrogateescape").splitlines()
        except FileNotFoundError:
            return []

    def _options(self) -> str:
        """The server's options, quoted because pg_ctl passes them on through a shell."""
        if WINDOWS:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                return f"-h 127.0.0.1 -p {probe.getsockname()[1]}"
        sockets = self._sockets()
        return f"-h '' -k {'.' if sockets == self.data else shlex.quote(str(sockets))}"

    def _sockets(self) -> Path:
        if WINDOWS or len(os.fsencode(self.data / SOCKET)) <= SOCKET_LIMIT:
            return self.data
        return own_folder(named_after(self.data), 0o700, self.account)

    def _run(self, program: str, *arguments: str, cwd: Path) -> str:
        """
        Runs one of PostgreSQL's programs. Returns "" if it succeeded, else the last lines of its output.

        A bare environment, because ours has keys and PG… variables in it. A session of its own, because Ctrl-C goes to
        the whole process group. A file for the output, because the server inherits it, and a pipe would stay open as
        long as the server runs. ``-D .``, because pg_ctl passes the path on through a shell.
        """
        account: dict[str, Any] = {}
        if self.account:
            account = {"user": self.account[0], "group": self.account[1], "extra_groups": []}
        patience = ["-t", str(PATIENCE)] if program == "pg_ctl" else []
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self.programs / program, *arguments, *patience, "-D", "."],
                cwd=cwd,
                env=None if WINDOWS else {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                timeout=2 * PATIENCE,
                check=False,
                **account,
            )
            output.seek(0)
            said = _last_lines(output.read())
        return (said or f"{program} ended with {done.returncode}") if done.returncode else ""

    def _log(self) -> str:
        log = self.data / LOG
        return _last_lines(log.read_bytes()) if log.exists() else ""


def _last_lines(said: bytes) -> str:
    return "\n".join(said.decode(errors="replace").strip().splitlines()[-8:])
