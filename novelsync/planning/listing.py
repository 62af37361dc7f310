"""A storage's complete listing, and a selection of its novels. Pure."""

from array import array
from collections.abc import Iterable, Iterator
from hashlib import sha256

from novelsync.models.source import SourceFile


def listing_order(slug: str) -> bytes:
    """The key that listings and the bookkeeping are sorted by."""
    # Cloud Storage sorts whole object names, so "a-b/…" comes before "a/…": compare with the slash on.
    return f"{slug}/".encode()


class Listing:
    """
    A complete listing that can be iterated many times, with a digest that tells it from any other.

    It stores one line of bytes per novel, because a library may have 100,000 of them.
    """

    def __init__(self, novels: Iterable[SourceFile], *settings: float) -> None:
        """``settings``: part of the digest, because they too decide what a run does with these novels."""
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
    """
    Some novels of a listing, in an order of their own.

    It stores only their places in the listing, because it may have all 100,000.
    """

    def __init__(self, listing: Listing, places: Iterable[int]) -> None:
        self._listing = listing
        self._places = array("L", places)

    def starting_at(self, first: int) -> "Selection":
        """Those from the place ``first`` on come first, each part in the listing's order."""
        return Selection(self._listing, sorted(self._places, key=lambda place: (place < first, place)))

    def with_places(self, places: Iterable[int]) -> "Selection":
        """The same, with these places added at the end."""
        return Selection(self._listing, [*self._places, *places])

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[SourceFile]:
        return (self._listing[place] for place in self._places)
