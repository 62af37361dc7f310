"""Texts that are files of their own, beside ``book_info.json``: which paths are allowed, and what is in one. Pure."""

import codecs
import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from novelsync.books.values import NOT_FETCHED, Text, text_of
from novelsync.errors import BookRefused
from novelsync.evidence.visible import shows_nothing
from novelsync.models.source import Book, BookChapter
from novelsync.text.formatting import counted, printable, shortened

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def text_path(filename: str) -> str | None:
    """The path inside the novel's folder that a chapter names; None for one that leads out of it."""
    path = posixpath.normpath(filename.strip())
    outside = path.startswith(("/", "../")) or path in (".", "..") or "\0" in path or _DRIVE.match(path)
    return None if outside else path


def read_text(path: str, data: bytes) -> Text:
    """The text in these bytes, kept byte for byte. Raises `BookRefused` for anything but UTF-8."""
    stored = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = stored.decode()
    except UnicodeDecodeError as error:
        # A mark that was taken away stands before what was decoded.
        offset = error.start + len(data) - len(stored)
        reason = f"{path} must be UTF-8, and byte {offset:,} (0x{data[offset]:02x}) is not: {error.reason}"
        raise BookRefused([reason], 'save it as UTF-8; in Python: open(path, "w", encoding="utf-8")') from None
    if b"\0" in stored:
        stored, text = stored.replace(b"\0", b""), text.replace("\0", "")
    if shows_nothing(text):
        return NOT_FETCHED
    return text_of(stored, lambda: stored, escaped=False)


def files_of(book: Book) -> Mapping[str, str]:
    """By filename as the book has it, the path of each text that is a file of its own and is allowed to be one."""
    names = dict.fromkeys(chapter.filename for chapter in book.chapters if chapter.filename and not chapter.fetched)
    return {name: path for name in names if (path := text_path(name)) is not None}


class FileText(NamedTuple):
    """What was found in a file that a chapter names."""

    text: Text
    version: str = ""
    """Of the file."""
    failure: str = ""
    """Why there is no text."""


_OUTSIDE: Final = FileText(NOT_FETCHED, failure="it leads out of the novel's folder")


def with_texts(book: Book, texts: Mapping[str, FileText]) -> Book:
    """
    The book with the texts of its files. ``texts``: by filename as the book has it.

    A chapter whose text could not be had counts as not fetched yet, so that what is stored of it stays; the book gets a
    warning that counts them.
    """
    chapters: list[BookChapter] = []
    failures: list[str] = []
    for index, chapter in enumerate(book.chapters):
        if not chapter.filename or chapter.fetched:
            chapters.append(chapter._replace(filename="") if chapter.filename else chapter)
            continue
        found = texts.get(chapter.filename, _OUTSIDE)
        if found.failure:
            failures.append(f"chapters[{index}]: {printable(shortened(chapter.filename))}: {found.failure}")
        chapters.append(chapter._replace(**found.text._asdict(), file_version=found.version))
    if not failures:
        return replace(book, chapters=chapters)
    verb, first = ("names a text", "") if len(failures) == 1 else ("name texts", "the first, ")
    warning = f"{counted(len(failures), 'chapter')} {verb} that could not be read: {first}{failures[0]}"
    return replace(book, chapters=chapters, warnings=[*book.warnings, warning])
