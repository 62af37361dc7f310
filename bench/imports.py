"""A first import: NovelSync over both transports, compared with what people would use instead and a lower bound."""

import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import psycopg

from bench import floors, libraries, plain
from bench.parts import ROOT, TRANSPORTS, database, rest, sync, transport
from bench.results import Table, rounds

ROUNDS = 5
DELAY = 0.02
DLT = ROOT / ".tools" / "dlt" / "bin" / "python"
PLAIN = "the plain algorithm"
FLOOR = "one COPY stream"

Contender = Callable[[], float]
"""Chapters per second of one import into a database of its own."""


def main(folder: Path) -> Iterator[Table]:
    many, small, large = folder / "many", folder / "small", folder / "large"
    libraries.make(many, novels=60, chapters=300, size=6_000)
    rates = in_turns(
        {
            PLAIN: lambda: _plain(many, 600),
            **({"dlt": lambda: _dlt(many, 18_000)} if DLT.exists() else {}),
            **{f"NovelSync, {kind}": partial(imported, many, kind) for kind in TRANSPORTS},
            FLOOR: lambda: _copy(many),
        }
    )
    yield compared("60 novels of 300 chapters of 6 kB", rates)
    rates = in_turns(
        {
            PLAIN: lambda: _plain(many, 120, DELAY),
            "NovelSync, PostgREST": lambda: imported(many, "PostgREST", DELAY),
            FLOOR: lambda: _copy(many),
        }
    )
    yield compared(f"The same, {DELAY * 1000:.0f} ms away (but for the COPY)", rates)
    libraries.make(large, novels=4, chapters=5_000, size=6_000)
    ours: dict[str, Contender] = {f"NovelSync, {kind}": partial(imported, large, kind) for kind in TRANSPORTS}
    yield compared("4 novels of 30 MB", in_turns({**ours, FLOOR: lambda: _copy(large)}))
    libraries.make(small, novels=10_000, chapters=5, size=1_000)
    ours = {f"NovelSync, {kind}": partial(imported, small, kind) for kind in TRANSPORTS}
    floor: dict[str, Contender] = {"json and one COPY stream": lambda: read_and_copy(small)}
    yield compared("10,000 novels of 5 chapters of 1 kB", in_turns({**ours, **floor}))


def in_turns(contenders: Mapping[str, Contender]) -> Mapping[str, list[float]]:
    """Every round has one turn of each contender, so that a slow moment of the machine hits all of them."""
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            rates[name].append(contender())
    return rates


def compared(title: str, rates: Mapping[str, list[float]]) -> Table:
    ours = [name for name in rates if name.startswith("NovelSync")]
    rows = []
    for name, its in rates.items():
        ratios = [
            f"{median(mine / other for mine, other in zip(rates[our], its, strict=True)):.2f}" if our != name else ""
            for our in ours
        ]
        rows.append([name, rounds(its), *ratios])
    columns = ["", "chapters per second", *(f"{name} is … times as fast" for name in ours)]
    return Table(title, columns, rows)


def imported(folder: Path, kind: str, delay: float = 0.0) -> float:
    with database() as conninfo, transport(kind, conninfo, delay) as (transport_, _):
        seconds, report = sync(folder, transport_)
        return report.chapters_processed / seconds


def _plain(folder: Path, limit: int, delay: float = 0.0) -> float:
    """On the first ``limit`` chapters, because all of them would take minutes."""
    with database() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute(plain.TABLES)
        with rest(conninfo, delay) as api:
            return plain.timed(api.url, api.secret_key, folder, limit)


def _dlt(folder: Path, chapters: int) -> float:
    with database() as conninfo:
        command = [str(DLT), str(ROOT / "bench" / "dlt_pipeline.py"), str(folder), conninfo]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return chapters / float(done.stdout.split()[-1])


def _copy(folder: Path) -> float:
    rows = list(floors.rows(folder))
    with database() as conninfo:
        return len(rows) / floors.copy(conninfo, rows)


def read_and_copy(folder: Path) -> float:
    chapters = 0

    def counted() -> Iterator[floors.Row]:
        nonlocal chapters
        for row in floors.rows(folder):
            chapters += 1
            yield row

    with database() as conninfo:
        seconds = floors.copy(conninfo, counted())
    return chapters / seconds
