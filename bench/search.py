"""
The search for readers: what it finds, how fast, how large it is, and what it costs an import.

``BENCH_NOVELS`` in the environment: how many novels of 30 chapters it is asked among, in place of 100,000.
"""

import json
import os
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import psutil
import psycopg

from bench import libraries
from bench.parts import database, rest, sync, transport
from bench.results import Table, rounds
from novelsync.database.migrations import add_search, search_sql
from tests.support.library import REAL_NOVELS

NOVELS: Final = int(os.environ.get("BENCH_NOVELS") or 100_000)
CHAPTERS: Final = 30
SMALL: Final = 2_000
"""Novels of five chapters, for the import."""
ASKED: Final = 100
"""Questions of each kind, of which the time is taken."""

UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Question:
    kind: str
    query: str
    slugs: frozenset[str]
    """What it must find."""


def main(folder: Path) -> Iterator[Table]:
    random_ = random.Random(7)  # noqa: S311 — no secret
    books = {path.parent.name: json.loads(path.read_bytes()) for path in sorted(REAL_NOVELS.glob("*/book_info.json"))}
    questions = list(_questions(books, random_))
    with database() as conninfo:
        if books:
            with transport("psycopg", conninfo) as (transport_, _):
                sync(REAL_NOVELS, transport_)
        add_search(conninfo, "bench")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("set role anon")
            alone = _recall(connection, questions, "select slug from search_novels(%s, 10)")
            ilike = _recall(connection, questions, _ILIKE)
            connection.execute("reset role")
            building = _fill(connection, books, random_)
            connection.execute("set role anon")
            among = _recall(connection, questions, "select slug from search_novels(%s, 10)")
            connection.execute("reset role")
            sizes = _sizes(connection)
        yield Table(
            "Recall at 10, over the real novels",
            [
                "what is typed",
                "questions",
                f"among {len(books)}",
                f"among {NOVELS:,} more",
                f"`ilike`, among {len(books)}",
            ],
            [
                [kind, f"{count}", *(f"{each[kind]:.3f}" for each in (alone, among, ilike))]
                for kind, count in Counter(question.kind for question in questions).items()
            ],
            "The others have titles, authors and chapters made of the same words and characters, by chance.",
        )
        yield Table(
            f"As `anon` over PostgREST, at {NOVELS:,} novels of {CHAPTERS} chapters",
            ["", "median, ms", "p95, ms", "worst, ms"],
            list(_times(conninfo, questions, random_)),
        )
        yield Table("Its size and its making", ["", "bytes"], [*sizes, *building])
    yield Table(
        f"Import of {SMALL:,} novels of 5 chapters of 1 kB",
        ["", "chapters per second", "the server's processor seconds"],
        list(_imports(folder)),
        "Three rounds each, alternating. Titles are Vietnamese.",
    )


_ILIKE = """
    with asked as (select '%%' || %s::text || '%%' as part)
    select slug from novels, asked where title ilike part or author ilike part
       or exists (select from chapters c where c.novel_id = novels.id and c.title ilike part) limit 10"""


def _plain(text: str) -> str:
    """As it is typed by somebody without a Vietnamese keyboard."""
    apart = unicodedata.normalize("NFD", re.sub("[đð]", "d", text.lower()))
    return "".join(c for c in apart if not "\u0300" <= c <= "\u036f")


def _part(title: str, random_: random.Random) -> str:
    """Three characters in a row, or three words; nothing of a title that is only a label."""
    if UNSPACED.search(title):
        runs = re.findall(f"{UNSPACED.pattern}{{4,}}", title)
        if not (telling := [run for run in runs if not run.startswith("第")]):
            return ""
        run = random_.choice(telling)
        start = random_.randrange(len(run) - 2)
        return str(run[start : start + 3])
    words = re.findall(r"\w+", re.sub(r"^(Chương|PHẦN) \w+\W*", "", title))
    if len(words) < 3:
        return ""
    start = random_.randrange(len(words) - 2)
    return " ".join(words[start : start + 3])


def _questions(books: dict[str, Any], random_: random.Random) -> Iterator[Question]:
    for slug, book in books.items():
        titles = [chapter["title"] for chapter in book["chapters"]]
        unspaced = UNSPACED.search(book["title"])
        of_author = frozenset(other for other in books if books[other]["author"] == book["author"])
        yield Question("titles", book["title"], frozenset({slug}))
        yield Question("authors", book["author"], of_author)
        parts = [part for part in (_part(title, random_) for title in titles) if part]
        parts = random_.sample(parts, min(len(parts), 40))
        if unspaced:
            for n in range(len(book["title"]) - 1):
                yield Question("two characters of a title", book["title"][n : n + 2], frozenset({slug}))
            for part in parts:
                yield Question("three characters of a chapter's title", part, frozenset({slug}))
            continue
        for part in parts:
            yield Question("three words of a chapter's title", part, frozenset({slug}))
        if any(c in "đăâêôơư" for c in (book["title"] + book["author"]).lower()):
            yield Question("Vietnamese titles, without diacritics", _plain(book["title"]), frozenset({slug}))
            yield Question("Vietnamese authors, without diacritics", _plain(book["author"]), of_author)
            for part in parts:
                yield Question("words of Vietnamese chapters, without diacritics", _plain(part), frozenset({slug}))


def _recall(connection: psycopg.Connection[Any], questions: Sequence[Question], sql: str) -> dict[str, float]:
    shares: dict[str, list[float]] = {}
    for question in questions:
        found = {slug for (slug,) in connection.execute(sql.encode(), [question.query])}
        shares.setdefault(question.kind, []).append(len(found & question.slugs) / len(question.slugs))
    return {kind: sum(each) / len(each) for kind, each in shares.items()}


def _fill(connection: psycopg.Connection[Any], books: dict[str, Any], random_: random.Random) -> list[list[str]]:
    """Adds the other novels, and makes the indexes anew."""
    pools = [list(pool) for pool in _pools(books)]

    def words(pool: list[str], count: int) -> str:
        return ("" if UNSPACED.match(pool[0]) else " ").join(random_.choices(pool, k=count))

    connection.execute("drop index novels_search, chapters_search")
    connection.execute("set session_replication_role = replica")  # what is made here keeps every constraint
    first = 1 + _one(connection, "select coalesce(max(id), 0) from novels")
    with connection.cursor().copy("copy novels (id, slug, title, author, last_chapter_at) from stdin") as copy:
        for n in range(NOVELS):
            pool = pools[n % len(pools)]
            when = f"2026-01-{1 + n % 28:02d}"
            copy.write_row((first + n, f"novel-{n}", words(pool, 2 + n % 4), words(pool, 3), when))
    with connection.cursor().copy("copy chapters (novel_id, position, title) from stdin") as copy:
        for n in range(NOVELS):
            pool = pools[n % len(pools)]
            label = "第{}回 {}" if UNSPACED.match(pool[0]) else ("Chapter {}: {}", "Chương {}: {}")[n % 2]
            for k in range(1, CHAPTERS + 1):
                copy.write_row((first + n, k, label.format(k, words(pool, 5))))
    start = time.perf_counter()
    connection.execute(_indexes())
    made = time.perf_counter() - start
    connection.execute("vacuum analyze")
    return [["making the indexes of such a library", f"{made:.0f} s"]]


def _indexes() -> bytes:
    return "".join(re.findall(r"^create index.*?;$", search_sql(), re.MULTILINE | re.DOTALL)).encode()


def _pools(books: dict[str, Any]) -> Iterator[Iterable[str]]:
    """Words and characters of titles, by kind of writing."""
    chapters = (chapter["title"] for book in books.values() for chapter in book["chapters"])
    text = " ".join([*(book[key] for book in books.values() for key in ("title", "author")), *chapters])
    if characters := sorted(set(UNSPACED.findall(text))):
        yield characters
    words = sorted({word for word in re.findall(r"\w{2,}", text) if not UNSPACED.search(word)}) or libraries.WORDS
    yield [word for word in words if word.isascii()]
    yield [word for word in words if not word.isascii()]


def _times(conninfo: str, questions: Sequence[Question], random_: random.Random) -> Iterator[list[str]]:
    kinds = {
        "a title": [q.query for q in questions if "titles" in q.kind and "chapter" not in q.kind],
        "an author": [q.query for q in questions if "authors" in q.kind],
        "three words of a chapter": [q.query for q in questions if "words" in q.kind],
        "two or three characters": [q.query for q in questions if "characters" in q.kind],
        "any of these, two letters before its end": [q.query[:-2] for q in questions if " " in q.query],
        "one character": [q.query[0] for q in questions if "characters" in q.kind],
        "one word of every third chapter": ["chuong", "chapter", "Chương"],
        "a label: `chuong 12`": [f"chuong {n}" for n in range(1, CHAPTERS + 1)],
        "two letters": ["ch", "th", "ng", "so", "tr"],
        "nothing": ["zzyzx", "qqq", "wwww xx"],
    }
    with rest(conninfo) as api, httpx.Client(headers={"apikey": api.publishable_key}) as client:
        url = f"{api.url}/rest/v1/rpc/search_novels"
        for kind, queries in kinds.items():
            if not queries:
                continue
            times = []
            for query in random_.choices(queries, k=ASKED if len(queries) > 10 else 30):
                start = time.perf_counter()
                client.post(url, json={"query": query}).raise_for_status()
                times.append((time.perf_counter() - start) * 1000)
            times.sort()
            yield [kind, f"{median(times):.0f}", f"{times[int(len(times) * 0.95)]:.0f}", f"{times[-1]:.0f}"]


def _sizes(connection: psycopg.Connection[Any]) -> list[list[str]]:
    return [
        [name, f"{_one(connection, f'select {what}'):,}"]
        for name, what in {
            "index of titles and authors": "pg_relation_size('novels_search')",
            "index of chapters' titles": "pg_relation_size('chapters_search')",
            "the chapters, which have no text here, and their other indexes": (
                "pg_total_relation_size('chapters') - pg_relation_size('chapters_search')"
            ),
        }.items()
    ]


def _one(connection: psycopg.Connection[Any], query: str) -> int:
    ((value,),) = connection.execute(query.encode()).fetchall()
    return int(value)


def _imports(folder: Path) -> Iterator[list[str]]:
    libraries.make(folder, novels=SMALL, chapters=5, size=1_000)
    rounds_: dict[str, list[tuple[float, float]]] = {"without the search": [], "with it": []}
    for kind in [*rounds_] * 3:
        with database() as conninfo:
            if kind == "with it":
                add_search(conninfo, "bench")
            before = _processor_seconds(conninfo)
            with transport("psycopg", conninfo) as (transport_, _api):
                seconds, _report = sync(folder, transport_)
            rounds_[kind].append((SMALL * 5 / seconds, _processor_seconds(conninfo) - before))
    for kind, measured in rounds_.items():
        rates, burnt = zip(*measured, strict=True)
        yield [kind, rounds(rates), rounds(burnt, ".1f")]


def _processor_seconds(conninfo: str) -> float:
    """Of all processes of the server, those of closed connections included, which take a moment to end."""
    time.sleep(1)
    with psycopg.connect(conninfo) as connection:
        ((first,),) = connection.execute("select split_part(pg_read_file('postmaster.pid'), chr(10), 1)").fetchall()
    server = psutil.Process(int(first))
    ended = server.cpu_times()
    alive = [child.cpu_times() for child in server.children(recursive=True)]
    burnt: float = ended.children_user + ended.children_system + sum(each.user + each.system for each in alive)
    return burnt
