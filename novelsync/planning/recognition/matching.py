"""
Which chapter of the file is which row of the table. Pure; what becomes of unpaired ones is decided elsewhere.

A chapter's id has to survive a new title, number, url or text, chapters inserted before it, and any reordering. So what
speaks for "the same" is asked from the strongest to the weakest, each time only among what is still unpaired:

1. url, number and a title that says more than the number, all together; a text that tells (see `evidence.texts`);
2. a text that is much alike, edited or with a mark of its site in it: first with a label, then alone;
3. one label, unless the neighbours show that labels have moved on by a chapter;
4. being alike in everything and next to a pair; the place between two pairs; one label after all.

Throughout, ``k`` is the index of a row, and ``f`` that of a chapter of the file.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from novelsync.evidence.labels import (
    Chapter,
    Names,
    labels,
    number,
    number_and_title,
    telling_volumes,
    title,
    url,
    within_volumes,
)
from novelsync.evidence.seen import ALIKE, FEWEST_RUNS, comparable
from novelsync.evidence.texts import Texts
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter

_COMMON: Final = 3
"""What more texts than these say ("Translated by …") tells none of them."""

_CLEARLY: Final = 1.5
"""So many times as much as the second best."""

_Pairs: TypeAlias = list[int | None]
"""See `pair_chapters`; each step fills in more of it."""


class _Sign(NamedTuple):
    """What may be equal on both sides; None for those that do not have it."""

    of_rows: Sequence[Hashable]
    of_chapters: Sequence[Hashable]


def pair_chapters(
    known: Sequence[KnownChapter], found: Sequence[BookChapter], texts: Texts | None = None
) -> list[int | None]:
    """
    For each chapter of the file, the index of its row in ``known``, or None if it is new.

    ``known`` has the published rows in the order of their positions, then the removed ones. A removed row is paired
    only where no published row has a stronger sign, and never for its place, its number or a notice alone. ``texts``:
    of these; None: the rows' texts are compared by their bytes.
    """
    pairs: _Pairs = [None] * len(found)
    if not known:
        return pairs
    texts = texts or Texts(known, found)
    published = [k for k, row in enumerate(known) if not row.removed]
    removed = [k for k, row in enumerate(known) if row.removed]
    text = _Sign([texts.key_of_row(k) for k in range(len(known))], [texts.key_of_chapter(f) for f in range(len(found))])
    _pair_untouched(known, published, found, pairs, text)
    if None not in pairs:
        return pairs

    def sign(of: Callable[[Chapter], Hashable]) -> _Sign:
        return _Sign(list(map(of, known)), list(map(of, found)))

    volumes = telling_volumes(known, found)
    urls = sign(url)
    numbers, titles, numbers_and_titles = (
        sign(within_volumes(label, volumes)) for label in (number, title, number_and_title)
    )

    def tells(_k: int, f: int) -> bool:
        return texts.tells(f)

    ours, theirs = Names(known), Names(found)
    words = _Sign(ours.words, theirs.words)
    _pair_by_sign(published, pairs, _together(urls, numbers, _Sign(ours.names, theirs.names)))
    _pair_by_sign(published, pairs, text, also=tells)
    # Of a chapter that lost its text, a url is all that is left to tell it by.
    _pair_by_sign(published, pairs, _together(urls, titles), also=lambda _k, f: not found[f].fetched)
    for label in (urls, numbers_and_titles, titles):
        _pair_by_sign(published, pairs, label, also=texts.are_alike)
    _pair_alike(published, pairs, texts)
    told = {k: f for f, k in enumerate(pairs) if k is not None}
    # A removed chapter that is back with its text is that chapter, whatever else it has of others.
    _pair_by_sign(removed, pairs, text, also=tells)
    for label in (urls, numbers_and_titles):
        _pair_by_sign(_trusted(published, told, label), pairs, label)
    _pair_by_sign(published, pairs, text, copies=True, also=tells)
    for label in (words, titles, numbers):
        _pair_by_sign(_trusted(published, told, label), pairs, label)
    _pair_twins(published, pairs, _together(text, _Sign(list(map(labels, known)), list(map(labels, found)))))
    _pair_neighbours(known, len(published), found, pairs, _alike)
    _pair_by_sign(removed, pairs, urls)
    _pair_by_place(len(published), pairs)
    _pair_neighbours(known, len(published), found, pairs, _alike_but_for_text)
    # A number alone brings nothing back: a notice that was removed may have had it.
    for candidates, weaker in (
        (published, (words, titles, numbers)),
        (removed, (words, titles)),
    ):
        for label in (urls, numbers_and_titles):
            _pair_by_sign(candidates, pairs, label)
        _pair_by_sign(candidates, pairs, text, copies=True, also=tells)
        for label in weaker:
            _pair_by_sign(candidates, pairs, label)
    return pairs


def are_strangers(row: KnownChapter, chapter: BookChapter) -> bool:
    """Whether a row and a chapter share neither text nor label, although they have labels to compare."""
    compared = [(was, now) for was, now in zip(labels(row), labels(chapter), strict=True) if None not in (was, now)]
    return bool(compared) and all(was != now for was, now in compared) and row.content_hash != chapter.content_hash


def _together(*signs: _Sign) -> _Sign:
    """All of them as one; None where one is missing."""

    def each(*values: Hashable) -> Hashable:
        return None if None in values else values

    return _Sign(
        list(map(each, *(sign.of_rows for sign in signs))), list(map(each, *(sign.of_chapters for sign in signs)))
    )


def _pair_untouched(
    known: Sequence[KnownChapter], published: Sequence[int], found: Sequence[BookChapter], pairs: _Pairs, text: _Sign
) -> None:
    """Pairs what has the same labels and a text that no other has: nearly always that is nearly everything."""

    def same(k: int, f: int) -> bool:
        return labels(known[k]) == labels(found[f])

    for ks, fs in _sharing(published, pairs, text):
        if len(ks) == len(fs) == 1 and same(ks[0], fs[0]):
            pairs[fs[0]] = ks[0]


def _pair_by_sign(
    candidates: Sequence[int],
    pairs: _Pairs,
    sign: _Sign,
    *,
    copies: bool = False,
    also: Callable[[int, int], bool] | None = None,
) -> None:
    """
    Pairs what has the same sign, where it is unique among what is unpaired on either side.

    ``copies``: also where a sign repeats equally often on both sides; those that have it are paired in order. ``also``:
    what else must be true of a row and a chapter.
    """
    paired = set(pairs)
    for ks, fs in _sharing([k for k in candidates if k not in paired], pairs, sign):
        if len(ks) == len(fs) and (copies or len(ks) == 1) and (also is None or also(ks[0], fs[0])):
            for k, f in zip(ks, fs, strict=True):
                pairs[f] = k


def _pair_twins(candidates: Sequence[int], pairs: _Pairs, sign: _Sign) -> None:
    """Pairs in order what is the same in everything, as many as there are on both sides: a list may be doubled."""
    paired = set(pairs)
    for ks, fs in _sharing([k for k in candidates if k not in paired], pairs, sign):
        for k, f in zip(ks, fs, strict=False):
            pairs[f] = k


def _sharing(left: Sequence[int], pairs: _Pairs, sign: _Sign) -> Iterable[tuple[list[int], list[int]]]:
    """For each sign the indices of those that have it, in order; None is no sign."""
    by_sign: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k in left:
        by_sign[sign.of_rows[k]][0].append(k)
    for f, paired in enumerate(pairs if left else ()):
        if paired is None:
            by_sign[sign.of_chapters[f]][1].append(f)
    by_sign.pop(None, None)
    return by_sign.values()


def _pair_alike(published: Sequence[int], pairs: _Pairs, texts: Texts) -> None:
    """Pairs each text with the one that it has clearly more in common with than with any other, on either side."""
    paired = set(pairs)
    ks = [k for k in published if k not in paired and texts.was_seen(k)]
    fs = [f for f, k in enumerate(pairs) if k is None and texts.is_new(f)] if ks else []
    common: dict[tuple[int, int], int] = {}
    holders = _holders({k: texts.of_row(k).runs for k in ks})
    for run, in_file in _holders({f: texts.of_chapter(f).runs for f in fs}).items():
        for k in holders.get(run, ()):
            for f in in_file:
                common[k, f] = common.get((k, f), 0) + 1
    best_of_rows, best_of_chapters = _clearly_best(common), _clearly_best({(f, k): n for (k, f), n in common.items()})
    for k, f in best_of_rows.items():
        if best_of_chapters.get(f) == k and common[k, f] >= FEWEST_RUNS:
            ours, theirs = comparable(texts.of_row(k), texts.of_chapter(f))
            if common[k, f] >= ALIKE * min(len(ours), len(theirs)):
                pairs[f] = k


def _holders(runs: Mapping[int, Iterable[int]]) -> Mapping[int, Sequence[int]]:
    """By each run that tells something, the indices of the texts that have it."""
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for index, some in runs.items():
        for run in some:
            holders[run].append(index)
    return {run: indices for run, indices in holders.items() if len(indices) <= _COMMON}


def _clearly_best(common: Mapping[tuple[int, int], int]) -> Mapping[int, int]:
    """For each left one the right one that it has most in common with, if no other comes near."""
    best: dict[int, tuple[int, int, int]] = {}
    for (left, right), count in common.items():
        first, _, second = best.get(left, (0, -1, 0))
        if count > first:
            best[left] = count, right, first
        else:
            best[left] = first, best[left][1], max(count, second)
    return {left: right for left, (count, right, second) in best.items() if count >= _CLEARLY * second}


def _trusted(published: Sequence[int], told: Mapping[int, int], label: _Sign) -> list[int]:
    """
    The published rows without those between two neighbours whose label has moved on.

    After a chapter was inserted before them, "Chapter 5" may be the title of what was the fourth. The neighbours are
    the nearest rows that were ``told``: it has the chapter's index for the row's. A label that is new, and replaces one
    that nobody has any more, has not moved.
    """
    before, after = set(label.of_rows), set(label.of_chapters)
    trusted: list[int] = []
    between: list[int] = []
    left_changed: bool | None = None
    for k in published:
        if k not in told:
            between.append(k)
            continue
        if between or k + 1 not in told:
            was, now = label.of_rows[k], label.of_chapters[told[k]]
            changed = was != now and (was in after or now in before)
            trusted += [] if changed and left_changed is not False else between
            left_changed, between = changed, []
    return trusted + ([] if left_changed else between)


def _pair_neighbours(
    known: Sequence[KnownChapter],
    published: int,
    found: Sequence[BookChapter],
    pairs: _Pairs,
    alike: Callable[[KnownChapter, BookChapter], bool],
) -> None:
    """
    Pairs what is ``alike`` and comes right after a pair, or right before one; the ends count as pairs.

    This keeps the ids of chapters that nothing tells apart: untitled poems, a novel whose texts are not fetched yet.
    """
    paired = {k for k in pairs if k is not None}
    for step, first, end in ((1, 0, -1), (-1, len(found) - 1, published)):
        neighbour: int | None = end
        for f in range(first, len(found) if step == 1 else -1, step):
            if (
                pairs[f] is None
                and neighbour is not None
                and 0 <= (k := neighbour + step) < published
                and k not in paired
                and alike(known[k], found[f])
            ):
                pairs[f] = k
                paired.add(k)
            neighbour = pairs[f]


def _alike(row: KnownChapter, chapter: BookChapter) -> bool:
    """In everything, except that the text may have been fetched since."""
    return labels(row) == labels(chapter) and (not row.content_bytes or row.content_hash == chapter.content_hash)


def _alike_but_for_text(row: KnownChapter, chapter: BookChapter) -> bool:
    """In labels, which other chapters may share: each volume may begin again with "Chapter 1"."""
    return bool(row.title or row.number is not None) and labels(row) == labels(chapter)


def _pair_by_place(published: int, pairs: _Pairs) -> None:
    """Pairs in order what is left between two pairs, where both sides have as many left; the ends count as pairs."""
    paired = {k for k in pairs if k is not None}
    last = -1
    left: list[int] = []
    for f, k in enumerate([*pairs, published]):
        if k is None:
            left.append(f)
            continue
        if k >= published and f < len(pairs):  # a removed row has no place
            continue
        between = range(last + 1, k)
        if left and len(between) == len(left) and not any(b in paired for b in between):
            for b, at in zip(between, left, strict=True):
                pairs[at] = b
        last, left = k, []
