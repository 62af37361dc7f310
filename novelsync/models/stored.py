"""What the database has."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from novelsync.models.source import NovelFields


class KnownFile(NamedTuple):
    """What the bookkeeping remembers of a slug. A tuple, because a library has 100,000 of them."""

    slug: str
    version: str
    """As of the last time the file was dealt with; empty if it must be read again in any case."""
    revision: int
    """Counts the writes; a write carries the one it was planned on."""
    stored: bool
    """Readers see a novel under this slug."""
    removed: bool
    """They saw one, until the storage had lost it for too long."""
    missing_for: float | None
    """Seconds since a complete listing did not have it any more; None if the last one had it."""
    refused: bool
    """That version of the file was refused."""


@dataclass(frozen=True, slots=True)
class KnownChapter:
    """One row of ``chapters``, without its text."""

    id: str
    position: int
    number: Decimal | None
    title: str
    url_hash: str
    """See `url_hash`; empty where there is no url."""
    content_hash: bytes
    content_bytes: int
    removed: bool = False
    short_text: str | None = None
    """The text itself, where it has under 2,000 bytes."""


@dataclass(frozen=True, slots=True)
class KnownNovel:
    """What the tables have of a slug. ``fields`` is None if no novel is stored under it, or it was not asked for."""

    slug: str
    revision: int
    same: bool
    """The file's checksum is the one last dealt with."""
    fields: NovelFields | None
    chapters: Sequence[KnownChapter] = ()
    """The published ones in the order of their positions, then the removed ones."""
    chapter_count: int = 0
    """As readers are told."""
    shown_as: str = ""
    """The slug that readers are told; empty: its own."""
    removed: bool = False
    """Readers do not see it any more."""
    held: bool = False
    """Something of it is held: it stays although its file no longer has it."""
    held_in_a_row: int = 0
    """So many files in a row lacked chapters that are held."""
    version: str = ""
    """See `KnownFile`."""
