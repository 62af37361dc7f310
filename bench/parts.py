"""What measurements run on: a Postgres of their own, Supabase's REST endpoint in front of it, a counting transport."""

import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import psycopg

from novelsync.database.client import SqlClient
from novelsync.database.embedded.places import programs_folder, reachable_programs
from novelsync.database.migrations import migrate
from novelsync.database.transports import Transport
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.models.report import Report
from novelsync.running.comparing.rounds import DEFAULT_PACE, Pace
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService

ROOT: Final = Path(__file__).parents[1]
TRANSPORTS: Final = ("psycopg", "PostgREST")
DISTRIBUTIONS: Final = Path("/usr/lib/postgresql")
"""Where Debian and what is made of it put Postgres, in a folder for each version."""
COMPRESSIONS: Final = {"p": "pglz", "l": "lz4"}


@contextmanager
def database() -> Iterator[str]:
    """
    A migrated and empty Postgres with default settings, as a connection string.

    One with lz4, as Supabase's has, where a Linux distribution's is installed; ``BENCH_POSTGRES`` in the environment
    names the folder of another one's programs, and ``BENCH_POSTGRES=embedded`` the embedded one's.
    """
    account: dict[str, Any] = {}
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="novelsync-bench-") as folder, socket.socket() as probe:
        if os.geteuid() == 0:  # Postgres refuses to run as root
            nobody = pwd.getpwnam("nobody")
            programs = reachable_programs(programs, (nobody.pw_uid, nobody.pw_gid))
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(folder), *arguments]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **account)

        run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {folder}"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            conninfo = f"postgresql://postgres:any@127.0.0.1:{port}/postgres"  # dlt wants a password
            migrate(conninfo, "bench")
            yield conninfo
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def _programs() -> Path:
    named = os.environ.get("BENCH_POSTGRES", "")
    if named == "embedded":
        return programs_folder()
    installed = sorted(DISTRIBUTIONS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return Path(named) if named else installed[-1].parent if installed else programs_folder()


def described() -> str:
    """What the measurements ran on: processors, Python, server, compression."""
    with database() as conninfo, psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "select current_setting('server_version'), coalesce(nullif(attcompression::text, ''), 'p')"
            " from pg_attribute where attrelid = 'public.chapters'::regclass and attname = 'content'"
        ).fetchall()
    ((version, compression),) = rows
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{os.cpu_count()} processors, Python {python}, PostgreSQL {version.split()[0]} with"
        f" {COMPRESSIONS[compression]}, PostgREST 12.0.2"
    )


class CountingTransport:
    """A transport that counts calls and texts, and remembers the last request to each function that reads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.name = transport.name
        self.close = transport.close
        self.calls = 0
        self.texts = 0
        self.asked: dict[str, Mapping[str, Any]] = {}

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        self.calls += 1
        chapters = [request.get(part, ()) for part in ("created", "changed", "texts")]
        self.texts += sum("content" in chapter for part in chapters for chapter in part)
        if not any(chapters):
            self.asked[function] = request
        return self._transport.call(function, request)


@dataclass
class Rest:
    """Supabase's REST endpoint, in a process of its own."""

    url: str
    secret_key: str
    publishable_key: str
    _stdin: IO[str]
    _stdout: IO[str]

    def passed(self) -> Mapping[str, int]:
        """Since the last call: ``requests``, ``bytes_in``, ``bytes_out``. And PostgREST's memory in bytes, ``rss``."""
        self._stdin.write("\n")
        self._stdin.flush()
        answer: Mapping[str, int] = json.loads(self._stdout.readline())
        return answer


@contextmanager
def rest(conninfo: str, delay: float = 0.0) -> Iterator[Rest]:
    """Starts the endpoint. ``delay``: seconds added to each request, in place of a distance."""
    command = [sys.executable, "-m", "tests.support.postgrest", "--conninfo", conninfo, "--delay", str(delay)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("PostgREST has no pipes")
        said = json.loads(process.stdout.readline())
        yield Rest(said["url"], said["secret_key"], said["publishable_key"], process.stdin, process.stdout)
        process.stdin.close()


@contextmanager
def transport(kind: str, conninfo: str, delay: float = 0.0) -> Iterator[tuple[CountingTransport, Rest | None]]:
    """The transport of that ``kind``, one of `TRANSPORTS`, and the REST endpoint if it uses one."""
    with ExitStack() as stack:
        api = stack.enter_context(rest(conninfo, delay)) if kind == "PostgREST" else None
        plain = SupabaseTransport(api.url, api.secret_key) if api else PostgresTransport(conninfo)
        yield stack.enter_context(closing(CountingTransport(plain))), api


def sync(folder: Path, transport_: Transport, pace: Pace = DEFAULT_PACE) -> tuple[float, Report]:
    """One whole run: its seconds and its report. Ends the bench unless the run succeeds."""
    config = SyncConfig(workers=4, max_file_bytes=2**30, comparing=pace)
    service = SyncService(LocalStorage(str(folder)), SqlClient(transport_), config)
    start = time.perf_counter()
    report = service.sync_all_novels("bench")
    seconds = time.perf_counter() - start
    if not report.success:
        raise SystemExit(f"{folder.name}: {report.outcome}: {report.problems}")
    return seconds, report
