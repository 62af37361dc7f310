"""The search for renamed novels among 3,000,000 chapters with short texts, where little tells novels apart."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg

from bench.parts import database
from bench.results import Table
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.source import Fingerprint

NOVELS: Final = 100_000
CHAPTERS: Final = 30
"""Of each novel."""
MOVED: Final = 1_000
"""Novels whose folders were renamed: what is stored under the former name is missing, and there is a younger copy."""
ASKED: Final = 100
"""Novels in one question, as a run asks."""
ROUNDS: Final = 5

# The text is the novel's (n) and the chapter's (k) own, but for one chapter in ten, which is a notice that stands in
# all novels. Half of the novels have texts too short to tell anything (under 200 bytes), the others of some 240.
_CONTENT: Final = (
    "case when k % 10 = 0 then repeat('This chapter was taken down. ', 8)"
    " else 'novel ' || n || ', chapter ' || k || repeat(' It was so.', case when n % 2 = 0 then 4 else 20 end) end"
)
_LIBRARY: Final = (
    "insert into novels (id, slug, title, chapter_count)"
    " select n, 'novel-' || n, 'Novel ' || n, {chapters} from generate_series(1, {novels} + {moved}) n",
    "insert into novelsync.files (slug, novel_id, version, checksum, first_seen, first_run)"
    " select slug, id, 'v', 'sha256:' || id, now() - interval '1 year', gen_random_uuid() from novels"
    " where id <= {novels}",
    # Of every second one the bytes are the same, the others have changed somewhere.
    "insert into novelsync.files (slug, novel_id, version, checksum, first_seen, first_run)"
    " select slug, id, 'v', 'sha256:' || case when id % 4 < 2 then id - {novels} else id end, now(),"
    "   '00000000-0000-0000-0000-000000000001' from novels where id > {novels}",
    "update novelsync.files set missing_since = now() where novel_id <= {moved}",
    "insert into chapters (novel_id, position, number, title, content, content_hash)"
    " select t.id, t.k, t.k, 'Chapter ' || t.k, t.content, sha256(convert_to(t.content, 'UTF8'))"
    " from (select m as id, k, {content} as content"
    "   from generate_series(1, {novels} + {moved}) m,"
    "   lateral (select case when m > {novels} then m - {novels} else m end as n) o,"
    "   generate_series(1, {chapters}) k) t",
)


def main(_folder: Path) -> Iterator[Table]:
    with database() as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        given = {"novels": NOVELS, "chapters": CHAPTERS, "moved": MOVED, "content": _CONTENT}
        for statement in _LIBRARY:
            connection.execute(statement.format(**given).encode())
        connection.execute("vacuum analyze")
        bytes_ = _one(connection, "select pg_database_size(current_database())")
        rows = [_row(name, conninfo, ask, of, connection) for name, of, ask in _questions(connection)]
        yield Table(
            f"The search for renamed novels among {(NOVELS + MOVED) * CHAPTERS:,} chapters with short texts",
            ["", "median, s", "worst, s", "suggested", "of", "temporary files, MB"],
            rows,
            f"Of {ROUNDS} times; {NOVELS + MOVED:,} novels, {bytes_ / 1e9:.1f} GB. What is suggested is compared as a"
            " whole then. What the search has not come to in its time is left to later runs. Of novels whose bytes have"
            " changed, those with texts under 200 bytes cannot be found.",
        )


Ask = Callable[[SqlClient], Sequence[tuple[str, str]]]


def _questions(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[tuple[str, int, Ask]]:
    """What is asked, how many there are to find, and the question."""
    back = _fingerprints(connection, NOVELS + 1, NOVELS + ASKED)
    edited = dict([item for item in _fingerprints(connection, NOVELS, NOVELS + MOVED).items() if item[1].texts][1::2])
    edited = dict(list(edited.items())[:ASKED])
    new = {f"new-{n}": Fingerprint(f"sha256:new {n}", (n.to_bytes(32, "big"),) * 8) for n in range(ASKED)}
    notice = bytes(_one(connection, "select content_hash from chapters where position = 10 limit 1"))
    notices = {f"new-{n}": Fingerprint(f"sha256:new {n}", (notice,)) for n in range(ASKED)}
    yield f"{ASKED} novels that were read: renamed", 3 * ASKED // 4, lambda client: client.find_renames(back)
    yield "the same, edited since, with texts that tell", len(edited), lambda client: client.find_renames(edited)
    yield "the same, new", 0, lambda client: client.find_renames(new)
    yield "the same, with nothing but the notice", 0, lambda client: client.find_renames(notices)
    yield (
        f"{MOVED:,} missing ones, among all that came in lately",
        3 * MOVED // 4,
        lambda client: client.find_renames(None),
    )


def _fingerprints(connection: psycopg.Connection[tuple[Any, ...]], first: int, last: int) -> Mapping[str, Fingerprint]:
    found = connection.execute(
        "select f.slug, f.checksum, array(select c.content_hash from chapters c where c.novel_id = f.novel_id"
        " and c.position % 10 <> 0 and octet_length(c.content) >= 200 order by c.position limit 8)"
        " from novelsync.files f where f.novel_id between %(first)s and %(last)s order by f.novel_id".replace(
            "% 10", "%% 10"
        ),
        {"first": first, "last": last},
    )
    return {slug: Fingerprint(checksum, tuple(map(bytes, texts))) for slug, checksum, texts in found}


def _row(name: str, conninfo: str, ask: Ask, of: int, connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    times, found = [], 0
    before = _temporary(connection)
    with closing(SqlClient(PostgresTransport(conninfo))) as client:
        client.peek()
        for _ in range(ROUNDS):
            start = time.perf_counter()
            pairs = ask(client)
            times.append(time.perf_counter() - start)
            own = {slug for slug, former in pairs if slug == f"novel-{NOVELS + int(former.removeprefix('novel-'))}"}
            found = len(own if of else pairs)
    used = _temporary(connection) - before
    return [name, f"{median(times):.2f}", f"{max(times):.2f}", f"{found:,}", f"{of:,}", f"{used / 1e6:.0f}"]


def _temporary(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Bytes that the database has written to temporary files; a connection tells its own when it closes."""
    time.sleep(0.5)
    return int(_one(connection, "select temp_bytes from pg_stat_database where datname = current_database()"))


def _one(connection: psycopg.Connection[tuple[Any, ...]], query: str) -> Any:
    (value,) = connection.execute(query.encode()).fetchone() or (None,)
    return value
