"""What a run is asked to do, and what became of each novel."""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from novelsync.models.problems import HeldRemovals, OpenProblems, Problem


class Everything:
    """Contains whatever is looked for: all slugs."""

    def __contains__(self, item: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a run is asked to do beside the usual."""

    reread: bool = False
    """Read every file, and hash every stored text, whatever versions and checksums say."""
    accept: frozenset[str] = frozenset()
    """Slugs of which a person accepts what is held."""
    accept_removals: int | None = None
    """A person accepts that so many novels are removed."""

    @property
    def again(self) -> Container[str]:
        """Slugs whose files are read though they have not changed."""
        return Everything() if self.reread else self.accept

    @property
    def is_default(self) -> bool:
        return not (self.reread or self.accept or self.accept_removals is not None)


DEFAULT_OPTIONS: Final = SyncOptions()


@dataclass(frozen=True, slots=True)
class NovelMessage:
    """Asks whoever gets it to carry one novel over on a run's behalf."""

    run_id: str
    slug: str
    reread: bool = False
    accept: bool = False
    former: str = ""
    """What the novel was called before its folder was renamed, if the run saw that."""
    missing: bool = False
    """There are novels that storage lost, and a new one may be one of them."""
    taken: tuple[str, ...] = ()
    """Former names that the run gave to novels already."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What the last run left for this one."""

    digest: str | None
    """Of the last complete listing, if everything in it was dealt with and nothing was written since."""
    resume_at: str | None
    """The slug where the last run ran out of time."""
    missing: int
    """Novels that the last complete listing did not have, and that readers see."""
    removed_lately: int
    """Novels removed in the last 24 hours, without those a person accepted."""
    hold: HeldRemovals | None
    """Removals that stand held."""
    open_problems: OpenProblems


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
    """Passing trouble: it is tried again next time."""
    DEFERRED = "deferred"
    """It was begun, and the run's time ended first."""


CHANGED = (NovelStatus.CREATED, NovelStatus.UPDATED, NovelStatus.RENAMED, NovelStatus.RESTORED)


@dataclass(frozen=True, slots=True)
class ChapterCounts:
    """Chapters of one novel, as its file was read."""

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
    """False: it must be looked at again next time, though its file may not change."""
    former: str = ""
    """The slug it had before its folder was renamed."""
    remark: str = ""
    """What a person who asked for something about it should know."""

    def __bool__(self) -> bool:
        return self.status in (*CHANGED, NovelStatus.UNCHANGED)


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


class MessageState(StrEnum):
    """How a run's message stands."""

    OPEN = "open"
    """Its novel is to be carried over."""
    ANSWERED = "answered"
    OVER = "over"
    """Its run has ended, or lost the lease, and the next one looks after the novel."""
