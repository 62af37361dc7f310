"""Trouble stays with the novel that has it, and what goes missing stays until it is due."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from novelsync.database import client
from novelsync.database.client import SqlClient
from novelsync.errors import DatabaseUnavailable, StorageUnavailable
from novelsync.models.run import SyncOptions
from novelsync.models.source import SourceFile
from novelsync.running.lease import LeaseKeeper
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.running.test_sync import nonzero, opened_files, synced
from tests.support.bad_blocks import BadBlocks
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.waiting import wait_until


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
    assert "that NovelSync did not create" in report["problems"][0]["message"]
    tables.connection.execute("delete from novels where title = 'Mine'")
    assert nonzero(synced(service).as_dict()["novels"]) == {"created": 6, "unchanged": 1}


def test_a_row_of_the_sites_own_is_reported_where_a_novel_comes_back_or_is_large(
    library: Library, service: SyncService, prompt: SyncService, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_BYTES", 2_000)
    for slug in ("back", *(f"other-{n}" for n in range(10))):
        library.write(slug, chapters(1))
    synced(prompt)
    ids = tables.ids("back")
    library.remove("back")
    prompt.sync_all_novels("cli")
    for slug in ("back", "large"):
        tables.connection.execute("insert into novels (slug, title) values (%s, 'Mine')", [slug])
    library.write("back", chapters(2))
    library.write("large", chapters(20))
    for _ in range(2):
        report = synced(service, "partial").as_dict()
        kinds = {problem["slug"]: problem["kind"] for problem in report["problems"]}
        assert kinds == {"back": "refused", "large": "refused"}
        assert all("that NovelSync did not create" in problem["message"] for problem in report["problems"])
        assert tables.rows("select count(*) from novelsync.staging") == [(0,)]
    tables.connection.execute("delete from novels where title = 'Mine'")
    assert nonzero(synced(service).as_dict()["novels"]) == {"created": 1, "restored": 1, "unchanged": 10}
    assert tables.ids("back").items() >= ids.items()


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


def test_a_report_has_an_id_only_if_there_is_a_record_under_it(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    library.write("a", chapters(1))
    run_id = service.sync_all_novels().run_id
    assert tables.rows("select run_id::text from novelsync.runs") == [(run_id,)]
    assert service.sync_some_novels(["a"], "cli").run_id is None, "nothing is kept of single novels"

    def cut(called: str) -> None:
        if called == "novelsync_begin":
            raise DatabaseUnavailable("it is away")

    transport.before = cut
    assert service.sync_all_novels().run_id is None, "it has not begun"
    assert len(tables.rows("select from novelsync.runs")) == 1


def test_the_lease_is_renewed_while_a_run_works(database: SqlClient, tables: Tables) -> None:
    run = "00000000-0000-0000-0000-000000000001"
    database.begin(run, "cli", "somebody", 1)
    query = "select expires_at > clock_timestamp() + interval '30 seconds' from novelsync.lease"
    with LeaseKeeper(database, run, renew_seconds=0.01):
        wait_until(lambda: tables.rows(query) == [(True,)])


def test_a_lease_that_could_not_be_renewed_is_renewed_once_the_database_is_back(
    database: SqlClient, transport: RecordingTransport, tables: Tables
) -> None:
    run = "00000000-0000-0000-0000-000000000001"
    database.begin(run, "cli", "somebody", 1)
    troubles = iter([DatabaseUnavailable("it is away", "")] * 2)

    def away(function: str) -> None:
        if trouble := next(troubles, None):
            raise trouble

    transport.before = away
    query = "select expires_at > clock_timestamp() + interval '30 seconds' from novelsync.lease"
    with LeaseKeeper(database, run, renew_seconds=0.01):
        wait_until(lambda: tables.rows(query) == [(True,)])


def test_a_lease_whose_renewal_broke_is_renewed_all_the_same(
    database: SqlClient, transport: RecordingTransport, tables: Tables
) -> None:
    run = "00000000-0000-0000-0000-000000000001"
    database.begin(run, "cli", "somebody", 1)
    mistakes = iter([ZeroDivisionError("canary")] * 2)

    def breaks(function: str) -> None:
        if mistake := next(mistakes, None):
            raise mistake

    transport.before = breaks
    query = "select expires_at > clock_timestamp() + interval '30 seconds' from novelsync.lease"
    with capture_logs() as logs, LeaseKeeper(database, run, renew_seconds=0.01):
        wait_until(lambda: tables.rows(query) == [(True,)])
    assert [(line["event"], line["log_level"]) for line in logs] == [("lease_broke", "error")] * 2


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
        def lines(self, *asked: Any) -> Iterator[str]:
            yield from list(super().lines(*asked))[:1]
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
    storage = BadBlocks(str(library.folder))
    for n in range(1, 10):
        library.write(f"novel-{n}", chapters(1))
    service = SyncService(storage, database, SyncConfig(workers=1, max_file_bytes=1_000_000))
    storage.slugs = {"novel-2", "novel-3", "novel-4", "novel-5", "novel-7", "novel-8"}
    report = synced(service, "partial").as_dict()
    assert (report["novels_success"], report["novels_error"], report["problems_total"]) == (3, 6, 6)
    # The others are in now, so that the five come one after the other.
    report = synced(service, "failed").as_dict()
    assert "5 novels in a row could not be synced, the last, novel-7" in report["problems"][0]["message"]
    storage.slugs.clear()
    synced(service)


def test_a_text_that_changed_behind_its_version_keeps_no_other_novel_from_coming_in(
    library: Library, service: SyncService, tables: Tables
) -> None:
    text = library.path("emma").with_name("1.txt")
    text.parent.mkdir(parents=True)
    text.write_text(text_of("one"))
    library.write("emma", [chapter(1, content=None, filename="1.txt")])
    synced(service)
    before = text.stat()
    text.write_text(text_of("two"))
    os.utime(text, ns=(before.st_atime_ns, before.st_mtime_ns))
    library.write("emma", [chapter(number, content=None, filename="1.txt") for number in (1, 2)])
    for n in range(7):
        library.write(f"novel-{n}", chapters(1))
    report = synced(service, "partial").as_dict()
    assert nonzero(report["novels"]) == {"created": 7, "unavailable": 1}
    (problem,) = report["problems"]
    assert problem["message"] == "emma/1.txt has another text than when it was read last"
    assert problem["hint"].endswith("`novelsync sync --slug emma --reread`")
    assert [*tables.titles("emma")] == ["Chapter 1"]
    service.sync_some_novels(["emma"], "cli", options=SyncOptions(reread=True))
    assert [*tables.titles("emma")] == ["Chapter 1", "Chapter 2"]
