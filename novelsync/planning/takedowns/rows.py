"""Which rows of a novel are what a takedown keeps back of its file. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from novelsync.evidence.seen import TELLING_LETTERS
from novelsync.evidence.texts import Texts
from novelsync.models.desk.takedowns import Withheld
from novelsync.models.source import Book, BookChapter, url_hash
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.planning.recognition.matching import pair_chapters


class SetAside(NamedTuple):
    """What is left of a novel and of its file, and what is not."""

    base: KnownNovel | None
    book: Book
    rows: Sequence[KnownChapter]
    """Set aside, published ones and others. None of them may come back under any chapter."""


def set_aside(base: KnownNovel | None, book: Book, texts: Texts, withheld: Withheld) -> SetAside:
    """
    Without the chapters that are kept back, and without the rows that are these or that a takedown has hidden.

    ``texts``: of all rows and of all chapters. A row that a chapter which is kept back was only paired with, by its
    place or its number, is another chapter, whose text no takedown is of.
    """
    rows, chapters = base.chapters if base else (), book.chapters
    if not withheld and not any(row.taken_down for row in rows):
        return SetAside(base, book, [])
    aside = {k for k, row in enumerate(rows) if row.taken_down}
    if withheld:
        pairs = pair_chapters(rows, chapters, texts)
        aside |= {
            k for f in withheld.chapters if (k := pairs[f]) is not None and _is_it(rows[k], k, chapters[f], f, texts)
        }
        hashes = {chapters[f].content_hash for f in withheld.chapters if chapters[f].content_bytes >= TELLING_LETTERS}
        aside |= {k for k, row in enumerate(rows) if row.content_hash in hashes}
    left = [row for k, row in enumerate(rows) if k not in aside]
    shown = [chapter for f, chapter in enumerate(chapters) if f not in withheld.chapters]
    return SetAside(
        base and replace(base, chapters=left), replace(book, chapters=shown), [rows[k] for k in sorted(aside)]
    )


def _is_it(row: KnownChapter, k: int, chapter: BookChapter, f: int, texts: Texts) -> bool:
    same_page = bool(chapter.url) and row.url_hash == url_hash(chapter.url)
    return same_page or row.content_hash == chapter.content_hash or texts.are_alike(k, f)
