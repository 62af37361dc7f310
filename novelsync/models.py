"""The nouns: what a storage holds, what a file says, what the database has, what is to change, what a run did."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeAlias

# In the storage ---------------------------------------------------------------


class StoredNovel(NamedTuple):
    """
    One novel as the storage lists it, before any file is opened.

    A tuple and not a dataclass, because a listing makes 100,000 of them.
    """

    slug: str
    version: str
    """Changes whenever the file is written: Cloud Storage's generation; locally mtime, size and inode."""
    size: int
    """Bytes."""
    checksum: str = ""
    """Of the file's bytes, where the storage knows it without reading them."""
    unreadable: str = ""
    """Why the file cannot be read, where the listing can tell already: a link that leads out, permissions."""


EMPTY_HASH: Final = sha256(b"").digest()
"""The hash of a text that was not fetched yet."""


def url_hash(url: str) -> str:
    """What the database sends in place of a url: the first 9 bytes of its SHA-256 in base64, or empty for no url."""
    return b64encode(sha256(url.encode()).digest()[:9]).decode() if url else ""


# In a file ----------------------------------------------------------------------


class Unset(Enum):
    """The type of `UNSET`."""

    TOKEN = 0


UNSET: Final = Unset.TOKEN
"""A key that is absent from the file, so that what the table has is kept. ``None`` clears it."""

OptionalText: TypeAlias = str | Literal[Unset.TOKEN] | None


@dataclass(frozen=True, slots=True)
class BookChapter:
    """One chapter of a file. Its text is decoded each time it is asked for, because text is most of the bytes."""

    title: str
    number: Decimal | None
    url: str
    content_hash: bytes
    """SHA-256 (32 bytes) of the text's UTF-8; `EMPTY_HASH` if it was not fetched yet."""
    content_bytes: int
    """Length of the text in UTF-8; 0 if it was not fetched yet."""
    text: Callable[[], str]
    """The text exactly as it is to be stored; empty if it was not fetched yet."""

    @property
    def fetched(self) -> bool:
        return self.content_bytes > 0


@dataclass(frozen=True, slots=True)
class NovelFields:
    """What a novel says of itself: the columns of ``novels`` that come from the file."""

    title: str
    author: str | None = None
    description: str | None = None
    cover_url: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """A whole ``book_info.json`` that was accepted."""

    title: str
    author: OptionalText
    description: OptionalText
    cover_url: OptionalText
    status: OptionalText
    chapters: Sequence[BookChapter]
    warnings: Sequence[str] = ()
    """What was mended or left out while reading; the novel is in all the same."""

    def fields_over(self, known: NovelFields | None) -> NovelFields:
        """The columns this file leads to: a key it does not have keeps what is known."""

        def over(value: OptionalText, kept: str | None) -> str | None:
            return kept if value is UNSET else value

        kept = known or NovelFields(self.title)
        return NovelFields(
            title=self.title,
            author=over(self.author, kept.author),
            description=over(self.description, kept.description),
            cover_url=over(self.cover_url, kept.cover_url),
            status=over(self.status, kept.status),
        )


# In the database ------------------------------------------------------------------


class KnownFile(NamedTuple):
    """What the bookkeeping remembers of a slug. A tuple, because a library has 100,000 of them."""

    slug: str
    version: str
    """As of the last time the file was dealt with; empty if it must be read again in any case."""
    revision: int
    """Counts the writes; a write carries the one it was planned on."""
    stored: bool
    """Readers see a novel under this slug."""
    missing: bool
    """The last complete listing did not have it."""
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


@dataclass(frozen=True, slots=True)
class KnownNovel:
    """What the tables have of a slug. ``fields`` is None if no novel is stored under it."""

    slug: str
    revision: int
    same: bool
    """The file's checksum is the one last written, so chapters were not fetched."""
    fields: NovelFields | None
    chapters: Sequence[KnownChapter] = ()


# To be written --------------------------------------------------------------------


class ProblemKind(StrEnum):
    """Why something in storage is not, or not quite, in the tables."""

    REFUSED = "refused"
    """The file cannot be accepted; what is stored of the novel stays."""
    HELD = "held"
    """Something in the tables was kept that the file no longer has."""
    WARNING = "warning"
    """The novel is in; something in its file was mended or left out."""
    UNAVAILABLE = "unavailable"
    """Passing trouble; it is tried again next time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a person should look at."""

    slug: str
    kind: ProblemKind
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PlacedChapter:
    """A chapter of the file that is new to the table, and where it goes."""

    position: int
    chapter: BookChapter


@dataclass(frozen=True, slots=True)
class ChangedChapter:
    """A stored chapter whose title, number, url or text becomes the file's."""

    id: str
    position: int
    chapter: BookChapter
    new_text: bool
    """False: the stored text stays, because it is the same, or the file has none yet."""


@dataclass(frozen=True, slots=True)
class MovedChapter:
    """A stored chapter that only changes its place."""

    id: str
    position: int


@dataclass(frozen=True, slots=True)
class NovelWrite:
    """Everything one novel's write consists of, planned on one revision of it."""

    slug: str
    request_id: str
    """The same id sent again is answered, not carried out, so that a retry after a lost answer is harmless."""
    revision: int
    version: str
    checksum: str
    visible: bool
    """False: only the bookkeeping moves."""
    is_new: bool = False
    fields: NovelFields | None = None
    """None: the columns stay as they are."""
    chapter_count: int = 0
    created: Sequence[PlacedChapter] = ()
    changed: Sequence[ChangedChapter] = ()
    moved: Sequence[MovedChapter] = ()
    kept: int = 0
    """Published rows that the file no longer has."""
    problems: Sequence[Problem] | None = ()
    """What stands against the novel from now on; None: what stood before."""

    @property
    def text_bytes(self) -> int:
        """Bytes of text that have to be sent."""
        return sum(c.chapter.content_bytes for c in self.created) + sum(
            c.chapter.content_bytes for c in self.changed if c.new_text
        )
