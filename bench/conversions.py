"""What it costs to convert other programs' outputs: the first time, when nothing has changed, and one more chapter."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from bench import libraries
from bench.results import Table, seconds
from novelsync.convert.registry import convert
from tests.support.other_programs import PROGRAMS, Novel

CHAPTERS = 2_000
SIZE = 6_000
TIMES = 3
LIMIT = 1 << 28


def main(folder: Path) -> Iterator[Table]:
    random_ = random.Random(1)  # noqa: S311 — no secret
    texts = [(f"Chương {n}", f"<p>{libraries.text(random_, SIZE)}</p>") for n in range(1, CHAPTERS + 2)]
    novel = Novel(chapters=tuple(texts[:-1]))
    more = replace(novel, chapters=tuple(texts))
    rows = [[kind, *map(seconds, _measured(folder / kind, kind, novel, more))] for kind in PROGRAMS]
    title = f"One novel of {CHAPTERS:,} chapters of {SIZE / 1000:g} kB, converted"
    columns = ["", "the first time", "nothing has changed", "one more chapter"]
    yield Table(title, columns, rows, f"Of {TIMES} times, the fastest.")


def _measured(folder: Path, kind: str, novel: Novel, more: Novel) -> tuple[float, float, float]:
    """Seconds of each."""
    first, again, later = [], [], []
    for time in range(TIMES):
        source, dest = PROGRAMS[kind](folder / f"source-{time}", novel), folder / f"novels-{time}"
        first.append(_took(source, dest))
        again.append(_took(source, dest))
        PROGRAMS[kind](folder / f"source-{time}", more)
        later.append(_took(source, dest))
    return min(first), min(again), min(later)


def _took(source: Path, dest: Path) -> float:
    start = perf_counter()
    list(convert(source, dest, LIMIT))
    return perf_counter() - start
