"""What is to change in the tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from novelsync.models.problems import Problem
from novelsync.models.results import NovelResult
from novelsync.models.source import BookChapter, NovelFields
from novelsync.models.stored import KnownChapter


class PlacedChapter(NamedTuple):
    """A chapter of the file that is new to the table, and where it goes."""

    position: int
    chapter: BookChapter


@dataclass(frozen=True, slots=True)
class ChangedChapter:
    """A stored chapter whose title, number, url or text becomes the file's, or that comes back."""

    row: KnownChapter
    position: int
    chapter: BookChapter
    new_text: bool
    """False: the stored text stays, because it is the same, the file has none yet, or a worse one."""


@dataclass(frozen=True, slots=True)
class MovedChapter:
    """A stored chapter that only changes its place."""

    row: KnownChapter
    position: int


class Rename(NamedTuple):
    """The slug a novel had before its folder was renamed, and its revision under it."""

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
    """Published rows that the file no longer has, and that stay."""
    held_texts: Sequence[KnownChapter] = ()
    """Rows whose text stays, because the file's is worse."""

    @property
    def visible(self) -> bool:
        """Whether readers see any of it."""
        return bool(self.created or self.changed or self.moved or self.removed)

    @property
    def text_bytes(self) -> int:
        """Bytes of text that have to be sent."""
        return sum(c.chapter.content_bytes for c in self.created) + sum(
            c.chapter.content_bytes for c in self.changed if c.new_text
        )


@dataclass(frozen=True, slots=True)
class NovelWrite:
    """Everything one novel's write consists of, planned on one revision of it."""

    slug: str
    request_id: str
    """The same id sent again is answered, not carried out, so that a retry after a lost answer is harmless."""
    revision: int
    version: str
    checksum: str
    visible: bool
    """False: only the bookkeeping moves."""
    stored: NovelFields | None = None
    """The columns as they are; None for a new novel."""
    fields: NovelFields | None = None
    """The columns as they are to be; None: they stay."""
    chapter_count: int = 0
    chapters: ChapterChanges = ChapterChanges()
    rename: Rename | None = None
    """None: the novel keeps its slug."""
    restored: bool = False
    """Readers did not see the novel any more, and see it again."""
    afresh: bool = False
    """What was removed under this slug was another novel, and is left as it is."""
    held_in_a_row: int | None = None
    """See `KnownNovel`; None: as before."""
    problems: Sequence[Problem] | None = ()
    """The novel's open problems from now on; None: the same as before."""
    result: NovelResult | None = None
    """Stored with the novel for the run that asked for this write by a message; None: none did."""

    @property
    def is_new(self) -> bool:
        return self.visible and self.stored is None


class WriteOutcome(StrEnum):
    """What became of a `NovelWrite` that the database did not refuse."""

    WRITTEN = "written"
    STALE = "stale"
    """The novel has another revision than the write was planned on; nothing of it was done."""
    TAKEN = "taken"
    """A row of the site's own has the slug; nothing of it was done."""
