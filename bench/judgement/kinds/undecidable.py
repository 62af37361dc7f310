"""
What nobody can tell who sees both files: each may be meant, and may be a mishap.

Every second step counts as damaged here, so that the table shows how often what was stored stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bench.judgement.books import Book, Chapter, Step
from bench.judgement.making import texts
from bench.judgement.making.desk import Desk


def translated(desk: Desk) -> list[Step]:
    """A raw text is replaced by a translation; or another site's text has come."""
    book = desk.novel(languages=("zh", "ja"))
    return _then(desk, lambda n, c: desk.spoiled(c, lambda text: desk.in_script_of("en", 2 * len(text))), book)


def one_anew(desk: Desk) -> list[Step]:
    """One chapter is written anew, with no sentence left; or another novel's text, seen nowhere else, has come."""
    book = desk.novel()
    at = desk.rng.randrange(len(book.chapters))
    return _then(desk, lambda n, c: desk.spoiled(c, lambda text: desk.take(len(text))) if n == at else c, book)


def all_anew(desk: Desk) -> list[Step]:
    """A novel begun again by its author under the same title; or a reused address."""
    return _then(desk, lambda n, c: desk.spoiled(c, lambda text: desk.take(len(text))), desk.novel())


def first_third(desk: Desk) -> list[Step]:
    """Somebody has cut a chapter after a third; or it is a preview, without a word that it is."""
    book = desk.novel(letters=1500)
    at, share = desk.rng.randrange(len(book.chapters)), desk.rng.uniform(0.25, 0.4)
    return _then(
        desk, lambda n, c: desk.spoiled(c, lambda t: texts.split(t, round(1 / share))[0]) if n == at else c, book
    )


def another_poem(desk: Desk) -> list[Step]:
    """Another poem under the same number; a line that is short may be a notice, too."""
    book = desk.novel(letters=60)
    at = desk.rng.randrange(len(book.chapters))
    return _then(desk, lambda n, c: desk.spoiled(c, lambda text: desk.take(60)) if n == at else c, book)


def put_in_place(desk: Desk) -> list[Step]:
    """A chapter goes, and another comes in its place: or it is the same, with everything changed."""
    book = desk.novel(url="own", title=desk.rng.choice(["told", "bare"]))
    at = desk.rng.randrange(len(book.chapters))
    new = desk.label(desk.chapters(len(book.chapters)))[at]
    return _then(desk, lambda n, c: replace(new, root=-1) if n == at else c, book)


def half_gone(desk: Desk) -> list[Step]:
    """A quarter of the chapters, the last ones, is gone: withdrawn, or on a page that was not read."""
    book = desk.novel(count=desk.rng.randrange(12, 40))
    left = book.chapters[: -max(1, len(book.chapters) // 4)]
    return [Step({desk.slug: book}), Step({desk.slug: book.having(left)}, damaged=True), Step({desk.slug: book})]


def _then(desk: Desk, change: Callable[[int, Chapter], Chapter], book: Book) -> list[Step]:
    new = book.having(change(n, c) for n, c in enumerate(book.chapters))
    return [Step({desk.slug: book}), Step({desk.slug: new}, damaged=True)]


KINDS: Final[Mapping[str, Callable[[Desk], list[Step]]]] = {
    "texts in another script: a translation, or another site's": translated,
    "one text that has nothing in common with the old one": one_anew,
    "all texts new, all labels the same": all_anew,
    "the first third of a text": first_third,
    "another poem of 60 letters": another_poem,
    "another chapter in a removed one's place": put_in_place,
    "the last quarter of the chapters gone": half_gone,
}
