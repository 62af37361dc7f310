"""
A library whose folders a crawler, a site and a person edit, and which knows for itself which chapter is which.

NovelSync never sees what is known here: a chapter's `root` and its `Novel` go with every edit, and are in no file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, NamedTuple, TypeAlias

Number: TypeAlias = int | float | None

_BEGINNING = 2_000
"""Characters of a real text."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter as its file has it now."""

    root: int
    """Which chapter it is, whatever becomes of the rest. Copies of a novel have their chapters' roots in common."""
    title: str
    number: Number
    url: str
    text: str

    def in_file(self) -> dict[str, Any]:
        return {"title": self.title, "number": self.number, "url": self.url, "content": self.text}


@dataclass(eq=False, slots=True)
class Novel:
    """A novel, whatever its folder is called."""

    chapters: list[Chapter]
    deleted: list[Chapter] = field(default_factory=list)
    """They may come back."""


class Edit(NamedTuple):
    """
    One thing that somebody does to a library. The numbers choose among what is there, so that every sequence of edits
    can be done, and a shorter one of a failing sequence too.
    """

    what: str
    novel: int = 0
    place: int = 0
    amount: int = 0

    def __repr__(self) -> str:
        return f"Edit({self.what!r}, {self.novel}, {self.place}, {self.amount})"


class Shelf:
    """All novels: those that have a folder, and those that had one."""

    def __init__(self, sizes: tuple[int, ...] = ()) -> None:
        self.folders: dict[str, Novel] = {}
        self.away: dict[str, Novel] = {}
        self._new = count(1)
        self._words = "and so on. " * 30
        for size in sizes:
            self.add_novel(size)

    def put(self, book: Mapping[str, Any]) -> Novel:
        """A novel as its file has it."""
        # So that no text that is new is so short that it is held back.
        self._words = max((c["content"][:_BEGINNING] for c in book["chapters"]), key=len)
        # The beginnings are enough to tell chapters by, and looking at whole ones takes minutes.
        said = [(c["title"], c["number"], c["url"], c["content"][:_BEGINNING]) for c in book["chapters"]]
        novel = self.folders[self.name()] = Novel([Chapter(next(self._new), *labels) for labels in said])
        return novel

    def apply(self, edit: Edit) -> None:
        if edit.what in OF_NOVELS:
            OF_NOVELS[edit.what](self, edit)
            return
        novel = self._novel(edit)[1]
        OF_CHAPTERS[edit.what](self, novel, edit)

    def name(self) -> str:
        """A word that never was in any file."""
        return f"word{next(self._new)}"

    def long_text(self) -> str:
        """So long that it tells, and as long as any."""
        name = self.name()
        # The name is in every few words: two texts are not alike.
        return " ".join(f"{name} {self._words[at : at + 12]}" for at in range(0, len(self._words), 12))

    def chapter(self, position: int) -> Chapter:
        """Somebody's next chapter."""
        url = f"https://example.com/{self.name()}"
        return Chapter(next(self._new), f"Chapter {position}", position, url, self.long_text())

    def _novel(self, edit: Edit) -> tuple[str, Novel]:
        return list(self.folders.items())[edit.novel % len(self.folders)]

    # Edits of folders ---------------------------------------------------------------------

    def add_novel(self, size: int) -> None:
        self.folders[self.name()] = Novel([self.chapter(position) for position in range(1, size + 1)])

    def new_novel(self, edit: Edit) -> None:
        self.add_novel(edit.amount % 7)

    def rename_novel(self, edit: Edit) -> None:
        slug, novel = self._novel(edit)
        del self.folders[slug]
        self.folders[self.name()] = novel

    def copy_novel(self, edit: Edit) -> None:
        novel = self._novel(edit)[1]
        self.folders[self.name()] = Novel(list(novel.chapters), list(novel.deleted))

    def delete_novel(self, edit: Edit) -> None:
        if len(self.folders) > 1:
            slug, novel = self._novel(edit)
            del self.folders[slug]
            self.away[slug] = novel

    def return_novel(self, edit: Edit) -> None:
        """Under its old name or, every third time, under another."""
        if self.away:
            slug = list(self.away)[edit.novel % len(self.away)]
            novel = self.away.pop(slug)
            self.folders[self.name() if edit.place % 3 == 2 else slug] = novel

    # Edits of chapters --------------------------------------------------------------------

    def retitle(self, novel: Novel, edit: Edit) -> None:
        word = self.name()
        styles: list[Callable[[int, Chapter], str]] = [
            lambda position, chapter: f"{word} {position}",
            lambda position, chapter: f"Chapter {position}",
            lambda position, chapter: f"{word}: {chapter.title}",
        ]
        style = styles[edit.amount % len(styles)]
        novel.chapters = [replace(c, title=style(n, c)) for n, c in enumerate(novel.chapters, start=1)]

    def retitle_some(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit):
            novel.chapters[at] = replace(novel.chapters[at], title=self.name())

    def renumber(self, novel: Novel, edit: Edit) -> None:
        new = next(self._new)
        styles: list[Callable[[int, Chapter], Number]] = [
            lambda position, chapter: position,
            lambda position, chapter: position + new * 1000,
            lambda position, chapter: position + 0.5,
            lambda position, chapter: None,
        ]
        style = styles[edit.amount % len(styles)]
        novel.chapters = [replace(c, number=style(n, c)) for n, c in enumerate(novel.chapters, start=1)]

    def change_urls(self, novel: Novel, edit: Edit) -> None:
        word = self.name()
        styles: list[Callable[[int, Chapter], str]] = [
            lambda position, chapter: f"https://{word}.example/{position}",
            lambda position, chapter: f"https://example.com/{position}",
            lambda position, chapter: chapter.url and f"{chapter.url}?{word}",
            lambda position, chapter: "",
        ]
        style = styles[edit.amount % len(styles)]
        novel.chapters = [replace(c, url=style(n, c)) for n, c in enumerate(novel.chapters, start=1)]

    def insert(self, novel: Novel, edit: Edit) -> None:
        at = edit.place % (len(novel.chapters) + 1)
        new = [self.chapter(at + n + 1) for n in range(edit.amount % 3 + 1)]
        if edit.amount % 4 == 3:
            new = [replace(c, title=self.name(), number=c.root * 1000) for c in new]
        novel.chapters[at:at] = new

    def append(self, novel: Novel, edit: Edit) -> None:
        self.insert(novel, edit._replace(place=len(novel.chapters)))

    def delete(self, novel: Novel, edit: Edit) -> None:
        self._delete(novel, _run(novel, edit))

    def delete_many(self, novel: Novel, edit: Edit) -> None:
        self._delete(novel, _run(novel, edit, more=4))

    def _delete(self, novel: Novel, places: range) -> None:
        novel.deleted += [novel.chapters[at] for at in places]
        del novel.chapters[places.start : places.stop]

    def bring_back(self, novel: Novel, edit: Edit) -> None:
        if novel.deleted:
            chapter = novel.deleted.pop(edit.amount % len(novel.deleted))
            novel.chapters.insert(edit.place % (len(novel.chapters) + 1), chapter)

    def reverse(self, novel: Novel, edit: Edit) -> None:
        novel.chapters.reverse()

    def rotate(self, novel: Novel, edit: Edit) -> None:
        at = edit.place % (len(novel.chapters) or 1)
        novel.chapters = novel.chapters[at:] + novel.chapters[:at]

    def move(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit)[:1]:
            chapter = novel.chapters.pop(at)
            novel.chapters.insert((at + edit.amount + 1) % (len(novel.chapters) + 1), chapter)

    def edit_text(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit):
            novel.chapters[at] = self._edited(novel.chapters[at])

    def edit_every_text(self, novel: Novel, edit: Edit) -> None:
        novel.chapters = [self._edited(chapter) for chapter in novel.chapters]

    def _edited(self, chapter: Chapter) -> Chapter:
        return replace(chapter, text=f"{self.name()} {chapter.text}" if len(chapter.text) >= 500 else self.long_text())

    def shorten_text(self, novel: Novel, edit: Edit) -> None:
        """By half; what is shorter than any text worth guarding to what tells nothing."""
        short = f"Soon: {self.name()}" if edit.amount % 2 else "Soon."
        for at in _run(novel, edit):
            text = novel.chapters[at].text
            novel.chapters[at] = replace(novel.chapters[at], text=text[: len(text) // 2] if len(text) >= 120 else short)

    def lose_text(self, novel: Novel, edit: Edit) -> None:
        """As a crawler that could not fetch it."""
        for at in _run(novel, edit):
            novel.chapters[at] = replace(novel.chapters[at], text="")

    def repeat_title(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit)[1:]:
            novel.chapters[at] = replace(novel.chapters[at], title=novel.chapters[at - 1].title)

    def repeat_number(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit)[1:]:
            novel.chapters[at] = replace(novel.chapters[at], number=novel.chapters[at - 1].number)

    def repeat_text(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit)[1:]:
            novel.chapters[at] = replace(novel.chapters[at], text=novel.chapters[at - 1].text)

    def blank_title(self, novel: Novel, edit: Edit) -> None:
        for at in _run(novel, edit):
            novel.chapters[at] = replace(novel.chapters[at], title="")


def _run(novel: Novel, edit: Edit, more: int = 0) -> range:
    """One to four chapters that follow one another, or so many more."""
    if not novel.chapters:
        return range(0)
    at = edit.place % len(novel.chapters)
    return range(at, min(at + edit.amount % 4 + 1 + more, len(novel.chapters)))


OF_NOVELS: dict[str, Callable[[Shelf, Edit], None]] = {
    "new novel": Shelf.new_novel,
    "rename novel": Shelf.rename_novel,
    "copy novel": Shelf.copy_novel,
    "delete novel": Shelf.delete_novel,
    "return novel": Shelf.return_novel,
}
OF_CHAPTERS: dict[str, Callable[[Shelf, Novel, Edit], None]] = {
    "retitle": Shelf.retitle,
    "retitle some": Shelf.retitle_some,
    "renumber": Shelf.renumber,
    "change urls": Shelf.change_urls,
    "insert": Shelf.insert,
    "append": Shelf.append,
    "delete": Shelf.delete,
    "delete many": Shelf.delete_many,
    "bring back": Shelf.bring_back,
    "reverse": Shelf.reverse,
    "rotate": Shelf.rotate,
    "move": Shelf.move,
    "edit text": Shelf.edit_text,
    "edit every text": Shelf.edit_every_text,
    "shorten text": Shelf.shorten_text,
    "lose text": Shelf.lose_text,
    "repeat title": Shelf.repeat_title,
    "repeat number": Shelf.repeat_number,
    "repeat text": Shelf.repeat_text,
    "blank title": Shelf.blank_title,
}

OF_TEXTS = frozenset({"edit text", "edit every text", "shorten text", "lose text", "repeat text"})
