"""
What must change in one novel. Pure: matched chapters become the smallest write that makes the tables equal to the file,
except for what the guards hold back.
"""

from collections.abc import Iterator, Sequence

from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.source import Book, BookChapter, SourceFile
from novelsync.models.stored import KnownChapter, KnownNovel, version_by
from novelsync.models.writing import (
    ChangedChapter,
    ChapterChanges,
    MovedChapter,
    NovelWrite,
    PlacedChapter,
    RememberedText,
    Rename,
)
from novelsync.planning.acceptance import accept_hint, held_id
from novelsync.planning.diff import turned_round
from novelsync.planning.guards import DEFAULT_LIMITS, FEWEST_CHAPTERS, Limits, guard_chapters, guard_text
from novelsync.planning.recognition.matching import are_strangers, labels, pair_chapters
from novelsync.planning.recognition.renames import is_another
from novelsync.text.formatting import counted, quoted


def plan_novel(
    novel: SourceFile,
    checksum: str,
    book: Book,
    known: KnownNovel | None,
    *,
    request_id: str,
    former: KnownNovel | None = None,
    another: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    accepted: bool = False,
    in_order: bool = False,
    settled: bool = True,
    rules: str = "",
) -> NovelWrite:
    """
    The smallest write that makes the tables equal to ``book``, planned on ``known`` (None: nothing is known of it).

    ``checksum``: of the file's bytes. ``request_id``: see `NovelWrite`. ``former``: what is stored under the name that
    the novel's folder had before. ``another``: what is stored under this name is another novel. ``accepted``: somebody
    was shown what the guards hold, and confirmed it. ``in_order``: what is left over on both sides is paired in order,
    if it is equally many. ``settled``: it need not be read again until it changes, or, if something is held, until the
    ``rules`` do.
    """
    if known is not None and known.removed:
        another = former is not None or not is_same_novel(known, book)
    base = former or (None if another else known)
    chapters, held_because, any_text = _plan_chapters(base, book.chapters, limits, accepted=accepted, in_order=in_order)
    held = held_id(checksum, [row.id for row in chapters.held], chapters.worse_texts) if held_because else ""
    blank = "" if any_text else why_blank(book)
    turned = turned_round(base.chapters, chapters) if base else ""
    stored = base.fields if base else None
    fields = book.fields_over(stored)
    restored = base is not None and base.removed
    chapter_count = len(book.chapters) + len(chapters.held)
    outdated = base is not None and (base.chapter_count != chapter_count or base.shown_as not in ("", novel.slug))
    # The same file, judged again by other rules, is not one more.
    held_in_a_row = max(1, (base.held_in_a_row if base else 0) + (not (base and base.same))) if chapters.held else 0
    return NovelWrite(
        slug=novel.slug,
        request_id=request_id,
        revision=known.revision if known else 0,
        version=(version_by(novel.state, rules) if held else novel.state) if settled else "",
        checksum=checksum,
        visible=bool(fields != stored or chapters.visible or outdated or former or restored),
        stored=stored,
        fields=None if fields == stored else fields,
        chapter_count=chapter_count,
        chapters=chapters,
        rename=Rename(former.slug, former.revision) if former else None,
        restored=restored,
        afresh=another,
        held_in_a_row=held_in_a_row,
        held_id=held,
        has_texts=any(chapter.filename for chapter in book.chapters),
        blank=bool(blank),
        problems=_problems(
            novel.slug,
            held_because,
            accept_hint(novel.slug, held, held_in_a_row, chapters.pairable),
            [each for each in (blank, turned, *book.warnings) if each],
        ),
    )


def _plan_chapters(
    base: KnownNovel | None, chapters: Sequence[BookChapter], limits: Limits, *, accepted: bool, in_order: bool
) -> tuple[ChapterChanges, Sequence[str], bool]:
    """What becomes of the chapters, each reason why some of them are held, and whether readers then see any text."""
    rows = base.chapters if base else ()
    pairs = _pair_cautiously(rows, chapters, limits.chapter_removals, held=base is not None and base.held_in_a_row > 0)
    newcomers = [f for f, k in enumerate(pairs) if k is None or rows[k].fresh]
    if in_order:
        pairs = _paired_in_order(rows, pairs, newcomers)
    paired = {k for k in pairs if k is not None}
    gone = [row for k, row in enumerate(rows) if k not in paired and not row.removed]
    published = sum(not row.removed for row in rows)
    added = sum(row.fresh and not row.removed for row in rows) if base and base.same else 0
    too_many = "" if accepted else guard_chapters(published, gone, limits.chapter_removals, added=added)
    held, removed = (gone, []) if too_many else ([], gone)

    created: list[PlacedChapter] = []
    changed: list[ChangedChapter] = []
    moved: list[MovedChapter] = []
    held_texts: list[KnownChapter] = []
    worse_texts: list[str] = []
    texts: list[RememberedText] = []
    any_text = False
    first_held_text = ""
    for position, (chapter, row) in enumerate(_order(rows, held, chapters, pairs), start=1):
        any_text |= bool((chapter and chapter.fetched) or (row and row.content_bytes))
        stays = not (chapter and chapter.fetched)
        if chapter and row:
            new_text = chapter.fetched and chapter.content_hash != row.content_hash
            if new_text and not accepted and (reason := guard_text(row, chapter)):
                new_text, stays = False, True
                held_texts.append(row)
                worse_texts.append(f"{row.id} {chapter.content_hash.hex()}")
                first_held_text = first_held_text or f"the first, {quoted(row.title)}: {reason}"
        if chapter and not stays and (remembered := _remembered(position, chapter, row)):
            texts.append(remembered)
        if chapter and row:
            if new_text or row.removed or row.volume != chapter.volume or labels(row) != labels(chapter):
                changed.append(ChangedChapter(row, position, chapter, new_text))
                continue
        elif chapter:
            created.append(PlacedChapter(position, chapter))
        if row and row.position != position:
            moved.append(MovedChapter(row, position))
    because = [too_many] if too_many else []
    if held_texts:
        because.append(f"the texts of {counted(len(held_texts), 'chapter')} stay as they were; {first_held_text}")
    changes = ChapterChanges(created, changed, moved, removed, held, held_texts, texts, len(newcomers), worse_texts)
    return changes, because, any_text


def _remembered(position: int, chapter: BookChapter, row: KnownChapter | None) -> RememberedText | None:
    """What changes in what is remembered of a text that is now the chapter's; None: nothing."""
    before = (row.file, row.file_version) if row else ("", "")
    now = (chapter.filename, chapter.file_version) if chapter.filename else ("", "")
    return None if now == before else RememberedText(position, *(now if chapter.filename else (None, None)))


def why_blank(book: Book) -> str:
    """Why readers see no text; empty where the file promises none: it has nothing but the novel's own fields."""
    if not book.chapters:
        return f"it has no chapters: {book.overlooked}" if book.overlooked else ""
    has = (
        "its only chapter has no text"
        if len(book.chapters) == 1
        else f"none of its {len(book.chapters):,} chapters has a text"
    )
    return f"{has}: {book.overlooked}" if book.overlooked else has


def is_same_novel(known: KnownNovel, book: Book) -> bool:
    """
    Whether what comes back under the slug of a removed novel is that novel: it has a text, or a number with its title,
    in common with it, and is not plainly another.

    Where there is nothing to compare (a crawler that writes the chapters later), it is.
    """
    if known.same:
        return True
    texts = {row.content_hash for row in known.chapters if row.content_bytes}
    names = {(row.number, row.title) for row in known.chapters if row.number is not None and row.title}
    telling = [c for c in book.chapters if c.fetched or (c.number is not None and c.title)]
    alike = any((c.number, c.title) in names or (c.fetched and c.content_hash in texts) for c in telling)
    return (not telling or not known.chapters or alike) and not is_another(book, known)


def plan_same_bytes(novel: SourceFile, checksum: str, known: KnownNovel | None, *, request_id: str) -> NovelWrite:
    """The write for a file with a new version and the same bytes: only the bookkeeping moves, problems stay."""
    rules = known.version.removeprefix(known.state) if known else ""
    return _bookkeeping(novel, novel.state + rules, checksum, known.revision if known else 0, request_id, None)


def plan_refusal(novel: SourceFile, revision: int, problem: Problem, version: str, *, request_id: str) -> NovelWrite:
    """
    The write that records a refusal; readers keep what they have.

    ``version``: the file's own if it is at fault, so that it is not read again until it changes; empty if it is to be
    read again in any case.
    """
    return _bookkeeping(novel, version, "", revision, request_id, (problem,))


def _bookkeeping(
    novel: SourceFile, version: str, checksum: str, revision: int, request_id: str, problems: Sequence[Problem] | None
) -> NovelWrite:
    return NovelWrite(
        slug=novel.slug,
        request_id=request_id,
        revision=revision,
        version=version,
        checksum=checksum,
        visible=False,
        has_texts=True if novel.texts else None,
        problems=problems,
    )


def _pair_cautiously(
    rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], limit: float, *, held: bool
) -> list[int | None]:
    """
    What `pair_chapters` returns, without the pairs of strangers (see `are_strangers`) that are no edit.

    They are no edit where more would be overwritten or gone than the guard allows, or where it holds rows of this novel
    already (``held``). A stranger without a text never is one: readers would see the row's text under its labels.
    """
    pairs = pair_chapters(rows, chapters)
    strange = {k: f for f, k in enumerate(pairs) if k is not None and are_strangers(rows[k], chapters[f])}
    strange = {k: f for k, f in strange.items() if not rows[k].removed and rows[k].content_bytes}
    stay = {k for k in pairs if k not in strange}
    gone = [row for k, row in enumerate(rows) if k not in stay and not row.removed]
    published = sum(not row.removed for row in rows)
    many = len(gone) >= FEWEST_CHAPTERS and guard_chapters(published, gone, limit)
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
    rows: Sequence[KnownChapter],
    held: Sequence[KnownChapter],
    chapters: Sequence[BookChapter],
    pairs: Sequence[int | None],
) -> Iterator[tuple[BookChapter | None, KnownChapter | None]]:
    """The novel's new order: the file's, with each held row after the chapter that it came after."""
    found_of = {k: f for f, k in enumerate(pairs) if k is not None}
    behind: dict[int, list[KnownChapter]] = {}
    anchor = -1
    for k, row in enumerate(rows if held else ()):
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


def _problems(slug: str, held_because: Sequence[str], hint: str, warnings: Sequence[str]) -> list[Problem]:
    problems = []
    if held_because:
        problems.append(Problem(slug, ProblemKind.HELD, "; ".join(held_because), hint))
    if warnings:
        problems.append(Problem(slug, ProblemKind.WARNING, "; ".join(warnings)))
    return problems
