"""
How much damage readers never see, and how much honest work waits for a person, by kind.

``BENCH_KINDS`` in the environment: only kinds whose name has one of these words, separated by commas. ``BENCH_TRIALS``:
how many of each. ``BENCH_NOVELS``: a folder of other novels than the real ones beside the clone. ``BENCH_FAILURES``: a
folder that gets one small example of each kind that fails.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from bench.judgement.books import Step, Trial
from bench.judgement.failures import keep_smallest
from bench.judgement.judging import Verdict
from bench.judgement.kinds import damaged_files, damaged_texts, honest_files, honest_texts, undecidable
from bench.judgement.making.desk import Desk
from bench.judgement.making.shelf import Shelf
from bench.judgement.running import copy_of, judged
from bench.parts import database
from bench.results import Table
from tests.support.library import REAL_NOVELS

TRIALS: Final = 100

Kinds: TypeAlias = Mapping[str, Callable[[Desk], list[Step]]]

DAMAGE: Final[Kinds] = {**damaged_texts.KINDS, **damaged_files.KINDS}
HONEST: Final[Kinds] = {**honest_texts.KINDS, **honest_files.KINDS}


@dataclass(frozen=True, slots=True)
class Count:
    """Of one kind, or of all of a table."""

    trials: int
    missed: int
    alarms: int
    lost: int
    ids: int

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> "Count":
        missed = sum(bool(v.faults or v.lost) for v in verdicts)
        alarms = sum(bool(v.alarms) for v in verdicts)
        return cls(len(verdicts), missed, alarms, sum(len(v.lost) for v in verdicts), sum(v.ids for v in verdicts))


def main(folder: Path) -> Iterator[Table]:
    novels = Path(os.environ.get("BENCH_NOVELS") or REAL_NOVELS)
    if not novels.is_dir():
        yield Table("Judgement", ["not measured"], [["the real novels are not beside this clone"]])
        return
    shelf = Shelf(novels)
    with database() as conninfo, quiet():

        def verdicts(kinds: Kinds) -> dict[str, list[Verdict]]:
            return {name: _measure(shelf, name, kinds[name], folder, conninfo) for name in _chosen(kinds)}

        damage, honest, undecided = verdicts(DAMAGE), verdicts(HONEST), verdicts(undecidable.KINDS)
    yield from _tables(damage, honest, undecided)


@contextmanager
def quiet() -> Iterator[None]:
    """A run that holds something says so in the log. Here, most of them do."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


def _chosen(kinds: Kinds) -> list[str]:
    asked = os.environ.get("BENCH_KINDS", "").split(",")
    return [name for name in kinds if any(word.strip() in name for word in asked)]


def _measure(shelf: Shelf, name: str, kind: Callable[[Desk], list[Step]], folder: Path, conninfo: str) -> list[Verdict]:
    start = time.perf_counter()
    shelf.clear()
    trials = []
    for number in range(int(os.environ.get("BENCH_TRIALS") or TRIALS)):
        desk = Desk(shelf, name, number)
        trials.append(Trial(desk.slug, kind(desk)))
    made = time.perf_counter()
    library = folder / name.replace("/", " ")
    library.mkdir()
    with copy_of(conninfo) as copy:
        verdicts = judged(trials, library, copy)
    if failures := os.environ.get("BENCH_FAILURES"):
        keep_smallest(Path(failures), name, trials, verdicts)
    count = Count.of(verdicts)
    took = f"{made - start:.1f} + {time.perf_counter() - made:.1f} s"
    print(f"{name}: {count.missed} missed, {count.alarms} alarms, {count.lost} ids lost, {took}", file=sys.stderr)
    return verdicts


def _tables(
    damage: Mapping[str, Sequence[Verdict]],
    honest: Mapping[str, Sequence[Verdict]],
    undecided: Mapping[str, Sequence[Verdict]],
) -> Iterator[Table]:
    columns = ["", "trials", "caught", "missed", "ids lost", "good files held afterwards"]
    rows = [
        [
            name,
            f"{c.trials:,}",
            f"{c.trials - c.missed:,}",
            f"{c.missed:,}",
            f"{c.lost:,} of {c.ids:,}",
            f"{c.alarms:,}",
        ]
        for name, c in _counts(damage)
    ]
    note = (
        "Caught: no good text, field or label is replaced by a worse one, and no id goes or becomes another chapter's."
    )
    yield Table("Damage", columns, rows, note)

    columns = ["", "trials", "false alarms", "ids lost"]
    rows = [[name, f"{c.trials:,}", f"{c.alarms:,}", f"{c.lost:,} of {c.ids:,}"] for name, c in _counts(honest)]
    note = "A false alarm: something is held, or the tables are not what the file says."
    yield Table("Honest edits", columns, rows, note)

    columns = ["", "trials", "went in", "held or left as it was", "ids lost"]
    rows = [
        [name, f"{c.trials:,}", f"{c.missed:,}", f"{c.trials - c.missed:,}", f"{c.lost:,} of {c.ids:,}"]
        for name, c in _counts(undecided)
    ]
    yield Table("Undecidable", columns, rows, "Nobody who sees both files can tell whether these are meant.")
    yield _totals(damage, honest)


def _counts(measured: Mapping[str, Sequence[Verdict]]) -> list[tuple[str, Count]]:
    counts = [(name, Count.of(verdicts)) for name, verdicts in measured.items()]
    return [*counts, ("**all**", _total(measured))]


def _total(measured: Mapping[str, Sequence[Verdict]]) -> Count:
    return Count.of([verdict for verdicts in measured.values() for verdict in verdicts])


def _totals(damage: Mapping[str, Sequence[Verdict]], honest: Mapping[str, Sequence[Verdict]]) -> Table:
    bad, good = _total(damage), _total(honest)
    lost, ids = bad.lost + good.lost, bad.ids + good.ids
    files = bad.trials + good.trials
    rows = [
        ["damage caught", "at least 99 %", _share(bad.trials - bad.missed, bad.trials)],
        ["ids lost", "0", f"{lost:,} of {ids:,}"],
        ["honest edits with a false alarm", "under 0.5 %", _share(good.alarms, good.trials)],
        ["the same, with good files after damage", "", _share(bad.alarms + good.alarms, files)],
    ]
    return Table("All of it", ["", "aim", "measured"], rows)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%} ({part:,} of {whole:,})" if whole else "not measured"
