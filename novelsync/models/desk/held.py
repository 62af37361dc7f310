"""What is held of a novel, and what accepting it would do, shown before somebody decides."""

from collections.abc import Sequence

import msgspec

from novelsync.models.report import ChapterDiff


class TextBesideText(msgspec.Struct, frozen=True):
    """A stored text and the one that would replace it, both from where they begin to differ."""

    position: int
    title: str
    old: str
    new: str
    old_letters: int
    """Characters of the whole text."""
    new_letters: int
    skipped: int
    """Characters before ``old`` and ``new``, which are the same in both."""


class GoneChapter(msgspec.Struct, frozen=True):
    """A stored chapter that readers would no longer see."""

    id: str
    position: int
    number: str | None
    title: str
    bytes: int
    """Of its text."""
    beginning: str
    """Of its text; of the first few only."""


class HeldChange(msgspec.Struct, frozen=True):
    """What is held of one novel."""

    slug: str
    title: str
    id: str
    """Names just this; see `novelsync.planning.acceptance`."""
    message: str
    hint: str
    kept: bool
    """Somebody has decided that it stays held."""
    gone: Sequence[GoneChapter]
    """Accepting it hides these."""
    texts: Sequence[TextBesideText]
    """Accepting it replaces these texts, of which there may be more than are here."""
    texts_total: int
    created: int
    """Chapters that come with it."""
    others: Sequence[ChapterDiff]
    """What else changes in chapters: titles, numbers, places."""
    said: str
    """What changes in the novel's own fields; empty if nothing does."""
    chapters_before: int
    chapters_after: int
    pairable: int
    """See `novelsync.models.writing.ChapterChanges`: so many ids would be kept by taking the chapters in order."""


class HeldLook(msgspec.Struct, frozen=True):
    """What a look at a novel's file found."""

    slug: str
    held: HeldChange | None
    """None: nothing is held, or that cannot be told."""
    why: str
    """Why it cannot be told, as a clause; empty otherwise."""
