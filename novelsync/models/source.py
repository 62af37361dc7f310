"""A novel in the storage: its file as listed, and the book that is read from it."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeAlias


class SourceFile(NamedTuple):
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
    """What was fixed or left out while reading; the novel is in all the same."""

    def fields_over(self, known: NovelFields | None) -> NovelFields:
        """The columns this file leads to: a key it does not have keeps what is known."""

        def over(value: OptionalText, held_chapters: str | None) -> str | None:
            return held_chapters if value is UNSET else value

        held_chapters = known or NovelFields(self.title)
        return NovelFields(
            title=self.title,
            author=over(self.author, held_chapters.author),
            description=over(self.description, held_chapters.description),
            cover_url=over(self.cover_url, held_chapters.cover_url),
            status=over(self.status, held_chapters.status),
        )


class Fingerprint(NamedTuple):
    """What tells a file's novel from another, whatever its folder is called."""

    checksum: str
    texts: frozenset[bytes]
    """Hashes of all texts there are."""
