"""
A quick way through the chapters of a file, if nothing has to be said of any of them. Pure.

Most files are like that. msgspec gives all labels in one pass, and texts are looked at as bytes. Whatever is unusual,
if only one value in one chapter, is left to the validators of `schema`, which say the same of all that is read here.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Raw
from msgspec.json import Decoder

from novelsync.books.schema import ALIASES, MOST_CHAPTERS
from novelsync.books.slices import ABSENT, in_capitals, is_crowded
from novelsync.books.values import NOT_FETCHED
from novelsync.evidence.prose import is_plain_prose, plainly_shows_something
from novelsync.evidence.visible import shows_nothing
from novelsync.models.source import BookChapter, unescaped

_NUMBER: Final = re.compile(rb'"?(-?\d{1,30}(?:\.\d{1,30})?)"?')

_N, _QUOTE = b'n"'
"""How null and a string begin."""

_NOTHING: Final = (NOT_FETCHED.content_hash, NOT_FETCHED.content_bytes, NOT_FETCHED.raw)

_NEVER: Final = Annotated[int, Meta(ge=1, le=0)]
"""A key that no chapter may have."""

_LABELS: Final = ("title", "filename", "url", "volume")

_Found: Final = msgspec.defstruct(
    "Chapter",
    [
        *((label, str | None, None) for label in ("title", "filename", "url", "volume")),
        *((key, Raw, ABSENT) for key in ("number", "content")),
        *((key, _NEVER, 0) for key in (*in_capitals("content"), *ALIASES["filename"])),
    ],
    gc=False,
)
_CHAPTERS: Final[Decoder[list[Any]]] = Decoder(list[_Found])  # type: ignore[valid-type]


class QuickChapters(NamedTuple):
    """All chapters of a list."""

    chapters: Sequence[BookChapter]
    without_number: Sequence[int]
    """Indexes."""


class _UnusualError(Exception):
    """Something has to be said of a chapter, or may have to be."""


def read_chapters(chapters: Raw, data: bytes, *, keep: bool) -> QuickChapters | None:
    """
    The chapters of the list in this slice of a file's ``data``; None if the validators have to look at it.

    ``keep``: their texts are kept as they are to be stored, and not made again from the slice each time.
    """
    if is_crowded(data, b"{"):
        return None
    try:
        found = _CHAPTERS.decode(chapters)
        if not 0 < len(found) <= MOST_CHAPTERS:
            return None
        read = [_chapter(each, keep=keep) for each in found]
    except (_UnusualError, msgspec.DecodeError):
        return None
    return QuickChapters(read, [index for index, chapter in enumerate(read) if chapter.number is None])


def _chapter(found: Any, *, keep: bool) -> BookChapter:
    title, url, filename, volume = found.title or "", found.url or "", found.filename or "", found.volume or None
    if "\0" in title or "\0" in url or "\0" in filename or (volume and "\0" in volume):
        raise _UnusualError
    number, content = _number(found.number), memoryview(found.content)
    text = b"" if content[0] == _N else _text(content)
    if not plainly_shows_something(text) and shows_nothing(text.decode()):
        return BookChapter(title, number, url, *_NOTHING, volume, filename)
    raw = partial(bytes, text) if keep else partial(_whole, found.content)
    digest, is_prose = sha256(text).digest(), is_plain_prose(text)
    return BookChapter(
        title, number, url, digest, len(text), raw, volume, filename, escaped=not keep, is_prose=is_prose
    )


def _number(raw: Raw) -> Decimal | None:
    if digits := _NUMBER.fullmatch(raw):
        return Decimal(digits[1].decode())
    if memoryview(raw)[0] == _N:
        return None
    raise _UnusualError


def _text(content: memoryview) -> bytes:
    if content[0] != _QUOTE:
        raise _UnusualError
    text = unescaped(content)
    if 0 in text:
        raise _UnusualError
    return text


def _whole(content: Raw) -> memoryview:
    return memoryview(content)
