"""
``make mutants``: plants faults that somebody could make, one at a time, and prints which test notices each.

Each is planted in a copy of the tree. The tests of its own room come first; for what they do not notice, the rest of
the suite does. In the end the tests that noticed run once more without any fault, which they have to pass.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, takewhile
from typing import Final

from bench.parts import described
from bench.results import DOCS, Table, keep
from tests.mutants.planted_faults import Fault, faults
from tests.mutants.trial import COLLECTING, Failure, ask, copy_of_the_tree, plant, rest_of

COLUMNS: Final = ("fault", "file", "noticed by", "seconds")
OWN_ROOM: Final = "its own room"
ELSEWHERE: Final = "elsewhere"
NOBODY: Final = "**not at all**"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a fault."""

    fault: Fault
    seconds: float
    noticed_by: Failure | None
    own_room: bool = False
    unsound: bool = False
    """The test fails without the fault as well."""

    @property
    def noticed(self) -> bool:
        return self.noticed_by is not None and not self.unsound

    def row(self) -> list[str]:
        found, where = self.noticed_by, OWN_ROOM if self.own_room else ELSEWHERE
        if not found:
            said = NOBODY
        elif self.unsound:
            said = f"{NOBODY}: `{_short(found.test)}` fails without it as well"
        else:
            said = f"{where}{', by not ending' if found.timed_out else ''}: `{_short(found.test)}`"
        return [self.fault.name, f"`{_short(self.fault.file)}`", said, f"{self.seconds:.0f}"]


def _short(name: str) -> str:
    """Without the folders of tests and migrations, and without a test's parameters."""
    return name.removeprefix("tests/").removeprefix("novelsync/").removeprefix("supabase/migrations/").partition("[")[0]


def tried(fault: Fault, *, own_room_only: bool, seconds: float) -> Result:
    began = time.monotonic()
    with copy_of_the_tree() as tree:
        plant(fault, tree)
        found = ask(tree, fault.tests, seconds)
        own_room = bool(found)
        if not found and not own_room_only:
            found = ask(tree, rest_of(tree, fault.tests), seconds)
    return Result(fault, time.monotonic() - began, next(iter(found), None), own_room)


def checked(results: Sequence[Result], seconds: float) -> list[Result]:
    """The same, where a test that fails without any fault as well has noticed nothing."""
    noticing = sorted({r.noticed_by.test for r in results if r.noticed_by and r.noticed_by.test != COLLECTING})
    with copy_of_the_tree() as tree:
        unsound = {found.test for found in ask(tree, noticing, seconds, all_of_them=True)} if noticing else set()
    return [
        replace(result, unsound=result.noticed_by is not None and result.noticed_by.test in unsound)
        for result in results
    ]


def tables(faults_: Sequence[Fault], rows: Mapping[str, Sequence[str]]) -> list[Table]:
    """``rows``: by the names of faults, those of the second table."""
    rooms: dict[str, list[Sequence[str]]] = {}
    for fault in faults_:
        if fault.name in rows:
            rooms.setdefault(fault.room, []).append(rows[fault.name])
    rooms["**all**"] = list(chain.from_iterable(rooms.values()))

    def counted(some: Sequence[Sequence[str]], beginning: str) -> str:
        return str(sum(row[2].startswith(beginning) for row in some))

    return [
        Table(
            "Planted faults, and who notices them",
            ["", "faults", "noticed by their own room", "elsewhere", "not at all"],
            [
                [name, str(len(some)), *(counted(some, words) for words in (OWN_ROOM, ELSEWHERE, NOBODY))]
                for name, some in rooms.items()
            ],
        ),
        Table("Each of them", COLUMNS, rooms["**all**"]),
    ]


def kept_rows() -> dict[str, list[str]]:
    """Those that are in the docs already, by the names of their faults."""
    _, _, kept = (DOCS / "numbers.md").read_text(encoding="utf-8").partition(f"| {' | '.join(COLUMNS)} |\n")
    lines = takewhile(lambda line: line.startswith("|"), kept.splitlines())
    rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    return {row[0]: row for row in rows[1:]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--only", metavar="NAME", action="append", help="faults with this in their room or name")
    parser.add_argument("--jobs", type=int, default=1, help="how many faults at once")
    parser.add_argument("--own-room-only", action="store_true", help="do not ask the rest of the suite")
    parser.add_argument("--seconds", type=float, default=300, help="a test that takes longer hangs")
    parser.add_argument("--keep", action="store_true", help="replace the tables in docs/numbers.md")
    options = parser.parse_args()
    chosen = [
        fault
        for fault in faults()
        if not options.only or any(part in fault.name or part == fault.room for part in options.only)
    ]
    if not chosen:
        parser.error("there is no such fault")
    trial = partial(tried, own_room_only=options.own_room_only, seconds=options.seconds)
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(trial, chosen):
            print(" | ".join(result.row()), flush=True)
            results.append(result)
    results = checked(results, options.seconds)
    rows = {result.fault.name: result.row() for result in results}
    text = "\n\n".join(table.markdown() for table in tables(chosen, rows))
    print(f"\n{text}")
    if options.keep:
        # Of faults that were not planted this time, what was found the last time stands.
        text = "\n\n".join(table.markdown() for table in tables(faults(), kept_rows() | rows))
        keep("mutants", f"`make mutants`: {described()}.\n\n{text}")
    if not all(result.noticed for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
