"""Checks files without a database, for people who write crawlers. Only reads."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelsync.books.lint import lint_book
from novelsync.books.reader import check_size, read_book
from novelsync.books.schema import BookFile
from novelsync.contracts import Storage
from novelsync.errors import BookRefused, ConfigurationError
from novelsync.models.source import SourceFile
from novelsync.storage.local import FILE, LocalStorage

_WHAT_TO_NAME = f"name a {FILE}, a novel's folder, or a folder of novels"


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
        raise ConfigurationError(f"there is no <slug>/{FILE} in {path}", _WHAT_TO_NAME)


def _verdicts(path: Path, whole: Path, max_file_bytes: int) -> Iterator[FileVerdict]:
    if os.path.isfile(whole):  # noqa: PTH113 — here and below: Path's raise where nothing may be looked at
        yield _read_file(whole, str(path), max_file_bytes)
    elif os.path.lexists(whole / FILE):
        storage = LocalStorage(str(whole.parent))
        novel = storage.find(whole.name)
        yield from _look_at(storage, [novel] if novel else [], max_file_bytes)
    elif os.path.isdir(whole):  # noqa: PTH112
        storage = LocalStorage(str(path))
        yield from _look_at(storage, storage.listing(), max_file_bytes)
    else:
        raise ConfigurationError(f"there is no {path}", _WHAT_TO_NAME)


def _read_file(path: Path, name: str, max_file_bytes: int) -> FileVerdict:
    try:
        check_size(path.stat().st_size, max_file_bytes)
        return _verdict(name, path.read_bytes())
    except BookRefused as refusal:
        return FileVerdict(name, refused=refusal.reasons, hint=refusal.hint)
    except OSError as error:
        return FileVerdict(name, refused=[f"the file cannot be read: {(error.strerror or str(error)).lower()}"])


def _look_at(storage: Storage, novels: Iterable[SourceFile], max_file_bytes: int) -> Iterator[FileVerdict]:
    for novel in novels:
        path = f"{storage.location}/{novel.slug}/{FILE}"
        try:
            check_size(novel.size, max_file_bytes)
            data = storage.read(novel)
        except BookRefused as refusal:
            yield FileVerdict(path, refused=refusal.reasons, hint=refusal.hint)
            continue
        yield _verdict(path, data) if data is not None else FileVerdict(path, doubts=["it is being written just now"])


def _verdict(path: str, data: bytes) -> FileVerdict:
    try:
        book = read_book(data)
    except BookRefused as refusal:
        return FileVerdict(path, refused=refusal.reasons, hint=refusal.hint)
    without_text = sum(not chapter.fetched for chapter in book.chapters)
    return FileVerdict(path, len(book.chapters), without_text, warnings=book.warnings, doubts=lint_book(book))
