"""
What must change in one novel. Pure: matched chapters become the smallest write that makes the tables equal to the file,
but for what the guards hold back.
"""

import uuid
from collections.abc import Iterator, Sequence

from novelsync.guards import USUAL_LIMITS, Limits, accept_hint, hold_chapters, hold_text
from novelsync.matching import are_strangers, pair_chapters
from novelsync.models import (
    Book,
    BookChapter,
    ChangedChapter,
    Former,
    KnownChapter,
    KnownNovel,
    MovedChapter,
    NovelWrite,
    PlacedChapter,
    Problem,
    ProblemKind,
    StoredNovel,
    url_hash,
)


def plan_novel(
    novel: StoredNovel,
    checksum: str,
    book: Book,
    known: KnownNovel | None,
    *,
    former: KnownNovel | None = None,
    limits: Limits = USUAL_LIMITS,
    accepted: bool = False,
) -> NovelWrite:
    """
    The smallest write that makes the tables equal to ``book``, planned on ``known`` (None: nothing is known of it).

    ``former``: what is stored under the name the novel's folder had before. ``accepted``: a person was shown what the
    guards hold back, and said that it is meant.
    A chapter that stays though the file no longer has it stands behind the one it stood behind.
    """
    afresh = former is None and known is not None and known.removed and not is_same_novel(known, book)
    base = former or (None if afresh else known)
    rows = base.chapters if base else ()
    published = sum(not row.removed for row in rows)
    pairs = _pairs(base, book.chapters, limits.chapter_removals) if base else [None] * len(book.chapters)
    paired = {k for k in pairs if k is not None}
    gone = [row for k, row in enumerate(rows) if k not in paired and not row.removed]
    reason = "" if accepted else hold_chapters(published, gone, limits.chapter_removals)
    kept = gone if reason else []
    reasons = [reason] if reason else []

    created: list[PlacedChapter] = []
    changed: list[ChangedChapter] = []
    moved: list[MovedChapter] = []
    kept_texts: list[KnownChapter] = []
    for position, (chapter, row) in enumerate(_order(rows, kept, book.chapters, pairs), start=1):
        if row is None:
            created += [PlacedChapter(position, chapter)] if chapter else []
            continue
        new_text = bool(chapter and chapter.fetched and chapter.content_hash != row.content_hash)
        if chapter and new_text and not accepted and (worse := hold_text(row, chapter)):
            new_text = False
            reasons += [] if kept_texts else [f"the first, {row.title!r}: {worse}"]
            kept_texts.append(row)
        if chapter and (new_text or not _same_labels(row, chapter)):
            changed.append(ChangedChapter(row, position, chapter, new_text))
        elif row.position != position:
            moved.append(MovedChapter(row, position))
    if kept_texts:
        reasons[-1] = f"the texts of {len(kept_texts)} chapters stay as they were; {reasons[-1]}"

    stored = base.fields if base else None
    fields = book.fields_over(stored)
    removed = [] if kept else gone
    chapter_count = len(book.chapters) + len(kept)
    restored = base is not None and base.removed
    holds = base.holds + 1 if base and kept else int(bool(kept))
    return NovelWrite(
        slug=novel.slug,
        request_id=str(uuid.uuid4()),
        revision=known.revision if known else 0,
        version=novel.version,
        checksum=checksum,
        visible=bool(fields != stored or created or changed or moved or removed or former or restored)
        or (base is not None and chapter_count != base.chapter_count),
        stored=stored,
        fields=None if fields == stored else fields,
        chapter_count=chapter_count,
        created=created,
        changed=changed,
        moved=moved,
        removed=removed,
        kept=kept,
        kept_texts=kept_texts,
        former=Former(former.slug, former.revision) if former else None,
        restored=restored,
        afresh=afresh,
        holds=holds,
        problems=_problems(novel.slug, reasons, holds, book.warnings),
    )


def is_same_novel(known: KnownNovel, book: Book) -> bool:
    """Whether what comes back under the slug of a removed novel is that novel."""
    texts = {row.content_hash for row in known.chapters if row.content_bytes}
    names = {(row.number, row.title) for row in known.chapters if row.number is not None and row.title}
    return known.same or any(
        (chapter.fetched and chapter.content_hash in texts) or (chapter.number, chapter.title) in names
        for chapter in book.chapters
    )


def plan_same_bytes(novel: StoredNovel, checksum: str, revision: int) -> NovelWrite:
    """The write for a file with a new version and the bytes it had: the bookkeeping moves, problems stay."""
    return _bookkeeping(novel, novel.version, checksum, revision, None)


def plan_refusal(novel: StoredNovel, revision: int, problem: Problem, version: str) -> NovelWrite:
    """
    The write that records a refusal; readers keep what they have.

    ``version``: the file's, if it is at fault and need not be read again until it changes; empty, if it is to be
    looked at again in any case.
    """
    return _bookkeeping(novel, version, "", revision, (problem,))


def _bookkeeping(
    novel: StoredNovel, version: str, checksum: str, revision: int, problems: Sequence[Problem] | None
) -> NovelWrite:
    return NovelWrite(
        slug=novel.slug,
        request_id=str(uuid.uuid4()),
        revision=revision,
        version=version,
        checksum=checksum,
        visible=False,
        problems=problems,
    )


def _pairs(base: KnownNovel, chapters: Sequence[BookChapter], limit: float) -> list[int | None]:
    """
    See `pair_chapters`. But strangers in the place of chapters are no edit of them where that would be overwritten of
    which the guard says, or has said already, that it is too much to go.
    """
    rows = base.chapters
    pairs = pair_chapters(rows, chapters)
    strange = {k: f for f, k in enumerate(pairs) if k is not None and are_strangers(rows[k], chapters[f])}
    strange = {k: f for k, f in strange.items() if not rows[k].removed}
    stay = {k for k in pairs if k not in strange}
    gone = [row for k, row in enumerate(rows) if k not in stay and not row.removed]
    published = sum(not row.removed for row in rows)
    if strange and (base.holds or hold_chapters(published, gone, limit)):
        pairs = [None if k in strange else k for k in pairs]
    return pairs


def _order(
    rows: Sequence[KnownChapter],
    kept: Sequence[KnownChapter],
    chapters: Sequence[BookChapter],
    pairs: Sequence[int | None],
) -> Iterator[tuple[BookChapter | None, KnownChapter | None]]:
    """The novel's new order: the file's, and each kept row behind what it stood behind."""
    found_of = {k: f for f, k in enumerate(pairs) if k is not None}
    behind: dict[int, list[KnownChapter]] = {}
    anchor = -1
    for k, row in enumerate(rows if kept else ()):
        if k not in found_of and not row.removed:
            behind.setdefault(anchor, []).append(row)
        elif not row.removed:
            anchor = found_of[k]
    for row in behind.get(-1, ()):
        yield None, row
    for f, (chapter, pair) in enumerate(zip(chapters, pairs, strict=True)):
        yield chapter, None if pair is None else rows[pair]
        for row in behind.get(f, ()):
            yield None, row


def _same_labels(row: KnownChapter, chapter: BookChapter) -> bool:
    return (
        row.title == chapter.title
        and row.number == chapter.number
        and row.url_hash == url_hash(chapter.url)
        and not row.removed
    )


def _problems(slug: str, held: Sequence[str], holds: int, warnings: Sequence[str]) -> list[Problem]:
    problems = []
    if held:
        problems.append(Problem(slug, ProblemKind.HELD, "; ".join(held), accept_hint(slug, holds)))
    if warnings:
        problems.append(Problem(slug, ProblemKind.WARNING, "; ".join(warnings)))
    return problems
