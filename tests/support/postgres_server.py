"""A Postgres of a test's own, over TCP, which can be restarted."""

import os
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from novelsync.database.embedded.places import programs_folder, reachable_programs

AS_ROOT = os.name == "posix" and os.geteuid() == 0


def newest_programs() -> Path:
    return reachable_programs(programs_folder(), _nobody()) if AS_ROOT else programs_folder()


def older_programs() -> Path:
    """Of a Postgres 16, which is in the wheel of the embedded one too."""
    return programs_folder().parents[1] / "pginstall" / "bin"


class PostgresServer:
    """Runs until the block is left. Raises `PermissionError` if nobody, who runs it for root, cannot enter."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._account: dict[str, Any] = {}
        self.url = ""

    def __enter__(self) -> "PostgresServer":
        with ExitStack() as stack:
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="novelsync-test-"))
            if AS_ROOT:
                user, group = _nobody()
                self._account = {"user": user, "group": group, "extra_groups": []}
                os.chown(self._folder, user, group)
            self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self._options = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=off -k {self._folder}"
            self._control("start")
            stack.callback(self._control, "stop", "-m", "immediate")
            self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def restart(self, mode: str) -> None:
        """``mode``: "fast", as an administrator does it, or "immediate", which is a crash and a recovery."""
        self._control("restart", "-m", mode)

    def _control(self, act: str, *arguments: str) -> None:
        options = [] if act == "stop" else ["-l", f"{self._folder}/log", "-o", self._options]
        self._run("pg_ctl", "-w", *options, *arguments, act)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self._folder, *arguments]
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL, **self._account)


def _nobody() -> tuple[int, int]:
    import pwd

    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
