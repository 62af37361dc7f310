"""What became of a run's novels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final

from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem
from novelsync.models.stored import MissingFile


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    """Everything in storage is in the tables."""
    PARTIAL = "partial"
    """It came to its end, but some novels are refused, unavailable, held or deferred."""
    FAILED = "failed"
    """An error ended it: it could not list the storage, for example, or lost the database."""
    SKIPPED = "skipped"
    """Another run had the lease."""


class NovelStatus(StrEnum):
    """What became of one novel that was read."""

    CREATED = "created"
    UPDATED = "updated"
    RENAMED = "renamed"
    """Its folder has another name; its ids are unchanged."""
    RESTORED = "restored"
    """It had been removed, and is back."""
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    IN_FLIGHT = "in_flight"
    """It changed while it was read, or is still being written; the next run reads it."""
    UNAVAILABLE = "unavailable"
    """A transient failure; the next run tries again."""
    DEFERRED = "deferred"
    """It was begun, but the run's time was over first."""
    NOT_BEGUN = "not_begun"
    """The run's time was over before its turn."""


CHANGED: Final = (NovelStatus.CREATED, NovelStatus.UPDATED, NovelStatus.RENAMED, NovelStatus.RESTORED)


@dataclass(frozen=True, slots=True)
class ChapterCounts:
    """How many chapters of a novel there are of each kind, when its file was read."""

    processed: int = 0
    created: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    restored: int = 0
    held: int = 0
    without_text: int = 0


_CHAPTER_COUNTS: Final = tuple(each.name for each in fields(ChapterCounts))


@dataclass(frozen=True, slots=True)
class NovelResult:
    """What became of one novel. Truthy if the tables have what its file has, apart from what is held."""

    slug: str
    status: NovelStatus
    chapters: ChapterCounts = ChapterCounts()
    bytes_read: int = 0
    problem: Problem | None = None
    settled: bool = True
    """False: the next run must look at it again, even if its file does not change."""
    former: str = ""
    """The slug it had before its folder was renamed."""
    remark: Problem | None = None
    """Why something that was asked for, like accepting a held change, was not done."""
    nothing_held: bool = False
    """It was asked to accept what is held of it, and nothing is."""

    def __bool__(self) -> bool:
        return self.status in (*CHANGED, NovelStatus.UNCHANGED)


@dataclass(frozen=True, slots=True)
class Tally:
    """The results of any number of novels, added up."""

    novels: Mapping[NovelStatus, int] = field(default_factory=Counter)
    chapters: Mapping[str, int] = field(default_factory=Counter)
    """Keyed by the fields of `ChapterCounts`."""
    bytes_read: int = 0
    settled: bool = True
    nothing_held: bool = False
    """See `NovelResult`: so it was for any of them."""
    problems: Sequence[Problem] = ()
    """Transient failures and remarks. Refusals are not here: the database records them as open problems."""
    renamed_from: frozenset[str] = frozenset()
    """The slugs that renamed novels had before."""
    unread: frozenset[str] = frozenset()
    """Novels that are there and could not be read."""

    @classmethod
    def of(cls, results: Iterable[NovelResult]) -> "Tally":
        """Adds up these results."""
        novels: Counter[NovelStatus] = Counter()
        chapters: Counter[str] = Counter()
        problems: list[Problem] = []
        renamed_from: set[str] = set()
        unread: set[str] = set()
        bytes_read, settled, nothing_held = 0, True, False
        for result in results:
            novels[result.status] += 1
            for name in _CHAPTER_COUNTS:
                chapters[name] += getattr(result.chapters, name)
            bytes_read += result.bytes_read
            settled &= result.settled
            nothing_held |= result.nothing_held
            if result.problem and result.status is NovelStatus.UNAVAILABLE:
                problems.append(result.problem)
            if result.remark:
                problems.append(result.remark)
            if result.former:
                renamed_from.add(result.former)
            if result.status is NovelStatus.UNAVAILABLE:
                unread.add(result.slug)
        counts = novels, chapters, bytes_read
        return cls(*counts, settled, nothing_held, problems, frozenset(renamed_from), frozenset(unread))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            Counter(self.novels) + Counter(other.novels),
            Counter(self.chapters) + Counter(other.chapters),
            self.bytes_read + other.bytes_read,
            self.settled and other.settled,
            self.nothing_held or other.nothing_held,
            [*self.problems, *other.problems],
            self.renamed_from | other.renamed_from,
            self.unread | other.unread,
        )

    @property
    def finished(self) -> int:
        """How many novels are done, whatever came of it; a deferred one was only begun."""
        left = (NovelStatus.DEFERRED, NovelStatus.NOT_BEGUN)
        return sum(count for status, count in self.novels.items() if status not in left)


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of a plan, up to its end or to the error that ended it early."""

    tally: Tally = Tally()
    resume_at: str | None = None
    """The slug at which the next run begins; None: the first of the listing."""
    remarks: Sequence[Problem] = ()
    error: NovelSyncError | None = None
    """What ended it early."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of the novels that the storage no longer has."""

    removed: int = 0
    missing: int = 0
    """How many of them readers still see."""
    longest: Sequence[MissingFile] = ()
    """Those of them that are missing for longest, as many as are named."""
    held: bool = False
    """All of them stay until somebody confirms their removal."""
    settled: bool = True
    """False: the next run must look at some of them again, even if no file changes."""
    remarks: Sequence[Problem] = ()
    nothing_held: bool = False
    """It was asked to accept the removal of missing novels, and none is held."""
