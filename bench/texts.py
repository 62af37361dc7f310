"""
What texts in files of their own cost: the import, an hour without changes, one edited file, pages of a bucket.

And reading them from a bucket that takes its time for each answer.
"""

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import floors, libraries
from bench.buckets import listing, reading
from bench.hours import touched
from bench.imports import compared, imported, in_turns, read_and_copy
from bench.parts import TRANSPORTS, CountingTransport, database, sync, transport
from bench.results import Table, seconds

NOVELS = 1_000
FILES = 300
SIZE = 2_000
TIMES = 5
FEW = 60
"""Novels of the first import: as many as in that of texts within the file, and of the same size."""
LONG = 6_000
DELAY = 0.02

_opened: list[str] = []


def main(folder: Path) -> Iterator[Table]:
    few = folder / "few"
    libraries.make_beside(few, FEW, FILES, LONG)
    contenders = {f"NovelSync, {kind}": partial(imported, few, kind) for kind in TRANSPORTS}
    contenders["the same files and one COPY stream"] = partial(read_and_copy, few)
    title = f"A first import of {FEW} novels of {FILES} texts of {LONG / 1000:g} kB in files of their own"
    yield compared(title, in_turns(contenders))

    sys.addaudithook(lambda event, arguments: _opened.append(str(arguments[0])) if event == "open" else None)
    library = folder / "beside"
    libraries.make_beside(library, NOVELS, FILES, SIZE)
    title = f"{NOVELS:,} novels of {FILES} texts of {SIZE / 1000:g} kB in files of their own"
    columns = [
        "",
        "chapters per second",
        "one walk",
        "a quiet hour",
        "ratio",
        "requests",
        "files opened",
        "rows touched",
    ]
    columns += ["one text edited", "files opened then"]
    rows = [[kind, *_hours(library, kind)] for kind in TRANSPORTS]
    yield Table(title, columns, rows, f"Of {TIMES} times, alternating, the fastest. One walk: a stat for every file.")

    columns = ["", "requests", "bytes received", "seconds of one processor"]
    rows = []
    for texts in (0, FILES):
        requests, received, busy = listing(NOVELS, texts)
        rows.append([f"{NOVELS:,} novels of {texts} texts", f"{requests:,}", f"{received:,}", f"{busy:.2f}"])
    yield Table("One listing of a bucket with texts", columns, rows)

    columns = ["", "texts per second", "one after the other", "requests", "milliseconds of one processor for a text"]
    rows = []
    for novels in (1, 4):
        took, requests, busy = reading(novels, FILES, LONG, DELAY)
        count = novels * FILES
        rates = [f"{count / took:,.0f}", f"at most {1 / DELAY:,.0f}"]
        rows.append([f"{novels} at once, {FILES} texts each", *rates, f"{requests:,}", f"{busy / count * 1000:.2f}"])
    yield Table(f"Texts of {LONG / 1000:g} kB from a bucket that takes {DELAY * 1000:.0f} ms to answer", columns, rows)


def _hours(library: Path, kind: str) -> list[str]:
    with database() as conninfo, transport(kind, conninfo) as (transport_, _):
        first, _report = sync(library, transport_)
        before = touched(conninfo)
        walks, hours = [], []
        for _ in range(TIMES):
            walks.append(floors.walk_all(library))
            calls, start = transport_.calls, len(_opened)
            hours.append(sync(library, transport_)[0])
            quiet = _opened_of(library, start)
        after = len(touched(conninfo) - before)
        requests = transport_.calls - calls
        edited, opened = _edited(library, transport_)
    walk, hour = min(walks), min(hours)
    rate = f"{NOVELS * FILES / first:,.0f}"
    numbers = [f"{hour / walk:.2f}", f"{requests}", f"{quiet}", f"{after}"]
    return [rate, seconds(walk), seconds(hour), *numbers, seconds(edited), f"{opened}"]


def _edited(library: Path, transport_: CountingTransport) -> tuple[float, int]:
    """Seconds of the run after one text was edited, and how many files it opened."""
    path = library / "novel-000007" / "7.html"
    fresh = path.with_suffix(".new")
    fresh.write_text(f"edited {os.getpid()} {path.read_text(encoding='utf-8')}", encoding="utf-8")
    fresh.rename(path)
    start = len(_opened)
    took, _report = sync(library, transport_)
    return took, _opened_of(library, start)


def _opened_of(library: Path, start: int) -> int:
    return sum(name.startswith(f"{library}/") for name in _opened[start:])
