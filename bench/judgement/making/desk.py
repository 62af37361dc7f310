"""Where a trial is made: pieces of real novels become a novel of which the truth is known."""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from bench.judgement.books import NOBODYS, Book, Chapter, Step, Style
from bench.judgement.making import texts
from bench.judgement.making.shelf import Shelf

_WORDS: Final = {
    "en": ("Chapter {}", "Ch. {}", "Part {}"),
    "vi": ("Chương {}", "Chương thứ {}", "Hồi {}"),
    "zh": ("第{}章", "第{}回"),
    "ja": ("第{}話", "{}"),
    "ru": ("Глава {}", "Часть {}"),
}
_ALL: Final = tuple(_WORDS)

Markup: TypeAlias = Callable[[str], str]
_MARKUPS: Final[Sequence[Markup]] = (str, str, str, texts.in_paragraphs, texts.in_page)


class Desk:
    """One trial's."""

    def __init__(self, shelf: Shelf, kind: str, number: int) -> None:
        """``number``: of the trial; the same kind and number make the same trial."""
        self.rng = random.Random(f"{kind} {number}")  # noqa: S311
        self.slug = f"trial-{number:03}"
        self._shelf, self._number = shelf, number
        self._roots = itertools.count(number * 100_000 + 1)
        self._names: set[str] = set()
        self._plain: dict[int, str] = {}
        self.language = ""
        self.style = Style("told", True, "own", "{}", "")
        self._source, self._letters = "", 0

    # Novels and chapters ------------------------------------------------------------------

    def novel(
        self,
        count: int = 0,
        letters: int = 0,
        languages: Sequence[str] = _ALL,
        markup: Markup | None = None,
        **style: Any,
    ) -> Book:
        """``count`` chapters of about as many ``letters``; 0: any number. ``markup`` and ``style``: any, too."""
        self._source = self._shelf.choose(languages, self._number)
        self.language = self._shelf.languages[self._source]
        dense = 1 if self.language in ("en", "vi", "ru") else 0.45
        self._letters = letters or int(dense * 600 * 4 ** self.rng.random())
        self._markup = markup or self.rng.choice(_MARKUPS)
        self.style = self._a_style(**style)
        chapters = self.label(self.chapters(count or int(8 * 5 ** self.rng.random())))
        return self._book(chapters)

    def _a_style(self, **style: Any) -> Style:
        site = f"https://novels.example/{self.language}/{self.slug}"
        word = self.rng.choice(_WORDS[self.language])
        title = self.rng.choice(["counted", "told", "told", "bare"])
        url = self.rng.choice(["counted", "own", "own", "none"])
        number = self.rng.random() < 0.8
        return replace(Style(title, number or (title, url) == ("counted", "none"), url, word, site), **style)

    def _book(self, chapters: Sequence[Chapter]) -> Book:
        title, author = self.name(3), self.name(2)
        cover = f"{self.style.site}/cover.jpg"
        status = self.rng.choice(["ongoing", "completed", "Đang ra"])
        return Book(next(self._roots), title, author, self.take(150)[:200], cover, status, tuple(chapters))

    def other(self, book: Book, count: int = 0) -> Book:
        """Another novel of the same site and in the same style."""
        self.style = replace(self.style, site=f"{self.style.site}-{self.rng.randrange(1000)}")
        return self._book(self.label(self.chapters(count or len(book.chapters))))

    def chapters(self, count: int, letters: int = 0) -> list[Chapter]:
        """New ones, without labels."""
        return [
            self.chapter(self.take(letters or int(self._letters * (0.7 + 0.6 * self.rng.random()))))
            for _ in range(count)
        ]

    def chapter(self, plain: str) -> Chapter:
        root = next(self._roots)
        self._plain[root] = plain
        return Chapter(root, self.name(self.rng.randrange(2, 5)), self._markup(plain))

    def take(self, letters: int) -> str:
        return self._shelf.take(self._source, letters)

    def in_script_of(self, language: str, letters: int) -> str:
        """A text of a novel in another language."""
        return self._shelf.take(self._shelf.choose([language], self.rng.randrange(100)), letters)

    def name(self, count: int) -> str:
        """Words of the novel, which no other chapter has so."""
        vocabulary = self._shelf.vocabularies[self._source]
        while True:
            if self.language in ("zh", "ja"):
                name = "".join(self.rng.choices(vocabulary, k=count + 3))
            else:
                name = " ".join(self.rng.choices(vocabulary, k=count + 1)).capitalize()
            if name not in self._names:
                self._names.add(name)
                return name

    # Work on them -------------------------------------------------------------------------

    def label(self, chapters: Iterable[Chapter]) -> list[Chapter]:
        return self.style.label(chapters)

    def plain(self, chapter: Chapter) -> str:
        return self._plain[chapter.root]

    def edited(self, chapter: Chapter, change: Callable[[str], str]) -> Chapter:
        """By somebody who may."""
        self._plain[chapter.root] = change(self._plain[chapter.root])
        return replace(chapter, text=self._markup(self._plain[chapter.root]))

    def spoiled(self, chapter: Chapter, change: Callable[[str], str]) -> Chapter:
        """By a machine."""
        return chapter.with_bad_text(self._markup(change(self._plain[chapter.root])))

    def some(self, book: Book, least: float = 0.0, most: float = 1.0) -> set[int]:
        """Places of at least one chapter."""
        count = len(book.chapters)
        amount = max(1, round(count * self.rng.uniform(least, most)))
        return set(self.rng.sample(range(count), min(count, amount)))

    def in_some(self, book: Book, change: Callable[[Chapter], Chapter], least: float = 0.0, most: float = 1.0) -> Book:
        places = self.some(book, least, most)
        return book.having(change(c) if n in places else c for n, c in enumerate(book.chapters))

    def grown(self, book: Book) -> Book:
        """In half of all cases with a new chapter at the end."""
        if self.rng.random() < 0.5:
            return book
        return book.having(self.label([*book.chapters, *self.chapters(1)]))

    def steps(self, *books: Book) -> list[Step]:
        """None of them damaged."""
        return [Step({self.slug: book}) for book in books]

    def damage(self, book: Book, *damaged: Book) -> list[Step]:
        """Good, damaged, and good again."""
        between = [Step({self.slug: each}, damaged=True) for each in damaged]
        return [Step({self.slug: book}), *between, Step({self.slug: self.grown(book)})]


def nobodys(chapter: Chapter) -> Chapter:
    return replace(chapter, root=NOBODYS)
