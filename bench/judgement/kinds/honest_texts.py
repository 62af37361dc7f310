"""What people do to texts, and sites to all of them at once. All of it must go in."""

import random
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bench.judgement.books import Book, Chapter, Step
from bench.judgement.making import notices, texts
from bench.judgement.making.desk import Desk

Change = Callable[[str], str]


def _all(desk: Desk, book: Book, change: Change) -> list[Step]:
    return desk.steps(book, book.having(desk.edited(c, change) for c in book.chapters))


def _some(desk: Desk, book: Book, change: Change, least: float = 0.0, most: float = 1.0) -> list[Step]:
    return desk.steps(book, desk.in_some(book, lambda c: desk.edited(c, change), least, most))


def _one(desk: Desk, book: Book, change: Change, at: int | None = None) -> list[Step]:
    at = desk.rng.randrange(len(book.chapters)) if at is None else at % len(book.chapters)
    return desk.steps(book, book.having(desk.edited(c, change) if n == at else c for n, c in enumerate(book.chapters)))


# Of people ---------------------------------------------------------------------------


def proofread(desk: Desk) -> list[Step]:
    return _all(desk, desk.novel(), lambda text: texts.proofread(text, desk.rng))


def proofread_and_inserted(desk: Desk) -> list[Step]:
    book = desk.novel()
    chapters = [desk.edited(c, lambda text: texts.proofread(text, desk.rng)) for c in book.chapters]
    at = desk.rng.randrange(len(chapters))
    return desk.steps(book, book.having(desk.label([*chapters[:at], *desk.chapters(1), *chapters[at:]])))


def retranslated(desk: Desk) -> list[Step]:
    seed = desk.rng.randrange(10**6)
    return _all(desk, desk.novel(), lambda text: texts.retranslated(text, seed))


def partly_retranslated(desk: Desk) -> list[Step]:
    seed = desk.rng.randrange(10**6)
    return _some(desk, desk.novel(), lambda text: texts.retranslated(text, seed), 0, 0.6)


def rewritten(desk: Desk) -> list[Step]:
    return _one(desk, desk.novel(), lambda text: texts.rewritten(text, desk.rng, desk.rng.uniform(0.4, 0.6)))


def shortened(desk: Desk) -> list[Step]:
    return _one(desk, desk.novel(), lambda text: texts.shortened(text, desk.rng, desk.rng.uniform(0.42, 0.6)))


def extended(desk: Desk) -> list[Step]:
    return _some(desk, desk.novel(), lambda text: f"{text}\n\n{desk.take(len(text) // 2)}", 0, 0.3)


def last_rewritten(desk: Desk) -> list[Step]:
    """The newest was a draft."""
    return _one(desk, desk.novel(), lambda text: texts.rewritten(text, desk.rng, desk.rng.uniform(0.7, 0.9)), -1)


def split(desk: Desk) -> list[Step]:
    """One into two or three, each about as long as chapters are then."""
    book = desk.novel(letters=desk.rng.randrange(1200, 2400))
    at, pieces = desk.rng.randrange(len(book.chapters)), desk.rng.choice([2, 2, 3])
    first, *others = texts.split(desk.plain(book.chapters[at]), pieces)
    chapter = book.chapters[at]
    parts = [desk.edited(chapter, lambda _: first), *map(desk.chapter, others)]
    parts = [replace(part, name=f"{chapter.name} ({n})") for n, part in enumerate(parts, start=1)]
    return desk.steps(book, book.having(desk.label([*book.chapters[:at], *parts, *book.chapters[at + 1 :]])))


def merged(desk: Desk) -> list[Step]:
    """Two become one, under the name of the first."""
    book = desk.novel()
    at = desk.rng.randrange(len(book.chapters) - 1)
    second = desk.plain(book.chapters[at + 1])
    both = desk.edited(book.chapters[at], lambda text: f"{text}\n\n{second}")
    return desk.steps(book, book.having(desk.label([*book.chapters[:at], both, *book.chapters[at + 2 :]])))


def poems(desk: Desk) -> list[Step]:
    """Of some 60 letters: some are added, then some edited."""
    book = desk.novel(letters=60, count=desk.rng.randrange(8, 40))
    added = book.having(desk.label([*book.chapters, *desk.chapters(desk.rng.randrange(1, 6))]))
    edited = desk.in_some(added, lambda c: desk.edited(c, lambda text: texts.proofread(text, desk.rng)), 0, 0.3)
    return desk.steps(book, added, edited)


def quoting(desk: Desk) -> list[Step]:
    phrases = [
        "404 Not Found",
        "502 Bad Gateway",
        "Just a moment...",
        "Access denied",
        "正在手打中",
        "This chapter is locked.",
    ]
    return _some(desk, desk.novel(), lambda text: texts.quoting(text, desk.rng.choice(phrases)), 0, 0.3)


def notes(desk: Desk) -> list[Step]:
    """The same note of the author at the end of every chapter."""
    book = desk.novel()
    note = f"({book.title}! {desk.take(80)})"
    return _all(desk, book, lambda text: f"{text}\n\n{note}")


# What comes late ----------------------------------------------------------------------


def notices_replaced(desk: Desk) -> list[Step]:
    """Real texts in the place of what was stored when they could not be had."""
    book = desk.novel()
    pages = notices.ErrorPages(desk.rng)
    locked = desk.rng.choice([*notices.LOCKED[desk.language], *notices.SOON[desk.language]])
    say: list[Callable[[Chapter], str]] = [
        lambda _: next(pages),
        lambda _: locked,
        lambda _: notices.menu(desk.rng),
        lambda c: notices.login(desk.language, c.title, desk.rng),
        lambda _: desk.rng.choice(notices.EMPTY),
    ]
    one = desk.rng.choice(say)
    return desk.steps(desk.in_some(book, lambda c: c.with_bad_text(one(c))), book)


def fetched_later(desk: Desk) -> list[Step]:
    book = desk.novel()
    order = list(range(len(book.chapters)))
    desk.rng.shuffle(order)
    stages = [set(order[: len(order) * n // 3]) for n in range(4)]
    return desk.steps(
        *(
            book.having(replace(c, text=c.text if n in have else None) for n, c in enumerate(book.chapters))
            for have in stages
        )
    )


def old_left_out(desk: Desk) -> list[Step]:
    """A crawler that lists all chapters, and has the texts of the new ones at hand."""
    book = desk.novel()
    old = [replace(c, text=desk.rng.choice([None, "", "\n"])) for c in book.chapters]
    return desk.steps(book, book.having(desk.label([*old, *desk.chapters(desk.rng.randrange(1, 5))])))


# Of sites -----------------------------------------------------------------------------


def invisible_marks(desk: Desk) -> list[Step]:
    """Others each time; and in half of all cases a chapter is inserted."""
    book = desk.novel()

    def marked(chapters: list[Chapter]) -> Book:
        return book.having(
            replace(c, text=texts.with_invisible_marks(c.text or "", random.Random(f"{c.root} {desk.rng.random()}")))  # noqa: S311
            for c in chapters
        )

    chapters = list(book.chapters)
    if desk.rng.random() < 0.5:
        at = desk.rng.randrange(len(chapters))
        chapters = desk.label([*chapters[:at], *desk.chapters(1), *chapters[at:]])
    return desk.steps(marked(list(book.chapters)), marked(chapters), marked(chapters))


def visible_line(desk: Desk) -> list[Step]:
    """Where it was copied from, in every chapter, another number in each."""
    book = desk.novel()
    site = desk.rng.choice(
        ["Read at novels.example", "Nguồn: truyen.example", "请记住本站域名 novels.example", "Stolen from"]
    )
    return _all(desk, book, lambda text: texts.with_line(text, f"{site} {desk.rng.randrange(16**6):06x}", desk.rng))


def decomposed(desk: Desk) -> list[Step]:
    book = desk.novel(languages=("vi", "ru", "ja"))
    return _all(desk, book, lambda text: unicodedata.normalize("NFD", text))


def into_markup(desk: Desk) -> list[Step]:
    return _all(desk, desk.novel(markup=str), desk.rng.choice([texts.in_paragraphs, texts.in_page]))


def out_of_markup(desk: Desk) -> list[Step]:
    book = desk.novel(markup=desk.rng.choice([texts.in_paragraphs, texts.in_page]))
    return desk.steps(book, book.having(replace(c, text=desk.plain(c)) for c in book.chapters))


def other_blanks(desk: Desk) -> list[Step]:
    return _all(desk, desk.novel(markup=str), lambda text: texts.with_other_blanks(text, desk.rng))


def entities(desk: Desk) -> list[Step]:
    """Encoded, or decoded again."""
    book = desk.novel(markup=str)
    encoded = book.having(replace(c, text=texts.with_entities(c.text or "")) for c in book.chapters)
    return desk.steps(book, encoded) if desk.rng.random() < 0.5 else desk.steps(encoded, book)


def quotes(desk: Desk) -> list[Step]:
    change = desk.rng.choice([texts.with_curly_quotes, texts.with_straight_quotes])
    return _all(desk, desk.novel(languages=("en", "ru", "vi")), change)


def other_characters(desk: Desk) -> list[Step]:
    """Simplified Chinese becomes traditional, or the other way round."""
    book = desk.novel(languages=("zh",))
    other = book.having(replace(c, text=texts.traditional(c.text or "")) for c in book.chapters)
    return desk.steps(book, other) if desk.rng.random() < 0.5 else desk.steps(other, book)


KINDS: Final[Mapping[str, Callable[[Desk], list[Step]]]] = {
    "every chapter proofread": proofread,
    "every chapter proofread, one inserted": proofread_and_inserted,
    "another translation": retranslated,
    "another translation of some chapters": partly_retranslated,
    "one chapter rewritten to 40 to 60 %": rewritten,
    "one chapter shortened to 40 to 60 %": shortened,
    "some chapters extended": extended,
    "the last chapter rewritten": last_rewritten,
    "one chapter split in two or three": split,
    "two chapters merged": merged,
    "poems of 60 letters added and edited": poems,
    "chapters that quote error messages": quoting,
    "a note of the author in every chapter": notes,
    "real texts in place of notices": notices_replaced,
    "texts fetched later": fetched_later,
    "old texts left out": old_left_out,
    "invisible marks, others each time": invisible_marks,
    "a line of the site in every chapter": visible_line,
    "NFC to NFD": decomposed,
    "plain text to markup": into_markup,
    "markup to plain text": out_of_markup,
    "other blanks and line ends": other_blanks,
    "entities encoded or decoded": entities,
    "other quotation marks": quotes,
    "simplified to traditional Chinese, or back": other_characters,
}
