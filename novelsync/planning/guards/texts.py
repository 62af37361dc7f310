"""
Which texts of a file must not replace what is stored: those that are `worse`, and those that the whole file speaks
against. Pure.

A stored text is worth keeping if it says something; a placeholder or a page of links defends itself against nothing.
Nor does one that is garbled against one that can be read.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Final

from novelsync.evidence.seen import ALIKE, FEWEST_RUNS, Seen, comparable, likeness
from novelsync.evidence.texts import Texts
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter
from novelsync.planning.guards.worse import PREVIEW, Change, is_split, why_foreign, why_worse
from novelsync.text.formatting import counted

_SAME_PAGE: Final = 0.7
"""Share of what a text says that others say too: then it is a page of the site's, and no chapter."""

_FEWEST_ALIKE: Final = 3
"""Texts that have the same trouble by no chance."""


def guard_texts(
    rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], pairs: Sequence[int | None], texts: Texts
) -> Mapping[int, str]:
    """By row, why its text must stay. ``pairs``: see `pair_chapters`."""
    changes = [
        Change(
            k,
            texts.key_of_chapter(f),
            texts.key_of_row(k),
            old,
            texts.of_chapter(f),
            rows[k].peak_letters,
            texts.novels_with(chapters[f].content_hash) - texts.novels_with(rows[k].content_hash),
        )
        for f, k in enumerate(pairs)
        if k is not None
        and chapters[f].fetched
        and chapters[f].content_hash != rows[k].content_hash
        and texts.key_of_chapter(f) != texts.key_of_row(k)
        and (old := texts.of_row(k)).says_something
    ]
    if not changes:
        return {}
    new = [texts.of_chapter(f) for f in range(len(chapters)) if texts.is_new(f)]
    pages = {
        key for key, times in texts.in_rows.items() if times >= _FEWEST_ALIKE and 2 * times > texts.in_rows.total()
    }
    held = {
        change.k: reason
        for change in changes
        if (reason := why_worse(change, new, was_page=change.own in pages) or why_foreign(change))
    }
    worse = [*held]
    unique = [change for change in changes if change.k not in held and texts.in_rows[change.own] < 2]
    held |= _same_text(unique, texts)
    held |= _same_page([change for change in unique if change.k not in held], new)
    held |= _cut_off([change for change in unique if change.k not in held], changes, new)
    held |= _lost([change for change in unique if change.k not in held], changes, held, texts)
    return {**_in_bad_company(changes, worse), **held}


def _in_bad_company(changes: Sequence[Change], worse: Collection[int]) -> dict[int, str]:
    """Where most new texts of a file are worse, one that has little in common with its own is hardly an edit."""
    if len(worse) < _FEWEST_ALIKE or 2 * len(worse) <= len(changes):
        return {}

    def is_another(change: Change) -> bool:
        can_be_told = min(map(len, comparable(change.old, change.new))) >= FEWEST_RUNS
        return can_be_told and likeness(change.old, change.new) < ALIKE

    others = (change.k for change in changes if change.k not in worse and is_another(change))
    return dict.fromkeys(others, "most of the file's new texts are worse, and this one is not alike")


def _same_text(changes: Sequence[Change], texts: Texts) -> dict[int, str]:
    """Where one text comes in place of different ones, or of one while another chapter has it too."""
    by_key: defaultdict[bytes | None, list[int]] = defaultdict(list)
    for change in changes:
        by_key[change.key].append(change.k)
    return {
        k: f"the file has one text in {texts.in_file[key]:,} chapters"
        for key, ks in by_key.items()
        if texts.in_file[key] > 1
        for k in ks
    }


def _same_page(changes: Sequence[Change], new: Sequence[Seen]) -> dict[int, str]:
    """Where texts say nearly the same, with a title or a number of their own, in place of different ones."""
    now = Counter(run for seen in new for run in seen.runs)
    before = Counter(run for change in changes for run in change.old.runs)

    def shared(seen: Seen, counts: Mapping[int, int]) -> float:
        return sum(counts[run] > 1 for run in seen.runs) / len(seen.runs) if len(seen.runs) >= FEWEST_RUNS else 0.0

    alike = [
        c.k
        for c in changes
        if shared(c.new, now) > _SAME_PAGE and shared(c.old, before) < _SAME_PAGE / 2 and likeness(c.old, c.new) < ALIKE
    ]
    return dict.fromkeys(alike, f"the file has nearly the same text in {counted(len(alike), 'chapter')} or more")


def _cut_off(changes: Sequence[Change], all_: Sequence[Change], new: Sequence[Seen]) -> dict[int, str]:
    """
    Where most texts end about where a page of the site may end: the beginning of one alone may be a revision.

    What several of them have lost is the site's, and no part of a chapter.
    """
    lost: dict[int, Set[int]] = {}
    for change in changes:
        ours, theirs = comparable(change.old, change.new)
        lost[change.k] = ours - theirs
    times = Counter(run for runs in lost.values() for run in runs)

    def is_beginning(change: Change) -> bool:
        ours, theirs = comparable(change.old, change.new)
        own = sum(times[run] == 1 for run in lost[change.k])
        return (
            change.old.start == change.new.start
            and change.new.letters < PREVIEW * change.old.letters
            and len(ours & theirs) > _SAME_PAGE * len(theirs)
            and 2 * own > len(lost[change.k])
            and not is_split(change, new)
        )

    cut = [change.k for change in changes if is_beginning(change)]
    if len(cut) < _FEWEST_ALIKE or 2 * len(cut) <= len(all_):
        return {}
    return dict.fromkeys(cut, f"the file has nothing but the beginning in {counted(len(cut), 'chapter')}")


def _lost(changes: Sequence[Change], all_: Sequence[Change], held: Collection[int], texts: Texts) -> dict[int, str]:
    """
    Where another chapter's text comes in place of one that would then be nowhere.

    If one would be lost, it stays; then what was to come in its place has none either, and so on.
    """
    places = Counter(texts.in_file)
    places.subtract(change.key for change in all_ if change.k in held)
    moved = [change for change in changes if change.key in texts.in_rows]
    left = [change for change in changes if change.key in texts.in_rows or texts.in_file[change.own]]
    by_own: defaultdict[bytes | None, list[Change]] = defaultdict(list)
    for change in left:
        by_own[change.own].append(change)
    lost: dict[int, str] = {}
    waiting = [change for change in left if places[change.own] < 1]
    while waiting:
        change = waiting.pop()
        if change.k in lost:
            continue
        lost[change.k] = "the file has another chapter's text there, and this one nowhere"
        places[change.key] -= 1
        waiting += by_own[change.key] if places[change.key] < 1 else ()
    return lost | _in_circles([change for change in moved if change.k not in lost])


def _in_circles(changes: Sequence[Change]) -> dict[int, str]:
    """Those whose texts only changed places. Nobody can tell which order is the right one, so the stored one stays."""
    next_of = {change.own: change for change in changes}
    circles: dict[int, str] = {}
    visited: set[int] = set()
    for start in changes:
        around: list[Change] = []
        at: Change | None = start
        while at is not None and at.k not in visited:
            visited.add(at.k)
            around.append(at)
            at = next_of.get(at.key)
        circle = around[around.index(at) :] if at in around else []
        why = f"{counted(len(circle), 'text')} changed places under the same labels"
        circles |= {change.k: why for change in circle}
    return circles
