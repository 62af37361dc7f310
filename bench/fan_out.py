"""A run that hands its novels to workers by messages; all of them are on this machine."""

import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import httpx
import msgspec
import psutil
import psycopg

from bench import libraries
from bench.parts import database, rest, sync, transport
from bench.results import Table
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.run import NovelMessage
from novelsync.running.pubsub_executor import PubSubExecutor
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from novelsync.text.formatting import counted
from tests.support.serving import ROOT, served

NOVELS: Final = 200
CHAPTERS: Final = 20
SIZE: Final = 6_000
WORKERS: Final = (1, 2, 4)
PER_WORKER: Final = 2
"""Messages at a time."""
DELAY: Final = 0.02
"""Seconds added to each request to PostgREST."""
TIMES: Final = 3


def main(folder: Path) -> Iterator[Table]:
    library = folder / "library"
    libraries.make(library, novels=NOVELS, chapters=CHAPTERS, size=SIZE)
    columns = ["", "novels per second", "MB of text per second"]
    columns += [f"seconds of a processor: {part}" for part in PARTS]
    note = f"{NOVELS} new novels of {CHAPTERS} chapters of {SIZE / 1000:.0f} kB; the medians of {TIMES} imports."
    for where, delay in (("on the same machine", 0.0), (f"{DELAY * 1000:.0f} ms away", DELAY)):
        rows = [["by itself, 4 threads", *_row(alone(library, delay))]]
        rows += [[counted(workers, "worker"), *_row(given_out(library, workers, delay))] for workers in WORKERS]
        yield Table(f"A first import, given to others, PostgREST {where}", columns, rows, note)


Rounds: TypeAlias = list[tuple[float, Mapping[str, float]]]
"""For each import its seconds, and the processor seconds of each of `PARTS`."""


def alone(library: Path, delay: float) -> Rounds:
    """A run that does the work itself."""
    rounds = []
    for _ in range(TIMES):
        with database() as conninfo, transport("PostgREST", conninfo, delay) as (transport_, _), Busy(conninfo) as busy:
            seconds, _report = sync(library, transport_)
            rounds.append((seconds, busy.since()))
    return rounds


def given_out(library: Path, workers: int, delay: float) -> Rounds:
    """A run whose novels are synced by so many worker processes."""
    rounds = []
    for _ in range(TIMES):
        with database() as conninfo, rest(conninfo, delay) as api:
            settings = {
                "NOVELSYNC_STORAGE": str(library),
                "SUPABASE_URL": api.url,
                "SUPABASE_SECRET_KEY": api.secret_key,
                "WORKERS": str(workers),
            }
            with (
                served("novel_changed", library.parent / "log", folder=ROOT, **settings) as function,
                Pushing(str(function.base_url), workers * PER_WORKER) as topic,
                closing(SqlClient(PostgresTransport(conninfo))) as client,
                Busy(conninfo) as busy,
            ):
                executor = PubSubExecutor(topic, client.messages, poll_seconds=0.1)
                service = SyncService(
                    LocalStorage(str(library)), client, SyncConfig(workers=4, max_file_bytes=2**30), executor=executor
                )
                start = time.perf_counter()
                report = service.sync_all_novels("bench")
                rounds.append((time.perf_counter() - start, busy.since()))
            if not report.success:
                raise SystemExit(f"{workers} workers: {report.outcome}: {report.problems}")
    return rounds


class Pushing:
    """
    A topic whose subscription pushes ``at_once`` messages at a time, each wrapped as Pub/Sub does it.

    It replaces the emulator, which pushes no more than two at a time, and takes a third of a processor for that.
    """

    name = "the bench"

    def __init__(self, url: str, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once)
        self._http = httpx.Client(base_url=url, timeout=600)

    def __enter__(self) -> "Pushing":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._http.close()

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        for message in messages:
            self._pool.submit(self._push, b64encode(msgspec.json.encode(message)).decode())

    def _push(self, data: str) -> None:
        self._http.post("/", json={"message": {"data": data, "messageId": "1"}, "subscription": "s"}).raise_for_status()


def _row(rounds: Rounds) -> list[str]:
    took = median(seconds for seconds, _ in rounds)
    busy = [f"{median(used[part] for _, used in rounds):.1f}" for part in PARTS]
    return [f"{NOVELS / took:,.0f}", f"{NOVELS * CHAPTERS * SIZE / took / 1e6:,.1f}", *busy]


PARTS: Final = ("run", "workers", "Postgres", "PostgREST")


def _part_of(process: psutil.Process) -> str:
    # PostgREST is measured together with the gateway in front of it.
    return "workers" if "functions_framework" in " ".join(process.cmdline()) else "PostgREST"


class Busy:
    """The processor time of each of `PARTS` since the block began. No other processes count."""

    def __init__(self, conninfo: str) -> None:
        with psycopg.connect(conninfo) as connection:
            self._postgres = psutil.Process(connection.info.backend_pid).parent()

    def __enter__(self) -> "Busy":
        self._before = self._used()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def since(self) -> Mapping[str, float]:
        """Processor seconds by part."""
        now = self._used()
        return {part: now[part] - self._before[part] for part in PARTS}

    def _used(self) -> dict[str, float]:
        used = dict.fromkeys(PARTS, 0.0)
        here = psutil.Process()
        parts = [("run", here), *((_part_of(child), child) for child in here.children(recursive=True))]
        parts += [("Postgres", process) for process in (self._postgres, *self._postgres.children())]
        for part, process in parts:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[part] += times.user + times.system
                if process != here:
                    # Processes that have ended count with their parent.
                    used[part] += times.children_user + times.children_system
        return used
