"""What an hour costs: one without changes, compared with one walk of the folder; and one with a chapter added."""

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from bench import floors, libraries
from bench.parts import TRANSPORTS, CountingTransport, database, sync, transport
from bench.results import Table, seconds

TIMES = 5
LIBRARIES = {"100": 100, "10,000": 10_000, "100,000": 100_000}
LONG = "long"

_opened: list[str] = []


def main(folder: Path) -> Iterator[Table]:
    sys.addaudithook(lambda event, arguments: _opened.append(str(arguments[0])) if event == "open" else None)
    quiet = []
    for name, novels in LIBRARIES.items():
        library = folder / f"quiet-{novels}"
        libraries.make(library, novels=novels, chapters=1, size=200)
        quiet += [[f"{name} novels", kind, *_quiet(library, kind)] for kind in TRANSPORTS]
    columns = ["", "transport", "one walk", "the hour", "ratio", "requests", "bytes sent and received"]
    columns += ["files opened", "rows touched"]
    yield Table("An hour without changes", columns, quiet, f"Of {TIMES} times, alternating, the fastest.")

    library = folder / "added"
    libraries.make(library, novels=10_000, chapters=1, size=200)
    libraries.make_one(library, LONG, chapters=3_000, size=6_000)
    columns = ["", "transport", "the run", "requests", "texts sent", "bytes received per known chapter"]
    rows = [row for kind in TRANSPORTS for row in _changed(library, kind)]
    yield Table("One chapter in a novel of 3,000, among 10,000 novels", columns, rows)


def _quiet(library: Path, kind: str) -> list[str]:
    with database() as conninfo, transport(kind, conninfo) as (transport_, api):
        sync(library, transport_)
        before = touched(conninfo)
        walks, hours = [], []
        for _ in range(TIMES):
            walks.append(floors.walk(library))
            calls, opened = transport_.calls, len(_opened)
            if api:
                api.passed()
            hours.append(sync(library, transport_)[0])
            files = sum(str(library) in name and name.endswith(".json") for name in _opened[opened:])
        size = f"{_bytes(api.passed()):,}" if api else ""
        rows = len(touched(conninfo) - before)
    walk, hour = min(walks), min(hours)
    requests = transport_.calls - calls
    return [seconds(walk), seconds(hour), f"{hour / walk:.2f}", f"{requests}", size, f"{files}", f"{rows}"]


def _bytes(passed: Mapping[str, int]) -> int:
    return passed["bytes_in"] + passed["bytes_out"]


def touched(conninfo: str) -> set[tuple[Any, ...]]:
    """The place and version of every row in the readers' tables: a row that is touched gets another."""
    with psycopg.connect(conninfo) as connection:
        return set(
            connection.execute(
                "select 'novels', ctid::text, xmin::text from novels"
                " union all select 'chapters', ctid::text, xmin::text from chapters"
            ).fetchall()
        )


def _changed(library: Path, kind: str) -> Iterator[list[str]]:
    changes: dict[str, Callable[[list[Any], Any], None]] = {
        "added at the end": lambda chapters, new: chapters.append(new),
        "put in front": lambda chapters, new: chapters.insert(0, new),
    }
    with database() as conninfo, transport(kind, conninfo) as (transport_, _):
        sync(library, transport_)
        for name, change in changes.items():
            known = _edit(library, change)
            calls, texts = transport_.calls, transport_.texts
            took, _report = sync(library, transport_)
            told = _per_chapter(conninfo, transport_, known)
            yield [name, kind, seconds(took), f"{transport_.calls - calls}", f"{transport_.texts - texts}", told]


def _edit(library: Path, change: Callable[[list[Any], Any], None]) -> int:
    """Changes the long novel's file. Returns how many chapters it had before."""
    path = library / LONG / "book_info.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    known = len(document["chapters"])
    change(document["chapters"], libraries.chapter(random.Random(known), "new", known + 1, 6_000))  # noqa: S311
    libraries.write(library, LONG, document)
    return known


def _per_chapter(conninfo: str, transport_: CountingTransport, known: int) -> str:
    """
    Bytes of the answer about stored chapters, per chapter.

    It is asked for once more, because only the database knows how it was written out.
    """
    request = transport_.asked["novelsync_known_novels"]
    # The run has written one chapter more, and would get no chapters for a file whose checksum is the stored one.
    body = msgspec.json.encode({"novels": [{**novel, "checksum": ""} for novel in request["novels"]]}).decode()
    with psycopg.connect(conninfo) as connection:
        ((size,),) = connection.execute("select octet_length(novelsync_known_novels(%s)::text)", [body]).fetchall()
    return f"{size / (known + 1):.0f}"
