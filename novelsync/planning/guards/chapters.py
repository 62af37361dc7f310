"""Which rows of a novel stay as they are although its file would take or change them, and why. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from novelsync.evidence.labels import labels
from novelsync.evidence.placeholders import title_is_placeholder
from novelsync.evidence.texts import Texts
from novelsync.models.source import Book, BookChapter
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.planning.guards.labels import guard_labels
from novelsync.planning.guards.limits import guard_chapters
from novelsync.planning.guards.texts import guard_texts
from novelsync.text.formatting import counted, quoted


class Guarded(NamedTuple):
    """What the guards say of a file."""

    held: Sequence[KnownChapter]
    removed: Sequence[KnownChapter]
    texts: Mapping[int, str]
    """By row, why its text stays."""
    because: Sequence[str]
    broken: bool


def guard_file(
    base: KnownNovel,
    book: Book,
    pairs: Sequence[int | None],
    texts: Texts,
    limit: float,
    added: Collection[str],
    *,
    accepted: bool,
) -> Guarded:
    """
    What may not happen unless it is ``accepted``. ``pairs``: see `pair_chapters`. ``limit``: see `Limits`.

    ``added``: ids of the rows that this very file has brought in. They make no loss smaller.
    """
    rows = base.chapters
    paired = {k for k in pairs if k is not None}
    gone = [k for k, row in enumerate(rows) if k not in paired and not row.removed]
    removed = [rows[k] for k in gone]
    if accepted:
        return Guarded([], removed, {}, [], broken=False)
    published = [row for row in rows if not row.removed and row.id not in added]
    losses = _Losses(published, {row.content_hash for k, row in enumerate(rows) if k in paired})
    lately = losses.of(row for row in rows if row.removed_lately)
    too_many = guard_chapters(len(losses.of_all), losses.of(removed), len(lately), limit)
    texts_stay = {**guard_labels(rows, book.chapters, pairs), **guard_texts(rows, book.chapters, pairs, texts)}
    # A novel may really be called so.
    stored = base.fields.title if base.fields else ""
    no_title = bool(rows) and title_is_placeholder(book.title) and not title_is_placeholder(stored)
    because = [too_many] if too_many else []
    if texts_stay:
        first, reason = next(iter(texts_stay.items()))
        stay = "stays as it was" if len(texts_stay) == 1 else "stay as they were"
        stay = f"{counted(len(texts_stay), 'chapter')} {stay}"
        because.append(f"{stay}; the first, {quoted(rows[first].title)}: {reason}")
    if no_title:
        because.append(f"the novel stays as it is called, because the file's title is {quoted(book.title)}")
    broken = bool(too_many) or no_title or len(texts_stay) > limit * len(losses.of_all)
    return Guarded(removed if too_many else [], [] if too_many else removed, texts_stay, because, broken)


def keep_all(rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], pairs: Sequence[int | None]) -> Guarded:
    """Holds all that the file would take from readers: what else it has was taken when this was held first."""
    paired = {k for k in pairs if k is not None}
    gone = [row for k, row in enumerate(rows) if k not in paired and not row.removed]
    texts_stay = {}
    for f, k in enumerate(pairs):
        if k is None:
            continue
        if chapters[f].fetched and chapters[f].content_hash != rows[k].content_hash:
            texts_stay[k] = "the file has another text"
        elif not chapters[f].fetched and labels(chapters[f]) != labels(rows[k]):
            texts_stay[k] = "the file has no text for it, and calls it otherwise"
    stay = [*gone, *(rows[k] for k in texts_stay)]
    words = "stays as it was before this file" if len(stay) == 1 else "stay as they were before this file"
    because = [f"{counted(len(stay), 'chapter')} {words}, the first: {quoted(stay[0].title)}"] if stay else []
    return Guarded(gone, [], texts_stay, because, broken=True)


class _Losses:
    """
    What it means to lose chapters: of those with the same text one counts, and none if the text is still there.

    So pages of a site, or a list that was doubled, may go. Nor do chapters count that never had a text, if others have:
    links were taken for chapters.
    """

    def __init__(self, published: Sequence[KnownChapter], kept: Collection[bytes]) -> None:
        """``kept``: hashes of the texts that stay."""
        self._kept = kept
        self._texts = any(row.content_bytes for row in published)
        self.of_all = self._distinct(published)

    def of(self, rows: Iterable[KnownChapter]) -> Sequence[KnownChapter]:
        return [row for row in self._distinct(rows) if not (self._texts and row.content_hash in self._kept)]

    def _distinct(self, rows: Iterable[KnownChapter]) -> Sequence[KnownChapter]:
        if not self._texts:
            return list(rows)
        firsts: dict[bytes, KnownChapter] = {}
        for row in rows:
            if row.content_bytes:
                firsts.setdefault(row.content_hash, row)
        return list(firsts.values())
