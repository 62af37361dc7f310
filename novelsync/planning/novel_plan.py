"""What must be written for one novel: the smallest write that makes the tables equal to its file. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import partial

from novelsync.evidence.lint import lint_book
from novelsync.evidence.seen import Seen
from novelsync.evidence.texts import Texts
from novelsync.models.desk.takedowns import NOTHING_WITHHELD, Withheld
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.source import Book, SourceFile
from novelsync.models.stored import KnownNovel, version_by
from novelsync.models.writing import (
    NovelWrite,
    Rename,
)
from novelsync.planning.acceptance import accept_hint, held_id
from novelsync.planning.chapter_plan import plan_chapters
from novelsync.planning.diff import turned_round
from novelsync.planning.guards.limits import DEFAULT_LIMITS, Limits
from novelsync.planning.recognition.renames import has_same_urls, is_another
from novelsync.planning.takedowns.rows import set_aside


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
    kept: bool = False,
    stays: bool = False,
    settled: bool = True,
    rules: str = "",
    withheld: Withheld = NOTHING_WITHHELD,
) -> NovelWrite:
    """
    The smallest write that makes the tables equal to ``book``, planned on ``known`` (None: nothing is known of it).

    ``checksum``: of the file's bytes. ``request_id``: see `NovelWrite`. ``former``: what is stored under the name that
    the novel's folder had before. ``another``: what is stored under this name is another novel. ``seen``: what the
    stored texts say, by the rows' ids, of those rows of `base_of` that `rows_to_see` names. ``holders``: by the hashes
    of texts, the slugs of the novels that have them. ``accepted``: somebody was shown what the guards hold, and
    confirmed it. ``in_order``: what is left over on both sides is paired in order, if it is equally many. ``kept``:
    somebody was shown it, and decided that it stays. ``stays``: although the guards may have no reason any more (see
    `stays_held`); it is what was held if its id is the same. ``settled``: the file need not be read
    again until it changes, or, if something is held, until the ``rules`` do. ``withheld``: what takedowns keep back of
    ``book``.
    """
    if withheld.whole:
        return _plan_withheld(novel, checksum, book, known, withheld, request_id=request_id, settled=settled)
    base = base_of(known, book, former, another=another)
    if known is not None and known.removed:
        another = base is not known
    # What this novel has too, as a row that somebody changed by hand may, says nothing of others.
    others = {text: slugs for text, slugs in (holders or {}).items() if base and base.slug not in slugs}
    has_texts = any(chapter.filename for chapter in book.chapters)
    texts = Texts(base.chapters if base else (), book.chapters, seen, others)
    lint = lint_book(book, texts)
    aside = set_aside(base, book, texts, withheld)
    if withheld or aside.rows:
        base, book = aside.base, aside.book
        texts = Texts(base.chapters if base else (), book.chapters, seen, others)
    plan = plan_chapters(base, book, texts, limits, accepted=accepted, in_order=in_order, stays=stays)
    gone = [row for row in aside.rows if not row.removed]
    chapters = replace(plan.changes, removed=[*plan.changes.removed, *gone]) if gone else plan.changes
    held = ""
    if plan.held_because and stays and base and base.same and not has_texts:
        held = base.held_id  # what was decided of the same bytes holds, whatever their guards would call it today
    elif plan.held_because:
        # Sorted, because the rows of readers change places when the rest of the file is written.
        rows = sorted(row.id for row in chapters.held)
        held = held_id(checksum, _own_files(book), rows, chapters.worse_texts)
    stored = base.fields if base else None
    fields = stored if plan.broken and stored else book.fields_over(stored)
    restored = base is not None and base.removed
    outdated = base is not None and (base.chapter_count != plan.chapter_count or base.shown_as not in ("", novel.slug))
    # The same file, judged again by other rules, is not one more.
    held_in_a_row = max(1, (base.held_in_a_row if base else 0) + (not (base and base.same))) if chapters.held else 0
    blank = "" if plan.any_text else why_blank(book)
    holder = former or known
    kept = bool(held) and (kept or (holder is not None and holder.kept and holder.held_id == held))
    turned = turned_round(base.chapters, chapters) if base else ""
    return NovelWrite(
        slug=novel.slug,
        request_id=request_id,
        revision=known.revision if known else 0,
        # What was decided to stay is not judged again, whatever the rules are.
        version=(version_by(novel.state, rules) if held and not kept else novel.state) if settled else "",
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
        kept=kept,
        has_texts=has_texts,
        without_text=lint.without_text,
        accepted=accepted,
        blank=bool(blank),
        withheld=withheld,
        withheld_rows=[row.id for row in aside.rows if not row.taken_down],
        problems=_problems(
            novel.slug,
            plan.held_because,
            accept_hint(novel.slug, held, held_in_a_row, chapters.pairable),
            [each for each in (blank or book.overlooked, turned, *book.warnings, *lint.doubts) if each],
            kept=kept,
        ),
    )


def as_held(plan: partial[NovelWrite], held: str) -> partial[NovelWrite]:
    """`plan_novel` with arguments, so that it holds what has the id ``held``, if it can; empty: nothing has to be."""
    stays = held and plan().held_id != held and plan(stays=True).held_id == held
    return partial(plan, stays=True) if stays else plan


def _own_files(book: Book) -> list[str]:
    """What the texts are that the checksum of ``book_info.json`` says nothing of."""
    return [chapter.content_hash.hex() for chapter in book.chapters if chapter.filename]


def _plan_withheld(
    novel: SourceFile,
    checksum: str,
    book: Book,
    known: KnownNovel | None,
    withheld: Withheld,
    *,
    request_id: str,
    settled: bool,
) -> NovelWrite:
    """The write for a novel that is kept back as a whole: nothing of it is stored, and what is stored stays hidden."""
    return NovelWrite(
        slug=novel.slug,
        request_id=request_id,
        revision=known.revision if known else 0,
        version=novel.state if settled else "",
        checksum=checksum,
        visible=False,
        held_id="",
        has_texts=any(chapter.filename for chapter in book.chapters),
        blank=False,
        withheld=withheld,
        hides=known is not None and known.fields is not None and not known.removed,
    )


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
    Whether what comes back under the slug of a removed novel is that novel, and not plainly another.

    It has a text, or a number with its title, in common with it, or most of its urls.

    Where there is nothing to compare (a crawler that writes the chapters later), it is.
    """
    if known.same:
        return True
    texts = {row.content_hash for row in known.chapters if row.content_bytes}
    names = {(row.number, row.title) for row in known.chapters if row.number is not None and row.title}
    telling = [c for c in book.chapters if c.fetched or (c.number is not None and c.title)]
    alike = any((c.number, c.title) in names or (c.fetched and c.content_hash in texts) for c in telling)
    alike = alike or has_same_urls(book, known)
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


def _problems(
    slug: str, held_because: Sequence[str], hint: str, warnings: Sequence[str], *, kept: bool
) -> list[Problem]:
    problems = []
    if held_because and kept:
        warnings = [
            f"what readers have stays until the file changes, as was decided: {'; '.join(held_because)}",
            *warnings,
        ]
    elif held_because:
        problems.append(Problem(slug, ProblemKind.HELD, "; ".join(held_because), hint))
    if warnings:
        problems.append(Problem(slug, ProblemKind.WARNING, "; ".join(warnings)))
    return problems
