"""Files in which more is wrong than texts: fields, labels, the list, another novel."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from bench.judgement.books import FIELDS, LABELS, Book, Chapter, Step
from bench.judgement.making import notices
from bench.judgement.making.desk import Desk, nobodys

# Fields and labels -------------------------------------------------------------------


def _with_bad_fields(book: Book, **fields: Any) -> Book:
    return replace(book, bad=frozenset(fields), **fields)


def challenge_as_title(desk: Desk) -> list[Step]:
    """The challenge was taken for the novel's page; chapters are gone, or challenges too."""
    book = desk.novel()
    pages = notices.ErrorPages(desk.rng)
    left = [c.with_bad_text(next(pages)) for c in book.chapters]
    left = desk.rng.choice([[], left[:1], left, left[: len(left) // 3]])
    title = desk.rng.choice(notices.CHALLENGES)
    bad = _with_bad_fields(book, title=title, author=None, description=None, cover_url=None, status=None)
    return desk.damage(book, bad.having(left))


def emptied(desk: Desk) -> list[Step]:
    book = desk.novel()
    left = book.chapters[: desk.rng.choice([0, 0, 1, len(book.chapters) // 5])]
    bad = _with_bad_fields(book, author=None, description=None, cover_url=None, status=None)
    return desk.damage(book, bad.having(left))


def wrong_types(desk: Desk) -> list[Step]:
    book = desk.novel()
    wrong: list[Any] = [{}, {"value": 1}, {"@type": "Person"}, [{"a": 1}], [None], [[1]], [{}, {}]]
    fields = desk.rng.sample(FIELDS[1:], desk.rng.randrange(1, 4))
    said = {name: desk.rng.choice(wrong) for name in fields}
    return desk.damage(book, replace(book, said=said, bad=frozenset(fields)))


def labels_of_error_pages(desk: Desk) -> list[Step]:
    """The title is taken from the page, and the page is an error."""
    book = desk.novel(url=desk.rng.choice(["own", "counted"]))
    pages, title = notices.ErrorPages(desk.rng), desk.rng.choice(notices.CHALLENGES)
    number = desk.rng.random() < 0.5

    def spoiled(c: Chapter) -> Chapter:
        bad = frozenset({"text", "title"} if number else {"text", "title", "number"})
        return replace(c, text=next(pages), title=title, number=c.number if number else None, bad=bad)

    return desk.damage(book, desk.in_some(book, spoiled, 0, 0.8))


def labels_lost(desk: Desk) -> list[Step]:
    """As many chapters, and nothing of any but its place."""
    book = desk.novel(title=desk.rng.choice(["told", "bare"]))
    word, has_url = desk.rng.choice(["Chapter", "", "Read", "undefined"]), desk.rng.random() < 0.4
    bad = frozenset({"text", "title", "number", *([] if has_url else ["url"])})
    damaged = [
        replace(c, title=word, number=None, url=c.url if has_url else "", text=None, bad=bad) for c in book.chapters
    ]
    return desk.damage(book, book.having(damaged))


def numbers_reset(desk: Desk) -> list[Step]:
    """All one number, and some texts have not been fetched: only ids are asked for."""
    book = desk.novel(title=desk.rng.choice(["told", "bare"]), number=True)
    number, missing = desk.rng.choice([0, 1, None]), desk.some(book, 0, 0.5)
    damaged = [replace(c, number=number, text=None if n in missing else c.text) for n, c in enumerate(book.chapters)]
    return desk.damage(book, book.having(damaged))


# The list ----------------------------------------------------------------------------


def cut(desk: Desk) -> list[Step]:
    """The first page of the list only: the first fifth, or the last."""
    book = desk.novel(desk.rng.randrange(10, 40))
    left = max(1, round(len(book.chapters) * desk.rng.uniform(0.1, 0.3)))
    return desk.damage(book, book.having(book.chapters[:left] if desk.rng.random() < 0.7 else book.chapters[-left:]))


def gradual_loss(desk: Desk) -> list[Step]:
    """Each time less than the limit, all within a day."""
    book = desk.novel(desk.rng.randrange(16, 40))
    left = list(book.chapters)
    steps = [Step({desk.slug: book})]
    may_go = max(4, int(0.3 * len(left)))
    for _ in range(desk.rng.randrange(3, 5)):
        keep = len(left) - max(4, int(0.3 * len(left)))
        left = left[:keep] if desk.rng.random() < 0.7 else sorted(desk.rng.sample(left, keep), key=left.index)
        steps.append(Step({desk.slug: book.having(left)}, damaged=True, may_go=may_go))
    return [*steps, Step({desk.slug: desk.grown(book)})]


def doubled(desk: Desk) -> list[Step]:
    """The list twice, one after another or each chapter twice; readers keep their places, before and after."""
    book = desk.novel()
    twins = [nobodys(c) for c in book.chapters]
    if desk.rng.random() < 0.7:
        both = [*book.chapters, *twins]
    else:
        both = [each for pair in zip(book.chapters, twins, strict=True) for each in pair]
    return desk.damage(book, book.having(both))


def menu_in_the_list(desk: Desk) -> list[Step]:
    """Links of the page are taken for chapters."""
    book = desk.novel()
    page = desk.rng.choice([None, notices.menu(desk.rng), "Home | Latest | Log in"])
    names = ["Home", "Latest", "Log in", "Chapter list", "Next", "Contact", "Privacy"][: desk.rng.randrange(2, 8)]
    junk = [
        nobodys(Chapter(0, name, page, name, None, f"https://novels.example/{name}" if desk.rng.random() < 0.5 else ""))
        for name in names
    ]
    at = desk.rng.choice([0, len(book.chapters)])
    return desk.damage(book, book.having([*book.chapters[:at], *junk, *book.chapters[at:]]))


# Another novel -----------------------------------------------------------------------


def another_novel(desk: Desk) -> list[Step]:
    """Its contents under this slug: everything is new, but in most cases "Chapter 5"."""
    title = desk.rng.choice(["counted", "counted", "told"])
    book = desk.novel(title=title, number=True, url=desk.rng.choice(["own", "counted"]))
    count = max(3, round(len(book.chapters) * desk.rng.uniform(0.7, 1.3)))
    other = desk.other(book, count)
    bad = frozenset({"text", *LABELS})
    chapters = [replace(nobodys(c), bad=bad) for c in other.chapters]
    damaged = replace(other.having(chapters), root=book.root, bad=frozenset(FIELDS))
    return desk.damage(book, damaged)


def mixed_up(desk: Desk) -> list[Step]:
    """Texts of two novels that are fetched at once, each in the other's place."""
    one = desk.novel(number=True)
    two = desk.other(one)
    slug = f"{desk.slug}-b"
    places = desk.some(one, 0.1, 0.6)

    def with_texts_of(book: Book, other: Book) -> Book:
        both = enumerate(zip(book.chapters, other.chapters, strict=True))
        return book.having(c.with_bad_text(o.text) if n in places else c for n, (c, o) in both)

    good = {desk.slug: one, slug: two}
    bad = {desk.slug: with_texts_of(one, two), slug: with_texts_of(two, one)}
    if desk.rng.random() < 0.3:
        bad[slug] = two
    return [Step(good), Step(bad, damaged=True), Step(good)]


def a_notice_in_common(desk: Desk) -> list[Step]:
    """A novel that has notices for the most part goes; another one with the same notice comes."""
    one = desk.novel(desk.rng.randrange(3, 12))
    said = desk.rng.choice(notices.LOCKED[desk.language])
    two = desk.other(one, desk.rng.randrange(3, 12))

    def locked(book: Book) -> Book:
        return book.having(c.with_bad_text(said) if n > 1 else c for n, c in enumerate(book.chapters))

    slug = f"{desk.slug}-b"
    gone, came = {desk.slug: locked(one)}, {slug: locked(two)}
    return [Step(gone), Step(came), Step({**gone, **came})]


def notice_revives(desk: Desk) -> list[Step]:
    """A locked chapter is withdrawn; later the newest one is locked, with the same notice."""
    book = desk.novel(title=desk.rng.choice(["told", "bare", "counted"]), url="own")
    said = notices.wrapped(desk.rng.choice(notices.LOCKED[desk.language]), desk.rng)
    at = desk.rng.randrange(1, len(book.chapters) - 1)
    chapters = list(book.chapters)
    chapters[at] = chapters[at].with_bad_text(said)
    left = [c for n, c in enumerate(chapters) if n != at]
    newest = desk.label([*chapters, *desk.chapters(1)])[-1].with_bad_text(said)
    return desk.steps(book.having(chapters), book.having(left), book.having([*left, newest]))


KINDS: Final[Mapping[str, Callable[[Desk], list[Step]]]] = {
    "a challenge as the novel's title": challenge_as_title,
    "the list emptied, fields null": emptied,
    "fields of wrong types": wrong_types,
    "titles taken from error pages": labels_of_error_pages,
    "titles, numbers and texts lost": labels_lost,
    "numbers reset": numbers_reset,
    "the list cut short": cut,
    "chapters are lost in steps": gradual_loss,
    "the list doubled": doubled,
    "links of the page in the list": menu_in_the_list,
    "another novel's contents": another_novel,
    "texts of two novels mixed up": mixed_up,
    "two novels with one notice in common": a_notice_in_common,
    "a notice, withdrawn, on another chapter": notice_revives,
}
