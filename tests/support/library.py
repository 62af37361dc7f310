"""A folder of novels that tests write, and what they say about chapters."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from novelsync.evidence.seen import Seen, see
from novelsync.models.source import BookChapter, SourceFile, line_of, url_hash
from novelsync.models.stored import KnownChapter
from novelsync.planning.listing import Listing

REAL_NOVELS = Path(__file__).parents[3] / "shared" / "novels"


def text_of(name: str) -> str:
    """A text long enough to be told by, another for each name."""
    return f"{name}: " + f"It was {name}, and nothing else was. " * 20


def chapter(n: int | str, **changes: Any) -> dict[str, Any]:
    """A chapter as a crawler writes it."""
    number = n if isinstance(n, int) else None
    return {
        "title": f"Chapter {n}",
        "number": number,
        "content": text_of(f"chapter {n}"),
        "url": f"https://example.com/{n}",
    } | changes


def chapters(count: int) -> list[dict[str, Any]]:
    return [chapter(n) for n in range(1, count + 1)]


class Library:
    """``<folder>/<slug>/book_info.json``, written the way crawlers do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, slug: str, chapters: Sequence[dict[str, Any]] | None = None, **fields: Any) -> Path:
        book = {"title": slug.title(), "author": "Somebody", **fields}
        if chapters is not None:
            book["chapters"] = list(chapters)
        return self.write_raw(slug, json.dumps(book, ensure_ascii=False).encode())

    def write_raw(self, slug: str, data: bytes) -> Path:
        path = self.path(slug)
        path.parent.mkdir(exist_ok=True)
        # As a careful crawler does it; and a minute ago, so that it counts as finished.
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        a_minute_ago = time.time_ns() - 60 * 1_000_000_000
        os.utime(fresh, ns=(a_minute_ago, a_minute_ago))
        fresh.rename(path)
        return path

    def path(self, slug: str) -> Path:
        return self.folder / slug / "book_info.json"

    def remove(self, slug: str) -> None:
        shutil.rmtree(self.folder / slug)


def listing_of(novels: Iterable[SourceFile], *settings: object) -> Listing:
    return Listing(map(line_of, novels), *settings)


def found(title: str = "", number: int | None = None, url: str = "", content: str = "") -> BookChapter:
    """A chapter of a file that was read."""
    data = content.encode()
    exact = None if number is None else Decimal(number)
    return BookChapter(title, exact, url, sha256(data).digest(), len(data), content.encode)


def known(
    id_: str,
    title: str = "",
    number: int | None = None,
    url: str = "",
    content: str = "",
    *,
    position: int = 1,
    removed: bool = False,
) -> KnownChapter:
    """A chapter of the table."""
    data = content.encode()
    exact = None if number is None else Decimal(number)
    digest = sha256(data).digest()
    _STORED[digest] = content
    return KnownChapter(id_, position, exact, title, url_hash(url), digest, len(data), removed)


_STORED: dict[bytes, str] = {}
"""Texts of rows that `known` made, by their hashes."""


def seen(rows: Iterable[KnownChapter]) -> dict[str, Seen]:
    """What the texts of rows say that `known` made."""
    return {row.id: see(_STORED[row.content_hash], row.title) for row in rows if row.content_bytes}
