"""The scheduler of a laptop. Its clock is an argument, so that a day of it takes no longer than its runs."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from novelsync.database.client import SqlClient
from novelsync.errors import DatabaseUnavailable, RunInProgress
from novelsync.models.report import Report
from novelsync.scheduler_service import SchedulerService
from novelsync.schedulers.in_process import InProcessScheduler
from novelsync.sync_service import SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.library import Library, chapters
from tests.support.waiting import wait_until

MORNING = datetime(2026, 1, 1, 6, 12, 30, tzinfo=UTC)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(MORNING)


@pytest.fixture
def scheduler(service: SyncService, clock: Clock) -> Iterator[InProcessScheduler]:
    scheduler = InProcessScheduler(service.sync_all_novels, clock)
    yield scheduler
    scheduler.stop()


def runs(tables: Tables) -> list[tuple[str, str | None]]:
    return tables.rows("select trigger, outcome from novelsync.runs order by started_at")  # type: ignore[return-value]


def test_a_day_has_a_run_each_hour_on_the_hour(
    library: Library, scheduler: InProcessScheduler, clock: Clock, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    scheduler.start()
    began = []
    for _ in range(24 * 60):
        clock.now += timedelta(minutes=1)
        before = len(runs(tables))
        scheduler.look()
        if len(runs(tables)) > before:
            began.append((clock.now.hour, clock.now.minute))
    assert began == [(hour % 24, 0) for hour in range(7, 31)]
    assert runs(tables) == [("scheduler", "ok")] * 24
    assert scheduler.state().next_run == datetime(2026, 1, 2, 7, tzinfo=UTC)


def test_hours_that_were_slept_through_are_made_up_for_by_one_run(
    scheduler: InProcessScheduler, clock: Clock, tables: Tables
) -> None:
    scheduler.start()
    clock.now += timedelta(hours=9)
    scheduler.look()
    scheduler.look()
    assert len(runs(tables)) == 1
    assert scheduler.state().next_run == datetime(2026, 1, 1, 16, tzinfo=UTC)


def test_before_it_is_started_and_after_it_is_stopped_nothing_runs(
    scheduler: InProcessScheduler, clock: Clock, tables: Tables
) -> None:
    assert (scheduler.state().is_running, scheduler.state().next_run) == (False, None)
    for change in (lambda: None, scheduler.start, scheduler.stop, scheduler.stop):
        change()
        if not scheduler.state().is_running:
            clock.now += timedelta(hours=2)
            scheduler.look()
    assert runs(tables) == []


def test_starting_it_twice_is_starting_it_once(scheduler: InProcessScheduler, clock: Clock) -> None:
    scheduler.start()
    threads = threading.active_count()
    clock.now += timedelta(hours=3)
    scheduler.start()
    assert threading.active_count() == threads
    assert scheduler.state().next_run == datetime(2026, 1, 1, 7, tzinfo=UTC), "and it does not forget what is due"


def test_it_looks_at_the_clock_by_itself(service: SyncService, clock: Clock) -> None:
    ran = threading.Event()

    def sync(trigger: str, *, started: Callable[[], None] = lambda: None) -> Report:
        report = service.sync_all_novels(trigger, started=started)
        ran.set()
        return report

    scheduler = InProcessScheduler(sync, clock, look_seconds=0.01)
    scheduler.start()
    assert not ran.is_set()
    clock.now += timedelta(hours=1)
    assert ran.wait(30)
    scheduler.stop()


def test_two_triggers_at_once_are_one_run_and_one_skipped(
    library: Library, scheduler: InProcessScheduler, clock: Clock, database: SqlClient, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    scheduler.start()
    clock.now += timedelta(hours=1)
    with ThreadPoolExecutor() as pool, tables.connection.transaction():
        tables.connection.execute("lock table novels in exclusive mode")  # so that the first is still at work
        first = pool.submit(scheduler.look)
        wait_until(lambda: tables.rows("select from novelsync.lease where expires_at > clock_timestamp()"))
        assert not first.done()
        second = make_service(library, database).sync_all_novels("http")
        with pytest.raises(RunInProgress):
            scheduler.run_now()
        with pytest.raises(RunInProgress, match="another run is in progress"):
            SchedulerService(scheduler, database).run_sync_job()
        clock.now += timedelta(hours=1)
        scheduler.look()
    assert second.outcome == "skipped"
    assert runs(tables) == [("scheduler", "ok")]


def test_run_now_returns_once_the_run_has_its_lease(
    library: Library, scheduler: InProcessScheduler, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    with tables.connection.transaction():
        tables.connection.execute("lock table novels in exclusive mode")
        scheduler.run_now()
        assert runs(tables) == [("background", None)]
    wait_until(lambda: runs(tables) != [("background", None)])
    assert runs(tables) == [("background", "ok")]
    assert not scheduler.state().is_running, "the schedule is another matter"


def test_run_now_does_not_say_that_it_started_what_the_database_did_not_let_start(
    scheduler: InProcessScheduler, transport: RecordingTransport
) -> None:
    def away(function: str) -> None:
        raise DatabaseUnavailable("the database is away")

    transport.before = away
    with pytest.raises(DatabaseUnavailable):
        scheduler.run_now()
