"""A storage's complete listing, and a selection of its novels. Pure."""

import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from novelsync.models.problems import Problem
from novelsync.models.source import BOOK_FILE, SourceFile, novel_of
from novelsync.text.formatting import counted, printable, shortened


def listing_order(slug: str) -> bytes:
    """The key that listings and the bookkeeping are sorted by."""
    # Cloud Storage sorts whole object names, so "a-b/…" comes before "a/…": compare with the slash on.
    return f"{slug}/".encode()


_AT_ONCE = 10_000
"""Lines that the digest takes at a time."""


class Listing:
    """
    A complete listing that can be iterated many times, with a digest that tells it from any other.

    It stores one line per novel, because a library may have 100,000 of them.
    """

    def __init__(self, lines: Iterable[str], *settings: object) -> None:
        """
        ``lines``: see `novelsync.models.source.line_of`.

        ``settings``: part of the digest, because they too decide what a run does with these novels.
        """
        self._lines = [*lines]
        digest = sha256(f"{settings}\n".encode())
        for start in range(0, len(self._lines), _AT_ONCE):
            digest.update("".join(self._lines[start : start + _AT_ONCE]).encode())
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[SourceFile]:
        return map(novel_of, self._lines)

    def __getitem__(self, place: int) -> SourceFile:
        return novel_of(self._lines[place])

    def slugs(self) -> Iterator[str]:
        return (line[: line.index("\0")] for line in self._lines)

    def has(self, place: int, slug: str, version: str) -> bool:
        """
        Whether at that place is a novel in this state, of which there is nothing else to say.

        A tenth of the time that it takes to make the novel.
        """
        line = self._lines[place]
        return line.startswith(f"{slug}\0{version}\0") and line.endswith("\0\n")

    def beyond_ascii(self) -> Iterator[SourceFile]:
        """At least those whose slugs are; found without looking into every line."""
        return (novel_of(line) for line in self._lines if not line.isascii())


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


_NAMED = 3
"""Folders that a remark names."""


def remarks_on(listing: Listing, strays: Mapping[str, str]) -> list[Problem]:
    """
    What is strange about the folders as a whole.

    ``strays``: folders that have files and no ``book_info.json``, and one of those files.
    """
    remarks = []
    if strays:
        named = _first([f"{folder} (has {file})" for folder, file in strays.items()])
        have = "has" if len(strays) == 1 else "have"
        remarks.append(Problem.remark("", f"{counted(len(strays), 'folder')} {have} no {BOOK_FILE}: {named}"))
    twins = [slugs for slugs in _by_spelling(listing).values() if len(slugs) > 1]
    if twins:
        named = _first([f"{slugs[0]} (as {' and as '.join(ascii(slug) for slug in slugs)})" for slugs in twins])
        message = "folders whose names look the same, because one is spelled in another Unicode form"
        remarks.append(Problem.remark("", f"{message}, and so are two novels each: {named}"))
    return remarks


def _by_spelling(listing: Listing) -> Mapping[str, list[str]]:
    """Slugs by their composed form; empty if all are composed, as almost everywhere."""
    if all(unicodedata.is_normalized("NFC", novel.slug) for novel in listing.beyond_ascii()):
        return {}
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for novel in listing:
        spellings[unicodedata.normalize("NFC", novel.slug)].append(novel.slug)
    return spellings


def _first(items: list[str]) -> str:
    more = len(items) - _NAMED
    shown = [printable(shortened(item, 200)) for item in items[:_NAMED]]
    return ", ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])
