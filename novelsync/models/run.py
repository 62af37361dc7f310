"""What a run is asked to do, and what it knows."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import msgspec

from novelsync.models.problems import HeldRemovals, OpenProblems


class Everything:
    """Contains whatever is looked for: all slugs."""

    def __contains__(self, item: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What the caller of a run asks for beside the usual."""

    reread: bool = False
    """Read every file and hash every stored text, whatever versions and checksums say."""
    accept: frozenset[str] = frozenset()
    """Slugs whose held changes somebody confirmed."""
    accept_removals: int | None = None
    """Somebody confirmed that this many novels are removed."""

    @property
    def read_again(self) -> Container[str]:
        """Slugs whose files are read although they have not changed."""
        return Everything() if self.reread else self.accept

    @property
    def is_default(self) -> bool:
        return self == DEFAULT_OPTIONS


DEFAULT_OPTIONS: Final = SyncOptions()

Progress = Callable[[int, int], None]
"""Called with the novels that are dealt with, and the novels to deal with."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """On whose behalf novels are synced, and what only their run knows. A `NovelMessage` takes it elsewhere."""

    run_id: str | None = None
    """None: not part of a run, and so not under its lease."""
    options: SyncOptions = DEFAULT_OPTIONS
    renames: Mapping[str, str] = field(default_factory=dict)
    """Slug to former slug, as far as the run saw renames before it read any file."""
    any_missing: bool = False
    """The storage has lost novels, and a new one may be one of them under another name."""
    taken: frozenset[str] = frozenset()
    """Former slugs that belong to other novels of the same run."""
    by_message: bool = False
    """The result of each novel is stored with the novel, for the run that waits for it."""

    def message(self, slug: str) -> "NovelMessage":
        """The same context, as far as it concerns one novel."""
        return NovelMessage(
            slug,
            replace(
                self,
                options=replace(self.options, accept=self.options.accept & {slug}, accept_removals=None),
                renames={slug: self.renames[slug]} if slug in self.renames else {},
                taken=frozenset(self.renames.values()),
                by_message=True,
            ),
        )

    @property
    def match_again(self) -> Container[str]:
        """Slugs whose chapters are compared although the bytes of their files have not changed."""
        return Everything() if self.options.reread else self.options.accept | self.renames.keys()


class NovelMessage(msgspec.Struct, frozen=True):
    """Asks whoever receives it to sync one novel on a run's behalf."""

    slug: str
    context: RunContext


class MessageState(StrEnum):
    """The state of a run's message."""

    OPEN = "open"
    """Its novel is still to be synced."""
    ANSWERED = "answered"
    OVER = "over"
    """Its run has ended or lost the lease; the next run looks after the novel."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What the last run left for this one."""

    digest: str | None
    """Of the last complete listing, if everything in it was dealt with and nothing was written since."""
    resume_at: str | None
    """The slug where the last run ran out of time."""
    missing: int
    """Published novels that the last complete listing did not have."""
    removed_lately: int
    """Novels removed in the last 24 hours, without those that somebody confirmed."""
    held_removals: HeldRemovals | None
    open_problems: OpenProblems
