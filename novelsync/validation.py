"""Checking files without a database, for people who write crawlers. Reads only."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from novelsync.contracts import Storage
from novelsync.errors import BookRefused, ConfigurationError
from novelsync.models import StoredNovel
from novelsync.reader import check_size, read_book
from novelsync.storage.local import FILE, LocalStorage


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a sync would say of one file."""

    path: str
    chapters: int = 0
    refused: Sequence[str] = ()
    """Every reason why not; empty if the file is accepted."""
    hint: str = ""
    warnings: Sequence[str] = ()


def validate(path: Path, max_file_bytes: int) -> Iterator[Verdict]:
    """
    Looks at one file, at one novel's folder, or at a folder of novels.

    Raises `ConfigurationError` if there is nothing there, `StorageUnavailable` if it cannot be listed.
    """
    if path.is_file():
        yield _verdict(str(path), path.read_bytes(), max_file_bytes)
    elif (path / FILE).exists():
        storage = LocalStorage(str(path.absolute().parent))
        novel = storage.find(path.absolute().name)
        yield from _look_at(storage, [novel] if novel else [], max_file_bytes)
    elif path.is_dir():
        storage = LocalStorage(str(path))
        yield from _look_at(storage, storage.listing(), max_file_bytes)
    else:
        raise ConfigurationError(f"there is no {path}", f"name a {FILE}, a novel's folder or a folder of novels")


def _look_at(storage: Storage, novels: Iterable[StoredNovel], max_file_bytes: int) -> Iterator[Verdict]:
    for novel in novels:
        path = f"{storage.location}/{novel.slug}/{FILE}"
        try:
            data = storage.read(novel)
        except BookRefused as refusal:
            yield Verdict(path, refused=refusal.reasons, hint=refusal.hint)
            continue
        if data is not None:
            yield _verdict(path, data, max_file_bytes)


def _verdict(path: str, data: bytes, max_file_bytes: int) -> Verdict:
    try:
        check_size(len(data), max_file_bytes)
        book = read_book(data)
    except BookRefused as refusal:
        return Verdict(path, refused=refusal.reasons, hint=refusal.hint)
    return Verdict(path, len(book.chapters), warnings=book.warnings)
