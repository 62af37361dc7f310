"""What is tried again, how long, and that nothing is harmed by it: over PostgREST and over Postgres itself."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from novelsync.database import client as functions
from novelsync.database.client import SqlClient
from novelsync.database.postgres import PostgresTransport
from novelsync.database.retrying import AT_ONCE, PATIENCE, RUN_PATIENCE, RetryingTransport
from novelsync.database.sqlstates import error_of_state
from novelsync.database.supabase import SupabaseTransport
from novelsync.errors import ConfigurationError, DatabaseUnavailable, NovelSyncError, RunInProgress, WriteRejected
from novelsync.planning.guards import Limits
from novelsync.running import novel_syncer as transfer
from tests.conftest import RecordingTransport, Tables, databases, make_service
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.postgres_proxy import Fate, PostgresProxy
from tests.support.postgrest import ABSENT, CUT, Answer, Request, StandIn, postgrest_binary
from tests.support.waiting import Time, wait_until

ROOT = Path(__file__).parents[2]


# Answers that are lost after the work was done ------------------------------------------


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
    database = SqlClient(RetryingTransport(transport, stopped=time, clock=time))
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
    "select slug, revision, missing_since is null, removed_at is null, holds, outside_at is null"
    " from novelsync.files order by slug"
)
RUNS = "select outcome, count(*) from novelsync.runs group by outcome"


@pytest.mark.parametrize(
    "function", ["begin", "known", "read", "renamed", "stage", "write", "absence", "remove", "problems", "finish"]
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
        monkeypatch.setattr(functions, "PARTS_AT_ONCE", 1)  # or else ids depend on chance
        monkeypatch.setattr(transfer, "BATCH_NOVELS", 1)
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
    database.finish(begun(database), "ok", {}, digest="digest")
    loss.functions = {"novelsync_begin"}
    second = str(uuid.uuid4())
    assert database.begin(second, "cli", "a test", 0).digest == "digest"
    third = str(uuid.uuid4())
    loss.functions = {"novelsync_begin"}
    assert database.begin(third, "cli", "a test", 0).digest is None
    assert loss.lost == ["novelsync_begin"] * 2


def test_a_begin_that_arrives_after_its_run_has_ended_takes_nothing(database: SqlClient) -> None:
    run = begun(database)
    database.finish(run, "ok", {}, digest="digest")
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
    database.finish(run, "ok", {"n": 1}, digest="digest")
    assert len(ended) == 2
    assert ended[1] == tables.rows("select finished_at, report from novelsync.runs")
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest == "digest"


def test_a_purge_is_not_repeated_because_it_says_what_it_deleted(
    database: SqlClient, tables: Tables, library: Library, loss: Loss
) -> None:
    library.write("emma", chapters(3))
    make_service(library, database).sync_all_novels()
    tables.connection.execute("update chapters set removed_at = now() - interval '1 day'")
    before = database.removed(None, 0).before
    loss.functions = {"novelsync_purge"}
    with pytest.raises(DatabaseUnavailable):
        list(database.purge(None, before))
    assert list(database.purge(None, before)) == []
    assert tables.rows("select from chapters") == []


def test_a_gateway_that_stumbles_at_every_step_keeps_no_run_from_ending_well(
    database_url: str, library: Library, tables: Tables
) -> None:
    if postgrest_binary() is None:
        pytest.skip(ABSENT)
    library.write("emma", chapters(3))
    stumbles = {"begin": [503], "known": [429, 0], "write": [502, 0, 504], "problems": [408, 503], "finish": [0, 544]}
    expected = sum(map(len, stumbles.values()))
    time = Time()
    with StandIn(database_url) as stand_in:

        def answer(request: Request) -> Answer | None:
            left = stumbles.get(request.path.split("novelsync_")[1].split("?")[0])
            return Answer(left.pop(0), b"<html>", {"Content-Type": "text/html"}) if left else None

        stand_in.answer = answer
        transport = RetryingTransport(SupabaseTransport(stand_in.url, stand_in.secret_key), stopped=time, clock=time)
        with closing(SqlClient(transport)) as database, capture_logs() as logs:
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
    transport = RetryingTransport(PostgresTransport(database_url), stopped=time, clock=time)
    with closing(SqlClient(transport)) as database:
        assert make_service(library, database).sync_all_novels().success
    assert len(time.waits) == 2
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]


def test_a_network_that_goes_silent_and_stays_open_ends_one_call_and_not_the_next(
    database_url: str, tables: Tables
) -> None:
    with PostgresProxy(database_url) as proxy:
        transport = PostgresTransport(proxy.url, "a database", answer_seconds=0.3)
        assert transport.call("novelsync_problems", {})["counts"] == {}
        proxy.fate = lambda request: Fate.SILENT
        run_id = str(uuid.uuid4())
        with pytest.raises(
            DatabaseUnavailable, match=r"a database cannot be reached: no answer within 0\.3 s"
        ) as caught:
            transport.call("novelsync_begin", {"run_id": run_id, "trigger": "cli", "holder": "a test", "seconds": 60})
        assert caught.value.transient
        assert tables.rows("select run_id::text from novelsync.lease") == [(run_id,)], "only the answer is missing"
        proxy.fate = lambda request: Fate.COMES
        assert transport.call("novelsync_problems", {})["counts"] == {}, "over another connection"
        transport.close()


def test_what_is_given_up_on_does_not_go_on_in_the_server(database_url: str, tables: Tables) -> None:
    waiting = "select from pg_stat_activity where wait_event_type = 'Lock'"
    transport = PostgresTransport(database_url, answer_seconds=0.3)
    with psycopg.connect(database_url) as other:
        other.execute("lock table novelsync.problems")
        with pytest.raises(DatabaseUnavailable, match="no answer within"):
            transport.call("novelsync_problems", {})
        wait_until(lambda: not tables.rows(waiting))
    transport.close()


def test_an_answer_that_takes_its_time_is_waited_for(database_url: str, tables: Tables) -> None:
    transport = PostgresTransport(database_url, answer_seconds=60)
    with ThreadPoolExecutor() as pool, psycopg.connect(database_url) as other:
        other.execute("lock table novelsync.problems")
        call = pool.submit(transport.call, "novelsync_problems", {})
        wait_until(lambda: call.done() or tables.rows("select from pg_stat_activity where wait_event_type = 'Lock'"))
        assert not call.done()
        other.rollback()
        assert call.result(10)["counts"] == {}
    transport.close()


# What is tried again, and how long --------------------------------------------------------


PASSING = DatabaseUnavailable("away", "try again", transient=True)


@dataclass
class Failing:
    """A road that fails so often with this error, and then answers; `before` happens with each call."""

    error: NovelSyncError = PASSING
    times: float = float("inf")
    calls: list[str] = field(default_factory=list)
    name: str = "a database"

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        self.calls.append(function)
        if len(self.calls) <= self.times:
            raise self.error
        return {"acquired": True, "held": True}

    def close(self) -> None:
        pass


def test_waits_grow_and_are_never_the_same_twice() -> None:
    time = Time()
    failing = Failing()
    transport = in_a_run(failing, time)
    failing.times = 4
    transport.call("novelsync_read", {})
    assert len(failing.calls) == 5
    for least, wait in zip((0.5, 1, 2, 4), time.waits, strict=True):
        assert least <= wait <= least + 1


def in_a_run(failing: Failing, time: Time, time_budget: float | None = None) -> RetryingTransport:
    """A road on which a run has just begun, and from now on everything fails."""
    failing.times = 0
    transport = RetryingTransport(failing, stopped=time, clock=time, time_budget=time_budget)
    transport.call("novelsync_begin", {"run_id": "run", "seconds": 60})
    failing.times = float("inf")
    failing.calls.clear()
    return transport


def spent(transport: RetryingTransport, time: Time, function: str, **request: Any) -> float:
    """Seconds until the call was given up on."""
    began = time.now
    with pytest.raises(DatabaseUnavailable, match="away"):
        transport.call(function, request)
    return time.now - began


def test_a_call_of_a_run_is_given_up_on_after_half_a_minute() -> None:
    time = Time()
    transport = in_a_run(Failing(), time)
    assert RUN_PATIENCE - 9 <= spent(transport, time, "novelsync_write", run_id="run") <= RUN_PATIENCE
    assert RUN_PATIENCE - 9 <= spent(transport, time, "novelsync_read") <= RUN_PATIENCE


def test_what_no_run_waits_for_is_given_up_on_after_a_few_seconds() -> None:
    time = Time()
    transport = in_a_run(Failing(), time)
    assert 1 <= spent(transport, time, "novelsync_write", run_id=None) <= PATIENCE
    assert 1 <= spent(transport, time, "novelsync_begin", run_id="another", seconds=60) <= PATIENCE
    assert spent(transport, time, "novelsync_finish", run_id="run") > PATIENCE
    assert 1 <= spent(transport, time, "novelsync_read") <= PATIENCE, "the run is over"


def test_nothing_is_tried_again_beyond_the_time_budget() -> None:
    time = Time()
    transport = in_a_run(Failing(), time, time_budget=100)
    for renewed_at in (45, 90):
        time.now = 1000 + renewed_at
        transport._note("novelsync_renew", {"run_id": "run", "seconds": 60}, {"held": True}, time.now)
    assert spent(transport, time, "novelsync_write", run_id="run") <= 10
    time.now = 1101
    assert spent(transport, time, "novelsync_write", run_id="run") == 0


def test_a_run_whose_lease_may_have_lapsed_makes_no_further_attempt() -> None:
    time = Time()
    failing = Failing()
    transport = in_a_run(failing, time)
    time.now += 50
    assert spent(transport, time, "novelsync_write", run_id="run") <= 10
    time.now = 1061
    failing.calls.clear()
    assert spent(transport, time, "novelsync_write", run_id="run") == 0
    assert failing.calls == ["novelsync_write"], "whether it has, the database decides"


def test_a_renewed_lease_gives_time_again() -> None:
    time = Time()
    failing = Failing()
    transport = in_a_run(failing, time)
    time.now += 50
    failing.times = 0
    transport.call("novelsync_renew", {"run_id": "run", "seconds": 60})
    failing.times = float("inf")
    time.now += 20
    assert spent(transport, time, "novelsync_write", run_id="run") > 20


def test_who_is_told_to_stop_while_waiting_makes_no_further_attempt() -> None:
    time = Time(stops_after=0.1)
    failing = Failing()
    transport = in_a_run(failing, time)
    spent(transport, time, "novelsync_write", run_id="run")
    assert failing.calls == ["novelsync_write"]
    with capture_logs() as logs:
        assert spent(transport, time, "novelsync_finish", run_id="run") == 0
    assert logs == []


def test_a_stop_from_another_thread_ends_a_wait_at_once() -> None:
    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waiting.set()
            return super().wait(60)

    stop, waiting, failing = Stop(), threading.Event(), Failing()
    with ThreadPoolExecutor() as pool:
        call = pool.submit(RetryingTransport(failing, stopped=stop).call, "novelsync_read", {})
        assert waiting.wait(10)
        stop.set()
        assert call.exception(10) is PASSING
    assert failing.calls == ["novelsync_read"]


@pytest.mark.parametrize("function", sorted(AT_ONCE))
def test_who_wants_to_know_how_things_are_now_waits_for_nothing(function: str) -> None:
    time = Time()
    failing = Failing()
    assert spent(RetryingTransport(failing, stopped=time, clock=time), time, function) == 0
    assert failing.calls == [function]


@pytest.mark.parametrize("kind", [DatabaseUnavailable, ConfigurationError, WriteRejected, RunInProgress])
def test_what_does_not_pass_is_given_up_on_at_once(kind: type[NovelSyncError]) -> None:
    time = Time()
    failing = Failing(kind("away"))
    with pytest.raises(kind):
        RetryingTransport(failing, stopped=time, clock=time).call("novelsync_read", {})
    assert time.waits == []


def test_a_run_that_is_over_budget_is_given_a_few_seconds_to_be_recorded() -> None:
    time = Time()
    failing = Failing()
    transport = in_a_run(failing, time, time_budget=10)
    time.now = 1011
    failing.times = 2
    transport.call("novelsync_finish", {"run_id": "run"})
    assert failing.calls == ["novelsync_finish"] * 3

    transport = in_a_run(failing, time, time_budget=10)
    time.now += 61
    assert 1 <= spent(transport, time, "novelsync_finish", run_id="run") <= PATIENCE, (
        "even if its lease may have lapsed"
    )


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("20", 20, 20),
        ("0", 0.5, 1.5),
        ("31", 0.5, 1.5),
        ("Mon, 23 Nov 2026 22:00:00 GMT", 0.5, 1.5),
        ("-5", 0.5, 1.5),
        ("", 0.5, 1.5),
    ],
    ids=["20 seconds", "none", "longer than there is", "a date", "nonsense", "nothing"],
)
def test_who_is_asked_to_come_back_later_does_if_it_can_wait_so_long(
    said: str, least: float, most: float, database_url: str, library: Library
) -> None:
    if postgrest_binary() is None:
        pytest.skip(ABSENT)
    library.write("emma", chapters(1))
    time, asked = Time(), [said]
    with StandIn(database_url) as stand_in:

        def answer(request: Request) -> Answer | None:
            if "novelsync_write" not in request.path or not asked:
                return None
            return Answer(429, b"<html>", {"Content-Type": "text/html", "Retry-After": asked.pop()})

        stand_in.answer = answer
        transport = RetryingTransport(SupabaseTransport(stand_in.url, stand_in.secret_key), stopped=time, clock=time)
        with closing(SqlClient(transport)) as database:
            assert make_service(library, database).sync_all_novels().success
    (wait,) = time.waits
    assert least <= wait <= most


def test_each_repetition_is_one_line_of_the_log() -> None:
    time = Time()
    with capture_logs() as logs:
        RetryingTransport(Failing(times=2), stopped=time, clock=time).call("novelsync_read", {})
    said = {"event": "database_call_repeated", "log_level": "warning", "function": "novelsync_read", "reason": "away"}
    assert logs == [{**said, "attempt": n, "wait": round(wait, 1)} for n, wait in enumerate(time.waits, start=2)]
    assert len(logs) == 2


@pytest.mark.parametrize(
    ("states", "transient"),
    [
        ("08000 08003 08006 08P01 53200 53300 57P01 57P02 57P03 40001 40P01 55P03", True),
        ("25006 53100 53400 57014 57P04 58030 23505 22P02 42501 42P01 PT409 P0001 XX000", False),
    ],
)
def test_it_is_known_of_each_state_of_postgres_whether_it_passes(states: str, transient: bool) -> None:
    for state in states.split():
        assert error_of_state(state, "it says so", "a database", inside=True).transient is transient, state


def test_a_signal_ends_the_wait_for_another_attempt_at_once(settled: Library, database_url: str) -> None:
    settled.write("emma", chapters(1))
    with PostgresProxy(database_url) as proxy:
        proxy.fate = lambda data: Fate.LOST if b"novelsync_write" in data else Fate.COMES
        process = subprocess.Popen(
            [sys.executable, "-m", "novelsync", "sync"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": proxy.url},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        while "attempt=4" not in (line := process.stderr.readline()):
            assert process.poll() is None, line
        process.send_signal(signal.SIGTERM)  # it would wait for two seconds and more
        said = process.stderr.read()
        assert process.wait() == 3
        process.stderr.close()
    assert "database_call_repeated" not in said
    assert "cannot be reached" in said
