"""The published report of a run. Its keys are those that existing clients read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem
from novelsync.models.results import Outcome
from novelsync.models.stored import MissingFile

_FATES: Final = (
    *("created", "updated", "renamed", "restored", "unchanged"),
    *("refused", "unavailable", "deferred", "in_flight"),
)


class NovelCounts(msgspec.Struct, frozen=True):
    """How many of a run's novels there are of each kind."""

    created: int = 0
    updated: int = 0
    renamed: int = 0
    removed: int = 0
    restored: int = 0
    unchanged: int = 0
    refused: int = 0
    held: int = 0
    """Something of them is held. Each is counted above as well, and so are those without text."""
    deferred: int = 0
    in_flight: int = 0
    missing: int = 0
    """The storage no longer has them, so that they are in no other count; neither are those that were removed."""
    without_text: int = 0
    """Readers see nothing of them, although their files have something."""
    unavailable: int = 0
    """Transient trouble; the next run tries them again."""
    taken_down: int = 0
    """Kept from the readers as a whole by takedowns. Those whose files are there are counted above as well."""

    differing: int = 0
    """Their rows are not what their files have, although those have not changed."""

    def by_fate(self) -> dict[str, int]:
        """Each novel of the storage once, so that these add up to all of them."""
        return {name: getattr(self, name) for name in _FATES}


class ReportedChapters(msgspec.Struct, frozen=True):
    """How many chapters of a run's novels there are of each kind."""

    created: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    restored: int = 0
    held: int = 0
    without_text: int = 0
    taken_down: int = 0
    """That takedowns keep back, of all novels: unlike the others, whether the novel was read or not."""


class ReportedProblem(msgspec.Struct, frozen=True):
    """A `Problem` as it is published."""

    slug: str | None
    """None if the problem concerns the whole library."""
    kind: str
    message: str
    hint: str
    alike: int = 1
    """How many open problems say the same but for numbers, this one included."""

    @classmethod
    def of(cls, problem: Problem) -> "ReportedProblem":
        return cls(problem.slug or None, problem.kind.value, problem.message, problem.hint, problem.alike)


class MissingNovel(msgspec.Struct, frozen=True):
    """A novel that readers see and that the storage no longer has."""

    slug: str
    since: datetime
    """The first complete listing that did not have it."""
    goes: datetime | None
    """The first run after that hides it from readers; None: that is held."""

    @classmethod
    def of(cls, file: MissingFile, now: datetime, grace: float, *, held: bool) -> "MissingNovel":
        """``grace``: in seconds. ``held``: its removal is."""
        since = whole_seconds(now - timedelta(seconds=file.seconds))
        return cls(file.slug, since, None if held else since + timedelta(seconds=grace))


NAMED_MISSING: Final = 10
"""A report and the status name at most this many missing novels, those that are missing for longest."""


class ChapterDiff(msgspec.Struct, frozen=True):
    """One line of a dry run's diff."""

    mark: str
    """See `novelsync.planning.diff`."""
    position: int | None
    """The new position; None for a chapter that is removed or held."""
    title: str
    number: str | None
    said: str = ""
    """What changes, beyond what the mark says."""


class NovelDiff(msgspec.Struct, frozen=True):
    """What a dry run would do to one novel."""

    mark: str
    slug: str
    said: str = ""
    chapter_count: int = 0
    """The new count."""
    chapters: Sequence[ChapterDiff] = ()
    """Empty for a new novel, because all of its chapters are new."""


_UNPUBLISHED = ("error", "nothing_held")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did."""

    run_id: str | None
    """None if nothing was recorded: of a dry run, of one that was skipped or could not begin, and of single novels."""
    trigger: str
    database: str
    dry_run: bool
    outcome: Outcome
    success: bool
    novels_processed: int
    """Novels found in storage: the sum of success, error, deferred and in flight."""
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
    interrupted: bool = False
    """A signal, or the end of its process, broke it off before it had come to all novels."""
    missing: Sequence[MissingNovel] = ()
    """At most `NAMED_MISSING`; ``novels`` counts all."""
    changes: Sequence[NovelDiff] | None = None
    """What a dry run would have done. None for any other run, and then the key is left out."""
    error: NovelSyncError | None = None
    """Why the run failed or was skipped. It is published as the first of the problems."""
    nothing_held: bool = False
    """It was asked to accept something of which nothing is held. Not published, because a problem says so."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON object that is published."""
        document = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _UNPUBLISHED}
        if self.changes is None:
            del document["changes"]
        published: dict[str, Any] = msgspec.to_builtins(document)
        return published

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Report":
        """The inverse of `as_dict`; what is not published is lost."""
        return msgspec.convert(document, cls)


def whole_seconds(moment: datetime) -> datetime:
    """The moment in UTC without fractions, as every time is published. In JSON: ``2025-07-31T10:00:00Z``."""
    return moment.astimezone(UTC).replace(microsecond=0)


def timestamp(moment: datetime) -> str:
    """The same as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
