"""What a run is asked to do, what it starts from, and what it tells others that sync its novels."""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import floor
from typing import Final, NamedTuple

import msgspec

from novelsync.models.problems import HeldRemovals, OpenProblems, Problem
from novelsync.models.stored import MissingFile


class Everything:
    """A container that has every slug in it."""

    def __contains__(self, item: object) -> bool:
        return True


_REMOVALS: Final = re.compile(r"([1-9][0-9]{0,8})(?:=([0-9a-f]{8}))?", re.ASCII)
_CONFIRMED: Final = re.compile(r"(.+)=(?:(in-order)(?:-([0-9a-f]{8}))?|([0-9a-f]{8}))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Somebody has confirmed what is held of a novel."""

    slug: str
    shown: str = ""
    """The id of what was shown; empty: that which is recorded. See `novelsync.planning.acceptance`."""
    in_order: bool = False
    """What the file and the tables have left over is the same chapters, in the same order."""
    keep: bool = False
    """The opposite: what readers have stays, and nobody has to look at it again until the file changes."""

    @classmethod
    def of(cls, words: str, *, keep: bool = False) -> "Acceptance":
        """
        As it is written: ``SLUG``, ``SLUG=ID``, ``SLUG=in-order`` or ``SLUG=in-order-ID``.

        A slug may have "=" in it: only the last one counts, and only if one of these forms follows.
        """
        found = _CONFIRMED.fullmatch(words)
        if found is None:
            return cls(words, keep=keep)
        slug, in_order, *shown = found.groups()
        return cls(slug, shown[0] or shown[1] or "", in_order=bool(in_order), keep=keep)

    @property
    def word(self) -> str:
        """What did not happen if it is not carried out."""
        return "decided" if self.keep else "accepted"


def confirmed_removals(words: str) -> tuple[int, str] | None:
    """How many missing novels may go, and the id of what was shown or nothing: ``N`` or ``N=ID``; None: neither."""
    found = _REMOVALS.fullmatch(words)
    return (int(found[1]), found[2] or "") if found else None


def accepted_twice(accept: Iterable[str], keep: Iterable[str] = ()) -> str:
    """A slug that is to be decided on in several ways, which no run can do; empty if there is none."""
    seen: set[str] = set()
    for slug in (Acceptance.of(each).slug for each in (*sorted(set(accept)), *sorted(set(keep)))):
        if slug in seen:
            return slug
        seen.add(slug)
    return ""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What the caller of a run asks for beyond an ordinary run."""

    reread: bool = False
    """Read every file and hash every stored text, whatever versions and checksums say."""
    accept: frozenset[str] = frozenset()
    """Novels whose held changes somebody has confirmed, each as `Acceptance.of` reads it."""
    accept_removals: int | None = None
    """Somebody has confirmed the removal of exactly this many missing novels."""
    removals_shown: str = ""
    """The id of the held removals that were shown; empty: those that are recorded."""
    keep: frozenset[str] = frozenset()
    """Novels of which somebody has decided that what readers have stays, each as in ``accept``."""

    @property
    def acceptances(self) -> Mapping[str, Acceptance]:
        """By slug."""
        decided = [*map(Acceptance.of, self.accept), *(Acceptance.of(words, keep=True) for words in self.keep)]
        return {each.slug: each for each in decided}

    @property
    def read_again(self) -> Container[str]:
        """Slugs whose files are read even if they have not changed."""
        return Everything() if self.reread else self.acceptances.keys()

    def only_for(self, slug: str) -> "SyncOptions":
        """As much as concerns this novel."""
        accept, keep = (
            frozenset(words for words in given if Acceptance.of(words).slug == slug)
            for given in (self.accept, self.keep)
        )
        return replace(self, accept=accept, keep=keep, accept_removals=None, removals_shown="")

    @property
    def is_default(self) -> bool:
        return self == DEFAULT_OPTIONS


DEFAULT_OPTIONS: Final = SyncOptions()


@dataclass(frozen=True, slots=True)
class Turn:
    """What a batch of novels asks and tells whoever has it synced."""

    out_of_time: Callable[[], bool] = lambda: False
    """From when it is true, none is begun but the first, and large novels are broken off."""
    large: Callable[[str], object] = lambda slug: None
    """Called with the slug of a large novel before it is read."""
    sent: Callable[[], object] = lambda: None
    """Called once the texts of a large novel that is alone are with the database, and no longer in memory."""


DEFAULT_TURN: Final = Turn()
"""There is time for all, and nobody wants to know."""

Progress = Callable[[int, int], None]
"""Called with the number of novels that are done, and of all that are to be done."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What syncing a novel takes from the run it is part of. A `NovelMessage` carries it to another process."""

    run_id: str | None = None
    """None: the novels are synced outside of runs, and so without the lease."""
    options: SyncOptions = DEFAULT_OPTIONS
    renames: Mapping[str, str] = field(default_factory=dict)
    """Slug to former slug, for renames that the run found before it read any file."""
    nothing_stored: bool = False
    """The tables were empty when the run began, so no file is a novel that was stored under another name."""
    any_takedowns: bool = True
    """Something may be taken down: false only if nothing was when the run began."""
    by_message: bool = False
    """
    Each result is stored in the same transaction as its novel, because the run waits for it in another process.

    The database knows which former slugs the run has already found the novels of, so that no other novel gets them.
    """

    def message(self, slug: str) -> "NovelMessage":
        """Asks for one novel, with as much of this context as concerns it."""
        return NovelMessage(
            slug,
            replace(
                self,
                options=self.options.only_for(slug),
                renames={slug: self.renames[slug]} if slug in self.renames else {},
                by_message=True,
            ),
        )

    @property
    def match_again(self) -> Container[str]:
        """Slugs whose chapters are matched again even if the bytes of their files have not changed."""
        return Everything() if self.options.reread else self.options.acceptances.keys() | self.renames.keys()


class NovelMessage(msgspec.Struct, frozen=True):
    """Asks whoever receives it to sync one novel on a run's behalf."""

    slug: str
    context: RunContext


class MessageState(StrEnum):
    """What has become of a `NovelMessage`."""

    OPEN = "open"
    """Its novel is still to be synced."""
    ANSWERED = "answered"
    OVER = "over"
    """Its run has ended, lost the lease or stopped waiting; the next run takes care of the novel."""


@dataclass(frozen=True, slots=True)
class ComparingState:
    """How far the round is in which every novel is compared with its file, whether anything has changed or not."""

    round: int
    """Its number."""
    after: str
    """The slug of the last novel that was looked at, in the order of `novelsync.contracts.storages.Storage.listing`."""
    compared: int
    """Novels that it has come to."""
    seconds: float
    """Since it began."""
    again: Sequence[str] = ()
    """Novels that were written since they were found to differ: nobody knows whether they still do."""

    def due(self, novels: int, every: float) -> int:
        """
        How many of these are to be compared now, so that all are within ``every`` seconds.

        None before there is a whole one: two runs one right after the other have nothing to compare.
        """
        if self.seconds >= every:
            return novels
        return max(0, floor(novels * self.seconds / every) - self.compared)


class Difference(NamedTuple):
    """A novel whose rows are not what its file has."""

    problem: Problem
    revision: int
    """Of the novel, when that was found."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run starts from: what the database remembers of the runs before it."""

    digest: str | None
    """That of the last complete listing; None unless all of it was dealt with and nothing was written since."""
    resume_at: str | None
    """The slug at which this run begins, because the last one got no further; None: the first of the listing."""
    missing: int
    """Published novels that the last complete listing did not have."""
    removed_lately: int
    """Novels removed in the last 24 hours, not counting removals that somebody confirmed."""
    held_removals: HeldRemovals | None
    open_problems: OpenProblems
    any_texts: bool
    """There are novels whose texts are files of their own; see `novelsync.contracts.syncing.Novels.with_texts`."""
    any_takedowns: bool = False
    """Something is taken down."""
    comparing: ComparingState | None = None
    """None: not known."""
    missing_longest: Sequence[MissingFile] = ()
    """At most `novelsync.models.report.NAMED_MISSING` of the ``missing``."""
