"""A run that gives its novels to others, on this machine; and what an hour of a very large library would come to."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from bench import libraries
from bench.parts import CountingRoad, database, sync
from bench.results import Table
from novelsync.database.functions import FunctionDatabase
from novelsync.database.postgres import PostgresRoad
from novelsync.fan_out import FanOut
from novelsync.publishers.pubsub import PubSubPublisher
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from tests.pubsub_emulator import PubSubEmulator
from tests.serving import served

NOVELS: Final = 600
CHAPTERS: Final = 20
SIZE: Final = 6_000
WORKERS: Final = (1, 2, 4)
TIMES: Final = 3


def main(folder: Path) -> Iterator[Table]:
    library = folder / "library"
    libraries.make(library, novels=NOVELS, chapters=CHAPTERS, size=SIZE)
    rows = [["this process itself, 4 threads", *_alone(library)]]
    rows += [
        [f"{workers} workers" if workers > 1 else "1 worker", *_given_out(library, workers)] for workers in WORKERS
    ]
    columns = ["", "novels per second", "MB of text per second"]
    columns += [f"seconds of a processor: {part}" for part in ("the run", "workers", "Postgres", "Pub/Sub")]
    note = f"{NOVELS} new novels of {CHAPTERS} chapters of {SIZE / 1000:.0f} kB; the medians of {TIMES} imports."
    yield Table("A first import given to others over Pub/Sub's emulator", columns, rows, note)


def _alone(library: Path) -> list[str]:
    rounds = []
    for _ in range(TIMES):
        with database() as conninfo, Busy() as busy:
            road = CountingRoad(PostgresRoad(conninfo))
            seconds, _report = sync(library, road)
            rounds.append((seconds, busy.since()))
            road.close()
    return _row(rounds)


def _given_out(library: Path, workers: int) -> list[str]:
    rounds = []
    for _ in range(TIMES):
        with database() as conninfo, PubSubEmulator() as pubsub:
            os.environ["PUBSUB_EMULATOR_HOST"] = pubsub.host
            # One novel at a time in each, as `--concurrency=1` has it.
            settings = {"NOVELSYNC_STORAGE": str(library), "DATABASE_URL": conninfo}
            settings |= {"WORKERS": str(workers), "THREADS": "1"}
            with served("novel_changed", library.parent / "log", **settings) as function, Busy() as busy:
                topic = pubsub.topic("novels")
                pubsub.push(topic, f"{function.base_url}/")
                messages = FunctionDatabase(PostgresRoad(conninfo))
                fan_out = FanOut(PubSubPublisher(topic), messages, every=0.1)
                service = SyncService(
                    LocalStorage(str(library)), messages, workers=4, max_file_bytes=2**30, fan_out=fan_out
                )
                start = time.perf_counter()
                report = service.sync_all_novels("bench")
                rounds.append((time.perf_counter() - start, busy.since()))
                messages.close()
            if not report.success:
                raise SystemExit(f"{workers} workers: {report.outcome}: {report.problems}")
    return _row(rounds)


def _row(rounds: list[tuple[float, Mapping[str, float]]]) -> list[str]:
    took = median(seconds for seconds, _ in rounds)
    busy = [f"{median(used[part] for _, used in rounds):.1f}" for part in PARTS]
    return [f"{NOVELS / took:,.0f}", f"{NOVELS * CHAPTERS * SIZE / took / 1e6:,.1f}", *busy]


PARTS: Final = ("run", "functions_framework", "postgres", "java")


@dataclass
class Busy:
    """How long each part had a processor, from the block's beginning."""

    def __enter__(self) -> "Busy":
        self._before = self._used()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def since(self) -> Mapping[str, float]:
        now = self._used()
        return {part: now[part] - self._before[part] for part in PARTS}

    def _used(self) -> dict[str, float]:
        used = dict.fromkeys(PARTS, 0.0)
        for process in psutil.process_iter(["name", "cmdline", "cpu_times"]):
            times, said = process.info["cpu_times"], " ".join(process.info["cmdline"] or [process.info["name"] or ""])
            part = "run" if process.pid == os.getpid() else next((part for part in PARTS[1:] if part in said), None)
            if part and times:
                # What has ended counts with its parent.
                used[part] += times.user + times.system + times.children_user + times.children_system
        return used
