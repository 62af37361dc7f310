"""
Which chapter of the file is which chapter of the table. Pure, and never decides what happens to the rest.

A chapter's id has to survive a new title, number, url or text, chapters put in
before it, and any reordering. What identifies it is therefore tried from the
strongest sign to the weakest, each time only among what is still unpaired.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeAlias

from novelsync.models.source import Book, BookChapter, Fingerprint, url_hash
from novelsync.models.stored import KnownChapter

MIN_TELLING_BYTES = 200
"""A shorter text ("Failed to download", "To be continued") says nothing about which chapter it is."""

_Chapter: TypeAlias = KnownChapter | BookChapter
_Sign: TypeAlias = Callable[[_Chapter], Hashable]
_Pairs: TypeAlias = list[int | None]


def pair_chapters(known: Sequence[KnownChapter], found: Sequence[BookChapter]) -> list[int | None]:
    """
    For each chapter of the file the index of its row in ``known``, or None if it is new.

    ``known`` has the published chapters in the order of their positions, then the removed ones.
    A removed row is paired only with what no published row is, and never for its place alone.
    """
    pairs: _Pairs = [None] * len(found)
    if not known:
        return pairs
    published = [k for k, chapter in enumerate(known) if not chapter.removed]
    removed = [k for k, chapter in enumerate(known) if chapter.removed]
    _pair_same(known, published, found, pairs, _text)
    told = {k: f for f, k in enumerate(pairs) if k is not None}
    # A removed chapter that is back with its text is that chapter, whatever else it has of others.
    _pair_same(known, removed, found, pairs, _text)
    for label in (_url, _number_and_title):
        _pair_same(known, _believed(known, published, found, told, label), found, pairs, label)
    _pair_same(known, published, found, pairs, _text, copies=True)
    for label in (_title, _number):
        _pair_same(known, _believed(known, published, found, told, label), found, pairs, label)
    _pair_what_follows(known, len(published), found, pairs, _alike)
    _pair_same(known, removed, found, pairs, _url)
    _pair_by_place(len(published), pairs)
    _pair_what_follows(known, len(published), found, pairs, _alike_but_for_text)
    # A number alone brings nothing back: a notice that was removed may have had it.
    for candidates, weaker in ((published, (_title, _number)), (removed, (_title,))):
        for label in (_url, _number_and_title):
            _pair_same(known, candidates, found, pairs, label)
        _pair_same(known, candidates, found, pairs, _text, copies=True)
        for label in weaker:
            _pair_same(known, candidates, found, pairs, label)
    return pairs


def are_strangers(row: KnownChapter, chapter: BookChapter) -> bool:
    """Whether two that stand in one place have nothing else in common, though they have labels to compare."""
    labels = [(label(row), label(chapter)) for label in (_url, _title, _number)]
    told = [(was, now) for was, now in labels if was is not None and now is not None]
    return bool(told) and all(was != now for was, now in told) and row.content_hash != chapter.content_hash


def fingerprint(checksum: str, book: Book) -> Fingerprint:
    """What tells this file's novel from another; ``checksum``: of its bytes."""
    return Fingerprint(checksum, frozenset(chapter.content_hash for chapter in book.chapters if chapter.fetched))


def _text(chapter: _Chapter) -> Hashable:
    return chapter.content_hash if chapter.content_bytes >= MIN_TELLING_BYTES else None


def _url(chapter: _Chapter) -> Hashable:
    return (chapter.url_hash if isinstance(chapter, KnownChapter) else url_hash(chapter.url)) or None


def _number_and_title(chapter: _Chapter) -> Hashable:
    return (chapter.number, chapter.title) if chapter.number is not None and chapter.title else None


def _title(chapter: _Chapter) -> Hashable:
    return chapter.title or None


def _number(chapter: _Chapter) -> Hashable:
    return chapter.number


def _pair_same(
    known: Sequence[KnownChapter],
    candidates: Sequence[int],
    found: Sequence[BookChapter],
    pairs: _Pairs,
    sign: _Sign,
    *,
    copies: bool = False,
) -> None:
    """
    Pairs what is unpaired, and has the sign that nothing else unpaired has.

    ``copies``: and where a sign repeats equally often on both sides, those that have it, in their order.
    """
    paired = set(pairs)
    for ks, fs in _same(known, [k for k in candidates if k not in paired], found, pairs, sign):
        if len(ks) == len(fs) and (copies or len(ks) == 1):
            for k, f in zip(ks, fs, strict=True):
                pairs[f] = k


def _same(
    known: Sequence[KnownChapter], left: Sequence[int], found: Sequence[BookChapter], pairs: _Pairs, sign: _Sign
) -> Iterable[tuple[list[int], list[int]]]:
    """The indices on both sides that share a sign, in their order; None is no sign."""
    by_sign: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k in left:
        by_sign[sign(known[k])][0].append(k)
    for f, paired in enumerate(pairs if left else ()):
        if paired is None:
            by_sign[sign(found[f])][1].append(f)
    by_sign.pop(None, None)
    return by_sign.values()


def _believed(
    known: Sequence[KnownChapter],
    published: Sequence[int],
    found: Sequence[BookChapter],
    told: Mapping[int, int],
    label: _Sign,
) -> list[int]:
    """
    The rows that do not stand between two whose label has changed.

    Where a chapter is put in before them, "Chapter 5" is the title that the fourth has now. ``told``: the neighbours
    that are asked, those that their text has told.
    """
    believed: list[int] = []
    between: list[int] = []
    left: bool | None = None
    for k in published:
        if k not in told:
            between.append(k)
            continue
        if between or k + 1 not in told:
            right = label(known[k]) != label(found[told[k]])
            believed += [] if right and left is not False else between
            left, between = right, []
    return believed + ([] if left else between)


def _pair_what_follows(
    known: Sequence[KnownChapter],
    published: int,
    found: Sequence[BookChapter],
    pairs: _Pairs,
    alike: Callable[[KnownChapter, BookChapter], bool],
) -> None:
    """
    Pairs what is ``alike`` and stands behind a pair, or before one; the ends count as pairs.

    Chapters that nothing tells apart (untitled poems, a novel whose texts are not fetched yet) keep their ids so.
    """
    paired = {k for k in pairs if k is not None}
    for step, first, end in ((1, 0, -1), (-1, len(found) - 1, published)):
        neighbour: int | None = end
        for f in range(first, len(found) if step == 1 else -1, step):
            k = None if neighbour is None else neighbour + step
            free = pairs[f] is None and k is not None and 0 <= k < published and k not in paired
            if free and k is not None and alike(known[k], found[f]):
                pairs[f] = k
                paired.add(k)
            neighbour = pairs[f]


def _labels(chapter: _Chapter) -> tuple[Hashable, ...]:
    return chapter.number, chapter.title, _url(chapter)


def _alike(row: KnownChapter, chapter: BookChapter) -> bool:
    """In everything; a text that was not there yet may have come."""
    return _labels(row) == _labels(chapter) and (not row.content_bytes or row.content_hash == chapter.content_hash)


def _alike_but_for_text(row: KnownChapter, chapter: BookChapter) -> bool:
    """In labels that others have too, volume by volume."""
    return bool(row.title or row.number is not None) and _labels(row) == _labels(chapter)


def _pair_by_place(published: int, pairs: _Pairs) -> None:
    """Pairs in order what is left between two paired neighbours, where both sides have as many left. The ends count."""
    paired = {k for k in pairs if k is not None}
    last = -1
    left: list[int] = []
    for f, k in enumerate([*pairs, published]):
        if k is None:
            left.append(f)
            continue
        if k >= published and f < len(pairs):
            continue
        between = range(last + 1, k)
        if left and len(between) == len(left) and not any(b in paired for b in between):
            for b, at in zip(between, left, strict=True):
                pairs[at] = b
        last, left = k, []
