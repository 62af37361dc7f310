"""Where the processor time of a first import goes: by step in this process, and in Postgres."""

import os
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import TypeVar

import psycopg

from bench import floors, libraries
from bench.parts import database
from bench.results import Table
from novelsync.books.reader import read_book
from novelsync.database.requests import write_request
from novelsync.database.transports.bodies import with_texts
from novelsync.models.source import BOOK_FILE, SourceFile
from novelsync.models.writing import NovelWrite
from novelsync.planning.novel_plan import plan_novel
from novelsync.running.novels.request_ids import request_id

ROUNDS = 5
LIBRARIES = {"6 kB": (20, 300, 6_000, 1), "1 kB": (1_000, 5, 1_000, 250)}
"""By the size of a text: novels, chapters of each, bytes of a text, novels in one call as `LocalExecutor` has it."""

STEPS = (
    "reading the file",
    "its checksum",
    "the reader",
    "planning",
    "the request",
    "its body",
    "sending, and waiting for it",
    "Postgres: the call",
)
COPY = "Postgres: one COPY stream"

Value = TypeVar("Value")


class _Clock:
    """Adds up this process' time by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, work: Callable[[], Value]) -> Value:
        start = time.process_time()
        value = work()
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - start
        return value


def main(folder: Path) -> Iterator[Table]:
    rows = {step: [step] for step in (*STEPS, COPY)}
    for name, (novels, chapters, size, together) in LIBRARIES.items():
        libraries.make(folder / name, novels, chapters, size)
        taken = [_import(folder / name, together) for _ in range(ROUNDS)]
        for step, row in rows.items():
            row.append(f"{median(each[step] for each in taken) / (novels * chapters) * 1e6:.1f}")
    columns = ["microseconds of one processor per chapter", *(f"texts of {name}" for name in LIBRARIES)]
    yield Table("Where a first import takes its time", columns, [*rows.values()], f"Medians of {ROUNDS} rounds.")


def _import(folder: Path, together: int) -> dict[str, float]:
    """Seconds of each step of one import, its novels one after another."""
    clock = _Clock()
    with database() as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        before = _seconds_of(connection.info.backend_pid)
        writes: list[NovelWrite] = []
        slugs = sorted(each.name for each in folder.iterdir())
        for place, slug in enumerate(slugs, start=1):
            writes.append(_planned(clock, folder, slug))
            if len(writes) == together or place == len(slugs):
                _write(clock, connection, writes)
                writes = []
        clock.seconds[STEPS[7]] = _seconds_of(connection.info.backend_pid) - before
    clock.seconds[COPY] = _copy(folder)
    return clock.seconds


def _planned(clock: _Clock, folder: Path, slug: str) -> NovelWrite:
    data = clock.time(STEPS[0], (folder / slug / BOOK_FILE).read_bytes)
    checksum = clock.time(STEPS[1], lambda: f"sha256:{sha256(data).hexdigest()}")
    book = clock.time(STEPS[2], lambda: read_book(data))
    novel = SourceFile(slug, "v", len(data))
    return clock.time(STEPS[3], lambda: plan_novel(novel, checksum, book, None, request_id=request_id()))


def _write(clock: _Clock, connection: psycopg.Connection[tuple[object]], writes: list[NovelWrite]) -> None:
    request = clock.time(STEPS[4], lambda: write_request(None, writes))
    body = clock.time(STEPS[5], lambda: with_texts(request))
    clock.time(STEPS[6], lambda: connection.execute("select novelsync_write(%b)", [body]))


def _copy(folder: Path) -> float:
    rows = list(floors.rows(folder))
    with database() as conninfo, psycopg.connect(conninfo) as connection:
        before = _seconds_of(connection.info.backend_pid)
        floors.copy_over(connection, rows)
        return _seconds_of(connection.info.backend_pid) - before


def _seconds_of(pid: int) -> float:
    """Of one processor, that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
