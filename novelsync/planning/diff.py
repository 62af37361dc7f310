"""What a planned write will do: its result for the report, and the diff that a dry run shows. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from itertools import pairwise

from novelsync.models.problems import ProblemKind
from novelsync.models.report import ChapterDiff, NovelDiff
from novelsync.models.results import ChapterCounts, NovelResult, NovelStatus
from novelsync.models.source import Book, BookChapter, url_hash
from novelsync.models.stored import KnownChapter
from novelsync.models.writing import ChangedChapter, ChapterChanges, NovelWrite
from novelsync.text.formatting import quoted, shortened

ADDED, CHANGED, MOVED, REMOVED, HELD = "+", "~", ">", "-", "!"
"""The marks of a diff's lines, of novels and of chapters. A novel that moved was renamed."""

TAKEN_DOWN = "taken down"
"""Of what is removed because somebody took it down."""

SHOWN_TITLE = 200
"""Characters of a chapter's title; a file may have one of megabytes."""


def result_of(write: NovelWrite, book: Book) -> NovelResult:
    """What the report says of the write once it is carried out."""
    chapters = write.chapters
    counts = ChapterCounts(
        processed=len(book.chapters),
        created=len(chapters.created),
        updated=sum(not change.row.removed for change in chapters.changed),
        moved=len(chapters.moved),
        removed=len(chapters.removed),
        restored=sum(change.row.removed for change in chapters.changed),
        held=len(chapters.held) + len(chapters.held_texts),
        without_text=write.without_text,
    )
    return NovelResult(write.slug, _status(write), counts, former=write.rename.slug if write.rename else "")


def _status(write: NovelWrite) -> NovelStatus:
    if not write.visible:
        return NovelStatus.UPDATED if write.hides else NovelStatus.UNCHANGED
    if write.rename:
        return NovelStatus.RENAMED
    if write.restored:
        return NovelStatus.RESTORED
    return NovelStatus.CREATED if write.is_new else NovelStatus.UPDATED


def diff_of(write: NovelWrite) -> NovelDiff | None:
    """What a write does, for people; None if it does nothing that anybody would see."""
    if write.withheld.whole:
        return NovelDiff(REMOVED, write.slug, TAKEN_DOWN) if write.hides else None
    said = "; ".join(_statements(write))
    if write.is_new:
        return NovelDiff(ADDED, write.slug, said, write.chapter_count)
    chapters = _chapter_diffs(write.chapters, write.withheld_rows)
    if write.rename:
        mark = MOVED
    elif write.restored:
        mark = ADDED
    elif write.visible:
        mark = CHANGED
    elif chapters or any(problem.kind == ProblemKind.REFUSED for problem in write.problems or ()):
        mark = HELD
    else:
        return None
    return NovelDiff(mark, write.slug, said, write.chapter_count, chapters)


def _statements(write: NovelWrite) -> Iterator[str]:
    if write.rename:
        yield f"was {write.rename.slug}"
    if write.restored:
        yield "is back"
    if write.afresh:
        yield "another novel than the one stored under this name"
    for field in fields(write.fields) if write.fields and write.stored else ():
        old, new = getattr(write.stored, field.name), getattr(write.fields, field.name)
        if old != new:
            yield f"{field.name}: {_value(old)} → {_value(new)}"
    yield from (problem.message for problem in write.problems or () if problem.kind != ProblemKind.WARNING)


def _chapter_diffs(changes: ChapterChanges, taken_down: Sequence[str]) -> list[ChapterDiff]:
    """In the order of the new positions; what is held or removed comes last."""
    placed = [
        *((c.position, _line(ADDED, c.position, c.chapter)) for c in changes.created),
        *((c.position, _changed(c)) for c in changes.changed),
        *((m.position, _line(MOVED, m.position, m.row, f"was {m.row.position}")) for m in changes.moved),
    ]
    return [
        *(line for _, line in sorted(placed, key=lambda pair: pair[0])),
        *(_line(HELD, None, row, "no longer in the file, and stays") for row in changes.held),
        *(_line(HELD, None, row, "its text stays") for row in changes.held_texts),
        *(_line(REMOVED, None, row, TAKEN_DOWN * (row.id in taken_down)) for row in changes.removed),
    ]


FEWEST_TURNED = 5
"""Chapters. Fewer are easily put into another order on purpose."""


def turned_round(rows: Sequence[KnownChapter], changes: ChapterChanges) -> str:
    """A warning if most chapters that stay now stand before those that they stood after; empty if not."""
    gone = {row.id for row in (*changes.removed, *changes.held)}
    after = {row.id: row.position for row in rows if not row.removed and row.id not in gone}
    moves = [(c.row.id, c.position) for c in changes.changed] + [(m.row.id, m.position) for m in changes.moved]
    after.update((id_, position) for id_, position in moves if id_ in after)
    stay = [after[row.id] for row in sorted(rows, key=lambda row: row.position) if row.id in after]
    turned = sum(right < left for left, right in pairwise(stay))
    if len(stay) < FEWEST_TURNED or 2 * turned <= len(stay):
        return ""
    return (
        f"the order of its chapters is turned round: {turned + 1:,} of {len(stay):,} stand the other way;"
        " does the crawler list the newest first?"
    )


NAMED_ROWS = 3
"""Of those that differ."""


def difference_said(write: NovelWrite) -> str:
    """Which rows are not what the file has, and in which columns. ``write``: the one that would make them equal."""
    rows = list(_differing(write))
    more = f"; and {len(rows) - NAMED_ROWS:,} more" if len(rows) > NAMED_ROWS else ""
    return f"rows are not what the file has: {'; '.join(rows[:NAMED_ROWS])}{more}"


def _differing(write: NovelWrite) -> Iterator[str]:
    changes = write.chapters
    for change in changes.changed:
        columns = ", ".join(column for column, _ in _alterations(change))
        yield f"{_named(change.chapter, change.row)}: {columns}"
    yield from (f"{_named(move.row, move.row)}: position" for move in changes.moved)
    yield from (f"{_named(row, row)}: not in the file" for row in changes.removed)
    yield from (f"{_named(new.chapter)}: no row" for new in changes.created)
    if write.fields and write.stored:
        columns = ", ".join(
            each.name
            for each in fields(write.fields)
            if getattr(write.stored, each.name) != getattr(write.fields, each.name)
        )
        yield f"the novel: {columns}"
    if write.rename or write.restored:
        yield "the novel: slug or removed_at"
    elif write.visible and not write.fields and not changes.visible:
        yield "the novel: chapter_count or slug"


def _named(chapter: BookChapter | KnownChapter, row: KnownChapter | None = None) -> str:
    """As the file has it, and with the row's id."""
    number = [] if chapter.number is None else [f"number {chapter.number}"]
    known_by = ", ".join([*number, *([f"id {row.id}"] if row else [])])
    return quoted(chapter.title) + (f" ({known_by})" if known_by else "")


def _line(mark: str, position: int | None, chapter: BookChapter | KnownChapter, said: str = "") -> ChapterDiff:
    return ChapterDiff(mark, position, shortened(chapter.title, SHOWN_TITLE), _number(chapter.number), said)


def _changed(change: ChangedChapter) -> ChapterDiff:
    said = ", ".join(said for _, said in _alterations(change))
    return _line(ADDED if change.row.removed else CHANGED, change.position, change.chapter, said)


def _alterations(change: ChangedChapter) -> Iterator[tuple[str, str]]:
    """The columns that change, each with how."""
    row, chapter = change.row, change.chapter
    if row.removed:
        yield "removed_at", "is back"
    elif row.position != change.position:
        yield "position", f"was {row.position}"
    if row.volume != chapter.volume:
        yield "volume", f"volume: {_value(row.volume)} → {_value(chapter.volume)}"
    if row.title != chapter.title:
        yield "title", f"title: {_value(row.title)} → {_value(chapter.title)}"
    if row.number != chapter.number:
        yield "number", f"number: {_number_said(row.number)} → {_number_said(chapter.number)}"
    if row.url_hash != url_hash(chapter.url):
        yield "url", "url"
    if change.new_text:
        yield "content", f"text: {row.content_bytes:,} → {chapter.content_bytes:,} bytes"


def _number(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _number_said(number: Decimal | None) -> str:
    return "none given" if number is None else str(number)


def _value(text: str | None) -> str:
    return "nothing" if text is None else quoted(text)
