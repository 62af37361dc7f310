"""Taking novels, chapters and pages from the readers, so that no file brings them back; and lifting that."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from novelsync.contracts.databases import Database
from novelsync.errors import TakedownRefused
from novelsync.models.desk.takedowns import NamedNovel, Request, Signs, Takedown, TakedownKind, Taken, TakenRow
from novelsync.models.stored import KnownChapter
from novelsync.planning.takedowns.signs import begins_with, host_of, plain_url, signs_of

SHORTEST_PREFIX: Final = 4
"""Characters of the beginning of urls, without the scheme: less would be far too much."""

log = structlog.get_logger()


class TakedownService:
    """What the command line, the routes and the page do about takedowns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_down(self, kind: TakedownKind, target: str, reason: str = "") -> Taken:
        """
        Hides at once what is named, and remembers by what it is recognised in any file from now on.

        Raises `TakedownRefused` if there is no such thing, or nothing to recognise it by; `DatabaseUnavailable`.
        """
        request = self._by_url(target, reason) if kind is TakedownKind.URL else self._by_name(kind, target, reason)
        taken = self._database.takedowns.make(request)
        log.info(
            "taken_down", id=taken.id, kind=kind.value, target=target, novels=taken.novels, chapters=taken.chapters
        )
        return taken

    def listed(self) -> Sequence[Takedown]:
        """All takedowns, the newest first."""
        return self._database.takedowns.listed()

    def lift(self, id_: int) -> int:
        """
        Ends a takedown; how many files the next run reads again because of it.

        Raises `TakedownRefused` if there is none; `DatabaseUnavailable`.
        """
        files = self._database.takedowns.lift(id_)
        if files is None:
            raise TakedownRefused(
                f"there is no takedown {id_} in force", "`novelsync takedown list` shows those there are"
            )
        log.info("takedown_lifted", id=id_, files=files)
        return files

    def _by_url(self, url: str, reason: str) -> Request:
        prefix = plain_url(url)
        if len(prefix) < SHORTEST_PREFIX or "." not in host_of(url):
            raise TakedownRefused(
                f"{url!r} is no beginning of a url, so nothing was taken down",
                "give it with its host: https://host/path",
            )
        _, rows = self._database.takedowns.rows(TakedownKind.URL, prefix, host_of(url))
        ids = [row.id for row in rows if begins_with(plain_url(row.url), prefix)]
        return Request(TakedownKind.URL, prefix, "", reason, Signs(prefixes=[prefix]), None, ids)

    def _by_name(self, kind: TakedownKind, target: str, reason: str) -> Request:
        novel, rows = self._database.takedowns.rows(kind, target)
        named = [row for row in rows if row.copy_of is None]
        if novel is None or not (named or kind is TakedownKind.NOVEL):
            what = "novel" if kind is TakedownKind.NOVEL else "chapter"
            hint = "the folder's name is the slug" if what == "novel" else "the id of its row in the table chapters"
            raise TakedownRefused(f"there is no {what} {target!r} in the tables, so nothing was taken down", hint)
        signs, telling = signs_of(kind, novel, named, self._texts(named))
        if not (signs.texts or signs.short_texts or signs.urls):
            raise TakedownRefused(
                f"nothing was taken down, because nothing could tell {_name(kind, novel, named)} from others:"
                " it has no text but notices, and no url of its own",
                "`novelsync purge` deletes rows for good; `novelsync takedown --url` keeps back pages",
            )
        title = novel.title if kind is TakedownKind.NOVEL else f"{named[0].title} ({novel.title})"
        slug = novel.slug if kind is TakedownKind.NOVEL else None
        ids = [row.id for row in rows if row.copy_of is None or row.copy_of in telling]
        return Request(kind, target, title, reason, signs, target if slug else None, ids)

    def _texts(self, rows: Sequence[TakenRow]) -> Mapping[str, str]:
        wanted = [KnownChapter(row.id, 1, None, row.title, "", b"", row.bytes) for row in rows if row.bytes]
        return dict(self._database.texts(wanted))


def _name(kind: TakedownKind, novel: NamedNovel, named: Sequence[TakenRow]) -> str:
    return f"{novel.title!r}" if kind is TakedownKind.NOVEL else f"{named[0].title!r} of {novel.title!r}"
