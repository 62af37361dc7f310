"""The same library over Supabase's REST API: NovelSync, and the plain algorithm beside it in one run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench import libraries, plain
from bench.parts import ROOT, Rest, database, rest
from novelsync.database.functions import FunctionDatabase
from novelsync.database.supabase import SupabaseRoad
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService

ROUNDS = 3

# From /proc, because the kernel's account of a child's memory begins with its parent's.
SYNC_AND_TELL_MEMORY = """
import atexit, sys
from novelsync.cli import main
atexit.register(lambda: print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))))
sys.argv = ["novelsync", "sync"]
main()
"""


def main(folder: Path) -> None:
    """60 novels × 300 chapters × 6 kB; of it the plain algorithm gets a slice, and rates are compared."""
    many, large = folder / "many", folder / "large"
    libraries.make(many, novels=60, chapters=300, size=6_000)
    table = Table(
        *("delay per request", "plain, chapters/s", "NovelSync, chapters/s", "ratio"),
        *("then an hour without changes: plain, requests per novel", "NovelSync, requests in all"),
        title="First import over PostgREST, 60 novels × 300 chapters × 6 kB",
    )
    for delay, slice_ in ((0.0, 600), (0.02, 120)):
        for _ in range(ROUNDS):
            table.add_row(f"{delay * 1000:.0f} ms", *_side_by_side(many, delay, slice_))
    Console().print(table)

    libraries.make(large, novels=1, chapters=2_000, size=50_000)
    Console().print(_memory(large))


def _side_by_side(folder: Path, delay: float, slice_: int) -> list[str]:
    with database() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute(plain.TABLES)
        with rest(conninfo, delay) as api:
            plain_rate = _rate(lambda: _plain(folder, api, slice_))
            api.passed()
            _plain(folder, api, slice_)
            plain_requests = api.passed()["requests"] / (slice_ / 300)
            ours_rate = _rate(lambda: _ours(folder, api))
            api.passed()
            _ours(folder, api)
            ours_requests = api.passed()["requests"]
    return [
        f"{plain_rate:,.0f}",
        f"{ours_rate:,.0f}",
        f"{ours_rate / plain_rate:,.0f}",
        f"{plain_requests:,.0f}",
        f"{ours_requests}",
    ]


def _rate(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    chapters = work()
    return chapters / (time.perf_counter() - start)


def _plain(folder: Path, api: Rest, limit: int) -> int:
    return plain.PlainSync(plain.connect(api.url, api.key)).sync(folder, limit)


def _ours(folder: Path, api: Rest) -> int:
    road = SupabaseRoad(api.url, api.key)
    service = SyncService(LocalStorage(str(folder)), FunctionDatabase(road), workers=4, max_file_bytes=2**30)
    report = service.sync_all_novels("bench")
    road.close()
    if not report.success:
        raise SystemExit(f"{report.outcome}: {report.problems}")
    return report.chapters["processed"]


def _memory(folder: Path) -> str:
    """Of a process that imports one novel of 100 MB, and of PostgREST."""
    with database() as conninfo, rest(conninfo) as api:
        before = api.passed()["rss"]
        settings = {"SUPABASE_URL": api.url, "SUPABASE_SECRET_KEY": api.key, "NOVELSYNC_STORAGE": str(folder)}
        command = [sys.executable, "-c", SYNC_AND_TELL_MEMORY]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=True, capture_output=True, text=True)
        after = api.passed()["rss"]
    peak = int(done.stdout.split()[-2]) / 1e3
    size = sum(path.stat().st_size for path in folder.rglob("*.json"))
    return (
        f"one novel of {size / 1e6:,.0f} MB: NovelSync {peak:,.0f} MB at most;"
        f" PostgREST {before / 1e6:,.0f} MB before, {after / 1e6:,.0f} MB after"
    )
