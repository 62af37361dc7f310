"""Time and turns: budgets, orders to stop, other runs, and a database that goes away."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.models.report import Report
from novelsync.sync_service import SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.running.test_sync import nonzero, synced
from tests.support.library import Library, chapter, chapters


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
