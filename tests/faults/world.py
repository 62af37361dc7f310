"""A library, its tables, what lies between them, a reader; and the one place that judges whether all is well."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from novelsync.cli.verification import verification_of
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.report import Report
from novelsync.models.run import SyncOptions
from novelsync.planning.guards.limits import Limits
from novelsync.sync_service import SyncService
from tests.conftest import Tables, make_service
from tests.faults.network import Network
from tests.faults.reader import Reader, Shown, Version, version_of
from tests.support.library import Library
from tests.support.waiting import Time, wait_until

ROOT = Path(__file__).parents[2]

UNGUARDED = Limits(removals=1, chapter_removals=1, grace=0)
"""Nothing is held back and nothing waits, so that the tables must be the storage after every run."""

_SETTINGS = {
    "NOVELSYNC_REMOVAL_LIMIT": "1",
    "NOVELSYNC_CHAPTER_REMOVAL_LIMIT": "1",
    "NOVELSYNC_REMOVAL_GRACE": "0",
    "NOVELSYNC_LOG_FORMAT": "json",
}

_DOUBLED = {
    "a slug": "select slug from novels where removed_at is null group by slug having count(*) > 1",
    "a position": "select novel_id, position from chapters where removed_at is null"
    " group by novel_id, position having count(*) > 1",
    "a text": "select novel_id, content_hash from chapters group by novel_id, content_hash having count(*) > 1",
    "what was staged": "select slug from novelsync.staging",
}
"""What must find no row when a run has ended well; removed rows count, too."""


@dataclass
class Findings:
    """What must stay empty, and how much was looked at."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half_seen: list[str] = field(default_factory=list)
    looks: int = 0
    judged: int = 0
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each kind of fault really struck, and on which road."""
    runs: Counter[str] = field(default_factory=Counter)
    """By how they ended."""

    @property
    def wrong(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.half_seen]


@dataclass
class Ended:
    """A process that was a run."""

    code: int
    report: Mapping[str, Any]
    said: str


class World:
    """Open until the block is left. No two chapters of its library ever have one text, which tells them so."""

    def __init__(self, folder: Path, url: str, findings: Findings) -> None:
        self.library = Library(folder)
        self.findings = findings
        self.in_storage: dict[str, Version] = {}
        self.url = url
        self.network = Network(url)
        self.reader = Reader(url)
        self._ids: dict[str, int] = {}
        """The digest of every text that readers ever saw, and the id that its chapter has for ever."""
        self._stack = ExitStack()

    def __enter__(self) -> "World":
        self._stack.enter_context(self.network)
        self._stack.enter_context(self.reader)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.findings.looks += self.reader.looks
        self.findings.half_seen += self.reader.half_seen

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        tables = Tables(self.url)
        with closing(tables.connection):
            yield tables

    # What is in storage -------------------------------------------------------------------

    def expect(self, slug: str, book: Mapping[str, Any]) -> None:
        """Before the file is there: a reader may see it at once."""
        version = version_of(book)
        self.reader.versions[slug].add(version)
        self.in_storage[slug] = version

    def publish(self, slug: str, book: Mapping[str, Any]) -> None:
        self.expect(slug, book)
        self.library.write_raw(slug, json.dumps(book).encode())

    def take_away(self, slug: str) -> None:
        self.library.remove(slug)
        del self.in_storage[slug]

    # Runs ---------------------------------------------------------------------------------

    def run(self, transport: str, limits: Limits = UNGUARDED) -> Report:
        """A run in this process, over the network; its waits pass at once."""
        time = Time()
        with closing(SqlClient.patient(self.network.transport(transport), stopped=time, clock=time)) as database:
            report = make_service(self.library, database, limits=limits).sync_all_novels()
        self.findings.runs[report.outcome] += 1
        return report

    @contextmanager
    def process(self, transport: str) -> Iterator[subprocess.Popen[str]]:
        """A run in a process of its own, as cron starts it; killed when the block is left, if it is still there."""
        storage = {"NOVELSYNC_STORAGE": str(self.library.folder)}
        with subprocess.Popen(
            [sys.executable, "-m", "novelsync", "sync", "--json"],
            cwd=ROOT,
            env=os.environ | _SETTINGS | storage | self.network.settings(transport),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def ended(self, process: "subprocess.Popen[str]") -> Ended:
        """Waits for it."""
        out, said = process.communicate(timeout=120)
        assert process.returncode in (0, 1, 3, 4), said
        assert "Traceback" not in said, said
        ended = Ended(process.returncode, json.loads(out), said)
        self.findings.runs[ended.report["outcome"]] += 1
        return ended

    def kill(self, process: "subprocess.Popen[str]") -> bool:
        """False: it had ended before."""
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed = process.returncode == -signal.SIGKILL
        self.findings.runs["killed" if killed else "ok"] += 1
        return killed

    def working(self, process: "subprocess.Popen[str]") -> None:
        """Returns when it has its lease, or has ended."""
        with self.tables() as tables:
            query = "select from novelsync.lease where expires_at > clock_timestamp()"
            wait_until(lambda: process.poll() is not None or tables.rows(query))

    def lease_lapses(self) -> None:
        """As it would within a minute of its run's death."""
        with self.tables() as tables:
            tables.connection.execute("update novelsync.lease set expires_at = now()")

    # Judging ------------------------------------------------------------------------------

    def settle(self) -> None:
        """One clean run, and then everything must be as it should."""
        self.lease_lapses()
        with closing(SqlClient(PostgresTransport(self.url, "the database"))) as database:
            service = make_service(self.library, database, limits=UNGUARDED)
            report = service.sync_all_novels()
            self.findings.runs[report.outcome] += 1
            if not report.success:
                self.findings.lost.append(f"the run after it ended as {report.outcome}: {report.as_dict()}")
            self._verify(service)
        self.judge()

    def _verify(self, service: SyncService) -> None:
        found = verification_of(service.dry_run(options=SyncOptions(reread=True)))
        if not found.equal:
            self.findings.lost.append(f"verify finds {found}")

    def judge(self) -> None:
        """What no word of ours is taken for: rows are compared with files, and with what they were."""
        self.findings.judged += 1
        with psycopg.connect(self.url, autocommit=True, options="-c role=anon") as connection:
            shown = self.reader.look(connection)
        found = {slug: novel.version for slug, novel in shown.items()}
        for slug in found.keys() | self.in_storage.keys():
            if found.get(slug) != self.in_storage.get(slug):
                said = f"{slug} should be {self.in_storage.get(slug)} and is {found.get(slug)}"
                self.findings.lost.append(said)
        with self.tables() as tables:
            rows = {id_ for (id_,) in tables.rows("select id from chapters")}
            for what, query in _DOUBLED.items():
                self.findings.doubled += [f"{what}: {row}" for row in tables.rows(query)]
        self._judge_ids(shown, rows)

    def _judge_ids(self, shown: Mapping[str, Shown], rows: set[int]) -> None:
        """Bookmarks: a text's chapter has its id for ever, whatever was done to it, also once it is hidden."""
        for slug, novel in shown.items():
            for chapter, id_ in zip(novel.version.chapters, novel.ids, strict=True):
                if self._ids.setdefault(chapter.digest, id_) != id_:
                    had = self._ids[chapter.digest]
                    self.findings.lost.append(f"{chapter} of {slug} has the id {id_} and had {had}")
        gone = set(self._ids.values()) - rows
        self.findings.lost += [f"the row {id_} was deleted" for id_ in gone]

    def empty(self) -> None:
        """As if nothing had ever been stored."""
        with self.tables() as tables:
            tables.connection.execute(
                "truncate chapters, novels, novelsync.files, novelsync.runs, novelsync.lease restart identity cascade;"
                " insert into novelsync.lease (run_id) values ('00000000-0000-0000-0000-000000000000')"
            )
        self._ids.clear()
