"""
The bytes of one ``book_info.json`` become a Book, or every reason why not. Pure: no files, no clock, no environment.

Encoding and syntax are checked here, the values in `schema`. Nothing here needs more memory than the file and one
chapter. Chapters of which nothing has to be said are read in a `quick` way.
"""

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

import msgspec
import pydantic
from msgspec import Raw
from msgspec.json import Decoder

from novelsync.books import overlooked, quick
from novelsync.books.schema import BookFile, BookFileChapter, BookSlices
from novelsync.books.slices import ABSENT, SHOWN, SURROGATE, Noticed, is_crowded, kind_of
from novelsync.errors import BookRefused
from novelsync.models.source import Book, BookChapter
from novelsync.text.formatting import printable

_FORMAT_HINT: Final = "fix what is named and write the file again; docs/format.md shows the format"
_SYNTAX_HINT: Final = "write it with a JSON library, whole, under another name, then rename it to book_info.json"
_UTF8_HINT: Final = 'save it as UTF-8; in Python: open(path, "w", encoding="utf-8")'

_OBJECT: Final = Decoder(dict[str, Raw])
_BOOK: Final = Decoder(BookSlices)

_CHUNK: Final = 1 << 15
"""Bytes that are checked at once: few enough to stay in the processor's cache."""

# It is an escape only after an even number of backslashes. Two that make a pair are one character, and stay.
_SURROGATES: Final = re.compile(
    rb"(?<!\\)(?:\\\\)*+(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)

_KEPT: Final = 4_000_000
"""Bytes of a file whose texts are kept beside it, which saves decoding them again. Larger ones might not fit twice."""

_Bytes: TypeAlias = bytes | bytearray | memoryview


def check_size(size: int, limit: int, texts: int = 0) -> None:
    """Raises `BookRefused` for a file that with its ``texts`` is too large to be read; all in bytes."""
    if size + texts > limit:
        subject = "the file and its texts have" if texts else "the file has"
        hint = "raise NOVELSYNC_MAX_FILE_BYTES, or split the novel"
        raise BookRefused([f"{subject} {size + texts:,} bytes, over the limit of {limit:,}"], hint)


def read_book(data: bytes, *, quickly: bool = True) -> Book:
    """
    The novel in these bytes. Raises `BookRefused` with every reason found in them, and nothing else.

    ``quickly``: False makes no difference but in time. Each value then goes through its validator.
    """
    try:
        return _read(data, quickly=quickly)
    except RecursionError:
        raise BookRefused(["the file has values nested too deeply to be read"], _FORMAT_HINT) from None
    except MemoryError:
        raise BookRefused(
            [f"the file's {len(data):,} bytes do not fit into memory"], "give NovelSync more memory"
        ) from None


def _read(data: bytes, *, quickly: bool) -> Book:
    _check_encoding(data)
    noticed = Noticed()
    content = memoryview(data)[3:] if data.startswith(codecs.BOM_UTF8) else data
    slices, keys = _split(content, noticed)
    for key in ("title", "chapters"):
        noticed.look_for_capitals(slices, key, "the file")
    unread = _without_volumes(slices)
    read = quick.read_chapters(slices.chapters, data, keep=len(data) <= _KEPT) if quickly else None  # type: ignore[attr-defined]
    if read is not None:
        slices.chapters = ABSENT  # type: ignore[attr-defined]
    try:
        file = BookFile.model_validate(slices, from_attributes=True, context=noticed)
    except pydantic.ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        noticed.reasons += [f"{_place(each['loc'])} {each['msg']}" for each in wrong]
    if noticed.reasons:
        if slices.title is ABSENT and (other := overlooked.other_title(keys)):  # type: ignore[attr-defined]
            noticed.reasons.append(f'the file has "{other}", and what readers see as the title must be in "title"')
        raise BookRefused(noticed.reasons, _FORMAT_HINT)
    chapters = _chapters(file) if read is None else read.chapters
    if read is not None:
        noticed.lack_numbers(read.without_number)
    if overlooked.has_chapters(unread):
        noticed.remarks.append("the chapters in volumes are not read, because there are others in chapters")
    noticed.remarks += [f"the list {each} is not read" for each in overlooked.other_lists(keys)]
    missing = _overlooked(keys, chapters)
    if missing and any(chapter.fetched or chapter.filename for chapter in chapters):
        noticed.remarks.append(missing)
        missing = ""
    optional = file.author, file.description, file.cover_url, file.status
    return Book(file.title, *optional, chapters, noticed.warnings(), missing)


def _without_volumes(slices: msgspec.Struct) -> Raw:
    """Takes the volumes away, where there are chapters that count before theirs, and returns them."""
    volumes: Raw = slices.volumes  # type: ignore[attr-defined]
    if re.fullmatch(rb"null|\[\s*\]", memoryview(slices.chapters)):  # type: ignore[attr-defined]
        return ABSENT
    slices.volumes = ABSENT  # type: ignore[attr-defined]
    return volumes


def _chapters(file: BookFile) -> list[BookChapter]:
    """Those of the novel itself; or, if it has none, those of its volumes."""
    if file.chapters:
        return [_chapter(c, c.volume) for c in file.chapters]
    return [_chapter(c, volume.title or c.volume) for volume in file.volumes for c in volume.chapters]


def _chapter(chapter: BookFileChapter, volume: str | None) -> BookChapter:
    text = chapter.content
    return BookChapter(
        chapter.title,
        chapter.number,
        chapter.url,
        text.content_hash,
        text.content_bytes,
        text.raw,
        volume,
        chapter.filename,
        escaped=text.escaped,
        is_prose=text.is_prose,
    )


def _overlooked(keys: Mapping[str, Raw], chapters: Sequence[BookChapter]) -> str:
    """What the file has in place of chapters, or in place of the texts of some; empty if there is nothing."""
    if not chapters:
        others = overlooked.other_content(keys)
        return f"the file has {overlooked.listed(others)}, and chapters belong into the list chapters" if others else ""
    blank = {place for place, each in enumerate(chapters) if not each.fetched and not each.filename}
    others = overlooked.other_texts(keys, blank) if blank else ()
    which = "chapters" if len(blank) == len(chapters) else "chapters without a text"
    where = "a text belongs into content, or into a file that filename names"
    return f"{which} have {overlooked.listed(others)}, and {where}" if others else ""


def _place(location: tuple[int | str, ...]) -> str:
    """As messages write it: ``chapters[3].content``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _check_encoding(data: bytes) -> None:
    """
    Raises `BookRefused` for anything but UTF-8, which msgspec does not check in what it only cuts.

    It decodes in chunks, because one str of a whole file can take four times its size.
    """
    encoding = json.detect_encoding(data[:4])
    if encoding not in ("utf-8", "utf-8-sig"):
        raise BookRefused([f"the file must be UTF-8, and from byte 0 on it looks like {encoding.upper()}"], _UTF8_HINT)
    view, start = memoryview(data), 0
    while start < len(data):
        try:
            # What is left of a character at the end is looked at again with the next chunk.
            start += codecs.utf_8_decode(view[start : start + _CHUNK], "strict", start + _CHUNK >= len(data))[1]
        except UnicodeDecodeError as error:
            offset = start + error.start
            reason = f"the file must be UTF-8, and byte {offset:,} (0x{data[offset]:02x}) is not: {error.reason}"
            raise BookRefused([reason], _UTF8_HINT) from None


def _split(data: _Bytes, noticed: Noticed) -> tuple[msgspec.Struct, Mapping[str, Raw]]:
    """
    The raw slices of the keys that are read, and those of all keys; none of these if there may be more than fit.

    Raises `BookRefused` for what is not JSON, or is no object.
    """
    try:
        if is_crowded(data, b'":'):
            return _BOOK.decode(data), {}
        keys = _OBJECT.decode(data)
        return BookSlices(**{key: keys[key] for key in BookSlices.__struct_fields__ if key in keys}), keys
    except msgspec.ValidationError:
        first = cast(re.Match[bytes], re.search(rb"\S", data))
        raise BookRefused([f"the file is {kind_of(Raw(first[0]))}, and an object is needed"], _FORMAT_HINT) from None
    except msgspec.DecodeError as error:
        fixed = _without_lone_surrogates(data, noticed)
        if fixed is None:
            raise BookRefused([_syntax_error(data, error)], _SYNTAX_HINT) from None
    return _split(fixed, noticed)


def _without_lone_surrogates(data: _Bytes, noticed: Noticed) -> bytearray | None:
    """A copy with U+FFFD in their places, which is as long when escaped; None if there are no lone surrogates."""
    lone = (escape.start(1) for escape in _SURROGATES.finditer(data) if escape[1])
    fixed: bytearray | None = None
    count = 0
    for start in lone:
        fixed = fixed or bytearray(data)
        fixed[start : start + 6] = rb"\ufffd"
        count += 1
    noticed.counts[SURROGATE] = count
    return fixed


def _syntax_error(data: _Bytes, error: msgspec.DecodeError) -> str:
    """What is wrong, with line and column, which are counted in characters as in an editor."""
    found = re.fullmatch(r"JSON is malformed: (.+) \(byte (\d+)\)", str(error))
    # msgspec names the byte after the first of the trailing characters.
    end = int(found[2]) - (found[1] == "trailing characters") if found else len(data)
    before = bytes(data[:end])
    if not before.strip() and not found:
        return "the file is empty"
    line = before[before.rfind(b"\n") + 1 :]
    # A byte from 0x80 to 0xbf continues a character, and is not counted.
    column = len(line.translate(None, bytes(range(0x80, 0xC0)))) + 1
    near = printable((line[-SHOWN // 2 :] + bytes(data[end : end + SHOWN // 2])).decode(errors="ignore")).strip()
    what = f"is not JSON: {found[1]}" if found else "is cut off: it ends"
    return f"the file {what} at line {before.count(10) + 1} column {column}" + (f", near {near}" if near else "")
