"""Whether the tables equal the storage, text by text: what a run would change that reads and hashes all. Pure."""

from collections.abc import Sequence

import msgspec

from novelsync.models.report import NovelDiff, Report, ReportedProblem
from novelsync.planning.diff import HELD


class HeldCounts(msgspec.Struct, frozen=True):
    """What is held, and therefore differs intentionally."""

    novels: int
    chapters: int


class TakenDown(msgspec.Struct, frozen=True):
    """What takedowns keep back, and therefore is no difference."""

    novels: int
    chapters: int
    """Of files, those of such novels included."""


class Verification(msgspec.Struct, frozen=True):
    """The answer of ``verify``."""

    equal: bool
    database: str
    novels: int
    chapters: int
    differences: Sequence[NovelDiff]
    held: HeldCounts
    missing: int
    refused: int
    taken_down: TakenDown
    not_compared: int
    problems: Sequence[ReportedProblem]
    problems_total: int
    bytes_read: int
    duration: float
    """Seconds."""


def verification_of(report: Report) -> Verification:
    """``report``: of a dry run with `SyncOptions.reread` that did not fail."""
    differences = [change for change in report.changes or () if change.mark != HELD]
    counts = report.novels
    not_compared = counts.deferred + counts.in_flight
    return Verification(
        equal=not (differences or counts.refused or counts.held or counts.missing or not_compared),
        database=report.database,
        novels=report.novels_processed,
        chapters=report.chapters_processed,
        differences=differences,
        held=HeldCounts(counts.held, report.chapters.held),
        missing=counts.missing,
        refused=counts.refused,
        taken_down=TakenDown(counts.taken_down, report.chapters.taken_down),
        not_compared=not_compared,
        problems=report.problems,
        problems_total=report.problems_total,
        bytes_read=report.bytes_read,
        duration=report.duration,
    )
