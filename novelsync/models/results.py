"""What became of a run's novels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final

from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    """Everything in storage is in the tables."""
    PARTIAL = "partial"
    """It ended by itself, but some novels are refused, held or deferred."""
    FAILED = "failed"
    """It could not list the storage, or lost the database."""
    SKIPPED = "skipped"
    """Somebody else is running."""


class NovelStatus(StrEnum):
    """What became of one novel that was read."""

    CREATED = "created"
    UPDATED = "updated"
    RENAMED = "renamed"
    """Its folder has another name; the ids are what they were."""
    RESTORED = "restored"
    """It was removed, and is back."""
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    IN_FLIGHT = "in_flight"
    """It changed while it was read, or is being written: it is read next time."""
    UNAVAILABLE = "unavailable"
    """Transient trouble: it is tried again next time."""
    DEFERRED = "deferred"
    """It was begun, and the run's time ended first."""


CHANGED: Final = (NovelStatus.CREATED, NovelStatus.UPDATED, NovelStatus.RENAMED, NovelStatus.RESTORED)


@dataclass(frozen=True, slots=True)
class ChapterCounts:
    """Chapters of one novel, or of several, as their files were read."""

    processed: int = 0
    created: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    restored: int = 0
    held: int = 0
    without_text: int = 0


@dataclass(frozen=True, slots=True)
class NovelResult:
    """What became of one novel. True exactly when the novel is in, as its file has it."""

    slug: str
    status: NovelStatus
    chapters: ChapterCounts = ChapterCounts()
    bytes_read: int = 0
    problem: Problem | None = None
    settled: bool = True
    """False: it must be looked at again next time, although its file may not change."""
    former: str = ""
    """The slug it had before its folder was renamed."""
    remark: str = ""
    """What whoever asked for something about it should know."""

    def __bool__(self) -> bool:
        return self.status in (*CHANGED, NovelStatus.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Tally:
    """The results of any number of novels, counted."""

    novels: Mapping[NovelStatus, int] = field(default_factory=Counter)
    chapters: Mapping[str, int] = field(default_factory=Counter)
    """By the names of `ChapterCounts`."""
    bytes_read: int = 0
    settled: bool = True
    problems: Sequence[Problem] = ()
    """Transient trouble and remarks. A refusal is an open problem of the database instead."""
    renamed_from: frozenset[str] = frozenset()
    """Slugs whose novels go on under another one."""

    @classmethod
    def of(cls, results: Iterable[NovelResult]) -> "Tally":
        """Counts these results."""
        novels: Counter[NovelStatus] = Counter()
        chapters: Counter[str] = Counter()
        problems: list[Problem] = []
        renamed_from: set[str] = set()
        bytes_read, settled = 0, True
        for result in results:
            novels[result.status] += 1
            for name in _CHAPTER_COUNTS:
                chapters[name] += getattr(result.chapters, name)
            bytes_read += result.bytes_read
            settled &= result.settled
            if result.problem and result.status is NovelStatus.UNAVAILABLE:
                problems.append(result.problem)
            if result.remark:
                problems.append(Problem.remark(result.slug, result.remark))
            if result.former:
                renamed_from.add(result.former)
        return cls(novels, chapters, bytes_read, settled, problems, frozenset(renamed_from))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            Counter(self.novels) + Counter(other.novels),
            Counter(self.chapters) + Counter(other.chapters),
            self.bytes_read + other.bytes_read,
            self.settled and other.settled,
            [*self.problems, *other.problems],
            self.renamed_from | other.renamed_from,
        )

    @property
    def finished(self) -> int:
        """Novels that were dealt with, well or badly, and not only begun."""
        return sum(count for status, count in self.novels.items() if status is not NovelStatus.DEFERRED)


_CHAPTER_COUNTS: Final = tuple(each.name for each in fields(ChapterCounts))


@dataclass(frozen=True, slots=True)
class Execution:
    """What an executor made of a plan, up to its end or to the error that ended it."""

    tally: Tally = Tally()
    resume_at: str | None = None
    """The slug where the next run begins; None: anywhere."""
    remarks: Sequence[Problem] = ()
    error: NovelSyncError | None = None
    """What ended it before its time."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of the novels that the storage no longer has."""

    removed: int = 0
    missing: int = 0
    """Those that readers still see."""
    settled: bool = True
    """False: some are to be looked at again by the next run, although no file may change."""
    remarks: Sequence[Problem] = ()
