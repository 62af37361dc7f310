"""What becomes of a novel's chapters: those of the file meet the rows, and guards hold back what is doubtful. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from novelsync.evidence.labels import labels
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
from novelsync.planning.guards.chapters import Guarded, guard_file, keep_all
from novelsync.planning.guards.labels import guard_novel
from novelsync.planning.guards.limits import FEWEST_CHAPTERS, Limits, guard_chapters
from novelsync.planning.recognition.matching import are_strangers, pair_chapters


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


def plan_chapters(
    base: KnownNovel | None, book: Book, texts: Texts, limits: Limits, *, accepted: bool, in_order: bool, stays: bool
) -> ChapterPlan:
    """What becomes of the chapters of the file and of the rows. For the last three see `plan_novel`."""
    if base is None:
        return _plan_new(book.chapters, texts)
    rows, chapters = base.chapters, book.chapters
    held_before = base.held_in_a_row > (1 if base.same else 0)
    pairs = _pair_cautiously(rows, chapters, texts, limits.chapter_removals, held=held_before)
    newcomers = [f for f, k in enumerate(pairs) if k is None or rows[k].fresh]
    if in_order:
        pairs = _paired_in_order(rows, pairs, newcomers)
    if not accepted and (reason := guard_novel(base, book, pairs, texts)):
        held = [row for row in rows if not row.removed]
        changes = ChapterChanges(held=held, newcomers=len(newcomers))
        return ChapterPlan(changes, len(held), [reason], any_text=True, broken=True)
    added = {row.id for row in rows if row.fresh} if base.same else set()
    if stays and not accepted:
        guarded = keep_all(rows, chapters, pairs)
    else:
        guarded = guard_file(base, book, pairs, texts, limits.chapter_removals, added, accepted=accepted)

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


def _changes_anything(row: KnownChapter, chapter: BookChapter, guarded: Guarded, k: int, *, new_text: bool) -> bool:
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

    They are no edit where more would be overwritten or gone than the guard allows, or where it held rows of this novel
    before this file (``held``). A stranger without a text never is one: readers would see the row's text under its
    labels. Nor is one whose number is beyond all stored ones, in a file of such alone: a crawler may write nothing but
    new chapters.
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
        last = max((row.number for row in rows if row.number is not None and not row.removed), default=None)
        all_new = len(strange) == len(pairs) - pairs.count(None) and all(_comes_after(each, last) for each in chapters)
        strange = {k: f for k, f in strange.items() if all_new or not chapters[f].fetched}
    return [None if k in strange else k for k in pairs]


def _comes_after(chapter: BookChapter, last: Decimal | None) -> bool:
    return last is not None and chapter.number is not None and chapter.number > last


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
