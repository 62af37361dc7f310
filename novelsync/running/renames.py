"""Finds the novels that files are, where those have moved from one folder to another."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from novelsync.contracts import Novels, Storage
from novelsync.models.run import RunContext
from novelsync.models.source import Book
from novelsync.models.stored import KnownNovel
from novelsync.novel_reader import NovelReader, ReadFile
from novelsync.planning.renames import fingerprint, is_another, is_novel, is_same_file, shares_text

LARGE_FILE = 4_000_000
"""Bytes; of such files, one at a time is looked into to see whose it is."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Which of some files are novels that were stored under other slugs."""

    former: Mapping[str, KnownNovel] = field(default_factory=dict)
    """By slug: what is stored under the name that the folder had before."""
    left: frozenset[str] = frozenset()
    """Slugs whose stored novel is another than the file's, and went elsewhere or waits to be found there."""
    unsettled: frozenset[str] = frozenset()
    """Slugs after which the storage has to be looked at again: their moves concern other files, read or not."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files, with what is stored under their slugs."""

    files: Mapping[str, ReadFile]
    known: Mapping[str, KnownNovel | None]

    def book(self, slug: str) -> Book | None:
        book = self.files[slug].book if slug in self.files else None
        return book if isinstance(book, Book) else None


class Renames:
    """May be used from several threads at once."""

    def __init__(self, storage: Storage, database: Novels, reader: NovelReader) -> None:
        self._storage = storage
        self._database = database
        self._reader = reader
        self._large = threading.Lock()

    def find(self, files: Sequence[tuple[ReadFile, KnownNovel | None]], context: RunContext) -> Moves:
        """
        ``files``: each with what is stored under its slug. Raises `DatabaseUnavailable`, `StorageUnavailable`.

        Only what has left its old place goes on in a new one. A listing may have missed it, so it is looked for there.
        """
        batch = _Batch({file.novel.slug: file for file, _ in files}, {file.novel.slug: known for file, known in files})
        pairs = [(slug, name) for slug, name in context.renames.items() if batch.book(slug)]
        pairs += [(slug, name) for slug, name in self._suggested(batch, context) if slug not in context.renames]
        if not pairs:
            return Moves()
        checksums = {name: batch.files[slug].checksum for slug, name in reversed(pairs)}
        stored = self._database.known_novels(checksums, whole=checksums.keys())
        former: dict[str, KnownNovel] = {}
        for slug, name in pairs:
            novel = stored.get(name)
            if novel is None or novel.fields is None or slug in former:
                continue
            if any(novel.slug == other.slug for other in former.values()):
                continue
            if self._goes_on(
                batch, slug, novel, same_bytes=novel.same and batch.files[slug].checksum == checksums[name]
            ):
                former[slug] = novel
        return self._moves(batch, former)

    def _suggested(self, batch: _Batch, context: RunContext) -> Iterator[tuple[str, str]]:
        if context.nothing_stored:
            return
        asked = {
            slug: fingerprint(file.checksum or "", book)
            for slug, file in batch.files.items()
            if (book := batch.book(slug)) and slug not in context.renames and _may_have_moved(batch.known[slug], book)
        }
        taken = context.taken | set(context.renames.values())
        for slug, name in self._database.find_renames(asked) if asked else ():
            if name not in taken:
                yield slug, name

    def _goes_on(self, batch: _Batch, slug: str, novel: KnownNovel, *, same_bytes: bool) -> bool:
        """Whether that stored novel goes on under this slug."""
        book, own = batch.book(slug), batch.known[slug]
        if book is None:
            return False
        # Of a novel that is held, the bytes that were last seen may be none of its own.
        its_own = not novel.held or shares_text(book, novel)
        if not is_novel(book, novel, same_bytes=same_bytes and its_own):
            return False
        file = self._storage.find(novel.slug)
        if file is None or is_same_file(file, batch.files[slug].novel):
            return own is None or not _is_published_other(own, book) or is_another(book, own)
        if file.state == novel.version and not novel.held:
            return False
        # Something else is where it was, or it is a copy.
        there = batch.book(novel.slug)
        if there is None:
            with self._large if file.size > LARGE_FILE else nullcontext():
                read = self._reader.read_whole(file)
                there = read.book if read and isinstance(read.book, Book) else None
                return there is not None and _changed_places(book, own, there, novel)
        return _changed_places(book, own, there, novel)

    def _moves(self, batch: _Batch, former: Mapping[str, KnownNovel]) -> Moves:
        taken = {novel.slug for novel in former.values()}
        displaced = {
            slug
            for slug in former
            if (own := batch.known[slug]) and (book := batch.book(slug)) and _is_published_other(own, book)
        }
        left = frozenset(displaced | {name for name in taken if batch.book(name)})
        unsettled = frozenset(
            slug
            for slug, novel in former.items()
            if slug in displaced or (novel.slug not in batch.files and self._storage.find(novel.slug))
        )
        return Moves(former, left, unsettled)


def _may_have_moved(known: KnownNovel | None, book: Book) -> bool:
    """Whether the file may be a novel that is stored under another slug: nothing says that it is this slug's own."""
    return known is None or known.fields is None or not (known.same or shares_text(book, known))


def _is_published_other(known: KnownNovel, book: Book) -> bool:
    return known.fields is not None and not known.removed and _may_have_moved(known, book)


def _changed_places(book: Book, own: KnownNovel | None, there: Book, novel: KnownNovel) -> bool:
    """
    Whether the file in a novel's old place has made room for it.

    ``book``: the file that is this novel by its texts, and ``own`` what is stored under that file's slug. ``there``:
    the file in the novel's old place. It is another novel's; or the two files have changed places.
    """
    if shares_text(there, novel):
        return False
    if own is not None and is_novel(there, own, same_bytes=False):
        return True
    return is_another(there, novel) and (own is None or not _is_published_other(own, book) or is_another(book, own))
