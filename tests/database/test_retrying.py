"""What is tried again, and how long."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from novelsync.database.client import SqlClient
from novelsync.database.functions import BY_NAME
from novelsync.database.transports.retrying import PATIENCE, RUN_PATIENCE, Patience, RetryingTransport
from novelsync.database.transports.sqlstates import error_of_state
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.errors import ConfigurationError, DatabaseUnavailable, NovelSyncError, RunInProgress, WriteRejected
from tests.conftest import make_service
from tests.support.library import Library, chapters
from tests.support.postgres_proxy import Fate, PostgresProxy
from tests.support.postgrest import ABSENT, Answer, Request, StandIn, postgrest_binary
from tests.support.reports import a_report
from tests.support.waiting import Time

ROOT = Path(__file__).parents[2]


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


def test_what_was_sent_does_not_stay_in_memory_once_it_is_answered() -> None:
    class Sent(dict[str, Any]):
        """One that can be referred to weakly."""

    transport = RetryingTransport(Failing(times=0))
    request = Sent()
    gone = weakref.ref(request)
    gc.collect()
    gc.disable()  # what refers to itself stays until Python looks for such things
    try:
        transport.call("novelsync_known_novels", request)
        del request
        assert gone() is None
    finally:
        gc.enable()


def test_waits_grow_and_are_never_the_same_twice() -> None:
    time = Time()
    failing = Failing()
    transport = in_a_run(failing, time)
    failing.times = 4
    transport.call("novelsync_known_novels", {})
    assert len(failing.calls) == 5
    for least, wait in zip((0.5, 1, 2, 4), time.waits, strict=True):
        assert least <= wait <= least + 1


def in_a_run(failing: Failing, time: Time, patience: Patience | None = None) -> RetryingTransport:
    """A transport over which a run has just begun, and from now on everything fails."""
    patience = patience or Patience(clock=time)
    patience.lease_taken("run", time() + 60)
    failing.times = float("inf")
    failing.calls.clear()
    return RetryingTransport(failing, patience, stopped=time)


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
    assert RUN_PATIENCE - 9 <= spent(transport, time, "novelsync_known_novels") <= RUN_PATIENCE


def test_what_no_run_waits_for_is_given_up_on_after_a_few_seconds() -> None:
    time = Time()
    patience = Patience(clock=time)
    transport = in_a_run(Failing(), time, patience)
    assert 1 <= spent(transport, time, "novelsync_write", run_id=None) <= PATIENCE
    assert 1 <= spent(transport, time, "novelsync_begin", run_id="another", seconds=60) <= PATIENCE
    assert spent(transport, time, "novelsync_finish", run_id="run") > PATIENCE
    patience.lease_released("run")
    assert 1 <= spent(transport, time, "novelsync_known_novels") <= PATIENCE, "the run is over"


def test_a_run_that_lost_its_lease_and_ends_takes_no_patience_from_the_run_that_has_it() -> None:
    time = Time()
    failing = Failing(times=0)
    patience = Patience(time_budget=100, clock=time)
    transport = RetryingTransport(failing, patience, stopped=time)
    patience.lease_taken("overtaken", time() + 60)
    patience.lease_taken("run", time() + 60)
    SqlClient(transport, patience).finish("overtaken", a_report())
    failing.times = float("inf")
    assert spent(transport, time, "novelsync_write", run_id="run") > PATIENCE


def test_nothing_is_tried_again_beyond_the_time_budget() -> None:
    time = Time()
    patience = Patience(time_budget=100, clock=time)
    transport = in_a_run(Failing(), time, patience)
    for renewed_at in (45, 90):
        time.now = 1000 + renewed_at
        patience.lease_renewed("run", time.now + 60)
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
    patience = Patience(clock=time)
    transport = in_a_run(failing, time, patience)
    time.now += 50
    patience.lease_renewed("run", time.now + 60)
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
        call = pool.submit(RetryingTransport(failing, stopped=stop).call, "novelsync_known_novels", {})
        assert waiting.wait(10)
        stop.set()
        assert call.exception(10) is PASSING
    assert failing.calls == ["novelsync_known_novels"]


@pytest.mark.parametrize("function", sorted(name for name, function in BY_NAME.items() if not function.repeated))
def test_who_wants_to_know_how_things_are_now_waits_for_nothing(function: str) -> None:
    time = Time()
    failing = Failing()
    assert spent(RetryingTransport(failing, Patience(clock=time), stopped=time), time, function) == 0
    assert failing.calls == [function]


@pytest.mark.parametrize("kind", [DatabaseUnavailable, ConfigurationError, WriteRejected, RunInProgress])
def test_what_does_not_pass_is_given_up_on_at_once(kind: type[NovelSyncError]) -> None:
    time = Time()
    failing = Failing(kind("away"))
    with pytest.raises(kind):
        RetryingTransport(failing, Patience(clock=time), stopped=time).call("novelsync_known_novels", {})
    assert time.waits == []


def test_a_run_that_is_over_budget_is_given_a_few_seconds_to_be_recorded() -> None:
    time = Time()
    failing = Failing()
    transport = in_a_run(failing, time, Patience(time_budget=10, clock=time))
    time.now = 1011
    failing.times = 2
    transport.call("novelsync_finish", {"run_id": "run"})
    assert failing.calls == ["novelsync_finish"] * 3

    transport = in_a_run(failing, time, Patience(time_budget=10, clock=time))
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
        transport = SupabaseTransport(stand_in.url, stand_in.secret_key)
        with closing(SqlClient.patient(transport, stopped=time, clock=time)) as database:
            assert make_service(library, database).sync_all_novels().success
    (wait,) = time.waits
    assert least <= wait <= most


def test_each_repetition_is_one_line_of_the_log() -> None:
    time = Time()
    with capture_logs() as logs:
        RetryingTransport(Failing(times=2), Patience(clock=time), stopped=time).call("novelsync_known_novels", {})
    said = {
        "event": "database_call_repeated",
        "log_level": "warning",
        "function": "novelsync_known_novels",
        "reason": "away",
        "most": 5,
    }
    *repeated, succeeded = logs
    assert repeated == [{**said, "attempt": n, "wait": round(wait, 1)} for n, wait in enumerate(time.waits, start=2)]
    assert len(repeated) == 2
    assert (succeeded["event"], succeeded["log_level"]) == ("database_call_succeeded", "info")


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
