"""What becomes of a novel's chapters: those of the file meet the rows, and guards hold back what is doubtful. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from novelsync.evidence.labels import labels
from novelsync.evidence.placeholders import title_is_placeholder
from novelsync.evidence.texts import Texts
from novelsync.models.source import Book, BookChapter
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.models.writing import (
    ChangedChapter,
    ChapterChanges,
    MovedChapter,
    PlacedChapter,
    RememberedText,
    ShrunkText,
)
from novelsync.planning.guards import FEWEST_CHAPTERS, Limits, guard_chapters
from novelsync.planning.recognition.matching import are_strangers, pair_chapters
from novelsync.planning.text_guards import guard_labels, guard_novel, guard_texts
from novelsync.text.formatting import counted, quoted


@dataclass(frozen=True, slots=True)
class ChapterPlan:
    """What becomes of a novel's chapters, and why some of it does not happen."""

    changes: ChapterChanges
    chapter_count: int
    """Readers see so many then."""
    held_because: Sequence[str]
    any_text: bool
    """Readers then see a text."""
    broken: bool
    """So much of the file is held that what it says of the novel itself is not taken either."""


class _Guarded(NamedTuple):
    """What the guards say of a file."""

    held: Sequence[KnownChapter]
    removed: Sequence[KnownChapter]
    texts: Mapping[int, str]
    """By row, why its text stays."""
    because: Sequence[str]
    broken: bool


def plan_chapters(
    base: KnownNovel | None, book: Book, texts: Texts, limits: Limits, *, accepted: bool, in_order: bool, stays: bool
) -> ChapterPlan:
    """What becomes of the chapters of the file and of the rows. For the last three see `plan_novel`."""
    if base is None:
        return _plan_new(book.chapters, texts)
    rows, chapters = base.chapters, book.chapters
    pairs = _pair_cautiously(rows, chapters, texts, limits.chapter_removals, held=base.held_in_a_row > 0)
    newcomers = [f for f, k in enumerate(pairs) if k is None or rows[k].fresh]
    if in_order:
        pairs = _paired_in_order(rows, pairs, newcomers)
    if not accepted and (reason := guard_novel(base, book, pairs, texts)):
        held = [row for row in rows if not row.removed]
        changes = ChapterChanges(held=held, newcomers=len(newcomers))
        return ChapterPlan(changes, len(held), [reason], any_text=True, broken=True)
    # What this very file has added makes no loss smaller, only because it is judged again.
    added = {row.id for row in rows if row.fresh} if base.same else set()
    if stays and not accepted:
        guarded = _keep(rows, book.chapters, pairs)
    else:
        guarded = _guard(rows, book, pairs, texts, limits.chapter_removals, added, accepted=accepted)

    created: list[PlacedChapter] = []
    changed: list[ChangedChapter] = []
    moved: list[MovedChapter] = []
    remembered: list[RememberedText] = []
    shrunk: list[ShrunkText] = []
    any_text = False
    # Of a file that is held as a whole, chapters without a text are as doubtful as what it says of the novel.
    doubtful = {f for f, k in enumerate(pairs) if guarded.held and k is None and not chapters[f].fetched}
    placed = [(f, k) for f, k in _order(rows, guarded.held, pairs) if f not in doubtful]
    for position, (f, k) in enumerate(placed, start=1):
        chapter, row = None if f is None else chapters[f], None if k is None else rows[k]
        text_stays = f is None or not chapters[f].fetched or k in guarded.texts
        any_text = any_text or bool(
            row and row.content_bytes if text_stays else f is not None and texts.says_something(f)
        )
        if chapter and not text_stays and (text := _remembered(position, chapter, row)):
            remembered.append(text)
        if chapter and row and k is not None:
            new_text = not text_stays and chapter.content_hash != row.content_hash
            if _changes_anything(row, chapter, guarded, k, new_text=new_text):
                changed.append(ChangedChapter(row, position, chapter, new_text))
                if new_text and not accepted and (peak := texts.shrinks(k, f or 0)):
                    shrunk.append(ShrunkText(row.id, peak))
                continue
        elif chapter:
            created.append(PlacedChapter(position, chapter))
        if row and row.position != position:
            moved.append(MovedChapter(row, position))
    changes = ChapterChanges(
        created,
        changed,
        moved,
        guarded.removed,
        guarded.held,
        [rows[k] for k in guarded.texts],
        remembered,
        shrunk,
        len(newcomers),
        [
            f"{rows[k].id} {chapters[f].content_hash.hex()}"
            for f, k in enumerate(pairs)
            if k is not None and k in guarded.texts
        ],
    )
    return ChapterPlan(changes, len(placed), guarded.because, any_text, guarded.broken)


def _plan_new(chapters: Sequence[BookChapter], texts: Texts) -> ChapterPlan:
    """Where nothing is stored, there is nothing to pair and nothing to lose."""
    created = [PlacedChapter(position, chapter) for position, chapter in enumerate(chapters, start=1)]
    own_files = (_remembered(each.position, each.chapter, None) for each in created if each.chapter.fetched)
    changes = ChapterChanges(created, texts=[text for text in own_files if text], newcomers=len(chapters))
    any_text = any(map(texts.says_something, range(len(chapters))))
    return ChapterPlan(changes, len(chapters), [], any_text, broken=False)


def _guard(
    rows: Sequence[KnownChapter],
    book: Book,
    pairs: Sequence[int | None],
    texts: Texts,
    limit: float,
    added: Collection[str],
    *,
    accepted: bool,
) -> _Guarded:
    paired = {k for k in pairs if k is not None}
    gone = [k for k, row in enumerate(rows) if k not in paired and not row.removed]
    removed = [rows[k] for k in gone]
    if accepted:
        return _Guarded([], removed, {}, [], broken=False)
    published = [row for row in rows if not row.removed and row.id not in added]
    losses = _Losses(published, {row.content_hash for k, row in enumerate(rows) if k in paired})
    lately = losses.of(row for row in rows if row.removed_lately)
    too_many = guard_chapters(len(losses.of_all), losses.of(removed), len(lately), limit)
    texts_stay = {**guard_labels(rows, book.chapters, pairs), **guard_texts(rows, book.chapters, pairs, texts)}
    no_title = bool(rows) and title_is_placeholder(book.title)
    because = [too_many] if too_many else []
    if texts_stay:
        first, reason = next(iter(texts_stay.items()))
        stay = "stays as it was" if len(texts_stay) == 1 else "stay as they were"
        stay = f"{counted(len(texts_stay), 'chapter')} {stay}"
        because.append(f"{stay}; the first, {quoted(rows[first].title)}: {reason}")
    if no_title:
        because.append(f"the novel stays as it is called, because the file's title is {quoted(book.title)}")
    broken = bool(too_many) or no_title or len(texts_stay) > limit * len(losses.of_all)
    return _Guarded(removed if too_many else [], [] if too_many else removed, texts_stay, because, broken)


def _keep(rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], pairs: Sequence[int | None]) -> _Guarded:
    """Holds whatever the file would take from readers. What else it has was written when that was held first."""
    paired = {k for k in pairs if k is not None}
    gone = [row for k, row in enumerate(rows) if k not in paired and not row.removed]
    texts_stay = dict(guard_labels(rows, chapters, pairs))
    for f, k in enumerate(pairs):
        if k is not None and chapters[f].fetched and chapters[f].content_hash != rows[k].content_hash:
            texts_stay[k] = "the file has another text"
    stay = [*gone, *(rows[k] for k in texts_stay)]
    words = "stays as it is" if len(stay) == 1 else "stay as they are"
    because = [f"{counted(len(stay), 'chapter')} {words}, the first: {quoted(stay[0].title)}"] if stay else []
    return _Guarded(gone, [], texts_stay, because, broken=True)


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


def _changes_anything(row: KnownChapter, chapter: BookChapter, guarded: _Guarded, k: int, *, new_text: bool) -> bool:
    if row.removed:
        return True
    if k in guarded.texts:
        return False
    relabelled = row.volume != chapter.volume or labels(row) != labels(chapter)
    # From a file of which so much is held no label is taken; nor a text that comes with other labels.
    return (new_text or relabelled) and not (guarded.broken and relabelled)


def _remembered(position: int, chapter: BookChapter, row: KnownChapter | None) -> RememberedText | None:
    """What changes in what is remembered of a text that is now the chapter's; None: nothing."""
    before = (row.file, row.file_version) if row else ("", "")
    now = (chapter.filename, chapter.file_version) if chapter.filename else ("", "")
    return None if now == before else RememberedText(position, *(now if chapter.filename else (None, None)))


def _pair_cautiously(
    rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], texts: Texts, limit: float, *, held: bool
) -> list[int | None]:
    """
    What `pair_chapters` returns, without the pairs of strangers (see `are_strangers`) that are no edit.

    They are no edit where more would be overwritten or gone than the guard allows, or where it holds rows of this novel
    already (``held``). A stranger without a text never is one: readers would see the row's text under its labels.
    """
    pairs = pair_chapters(rows, chapters, texts)
    strange = {k: f for f, k in enumerate(pairs) if k is not None and are_strangers(rows[k], chapters[f])}
    strange = {k: f for k, f in strange.items() if not rows[k].removed and rows[k].content_bytes}
    strange = {k: f for k, f in strange.items() if not texts.are_alike(k, f)}
    stay = {k for k in pairs if k not in strange}
    gone = [row for k, row in enumerate(rows) if k not in stay and not row.removed]
    published = sum(not row.removed for row in rows)
    many = len(gone) >= FEWEST_CHAPTERS and guard_chapters(published, gone, 0, limit)
    if not held and not many:
        strange = {k: f for k, f in strange.items() if not chapters[f].fetched}
    return [None if k in strange else k for k in pairs]


def _paired_in_order(
    rows: Sequence[KnownChapter], pairs: Sequence[int | None], newcomers: Sequence[int]
) -> list[int | None]:
    """With the older rows that the file lacks paired with its newcomers in order, if there are as many of both."""
    new = set(newcomers)
    paired = {k for f, k in enumerate(pairs) if f not in new}
    left = [k for k, row in enumerate(rows) if k not in paired and not row.removed and not row.fresh]
    if len(left) != len(new):
        return list(pairs)
    following = iter(left)
    return [next(following) if f in new else k for f, k in enumerate(pairs)]


def _order(
    rows: Sequence[KnownChapter], held: Sequence[KnownChapter], pairs: Sequence[int | None]
) -> Iterator[tuple[int | None, int | None]]:
    """The novel's new order, of chapters and rows: the file's, with each held row after the one that it came after."""
    found_of = {k: f for f, k in enumerate(pairs) if k is not None}
    behind: dict[int, list[int]] = {}
    anchor = -1
    for k, row in enumerate(rows if held else ()):
        if k not in found_of and not row.removed:
            behind.setdefault(anchor, []).append(k)
        elif not row.removed:
            anchor = found_of[k]
    for f, pair in enumerate([None, *pairs], start=-1):
        if f >= 0:
            yield f, pair
        for k in behind.get(f, ()):
            yield None, k
