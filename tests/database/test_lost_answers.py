"""Answers that are lost, late or cut off harm nothing: over PostgREST and over Postgres itself."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from novelsync.database import client as functions
from novelsync.database import staging
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.errors import DatabaseUnavailable, NovelSyncError, PayloadTooLarge, RunInProgress
from novelsync.models.stored import PurgeSelection
from novelsync.planning.guards.limits import Limits
from novelsync.running import local_executor
from tests.conftest import RecordingTransport, Tables, databases, make_service
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.postgres_proxy import Fate, PostgresProxy
from tests.support.postgrest import ABSENT, CUT, Answer, Request, StandIn, postgrest_binary
from tests.support.reports import a_report
from tests.support.waiting import Time, wait_until


@dataclass
class Loss:
    """Whose next answer is lost."""

    functions: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def takes(self, request: str) -> bool:
        for function in self.functions:
            if function in request:
                self.functions.remove(function)
                self.lost.append(function)
                return True
        return False


@pytest.fixture
def loss() -> Loss:
    return Loss()


@pytest.fixture(params=["postgres", "supabase"])
def transport(request: pytest.FixtureRequest, database_url: str, loss: Loss) -> Iterator[RecordingTransport]:
    """Over a network that loses what `loss` says; what is recorded is each attempt."""
    if request.param == "postgres":
        with PostgresProxy(database_url) as proxy:
            proxy.fate = lambda data: Fate.LOST if loss.takes(data.decode(errors="replace")) else Fate.COMES
            yield RecordingTransport(PostgresTransport(proxy.url))
        return
    if postgrest_binary() is None:
        pytest.skip(ABSENT)
    with StandIn(database_url) as stand_in:

        def answer(request: Request) -> Answer | None:
            if not loss.takes(request.path):
                return None
            stand_in.forward(request)
            return CUT

        stand_in.answer = answer
        yield RecordingTransport(SupabaseTransport(stand_in.url, stand_in.secret_key))


@pytest.fixture
def database(transport: RecordingTransport) -> Iterator[SqlClient]:
    time = Time()
    database = SqlClient.patient(transport, stopped=time, clock=time)
    yield database
    database.close()


def three_hours(library: Library, database: SqlClient, loss: Loss, losing: str = "") -> list[dict[str, Any]]:
    """What is reported of an import, of an hour in which everything happens, and of a quiet one."""
    prompt = make_service(library, database, limits=Limits(grace=0, removals=1), workers=1)
    reports = []
    for hour in range(3):
        if hour == 0:
            for slug in ("emma", "gone", "old-name", "stays"):
                library.write(slug, [chapter(n, content=text_of(f"{slug} {n}")) for n in range(1, 5)])
        if hour == 1:
            library.write("emma", [chapter(n, content=text_of(f"emma {n * 2}")) for n in range(1, 6)])
            library.remove("gone")
            library.path("old-name").parent.rename(library.folder / "new-name")
            library.write_raw("cut", b"{")
        loss.functions = {losing} - {""}
        report = prompt.sync_all_novels().as_dict()
        for changing in ("run_id", "duration", "start_time", "end_time", "database"):
            del report[changing]
        reports.append(report)
    return reports


EVERYTHING = (
    "select n.id, n.slug, n.removed_at is null, n.title, chapter_count, c.id, position, number, c.title, content,"
    " c.removed_at is null from novels n left join chapters c on c.novel_id = n.id order by n.id, c.id"
)
BOOKKEEPING = (
    "select slug, revision, missing_since is null, removed_at is null, held_in_a_row, outside_at is null"
    " from novelsync.files order by slug"
)
RUNS = "select outcome, count(*) from novelsync.runs group by outcome order by outcome"


@pytest.mark.parametrize(
    "function",
    "begin known_files known_novels find_renames stage write mark_missing remove open_problems finish".split(),
)
def test_an_answer_that_is_lost_after_the_work_was_done_makes_no_difference(
    function: str,
    server: str,
    database: SqlClient,
    tables: Tables,
    library: Library,
    loss: Loss,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if function == "stage":  # every novel is a large one
        monkeypatch.setattr(functions, "CALL_BYTES", 500)
        monkeypatch.setattr(staging, "PARTS_AT_ONCE", 1)  # or else ids depend on chance
        monkeypatch.setattr(local_executor, "BATCH_NOVELS", 1)
    untouched = Library(library.folder.with_name("untouched"))
    with databases(server) as make:
        url = make("migrated")
        plain = SqlClient(PostgresTransport(url))
        expected = three_hours(untouched, plain, Loss())
        plain.close()
        other = Tables(url)
        wanted = [other.rows(query) for query in (EVERYTHING, BOOKKEEPING, RUNS)]
        other.connection.close()
    found = three_hours(library, database, loss, f"novelsync_{function}")
    assert loss.lost, "the test lost nothing"
    assert found == [{**report, "problems": found[n]["problems"]} for n, report in enumerate(expected)]
    assert [tables.rows(query) for query in (EVERYTHING, BOOKKEEPING, RUNS)] == wanted
    assert tables.rows("select from novelsync.staging") == []


@pytest.mark.parametrize("function", ["write", "stage"])
def test_an_answer_that_is_lost_outside_of_runs_makes_no_difference_either(
    function: str,
    database: SqlClient,
    tables: Tables,
    library: Library,
    loss: Loss,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if function == "stage":
        monkeypatch.setattr(functions, "CALL_BYTES", 500)
    service = make_service(library, database)
    for content in ("a text", "another text"):
        library.write("emma", [chapter(n, content=text_of(f"{content} {n}")) for n in range(1, 5)])
        loss.functions = {f"novelsync_{function}"}
        assert service.sync_novel_to_db("emma")
        stored = tables.rows("select content from chapters order by position")
        assert stored == [(text_of(f"{content} {n}"),) for n in range(1, 5)]
    assert loss.lost == [f"novelsync_{function}"] * 2
    assert len(tables.rows("select from chapters")) == 4


def begun(database: SqlClient, seconds: int = 60) -> str:
    run_id = str(uuid.uuid4())
    database.begin(run_id, "cli", "a test", seconds)
    return run_id


def test_a_quiet_hour_stays_quiet_though_the_answer_to_begin_was_lost(
    database: SqlClient, transport: RecordingTransport, library: Library, loss: Loss
) -> None:
    library.write("emma", chapters(3))
    service = make_service(library, database)
    service.sync_all_novels()
    transport.calls.clear()
    loss.functions = {"novelsync_begin"}
    assert service.sync_all_novels().success
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_begin", "novelsync_finish"]


def test_a_run_that_dies_after_its_answer_was_lost_leaves_no_digest(database: SqlClient, loss: Loss) -> None:
    database.finish(begun(database), a_report(), digest="digest")
    loss.functions = {"novelsync_begin"}
    second = str(uuid.uuid4())
    assert database.begin(second, "cli", "a test", 0).digest == "digest"
    third = str(uuid.uuid4())
    loss.functions = {"novelsync_begin"}
    assert database.begin(third, "cli", "a test", 0).digest is None
    assert loss.lost == ["novelsync_begin"] * 2


def test_a_begin_that_arrives_after_its_run_has_ended_takes_nothing(database: SqlClient) -> None:
    run = begun(database)
    database.finish(run, a_report(), digest="digest")
    with pytest.raises(RunInProgress, match="which has ended"):
        database.begin(run, "cli", "a test", 60)
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest == "digest"


def test_a_run_that_finishes_twice_ended_when_it_ended(
    database: SqlClient, tables: Tables, loss: Loss, transport: RecordingTransport
) -> None:
    run = begun(database)
    loss.functions = {"novelsync_finish"}
    ended: list[Any] = []
    transport.before = lambda function: ended.append(tables.rows("select finished_at, report from novelsync.runs"))
    database.finish(run, a_report(bytes_read=1), digest="digest")
    assert len(ended) == 2
    assert ended[1] == tables.rows("select finished_at, report from novelsync.runs")
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest == "digest"


def test_a_purge_is_not_repeated_because_it_says_what_it_deleted(
    database: SqlClient, tables: Tables, library: Library, loss: Loss
) -> None:
    library.write("emma", chapters(3))
    make_service(library, database).sync_all_novels()
    tables.connection.execute("update chapters set removed_at = now() - interval '1 day'")
    before = database.removed_rows.count(PurgeSelection()).before
    loss.functions = {"novelsync_purge"}
    with pytest.raises(DatabaseUnavailable):
        list(database.removed_rows.purge(PurgeSelection(), before))
    assert list(database.removed_rows.purge(PurgeSelection(), before)) == []
    assert tables.rows("select from chapters") == []


def test_a_gateway_that_stumbles_at_every_step_keeps_no_run_from_ending_well(
    database_url: str, library: Library, tables: Tables
) -> None:
    if postgrest_binary() is None:
        pytest.skip(ABSENT)
    library.write("emma", chapters(3))
    stumbles = {"begin": [503], "known_files": [429, 0], "write": [502, 0, 504], "open_problems": [408, 503]}
    stumbles |= {"finish": [0, 544]}
    expected = sum(map(len, stumbles.values()))
    time = Time()
    with StandIn(database_url) as stand_in:

        def answer(request: Request) -> Answer | None:
            left = stumbles.get(request.path.split("novelsync_")[1].split("?")[0])
            return Answer(left.pop(0), b"<html>", {"Content-Type": "text/html"}) if left else None

        stand_in.answer = answer
        transport = SupabaseTransport(stand_in.url, stand_in.secret_key)
        with closing(SqlClient.patient(transport, stopped=time, clock=time)) as database, capture_logs() as logs:
            report = make_service(library, database).sync_all_novels()
    assert report.success, report.as_dict()
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert not any(stumbles.values())
    said = [line for line in logs if line["event"] == "database_call_repeated"]
    assert len(said) == expected
    assert stand_in.secret_key not in str(said)


def test_a_backend_that_is_ended_in_the_middle_of_a_write_is_made_up_for(
    database_url: str, library: Library, tables: Tables
) -> None:
    library.write("emma", chapters(3))
    tables.connection.execute(
        "create table tries (n integer generated always as identity);"
        "create function stumble() returns trigger language plpgsql as $$ begin"
        " if nextval('public.tries_n_seq') < 3 then perform pg_terminate_backend(pg_backend_pid()); end if;"
        " return new; end $$;"
        "create trigger stumble before insert on chapters for each statement execute function stumble()"
    )
    time = Time()
    transport = PostgresTransport(database_url)
    with closing(SqlClient.patient(transport, stopped=time, clock=time)) as database:
        assert make_service(library, database).sync_all_novels().success
    assert len(time.waits) == 2
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]


def test_a_network_that_goes_silent_and_stays_open_ends_one_call_and_not_the_next(
    database_url: str, tables: Tables
) -> None:
    with PostgresProxy(database_url) as proxy:
        transport = PostgresTransport(proxy.url, "a database", answer_seconds=0.3)
        assert transport.call("novelsync_open_problems", {})["counts"] == {}
        proxy.fate = lambda request: Fate.SILENT
        run_id = str(uuid.uuid4())
        with pytest.raises(
            DatabaseUnavailable, match=r"a database cannot be reached: no answer within 0\.3 s"
        ) as caught:
            transport.call("novelsync_begin", {"run_id": run_id, "trigger": "cli", "holder": "a test", "seconds": 60})
        assert caught.value.transient
        assert tables.rows("select run_id::text from novelsync.lease") == [(run_id,)], "only the answer is missing"
        proxy.fate = lambda request: Fate.COMES
        assert transport.call("novelsync_open_problems", {})["counts"] == {}, "over another connection"
        transport.close()


def test_what_is_given_up_on_does_not_go_on_in_the_server(database_url: str, tables: Tables) -> None:
    waiting = "select from pg_stat_activity where wait_event_type = 'Lock'"
    transport = PostgresTransport(database_url, answer_seconds=0.3)
    with psycopg.connect(database_url) as other:
        other.execute("lock table novelsync.problems")
        with pytest.raises(DatabaseUnavailable, match="no answer within"):
            transport.call("novelsync_open_problems", {})
        wait_until(lambda: not tables.rows(waiting))
    transport.close()


def test_an_answer_that_takes_its_time_is_waited_for(database_url: str, tables: Tables) -> None:
    transport = PostgresTransport(database_url, answer_seconds=60)
    with ThreadPoolExecutor() as pool, psycopg.connect(database_url) as other:
        other.execute("lock table novelsync.problems")
        call = pool.submit(transport.call, "novelsync_open_problems", {})
        wait_until(lambda: call.done() or tables.rows("select from pg_stat_activity where wait_event_type = 'Lock'"))
        assert not call.done()
        other.rollback()
        assert call.result(10)["counts"] == {}
    transport.close()


def test_a_statement_ends_in_the_server_after_its_time_whatever_its_function_says(
    database_url: str, tables: Tables
) -> None:
    transport = PostgresTransport(database_url, statement_seconds=0.2)
    with psycopg.connect(database_url) as other:
        other.execute("lock table novelsync.problems")
        with pytest.raises(PayloadTooLarge, match="statement timeout"):
            transport.call("novelsync_open_problems", {})
    assert tables.rows("select from pg_stat_activity where wait_event_type = 'Lock'") == []
    assert transport.call("novelsync_open_problems", {})["counts"] == {}, "over the same connection"
    transport.close()


OPEN = "select from pg_stat_activity where application_name = 'novelsync' and datname = current_database()"
"""The connections of this program."""


def test_a_connection_whose_time_limit_cannot_be_set_is_closed(database_url: str, tables: Tables) -> None:
    transport = PostgresTransport(database_url, statement_seconds=1e15)
    with pytest.raises(NovelSyncError, match="statement_timeout") as refused:
        transport.call("novelsync_open_problems", {})
    wait_until(lambda: not tables.rows(OPEN), 10)
    assert refused.value, "and not only because nobody refers to it any more"


def test_a_connection_that_is_in_use_when_all_are_closed_is_closed_when_it_comes_back(
    database_url: str, tables: Tables
) -> None:
    transport = PostgresTransport(database_url)
    with ThreadPoolExecutor() as pool, psycopg.connect(database_url) as other:
        other.execute("lock table novelsync.problems")
        call = pool.submit(transport.call, "novelsync_open_problems", {})
        wait_until(lambda: tables.rows("select from pg_stat_activity where wait_event_type = 'Lock'"))
        transport.close()
        other.rollback()
        assert call.result(10)["counts"] == {}
    wait_until(lambda: not tables.rows(OPEN), 10)
