"""
What must change in one novel. Pure: matched chapters become the smallest write that makes the tables equal to the file,
except for what the guards hold back.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from novelsync.evidence.labels import labels
from novelsync.evidence.lint import lint_book
from novelsync.evidence.placeholders import title_is_placeholder
from novelsync.evidence.seen import Seen
from novelsync.evidence.texts import Texts
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
    ShrunkText,
)
from novelsync.planning.acceptance import accept_hint, held_id
from novelsync.planning.diff import turned_round
from novelsync.planning.guards import DEFAULT_LIMITS, FEWEST_CHAPTERS, Limits, guard_chapters
from novelsync.planning.recognition.matching import are_strangers, pair_chapters
from novelsync.planning.recognition.renames import is_another
from novelsync.planning.text_guards import guard_labels, guard_novel, guard_texts
from novelsync.text.formatting import counted, quoted


def base_of(known: KnownNovel | None, book: Book, former: KnownNovel | None, *, another: bool) -> KnownNovel | None:
    """What is stored that ``book`` goes on with. See `plan_novel`."""
    if former is not None or known is None:
        return former
    return None if another or (known.removed and not is_same_novel(known, book)) else known


def plan_novel(
    novel: SourceFile,
    checksum: str,
    book: Book,
    known: KnownNovel | None,
    *,
    request_id: str,
    former: KnownNovel | None = None,
    another: bool = False,
    seen: Mapping[str, Seen] | None = None,
    holders: Mapping[bytes, Set[str]] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    accepted: bool = False,
    in_order: bool = False,
    settled: bool = True,
    rules: str = "",
) -> NovelWrite:
    """
    The smallest write that makes the tables equal to ``book``, planned on ``known`` (None: nothing is known of it).

    ``checksum``: of the file's bytes. ``request_id``: see `NovelWrite`. ``former``: what is stored under the name that
    the novel's folder had before. ``another``: what is stored under this name is another novel. ``seen``: what the
    stored texts say, by the rows' ids, of those rows of `base_of` that `rows_to_see` names. ``holders``: by the hashes
    of texts, the slugs of the novels that have them. ``accepted``: somebody was
    shown what the guards hold, and confirmed it. ``in_order``: what is left over on both sides is paired in order, if
    it is equally many. ``settled``: it need not be read again until it changes, or, if something is held, until the
    ``rules`` do.
    """
    base = base_of(known, book, former, another=another)
    if known is not None and known.removed:
        another = base is not known
    # What this novel has too, as a row that somebody changed by hand may, says nothing of others.
    others = {text: slugs for text, slugs in (holders or {}).items() if base and base.slug not in slugs}
    texts = Texts(base.chapters if base else (), book.chapters, seen, others)
    plan = _plan_chapters(base, book, texts, limits, accepted=accepted, in_order=in_order)
    chapters = plan.changes
    held = held_id(checksum, [row.id for row in chapters.held], chapters.worse_texts) if plan.held_because else ""
    stored = base.fields if base else None
    fields = stored if plan.broken and stored else book.fields_over(stored)
    restored = base is not None and base.removed
    outdated = base is not None and (base.chapter_count != plan.chapter_count or base.shown_as not in ("", novel.slug))
    # The same file, judged again by other rules, is not one more.
    held_in_a_row = max(1, (base.held_in_a_row if base else 0) + (not (base and base.same))) if chapters.held else 0
    lint = lint_book(book, texts)
    blank = "" if plan.any_text else why_blank(book)
    turned = turned_round(base.chapters, chapters) if base else ""
    return NovelWrite(
        slug=novel.slug,
        request_id=request_id,
        revision=known.revision if known else 0,
        version=(version_by(novel.state, rules) if held else novel.state) if settled else "",
        checksum=checksum,
        visible=bool(fields != stored or chapters.visible or outdated or former or restored),
        stored=stored,
        fields=None if fields == stored else fields,
        chapter_count=plan.chapter_count,
        chapters=chapters,
        rename=Rename(former.slug, former.revision) if former else None,
        restored=restored,
        afresh=another,
        held_in_a_row=held_in_a_row,
        held_id=held,
        has_texts=any(chapter.filename for chapter in book.chapters),
        without_text=lint.without_text,
        accepted=accepted,
        blank=bool(blank),
        problems=_problems(
            novel.slug,
            plan.held_because,
            accept_hint(novel.slug, held, held_in_a_row, chapters.pairable),
            [each for each in (blank, turned, *book.warnings, *lint.doubts) if each],
        ),
    )


@dataclass(frozen=True, slots=True)
class _ChapterPlan:
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


def _plan_chapters(
    base: KnownNovel | None, book: Book, texts: Texts, limits: Limits, *, accepted: bool, in_order: bool
) -> _ChapterPlan:
    """What becomes of the chapters of the file and of the rows."""
    rows, chapters = base.chapters if base else (), book.chapters
    pairs = _pair_cautiously(
        rows, chapters, texts, limits.chapter_removals, held=base is not None and base.held_in_a_row > 0
    )
    newcomers = [f for f, k in enumerate(pairs) if k is None or rows[k].fresh]
    if in_order:
        pairs = _paired_in_order(rows, pairs, newcomers)
    if base and not accepted and (reason := guard_novel(base.fields, book, rows, pairs, texts)):
        held = [row for row in rows if not row.removed]
        changes = ChapterChanges(held=held, newcomers=len(newcomers))
        return _ChapterPlan(changes, len(held), [reason], any_text=True, broken=True)
    # What this very file has added makes no loss smaller, only because it is judged again.
    added = {row.id for row in rows if row.fresh} if base and base.same else set()
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
    return _ChapterPlan(changes, len(placed), guarded.because, any_text, guarded.broken)


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
    kept = {row.content_hash for k, row in enumerate(rows) if k in paired}
    worth_keeping = _worth_keeping([row for row in rows if not row.removed and row.id not in added])
    missed = [row for row in _worth_keeping(removed) if row.content_hash not in kept or not row.content_bytes]
    if worth_keeping and worth_keeping[0].content_bytes:
        missed = [row for row in missed if row.content_bytes]
    lately = sum(row.removed_lately for row in rows)
    too_many = guard_chapters(len(worth_keeping), missed, lately, limit)
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
    broken = bool(too_many) or no_title or len(texts_stay) > limit * len(worth_keeping)
    return _Guarded(removed if too_many else [], [] if too_many else removed, texts_stay, because, broken)


def _worth_keeping(rows: Sequence[KnownChapter]) -> Sequence[KnownChapter]:
    """
    Of rows with the same text the first, because the others are no loss: pages of a site, or a list that was doubled.

    Nor are those that never had a text, if others have; links were taken for chapters.
    """
    by_text = {row.content_hash: row for row in reversed(rows) if row.content_bytes}
    return [row for row in rows if by_text.get(row.content_hash) is row] if by_text else rows


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


def _problems(slug: str, held_because: Sequence[str], hint: str, warnings: Sequence[str]) -> list[Problem]:
    problems = []
    if held_because:
        problems.append(Problem(slug, ProblemKind.HELD, "; ".join(held_because), hint))
    if warnings:
        problems.append(Problem(slug, ProblemKind.WARNING, "; ".join(warnings)))
    return problems
