"""What a file calls a novel and its chapters, where that speaks against it: why, or nothing. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from novelsync.evidence.texts import Texts
from novelsync.models.source import Book, BookChapter
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.planning.recognition.renames import is_another
from novelsync.text.formatting import quoted

_FEWEST_OF_A_NOVEL: Final = 3
"""Texts that a novel must have, to be told from another."""


def guard_labels(
    rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], pairs: Sequence[int | None]
) -> Mapping[int, str]:
    """By row, why its labels must stay: the file has no text for it, and calls it nothing, or as many others."""
    before = Counter(row.title for row in rows if not row.removed)
    now = Counter(chapter.title for chapter in chapters)
    return {
        k: "the file has neither text nor number for it, nor a title of its own"
        for f, k in enumerate(pairs)
        if k is not None
        and not chapters[f].fetched
        and chapters[f].number is None
        and (rows[k].number is not None or (rows[k].title and before[rows[k].title] < 2))
        and (not chapters[f].title or now[chapters[f].title] > max(1, before[chapters[f].title]))
    }


def guard_novel(base: KnownNovel, book: Book, pairs: Sequence[int | None], texts: Texts) -> str:
    """Why the file looks like another novel's: nothing but numbers speaks for this one. Empty: it does not."""
    stored = sum(bool(row.content_bytes) and not row.removed for row in base.chapters)
    found = sum(chapter.fetched for chapter in book.chapters)
    if base.fields is None or min(stored, found) < _FEWEST_OF_A_NOVEL or not is_another(book, base):
        return ""
    if any(k is not None and texts.are_alike(k, f) for f, k in enumerate(pairs)):
        return ""
    by = f" by {quoted(book.author)}" if isinstance(book.author, str) and book.author != base.fields.author else ""
    return (
        f"the file is another novel's, {quoted(book.title)}{by}: it has no text, url or chapter's name"
        f" of {quoted(base.fields.title)}; nothing of it is taken"
    )
