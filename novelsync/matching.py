"""
Which chapter of the file is which chapter of the table. Pure, and never decides what happens to the rest.

A chapter's id has to survive a new title, number, url or text, chapters put in
before it, and any reordering. What identifies it is therefore tried from the
strongest sign to the weakest, each time only among what is still unpaired.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from novelsync.models import Book, BookChapter, Fingerprint, KnownChapter, url_hash

MIN_TELLING_BYTES = 200
"""A shorter text ("Failed to download", "To be continued") says nothing about which chapter it is."""

Key = Callable[[int], Hashable]


def pair_chapters(known: Sequence[KnownChapter], found: Sequence[BookChapter]) -> list[int | None]:
    """
    For each chapter of the file the index of its row in ``known``, or None if it is new.

    ``known`` has the published chapters in the order of their positions, then the removed ones.
    A removed row is paired only with what no published row is, and never for its place alone.
    """
    pairs: list[int | None] = [None] * len(found)
    published = [k for k, chapter in enumerate(known) if not chapter.removed]
    removed = [k for k, chapter in enumerate(known) if chapter.removed]
    _pair_by_features(known, published, found, pairs)
    _pair_what_follows(known, len(published), found, pairs)
    _pair_by_place(len(published), pairs)
    if removed:
        _pair_by_features(known, removed, found, pairs)
    return pairs


def fingerprint(checksum: str, book: Book) -> Fingerprint:
    """What tells this file's novel from another; ``checksum``: of its bytes."""
    return Fingerprint(checksum, frozenset(chapter.content_hash for chapter in book.chapters if chapter.fetched))


def _pair_by_features(
    known: Sequence[KnownChapter], candidates: Sequence[int], found: Sequence[BookChapter], pairs: list[int | None]
) -> None:
    def text_known(k: int) -> Hashable:
        return known[k].content_hash if known[k].content_bytes >= MIN_TELLING_BYTES else None

    def text_found(f: int) -> Hashable:
        return found[f].content_hash if found[f].content_bytes >= MIN_TELLING_BYTES else None

    steps: tuple[tuple[Key, Key, bool], ...] = (
        (text_known, text_found, True),
        (lambda k: known[k].url_hash or None, lambda f: url_hash(found[f].url) or None, False),
        (lambda k: _number_and_title(known[k]), lambda f: _number_and_title(found[f]), False),
        (lambda k: known[k].title or None, lambda f: found[f].title or None, False),
        (lambda k: known[k].number, lambda f: found[f].number, False),
    )
    left = list(candidates)
    for known_key, found_key, may_repeat in steps:
        unpaired = [f for f, k in enumerate(pairs) if k is None]
        if not left or not unpaired:
            return
        taken = set()
        for ks, fs in _same_keys(left, known_key, unpaired, found_key):
            # Where a text repeats, equally often on both sides, its copies keep their order.
            if len(ks) == len(fs) and (may_repeat or len(ks) == 1):
                for k, f in zip(ks, fs, strict=True):
                    pairs[f] = k
                taken.update(ks)
        left = [k for k in left if k not in taken]


def _number_and_title(chapter: KnownChapter | BookChapter) -> Hashable:
    return (chapter.number, chapter.title) if chapter.number is not None and chapter.title else None


def _same_keys(
    known: Sequence[int], known_key: Key, found: Sequence[int], found_key: Key
) -> Iterable[tuple[list[int], list[int]]]:
    """The indices on both sides that share a key, in their order; None is no key."""
    by_key: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k in known:
        by_key[known_key(k)][0].append(k)
    for f in found:
        by_key[found_key(f)][1].append(f)
    by_key.pop(None, None)
    return by_key.values()


def _pair_what_follows(
    known: Sequence[KnownChapter], published: int, found: Sequence[BookChapter], pairs: list[int | None]
) -> None:
    """
    Pairs what is alike in everything and stands behind a pair, or before one; the ends count as pairs.

    Chapters that nothing tells apart (untitled poems, a novel whose texts are not fetched yet) keep their ids so.
    """
    paired = {k for k in pairs if k is not None}
    for step, first, end in ((1, 0, -1), (-1, len(found) - 1, published)):
        neighbour: int | None = end
        for f in range(first, len(found) if step == 1 else -1, step):
            k = None if neighbour is None else neighbour + step
            free = pairs[f] is None and k is not None and 0 <= k < published and k not in paired
            if free and k is not None and _all_of(known[k]) == _all_of(found[f]):
                pairs[f] = k
                paired.add(k)
            neighbour = pairs[f]


def _all_of(chapter: KnownChapter | BookChapter) -> Hashable:
    url = chapter.url_hash if isinstance(chapter, KnownChapter) else url_hash(chapter.url)
    return chapter.content_hash, chapter.number, chapter.title, url


def _pair_by_place(published: int, pairs: list[int | None]) -> None:
    """Pairs in order what is left between two paired neighbours, where both sides have as many left. The ends count."""
    paired = {k for k in pairs if k is not None}
    last_found, last_known = -1, -1
    for f, k in enumerate([*pairs, published]):
        if k is None or k > published:
            continue
        gap = f - last_found - 1
        between = range(last_known + 1, k)
        if gap > 0 and len(between) == gap and not any(b in paired for b in between):
            pairs[last_found + 1 : f] = between
        last_found, last_known = f, k
