"""What readers have after each step, against what is known: which chapter is which, and what is its own."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.judgement.books import FIELDS, LABELS, NOBODYS, Book, Chapter, Step

_MOST_SAID: Final = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``chapters``."""

    id: int
    title: str
    number: float | None
    url: str
    text: str
    removed: bool

    @property
    def labels(self) -> tuple[str, float | None, str]:
        return self.title, self.number, self.url


@dataclass(frozen=True, slots=True)
class NovelRow:
    """A row of ``novels``, and its chapters in their order."""

    id: int
    slug: str
    removed: bool
    fields: Mapping[str, str | None]
    chapters: Sequence[Row]

    @property
    def published(self) -> list[Row]:
        return [row for row in self.chapters if not row.removed]


class Tables:
    """All that readers see, and which novels are held."""

    def __init__(self, novels: Sequence[NovelRow], held: Mapping[str, str]) -> None:
        """``held``: why, by slug."""
        self.by_slug = {novel.slug: novel for novel in novels if not novel.removed}
        self.by_id = {novel.id: novel for novel in novels}
        self.held = held


@dataclass(slots=True)
class Verdict:
    """On one trial."""

    faults: list[str] = field(default_factory=list)
    """What readers have lost, or see that they should not, after a damaged step."""
    alarms: list[str] = field(default_factory=list)
    """What was held, or is not in the tables, after a step that is not damaged."""
    misled: list[str] = field(default_factory=list)
    """Which ids went where, after a step that is not damaged."""
    lost: set[int] = field(default_factory=set)
    """Roots of chapters whose ids have gone, or have gone to another chapter."""
    ids: int = 0
    """So many chapters had one."""


@dataclass(slots=True)
class _Known:
    """What has been true of a chapter."""

    text: str = ""
    """The last good one; empty if there was none."""
    texts: set[str] = field(default_factory=set)
    labels: dict[str, set[str | float | None]] = field(default_factory=lambda: {name: set() for name in LABELS})

    def may_be(self, row: Row) -> bool:
        return all(getattr(row, name) in self.labels[name] for name in LABELS)


class Truth:
    """What is known of one trial, from step to step."""

    def __init__(self) -> None:
        self.verdict = Verdict()
        self._novels: dict[int, int] = {}
        self._ids: dict[int, int] = {}
        self._known: defaultdict[int, _Known] = defaultdict(_Known)
        self._fields: defaultdict[int, dict[str, set[str | None]]] = defaultdict(lambda: {f: set() for f in FIELDS})
        self._there: dict[int, Sequence[int]] = {}
        """The roots of each novel's chapters, as of the last step that was not damaged."""

    def look(self, step: Step, tables: Tables) -> None:
        """Compares; what is wrong goes into the verdict."""
        for book in step.files.values():
            self._learn(book)
        absent = self._there.keys() - {book.root for book in step.files.values()}
        as_before = [*self._there] if step.damaged else [*absent]
        said = [line for root in as_before for line in self._kept(root, step, tables)]
        if step.damaged:
            said += self._junk(step, tables)
            self.verdict.faults += said[:_MOST_SAID]
        else:
            for slug, book in step.files.items():
                said += self._went_in(slug, book, tables)
            self.verdict.alarms += said[:_MOST_SAID]
        self.verdict.ids = len(self._ids)

    def _learn(self, book: Book) -> None:
        for name in FIELDS:
            if name not in book.bad:
                self._fields[book.root][name].add(getattr(book, name))
        for chapter in book.chapters:
            if chapter.root != NOBODYS:
                known = self._known[chapter.root]
                if _has_good_text(chapter):
                    known.texts.add(chapter.text or "")
                for name in LABELS:
                    if name not in chapter.bad:
                        known.labels[name].add(getattr(chapter, name))

    # What must be as it was ---------------------------------------------------------------

    def _kept(self, root: int, step: Step, tables: Tables) -> Iterator[str]:
        novel = tables.by_id.get(self._novels.get(root, 0))
        if novel is None or novel.removed:
            self.verdict.lost.update(self._there[root])
            yield f"novel {self._novels.get(root)} is gone"
            return
        for name, value in novel.fields.items():
            if value not in self._fields[root][name]:
                yield f"{name} has become {value!r}"
        rows = {row.id: row for row in novel.published}
        gone = [chapter for chapter in self._there[root] if self._ids.get(chapter) not in rows]
        if len(gone) > step.may_go:
            self.verdict.lost.update(gone)
            yield f"{len(gone)} of {len(self._there[root])} chapters are gone, ids {_first(map(self._ids.get, gone))}"
        for chapter in self._there[root]:
            if chapter not in gone:
                yield from self._chapter_kept(chapter, rows[self._ids[chapter]])

    def _chapter_kept(self, root: int, row: Row) -> Iterator[str]:
        known = self._known[root]
        if known.texts and row.text not in known.texts:
            yield f"the text of chapter id {row.id} has become {_short(row.text)}"
        wrong = [name for name in LABELS if getattr(row, name) not in known.labels[name]]
        if wrong:
            yield f"chapter id {row.id} has become {row.labels}"
        if wrong and any(other.may_be(row) for key, other in self._known.items() if key != root):
            self.verdict.lost.add(root)

    def _junk(self, step: Step, tables: Tables) -> Iterator[str]:
        for slug, book in step.files.items():
            junk = {c.text for c in book.chapters if c.root == NOBODYS and "text" in c.bad}
            novel = tables.by_slug.get(slug)
            shown = [row.id for row in novel.published if row.text in junk] if novel else []
            if shown:
                yield f"{len(shown)} chapters of another novel are shown, ids {_first(shown)}"

    # What must have gone in ---------------------------------------------------------------

    def _went_in(self, slug: str, book: Book, tables: Tables) -> Iterator[str]:
        if slug in tables.held:
            yield f"{slug} is held: {tables.held[slug]}"
        novel = tables.by_slug.get(slug)
        if novel is None:
            yield f"{slug} is not in the tables"
            return
        self.verdict.misled += self._novel_id(book, novel)
        for name, value in novel.fields.items():
            if name not in book.bad and value != getattr(book, name):
                yield f"{name} is {value!r} and not {getattr(book, name)!r}"
        rows = novel.published
        if len(rows) != len(book.chapters):
            yield f"{slug} has {len(rows)} chapters, and its file {len(book.chapters)}"
        pairs = self._pairs(book, rows)
        for chapter, row in pairs:
            yield from self._differences(chapter, row)
        self.verdict.misled += self._chapter_ids(book, pairs, rows)
        self._there[book.root] = [c.root for c in book.chapters if c.root != NOBODYS]

    def _novel_id(self, book: Book, novel: NovelRow) -> Iterator[str]:
        before = self._novels.get(book.root)
        owner = next((root for root, id_ in self._novels.items() if id_ == novel.id), book.root)
        if before not in (None, novel.id):
            self.verdict.lost.update(self._there.get(book.root, ()))
            yield f"novel {before} has become {novel.id}"
        elif owner != book.root:
            self.verdict.lost.update(self._there.get(owner, ()))
            yield f"novel {novel.id} has become another"
        else:
            self._novels[book.root] = novel.id

    def _pairs(self, book: Book, rows: Sequence[Row]) -> list[tuple[Chapter, Row]]:
        """By their place, or by their ids if something is held."""
        pairs = list(zip(book.chapters, rows, strict=False))
        if len(rows) == len(book.chapters) and all(_alike(chapter, row) for chapter, row in pairs):
            return pairs
        by_id = {row.id: row for row in rows}
        by_ids = ((chapter, by_id.get(self._ids.get(chapter.root, 0))) for chapter in book.chapters)
        return [(chapter, row) for chapter, row in by_ids if row]

    def _differences(self, chapter: Chapter, row: Row) -> Iterator[str]:
        known = self._known[chapter.root]
        if _has_good_text(chapter):
            known.text = chapter.text or ""
        expected = {known.text} if known.text else {chapter.text or "", ""}
        if row.text not in expected:
            yield f"chapter id {row.id} has the text {_short(row.text)} and not {_short(min(expected))}"
        labels = [name for name in LABELS if name not in chapter.bad and getattr(row, name) != getattr(chapter, name)]
        if labels:
            yield f"chapter id {row.id} is {row.labels}, and should be {(chapter.title, chapter.number, chapter.url)}"

    def _chapter_ids(self, book: Book, pairs: Sequence[tuple[Chapter, Row]], rows: Sequence[Row]) -> Iterator[str]:
        owners, ids = {id_: root for root, id_ in self._ids.items()}, {row.id for row in rows}
        lost = {c.root for c in book.chapters if c.root in self._ids and self._ids[c.root] not in ids}
        for chapter, row in pairs:
            owner, before = owners.get(row.id), self._ids.get(chapter.root)
            if before not in (None, row.id):
                lost.add(chapter.root)
            elif owner is not None and owner != chapter.root:
                lost.add(owner)
            else:
                self._ids[chapter.root] = row.id
        self.verdict.lost |= lost
        if lost:
            yield f"{len(lost)} ids went to other chapters or are gone: {_first(map(self._ids.get, lost))}"


def _alike(chapter: Chapter, row: Row) -> bool:
    return row.text == chapter.text or row.labels == (chapter.title, chapter.number, chapter.url)


def _has_good_text(chapter: Chapter) -> bool:
    return bool("text" not in chapter.bad and chapter.text and chapter.text.strip())


def _short(text: str) -> str:
    return f"{text[:60]!r} ({len(text):,} letters)"


def _first(ids: Iterable[object]) -> str:
    return ", ".join(map(str, list(ids)[:5]))
