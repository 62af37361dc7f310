"""Finds the novels that files are, where those have moved from one folder to another."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import Novels
from novelsync.errors import StorageUnavailable
from novelsync.models.run import RunContext
from novelsync.models.source import Book, SourceFile
from novelsync.models.stored import KnownNovel
from novelsync.novel_reader import NovelReader, ReadFile
from novelsync.planning.recognition.renames import fingerprint, is_another, is_novel, is_same_file, shares_text

LARGE_FILE: Final = 4_000_000
"""Bytes; of such files, one at a time is looked into to see whose it is."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Which of some files are novels that were stored under other slugs."""

    former: Mapping[str, KnownNovel] = field(default_factory=dict)
    """By slug: what is stored under the name that the folder had before."""
    left: AbstractSet[str] = frozenset()
    """Slugs whose stored novel is another than the file's, and went elsewhere or waits to be found there."""
    unsettled: AbstractSet[str] = frozenset()
    """Slugs after which the storage has to be looked at again: their moves concern other files, read or not."""
    undecided: Mapping[str, StorageUnavailable] = field(default_factory=dict)
    """Slugs that may be novels whose old place could not be looked at."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files, with what is stored under their slugs."""

    files: Mapping[str, ReadFile]
    known: Mapping[str, KnownNovel | None]

    def book(self, slug: str) -> Book | None:
        book = self.files[slug].book if slug in self.files else None
        return book if isinstance(book, Book) else None


class _OldPlace(Enum):
    """Where a novel was that goes on elsewhere."""

    EMPTY = 0
    TAKEN = 1
    """By another novel's file."""


class Renames:
    """May be used from several threads at once."""

    def __init__(self, storage: Storage, database: Novels, reader: NovelReader) -> None:
        self._storage = storage
        self._database = database
        self._reader = reader
        self._large = threading.Lock()

    def find(self, files: Sequence[tuple[ReadFile, KnownNovel | None]], context: RunContext) -> Moves:
        """
        ``files``: each with what is stored under its slug. Raises `DatabaseUnavailable`.

        Only what has left its old place goes on in a new one. A listing may have missed it, so it is looked for there.
        """
        batch = _Batch({file.novel.slug: file for file, _ in files}, {file.novel.slug: known for file, known in files})
        pairs = [(slug, name) for slug, name in context.renames.items() if batch.book(slug)]
        pairs += [(slug, name) for slug, name in self._suggested(batch, context) if slug not in context.renames]
        return self._decide(batch, pairs) if pairs else Moves()

    def _decide(self, batch: _Batch, pairs: Sequence[tuple[str, str]]) -> Moves:
        """``pairs``: slug and former slug, the likeliest first."""
        checksums = {name: batch.files[slug].checksum for slug, name in reversed(pairs)}
        stored = self._database.known_novels(checksums, whole=checksums.keys())
        former: dict[str, KnownNovel] = {}
        undecided: dict[str, StorageUnavailable] = {}
        unsettled: set[str] = set()
        for slug, name in pairs:
            novel = stored.get(name)
            if novel is None or novel.fields is None or slug in former or slug in undecided or novel in former.values():
                continue
            same_bytes = novel.same and batch.files[slug].checksum == checksums[name]
            try:
                old_place = self._goes_on(batch, slug, novel, same_bytes=same_bytes)
            except StorageUnavailable as error:
                undecided[slug] = error
                continue
            if old_place is not None:
                former[slug] = novel
                # What is there now may have been read before, and been held for this novel.
                unsettled |= {slug} if old_place is _OldPlace.TAKEN and name not in batch.files else set()
        displaced = {slug for slug in former if _is_published_other(batch.known[slug], batch.book(slug))}
        left = displaced | {novel.slug for novel in former.values() if batch.book(novel.slug)}
        return Moves(former, left, unsettled | displaced, undecided)

    def _suggested(self, batch: _Batch, context: RunContext) -> Iterator[tuple[str, str]]:
        if context.nothing_stored:
            return
        asked = {
            slug: fingerprint(file.checksum or "", book)
            for slug, file in batch.files.items()
            if (book := batch.book(slug)) and slug not in context.renames and _may_have_moved(batch.known[slug], book)
        }
        taken = set(context.renames.values())
        run_id = context.run_id if context.by_message else None
        for slug, name in self._database.find_renames(asked, taken_by=run_id) if asked else ():
            if name not in taken:
                yield slug, name

    def _goes_on(self, batch: _Batch, slug: str, novel: KnownNovel, *, same_bytes: bool) -> "_OldPlace | None":
        """None: that stored novel does not go on under this slug. Raises `StorageUnavailable`."""
        book, own = batch.book(slug), batch.known[slug]
        if book is None:
            return None
        # Of a novel that is held, the bytes that were last seen may be none of its own.
        its_own = not novel.held_id or shares_text(book, novel)
        if not is_novel(book, novel, same_bytes=same_bytes and its_own):
            return None
        may_go = own is None or not _is_published_other(own, book) or is_another(book, own)
        file = self._storage.find(novel.slug)
        if file is None or is_same_file(file, batch.files[slug].novel):
            return _OldPlace.EMPTY if may_go else None
        if file.state == novel.state and not novel.held_id:
            return None
        with self._large if file.size > LARGE_FILE else nullcontext():
            there = batch.book(novel.slug) or self._read(file)
            if there is None or shares_text(there, novel):
                return None
            if own is not None and is_novel(there, own, same_bytes=False):
                return _OldPlace.TAKEN  # the two have changed places
            return _OldPlace.TAKEN if may_go and is_another(there, novel) else None

    def _read(self, file: SourceFile) -> Book | None:
        read = self._reader.read_whole(file)
        return read.book if read and isinstance(read.book, Book) else None


def _may_have_moved(known: KnownNovel | None, book: Book) -> bool:
    """Whether the file may be a novel that is stored under another slug: nothing says that it is this slug's own."""
    return known is None or known.fields is None or not (known.same or shares_text(book, known))


def _is_published_other(known: KnownNovel | None, book: Book | None) -> bool:
    published = known is not None and known.fields is not None and not known.removed
    return published and book is not None and _may_have_moved(known, book)
