"""What a run costs over psycopg: a first import, an hour without changes, one new chapter in a long novel."""

import json
import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import libraries
from bench.parts import CountingRoad, database
from novelsync.database.functions import FunctionDatabase
from novelsync.database.postgres import PostgresRoad
from novelsync.report import Report
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService


def main(folder: Path) -> None:
    table = Table(
        *("over psycopg", "seconds", "novels/s", "chapters/s", "requests", "texts sent"), title="What a run costs"
    )
    many, small, long = (folder / name for name in ("many", "small", "long"))
    libraries.make(many, novels=60, chapters=300, size=6_000)
    libraries.make(small, novels=10_000, chapters=5, size=1_000)
    libraries.make(long, novels=1, chapters=3_000, size=6_000)
    for name, library in (("60 novels × 300 chapters × 6 kB", many), ("10,000 novels × 5 chapters × 1 kB", small)):
        with database() as conninfo, closing(CountingRoad(PostgresRoad(conninfo))) as road:
            run(table, f"first import, {name}", library, road)
            run(table, "then an hour without changes", library, road)
    with database() as conninfo, closing(CountingRoad(PostgresRoad(conninfo))) as road:
        run(table, "first import, 1 novel × 3,000 chapters × 6 kB", long, road)
        edit(long, lambda chapters, new: chapters.append(new))
        run(table, "then one chapter added at its end", long, road)
        edit(long, lambda chapters, new: chapters.insert(0, new))
        run(table, "then one chapter put in front", long, road)
    Console().print(table)


def run(table: Table, name: str, folder: Path, road: CountingRoad) -> Report:
    service = SyncService(LocalStorage(str(folder)), FunctionDatabase(road), workers=4, max_file_bytes=2**30)
    road.calls = road.texts = 0
    start = time.perf_counter()
    report = service.sync_all_novels("bench")
    seconds = time.perf_counter() - start
    if not report.success:
        raise SystemExit(f"{name}: {report.outcome}: {report.problems}")
    rates = (report.novels_in_storage / seconds, report.chapters["processed"] / seconds)
    table.add_row(name, f"{seconds:.2f}", *(f"{rate:,.0f}" for rate in rates), f"{road.calls}", f"{road.texts:,}")
    return report


def edit(folder: Path, change: Callable[[list[Any], Any], None]) -> None:
    (path,) = folder.glob("*/book_info.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    new = libraries.chapter(random.Random(len(document["chapters"])), "new", len(document["chapters"]) + 1, 6_000)  # noqa: S311
    change(document["chapters"], new)
    libraries.write(folder, path.parent.name, document)
