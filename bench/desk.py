"""What the pages of the desk cost with 100,000 novels: from the question to the finished HTML."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from bench.parts import CountingTransport, database
from bench.results import Table
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.desk.novels import NovelQuery, Show, Sort
from novelsync.text.hints import as_command_line
from novelsync.web.page.render import View, page
from novelsync.web.page.views.novels import novel_view, novels_view
from novelsync.web.page.views.runs import run_view, runs_view
from novelsync.web.page.views.words import Action

NOVELS: Final = 100_000
LARGE: Final = 3_000
"""Chapters of one of them; the others have three."""
ROUNDS: Final = 7

RUN: Final = str(uuid.UUID(int=7))

_LIBRARY: Final = (
    "insert into novels (slug, title, author, status, chapter_count, updated_at, last_chapter_at)"
    " select 'novel-' || n, 'The ' || md5(n::text) || ' of ' || n, 'Somebody ' || n % 997, 'ongoing', 3,"
    "        now() - n * 7919 % 100003 * interval '1 minute', now() - n * 7907 % 100003 * interval '1 minute'"
    " from generate_series(1, {novels}) n",
    "insert into novelsync.files (slug, novel_id, version) select slug, id, 'v' from novels",
    "insert into novelsync.problems (slug, kind, message, hint)"
    " select slug, (array['held', 'refused', 'warning'])[id % 3 + 1], 'the file is cut off', 'look' from novels"
    " where id % 10 = 0",
    "update novelsync.files set missing_since = now() where novel_id % 1000 = 7",
    "update novelsync.files set blank = true where novel_id % 100 = 3",
    "insert into chapters (novel_id, position, number, title, content)"
    " select n.id, k, k, 'Chapter ' || k, 'It was so. ' || n.id from novels n, generate_series(1, 3) k",
    "insert into chapters (novel_id, position, number, title, content)"
    " select 1, k, k, 'Chapter ' || k, repeat('It was so. ', 500) from generate_series(4, {large}) k",
    "insert into novelsync.runs (run_id, trigger, started_at, finished_at, outcome)"
    " select gen_random_uuid(), 'scheduler', now() - n * interval '1 hour', now() - n * interval '1 hour', 'ok'"
    " from generate_series(1, 700) n",
    "insert into novelsync.runs (run_id, trigger, started_at, finished_at, outcome)"
    " values ('{run}', 'cli', now() - interval '1 minute', now() + interval '1 minute', 'ok')",
    "insert into chapter_changes (novel_id, chapter_id, kind, run_id)"
    " select novel_id, id, 'added', '{run}' from chapters where novel_id <= 5000 and position < 4",
)


def main(_folder: Path) -> Iterator[Table]:
    with database() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for statement in _LIBRARY:
                connection.execute(statement.format(novels=NOVELS, large=LARGE, run=RUN).encode())
            connection.execute("vacuum analyze")
        transport = CountingTransport(PostgresTransport(conninfo))
        with closing(SqlClient(transport)) as client:
            client.peek()
            yield Table(
                f"Pages, with {NOVELS:,} novels",
                ["", "median, ms", "worst, ms", "calls of the database"],
                [_row(name, ask, transport) for name, ask in _pages(client).items()],
                f"Of {ROUNDS} times, each from the question to the finished HTML.",
            )


def _row(name: str, ask: Callable[[], View], transport: CountingTransport) -> list[str]:
    times = []
    before = transport.calls
    for _ in range(ROUNDS):
        start = time.perf_counter()
        page(ask())
        times.append((time.perf_counter() - start) * 1000)
    calls = (transport.calls - before) // ROUNDS
    return [name, f"{median(times):.0f}", f"{max(times):.0f}", f"{calls}"]


def _pages(client: SqlClient) -> dict[str, Callable[[], View]]:
    def novels(**query: object) -> Callable[[], View]:
        asked = replace(NovelQuery(), **query)  # type: ignore[arg-type]
        return lambda: novels_view(client.desk.novels(asked), asked)

    def novel(slug: str) -> View:
        found = client.desk.novel(slug)
        assert found is not None  # noqa: S101
        return novel_view(found, 0, as_command_line, lambda command: Action())

    def run() -> View:
        found = client.desk.run(RUN)
        assert found is not None  # noqa: S101
        return run_view(found, as_command_line)

    return {
        "all novels, changed last": novels(),
        "the same, from the middle": novels(after=f"novel-{NOVELS // 2}"),
        "by title": novels(sort=Sort.TITLE),
        "most chapters first": novels(sort=Sort.CHAPTERS),
        "3,333 held ones": novels(show=Show.HELD),
        "100 missing ones": novels(show=Show.MISSING),
        "1,000 without text": novels(show=Show.WITHOUT_TEXT),
        "a search that finds a few": novels(search="9999"),
        "a search that finds nothing": novels(search="zebra"),
        "a search that finds all": novels(search="the"),
        f"a novel of {LARGE:,} chapters": lambda: novel("novel-1"),
        "a novel of three": lambda: novel("novel-2"),
        "a run that changed 5,000 novels": run,
        "100 runs": lambda: runs_view(client.desk.runs(None, 100)),
    }
