"""The nouns: what a storage holds, what a file says, what the database has, what is asked for, what is to change."""

import json
from base64 import b64encode
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeAlias

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


class BookChapter(NamedTuple):
    """One chapter of a file. Its text stays in the file's bytes until it is asked for, because it is most of them."""

    title: str
    number: Decimal | None
    url: str
    content_hash: bytes
    """SHA-256 (32 bytes) of the text's UTF-8; `EMPTY_HASH` if it was not fetched yet."""
    content_bytes: int
    """Length of the text in UTF-8; 0 if it was not fetched yet."""
    as_json: Callable[[], bytes | memoryview]
    """The text exactly as it is to be stored, as a JSON string in UTF-8: what a file has is sent on as it is."""

    @property
    def fetched(self) -> bool:
        return self.content_bytes > 0

    def text(self) -> str:
        """Decoded anew each time; empty if it was not fetched yet."""
        return str(json.loads(bytes(self.as_json())))


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
    """Something of it was kept that its file no longer has."""
    holds: int = 0
    """How many files in a row lacked chapters that were kept."""
    version: str = ""
    """See `KnownFile`."""


class Fingerprint(NamedTuple):
    """What tells a file's novel from another, whatever its folder is called."""

    checksum: str
    texts: frozenset[bytes]
    """Hashes of all texts there are."""


# What is asked for ----------------------------------------------------------------


class Everything:
    """Contains whatever is looked for: all slugs."""

    def __contains__(self, item: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Options:
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
    def usual(self) -> bool:
        return not (self.reread or self.accept or self.accept_removals is not None)


USUAL: Final = Options()


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
    """Empty for what concerns the whole library."""
    kind: ProblemKind
    message: str
    hint: str = ""
    """A command in it is written `novelsync …`; whoever shows it writes it as it works there."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Novels that stay, though storage no longer has them, because they are too many at once."""

    novels: int
    message: str
    hint: str


class PlacedChapter(NamedTuple):
    """A chapter of the file that is new to the table, and where it goes."""

    position: int
    chapter: BookChapter


@dataclass(frozen=True, slots=True)
class ChangedChapter:
    """A stored chapter whose title, number, url or text becomes the file's, or that comes back."""

    row: KnownChapter
    position: int
    chapter: BookChapter
    new_text: bool
    """False: the stored text stays, because it is the same, the file has none yet, or a worse one."""


@dataclass(frozen=True, slots=True)
class MovedChapter:
    """A stored chapter that only changes its place."""

    row: KnownChapter
    position: int


class Former(NamedTuple):
    """What a novel was called before its folder was renamed."""

    slug: str
    revision: int


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
    stored: NovelFields | None = None
    """The columns as they are; None for a new novel."""
    fields: NovelFields | None = None
    """The columns as they are to be; None: they stay."""
    chapter_count: int = 0
    created: Sequence[PlacedChapter] = ()
    changed: Sequence[ChangedChapter] = ()
    moved: Sequence[MovedChapter] = ()
    removed: Sequence[KnownChapter] = ()
    kept: Sequence[KnownChapter] = ()
    """Published rows that the file no longer has, and that stay."""
    kept_texts: Sequence[KnownChapter] = ()
    """Rows whose text stays, because the file's is worse."""
    former: Former | None = None
    restored: bool = False
    """Readers did not see the novel any more, and see it again."""
    afresh: bool = False
    """What was removed under this slug was another novel, and is left as it is."""
    holds: int | None = None
    """See `KnownNovel`; None: as before."""
    problems: Sequence[Problem] | None = ()
    """What stands against the novel from now on; None: what stood before."""
    answer: Mapping[str, Any] | None = None
    """What the run that asked for this write by a message is told in the same transaction; None: none did."""

    @property
    def is_new(self) -> bool:
        return self.visible and self.stored is None

    @property
    def text_bytes(self) -> int:
        """Bytes of text that have to be sent."""
        return sum(c.chapter.content_bytes for c in self.created) + sum(
            c.chapter.content_bytes for c in self.changed if c.new_text
        )
