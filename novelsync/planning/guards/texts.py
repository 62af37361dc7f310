"""
Texts that are worse than what they would replace, and files of another novel. Pure: a guard returns the reason, or
nothing.

A stored text is worth keeping if it says something; a placeholder or a page of links defends itself against nothing.
Nor does one that is garbled against one that can be read.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Final, NamedTuple

from novelsync.evidence.seen import ALIKE, FEWEST_RUNS, Seen, comparable, likeness
from novelsync.evidence.texts import Texts
from novelsync.models.source import Book, BookChapter
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.planning.recognition.renames import is_another
from novelsync.text.formatting import counted, quoted

_MOST_SHRINKING: Final = 0.3
"""A text is not replaced by one that says less than this share of it: previews show a tenth to a quarter."""

_PREVIEW: Final = 0.6
_OF_PREVIEW: Final = 0.35
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

_SAME_PAGE: Final = 0.7
"""Share of what a text says that others say too: then it is a page of the site's, and no chapter."""

_FEWEST_ALIKE: Final = 3
"""Texts that have the same trouble by no chance."""

_FEWEST_OF_A_NOVEL: Final = 3
"""Texts that a novel must have, to be told from another."""


class _Change(NamedTuple):
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


def guard_texts(
    rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], pairs: Sequence[int | None], texts: Texts
) -> Mapping[int, str]:
    """By row, why its text must stay. ``pairs``: see `pair_chapters`."""
    changes = [
        _Change(
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
        if (reason := _worse(change, new, was_page=change.own in pages) or _of_other_novel(change))
    }
    worse = [*held]
    unique = [change for change in changes if change.k not in held and texts.in_rows[change.own] < 2]
    held |= _same_text(unique, texts)
    held |= _same_page([change for change in unique if change.k not in held], new)
    held |= _cut_off([change for change in unique if change.k not in held], changes, new)
    held |= _lost([change for change in unique if change.k not in held], changes, held, texts)
    return {**_in_bad_company(changes, worse), **held}


def _worse(change: _Change, new: Sequence[Seen], *, was_page: bool) -> str:
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
    if now.letters < _MOST_SHRINKING * most and not _is_split(change, new):
        lately = ", within a day" if most > old.letters else ""
        return f"the file shows {now.letters:,} letters in place of {most:,}{lately}"
    if _is_preview(change) and not _is_split(change, new):
        return f"the file has the beginning of it, {now.letters:,} letters in place of {most:,}"
    if old.script and now.script and old.script != now.script and now.letters >= _FEWEST_LETTERS:
        return f"the file's is in another script, {now.script} in place of {old.script}"
    return ""


def _in_bad_company(changes: Sequence[_Change], worse: Collection[int]) -> dict[int, str]:
    """Where most new texts of a file are worse, one that has little in common with its own is hardly an edit."""
    if len(worse) < _FEWEST_ALIKE or 2 * len(worse) <= len(changes):
        return {}

    def is_another(change: _Change) -> bool:
        can_be_told = min(map(len, comparable(change.old, change.new))) >= FEWEST_RUNS
        return can_be_told and likeness(change.old, change.new) < ALIKE

    others = (change.k for change in changes if change.k not in worse and is_another(change))
    return dict.fromkeys(others, "most of the file's new texts are worse, and this one is not alike")


def _of_other_novel(change: _Change) -> str:
    if change.novels and change.new.tells and likeness(change.old, change.new) < ALIKE:
        return f"the file has a text of another novel, {quoted(min(change.novels))}"
    return ""


def _is_preview(change: _Change) -> bool:
    """
    Whether it begins alike and soon ends, or goes on with something else: a sign that says who may read on.

    Before the beginning may be a heading.
    """
    ours, theirs = comparable(change.old, change.new)
    return (
        _begins_alike(change.old.start, change.new.start)
        and change.new.letters < _PREVIEW * change.old.letters
        and len(ours) >= FEWEST_RUNS
        and len(ours & theirs) < _OF_PREVIEW * len(ours)
    )


def _begins_alike(old: str, new: str) -> bool:
    """``new`` may have a heading first, so short that some of the beginning still follows in what is compared."""
    return old == new or any(old.startswith(new[at:]) for at in range(len(new) - _FEWEST_TO_BEGIN))


def _is_split(change: _Change, new: Sequence[Seen]) -> bool:
    """Whether other new texts have what this one no longer says."""
    ours, kept = comparable(change.old, change.new)
    lost = ours - kept
    elsewhere = {run for seen in new if seen is not change.new for run in lost & comparable(change.old, seen)[1]}
    return len(lost) >= FEWEST_RUNS / 2 and len(elsewhere) >= _SPLIT * len(lost)


def _same_text(changes: Sequence[_Change], texts: Texts) -> dict[int, str]:
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


def _same_page(changes: Sequence[_Change], new: Sequence[Seen]) -> dict[int, str]:
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


def _cut_off(changes: Sequence[_Change], all_: Sequence[_Change], new: Sequence[Seen]) -> dict[int, str]:
    """
    Where most texts end about where a page of the site may end: the beginning of one alone may be a revision.

    What several of them have lost is the site's, and no part of a chapter.
    """
    lost: dict[int, Set[int]] = {}
    for change in changes:
        ours, theirs = comparable(change.old, change.new)
        lost[change.k] = ours - theirs
    times = Counter(run for runs in lost.values() for run in runs)

    def is_beginning(change: _Change) -> bool:
        ours, theirs = comparable(change.old, change.new)
        own = sum(times[run] == 1 for run in lost[change.k])
        return (
            change.old.start == change.new.start
            and change.new.letters < _PREVIEW * change.old.letters
            and len(ours & theirs) > _SAME_PAGE * len(theirs)
            and 2 * own > len(lost[change.k])
            and not _is_split(change, new)
        )

    cut = [change.k for change in changes if is_beginning(change)]
    if len(cut) < _FEWEST_ALIKE or 2 * len(cut) <= len(all_):
        return {}
    return dict.fromkeys(cut, f"the file has nothing but the beginning in {counted(len(cut), 'chapter')}")


def _lost(changes: Sequence[_Change], all_: Sequence[_Change], held: Collection[int], texts: Texts) -> dict[int, str]:
    """
    Where another chapter's text comes in place of one that would then be nowhere.

    If one would be lost, it stays; then what was to come in its place has none either, and so on.
    """
    places = Counter(texts.in_file)
    places.subtract(change.key for change in all_ if change.k in held)
    moved = [change for change in changes if change.key in texts.in_rows]
    left = [change for change in changes if change.key in texts.in_rows or texts.in_file[change.own]]
    by_own: defaultdict[bytes | None, list[_Change]] = defaultdict(list)
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


def _in_circles(changes: Sequence[_Change]) -> dict[int, str]:
    """Those whose texts only changed places. Nobody can tell which order is the right one, so the stored one stays."""
    next_of = {change.own: change for change in changes}
    circles: dict[int, str] = {}
    visited: set[int] = set()
    for start in changes:
        around: list[_Change] = []
        at: _Change | None = start
        while at is not None and at.k not in visited:
            visited.add(at.k)
            around.append(at)
            at = next_of.get(at.key)
        circle = around[around.index(at) :] if at in around else []
        why = f"{counted(len(circle), 'text')} changed places under the same labels"
        circles |= {change.k: why for change in circle}
    return circles


def guard_labels(
    rows: Sequence[KnownChapter], chapters: Sequence[BookChapter], pairs: Sequence[int | None]
) -> Mapping[int, str]:
    """By row, why its labels must stay: the file has no text for it, and calls it nothing, or as many others."""
    before = Counter(row.title for row in rows if not row.removed)
    now = Counter(chapter.title for chapter in chapters)
    return {
        k: "the file has neither text nor number for it, nor a title of its own"
        for f, k in enumerate(pairs)
        if k is not None
        and not chapters[f].fetched
        and chapters[f].number is None
        and (rows[k].number is not None or (rows[k].title and before[rows[k].title] < 2))
        and (not chapters[f].title or now[chapters[f].title] > max(1, before[chapters[f].title]))
    }


def guard_novel(base: KnownNovel, book: Book, pairs: Sequence[int | None], texts: Texts) -> str:
    """Why the file looks like another novel's: nothing but numbers speaks for this one. Empty: it does not."""
    stored = sum(bool(row.content_bytes) and not row.removed for row in base.chapters)
    found = sum(chapter.fetched for chapter in book.chapters)
    if base.fields is None or min(stored, found) < _FEWEST_OF_A_NOVEL or not is_another(book, base):
        return ""
    if any(k is not None and texts.are_alike(k, f) for f, k in enumerate(pairs)):
        return ""
    by = f" by {quoted(book.author)}" if isinstance(book.author, str) and book.author != base.fields.author else ""
    return (
        f"the file is another novel's, {quoted(book.title)}{by}: it has no text, url or chapter's name"
        f" of {quoted(base.fields.title)}; nothing of it is taken"
    )
