"""Who fills a world's library, edits it between runs, and writes files in ways that no crawler should."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.faults.world import World
from tests.support.editing import OF_CHAPTERS, OF_NOVELS, Edit, Novel, Shelf
from tests.support.library import chapter

# Not those after which something is held back or undecidable: here, tables must be equal and ids must stay.
_OF_CHAPTERS: Final = sorted(OF_CHAPTERS.keys() - {"repeat text", "lose text", "shorten text", "delete many"})
_OF_NOVELS: Final = ("new novel", "rename novel", "delete novel", "return novel")

TICK: Final = 0.01
"""Seconds between two states of a file: its time moves in steps, of 4 ms where the kernel is an older one."""


class Crawler:
    def __init__(self, world: World, sizes: tuple[int, ...], dice: random.Random) -> None:
        self.world = world
        self.shelf = Shelf(sizes)
        self._dice = dice
        self._written: dict[str, bytes] = {}
        self._long = 0
        self.write()

    def add(self, *sizes: int) -> None:
        """New novels of so many chapters."""
        for size in sizes:
            self.shelf.add_novel(size)
        self.write()

    def put(self, book: Mapping[str, Any]) -> None:
        self.shelf.put(book)
        self.write()

    def put_large(self) -> None:
        """A novel that comes in by several parts; each call adds as much to it, up to 24 chapters, and edits it."""
        self._long = min(self._long + 8, 24)  # were it to shrink, guards would hold what is gone
        signs = [self._dice.random(), *range(1, self._long)]
        texts = [f"{n}, {sign}: " + "It went on and on. " * 30_000 for n, sign in enumerate(signs)]
        book = {"title": "A long one", "chapters": [chapter(n, content=text) for n, text in enumerate(texts)]}
        self.world.publish("a-long-one", book)

    def edit(self) -> None:
        """What happens within an hour: something with folders, or with the chapters of a few novels."""
        before = dict(self._written)
        while self._written == before:  # not every edit changes something
            if self._dice.random() < 0.3:
                kind = self._dice.choice(_OF_NOVELS)
                if kind != "delete novel" or len(self.shelf.folders) > 3:
                    OF_NOVELS[kind](self.shelf, Edit(kind, self._dice.randrange(9), 0, self._dice.randrange(1, 7)))
            else:
                novels = list(self.shelf.folders.values())
                for novel in self._dice.sample(novels, self._dice.randint(1, min(3, len(novels)))):
                    self.edit_chapters(novel)
            self.write()

    def edit_chapters(self, novel: Novel) -> None:
        kind = self._dice.choice(_OF_CHAPTERS if len(novel.chapters) > 5 else ["append", "edit every text"])
        OF_CHAPTERS[kind](self.shelf, novel, Edit(kind, 0, self._dice.randrange(140), self._dice.randrange(8)))

    def write(self) -> None:
        """What is on the shelf."""
        for slug in self._written.keys() - self.shelf.folders.keys():
            self.world.take_away(slug)
            del self._written[slug]
        for slug, novel in self.shelf.folders.items():
            book = book_of(novel)
            if self._written.get(slug) != (data := json.dumps(book).encode()):
                self._written[slug] = data
                self.world.publish(slug, book)

    # Writing badly ------------------------------------------------------------------------

    @contextmanager
    def at_work(self, kind: str, transport: str) -> Iterator[None]:
        """Does it to one novel after the other, again and again, until the block is left; then all is well."""
        done = threading.Event()
        slugs = [slug for slug, novel in self.shelf.folders.items() if novel.chapters]
        order = [self._dice.choice(slugs) for _ in range(500)]

        def work() -> None:
            for slug in order:
                if done.is_set():
                    return
                OF_FILES[kind](self, slug)
                self.world.findings.struck[kind, transport] += 1
                done.wait(TICK)

        thread = threading.Thread(target=work, name=kind)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def replace(self, slug: str) -> None:
        """As careful crawlers do it."""
        self.world.publish(slug, self._next(slug))

    def overwrite(self, slug: str) -> None:
        """In place, in one go."""
        book = self._next(slug)
        self.world.expect(slug, book)
        self.world.library.path(slug).write_bytes(json.dumps(book).encode())

    def write_half(self, slug: str) -> None:
        """In place, and the rest a little later."""
        book = self._next(slug)
        self.world.expect(slug, book)
        data = json.dumps(book).encode()
        with self.world.library.path(slug).open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            time.sleep(TICK)
            file.write(data[len(data) // 2 :])

    def swap_for_link(self, slug: str) -> None:
        """The file, or its folder, becomes a link to something outside that no reader may see; and comes back."""
        path = self.world.library.path(slug)
        if len(slug) % 2:
            path = path.parent
        aside = self.world.library.folder.with_name(f"aside-{slug}")
        _outside(aside.with_name("outside"))
        path.rename(aside)
        path.symlink_to(aside.with_name("outside") / ("book_info.json" if path.suffix else ""))
        time.sleep(TICK)
        path.unlink()
        aside.rename(path)

    def move_away(self, slug: str) -> None:
        """The folder is gone for a moment."""
        folder = self.world.library.folder / slug
        aside = self.world.library.folder.with_name(f"aside-{slug}")
        folder.rename(aside)
        time.sleep(TICK)
        aside.rename(folder)

    def _next(self, slug: str) -> dict[str, Any]:
        novel = self.shelf.folders[slug]
        for place in (0, len(novel.chapters) - 1):
            self.shelf.edit_text(novel, Edit("edit text", 0, place, 0))
        book = book_of(novel)
        self._written[slug] = json.dumps(book).encode()
        return book


OF_FILES: Final[Mapping[str, Callable[[Crawler, str], None]]] = {
    "file replaced": Crawler.replace,
    "file overwritten": Crawler.overwrite,
    "file half-written": Crawler.write_half,
    "swapped for a link": Crawler.swap_for_link,
    "folder away and back": Crawler.move_away,
}


def book_of(novel: Novel) -> dict[str, Any]:
    chapters = [each.in_file() for each in novel.chapters]
    return {"title": "A novel", "author": f"who wrote {len(chapters)} chapters", "chapters": chapters}


def _outside(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    secret = {"title": "No novel of this library", "chapters": []}
    (folder / "book_info.json").write_text(json.dumps(secret))
