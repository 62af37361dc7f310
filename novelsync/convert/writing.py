"""
Writes a novel so that a sync may read at any moment, and sees it whole or not at all.

A text's name has a part of its hash in it: a file that is there never changes, and one that has to be written never has
the name of another. A new novel appears by one rename of its folder, a changed one by one rename of its
``book_info.json``, to which all its texts are there already.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from novelsync.convert.source import SourceChapter, SourceNovel
from novelsync.errors import BookRefused, StorageUnavailable
from novelsync.models.source import BOOK_FILE
from novelsync.text.formatting import quoted

MARK: Final = "converted"
"""The key in ``book_info.json`` that says whose it is."""

TEXTS: Final = "chapters"
_STAGING: Final = ".converting-"


class Record(msgspec.Struct, frozen=True):
    """What is under `MARK`."""

    format: str
    source: str
    """The name of the folder or file that it comes from."""
    state: str
    """Of the source, and of this converter."""
    chapters: int = 0
    """How many there are, with and without a text."""
    without_text: int = 0
    texts: Mapping[str, str] = {}
    """Names of the chapters' files, by the chapters' keys."""


class Earlier(msgspec.Struct):
    """What an earlier conversion left."""

    title: str
    converted: Record

    def is_whole(self, folder: Path) -> bool:
        """Whether every text is still there."""
        try:
            return {*self.converted.texts.values()} <= {f"{TEXTS}/{name}" for name in os.listdir(folder / TEXTS)}  # noqa: PTH208
        except FileNotFoundError:
            return not self.converted.texts


@dataclass(slots=True)
class Counts:
    """What was found in a novel, and what was done about it."""

    chapters: int = 0
    without_text: int = 0
    written: int = 0
    """Texts."""
    gone: int = 0
    """Chapters that the source no longer has; the files of their texts stay."""
    kept: list[str] = field(default_factory=list)
    """Titles of chapters whose text the source no longer has, and whose earlier text stays."""
    problems: list[str] = field(default_factory=list)
    """Why chapters have no text, although the source has something for them."""


def earlier_in(folder: Path) -> Earlier | None:
    """What is there; None if nothing is. Raises `BookRefused` for a folder that was not made by converting."""
    if not os.path.lexists(folder):
        return None
    try:
        linked = any(path.is_symlink() for path in (folder, folder / TEXTS, folder / BOOK_FILE))
        data = b"" if linked else (folder / BOOK_FILE).read_bytes()
        return msgspec.json.decode(data, type=Earlier)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BookRefused(
            [f"{folder.name} is there already, and was not made by this command"],
            "name another DEST, or rename the source; what is there stays as it is",
        ) from None


class Draft:
    """One novel on its way into its folder. What was not committed leaves no trace."""

    def __init__(self, folder: Path, earlier: Earlier | None) -> None:
        self.counts = Counts()
        self._target = folder
        self._earlier = earlier
        staging = _STAGING + sha256(os.fsencode(folder.name)).hexdigest()[:12]  # a name may be as long as names can be
        self._folder = folder if earlier else folder.with_name(staging)
        self._known = earlier.converted.texts if earlier else {}
        self._texts: dict[str, str] = {}
        self._used: set[str] = set()
        self._entries: list[dict[str, object]] = []
        self._added: list[Path] = []

    def add(self, chapter: SourceChapter, suffix: str) -> None:
        """Writes its text, if that is not there yet."""
        self.counts.chapters += 1
        filename = self._write_text(chapter.text, suffix) if chapter.text else self._kept_text(chapter.key)
        if filename:
            self._texts[chapter.key] = filename
            self._used.add(filename)
            if not chapter.text:
                self.counts.kept.append(chapter.title or chapter.key)
        else:
            self.counts.without_text += 1
        if chapter.problem:
            self.counts.problems.append(chapter.problem)
        fields = {"title": chapter.title, "number": chapter.number, "url": chapter.url, "volume": chapter.volume}
        self._entries.append(_without_none(fields | {"filename": filename}))

    def _write_text(self, text: bytes, suffix: str) -> str:
        name = f"{self.counts.chapters:04}-{sha256(text).hexdigest()[:12]}{suffix}"
        path = self._folder / TEXTS / name
        # After a power failure a file may be there and empty.
        if not path.exists() or path.stat().st_size != len(text):
            path.parent.mkdir(exist_ok=True)
            self._added.append(path)
            replace(path, text)
            self.counts.written += 1
        return f"{TEXTS}/{name}"

    def _kept_text(self, key: str) -> str | None:
        name = self._known.get(key)
        return name if name and (self._folder / name).is_file() else None

    def commit(self, novel: SourceNovel, record: Record) -> None:
        """
        Makes it visible, and removes the texts of chapters that have another one now.

        Raises `BookRefused` if its folder has another novel: of another title, and without a text in common.
        """
        if self._earlier and self._earlier.title != novel.title and self._used.isdisjoint(self._known.values()):
            what = f"{quoted(self._target.name)} in DEST was converted from {quoted(self._earlier.title)}"
            hint = "if it is the same novel, delete its folder in DEST first; if not, rename the source"
            raise BookRefused([f"{what}, and this is {quoted(str(novel.title))}"], hint)
        fields = {
            "title": novel.title,
            "author": novel.author,
            "description": novel.description,
            "cover_url": novel.cover_url,
            "status": novel.status,
        }
        counts = self.counts
        mark = msgspec.structs.replace(
            record, chapters=counts.chapters, without_text=counts.without_text, texts=self._texts
        )
        counts.gone = len(self._known.keys() - self._texts.keys())
        book = _without_none(fields) | {"chapters": self._entries, MARK: msgspec.to_builtins(mark)}
        replace(self._folder / BOOK_FILE, json.dumps(book, ensure_ascii=False, indent=1).encode())
        if self._folder != self._target:
            self._folder.rename(self._target)
        self._added.clear()
        replaced = {name for key, name in self._known.items() if key in self._texts} - self._used
        for name in replaced:
            # The record is a file that others may have changed.
            if os.path.dirname(name) == TEXTS:  # noqa: PTH120
                (self._target / name).unlink(missing_ok=True)

    @contextmanager
    def open(self) -> Iterator["Draft"]:
        """Raises `StorageUnavailable` if DEST cannot be written."""
        try:
            if self._folder != self._target:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
            yield self
        except OSError as error:
            said = error.strerror or str(error)
            reason = f"{quoted(self._target.name)} could not be written: {said}"
            raise StorageUnavailable(reason, "is there room in DEST, and may you write there?") from error
        finally:
            self._discard()

    def _discard(self) -> None:
        with suppress(OSError):
            for path in self._added:
                path.unlink(missing_ok=True)
            if self._folder != self._target:
                shutil.rmtree(self._folder, ignore_errors=True)


def replace(path: Path, data: bytes) -> None:
    """Under another name first, which a sync does not look at."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    fresh.replace(path)


def _without_none(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
