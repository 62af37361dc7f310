"""
What a run has to look at. Pure: same arguments, same plan, no clock and no network.

A storage's listing and the bookkeeping are two streams in one order, so that
planning is a merge.
"""

from array import array
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from novelsync.models.source import SourceFile
from novelsync.models.stored import KnownFile


class Listing:
    """
    A complete listing: iterable again and again, with a digest that tells it from any other.

    Kept as one line of bytes per novel, because a library may have 100,000 of them.
    """

    def __init__(self, novels: Iterable[SourceFile], *settings: float) -> None:
        """``settings``: on which it depends what is done about these novels, so that the digest is theirs too."""
        self._lines = [
            f"{slug}\0{version}\0{size}\0{checksum}\0{unreadable}\n".encode()
            for slug, version, size, checksum, unreadable in novels
        ]
        self.digest = sha256(b"".join([f"{settings}\n".encode(), *self._lines])).hexdigest()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[SourceFile]:
        return map(_novel_of, self._lines)

    def __getitem__(self, place: int) -> SourceFile:
        return _novel_of(self._lines[place])


def _novel_of(line: bytes) -> SourceFile:
    slug, version, size, checksum, unreadable = line[:-1].decode().split("\0")
    return SourceFile(slug, version, int(size), checksum, unreadable)


class Selection:
    """Some novels of a listing, in an order of their own. Remembers their places alone: it may be all 100,000."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._places = array("L")

    def add(self, place: int) -> None:
        self._places.append(place)

    def rotate(self, first: int) -> None:
        """Those from the place ``first`` on come first, each part in the listing's order."""
        self._places = array("L", sorted(self._places, key=lambda place: (place < first, place)))

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[SourceFile]:
        return (self._listing[place] for place in self._places)


@dataclass(slots=True)
class Plan:
    """What a run has to look at. A plan with nothing to do is a plan too."""

    listing: Listing
    to_read: Selection
    """New, or of another version than the one last dealt with."""
    known: dict[str, int] = field(default_factory=dict)
    """The revisions of those of them that the bookkeeping has."""
    stored: int = 0
    """Novels that readers see."""
    missing: list[KnownFile] = field(default_factory=list)
    """Those of them that the listing does not have."""
    removed: int = 0
    """Novels removed before, that the listing does not have either."""
    forgotten: list[str] = field(default_factory=list)
    """Never stored, so nothing is left to remember once the listing does not have them."""
    refused: int = 0
    """Refused before, and of the same version since: refused still, without being read."""
    returned: list[str] = field(default_factory=list)
    """Marked as missing, and in the listing again."""

    def starting_at(self, slug: str | None) -> "Plan":
        """The same plan, read from ``slug`` on and round again: where the last run ran out of time."""
        if slug is not None:
            at = listing_order(slug)
            self.to_read.rotate(sum(listing_order(novel.slug) < at for novel in self.listing))
        return self

    def after(self, slug: str) -> str | None:
        """The novel that comes next in the listing; None after the last."""
        at = listing_order(slug)
        return next((novel.slug for novel in self.listing if listing_order(novel.slug) > at), None)

    @property
    def newly_missing(self) -> list[str]:
        """Missing for the first time, so that they are not marked yet."""
        return [file.slug for file in self.missing if file.missing_for is None]


def listing_order(slug: str) -> bytes:
    # Cloud Storage sorts whole object names, so "a-b/…" comes before "a/…": compare with the slash on.
    return f"{slug}/".encode()


def make_plan(listing: Listing, known: Iterable[KnownFile], again: Container[str] = ()) -> Plan:
    """Merges the two streams, both in `listing_order`. ``again``: slugs to read though their files have not changed."""
    plan = Plan(listing, Selection(listing))
    known_files = iter(known)
    known_file = next(known_files, None)
    for place, novel in enumerate(listing):
        order = listing_order(novel.slug)
        while known_file is not None and listing_order(known_file.slug) < order:
            _miss(plan, known_file)
            known_file = next(known_files, None)
        if known_file is None or known_file.slug != novel.slug:
            plan.to_read.add(place)
            continue
        if _is_to_be_read(plan, novel, known_file, again):
            plan.to_read.add(place)
            plan.known[novel.slug] = known_file.revision
        known_file = next(known_files, None)
    while known_file is not None:
        _miss(plan, known_file)
        known_file = next(known_files, None)
    return plan


def _miss(plan: Plan, known: KnownFile) -> None:
    if known.stored:
        plan.stored += 1
        plan.missing.append(known)
    elif known.removed:
        plan.removed += 1
    else:
        plan.forgotten.append(known.slug)


def _is_to_be_read(plan: Plan, novel: SourceFile, known: KnownFile, again: Container[str]) -> bool:
    plan.stored += known.stored
    if known.missing_for is not None:
        plan.returned.append(novel.slug)
    if novel.version != known.version or not (known.stored or known.refused) or novel.slug in again:
        return True
    plan.refused += known.refused
    return False
