"""Texts that a crawler has spoiled; what else the file says is right."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bench.judgement.books import Book, Chapter, Step
from bench.judgement.making import notices, texts
from bench.judgement.making.desk import Desk

# A notice in the place of a text ---------------------------------------------------


def _says(desk: Desk, say: Callable[[Chapter], str], book: Book, least: float = 0.0, most: float = 1.0) -> list[Step]:
    return desk.damage(book, desk.in_some(book, lambda c: c.with_bad_text(say(c)), least, most))


def locked_at_the_end(desk: Desk) -> list[Step]:
    """The newest is locked; a day later it is free, and the next one is locked: nothing is lost, and nothing held."""
    book = desk.novel()
    notice = notices.wrapped(desk.rng.choice(notices.LOCKED[desk.language]), desk.rng)
    chapters = list(book.chapters)
    locked = desk.rng.randrange(1, min(4, len(chapters)))
    free = [*chapters, *desk.label([*chapters, *desk.chapters(3)])[-3:]]
    steps = []
    for n in range(len(chapters) - locked, len(free) - locked + 1, desk.rng.randrange(1, 3)):
        shown = [*free[:n], *(c.with_bad_text(notice) for c in free[n : n + locked])]
        steps.append(book.having(shown))
    return desk.steps(*steps)


def wandering(desk: Desk) -> list[Step]:
    """A notice or an error page that each time stands in place of other good texts."""
    book = desk.novel()
    said = desk.rng.choice([*notices.LOCKED[desk.language], notices.error_page(desk.rng), notices.menu(desk.rng)])
    spoil = desk.in_some
    damaged = [spoil(book, lambda c: c.with_bad_text(said), 0, 0.2) for _ in range(3)]
    return desk.damage(book, *damaged)


def wandering_in_a_row(desk: Desk) -> list[Step]:
    """From chapter to chapter, while the author inserts some: the ids are right at the end."""
    book = desk.novel(title=desk.rng.choice(["told", "bare"]), url="own")
    said = desk.rng.choice(notices.LOCKED[desk.language])
    chapters, steps = list(book.chapters), [Step({desk.slug: book})]
    at = desk.rng.randrange(len(chapters) - 3)
    for n in range(3):
        chapters = desk.label([*chapters[:1], *desk.chapters(1), *chapters[1:]])
        shown = [c.with_bad_text(said) if m == at + 2 * n else c for m, c in enumerate(chapters)]
        steps.append(Step({desk.slug: book.having(shown)}, damaged=True))
    return [*steps, Step({desk.slug: book.having(chapters)})]


def error_pages_in_some(desk: Desk) -> list[Step]:
    pages = notices.ErrorPages(desk.rng)
    return _says(desk, lambda _: next(pages), desk.novel(), 0.05, 0.6)


def error_pages_in_all(desk: Desk) -> list[Step]:
    pages = notices.ErrorPages(desk.rng)
    return _says(desk, lambda _: next(pages), desk.novel(), 1)


def coming_soon(desk: Desk) -> list[Step]:
    book = desk.novel()
    said = notices.wrapped(desk.rng.choice(notices.SOON[desk.language]), desk.rng)
    return _says(desk, lambda _: said, book)


def empty_markup(desk: Desk) -> list[Step]:
    return _says(desk, lambda _: desk.rng.choice(notices.EMPTY), desk.novel())


def invisible_letters(desk: Desk) -> list[Step]:
    return _says(desk, lambda _: desk.rng.choice(notices.INVISIBLE), desk.novel())


def heading_only(desk: Desk) -> list[Step]:
    said = desk.rng.choice(["<h1>{}</h1>", "{}", "# {}\n\n", "<h2>{}</h2>\n<p>&nbsp;</p>"])
    return _says(desk, lambda c: said.format(c.title), desk.novel())


def links(desk: Desk) -> list[Step]:
    page = notices.menu(desk.rng)
    same = desk.rng.random() < 0.5
    return _says(desk, lambda _: page if same else notices.menu(desk.rng), desk.novel())


def login_pages(desk: Desk) -> list[Step]:
    book = desk.novel()
    return _says(desk, lambda c: notices.login(desk.language, c.title, desk.rng), book)


def buy(desk: Desk) -> list[Step]:
    """At least two, of good length: one notice in place of different texts."""
    book = desk.novel(languages=("en",))
    said = notices.wrapped(desk.rng.choice(notices.BUY), desk.rng)
    return _says(desk, lambda _: said, book, 0.25)


def same_page(desk: Desk) -> list[Step]:
    """A page that nobody knows, as long as a chapter."""
    book = desk.novel()
    page = desk.chapters(1)[0].text or ""
    return _says(desk, lambda _: page, book, 0.25)


# A part of it ------------------------------------------------------------------------


def _preview(desk: Desk, least: float, most: float) -> list[Step]:
    book = desk.novel(letters=desk.rng.randrange(1200, 2500))
    ending = desk.rng.choice(notices.PAY[desk.language])

    def cut(chapter: Chapter) -> Chapter:
        share = desk.rng.uniform(0.10, 0.28)
        return desk.spoiled(chapter, lambda text: texts.beginning(text, share) + ending)

    return desk.damage(book, desk.in_some(book, cut, least, most))


def previews_of_some(desk: Desk) -> list[Step]:
    return _preview(desk, 0, 0.4)


def previews_of_all(desk: Desk) -> list[Step]:
    return _preview(desk, 1, 1)


def gradual_loss_of_texts(desk: Desk) -> list[Step]:
    """What an author might do, again and again: to a third, to a tenth, to a line."""
    book = desk.novel(letters=desk.rng.randrange(1500, 3000))
    places = desk.some(book, 0, 0.5)
    shares = [desk.rng.uniform(0.25, 0.4), desk.rng.uniform(0.06, 0.1), 0.01][desk.rng.randrange(2) :]

    def left(share: float, *, good: bool) -> Book:
        def cut(chapter: Chapter) -> Chapter:
            shorter = desk.spoiled(chapter, lambda text: texts.beginning(text, share))
            return replace(shorter, bad=frozenset()) if good else shorter

        return book.having(cut(c) if n in places else c for n, c in enumerate(book.chapters))

    return desk.damage(book, *(left(share, good=share > 0.2) for share in shares))


# Another chapter's -------------------------------------------------------------------


def neighbours(desk: Desk) -> list[Step]:
    book = desk.novel()
    chapters = list(book.chapters)
    places = {max(1, n) for n in desk.some(book, 0, 0.4)}
    places -= {n for n in places if n - 1 in places and n > 1}
    damaged = [c.with_bad_text(chapters[n - 1].text) if n in places else c for n, c in enumerate(chapters)]
    return desk.damage(book, book.having(damaged))


def off_by_one(desk: Desk) -> list[Step]:
    """From somewhere on; url, number and title say which is which."""
    book = desk.novel(title=desk.rng.choice(["told", "bare"]), number=True, url="own")
    texts_ = [c.text for c in book.chapters]
    at = desk.rng.randrange(len(texts_) - 3)
    if desk.rng.random() < 0.5:
        moved = [*texts_[:at], *texts_[at + 1 :], desk.rng.choice([None, texts_[-1]])]
    else:
        moved = [*texts_[: at + 1], *texts_[at:-1]]
    damaged = [c if c.text == text else c.with_bad_text(text) for c, text in zip(book.chapters, moved, strict=True)]
    return desk.damage(book, book.having(damaged))


def shuffled(desk: Desk) -> list[Step]:
    """Downloads that ended in another order than they began."""
    book = desk.novel(title=desk.rng.choice(["told", "bare"]), number=True, url="own")
    places = sorted(desk.some(book, 0.2))
    new = dict(zip(places, [*places[1:], places[0]], strict=True))
    texts_ = [c.text for c in book.chapters]
    damaged = [c.with_bad_text(texts_[new[n]]) if new.get(n, n) != n else c for n, c in enumerate(book.chapters)]
    return desk.damage(book, book.having(damaged)) if len(places) > 1 else shuffled(desk)


# Unreadable --------------------------------------------------------------------------

_MARKED: Final = ("vi", "ru", "zh", "ja")


def _unreadable(desk: Desk, book: Book, change: Callable[[str], str]) -> list[Step]:
    return desk.damage(book, desk.in_some(book, lambda c: desk.spoiled(c, change)))


def undecodable(desk: Desk) -> list[Step]:
    return _unreadable(desk, desk.novel(languages=_MARKED), texts.undecodable)


def mojibake(desk: Desk) -> list[Step]:
    encoding = desk.rng.choice(["latin-1", "cp1252"])
    return _unreadable(desk, desk.novel(languages=_MARKED), lambda text: texts.misread(text, encoding))


def eastern_mojibake(desk: Desk) -> list[Step]:
    encoding = desk.rng.choice(["gbk", "shift-jis", "euc-kr"])
    return _unreadable(desk, desk.novel(languages=_MARKED), lambda text: texts.misread(text, encoding))


def another_script(desk: Desk) -> list[Step]:
    """Advertisements, or the next novel of a site in another language."""
    book = desk.novel()
    far = {"ru": ["en", "zh"], "en": ["ru", "zh"], "vi": ["ru", "ja"], "zh": ["en", "ru"], "ja": ["vi", "ru"]}
    language = desk.rng.choice(far[desk.language])
    return _unreadable(desk, book, lambda text: desk.in_script_of(language, len(text)))


KINDS: Final[Mapping[str, Callable[[Desk], list[Step]]]] = {
    "the newest chapters are locked, others each time": locked_at_the_end,
    "a notice wanders through good chapters": wandering,
    "a notice wanders while chapters are inserted": wandering_in_a_row,
    "error pages in some chapters": error_pages_in_some,
    "error pages in all chapters": error_pages_in_all,
    "coming soon": coming_soon,
    "empty markup": empty_markup,
    "invisible letters": invisible_letters,
    "the heading and no text": heading_only,
    "pages of links": links,
    "login pages with the chapter's title": login_pages,
    "one notice to buy in place of several texts": buy,
    "one long page in place of several texts": same_page,
    "previews of some chapters, 10 to 28 %": previews_of_some,
    "previews of all chapters, 10 to 28 %": previews_of_all,
    "a text is lost in steps": gradual_loss_of_texts,
    "the text of the chapter before": neighbours,
    "texts off by one": off_by_one,
    "texts in another order": shuffled,
    "U+FFFD": undecodable,
    "UTF-8 read as Latin-1 or cp1252": mojibake,
    "UTF-8 read as GBK, Shift-JIS or EUC-KR": eastern_mojibake,
    "texts in another script": another_script,
}
