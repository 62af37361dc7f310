"""A reader of the site who never stops looking, and knows every version of every novel that there ever was."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from time import perf_counter
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

PAUSE = 0.02
"""Seconds between two looks, at least: the machine has something else to do, too."""

_LOOK = """
    select n.id, n.slug, n.title, n.author, n.chapter_count, coalesce(
        json_agg(json_build_array(
            c.id, c.position, c.number, c.title, c.url, encode(sha256(convert_to(c.content, 'UTF8')), 'hex')
        ) order by c.position) filter (where c.id is not null), '[]')
    from novels n left join chapters c on c.novel_id = n.id
    group by n.id, n.slug, n.title, n.author, n.chapter_count"""
"""As anon, whom the policies show only what is published; one statement, so that it is one moment."""


class Chapter(NamedTuple):
    """What a reader is shown of a chapter, and ``digest`` for its text."""

    number: float | None
    title: str
    url: str
    digest: str


class Version(NamedTuple):
    """A novel as one state of its file has it."""

    title: str
    author: str | None
    chapters: tuple[Chapter, ...]


class Shown(NamedTuple):
    """A novel as a reader sees it, and the ids of its chapters in their order."""

    novel_id: int
    version: Version
    ids: tuple[int, ...]


def version_of(book: Mapping[str, Any]) -> Version:
    """``book``: what its file says."""
    chapters = (
        Chapter(
            None if c["number"] is None else float(c["number"]),
            c["title"],
            c["url"],
            sha256(c["content"].encode()).hexdigest(),
        )
        for c in book["chapters"]
    )
    return Version(book["title"], book.get("author"), tuple(chapters))


class Reader(threading.Thread):
    """Looks until the block is left, and goes on through restarts of the server. ``half_seen``: what must not be."""

    def __init__(self, url: str) -> None:
        super().__init__(name="reader", daemon=True)
        self.looks = 0
        self.half_seen: list[str] = []
        self.versions: dict[str, set[Version]] = defaultdict(set)
        """Slug to all that was ever in its file; each is noted before the file is written."""
        self._url = make_conninfo(url, options="-c role=anon", connect_timeout=5)
        self._done = threading.Event()

    def __enter__(self) -> "Reader":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.is_set():
            # The server may be restarting; a reader comes again, too.
            with suppress(psycopg.OperationalError), psycopg.connect(self._url, autocommit=True) as connection:
                while not self._done.is_set():
                    began = perf_counter()
                    self.look(connection)
                    self._done.wait(max(PAUSE, perf_counter() - began))
            self._done.wait(PAUSE)

    def look(self, connection: psycopg.Connection[Any]) -> dict[str, Shown]:
        """Every novel there is, by its slug; each must be one version of its file and whole."""
        shown: dict[str, Shown] = {}
        for novel_id, slug, title, author, count, chapters in connection.execute(_LOOK).fetchall():
            version = Version(title, author, tuple(Chapter(n and float(n), *rest) for _, _, n, *rest in chapters))
            positions = [position for _, position, *_ in chapters]
            if positions != list(range(1, count + 1)):
                self.half_seen.append(f"{slug} says that it has {count} chapters, and they are at {positions}")
            elif version not in self.versions[slug]:
                self.half_seen.append(f"{slug} was never in storage with these {count} chapters: {version}")
            if slug in shown:
                self.half_seen.append(f"{slug} is there twice")
            shown[slug] = Shown(novel_id, version, tuple(id_ for id_, *_ in chapters))
        self.looks += 1
        return shown
