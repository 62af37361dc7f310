"""Whole runs, from a folder into a real Postgres."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.errors import DatabaseUnavailable, StorageUnavailable
from novelsync.models.report import Report
from novelsync.models.source import SourceFile
from novelsync.running.lease import LeaseKeeper
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.library import REAL_NOVELS, Library, chapter, chapters, text_of

ROOT = Path(__file__).parents[2]

needs_real_novels = pytest.mark.skipif(not REAL_NOVELS.is_dir(), reason="the real novels are not beside this clone")


def synced(service: SyncService, outcome: str = "ok") -> Report:
    report = service.sync_all_novels("cli")
    assert report.outcome == outcome, report.as_dict()
    return report


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {word: count for word, count in counts.items() if count}


# A quiet hour -----------------------------------------------------------------------


@needs_real_novels
def test_every_field_of_the_real_novels_is_stored_byte_for_byte(database: SqlClient, tables: Tables) -> None:
    storage = LocalStorage(str(REAL_NOVELS))
    report = synced(SyncService(storage, database, SyncConfig(workers=4, max_file_bytes=100_000_000)))
    assert report.as_dict()["novels"]["created"] == 20
    assert_equal_to_files(tables, REAL_NOVELS)
    assert tables.rows("select count(*) from chapters") == [(713,)]


def assert_equal_to_files(tables: Tables, folder: Path) -> None:
    for path in sorted(folder.glob("*/book_info.json")):
        book = json.loads(path.read_bytes())
        ((novel_id, *fields),) = tables.rows(
            "select id, title, author, description, cover_url, status, chapter_count from novels where slug = %s",
            path.parent.name,
        )
        names = ("title", "author", "description", "cover_url", "status")
        assert fields == [*(book[name] for name in names), len(book["chapters"])]
        stored = tables.rows(
            "select position, number, title, content, url, content_hash from chapters where novel_id = %s order by 1",
            novel_id,
        )
        assert stored == [
            (n, c["number"], c["title"], c["content"], c["url"], sha256(c["content"].encode()).digest())
            for n, c in enumerate(book["chapters"], start=1)
        ]


def test_a_second_run_opens_no_file_touches_no_row_and_makes_two_requests(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    for slug in ("emma", "persuasion", "mansfield-park"):
        library.write(slug, chapters(3))
    synced(service)
    before = tables.places()
    transport.calls.clear()
    with opened_files(library.folder) as opened:
        report = synced(service)
    assert opened == []
    assert tables.places() == before
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"]
    assert nonzero(report.as_dict()["novels"]) == {"unchanged": 3}
    assert report.as_dict()["novels_processed"] == report.as_dict()["novels_success"] == 3


class opened_files:  # noqa: N801 — reads as a statement
    """The paths below a folder that this process opens meanwhile."""

    _watching: "list[tuple[str, list[str]]]" = []  # noqa: RUF012 — audit hooks cannot be taken back
    _hooked = False

    def __init__(self, folder: Path) -> None:
        self._entry: tuple[str, list[str]] = (f"{folder}{os.sep}", [])

    def __enter__(self) -> list[str]:
        if not opened_files._hooked:
            sys.addaudithook(opened_files._hook)
            opened_files._hooked = True
        opened_files._watching.append(self._entry)
        return self._entry[1]

    def __exit__(self, *exception: object) -> None:
        opened_files._watching.remove(self._entry)

    @staticmethod
    def _hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            for folder, opened in opened_files._watching:
                if str(arguments[0]).startswith(folder):
                    opened.append(str(arguments[0]))


def test_the_first_run_is_seen_to_open_files(library: Library, service: SyncService) -> None:
    library.write("emma")
    with opened_files(library.folder) as opened:
        synced(service)
    assert [Path(path).name for path in opened] == ["book_info.json"]


def test_a_touched_file_with_the_bytes_it_had_touches_no_row(
    library: Library, service: SyncService, tables: Tables
) -> None:
    data = library.write("emma", chapters(3)).read_bytes()
    synced(service)
    before = tables.places()
    library.write_raw("emma", data)
    assert nonzero(synced(service).as_dict()["novels"]) == {"unchanged": 1}
    assert tables.places() == before
    assert synced(service).bytes_read == 0, "and the hour after is quiet again"


def test_a_file_written_in_another_way_that_says_the_same_touches_no_row(
    library: Library, service: SyncService, tables: Tables
) -> None:
    path = library.write("emma", chapters(3))
    synced(service)
    before = tables.places()
    library.write_raw("emma", json.dumps(json.loads(path.read_bytes()), indent=4, ensure_ascii=True).encode())
    assert nonzero(synced(service).as_dict()["novels"]) == {"unchanged": 1}
    assert tables.places() == before


# Whole or not at all ----------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(40, 2_000), (300, 100_000)], ids=["80 kB", "30 MB"])
def test_a_reader_sees_a_novel_whole_or_not_at_all(
    library: Library, service: SyncService, database_url: str, count: int, size: int
) -> None:
    old = [chapter(n, content=f"{n:08d}" * (size // 8)) for n in range(1, count + 1)]
    new = [chapter(0, content="0" * size), *({**c, "content": c["content"][::-1]} for c in old)]
    library.write("emma", old)
    assert states_seen(database_url, lambda: synced(service)) <= {(0, 0, 0, ""), (count, count, count * size, "1")}
    library.write("emma", new)
    seen = states_seen(database_url, lambda: synced(service))
    assert seen == {(count, count, count * size, "1"), (count + 1, count + 1, (count + 1) * size, "0")}


def states_seen(database_url: str, work: Any) -> set[tuple[Any, ...]]:
    """What a reader sees of the whole table, again and again until the work is done and once more."""
    query = """
        select coalesce((select sum(chapter_count) from novels where removed_at is null), 0)::int,
               count(*)::int, coalesce(sum(octet_length(content)), 0)::int,
               coalesce(min(number)::text, '')
        from chapters where removed_at is null"""
    seen: set[tuple[Any, ...]] = set()
    worker = threading.Thread(target=work)
    with psycopg.connect(database_url, autocommit=True) as reader:
        seen.add(reader.execute(query).fetchone() or ())
        worker.start()
        while worker.is_alive():
            seen.add(reader.execute(query).fetchone() or ())
        seen.add(reader.execute(query).fetchone() or ())
    worker.join()
    return seen


def test_a_run_that_was_killed_is_finished_by_the_next_one(
    library: Library, service: SyncService, database_url: str, tables: Tables
) -> None:
    library.write("small", chapters(3))
    library.write("zz-large", [chapter(n, content=f"{n:08d}" * 12_500) for n in range(1, 200)])
    environment = os.environ | {"DATABASE_URL": database_url, "NOVELSYNC_STORAGE": str(library.folder)}
    run = subprocess.Popen([sys.executable, "-m", "novelsync", "sync"], cwd=ROOT, env=environment)
    while not tables.rows("select from novelsync.staged_parts where part >= 2"):
        assert run.poll() is None, "it ended before it could be killed"
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert tables.titles("zz-large") == []
    assert synced(service, "skipped").as_dict()["run_id"] is None

    tables.connection.execute("update novelsync.lease set expires_at = now()")  # a minute later
    synced(service)
    assert len(tables.titles("zz-large")) == 199
    assert_equal_to_files_of(library, tables)
    assert tables.rows("select count(*) from chapters") == [(202,)]


def assert_equal_to_files_of(library: Library, tables: Tables) -> None:
    for path in library.folder.glob("*/book_info.json"):
        stored = tables.rows(
            "select c.content from chapters c join novels n on n.id = c.novel_id where n.slug = %s order by position",
            path.parent.name,
        )
        assert [content for (content,) in stored] == [c["content"] for c in json.loads(path.read_bytes())["chapters"]]


# Only what differs ------------------------------------------------------------------


@pytest.fixture
def long_novel(library: Library, service: SyncService) -> list[dict[str, Any]]:
    """3,000 chapters, 18 MB, synced."""
    book = [chapter(n, content=f"{n:06d}" * 1000) for n in range(1, 3001)]
    library.write("long", book)
    synced(service)
    return book


def test_one_chapter_added_to_three_thousand_sends_one_text_and_writes_two_rows(
    library: Library,
    service: SyncService,
    transport: RecordingTransport,
    tables: Tables,
    long_novel: list[dict[str, Any]],
) -> None:
    before = tables.places()
    transport.calls.clear()
    library.write("long", [*long_novel, chapter(3001)])
    synced(service)
    assert transport.texts_sent() == [text_of("chapter 3001")]
    after = tables.places()
    assert {table: len(after[table] - before[table]) for table in after} == {"novels": 1, "chapters": 1}


def test_one_chapter_put_in_front_of_three_thousand_sends_one_text(
    library: Library,
    service: SyncService,
    transport: RecordingTransport,
    tables: Tables,
    long_novel: list[dict[str, Any]],
) -> None:
    ids = tables.ids("long")
    transport.calls.clear()
    library.write("long", [chapter(0), *long_novel])
    report = synced(service)
    assert transport.texts_sent() == [text_of("chapter 0")]
    assert nonzero(report.as_dict()["chapters"]) == {"created": 1, "moved": 3000}
    assert tables.titles("long")[:3] == ["Chapter 0", "Chapter 1", "Chapter 2"]
    assert {title: id_ for title, id_ in tables.ids("long").items() if title != "Chapter 0"} == ids


def test_a_chapter_without_text_appears_and_gets_its_text_later(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", [chapter(1), chapter(2, content=None)])
    assert synced(service).as_dict()["chapters"]["without_text"] == 1
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]
    library.write("emma", [chapter(1, content=" "), chapter(2)])
    synced(service)
    contents = tables.rows("select content from chapters order by position")
    assert contents == [(text_of("chapter 1"),), (text_of("chapter 2"),)]


# Trouble stays with the novel that has it -----------------------------------------------


def test_a_refused_file_keeps_what_is_stored_and_stops_nobody(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("b", chapters(2))
    synced(service)
    library.write("a", chapters(1))
    library.write_raw("b", b'{"title": "B", "chapters": [')
    library.write("c", chapters(1))
    report = synced(service, "partial").as_dict()
    assert (report["novels_processed"], report["novels_success"], report["novels_error"]) == (3, 2, 1)
    assert [(p["slug"], p["kind"]) for p in report["problems"]] == [("b", "refused")]
    assert [tables.titles(slug) for slug in ("a", "b", "c")] == [
        ["Chapter 1"],
        ["Chapter 1", "Chapter 2"],
        ["Chapter 1"],
    ]


def test_a_refused_file_is_not_read_again_and_still_reported(
    library: Library, service: SyncService, transport: RecordingTransport
) -> None:
    library.write_raw("emma", b"[]")
    first = synced(service, "partial").as_dict()
    with opened_files(library.folder) as opened:
        second = synced(service, "partial").as_dict()
        library.write("other")
        third = synced(service, "partial").as_dict()
    assert {Path(path).parent.name for path in opened} == {"other"}
    assert first["problems"] == second["problems"] == third["problems"] != []
    assert [report["novels_error"] for report in (first, second, third)] == [1, 1, 1]
    library.write("emma")
    assert synced(service).as_dict()["problems"] == []


def test_a_refused_file_that_is_being_mended_is_counted_once(library: Library, database: SqlClient) -> None:
    now = 10**18
    storage = LocalStorage(str(library.folder), clock_ns=lambda: now)
    service = SyncService(storage, database, SyncConfig(workers=1, max_file_bytes=1_000_000))
    library.write_raw("emma", b"[]")
    synced(service, "partial")
    now = library.write_raw("emma", b'{"title": "Em').stat().st_mtime_ns
    report = synced(service).as_dict()
    counts = [report[f"novels_{word}"] for word in ("processed", "success", "error")]
    assert (counts, report["novels"]["in_flight"]) == ([1, 0, 0], 1)


def test_a_refused_file_that_is_gone_is_no_problem_any_more(library: Library, service: SyncService) -> None:
    library.write_raw("emma", b"[]")
    synced(service, "partial")
    library.remove("emma")
    assert synced(service).as_dict()["problems_total"] == 0


def test_a_novel_the_database_refuses_is_isolated_and_tried_again(
    library: Library, service: SyncService, tables: Tables
) -> None:
    for slug in "abcdefg":
        library.write(slug, chapters(2))
    library.write("e", [chapter(1, title="Bad")])
    tables.connection.execute("alter table chapters add constraint good check (title <> 'Bad')")
    report = synced(service, "partial").as_dict()
    assert (report["novels"]["created"], report["novels"]["refused"]) == (6, 1)
    assert "violates check constraint" in report["problems"][0]["message"]
    tables.connection.execute("alter table chapters drop constraint good")
    assert nonzero(synced(service).as_dict()["novels"]) == {"created": 1, "unchanged": 6}


def test_a_file_over_the_size_limit_is_refused_until_the_limit_is_raised(library: Library, database: SqlClient) -> None:
    size = library.write("emma", chapters(3)).stat().st_size
    strict, lenient = (make_service(library, database, max_file_bytes=limit) for limit in (size - 1, size))
    (problem,) = synced(strict, "partial").as_dict()["problems"]
    assert f"{size:,} bytes, over the limit of {size - 1:,}" in problem["message"]
    assert "NOVELSYNC_MAX_FILE_BYTES" in problem["hint"]
    assert nonzero(synced(lenient).as_dict()["novels"]) == {"created": 1}


def test_a_young_file_that_does_not_parse_is_in_flight_and_no_problem(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    now = 0
    storage = LocalStorage(str(library.folder), clock_ns=lambda: now)
    service = SyncService(storage, database, SyncConfig(workers=1, max_file_bytes=1_000_000))
    now = library.write_raw("emma", b'{"title": "Em').stat().st_mtime_ns + 1_900_000_000
    report = synced(service).as_dict()
    assert (report["novels"]["in_flight"], report["problems"]) == (1, [])
    now += 200_000_000
    assert synced(service, "partial").as_dict()["novels"]["refused"] == 1, "it did not change, and is looked at again"


def test_a_file_that_changes_while_it_is_read_is_in_flight_and_read_next_time(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    class Hasty(LocalStorage):
        def read(self, novel: SourceFile) -> bytes | None:
            if not tables.rows("select from novelsync.runs where finished_at is not null"):
                library.write(novel.slug, chapters(2))
            return super().read(novel)

    library.write("emma", chapters(1))
    service = SyncService(Hasty(str(library.folder)), database, SyncConfig(workers=1, max_file_bytes=1_000_000))
    assert nonzero(synced(service).as_dict()["novels"]) == {"in_flight": 1}
    assert nonzero(synced(service).as_dict()["novels"]) == {"created": 1}
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


def test_a_novel_that_somebody_else_writes_meanwhile_is_planned_anew(
    library: Library, service: SyncService, other_database: SqlClient, transport: RecordingTransport, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    other = make_service(library, other_database)

    def overtake(function: str) -> None:
        if function == "novelsync_write":
            transport.before = lambda function: None
            assert other.sync_novel_to_db("emma")

    transport.before = overtake
    report = synced(service)
    assert [function for function, _ in transport.calls].count("novelsync_write") == 2
    assert nonzero(report.as_dict()["novels"]) == {"unchanged": 1}
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


def test_bytes_that_were_read_before_somebody_elses_write_never_follow_it(
    library: Library, service: SyncService, other_database: SqlClient, transport: RecordingTransport, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    synced(service)
    library.write("emma", chapters(2))
    other = make_service(library, other_database)

    def overtake(function: str) -> None:
        if function == "novelsync_write":
            transport.before = lambda function: None
            library.write("emma", chapters(3))
            synced(other)

    transport.before = overtake
    assert service.sync_novel_to_db("emma")
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert nonzero(synced(other).as_dict()["novels"]) == {"unchanged": 1}


def test_rows_of_the_sites_own_are_reported_and_stop_nobody(
    library: Library, service: SyncService, tables: Tables
) -> None:
    for n in range(7):
        library.write(f"novel-{n}", chapters(1))
        if n < 6:
            tables.connection.execute("insert into novels (slug, title) values (%s, 'Mine')", [f"novel-{n}"])
    report = synced(service, "partial").as_dict()
    assert (report["novels"]["created"], report["novels"]["refused"]) == (1, 6)
    assert "that NovelSync did not make" in report["problems"][0]["message"]
    tables.connection.execute("delete from novels where title = 'Mine'")
    assert nonzero(synced(service).as_dict()["novels"]) == {"created": 6, "unchanged": 1}


def test_a_trigger_that_fails_on_one_novel_stops_nobody_and_is_not_called_a_missing_migration(
    library: Library, service: SyncService, tables: Tables
) -> None:
    for slug in "abc":
        library.write(slug, [chapter(1, title=f"In {slug}")])
    tables.connection.execute("create table audit_log (title text)")
    tables.connection.execute(
        "create function audit() returns trigger language plpgsql as $$ begin"
        " if new.title = 'In b' then insert into audit_log values (new.title); end if;"
        " if new.title = 'In c' then raise exception 'broken' using errcode = 'XX000'; end if;"
        " return new; end $$"
    )
    tables.connection.execute("create trigger audit after insert on chapters for each row execute function audit()")
    report = synced(service, "partial").as_dict()
    problems = {problem["slug"]: problem for problem in report["problems"]}
    assert (report["novels"]["created"], sorted(problems)) == (1, ["b", "c"])
    assert "a trigger or a function of the site failed" in problems["b"]["message"]
    assert "search_path" in problems["b"]["hint"]
    assert "broken (XX000)" in problems["c"]["message"]
    tables.connection.execute("alter function audit() set search_path = public")
    assert synced(service, "partial").as_dict()["novels"]["created"] == 1


def test_rows_that_were_deleted_by_hand_come_back(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(2))
    synced(service)
    tables.connection.execute("delete from chapters")
    tables.connection.execute("delete from novels")
    assert nonzero(synced(service).as_dict()["novels"]) == {"created": 1}
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


@pytest.mark.parametrize("function", ["begin", "known_files", "write", "mark_missing", "open_problems", "finish"])
def test_wherever_the_database_goes_away_the_report_adds_up(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables, function: str
) -> None:
    for slug in "abcd":
        library.write(slug, chapters(1))
    library.write_raw("e", b"{")
    library.write("f", chapters(1))
    synced(service, "partial")
    library.remove("f")
    library.write("a", chapters(2))
    library.write("d", chapters(2))

    def cut(called: str) -> None:
        if called == f"novelsync_{function}":
            raise DatabaseUnavailable("it is away")

    transport.before = cut
    report = service.sync_all_novels().as_dict()
    assert report["outcome"] == "failed"
    counts = report["novels"]
    parts = [report["novels_success"], report["novels_error"], counts["deferred"], counts["in_flight"]]
    assert report["novels_processed"] == sum(parts)
    assert min(parts) >= 0
    assert report["novels_processed"] == (0 if function == "begin" else 5)
    if function in ("problems", "finish"):
        assert (report["novels_success"], report["novels_error"]) == (4, 1)


def test_the_lease_is_renewed_while_a_run_works(database: SqlClient, tables: Tables) -> None:
    run = "00000000-0000-0000-0000-000000000001"
    database.begin(run, "cli", "somebody", 1)
    query = "select expires_at > clock_timestamp() + interval '30 seconds' from novelsync.lease"
    with LeaseKeeper(database, run, renew_seconds=0.01):
        while tables.rows(query) != [(True,)]:
            pass


# What goes missing ---------------------------------------------------------------------


def test_a_missing_novel_is_counted_and_stays(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("a", chapters(2))
    library.write("b", chapters(2))
    synced(service)
    before = tables.places()
    library.remove("a")
    for _ in range(2):
        report = synced(service).as_dict()
        assert (report["novels_processed"], report["novels"]["missing"]) == (1, 1)
    assert tables.places() == before
    library.write("a", chapters(2))
    assert synced(service).as_dict()["novels"]["missing"] == 0
    assert tables.places() == before


def test_a_listing_that_breaks_off_ends_the_run_and_touches_nothing(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    class Broken(LocalStorage):
        def listing(self) -> Iterator[SourceFile]:
            yield from list(super().listing())[:1]
            raise StorageUnavailable("the disk is gone", "mount it")

    for slug in "abc":
        library.write(slug, chapters(1))
    synced(service)
    library.write("a", chapters(2))
    before = tables.places()
    broken = SyncService(Broken(str(library.folder)), database, SyncConfig(workers=1, max_file_bytes=1_000_000))
    report = synced(broken, "failed")
    assert (report.problems[0].message, report.problems[0].hint) == ("the disk is gone", "mount it")
    assert tables.places() == before
    assert database.status().last_runs[0].outcome == "failed"
    assert nonzero(synced(service).as_dict()["novels"]) == {"updated": 1, "unchanged": 2}


def test_five_novels_in_a_row_that_cannot_be_read_end_the_run(library: Library, database: SqlClient) -> None:
    class Failing(LocalStorage):
        def read(self, novel: SourceFile) -> bytes | None:
            if novel.slug in failing:
                raise StorageUnavailable(f"{novel.slug} is on a bad block")
            return super().read(novel)

    for n in range(1, 10):
        library.write(f"novel-{n}", chapters(1))
    service = SyncService(Failing(str(library.folder)), database, SyncConfig(workers=1, max_file_bytes=1_000_000))
    failing = {"novel-2", "novel-3", "novel-4", "novel-5", "novel-7", "novel-8"}
    report = synced(service, "partial").as_dict()
    assert (report["novels_success"], report["novels_error"], report["problems_total"]) == (3, 6, 6)
    # The others are in now, so that the five come one after the other.
    report = synced(service, "failed").as_dict()
    assert "5 novels in a row could not be synced, the last, novel-7" in report["problems"][0]["message"]
    failing.clear()
    synced(service)


# Time and turns ----------------------------------------------------------------------


def test_a_run_out_of_time_defers_the_rest_and_the_next_one_goes_on_there(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    for slug in "abcd":
        library.write(slug, [chapter(1, content="x" * 3_000_000)])
    clock = iter([0.0, 0.0, 5.0, 11.0])
    short = make_service(library, database, workers=1, time_budget=10, monotonic=lambda: next(clock))
    report = synced(short, "partial").as_dict()
    assert nonzero(report["novels"]) == {"created": 2, "deferred": 2}
    assert (report["novels_processed"], report["novels_success"]) == (4, 2)
    for slug in "ab":
        library.write(slug, [chapter(1, content="y" * 3_000_000)])
    clock = iter([0.0, 0.0, 5.0, 11.0])
    assert nonzero(synced(short, "partial").as_dict()["novels"]) == {"created": 2, "deferred": 2}
    assert [tables.titles(slug) for slug in "cd"] == [["Chapter 1"], ["Chapter 1"]]
    assert nonzero(synced(make_service(library, database)).as_dict()["novels"]) == {"updated": 2, "unchanged": 2}


@pytest.fixture
def slow_line(library: Library, transport: RecordingTransport) -> Callable[[], float]:
    """The seconds, ten of which pass with each part of a large novel; and the library, with a large novel in it."""
    library.write("b-large", [chapter(n, content=f"{n:08d}" * 12_500) for n in range(1, 151)])
    for slug in "ac":
        library.write(slug, chapters(1))
    seconds = [0.0]

    def take_a_while(function: str) -> None:
        seconds[0] += 10 * (function == "novelsync_stage")

    transport.before = take_a_while
    return lambda: seconds[0]


def test_a_novel_too_slow_for_the_time_budget_is_named_and_keeps_no_other_waiting(
    library: Library, database: SqlClient, tables: Tables, slow_line: Callable[[], float]
) -> None:
    short = make_service(library, database, workers=1, time_budget=15, monotonic=slow_line)
    report = synced(short, "partial").as_dict()
    assert nonzero(report["novels"]) == {"created": 1, "deferred": 2}
    [problem] = report["problems"]
    assert (problem["slug"], problem["kind"]) == ("b-large", "unavailable")
    assert "raise NOVELSYNC_TIME_BUDGET" in problem["hint"]
    assert tables.rows("select resume_at from novelsync.lease") == [("c",)]
    library.write("a", chapters(2))
    report = synced(short, "partial").as_dict()
    assert nonzero(report["novels"]) == {"created": 1, "updated": 1, "deferred": 1}
    for slug in "ac":
        library.write(slug, chapters(3))
    report = synced(short, "partial").as_dict()
    assert nonzero(report["novels"]) == {"updated": 2, "deferred": 1}
    assert tables.rows("select resume_at from novelsync.lease") == [("c",)]
    assert tables.titles("b-large") == []
    longer = make_service(library, database, workers=1, time_budget=150, monotonic=slow_line)
    assert nonzero(synced(longer).as_dict()["novels"]) == {"created": 1, "unchanged": 2}
    assert len(tables.titles("b-large")) == 150
    assert tables.rows("select from novelsync.staging") == []


def test_should_a_large_novel_kill_the_process_the_next_run_begins_with_the_others(
    transport: RecordingTransport, database: SqlClient, library: Library, tables: Tables, slow_line: Callable[[], float]
) -> None:
    remembered: list[tuple[Any, ...]] = []
    resume_at = "select resume_at from novelsync.lease"
    transport.before = lambda function: remembered.extend(
        tables.rows(resume_at) if function == "novelsync_stage" else []
    )
    assert synced(make_service(library, database)).success
    assert set(remembered) == {("c",)}
    assert tables.rows(resume_at) == [(None,)], "it killed nobody"


def test_a_run_that_is_told_to_stop_in_the_middle_of_a_large_novel_breaks_it_off_and_the_next_begins_there(
    library: Library, transport: RecordingTransport, database: SqlClient, tables: Tables, slow_line: Callable[[], float]
) -> None:
    service = make_service(library, database, workers=1)
    transport.before = lambda function: service.stop() if function == "novelsync_stage" else None
    report = synced(service, "partial").as_dict()
    assert (nonzero(report["novels"]), report["problems"]) == ({"created": 1, "deferred": 2}, [])
    assert [function for function, _ in transport.calls].count("novelsync_stage") == 1
    assert tables.rows("select resume_at from novelsync.lease") == [("b-large",)]
    transport.before = lambda function: None
    assert nonzero(synced(make_service(library, database)).as_dict()["novels"]) == {"created": 2, "unchanged": 1}


def test_calls_are_not_halved_beyond_the_time_budget(
    library: Library, transport: RecordingTransport, database: SqlClient, tables: Tables
) -> None:
    tables.connection.execute("alter table chapters add check (title <> 'Chapter 2')")
    for slug in "abcd":
        library.write(slug, chapters(2))
    seconds = [0.0]

    def take_a_while(function: str) -> None:
        seconds[0] += 10 * (function == "novelsync_write")

    transport.before = take_a_while
    short = make_service(library, database, time_budget=15, monotonic=lambda: seconds[0])
    report = synced(short, "partial").as_dict()
    assert nonzero(report["novels"]) == {"deferred": 4}
    assert {problem["kind"] for problem in report["problems"]} == {"unavailable"}
    assert [function for function, _ in transport.calls].count("novelsync_write") == 2


def test_a_run_that_is_told_to_stop_ends_in_good_order(library: Library, database: SqlClient) -> None:
    for slug in "abc":
        library.write(slug, chapters(1))
    service = make_service(library, database)
    service.stop()
    assert nonzero(synced(service, "partial").as_dict()["novels"]) == {"deferred": 3}
    assert nonzero(synced(make_service(library, database)).as_dict()["novels"]) == {"created": 3}


def test_two_runs_at_once_do_the_work_once(library: Library, service: SyncService, other_database: SqlClient) -> None:
    for n in range(30):
        library.write(f"novel-{n}", chapters(3))
    other = make_service(library, other_database)
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda s=s: reports.append(s.sync_all_novels("cli"))) for s in (service, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = sorted(report.outcome for report in reports)
    created = sum(report.as_dict()["novels"]["created"] for report in reports)
    assert (outcomes in (["ok", "skipped"], ["ok", "ok"]), created) == (True, 30)


def test_a_database_that_goes_away_fails_the_run_without_a_traceback(
    library: Library, service: SyncService, transport: RecordingTransport, database_url: str, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    ((name,),) = tables.rows("select current_database()")
    elsewhere = psycopg.connect(psycopg.conninfo.make_conninfo(database_url, dbname="template1"), autocommit=True)

    def cut(function: str) -> None:
        if function == "novelsync_known_files":
            elsewhere.execute(f"alter database {name} allow_connections false")
            tables.connection.execute(
                "select pg_terminate_backend(pid, 1000) from pg_stat_activity"
                " where application_name = 'novelsync' and datname = current_database()"
            )

    transport.before = cut
    with elsewhere:
        report = synced(service, "failed")
        elsewhere.execute(f"alter database {name} allow_connections true")
    assert "cannot be reached" in report.problems[0].message
    transport.before = lambda function: None
    tables.connection.execute("update novelsync.lease set expires_at = now()")
    synced(service)


def test_a_connection_that_ended_while_it_waited_costs_no_run(
    library: Library, service: SyncService, tables: Tables
) -> None:
    synced(service)
    tables.connection.execute(
        "select pg_terminate_backend(pid, 1000) from pg_stat_activity"
        " where application_name = 'novelsync' and datname = current_database()"
    )
    library.write("emma", chapters(1))
    synced(service)


# One novel ---------------------------------------------------------------------------


def test_one_novel_is_synced_without_the_lease(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    database.begin("00000000-0000-0000-0000-000000000001", "cli", "somebody", 60)
    library.write("emma", chapters(2))
    assert service.sync_novel_to_db("emma")
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


def test_one_novel_that_is_not_there_or_refused_is_falsy(library: Library, service: SyncService) -> None:
    library.write_raw("cut", b"{")
    assert not service.sync_novel_to_db("cut")
    assert not service.sync_novel_to_db("a\0b")
    assert not service.sync_novel_to_db("a\ud800b")
    nobody = service.sync_novel_to_db("nobody")
    assert not nobody
    assert nobody.problem is not None
    assert "'nobody'" in nobody.problem.message


def test_some_novels_are_reported_alone(library: Library, service: SyncService) -> None:
    library.write("a", chapters(1))
    library.write_raw("b", b"{")
    library.write_raw("c", b"{")
    synced(service, "partial")
    library.write("a", chapters(2))
    report = service.sync_some_novels(["a", "b", "nobody"], "cli").as_dict()
    assert (report["novels_processed"], report["novels_success"], report["novels_error"]) == (3, 1, 2)
    assert {p["slug"] for p in report["problems"]} == {"b", "nobody"}


def test_nothing_at_all_is_a_run_too(library: Library, service: SyncService) -> None:
    report = synced(service).as_dict()
    assert (report["novels_processed"], report["problems_total"]) == (0, 0)


def test_an_unexpected_end_is_recorded_and_gives_the_lease_back(
    library: Library, service: SyncService, database: SqlClient
) -> None:
    library.write("emma", chapters(1))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        service.sync_all_novels("cli", interrupt)
    assert database.status().last_runs[0].outcome == "failed"
    synced(service)
