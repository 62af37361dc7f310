"""
Whether what is taken down stays down, and whether honest work comes in, over the real novels.

Of every other novel the whole is taken down, of the others one chapter. Then each is brought back in some way, and a
run is made: what readers then see of it has leaked. Urls, which no reader sees, tell the bench which chapter is which.
"""

import json
import random
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.judgement.making import texts
from bench.parts import database
from bench.results import Table
from novelsync.books.reader import read_book
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.desk.takedowns import TakedownKind
from novelsync.models.stored import PurgeSelection
from novelsync.planning.takedowns.withholding import Takedowns
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from novelsync.takedown_service import TakedownService
from tests.support.library import REAL_NOVELS

SEED: Final = 1897
HONEST: Final = 250
"""Of each kind."""
LONG: Final = 600
"""Letters of a chapter that is taken down, and of a quotation at most."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Novel:
    """A novel, and which of its chapters are taken down."""

    slug: str
    book: Json
    down: frozenset[int]
    whole: bool

    @property
    def chapters(self) -> list[Json]:
        return list(self.book["chapters"])


Piece = tuple[Json, bool]
"""A chapter of a file, and whether it is taken down."""

Evasion = Callable[[list[Piece], random.Random], list[Piece]]


def main(folder: Path) -> Iterator[Table]:
    if not REAL_NOVELS.is_dir():
        raise SystemExit(f"{REAL_NOVELS} is not there: this is measured over real novels")
    novels = list(_novels())
    rows: list[list[str]] = []
    totals = [0, 0, 0, 0, 0]
    blocked: list[list[str]] = []
    cost: list[str] = []
    for name, evade in EVASIONS.items():
        with database() as conninfo, closing(SqlClient(PostgresTransport(conninfo))) as client:
            counts = _evaded(name, evade, novels, folder / str(len(rows)), conninfo, client)
            if not blocked:
                in_force = Takedowns(client.takedowns_in_force())
                blocked, cost = list(_honest(novels, in_force)), _cost(novels, in_force)
        rows.append([name, *(f"{count:,}" for count in counts)])
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    rows.append(["**all**", *(f"{total:,}" for total in totals)])
    yield Table(
        f"What was taken down, brought back ({totals[0]} novels and chapters)",
        ["", "evasions", "leaked", "chapters kept back", "other chapters", "of these lost"],
        rows,
        "Leaked: readers see any of it after the run. All but the first and the last have other labels too.",
    )
    yield Table("Honest work beside it", ["", "new", "blocked"], blocked)
    yield Table("What comparing costs", ["", "time", "a MB"], [cost])


def _novels() -> Iterator[Novel]:
    rng = random.Random(SEED)  # noqa: S311
    for place, path in enumerate(sorted(REAL_NOVELS.glob("*/book_info.json"))):
        book = json.loads(path.read_text(encoding="utf-8"))
        slug = path.parent.name
        for n, chapter in enumerate(book["chapters"]):
            chapter["url"] = f"https://first.example/{slug}/{n}"
        long = [n for n, chapter in enumerate(book["chapters"]) if len(chapter["content"]) >= LONG]
        whole = place % 2 == 0
        yield Novel(slug, book, frozenset(range(len(book["chapters"])) if whole else [rng.choice(long)]), whole)


def _evaded(
    name: str, evade: Evasion, novels: Sequence[Novel], folder: Path, conninfo: str, client: SqlClient
) -> list[int]:
    """Evasions, leaks, chapters that are kept back, others, and those of these that readers do not see."""
    rng = random.Random(f"{SEED} {name}")  # noqa: S311
    service = SyncService(LocalStorage(str(folder)), client, SyncConfig(workers=2, max_file_bytes=2**30))
    for novel in novels:
        _write(folder / novel.slug, novel.book)
    service.sync_all_novels("bench")
    takedowns = TakedownService(client)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for novel in novels:
            if novel.whole:
                takedowns.take_down(TakedownKind.NOVEL, novel.slug)
            else:
                query = "select c.id::text from chapters c where c.url = %s"
                (down,) = novel.down
                ((id_,),) = connection.execute(query, [novel.chapters[down]["url"]]).fetchall()
                takedowns.take_down(TakedownKind.CHAPTER, id_)
        service.sync_all_novels("bench")
        if name == PURGED:
            removed = client.removed_rows.count(PurgeSelection())
            for _ in client.removed_rows.purge(PurgeSelection(), removed.before):
                pass
        files: dict[str, list[Piece]] = {}
        for novel in novels:
            pieces = evade([(dict(c), n in novel.down) for n, c in enumerate(novel.chapters)], rng)
            files[novel.slug] = pieces
            book = {**novel.book, "chapters": [chapter for chapter, _ in pieces]}
            to = folder / novel.slug
            if name == RENAMED:
                to = to.rename(folder / f"{novel.slug}-again")
            elif name == COPIED:
                to, book["title"], book["author"] = folder / f"x-{novel.slug}", f"{book['title']} II", "Nobody"
            _write(to, {**book, "description": f"{name}"})
        for _ in range(2):
            report = service.sync_all_novels("bench")
            if report.outcome not in ("ok", "partial"):
                raise SystemExit(f"{name}: {report.outcome}: {report.problems}")
        query = (
            "select c.url from chapters c join novels n on n.id = c.novel_id"
            " where c.removed_at is null and n.removed_at is null"
        )
        seen = {url for (url,) in connection.execute(query)}
    carried = [[chapter["url"] for chapter, is_down in pieces if is_down] for pieces in files.values()]
    others = [chapter["url"] for pieces in files.values() for chapter, is_down in pieces if not is_down]
    leaked = sum(not seen.isdisjoint(urls) for urls in carried)
    return [len(files), leaked, sum(map(len, carried)), len(others), sum(url not in seen for url in others)]


def _write(folder: Path, book: Json) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book_info.json").write_text(json.dumps(book, ensure_ascii=False), encoding="utf-8")


# Evasions -----------------------------------------------------------------------------


def _as_it_was(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    return pieces


def _relabelled(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    site = rng.randrange(10**9)
    return [
        ({**chapter, "url": f"https://again.example/{site}/{n}", "number": n + 1001, "title": f"Part {n + 1001}"}, down)
        for n, (chapter, down) in enumerate(pieces)
    ]


def _with_texts(change: Callable[[str, random.Random], str]) -> Evasion:
    def evade(pieces: list[Piece], rng: random.Random) -> list[Piece]:
        changed = [({**chapter, "content": change(chapter["content"], rng)}, down) for chapter, down in pieces]
        return _relabelled(changed, rng)

    return evade


def _watermarked(text: str, rng: random.Random) -> str:
    mark = f"(Read it at again{rng.randrange(1000)}.example!)"
    return "\n\n".join(f"{part} {mark}" for part in texts.paragraphs(text))


def _marked_up(text: str, rng: random.Random) -> str:
    return texts.in_page(texts.with_invisible_marks(texts.with_curly_quotes(text), rng))


def _decomposed(text: str, rng: random.Random) -> str:
    return texts.with_entities(unicodedata.normalize("NFD", text))


def _cut(text: str, rng: random.Random) -> str:
    return text[len(text) // 10 : -(len(text) // 10)]


def _split(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    parts = [
        ({**chapter, "content": part}, down)
        for chapter, down in pieces
        for part in (texts.split(chapter["content"], 2) if down else [chapter["content"]])
        if part
    ]
    return _relabelled(parts, rng)


def _merged(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """What is taken down with what comes next."""
    merged: list[Piece] = []
    left = list(pieces)
    while left:
        chapter, down = left.pop(0)
        if down and left:
            following, _ = left.pop(0)
            chapter = {**chapter, "content": f"{chapter['content']}\n\n{following['content']}"}
        merged.append((chapter, down))
    return _relabelled(merged, rng)


RENAMED: Final = "the folder renamed"
COPIED: Final = "copied under another slug, title and author"
PURGED: Final = "purged, then crawled again"

EVASIONS: Final[dict[str, Evasion]] = {
    RENAMED: _as_it_was,
    COPIED: _relabelled,
    "new urls, numbers and titles": _relabelled,
    "a watermark in every paragraph": _with_texts(_watermarked),
    "markup, other quotes, invisible letters": _with_texts(_marked_up),
    "NFD, every letter beyond ASCII an entity": _with_texts(_decomposed),
    "split into two chapters": _split,
    "joined with the next chapter": _merged,
    "the first and the last tenth cut away": _with_texts(_cut),
    PURGED: _as_it_was,
}


# Honest work --------------------------------------------------------------------------


def _honest(novels: Sequence[Novel], takedowns: Takedowns) -> Iterator[list[str]]:
    rng = random.Random(f"{SEED} honest")  # noqa: S311
    own = [c["content"] for each in novels for n, c in enumerate(each.chapters) if n not in each.down]
    down = [each.chapters[n]["content"] for each in novels for n in each.down]
    down = [text for text in down if len(text) >= LONG]
    titles = [novel.book for novel in novels if novel.whole]
    makers: dict[str, Callable[[int], Json]] = {
        "chapters of other novels, proofread": lambda n: _file(texts.proofread(own[n % len(own)], rng)),
        "chapters that quote what was taken down": lambda n: _file(_quoting(own[n % len(own)], rng.choice(down), rng)),
        "other translations of what was taken down": lambda n: _file(texts.retranslated(rng.choice(down)[:20_000], n)),
        "other novels with the title and author of one that was": lambda n: _file(
            *(rng.choice(own) for _ in range(3)), like=titles[n % len(titles)]
        ),
    }
    total = 0
    for name, make in makers.items():
        files = (read_book(json.dumps(make(n), ensure_ascii=False).encode()) for n in range(HONEST))
        blocked = sum(bool(takedowns.of_book(book)) for book in files)
        total += blocked
        yield [name, f"{HONEST:,}", f"{blocked:,}"]
    yield ["**all**", f"{HONEST * len(makers):,}", f"{total:,}"]


def _file(*contents: str, like: Json | None = None) -> Json:
    book = {"title": like["title"], "author": like["author"]} if like else {"title": "Something new"}
    chapters = [
        {"title": f"{n}", "number": n, "url": f"https://new.example/{n}", "content": content}
        for n, content in enumerate(contents, start=1)
    ]
    return {**book, "chapters": chapters}


def _quoting(text: str, quoted: str, rng: random.Random) -> str:
    """With a tenth of its length, and at most `LONG` letters, taken from another."""
    length = min(LONG, len(text) // 10)
    at = rng.randrange(max(1, len(quoted) - length))
    middle = len(text) // 2
    return f"{text[:middle]}\n\n“{quoted[at : at + length]}”\n\n{text[middle:]}"


def _cost(novels: Sequence[Novel], takedowns: Takedowns) -> list[str]:
    books = [read_book(json.dumps(novel.book, ensure_ascii=False).encode()) for novel in novels]
    size = sum(chapter.content_bytes for book in books for chapter in book.chapters) / 1e6
    start = time.perf_counter()
    for book in books:
        takedowns.of_book(book)
    seconds = time.perf_counter() - start
    return [f"{size:.1f} MB of text", f"{seconds:.2f} s", f"{seconds / size * 1000:.0f} ms"]
