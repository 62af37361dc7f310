"""A novel in the storage: its file as listed, and the book that is read from it."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec.json import Decoder

BOOK_FILE: Final = "book_info.json"
"""In a folder of its own for each novel; the folder's name is the novel's slug."""


class SourceFile(NamedTuple):
    """
    One novel as the storage lists it, before any file is opened.

    A tuple and not a dataclass, because a listing makes 100,000 of them.
    """

    slug: str
    version: str
    """Changes whenever the file is written: in Cloud Storage the generation, locally mtime, size and inode."""
    size: int
    """Bytes."""
    checksum: str = ""
    """The checksum of the file's bytes, if the storage knows it without reading them."""
    unreadable: str = ""
    """Why the file cannot be read, if the listing can tell: a link that leads out, permissions."""
    texts: str = ""
    """See `texts_digest`; empty where the listing was not asked for it."""
    text_bytes: int = 0
    """Of the files that the digest is of."""

    @property
    def total_bytes(self) -> int:
        return self.size + self.text_bytes

    @property
    def state(self) -> str:
        """The version of all that the novel consists of. What the bookkeeping remembers."""
        return f"{self.version} {self.texts}" if self.texts else self.version


PLAIN_LINE: Final = "%s\0%s\0%d\0\0\n"
"""What `line_of` makes of a novel of which nothing is known but slug, version and size."""


def line_of(novel: SourceFile) -> str:
    """
    All that a listing says of a novel, in one line.

    In an hour without changes nobody needs more of 100,000 novels, and a tuple for each takes a third of the time.
    """
    slug, version, size, checksum, unreadable, texts, text_bytes = novel
    line = f"{slug}\0{version}\0{size}\0{checksum}\0{unreadable}"
    return f"{line}\0{texts}\0{text_bytes}\n" if texts else f"{line}\n"


def novel_of(line: str) -> SourceFile:
    """The novel that `line_of` made the line of."""
    slug, version, size, checksum, unreadable, *texts = line[:-1].split("\0")
    digest, text_bytes = texts or ("", 0)
    return SourceFile(slug, version, int(size), checksum, unreadable, digest, int(text_bytes))


class TextFile(NamedTuple):
    """A file in a novel's folder, beside ``book_info.json``."""

    path: str
    """Inside the folder, with slashes."""
    version: str
    """As that of a `SourceFile`."""
    size: int
    """Bytes."""
    unreadable: str = ""
    """Why it cannot be read."""


def texts_digest(files: Iterable[tuple[str, str, int, str]]) -> str:
    """Another one whenever any of these files changes. ``files``: in any order, each like a `TextFile`."""
    lines = [f"{path}\0{version}\0{unreadable}\n" for path, version, _, unreadable in files]
    return sha256("".join(sorted(lines)).encode()).hexdigest()[:32]


EMPTY_HASH: Final = sha256(b"").digest()
"""The hash of a text that has not been fetched yet."""


@lru_cache(maxsize=1 << 14)  # a chapter's is asked for several times while a file is planned
def url_hash(url: str) -> str:
    """What the database sends in place of a url: the first 9 bytes of its SHA-256 in base64, or empty for no url."""
    return b64encode(sha256(url.encode()).digest()[:9]).decode() if url else ""


class Unset(Enum):
    """The type of `UNSET`."""

    TOKEN = 0


UNSET: Final = Unset.TOKEN
"""The value of a key that the file does not have: the column stays as it is. ``None`` clears it."""


OptionalText: TypeAlias = str | Literal[Unset.TOKEN] | None


_STRING: Final = Decoder(str)
_LINE_END: Final = re.compile(rb"\\n")
_QUOTE: Final = re.compile(rb'\\"')
(_BACKSLASH,) = b"\\"


def unescaped(json_string: bytes | memoryview) -> bytes:
    """
    What a valid JSON string in UTF-8 says, in UTF-8.

    Most texts have no escapes but for line ends and quotes, and to put those in is five times as fast as decoding and
    encoding. ``\\\\n``, a backslash and a letter, is mistaken for one at first; but then a backslash is left over.
    """
    text = _LINE_END.sub(b"\n", json_string[1:-1])
    if _BACKSLASH in text:
        text = _QUOTE.sub(b'"', text)
    return _STRING.decode(json_string).encode() if _BACKSLASH in text else text


class BookChapter(NamedTuple):
    """One chapter of a file. Its text is not decoded until it is asked for, because texts are most of a file."""

    title: str
    number: Decimal | None
    url: str
    content_hash: bytes
    """SHA-256 (32 bytes) of the text in UTF-8; `EMPTY_HASH` if it has not been fetched yet."""
    content_bytes: int
    """Length of the text in UTF-8; 0 if it has not been fetched yet."""
    raw: Callable[[], bytes | memoryview]
    """The text in UTF-8: the JSON string that the file has, where it is ``escaped``; else as it is to be stored."""
    volume: str | None = None
    filename: str = ""
    """The file that the text is in, as ``book_info.json`` names it; empty if it is in that itself."""
    file_version: str = ""
    """The version of that file; empty if it is not there."""
    escaped: bool = False
    """See ``raw``."""
    is_prose: bool = False
    """Its text was seen at once to be a chapter, when it was read. If not, it may be one all the same."""

    @property
    def fetched(self) -> bool:
        return self.content_bytes > 0

    def text(self) -> str:
        """The text, decoded anew on each call; empty if it has not been fetched yet."""
        return str(self.stored(), "utf-8")

    def stored(self) -> bytes | memoryview:
        """The text in UTF-8 as it is to be stored, made anew on each call."""
        return unescaped(self.raw()) if self.escaped else self.raw()


@dataclass(frozen=True, slots=True)
class NovelFields:
    """The columns of ``novels`` that come from the file."""

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
    """What was fixed or left out while reading."""
    overlooked: str = ""
    """What the file has in place of chapters or texts, if it has none that are read."""

    def fields_over(self, known: NovelFields | None) -> NovelFields:
        """The columns as this file makes them; a key that it does not have leaves what is ``known``."""

        def over(value: OptionalText, before: str | None) -> str | None:
            return before if value is UNSET else value

        before = known or NovelFields(self.title)
        return NovelFields(
            title=self.title,
            author=over(self.author, before.author),
            description=over(self.description, before.description),
            cover_url=over(self.cover_url, before.cover_url),
            status=over(self.status, before.status),
        )


class Fingerprint(NamedTuple):
    """What a novel is recognised by, whatever its folder is called."""

    checksum: str
    texts: tuple[bytes, ...]
    """Hashes of some of its telling texts: see `novelsync.planning.recognition.renames`."""
    title: str = ""
