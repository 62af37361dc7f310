"""
Changes that are too dangerous to make without asking. Pure: each guard returns the reason, or nothing if there is none.

A broken crawler writes files that are valid and wrong: without chapters, or with error pages in place of texts. A disk
that is not mounted lists as an empty folder. Only the amount that would go tells them from what is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from novelsync.models.problems import HeldRemovals
from novelsync.models.stored import KnownChapter
from novelsync.planning.acceptance import named, removals_id
from novelsync.text.formatting import counted, quoted

FEWEST_NOVELS: Final = 2
FEWEST_CHAPTERS: Final = 5
"""Fewer may always go, unless they are all: a share of a small number says nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be removed without anybody's confirmation."""

    removals: float = 0.1
    """Share of the stored novels, from 0 to 1, within 24 hours."""
    chapter_removals: float = 0.3
    """Share of a novel's published chapters, from 0 to 1, within 24 hours."""
    grace: float = 5400
    """Seconds that a novel has to be missing before it is removed: two hourly listings lack it by then."""


DEFAULT_LIMITS: Final = Limits()


def guard_chapters(published: int, gone: Sequence[KnownChapter], lately: int, limit: float) -> str:
    """
    Why the ``gone`` rows of a novel with so many ``published`` chapters must stay; empty if they may go.

    ``lately``: how many more were removed in the last 24 hours.
    """
    all_gone, all_ = len(gone) + lately, published + lately
    if not gone or not (len(gone) == published or (all_gone >= FEWEST_CHAPTERS and all_gone > limit * all_)):
        return ""
    since = f", after {lately:,} that were removed in the last 24 hours" if lately else ""
    over = "" if len(gone) == published else f", over the limit of {limit:.0%}"
    return (
        f"{len(gone):,} of {counted(published, 'chapter')} are no longer in the file{since}{over}; they stay published,"
        f" the first: {quoted(gone[0].title)}"
    )


def guard_removals(slugs: Sequence[str], stored: int, removed_lately: int, limit: float) -> HeldRemovals | None:
    """
    Why none of the missing novels may be removed; None if all may.

    ``slugs``: the missing ones. ``stored``: published novels, those included. ``removed_lately``: novels removed in the
    last 24 hours.
    """
    missing = len(slugs)
    gone, all_ = missing + removed_lately, stored + removed_lately
    if not missing or not (missing == stored or (gone >= FEWEST_NOVELS and gone > limit * all_)):
        return None
    share = f"{missing:,} of {counted(stored, 'novel')} {'are' if missing > 1 else 'is'}"
    lately = f", after {removed_lately:,} that were removed in the last 24 hours" if removed_lately else ""
    over = "" if missing == stored else f", over the limit of {limit:.0%}"
    id_ = removals_id(slugs)
    return HeldRemovals(
        missing,
        f"{share} no longer in storage{lately}{over}; none is removed",
        f"is NOVELSYNC_STORAGE right, mounted and complete? Missing: {named(slugs)}. If they are meant to go:"
        f" `novelsync sync --accept-removals {missing}={id_}`",
        id_,
    )
