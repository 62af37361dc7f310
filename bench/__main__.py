"""
What a run costs: a first import, an hour without changes, one new chapter in a long novel.

Each on an embedded database of its own, so that the figures stand side by side in one run.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import libraries
from novelsync.database.embedded import EmbeddedPostgres
from novelsync.database.functions import FunctionDatabase
from novelsync.database.migrations import migrate
from novelsync.database.postgres import PostgresRoad
from novelsync.logs import configure_logs
from novelsync.report import Report
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService


class CountingRoad(PostgresRoad):
    """Counts what goes over the road."""

    calls = 0
    texts = 0

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        self.calls += 1
        self.texts += sum(
            bool(chapter.get("content"))
            for part in ("created", "changed", "texts")
            for chapter in request.get(part, ())
        )
        return super().call(function, request)


@contextmanager
def road() -> Iterator[CountingRoad]:
    with (
        tempfile.TemporaryDirectory(prefix="novelsync-bench-") as folder,
        EmbeddedPostgres(Path(folder, "pg")) as postgres,
    ):
        conninfo = postgres.start()
        migrate(conninfo, "bench")
        road = CountingRoad(conninfo, "bench")
        yield road
        road.close()


def main() -> None:
    configure_logs("text", "stderr")
    table = Table("what", "seconds", "novels/s", "chapters/s", "requests", "texts sent", box=None)
    with tempfile.TemporaryDirectory(prefix="novelsync-bench-") as folder:
        many, small, long = (Path(folder, name) for name in ("many", "small", "long"))
        libraries.make(many, novels=60, chapters=300, size=6_000)
        libraries.make(small, novels=10_000, chapters=5, size=1_000)
        libraries.make(long, novels=1, chapters=3_000, size=6_000)
        measure(table, "first import, 60 novels × 300 chapters × 6 kB", many, quiet="then an hour without changes")
        measure(table, "first import, 10,000 novels × 5 chapters × 1 kB", small, quiet="then an hour without changes")
        with road() as road_:
            run(table, "first import, 1 novel × 3,000 chapters × 6 kB", long, road_)
            edit(long, lambda chapters, new: chapters.append(new))
            run(table, "then one chapter added at its end", long, road_)
            edit(long, lambda chapters, new: chapters.insert(0, new))
            run(table, "then one chapter put in front", long, road_)
    Console().print(table)


def measure(table: Table, name: str, folder: Path, quiet: str) -> None:
    with road() as road_:
        run(table, name, folder, road_)
        run(table, quiet, folder, road_)


def run(table: Table, name: str, folder: Path, road_: CountingRoad) -> Report:
    service = SyncService(LocalStorage(str(folder)), FunctionDatabase(road_), workers=4, max_file_bytes=2**30)
    road_.calls = road_.texts = 0
    start = time.perf_counter()
    report = service.sync_all_novels("bench")
    seconds = time.perf_counter() - start
    if not report.success:
        raise SystemExit(f"{name}: {report.outcome}: {report.problems}")
    rates = (report.novels_in_storage / seconds, report.chapters["processed"] / seconds)
    table.add_row(name, f"{seconds:.2f}", *(f"{rate:,.0f}" for rate in rates), f"{road_.calls}", f"{road_.texts:,}")
    return report


def edit(folder: Path, change: Callable[[list[Any], Any], None]) -> None:
    (path,) = folder.glob("*/book_info.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    new = libraries.chapter(random.Random(len(document["chapters"])), "new", len(document["chapters"]) + 1, 6_000)  # noqa: S311
    change(document["chapters"], new)
    libraries.write(folder, path.parent.name, document)


main()
