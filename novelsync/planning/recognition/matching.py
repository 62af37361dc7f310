"""
Which chapter of the file is which row of the table. Pure; what becomes of unpaired ones is decided elsewhere.

A chapter's id has to survive a new title, number, url or text, chapters inserted before it, and any reordering. So its
signs (the text, and the labels: url, title and number) are compared from the strongest to the weakest, each time only
among what is still unpaired. Throughout, ``k`` is the index of a row, and ``f`` that of a chapter of the file.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeAlias

from novelsync.models.source import BookChapter, url_hash
from novelsync.models.stored import KnownChapter

MIN_TELLING_BYTES = 200
"""In UTF-8. A shorter text ("Failed to download", "To be continued") says nothing about which chapter it is."""

_Chapter: TypeAlias = KnownChapter | BookChapter
_Sign: TypeAlias = Callable[[_Chapter], Hashable]
_Pairs: TypeAlias = list[int | None]
"""See `pair_chapters`; each step fills in more of it."""


def pair_chapters(known: Sequence[KnownChapter], found: Sequence[BookChapter]) -> list[int | None]:
    """
    For each chapter of the file, the index of its row in ``known``, or None if it is new.

    ``known`` has the published rows in the order of their positions, then the removed ones. A removed row is paired
    only where no published row has a stronger sign, and never for its place or its number alone.
    """
    pairs: _Pairs = [None] * len(found)
    if not known:
        return pairs
    volumes = _telling_volumes(known, found)
    number_and_title, title, number = (_in_volumes(volumes, label) for label in (_number_and_title, _title, _number))
    published = [k for k, chapter in enumerate(known) if not chapter.removed]
    removed = [k for k, chapter in enumerate(known) if chapter.removed]
    _pair_by_sign(known, published, found, pairs, _text)
    by_text = {k: f for f, k in enumerate(pairs) if k is not None}
    # A removed chapter that is back with its text is that chapter, whatever else it has of others.
    _pair_by_sign(known, removed, found, pairs, _text)
    for label in (_url, number_and_title):
        _pair_by_sign(known, _trusted(known, published, found, by_text, label), found, pairs, label)
    _pair_by_sign(known, published, found, pairs, _text, copies=True)
    for label in (title, number):
        _pair_by_sign(known, _trusted(known, published, found, by_text, label), found, pairs, label)
    _pair_neighbours(known, len(published), found, pairs, _alike)
    _pair_by_sign(known, removed, found, pairs, _url)
    _pair_by_place(len(published), pairs)
    _pair_neighbours(known, len(published), found, pairs, _alike_but_for_text)
    # A number alone brings nothing back: a notice that was removed may have had it.
    for candidates, weaker in ((published, (title, number)), (removed, (title,))):
        for label in (_url, number_and_title):
            _pair_by_sign(known, candidates, found, pairs, label)
        _pair_by_sign(known, candidates, found, pairs, _text, copies=True)
        for label in weaker:
            _pair_by_sign(known, candidates, found, pairs, label)
    return pairs


def are_strangers(row: KnownChapter, chapter: BookChapter) -> bool:
    """Whether a row and a chapter share neither text nor label, although they have labels to compare."""
    compared = [(was, now) for was, now in zip(labels(row), labels(chapter), strict=True) if None not in (was, now)]
    return bool(compared) and all(was != now for was, now in compared) and row.content_hash != chapter.content_hash


def labels(chapter: KnownChapter | BookChapter) -> tuple[Hashable, ...]:
    """Number, title and url in a form that can be compared; None for what is missing."""
    return _number(chapter), _title(chapter), _url(chapter)


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


def _telling_volumes(known: Sequence[KnownChapter], found: Sequence[BookChapter]) -> frozenset[str]:
    """
    The volumes that are part of a chapter's name, because each begins again with "Chapter 1": those of both sides.

    None of them where nothing begins again, so that chapters may change volumes; and none that has got another name.
    """
    both = {row.volume for row in known} & {chapter.volume for chapter in found}
    again = bool(both - {None}) and (_begins_again(known) or _begins_again(found))
    return frozenset(volume for volume in both if volume) if again else frozenset()


def _begins_again(chapters: Sequence[_Chapter]) -> bool:
    """Whether a number, or the title of a chapter without one, is in several volumes."""
    first: dict[Hashable, str | None] = {}
    names = ((_title(each) if each.number is None else each.number, each.volume) for each in chapters)
    return any(name is not None and first.setdefault(name, volume) != volume for name, volume in names)


def _in_volumes(volumes: frozenset[str], label: _Sign) -> _Sign:
    """The label, and a volume with it if that is one of ``volumes``."""

    def sign(chapter: _Chapter) -> Hashable:
        value = label(chapter)
        return None if value is None else (chapter.volume if chapter.volume in volumes else None, value)

    return sign if volumes else label


def _pair_by_sign(
    known: Sequence[KnownChapter],
    candidates: Sequence[int],
    found: Sequence[BookChapter],
    pairs: _Pairs,
    sign: _Sign,
    *,
    copies: bool = False,
) -> None:
    """
    Pairs what has the same sign, where it is unique among what is unpaired on either side.

    ``copies``: also where a sign repeats equally often on both sides; those that have it are paired in order.
    """
    paired = set(pairs)
    for ks, fs in _sharing(known, [k for k in candidates if k not in paired], found, pairs, sign):
        if len(ks) == len(fs) and (copies or len(ks) == 1):
            for k, f in zip(ks, fs, strict=True):
                pairs[f] = k


def _sharing(
    known: Sequence[KnownChapter], left: Sequence[int], found: Sequence[BookChapter], pairs: _Pairs, sign: _Sign
) -> Iterable[tuple[list[int], list[int]]]:
    """For each sign the indices of those that have it, in order; None is no sign."""
    by_sign: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k in left:
        by_sign[sign(known[k])][0].append(k)
    for f, paired in enumerate(pairs if left else ()):
        if paired is None:
            by_sign[sign(found[f])][1].append(f)
    by_sign.pop(None, None)
    return by_sign.values()


def _trusted(
    known: Sequence[KnownChapter],
    published: Sequence[int],
    found: Sequence[BookChapter],
    by_text: Mapping[int, int],
    label: _Sign,
) -> list[int]:
    """
    The published rows without those between two neighbours whose label has changed.

    After a chapter was inserted before them, "Chapter 5" may be the title of what was the fourth. The neighbours are
    the nearest rows that were paired by their texts: ``by_text`` has the chapter's index for the row's.
    """
    trusted: list[int] = []
    between: list[int] = []
    left_changed: bool | None = None
    for k in published:
        if k not in by_text:
            between.append(k)
            continue
        if between or k + 1 not in by_text:
            changed = label(known[k]) != label(found[by_text[k]])
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
