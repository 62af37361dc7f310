"""Lower bounds for a sync: the same rows in one COPY stream, and one ``stat`` for every file of a folder."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

Row = tuple[Any, ...]


def rows(folder: Path) -> Iterator[Row]:
    """The rows that ``chapters`` would have: read with ``json``, or from the files that it names, and hashed."""
    for novel, name in enumerate(sorted(os.listdir(folder)), start=1):  # noqa: PTH208 — as fast as it goes
        book = json.loads(_read(f"{folder}/{name}/book_info.json"))
        for position, chapter in enumerate(book["chapters"], start=1):
            filename = chapter.get("filename")
            text = _read(f"{folder}/{name}/{filename}").decode() if filename else chapter["content"]
            digest = sha256(text.encode()).digest()
            yield novel, position, chapter["number"], chapter["title"], text, chapter["url"], digest


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 — as fast as it goes
        return file.read()


def copy(conninfo: str, rows_: Iterable[Row]) -> float:
    """Seconds of one COPY into a table with the columns, indexes and compression of ``chapters``."""
    with psycopg.connect(conninfo) as connection:
        return copy_over(connection, rows_)


def copy_over(connection: psycopg.Connection[Row], rows_: Iterable[Row]) -> float:
    """The same over a connection that is there."""
    connection.execute("create table public.copied (like public.chapters including all)")
    connection.commit()
    start = time.perf_counter()
    columns = "novel_id, position, number, title, content, url, content_hash"
    with connection.cursor().copy(f"copy public.copied ({columns}) from stdin") as stream:
        for row in rows_:
            stream.write_row(row)
    connection.commit()
    return time.perf_counter() - start


def walk(folder: Path) -> float:
    """Seconds of one walk with a stat per novel's file."""
    start = time.perf_counter()
    with os.scandir(folder) as entries:
        for entry in entries:
            os.stat(f"{entry.path}/book_info.json")  # noqa: PTH116 — as fast as it goes
    return time.perf_counter() - start


def walk_all(folder: Path) -> float:
    """Seconds of one walk with a stat for every file of every novel."""
    start = time.perf_counter()
    with os.scandir(folder) as novels:
        for novel in novels:
            with os.scandir(novel.path) as entries:
                for entry in entries:
                    entry.stat(follow_symlinks=False)
    return time.perf_counter() - start
