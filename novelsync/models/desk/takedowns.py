"""What people have taken down, and what is known of it."""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec


class TakedownKind(StrEnum):
    """What a takedown is of."""

    NOVEL = "novel"
    """A whole novel, named by its slug."""
    CHAPTER = "chapter"
    """A chapter, named by its id: its page and its text."""
    URL = "url"
    """All chapters whose urls begin alike."""
    TEXT = "text"
    """The text of a chapter, named by its id, wherever it stands."""


class TextSign(msgspec.Struct, frozen=True):
    """What a text is recognised by."""

    mask: int
    """See `novelsync.evidence.shingles`."""
    packed: str
    """The numbers, each in four bytes, the lowest first, as base64."""

    @classmethod
    def of(cls, numbers: Iterable[int], mask: int) -> "TextSign":
        return cls(mask, b64encode(array("I", sorted(numbers)).tobytes()).decode())

    @property
    def numbers(self) -> Sequence[int]:
        return array("I", b64decode(self.packed))


class Signs(msgspec.Struct, frozen=True):
    """What a run recognises by what was taken down."""

    title: str = ""
    """Of a novel, and its author, as they are compared."""
    author: str = ""
    urls: Sequence[str] = ()
    """Digests of pages."""
    prefixes: Sequence[str] = ()
    """Beginnings of urls, as they are compared."""
    texts: Sequence[TextSign] = ()
    short_texts: Sequence[str] = ()
    """Digests of texts that are too short to be told by, together with the titles of their chapters."""


class Takedown(msgspec.Struct, frozen=True):
    """Something that a person has taken from the readers."""

    id: int
    kind: TakedownKind
    target: str
    """A slug, the id of a chapter, or the beginning of urls."""
    title: str
    """Of the novel or chapter."""
    reason: str
    novels: int
    """That readers saw when it was made."""
    chapters: int
    """Likewise, with those of such novels."""
    made_at: datetime
    lifted_at: datetime | None = None
    """None: it is in force."""
    signs: Signs | None = None
    """None: not asked for."""


class TakenRow(msgspec.Struct, frozen=True):
    """A stored chapter that a takedown may be of."""

    id: str
    slug: str
    title: str
    url: str
    bytes: int
    """Of its text in UTF-8."""
    shown: bool
    """Readers see it."""
    copy_of: str | None = None
    """It is not what was named, and has the same text as the chapter with this id."""


class NamedNovel(msgspec.Struct, frozen=True):
    """A stored novel."""

    id: str
    slug: str
    title: str
    author: str | None


class Request(NamedTuple):
    """A takedown that is to be made, with all that it hides at once."""

    kind: TakedownKind
    target: str
    title: str
    reason: str
    signs: Signs
    slug: str | None
    """Of the novel that is hidden as a whole; None: none is."""
    ids: Sequence[str]
    """Of the chapters that are hidden."""


class Taken(msgspec.Struct, frozen=True):
    """A takedown that was made."""

    id: int
    novels: int
    """That readers no longer see."""
    chapters: int
    """Likewise, with those of such novels."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What takedowns keep back of one file."""

    whole: bool = False
    """The novel is not shown at all."""
    chapters: frozenset[int] = frozenset()
    """Places in the file; all, if it is the whole novel."""
    takedowns: tuple[int, ...] = ()
    """By which, in order; empty: nothing is kept back."""

    def __bool__(self) -> bool:
        return bool(self.takedowns)

    @property
    def recorded(self) -> tuple[bool, int, tuple[int, ...]] | None:
        """As `novelsync.models.stored.KnownNovel.withheld`."""
        return (self.whole, len(self.chapters), self.takedowns) if self.takedowns else None


NOTHING_WITHHELD: Final = Withheld()


class WithheldRecord(NamedTuple):
    """What is to be remembered of a file before it is written."""

    slug: str
    revision: int
    withheld: Withheld
    ids: Sequence[str]
    """Of rows that the write removes because of it."""
