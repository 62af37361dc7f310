"""What ``chapter_changes`` says of a write, and in which order it says it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.sync_service import SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.hours import AT_ONCE, hours_pass, synced
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary
from tests.support.serving import ROOT

ENTRIES = (
    "select f.kind, n.slug, c.title, f.fields, f.chapter_count from chapter_changes f"
    " join novels n on n.id = f.novel_id left join chapters c on c.id = f.chapter_id where f.id > %s order by f.id"
)


class Feed:
    """What was told since it was asked last."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._read = 0

    def news(self) -> list[tuple[Any, ...]]:
        entries = self._tables.rows(ENTRIES, self._read)
        ((self._read,),) = self._tables.rows("select coalesce(max(id), 0) from chapter_changes")
        return entries


@pytest.fixture
def feed(tables: Tables) -> Feed:
    return Feed(tables)


def test_a_first_import_is_one_entry_per_novel(library: Library, service: SyncService, feed: Feed) -> None:
    library.write("emma", chapters(30))
    library.write("persuasion", chapters(2))
    library.write("sanditon")
    synced(service)
    told = {("added", "emma", None, (), 30), ("added", "persuasion", None, (), 2), ("added", "sanditon", None, (), 0)}
    assert {(kind, slug, title, tuple(fields), count) for kind, slug, title, fields, count in feed.news()} == told


def test_new_chapters_are_told_one_by_one_in_their_order(library: Library, service: SyncService, feed: Feed) -> None:
    library.write("emma", chapters(2))
    synced(service)
    feed.news()
    library.write("emma", chapters(4))
    synced(service)
    assert feed.news() == [("added", "emma", "Chapter 3", [], None), ("added", "emma", "Chapter 4", [], None)]


def test_a_changed_chapter_says_what_changed(library: Library, service: SyncService, feed: Feed) -> None:
    library.write("emma", chapters(4))
    synced(service)
    feed.news()
    one, two, three, four = chapters(4)
    two |= {"content": text_of("an edited text")}
    three |= {"title": "The Ball", "url": "https://example.com/ball"}
    four |= {"number": 4.5}
    library.write("emma", [one, two, three, four])
    synced(service)
    assert feed.news() == [
        ("changed", "emma", "Chapter 2", ["content"], None),
        ("changed", "emma", "The Ball", ["title", "url"], None),
        ("changed", "emma", "Chapter 4", ["number"], None),
    ]


def test_a_chapter_whose_volume_changed_says_so(library: Library, service: SyncService, feed: Feed) -> None:
    library.write("emma", volumes=[{"title": "I", "chapters": chapters(2)}])
    synced(service)
    feed.news()
    library.write("emma", volumes=[{"title": "I", "chapters": [chapter(1)]}, {"title": "II", "chapters": [chapter(2)]}])
    synced(service)
    assert feed.news() == [("changed", "emma", "Chapter 2", ["volume"], None)]
    library.write("emma", chapters(2))
    synced(service)
    assert [(title, fields) for _, _, title, fields, _ in feed.news()] == [
        ("Chapter 1", ["volume"]),
        ("Chapter 2", ["volume"]),
    ]


def test_a_text_that_somebody_tampered_with_and_a_reread_mends_has_changed(
    library: Library, service: SyncService, tables: Tables, feed: Feed
) -> None:
    library.write("emma", chapters(2))
    synced(service)
    feed.news()
    tables.connection.execute("update chapters set content = 'tampered' where position = 1")
    synced(service, reread=True)
    assert feed.news() == [("changed", "emma", "Chapter 1", ["content"], None)]


def test_a_chapter_in_front_is_one_entry_and_one_about_the_order(
    library: Library, service: SyncService, feed: Feed
) -> None:
    library.write("emma", chapters(50))
    synced(service)
    feed.news()
    library.write("emma", [chapter("prologue"), *chapters(50)])
    synced(service)
    assert feed.news() == [
        ("changed", "emma", None, ["order"], None),
        ("added", "emma", "Chapter prologue", [], None),
    ]


def test_what_is_removed_and_comes_back_is_told_each_time(library: Library, service: SyncService, feed: Feed) -> None:
    library.write("emma", chapters(5))
    synced(service)
    feed.news()
    library.write("emma", chapters(4))
    synced(service)
    assert feed.news() == [("removed", "emma", "Chapter 5", [], None)]
    library.write("emma", chapters(5))
    synced(service)
    assert feed.news() == [("restored", "emma", "Chapter 5", [], None)]


def test_a_novel_that_goes_and_comes_back_is_told_of_as_a_whole(
    library: Library, database: SqlClient, tables: Tables, feed: Feed
) -> None:
    service = make_service(library, database, limits=AT_ONCE)
    for slug in ("emma", *(f"novel-{n}" for n in range(12))):
        library.write(slug, [chapter(f"{slug} {n}") for n in range(3)])
    synced(service)
    feed.news()
    book = library.path("emma").read_bytes()
    library.remove("emma")
    synced(service)
    hours_pass(tables, 2)
    synced(service)
    assert feed.news() == [("removed", "emma", None, [], None)]
    library.write_raw("emma", book)
    synced(service)
    assert feed.news() == [("restored", "emma", None, [], None)]


def test_a_renamed_folder_and_new_fields_are_changes_of_the_novel(
    library: Library, service: SyncService, feed: Feed, tables: Tables
) -> None:
    library.write("emma", chapters(3), status="ongoing")
    synced(service)
    feed.news()
    library.write("emma", chapters(3), status="complete", author="Jane Austen")
    synced(service)
    assert feed.news() == [("changed", "emma", None, ["author", "status"], None)]
    library.path("emma").parent.rename(library.folder / "emma-woodhouse")
    synced(service)
    assert feed.news() == [("changed", "emma-woodhouse", None, ["slug"], None)]
    assert tables.rows("select former_slug from chapter_changes order by id") == [(None,), (None,), ("emma",)]


def test_an_hour_without_changes_and_touched_files_tell_nothing(
    library: Library, service: SyncService, feed: Feed
) -> None:
    library.write("emma", chapters(3))
    synced(service)
    feed.news()
    synced(service)
    library.write("emma", chapters(3))
    synced(service)
    assert feed.news() == []


def test_a_large_novel_brought_in_by_parts_is_told_like_a_small_one(
    library: Library, service: SyncService, feed: Feed
) -> None:
    library.write("emma", [chapter(n, content=f"{n}: " + "long " * 200_000) for n in range(1, 10)])
    synced(service)
    assert feed.news() == [("added", "emma", None, [], 9)]
    library.write("emma", [chapter(n, content=f"{n}: " + "long " * 200_000) for n in range(1, 19)])
    synced(service)
    assert feed.news() == [("added", "emma", f"Chapter {n}", [], None) for n in range(10, 19)]


def test_each_entry_names_its_run_and_one_outside_of_runs_names_none(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    run_id = synced(service)["run_id"]
    library.write("emma", chapters(2))
    assert service.sync_novel_to_db("emma")
    assert [str(run) for (run,) in tables.rows("select run_id from chapter_changes order by id")] == [run_id, "None"]


def test_a_write_that_is_sent_twice_is_told_once(library: Library, database_url: str, tables: Tables) -> None:
    class Twice(RecordingTransport):
        def call(self, function: str, request: Any) -> Any:
            answer = super().call(function, request)
            return super().call(function, request) if function == "novelsync_write" else answer

    transport = Twice(PostgresTransport(database_url))
    service = make_service(library, SqlClient(transport))
    for count in (1, 2):
        library.write("emma", chapters(count))
        synced(service)
    transport.close()
    assert tables.rows("select count(*) from chapter_changes") == [(2,)]


def test_entries_of_more_than_30_days_ago_are_forgotten_and_no_others(
    library: Library, service: SyncService, tables: Tables
) -> None:
    for count in (1, 2, 3):
        library.write("emma", chapters(count))
        synced(service)
    for id_, age in ((1, "31 days"), (2, "29 days")):
        tables.connection.execute(
            "update chapter_changes set changed_at = now() - %s::interval where id = %s", [age, id_]
        )
    synced(service)
    assert tables.rows("select id from chapter_changes order by id") == [(2,), (3,)]


def test_of_many_old_entries_a_run_forgets_some_and_the_next_ones_the_rest(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    synced(service)
    # The worst that can be known of it: what was true when it had one entry.
    tables.connection.execute("analyze chapter_changes")
    tables.connection.execute(
        "insert into chapter_changes (novel_id, kind, changed_at)"
        " select n.id, 'changed', now() - interval '31 days' from novels n, generate_series(1, 45000)"
    )
    left = []
    while len(left) < 3:
        synced(service)
        left += [count for (count,) in tables.rows("select count(*) from chapter_changes")]
    assert left == [25_001, 5_001, 1]


@pytest.fixture
def older_write(database_url: str, library: Library) -> Iterator[tuple[SyncService, psycopg.Connection[Any]]]:
    """A service, and a connection that has told of something and has not committed it yet."""
    database = SqlClient(PostgresTransport(database_url))
    with psycopg.connect(database_url) as connection:
        yield make_service(library, database), connection
    database.close()


def test_an_entry_is_never_seen_before_one_with_a_smaller_id(
    older_write: tuple[SyncService, psycopg.Connection[Any]], library: Library, tables: Tables
) -> None:
    service, slow = older_write
    library.write("emma", chapters(1))
    synced(service)
    ((novel,),) = tables.rows("select id from novels")
    # This one has its id, 2, and takes its time to commit.
    append = (
        "select novelsync.append_changes(null, array[row(%s, null, 'changed', '{}', null)::novelsync.chapter_change])"
    )
    slow.execute(append, [novel])
    library.write("emma", chapters(2))
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(service.sync_novel_to_db, "emma")
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while tables.rows(waiting) == [(0,)]:
            assert not writing.done(), "it did not wait for the one before"
        assert tables.rows("select max(id) from chapter_changes") == [(1,)]
        slow.commit()
        assert writing.result(30)
    assert tables.rows("select id from chapter_changes order by id") == [(1,), (2,), (3,)]


def test_who_polls_by_id_sees_every_change_once_and_in_order_while_many_write(
    library: Library, database_url: str, tables: Tables
) -> None:
    """Were ids given before the lock, or the lock given back before the commit, some would be skipped."""
    slugs = [f"novel-{n}" for n in range(6)]
    rounds = 12
    database = SqlClient(PostgresTransport(database_url))
    service = make_service(library, database)
    for slug in slugs:
        library.write(slug, [chapter(f"{slug} 0")])
    synced(service)
    ((before,),) = tables.rows("select max(id) from chapter_changes")
    seen: list[tuple[int, str, str]] = []
    done = threading.Event()

    def consume() -> None:
        last, ends = before, False
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("set role anon")
            while not ends:
                ends = done.is_set()
                new = connection.execute(
                    "select f.id, n.slug, c.title from chapter_changes f join novels n on n.id = f.novel_id"
                    " join chapters c on c.id = f.chapter_id where f.id > %s order by f.id limit 7",
                    [last],
                ).fetchall()
                seen.extend(new)
                last = new[-1][0] if new else last
                ends = ends and not new

    def write(slug: str) -> None:
        for count in range(1, rounds + 1):
            library.write(slug, [chapter(f"{slug} {n}") for n in range(count + 1)])
            assert service.sync_novel_to_db(slug)

    with ThreadPoolExecutor(len(slugs) + 1) as pool:
        consumer = pool.submit(consume)
        for writer in [pool.submit(write, slug) for slug in slugs]:
            writer.result(120)
        done.set()
        consumer.result(60)
    database.close()
    assert [entry[0] for entry in seen] == [
        id_ for (id_,) in tables.rows("select id from chapter_changes where id > %s order by id", before)
    ]
    for slug in slugs:
        titles = [title for _, of, title in seen if of == slug]
        assert titles == [f"Chapter {slug} {n}" for n in range(1, rounds + 1)]


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_the_documented_example_tells_readers_of_new_chapters(
    library: Library, service: SyncService, database_url: str, tmp_path: Path
) -> None:
    with StandIn(database_url) as api:
        environment = os.environ | {"SUPABASE_URL": api.url, "SUPABASE_PUBLISHABLE_KEY": api.publishable_key}
        command = [sys.executable, str(ROOT / "docs" / "examples" / "new_chapters.py"), "--once"]

        def notices() -> list[str]:
            said = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
            return said.stdout.splitlines()

        library.write("emma", chapters(2))
        synced(service)
        assert notices() == ["New: Emma (/novels/emma)"]
        library.write("emma", chapters(3))
        synced(service)
        assert notices() == ["Emma: Chapter 3 (/read/3)"]
        assert notices() == []
