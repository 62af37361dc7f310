"""
What a run has to do. Pure: same arguments, same plan, no clock and no network.

A storage's listing and the bookkeeping are two streams in one order, so planning is a merge.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from novelsync import __version__
from novelsync.models.report import NAMED_MISSING
from novelsync.models.stored import KnownFile, MissingFile, state_of, version_by
from novelsync.planning.guards.limits import Limits
from novelsync.planning.listing import Listing, Selection, listing_order

RULES: Final = 1
"""To be raised with every change to what is refused or held that comes between two versions of the package."""


def rules_of(limits: Limits, max_file_bytes: int) -> str:
    """Another one whenever a file may be judged otherwise although it is the same."""
    return sha256(repr((__version__, RULES, limits, max_file_bytes)).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run has to read, and which known novels the listing lacks. A plan with nothing to do is a plan too."""

    listing: Listing
    to_read: Selection
    """New, or of another version than the one last dealt with."""
    revisions: Mapping[str, int]
    """By slug, for those of ``to_read`` that the bookkeeping knows."""
    stored: int
    """The number of published novels, the missing ones included."""
    missing: Sequence[KnownFile]
    """Published novels that the listing lacks."""
    removed: int
    """The number of novels that were removed earlier and that the listing still lacks."""
    forgotten: Sequence[str]
    """Slugs that were never stored and that the listing lacks, so there is nothing left to remember of them."""
    refused: int
    """The number of files that were refused and have not changed since: they stay refused without being read."""
    returned: Sequence[str]
    """Slugs that were marked as missing and are in the listing again."""

    def starting_at(self, slug: str | None) -> "RunPlan":
        """The same plan, read from ``slug`` on and then from the start: the last run ran out of time there."""
        if slug is None:
            return self
        at = listing_order(slug)
        first = sum(listing_order(novel.slug) < at for novel in self.listing)
        return replace(self, to_read=self.to_read.starting_at(first))

    def reading_too(self, slugs: Container[str], revisions: Mapping[str, int]) -> "RunPlan":
        """The same plan with these novels of the listing to be read as well; none may be in ``to_read`` yet."""
        places = [place for place, novel in enumerate(self.listing) if novel.slug in slugs]
        return replace(self, to_read=self.to_read.with_places(places), revisions={**self.revisions, **revisions})

    def after(self, slug: str) -> str | None:
        """The novel that comes next in the listing; None after the last."""
        at = listing_order(slug)
        return next((novel.slug for novel in self.listing if listing_order(novel.slug) > at), None)

    @property
    def newly_missing(self) -> list[str]:
        """Slugs that are missing for the first time, so they are not marked yet."""
        return [file.slug for file in self.missing if file.missing_for is None]


def missing_longest(files: Iterable[KnownFile], most: int = NAMED_MISSING) -> list[MissingFile]:
    """Of missing novels those that are missing for longest; those that are missing for the first time come last."""
    missing = [MissingFile(file.slug, file.missing_for or 0) for file in files]
    return sorted(missing, key=lambda file: (-file.seconds, file.slug.encode()))[:most]


def make_plan(
    listing: Listing, known: Iterable[KnownFile], read_again: Container[str] = (), rules: str | None = None
) -> RunPlan:
    """
    ``known`` is in `listing_order`, as the listing is. ``read_again``: slugs to read though unchanged.

    ``rules``: what was held or refused by others is read again too; None: whatever the rules are.
    """
    to_read: list[int] = []
    revisions: dict[str, int] = {}
    missing: list[KnownFile] = []
    forgotten: list[str] = []
    returned: list[str] = []
    stored = removed = refused = 0
    for place, file in _merged(listing, known):
        if file is None:
            to_read.append(place)
            continue
        stored += file.stored
        if place < 0:
            removed += file.removed
            if file.stored:
                missing.append(file)
            elif not file.removed:
                forgotten.append(file.slug)
            continue
        if file.missing_for is not None:
            returned.append(file.slug)
        dealt_with = file.stored or file.refused or file.withheld
        same = listing.has(place, file.slug, file.version) or _is_dealt_with(listing[place].state, file.version, rules)
        if dealt_with and same and file.slug not in read_again:
            refused += file.refused
        else:
            to_read.append(place)
            revisions[file.slug] = file.revision
    return RunPlan(
        listing,
        Selection(listing, to_read),
        revisions,
        stored=stored,
        missing=missing,
        removed=removed,
        forgotten=forgotten,
        refused=refused,
        returned=returned,
    )


def _is_dealt_with(state: str, version: str, rules: str | None) -> bool:
    """Whether a file in this ``state`` is the one that is remembered as ``version``, judged by the same rules."""
    return version == state or (state_of(version) == state and (rules is None or version == version_by(state, rules)))


def _merged(listing: Listing, known: Iterable[KnownFile]) -> Iterator[tuple[int, KnownFile | None]]:
    """Each slug of either stream once: its place in the listing (-1: it has none), and what is known of it."""
    files = iter(known)
    file = next(files, None)
    for place, slug in enumerate(listing.slugs()):
        while file is not None and file.slug != slug and listing_order(file.slug) < listing_order(slug):
            yield -1, file
            file = next(files, None)
        if file is not None and file.slug == slug:
            yield place, file
            file = next(files, None)
        else:
            yield place, None
    while file is not None:
        yield -1, file
        file = next(files, None)
