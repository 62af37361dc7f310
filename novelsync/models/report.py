"""The published REPORT of a run, key by key as existing clients read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import msgspec

from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem
from novelsync.models.results import Outcome


class NovelCounts(msgspec.Struct, frozen=True):
    """Novels of one run."""

    created: int = 0
    updated: int = 0
    renamed: int = 0
    removed: int = 0
    restored: int = 0
    unchanged: int = 0
    refused: int = 0
    held: int = 0
    deferred: int = 0
    in_flight: int = 0
    missing: int = 0


class ReportedChapters(msgspec.Struct, frozen=True):
    """Chapters of one run's novels."""

    created: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    restored: int = 0
    held: int = 0
    without_text: int = 0


class ReportedProblem(msgspec.Struct, frozen=True):
    """A problem as every published answer writes it."""

    slug: str | None
    """None for what concerns the whole library."""
    kind: str
    message: str
    hint: str

    @classmethod
    def of(cls, problem: Problem) -> "ReportedProblem":
        return cls(problem.slug or None, problem.kind.value, problem.message, problem.hint)


class ChapterDiff(msgspec.Struct, frozen=True):
    """One line of a dry run's diff."""

    mark: str
    """See `novelsync.planning.diff`."""
    position: int | None
    """As it is to be; None for what is removed or keeps its place."""
    title: str
    number: str | None
    said: str = ""
    """What is different, as far as the mark does not say it."""


class NovelDiff(msgspec.Struct, frozen=True):
    """What a dry run would do to one novel."""

    mark: str
    slug: str
    said: str = ""
    chapter_count: int = 0
    """As it is to be."""
    chapters: Sequence[ChapterDiff] = ()
    """Empty for a novel that is new, all of whose chapters are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did."""

    run_id: str | None
    """None for a run that recorded nothing: a dry run, or a skipped one."""
    trigger: str
    database: str
    dry_run: bool
    outcome: Outcome
    success: bool
    novels_processed: int
    """Found in storage; the sum of success, error, deferred and in flight."""
    novels_success: int
    novels_error: int
    chapters_processed: int
    novels: NovelCounts
    chapters: ReportedChapters
    problems: Sequence[ReportedProblem]
    problems_total: int
    bytes_read: int
    duration: float
    """Seconds, two decimals."""
    start_time: datetime
    """UTC, in whole seconds, like every published time."""
    end_time: datetime
    changes: Sequence[NovelDiff] | None = None
    """What a dry run would have done; None for any other run, and then not published."""
    error: NovelSyncError | None = None
    """Why the run failed or was skipped. Not published: it is the first of the problems."""

    def as_dict(self) -> dict[str, Any]:
        """As it is published."""
        document = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "error"}
        if self.changes is None:
            del document["changes"]
        published: dict[str, Any] = msgspec.to_builtins(document)
        return published

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Report":
        """Of what `as_dict` made."""
        return msgspec.convert(document, cls)


def whole_seconds(moment: datetime) -> datetime:
    """UTC without fractions, as every published answer has its times; JSON writes it ``2025-07-31T10:00:00Z``."""
    return moment.astimezone(UTC).replace(microsecond=0)


def timestamp(moment: datetime) -> str:
    """The same as a text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
