"""
What must change in one novel. Pure: matched chapters become the smallest write that makes the tables equal to the file.
"""

import uuid
from collections.abc import Iterator, Sequence

from novelsync.matching import pair_chapters
from novelsync.models import (
    Book,
    BookChapter,
    ChangedChapter,
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


def plan_novel(novel: StoredNovel, checksum: str, book: Book, known: KnownNovel | None) -> NovelWrite:
    """
    The smallest write that makes the tables equal to ``book``, planned on ``known`` (None: nothing is known of it).

    A chapter that the file no longer has stays published, behind the one it stood behind.
    """
    rows = known.chapters if known else ()
    pairs = pair_chapters(rows, book.chapters)
    kept = [k for k in _unpaired(pairs, len(rows)) if not rows[k].removed]
    created: list[PlacedChapter] = []
    changed: list[ChangedChapter] = []
    moved: list[MovedChapter] = []
    for position, (chapter, row) in enumerate(_order(rows, kept, book.chapters, pairs), start=1):
        if row is None:
            created += [PlacedChapter(position, chapter)] if chapter else []
        elif chapter and (change := _change(row, chapter, position)):
            changed.append(change)
        elif row.position != position:
            moved.append(MovedChapter(row.id, position))

    stored = known.fields if known else None
    fields = book.fields_over(stored)
    return NovelWrite(
        slug=novel.slug,
        request_id=str(uuid.uuid4()),
        revision=known.revision if known else 0,
        version=novel.version,
        checksum=checksum,
        is_new=stored is None,
        visible=bool(fields != stored or created or changed or moved),
        fields=None if fields == stored else fields,
        chapter_count=len(book.chapters) + len(kept),
        created=created,
        changed=changed,
        moved=moved,
        kept=len(kept),
        problems=_problems(novel.slug, book, [rows[k] for k in kept]),
    )


def plan_same_bytes(novel: StoredNovel, checksum: str, known: KnownNovel) -> NovelWrite:
    """The write for a file with a new version and the bytes it had: the bookkeeping moves, problems stay."""
    return _bookkeeping(novel, novel.version, checksum, known.revision, None)


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


def _unpaired(pairs: Sequence[int | None], known: int) -> list[int]:
    paired = {k for k in pairs if k is not None}
    return [k for k in range(known) if k not in paired]


def _order(
    rows: Sequence[KnownChapter], kept: Sequence[int], chapters: Sequence[BookChapter], pairs: Sequence[int | None]
) -> Iterator[tuple[BookChapter | None, KnownChapter | None]]:
    """The novel's new order: the file's, and each kept row behind what it stood behind."""
    found_of = {k: f for f, k in enumerate(pairs) if k is not None}
    kept_rows = set(kept)
    behind: dict[int, list[KnownChapter]] = {}
    anchor = -1
    for k, row in enumerate(rows):
        if k in kept_rows:
            behind.setdefault(anchor, []).append(row)
        elif not row.removed:
            anchor = found_of[k]
    for row in behind.get(-1, ()):
        yield None, row
    for f, (chapter, pair) in enumerate(zip(chapters, pairs, strict=True)):
        yield chapter, None if pair is None else rows[pair]
        for row in behind.get(f, ()):
            yield None, row


def _change(row: KnownChapter, chapter: BookChapter, position: int) -> ChangedChapter | None:
    new_text = chapter.fetched and chapter.content_hash != row.content_hash
    same = (
        row.title == chapter.title
        and row.number == chapter.number
        and row.url_hash == url_hash(chapter.url)
        and not row.removed
    )
    return None if same and not new_text else ChangedChapter(row.id, position, chapter, new_text)


def _problems(slug: str, book: Book, kept: Sequence[KnownChapter]) -> list[Problem]:
    problems = []
    if kept:
        message = f"{len(kept)} chapters that are no longer in the file stay published, the first: {kept[0].title!r}"
        problems.append(Problem(slug, ProblemKind.HELD, message, "put them back into the file if they belong to it"))
    if book.warnings:
        problems.append(Problem(slug, ProblemKind.WARNING, "; ".join(book.warnings)))
    return problems
