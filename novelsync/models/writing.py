"""What is to change in the tables, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from novelsync.models.desk.takedowns import NOTHING_WITHHELD, Withheld
from novelsync.models.problems import Problem
from novelsync.models.results import NovelResult
from novelsync.models.source import BookChapter, NovelFields
from novelsync.models.stored import KnownChapter


class PlacedChapter(NamedTuple):
    """A chapter of the file that is new to the table, and its position there."""

    position: int
    chapter: BookChapter


@dataclass(frozen=True, slots=True)
class ChangedChapter:
    """A stored chapter that comes back, or whose title, number, url or text becomes that of the file."""

    row: KnownChapter
    position: int
    chapter: BookChapter
    new_text: bool
    """False: the stored text stays, because the file has the same, none yet, or a worse one."""


@dataclass(frozen=True, slots=True)
class MovedChapter:
    """A stored chapter of which only the position changes."""

    row: KnownChapter
    position: int


class RememberedText(NamedTuple):
    """Which file a chapter's stored text is, from now on."""

    position: int
    """Of the chapter, once everything else is written."""
    file: str | None
    """None: it is in no file of its own."""
    version: str | None


class ShrunkText(NamedTuple):
    """A text that shows less than the one it replaces. It is remembered for a day."""

    id: str
    letters: int
    """How many it showed at most within the last 24 hours."""


class Rename(NamedTuple):
    """The slug that a novel had before its folder was renamed, and its revision under that slug."""

    slug: str
    revision: int


@dataclass(frozen=True, slots=True)
class ChapterChanges:
    """What becomes of a novel's chapters."""

    created: Sequence[PlacedChapter] = ()
    changed: Sequence[ChangedChapter] = ()
    moved: Sequence[MovedChapter] = ()
    removed: Sequence[KnownChapter] = ()
    held: Sequence[KnownChapter] = ()
    """Published chapters that the file no longer has, and that stay."""
    held_texts: Sequence[KnownChapter] = ()
    """Chapters whose text stays, because that of the file is worse."""
    texts: Sequence[RememberedText] = ()
    """Where what is remembered of a text changes."""
    shrunk: Sequence[ShrunkText] = ()
    newcomers: int = 0
    """How many chapters of the file are new, or came in since something of the novel has been held."""
    worse_texts: Sequence[str] = ()
    """The ids of the rows of ``held_texts``, each with the hash of the text that does not replace theirs."""

    @property
    def pairable(self) -> int:
        """How many held chapters the file's newcomers may be, because there are as many; 0: there are more or fewer."""
        older = sum(not row.fresh for row in self.held)
        return older if older == self.newcomers else 0

    @property
    def visible(self) -> bool:
        """Whether readers see any of it."""
        return bool(self.created or self.changed or self.moved or self.removed)

    @property
    def text_bytes(self) -> int:
        """How many bytes of text have to be sent."""
        return sum(c.chapter.content_bytes for c in self.created) + sum(
            c.chapter.content_bytes for c in self.changed if c.new_text
        )


@dataclass(frozen=True, slots=True)
class NovelWrite:
    """Everything that is to be written for one novel, planned on one revision of it."""

    slug: str
    request_id: str
    """A write that was carried out under this id is only answered again, so a retry after a lost answer is harmless."""
    revision: int
    version: str
    checksum: str
    visible: bool
    """Whether readers see any of it; if not, only the bookkeeping changes."""
    stored: NovelFields | None = None
    """The columns as they were when the write was planned; None for a new novel."""
    fields: NovelFields | None = None
    """The columns as they are to be; None: as they are."""
    chapter_count: int = 0
    chapters: ChapterChanges = ChapterChanges()
    rename: Rename | None = None
    """None: the novel is not renamed."""
    restored: bool = False
    """The novel had been removed, and readers see it again."""
    afresh: bool = False
    """What is stored under this slug is another novel: it stays removed, or waits to be found under another slug."""
    held_in_a_row: int | None = None
    """See `KnownNovel`; None: unchanged."""
    held_id: str | None = None
    """See `KnownNovel`; None: as before."""
    kept: bool = False
    """See `KnownNovel`."""
    told: bool = False
    """Somebody who wanted to accept what is held is told by this write's result what that is now."""
    has_texts: bool | None = None
    """See `KnownNovel`; None: as before."""
    without_text: int = 0
    """Chapters of the file that have no text, or a notice in its place."""
    accepted: bool = False
    """Somebody confirmed what was held, so that it does not count as lost lately."""
    blank: bool | None = None
    """Readers see the novel, and not one text of it, although its file has something; None: as before."""
    problems: Sequence[Problem] | None = ()
    """The novel's open problems from now on; None: unchanged."""
    withheld: Withheld = NOTHING_WITHHELD
    """What takedowns keep back of the file. It is recorded before this is written."""
    withheld_rows: Sequence[str] = ()
    """The ids of rows that are the same; those that readers see are among the removed ones."""
    hides: bool = False
    """Readers see the novel, which is kept back as a whole."""
    result: NovelResult | None = None
    """Stored in the same transaction, for the run that asked by a message; None: no run did."""
    staged: int = 0
    """In how many parts the texts went ahead; 0: they are here."""

    @property
    def is_new(self) -> bool:
        return self.visible and self.stored is None

    def staged_in(self, parts: int) -> "NovelWrite":
        """The same once its texts went ahead in so many parts; it no longer keeps them in memory."""
        created = [PlacedChapter(each.position, _without_text(each.chapter)) for each in self.chapters.created]
        changed = [replace(each, chapter=_without_text(each.chapter)) for each in self.chapters.changed]
        return replace(self, chapters=replace(self.chapters, created=created, changed=changed), staged=parts)


def _without_text(chapter: BookChapter) -> BookChapter:
    return chapter._replace(raw=_went_ahead)


def _went_ahead() -> bytes:
    raise ValueError("the text is with the database already")


class WriteOutcome(StrEnum):
    """What became of a `NovelWrite` that the database did not refuse."""

    WRITTEN = "written"
    STALE = "stale"
    """The novel's revision is no longer the one that the write was planned on. Nothing was written."""
    TAKEN = "taken"
    """A row that the site itself made has the slug. Nothing was written."""
