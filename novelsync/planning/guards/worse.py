"""A text beside the one that it would replace: why it is worse, whatever else is in the file. Pure."""

from collections.abc import Sequence, Set
from typing import Final, NamedTuple

from novelsync.evidence.seen import ALIKE, FEWEST_RUNS, Seen, comparable, likeness
from novelsync.text.formatting import quoted

_MOST_SHRINKING: Final = 0.3
"""A text is not replaced by one that says less than this share of it: previews show a tenth to a quarter."""

PREVIEW: Final = 0.6
_OFPREVIEW: Final = 0.35
"""Shares of a text: less than it says that a preview says, with and without what is written below it."""

_FEWEST_TO_BEGIN: Final = 20
"""Characters that are the same where two texts begin alike."""

_FEWEST_LETTERS: Final = 100
"""A text of fewer letters may shrink to anything that is seen."""

_MOST_GARBLED: Final = 0.01
"""Share of a text's letters."""

_GARBLED_ALL_OVER: Final = 0.1
"""Such a text cannot be read. One in which but the quotation marks are garbled can."""

_SPLIT: Final = 0.5
"""Share of what a text lost that has to be in other new texts: then it was split, and not cut."""


class Change(NamedTuple):
    """A row whose text the file would replace."""

    k: int
    key: bytes | None
    """See `Texts.key_of_chapter`."""
    own: bytes | None
    """That of the text that it has."""
    old: Seen
    new: Seen
    peak: int
    """The most letters that it had within a day."""
    novels: Set[str]
    """Slugs of other novels that have the text of the file, and not the one that it would replace."""


def why_worse(change: Change, new: Sequence[Seen], *, was_page: bool) -> str:
    """
    Why the file's text is worse than the one that it would replace, whatever else is in the file; empty: it is not.

    ``was_page``: most chapters have that one, which so is none of theirs.
    """
    old, now = change.old, change.new
    most = max(old.letters, change.peak)
    if now.notice:
        return f"the file has {now.notice}"
    if now.garbled > max(_MOST_GARBLED, 4 * old.garbled):
        return f"{now.garbled:.0%} of the file's cannot be read, as U+FFFD or in a wrong encoding"
    if was_page or most < _FEWEST_LETTERS or old.garbled > max(_GARBLED_ALL_OVER, 4 * now.garbled):
        return ""
    if now.letters < _MOST_SHRINKING * most and not is_split(change, new):
        lately = ", within a day" if most > old.letters else ""
        return f"the file shows {now.letters:,} letters in place of {most:,}{lately}"
    if _is_preview(change) and not is_split(change, new):
        return f"the file has the beginning of it, {now.letters:,} letters in place of {most:,}"
    if old.script and now.script and old.script != now.script and now.letters >= _FEWEST_LETTERS:
        return f"the file's is in another script, {now.script} in place of {old.script}"
    return ""


def why_foreign(change: Change) -> str:
    """Why the file's text is another novel's; empty: nothing says so."""
    if change.novels and change.new.tells and likeness(change.old, change.new) < ALIKE:
        return f"the file has a text of another novel, {quoted(min(change.novels))}"
    return ""


def _is_preview(change: Change) -> bool:
    """
    Whether it begins alike and soon ends, or goes on with something else: a sign that says who may read on.

    Before the beginning may be a heading.
    """
    ours, theirs = comparable(change.old, change.new)
    return (
        _begins_alike(change.old.start, change.new.start)
        and change.new.letters < PREVIEW * change.old.letters
        and len(ours) >= FEWEST_RUNS
        and len(ours & theirs) < _OFPREVIEW * len(ours)
    )


def _begins_alike(old: str, new: str) -> bool:
    """``new`` may have a heading first, so short that some of the beginning still follows in what is compared."""
    return old == new or any(old.startswith(new[at:]) for at in range(len(new) - _FEWEST_TO_BEGIN))


def is_split(change: Change, new: Sequence[Seen]) -> bool:
    """Whether other new texts have what this one no longer says."""
    ours, kept = comparable(change.old, change.new)
    lost = ours - kept
    elsewhere = {run for seen in new if seen is not change.new for run in lost & comparable(change.old, seen)[1]}
    return len(lost) >= FEWEST_RUNS / 2 and len(elsewhere) >= _SPLIT * len(lost)
