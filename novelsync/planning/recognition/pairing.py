"""
Ways to pair rows with chapters. Each fills in more of the pairs, among what is still unpaired on both sides. Pure.

Throughout, ``k`` is the index of a row, and ``f`` that of a chapter of the file.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from novelsync.evidence.labels import labels
from novelsync.evidence.seen import ALIKE, FEWEST_RUNS, comparable
from novelsync.evidence.texts import Texts
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter

_COMMON: Final = 3
"""What more texts than these say ("Translated by …") tells none of them."""

_CLEARLY: Final = 1.5
"""So many times as much as the second best."""

Pairs: TypeAlias = list[int | None]
"""See `pair_chapters`; each step fills in more of it."""


class Sign(NamedTuple):
    """What may be equal on both sides; None for those that do not have it."""

    of_rows: Sequence[Hashable]
    of_chapters: Sequence[Hashable]


def together(*signs: Sign) -> Sign:
    """All of them as one; None where one is missing."""

    def each(*values: Hashable) -> Hashable:
        for value in values:  # not "in", which compares: a number with None is slow
            if value is None:
                return None
        return values

    return Sign(
        list(map(each, *(sign.of_rows for sign in signs))), list(map(each, *(sign.of_chapters for sign in signs)))
    )


def pair_untouched(
    known: Sequence[KnownChapter], published: Sequence[int], found: Sequence[BookChapter], pairs: Pairs, text: Sign
) -> None:
    """Pairs what has the same labels and a text that no other has: nearly always that is nearly everything."""

    def same(k: int, f: int) -> bool:
        return labels(known[k]) == labels(found[f])

    for ks, fs in _sharing(published, pairs, text):
        if len(ks) == len(fs) == 1 and same(ks[0], fs[0]):
            pairs[fs[0]] = ks[0]


def pair_by_sign(
    candidates: Sequence[int],
    pairs: Pairs,
    sign: Sign,
    *,
    copies: bool = False,
    also: Callable[[int, int], bool] | None = None,
    twins: Sequence[Hashable] = (),
) -> None:
    """
    Pairs what has the same sign, where it is unique among what is unpaired on either side.

    ``twins``: by row, equal for those that are the same in everything, as in a list that was doubled; if the file has
    one chapter for them, it is the first of them.
    ``copies``: also where a sign repeats equally often on both sides; those that have it are paired in order. ``also``:
    what else must be true of a row and a chapter.
    """
    paired = set(pairs)
    for ks, fs in _sharing([k for k in candidates if k not in paired], pairs, sign):
        if twins and len(fs) == 1 < len(ks) and len({twins[k] for k in ks}) == 1:
            del ks[1:]
        if len(ks) == len(fs) and (copies or len(ks) == 1) and (also is None or also(ks[0], fs[0])):
            for k, f in zip(ks, fs, strict=True):
                pairs[f] = k


def pair_twins(candidates: Sequence[int], pairs: Pairs, sign: Sign) -> None:
    """Pairs in order what is the same in everything, as many as there are on both sides: a list may be doubled."""
    paired = set(pairs)
    for ks, fs in _sharing([k for k in candidates if k not in paired], pairs, sign):
        for k, f in zip(ks, fs, strict=False):
            pairs[f] = k


def _sharing(left: Sequence[int], pairs: Pairs, sign: Sign) -> Iterable[tuple[list[int], list[int]]]:
    """For each sign the indices of those that have it, in order; None is no sign."""
    by_sign: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k in left:
        by_sign[sign.of_rows[k]][0].append(k)
    for f, paired in enumerate(pairs if left else ()):
        if paired is None:
            by_sign[sign.of_chapters[f]][1].append(f)
    by_sign.pop(None, None)
    return by_sign.values()


def pair_alike(published: Sequence[int], pairs: Pairs, texts: Texts, twins: Sequence[Hashable]) -> None:
    """
    Pairs each text with the one that it has clearly more in common with than with any other, on either side.

    ``twins``: see `pair_by_sign`.
    """
    paired = set(pairs)
    firsts = {twins[k]: k for k in reversed(published)}
    ks = [k for k in published if k not in paired and texts.was_seen(k) and firsts[twins[k]] == k]
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


def pair_neighbours(
    known: Sequence[KnownChapter],
    published: int,
    found: Sequence[BookChapter],
    pairs: Pairs,
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


def pair_by_place(published: int, pairs: Pairs) -> None:
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
