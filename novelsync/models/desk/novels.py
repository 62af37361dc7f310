"""A page of novels, and one novel with its chapters and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec


class Show(StrEnum):
    """Which novels a page is of."""

    ALL = "all"
    """Those that readers see."""
    HELD = "held"
    REFUSED = "refused"
    DIFFERS = "differs"
    WARNING = "warning"
    MISSING = "missing"
    """The storage no longer has them, and readers still see them."""
    WITHOUT_TEXT = "without-text"
    """Readers see no text at all, although their files have something."""
    REMOVED = "removed"


class Sort(StrEnum):
    """What comes first on a page of novels."""

    UPDATED = "updated"
    """Something that readers see changed last."""
    ADDED = "added"
    """A chapter was added last."""
    TITLE = "title"
    CHAPTERS = "chapters"


@dataclass(frozen=True, slots=True)
class NovelQuery:
    """A question for a page of novels."""

    show: Show = Show.ALL
    search: str = ""
    """Has to be in the slug, the title or the author, in any case."""
    sort: Sort = Sort.UPDATED
    after: str | None = None
    """The slug of the last novel on the page before; None: this is the first page."""
    limit: int = 50


class NovelRow(msgspec.Struct, frozen=True):
    """A novel on a page of many. What is None is not known, and all of it is if nothing is stored of the novel."""

    slug: str
    known: bool
    """False: the site made its row itself, and nothing else is known of it."""
    title: str | None
    author: str | None
    status: str | None
    chapters: int | None
    """Those that readers see."""
    updated_at: datetime | None
    last_chapter_at: datetime | None
    missing_since: datetime | None
    removed_at: datetime | None
    problems: Sequence[str]
    """Their kinds."""


class NovelPage(msgspec.Struct, frozen=True):
    """Some of the novels that a `NovelQuery` is about."""

    total: int
    """On all pages."""
    novels: Sequence[NovelRow]
    next: str | None
    """The slug after which the next page begins; None: this is the last."""
    counts: Mapping[str, int]
    """How many novels there are for each `Show`."""


class StoredFields(msgspec.Struct, frozen=True):
    """The columns of a novel; long ones are cut."""

    id: str
    title: str
    author: str | None
    status: str | None
    description: str | None
    cover_url: str | None
    created_at: datetime
    updated_at: datetime
    last_chapter_at: datetime | None


class NovelProblem(msgspec.Struct, frozen=True):
    """One of a novel's open problems."""

    kind: str
    message: str
    hint: str
    since: datetime


class ChapterRow(msgspec.Struct, frozen=True):
    """A chapter that readers see."""

    id: str
    position: int
    volume: str | None
    number: str | None
    title: str
    bytes: int
    """Of its text; 0: it has none."""
    updated_at: datetime


class NovelChange(msgspec.Struct, frozen=True):
    """What one write did to a novel, as the change feed tells it."""

    run_id: str | None
    """None: an event, or a command for this novel alone."""
    at: datetime
    added: int
    """Chapters, like the next three."""
    changed: int
    removed: int
    restored: int
    novel: Sequence[str]
    """What happened to the novel as a whole: names of its fields, or ``added``, ``removed``, ``restored``."""
    titles: Sequence[str]
    """Of the first few of these chapters."""


class NovelDetail(msgspec.Struct, frozen=True):
    """All that is known of one novel, with a page of its chapters."""

    slug: str
    first_seen: datetime
    missing_since: datetime | None
    removed_at: datetime | None
    held: str
    """The id of what is held, which whoever accepts it names; empty: nothing is."""
    kept: bool
    """Somebody has decided that what is held stays."""
    held_since: datetime | None
    has_texts: bool
    """Its texts are files of their own."""
    fields: StoredFields | None
    """None: nothing is stored of it."""
    problems: Sequence[NovelProblem]
    chapters_total: int
    chapters_with_text: int
    removed_chapters: int
    chapters: Sequence[ChapterRow]
    """A page of them."""
    changes: Sequence[NovelChange]
    """The last ones, the newest first."""
    next: int | None = None
    """The position after which the next page of chapters begins; None: this is the last."""
