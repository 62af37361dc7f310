"""novel-downloader, the one in Python: a folder with ``book_info.raw.json``, and the texts in a SQLite database."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from novelsync.convert.files import LINK_HINT, Budget, Files, decode
from novelsync.convert.source import Format, Number, SourceChapter, SourceNovel, Text, as_text
from novelsync.errors import BookRefused
from novelsync.text.formatting import one_line

_INFO: Final = "book_info.json"
_RAW_INFO: Final = "book_info.raw.json"
_PIPELINE: Final = "pipeline.json"


class _Chapter(Struct):
    title: Text = None
    url: Text = None
    chapterId: Number = None  # noqa: N815 — its name


class _Volume(Struct):
    volume_name: Text = None
    chapters: Sequence[_Chapter] = ()


class _Book(Struct):
    book_name: Text = None
    author: Text = None
    summary: Text = None
    cover_url: Text = None
    serial_status: Text = None
    volumes: Sequence[_Volume] = ()


class _Pipeline(Struct):
    pipeline: Sequence[str] = ()
    """The stages through which the texts have gone, each with files of its own."""


def _matches(files: Files) -> bool:
    names = files.names()
    return files.path.is_dir() and (_RAW_INFO in names or (_INFO in names and _database(files, names) is not None))


def _read(files: Files) -> SourceNovel:
    names = files.names()
    database = _database(files, names)
    stage = database.split(".")[1] if database and database.count(".") == 2 else "raw"
    info = next(name for name in (f"book_info.{stage}.json", _RAW_INFO, _INFO) if name in names)
    book = decode(info, files.read(info) or b"", _Book)
    chapters = _chapters(files, database, book.volumes)
    return SourceNovel(
        book.book_name, book.author, book.summary, chapters, book.cover_url, book.serial_status, suffix=".txt"
    )


def _database(files: Files, names: set[str]) -> str | None:
    """Of the last stage that there is; texts that were not processed, if there is none."""
    there = sorted(name for name in names if name.startswith("chapter") and name.endswith(".sqlite"))
    pipeline = files.read(_PIPELINE) if _PIPELINE in names else None
    stages = decode(_PIPELINE, pipeline, _Pipeline).pipeline if pipeline else ()
    wanted = [f"{stem}.{stage}.sqlite" for stage in (*reversed(stages), "raw") for stem in ("chapter", "chapters")]
    return next((name for name in wanted if name in there), there[0] if there else None)


def _chapters(files: Files, database: str | None, volumes: Sequence[_Volume]) -> Iterator[SourceChapter]:
    with ExitStack() as stack:
        texts = stack.enter_context(_Texts.opened(files, database)) if database else None
        number = 0
        for volume in volumes:
            for chapter in volume.chapters:
                number += 1
                id_ = "" if chapter.chapterId is None else str(chapter.chapterId)
                text = texts.of(id_) if texts and id_ else None
                key = id_ or chapter.url or str(number)
                yield SourceChapter(key, chapter.title, number, chapter.url, volume.volume_name, text)


class _Texts:
    """The table of texts, whatever its name is: the one with ``id`` and ``content``."""

    def __init__(self, connection: sqlite3.Connection, budget: Budget) -> None:
        self._budget = budget
        self._connection = connection
        table, columns = _table_of(connection)
        fetched = "where not need_refetch" if "need_refetch" in columns else ""
        last = "priority desc, rowid desc" if "priority" in columns else "rowid desc"
        # By rowid, because nobody promises an index.
        self._rows: dict[str, int] = {}
        for id_, row in connection.execute(f"select id, rowid from {table} {fetched} order by {last}"):  # noqa: S608 — quoted
            self._rows[str(id_)] = row
        self._query = f"select content from {table} where rowid = ?"  # noqa: S608

    @staticmethod
    @contextmanager
    def opened(files: Files, name: str) -> Iterator["_Texts"]:
        try:
            with (
                _undisturbed(files.path / name, files.budget) as address,
                closing(sqlite3.connect(address, uri=True)) as connection,
            ):
                # Whoever made the file decides what is in its schema.
                connection.execute("pragma trusted_schema = off")
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, files.budget.left)
                yield _Texts(connection, files.budget)
        except (sqlite3.Error, OSError, ValueError) as error:
            hint = "end the program that writes it and try again; or repair it, with sqlite3 FILE .recover"
            raise BookRefused([f"the database {name} cannot be read: {one_line(error)}"], hint) from error

    def of(self, id_: str) -> bytes | None:
        """None if it has not been fetched."""
        row = self._connection.execute(self._query, (self._rows.get(id_),)).fetchone()
        text = as_text(row[0]) if row and isinstance(row[0], str) else None
        self._budget.take(len(text or b""))
        return text


@contextmanager
def _undisturbed(path: Path, budget: Budget) -> Iterator[str]:
    """The database's address. It is copied if a program has left a journal, which opening it would write back."""
    beside = [each for end in ("-wal", "-journal") if os.path.lexists(each := path.with_name(path.name + end))]
    if not beside:
        yield f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        return
    with tempfile.TemporaryDirectory(prefix="novelsync-convert-") as folder:
        for each in (path, *beside):
            if each.is_symlink() or not each.is_file():
                raise BookRefused([f"{each.name} is a link, or leads out of the folder"], LINK_HINT)
            budget.take(each.stat().st_size)
            shutil.copyfile(each, Path(folder, each.name))
        yield Path(folder, path.name).as_uri()


def _table_of(connection: sqlite3.Connection) -> tuple[str, set[str]]:
    """Its name in quotes, and its columns. No views and virtual tables, which could compute without end."""
    query = "select name from sqlite_master where type = 'table' and sql like 'create table%' order by name limit 100"
    for (name,) in connection.execute(query).fetchall():
        columns = {str(column) for (column,) in connection.execute("select name from pragma_table_info(?)", (name,))}
        if {"id", "content"} <= columns:
            quoted = str(name).replace('"', '""')
            return f'"{quoted}"', columns
    raise sqlite3.DatabaseError("it has no table with id and content")


FORMAT: Final = Format(
    "novel-downloader", "a folder with book_info.raw.json (or book_info.json) and chapter.raw.sqlite", _matches, _read
)
