"""
What is too dangerous to be done because a file or a listing says so. Pure: each guard answers with the reason, or with
nothing if it may be done.

A crawler that breaks writes files that are valid and wrong: without chapters, with error pages for texts. A disk that
is not mounted lists as an empty folder. Nothing tells such a file or listing from one that is meant, but how much goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

from novelsync.models.problems import HeldRemovals
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter
from novelsync.planning.placeholders import placeholder_in
from novelsync.text.formatting import counted, quoted

FEWEST_NOVELS: Final = 2
FEWEST_CHAPTERS: Final = 5
"""So few may always go, as long as they are not all: a share of a small number says nothing."""

WORTH_KEEPING: Final = 500
"""Characters. A shorter text may shrink to anything."""

SHRINKS_TO: Final = 5
"""A text that is worth keeping is not replaced by one of less than one part in so many."""

PATIENCE: Final = 3
"""So many files in a row that lack chapters look like a crawler that writes only the new ones."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go without being asked for."""

    removals: float = 0.1
    """Of the stored novels, within 24 hours."""
    chapter_removals: float = 0.3
    """Of a novel's published chapters, by one file."""
    grace: float = 5400
    """Seconds that a novel has to be missing; two hourly listings do not have it then."""


DEFAULT_LIMITS: Final = Limits()


def guard_chapters(published: int, gone: Sequence[KnownChapter], limit: float) -> str:
    """Whether ``gone`` rows of a novel with so many published chapters must stay. ``limit``: see `Limits`."""
    if not gone or not (len(gone) == published or (len(gone) >= FEWEST_CHAPTERS and len(gone) > limit * published)):
        return ""
    over = "" if len(gone) == published else f", over the limit of {limit:.0%}"
    return (
        f"{len(gone):,} of {counted(published, 'chapter')} are no longer in the file{over}; they stay published,"
        f" the first: {quoted(gone[0].title)}"
    )


def guard_text(row: KnownChapter, chapter: BookChapter) -> str:
    """Whether the row's text must stay, because the file's is no better."""
    if row.content_bytes == 0 or (row.short_text is not None and placeholder_in(row.short_text)):
        return ""
    text = chapter.text()
    if phrase := placeholder_in(text):
        return f"the file has a placeholder, {quoted(phrase)}"
    # Long texts are compared in bytes: to count their characters, the database would have to unpack them.
    old, new = row.content_bytes, chapter.content_bytes
    if row.short_text is not None:
        old, new = len(row.short_text), len(text)
        if old < WORTH_KEEPING:
            return ""
    if new * SHRINKS_TO < old:
        unit = "characters" if row.short_text is not None else "bytes"
        return f"the file has {new:,} {unit} in place of {old:,}"
    return ""


def guard_removals(missing: int, stored: int, removed_lately: int, limit: float) -> HeldRemovals | None:
    """
    Whether all of the ``missing`` novels must stay.

    ``stored``: novels that readers see, the missing ones included; ``removed_lately``: novels removed in the last
    24 hours, which readers saw then; ``limit``: see `Limits`.
    """
    gone, all_ = missing + removed_lately, stored + removed_lately
    if not missing or not (missing == stored or (gone >= FEWEST_NOVELS and gone > limit * all_)):
        return None
    share = f"{missing:,} of {counted(stored, 'novel')} {'are' if missing > 1 else 'is'}"
    lately = f", after {removed_lately:,} that were removed in the last 24 hours" if removed_lately else ""
    over = "" if missing == stored else f", over the limit of {limit:.0%}"
    return HeldRemovals(
        missing,
        f"{share} no longer in storage{lately}{over}; none is removed",
        "is NOVELSYNC_STORAGE right, mounted and complete? If they are meant to go:"
        f" `novelsync sync --accept-removals {missing}`",
    )


def accept_hint(slug: str, held_in_a_row: int) -> str:
    """What to do about a held novel; ``held_in_a_row``: files in a row that lacked chapters."""
    hint = f"if this is meant: `novelsync sync --accept {quote(slug)}`"
    if held_in_a_row >= PATIENCE:
        hint += (
            "; a file is taken as the whole novel, so a crawler that writes only new chapters must write all of them"
        )
    return hint
