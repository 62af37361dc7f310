"""Novels of which the truth is known: which chapter is which, and what of a file is not the novel's own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeAlias

NOBODYS: Final = -1
"""The root of what stands in the list of chapters and is none of them."""

LABELS: Final = ("title", "number", "url")
FIELDS: Final = ("title", "author", "description", "cover_url", "status")

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter as its file has it."""

    root: int
    """Which chapter it is, whatever becomes of the rest."""
    name: str
    """What its title says, besides a number."""
    text: str | None
    """As in the file; None: not fetched yet."""
    title: str = ""
    number: float | None = None
    url: str = ""
    volume: str | None = None
    bad: frozenset[str] = frozenset()
    """Which of ``text``, ``title``, ``number``, ``url`` are not its own."""

    def in_file(self) -> Json:
        said = {"title": self.title, "number": self.number, "content": self.text, "url": self.url}
        return said if self.volume is None else {**said, "volume": self.volume}

    def with_bad_text(self, text: str | None) -> "Chapter":
        return replace(self, text=text, bad=self.bad | {"text"})


@dataclass(frozen=True, slots=True)
class Book:
    """A novel as its file has it."""

    root: int
    """Which novel it is, whatever its folder is called."""
    title: str
    author: str | None
    description: str | None
    cover_url: str | None
    status: str | None
    chapters: Sequence[Chapter]
    bad: frozenset[str] = frozenset()
    """Fields that are not its own."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the file says in place of fields, in types that they do not have."""

    def in_file(self) -> Json:
        fields = {name: getattr(self, name) for name in FIELDS}
        return {**fields, **self.said, "chapters": [chapter.in_file() for chapter in self.chapters]}

    def having(self, chapters: Iterable[Chapter]) -> "Book":
        return replace(self, chapters=tuple(chapters))


@dataclass(frozen=True, slots=True)
class Style:
    """How a site labels chapters."""

    title: str
    """``counted``: "Chapter 5"; ``told``: "Chapter 5: A storm"; ``bare``: "A storm"."""
    number: bool
    url: str
    """``counted``: by the place; ``own``: one that goes with the chapter; ``none``."""
    word: str
    """What a chapter is called."""
    site: str

    def label(self, chapters: Iterable[Chapter], start: int = 1) -> list[Chapter]:
        """The chapters, numbered in their order."""
        return [self._labelled(chapter, n) for n, chapter in enumerate(chapters, start=start)]

    def _labelled(self, chapter: Chapter, n: int) -> Chapter:
        counted = self.word.format(n)
        title = {"counted": counted, "told": f"{counted}: {chapter.name}", "bare": chapter.name}[self.title]
        url = {"counted": f"{self.site}/{n}", "own": f"{self.site}/c{chapter.root * 7919 % 1000003}", "none": ""}
        return replace(chapter, title=title, number=n if self.number else None, url=url[self.url])


class Step(NamedTuple):
    """What is in the folders when a run begins."""

    files: Mapping[str, Book]
    """By slug."""
    damaged: bool = False
    """Whether a person would stop it. Otherwise all of it must go in."""
    may_go: int = 0
    """So many chapters may go although the step is damaged: less than the limit."""


class Trial(NamedTuple):
    """What happens to one novel, or to a few that have to do with each other."""

    slug: str
    """Of the first; the others begin with it."""
    steps: Sequence[Step]
