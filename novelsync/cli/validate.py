"""Checks files without a database, for people who write crawlers. Only reads."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novelsync.books.reader import check_size
from novelsync.books.schema import BookFile
from novelsync.contracts.storages import Storage
from novelsync.errors import BookRefused, ConfigurationError
from novelsync.evidence.lint import lint_book
from novelsync.models.source import BOOK_FILE, Book, SourceFile
from novelsync.novel_reader import NovelReader, ReadFile
from novelsync.planning.novel_plan import why_blank
from novelsync.storage.local import LocalStorage

_WHAT_TO_NAME = f"name a {BOOK_FILE}, a novel's folder, or a folder of novels"


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What a sync would say about one file (``refused``, ``warnings``), and what it would not (``doubts``)."""

    path: str
    chapters: int = 0
    without_text: int = 0
    refused: Sequence[str] = ()
    """Every reason for which the file is refused; empty if it is accepted."""
    hint: str = ""
    warnings: Sequence[str] = ()
    doubts: Sequence[str] = ()
    """What looks wrong in an accepted file but may be right."""

    @property
    def is_fine(self) -> bool:
        """There is nothing to say about it."""
        return not (self.refused or self.warnings or self.doubts)


@dataclass(slots=True)
class Validation:
    """What became of all files. The JSON that ``validate --json`` prints."""

    files: int = 0
    refused: int = 0
    fixed: int = 0
    """Files that would be accepted with warnings."""
    doubtful: int = 0
    findings: list[FileVerdict] = field(default_factory=list)
    """The verdicts on all files about which there is something to say."""

    def add(self, verdict: FileVerdict) -> None:
        self.files += 1
        self.refused += bool(verdict.refused)
        self.fixed += bool(verdict.warnings)
        self.doubtful += bool(verdict.doubts)
        if not verdict.is_fine:
            self.findings.append(verdict)


def schema() -> dict[str, Any]:
    """The format as a JSON Schema: it accepts what a sync accepts, as far as a schema can express that."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **BookFile.model_json_schema()}


def validate(path: Path, max_file_bytes: int) -> Iterator[FileVerdict]:
    """
    Checks one file, one novel's folder, or a folder of novels.

    Raises `ConfigurationError` if there is nothing there, `StorageUnavailable` if it cannot be listed.
    """
    # A storage has no novel whose name is "..", so the path must not end in it.
    whole = Path(os.path.abspath(path))  # noqa: PTH100 — Path.absolute keeps the dots, resolve leaves the links' folders
    found = False
    for verdict in _verdicts(path, whole, max_file_bytes):
        found = True
        yield verdict
    if not found:
        raise ConfigurationError(f"there is no <slug>/{BOOK_FILE} in {path}", _WHAT_TO_NAME)


def _verdicts(path: Path, whole: Path, max_file_bytes: int) -> Iterator[FileVerdict]:
    if os.path.isfile(whole):  # noqa: PTH113 — here and below: Path's raise where nothing may be looked at
        yield _read_file(whole, str(path), max_file_bytes)
    elif os.path.lexists(whole / BOOK_FILE):
        storage = LocalStorage(str(whole.parent))
        novel = storage.find(whole.name)
        yield from _look_at(storage, [novel] if novel else [], max_file_bytes)
    elif os.path.isdir(whole):  # noqa: PTH112
        storage = LocalStorage(str(path))
        yield from _look_at(storage, storage.listing(), max_file_bytes)
    else:
        raise ConfigurationError(f"there is no {path}", _WHAT_TO_NAME)


def _read_file(path: Path, name: str, max_file_bytes: int) -> FileVerdict:
    """One of any name. Its texts are beside it."""
    reader = NovelReader(LocalStorage(str(path.parent.parent)), max_file_bytes)
    try:
        novel = SourceFile(path.parent.name, "", path.stat().st_size)
        check_size(novel.size, max_file_bytes)
        file = reader.parse(ReadFile(novel, path.read_bytes()))
        return _verdict(name, reader.read_texts(*reader.look_for_texts(file, None)))
    except BookRefused as refusal:
        return FileVerdict(name, refused=refusal.reasons, hint=refusal.hint)
    except OSError as error:
        return FileVerdict(name, refused=[f"the file cannot be read: {(error.strerror or str(error)).lower()}"])


def _look_at(storage: Storage, novels: Iterable[SourceFile], max_file_bytes: int) -> Iterator[FileVerdict]:
    reader = NovelReader(storage, max_file_bytes)
    for novel in novels:
        path = f"{storage.location}/{novel.slug}/{BOOK_FILE}"
        file = reader.read_whole(novel)
        yield _verdict(path, file) if file else FileVerdict(path, doubts=["it is being written just now"])


def _verdict(path: str, file: ReadFile) -> FileVerdict:
    book = file.book
    if not isinstance(book, Book):
        return FileVerdict(path, refused=book.reasons if book else (), hint=book.hint if book else "")
    lint = lint_book(book)
    blank = why_blank(book) if lint.without_text == len(book.chapters) else ""
    warnings = [blank, *book.warnings] if blank else book.warnings
    return FileVerdict(path, len(book.chapters), lint.without_text, warnings=warnings, doubts=lint.doubts)
