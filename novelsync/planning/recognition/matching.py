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

from collections.abc import Callable, Hashable, Mapping, Sequence

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
from novelsync.evidence.texts import Texts
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter
from novelsync.planning.recognition.pairing import (
    Pairs,
    Sign,
    pair_alike,
    pair_by_place,
    pair_by_sign,
    pair_neighbours,
    pair_twins,
    pair_untouched,
    together,
)


def pair_chapters(
    known: Sequence[KnownChapter], found: Sequence[BookChapter], texts: Texts | None = None
) -> list[int | None]:
    """
    For each chapter of the file, the index of its row in ``known``, or None if it is new.

    ``known`` has the published rows in the order of their positions, then the removed ones. A removed row is paired
    only where no published row has a stronger sign, and never for its place, its number or a notice alone. ``texts``:
    of these; None: the rows' texts are compared by their bytes.
    """
    pairs: Pairs = [None] * len(found)
    if not known:
        return pairs
    texts = texts or Texts(known, found)
    published = [k for k, row in enumerate(known) if not row.removed]
    removed = [k for k, row in enumerate(known) if row.removed]
    text = Sign([texts.key_of_row(k) for k in range(len(known))], [texts.key_of_chapter(f) for f in range(len(found))])
    pair_untouched(known, published, found, pairs, text)
    if _nothing_is_left(known, pairs):
        return pairs

    def sign(of: Callable[[Chapter], Hashable]) -> Sign:
        return Sign(list(map(of, known)), list(map(of, found)))

    volumes = telling_volumes(known, found)
    urls = sign(url)
    numbers, titles, numbers_and_titles = (
        sign(within_volumes(label, volumes)) for label in (number, title, number_and_title)
    )

    def tells(_k: int, f: int) -> bool:
        return texts.tells(f)

    ours, theirs = Names(known), Names(found)
    words = Sign(ours.words, theirs.words)
    # Their texts may all be edited in the hour in which a list that was doubled is put right.
    twins = [(key, labels(row)) for key, row in zip(text.of_rows, known, strict=True)]
    pair_by_sign(published, pairs, together(urls, numbers, Sign(ours.names, theirs.names)), twins=twins)
    pair_by_sign(published, pairs, text, also=tells)
    if _nothing_is_left(known, pairs):
        return pairs
    # Of a chapter that lost its text, a url is all that is left to tell it by.
    pair_by_sign(published, pairs, together(urls, titles), also=lambda _k, f: not found[f].fetched)
    for label in (urls, numbers_and_titles, titles):
        pair_by_sign(published, pairs, label, also=texts.are_alike, twins=twins)
    pair_alike(published, pairs, texts, twins)
    told = {k: f for f, k in enumerate(pairs) if k is not None}
    # A removed chapter that is back with its text is that chapter, whatever else it has of others.
    pair_by_sign(removed, pairs, text, also=tells)
    for label in (urls, numbers_and_titles):
        pair_by_sign(_trusted(published, told, label), pairs, label, twins=twins)
    pair_by_sign(published, pairs, text, copies=True, also=tells)
    for label in (words, titles, numbers):
        pair_by_sign(_trusted(published, told, label), pairs, label, twins=twins)
    pair_twins(published, pairs, together(text, Sign(list(map(labels, known)), list(map(labels, found)))))
    pair_neighbours(known, len(published), found, pairs, _alike)
    pair_by_sign(removed, pairs, urls)
    pair_by_place(len(published), pairs)
    pair_neighbours(known, len(published), found, pairs, _alike_but_for_text)

    # Here labels have moved on around them, so that they are not enough against two texts that both tell.
    def not_unlike(k: int, f: int) -> bool:
        return not texts.are_unlike(k, f)

    # A number alone brings nothing back: a notice that was removed may have had it.
    for candidates, weaker in (
        (published, (words, titles, numbers)),
        (removed, (words, titles)),
    ):
        for label in (urls, numbers_and_titles):
            pair_by_sign(candidates, pairs, label, also=not_unlike)
        pair_by_sign(candidates, pairs, text, copies=True, also=tells)
        for label in weaker:
            pair_by_sign(candidates, pairs, label, also=not_unlike)
    return pairs


def _nothing_is_left(known: Sequence[KnownChapter], pairs: Pairs) -> bool:
    """Whether all chapters of the file are paired, or all rows: most often some chapters were added."""
    added = pairs.count(None)
    return added == 0 or len(pairs) - added == len(known)


def are_strangers(row: KnownChapter, chapter: BookChapter) -> bool:
    """Whether a row and a chapter share neither text nor label, although they have labels to compare."""
    compared = [(was, now) for was, now in zip(labels(row), labels(chapter), strict=True) if None not in (was, now)]
    return bool(compared) and all(was != now for was, now in compared) and row.content_hash != chapter.content_hash


def _trusted(published: Sequence[int], told: Mapping[int, int], label: Sign) -> list[int]:
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


def _alike(row: KnownChapter, chapter: BookChapter) -> bool:
    """In everything, except that the text may have been fetched since."""
    return labels(row) == labels(chapter) and (not row.content_bytes or row.content_hash == chapter.content_hash)


def _alike_but_for_text(row: KnownChapter, chapter: BookChapter) -> bool:
    """In labels, which other chapters may share: each volume may begin again with "Chapter 1"."""
    return bool(row.title or row.number is not None) and labels(row) == labels(chapter)
