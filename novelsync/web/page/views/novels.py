"""Pages of novels, and the page of one. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

from novelsync.models.desk.novels import NovelChange, NovelDetail, NovelPage, NovelQuery, NovelRow, Show, Sort
from novelsync.text.formatting import counted, size
from novelsync.text.hints import Say
from novelsync.web.page.views.words import (
    Act,
    Action,
    Link,
    Moment,
    Text,
    moment,
    moment_or_none,
    plain,
    sentence,
    text,
    told,
)
from novelsync.web.request import addresses
from novelsync.web.request.addresses import address

_SHOWN: Final = {
    Show.ALL: "All",
    Show.HELD: "Held",
    Show.REFUSED: "Refused",
    Show.DIFFERS: "Differing",
    Show.MISSING: "Missing",
    Show.WITHOUT_TEXT: "Without text",
    Show.WARNING: "With remarks",
    Show.REMOVED: "Removed",
}
_SORTED: Final = {
    Sort.UPDATED: "changed last",
    Sort.ADDED: "new chapters first",
    Sort.TITLE: "by title",
    Sort.CHAPTERS: "most chapters first",
}
_KINDS: Final = {"held": "held", "refused": "refused", "differs": "differs", "warning": "remarks"}


@dataclass(frozen=True, slots=True)
class Mark:
    """What is the matter with a novel, in a word."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class NovelLine:
    """A row of the table of novels."""

    slug: str
    title: str
    author: str
    address: str
    """Empty: it has no page, because the site made its row itself."""
    chapters: str
    updated: Moment | None
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class NovelsView:
    """All that a page of novels says."""

    filters: Sequence[Link]
    sorts: Sequence[tuple[str, str, bool]]
    """Value, words, and whether it is the one in use."""
    show: str
    search: str
    summary: str
    novels: Sequence[NovelLine]
    first: str
    """The address of the first page; empty: this is it."""
    next: str


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """One of a novel's problems."""

    kind: str
    message: Text
    hint: Text
    since: Moment
    decide: str
    """Where somebody can see what is held and decide; empty: nowhere."""


@dataclass(frozen=True, slots=True)
class ChapterLine:
    """A row of the table of chapters."""

    position: str
    number: str
    volume: str
    title: str
    size: str
    """Empty: it has no text."""
    updated: Moment


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """What one write did to a novel."""

    at: Moment
    words: str
    titles: Sequence[str]
    run: str
    """The address of the run; empty: there was none."""


@dataclass(frozen=True, slots=True)
class NovelView:
    """All that the page of one novel says."""

    slug: str
    tone: str
    title: str
    state: str
    decided: str
    """Where a decision that what readers have stays can be looked at and changed; empty: there is none."""
    facts: Sequence[tuple[str, str | Moment]]
    description: str
    problems: Sequence[ProblemLine]
    chapters_summary: str
    chapters: Sequence[ChapterLine]
    first: str
    next: str
    changes: Sequence[ChangeLine]
    take_down: Action | None
    """None: readers do not see it."""


def novels_view(page: NovelPage, query: NovelQuery) -> NovelsView:
    def there(**changes: str | None) -> str:
        asked = {"show": query.show, "search": query.search, "sort": query.sort} | changes
        kept = {name: value for name, value in asked.items() if value not in (Show.ALL, Sort.UPDATED)}
        return address(addresses.NOVEL_LIST, **kept)

    found = f"{counted(page.total, 'novel')}" + (" found" if query.search else "")
    return NovelsView(
        filters=[
            Link(words, there(show=show), show is query.show, page.counts.get(show, 0))
            for show, words in _SHOWN.items()
            if show in (Show.ALL, query.show) or page.counts.get(show)
        ],
        sorts=[(sort.value, words, sort is query.sort) for sort, words in _SORTED.items()],
        show=query.show,
        search=query.search,
        summary=found if page.total else "No novel is like that.",
        novels=[_novel_line(novel) for novel in page.novels],
        first=there() if query.after is not None else "",
        next=there(after=page.next) if page.next else "",
    )


def _novel_line(novel: NovelRow) -> NovelLine:
    marks = [Mark(kind, _KINDS.get(kind, kind)) for kind in novel.problems]
    if novel.removed_at:
        marks = [Mark("removed", "removed")]
    elif novel.missing_since:
        marks = [Mark("missing", "missing")]
    elif not novel.known:
        marks = [Mark("", "the site's own")]
    return NovelLine(
        slug=novel.slug,
        title=novel.title or novel.slug,
        author=novel.author or "",
        address=address(addresses.NOVEL, slug=novel.slug) if novel.known else "",
        chapters="" if novel.chapters is None else f"{novel.chapters:,}",
        updated=moment_or_none(novel.updated_at),
        marks=marks,
    )


def novel_view(novel: NovelDetail, after: int, say: Say, act: Act) -> NovelView:
    """``after``: the position after which the page of chapters begins."""
    stored = novel.fields
    with_text, total = novel.chapters_with_text, novel.chapters_total
    without = total - with_text
    summary = counted(total, "chapter")
    if total:
        summary += ", all with text" if not without else f", {with_text:,} with text and {without:,} without"
    if novel.removed_chapters:
        summary += f"; {novel.removed_chapters:,} more removed"
    tone, state = _state(novel)
    return NovelView(
        slug=novel.slug,
        tone=tone,
        title=stored.title if stored else novel.slug,
        state=state,
        decided=address(addresses.HELD, slug=novel.slug) if novel.kept else "",
        facts=list(_facts(novel)),
        description=(stored and stored.description) or "",
        problems=[
            ProblemLine(
                problem.kind,
                plain(sentence(problem.message)),
                text(sentence(say(problem.hint))),
                moment(problem.since),
                address(addresses.HELD, slug=novel.slug) if problem.kind == "held" else "",
            )
            for problem in novel.problems
        ],
        chapters_summary=summary,
        chapters=[
            ChapterLine(
                f"{row.position:,}",
                row.number or "",
                row.volume or "",
                row.title,
                size(row.bytes) if row.bytes else "",
                moment(row.updated_at),
            )
            for row in novel.chapters
        ],
        first=address(addresses.NOVEL, slug=novel.slug) if after else "",
        next=address(addresses.NOVEL, slug=novel.slug, after=novel.next) if novel.next else "",
        changes=[_change_line(change) for change in novel.changes],
        take_down=act(f"novelsync takedown --slug {quote(novel.slug)}") if stored and not novel.removed_at else None,
    )


def _state(novel: NovelDetail) -> tuple[str, str]:
    """In which colour, and in a sentence."""
    kinds = {problem.kind for problem in novel.problems}
    if novel.removed_at:
        return "fair", "Removed: readers no longer see it, and its rows are kept."
    if novel.missing_since:
        return "fair", "Missing from storage. Readers still see it."
    if "refused" in kinds:
        return "bad", "Its file is refused. " + (
            "Readers keep what they have." if novel.fields else "Readers see nothing of it."
        )
    if "held" in kinds:
        return "fair", "Something of it is held until somebody decides."
    if "differs" in kinds:
        return "fair", "What readers see is not what its file has: somebody edited one or the other."
    if novel.kept:
        return "fair", "What readers have was kept, and differs from its file."
    return "good", "What its file has is in the tables."


def _facts(novel: NovelDetail) -> Sequence[tuple[str, str | Moment]]:
    stored = novel.fields
    facts: list[tuple[str, str | Moment | None]] = [("Folder", novel.slug)]
    if stored:
        facts += [
            ("Author", stored.author),
            ("Status", stored.status),
            ("Id", stored.id),
            ("Cover", stored.cover_url),
            ("Changed", moment(stored.updated_at)),
            ("Last new chapter", moment_or_none(stored.last_chapter_at)),
        ]
    facts += [
        ("First seen", moment(novel.first_seen)),
        ("Missing since", moment_or_none(novel.missing_since)),
        ("Removed", moment_or_none(novel.removed_at)),
        ("Held since", moment_or_none(novel.held_since) if novel.held else None),
    ]
    return [(name, value) for name, value in facts if value]


def _change_line(change: NovelChange) -> ChangeLine:
    parts = [word if word in ("added", "removed", "restored") else f"{word} changed" for word in change.novel]
    if change.novel == ["added"] or (change.added and "added" in change.novel):
        parts = [f"came in with {counted(change.added, 'chapter')}"]
        counts = told((change.changed, "changed"), (change.removed, "removed"), (change.restored, "back"))
    else:
        counts = told(
            (change.added, "added"), (change.changed, "changed"), (change.removed, "removed"), (change.restored, "back")
        )
    words = ", ".join([*parts, *([counts] if counts else [])])
    run = address(addresses.RUN, run_id=change.run_id) if change.run_id else ""
    return ChangeLine(moment(change.at), sentence(words) or "Changed", change.titles, run)
