"""The verdict, and what is looked at for it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from novelsync.database.client import SqlClient
from novelsync.models.problems import OpenProblems
from novelsync.models.report import NovelCounts
from novelsync.models.results import Outcome
from novelsync.models.source import SourceFile
from novelsync.models.status import DatabaseStatus, FinishedRun, Pending
from novelsync.status_service import StatusService, judge
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from tests.conftest import RecordingTransport, Tables
from tests.support.library import Library, chapters
from tests.support.reports import NO_METRICS, NOON, a_report

LATER = datetime(2126, 1, 1, 12, tzinfo=UTC)
"""Than any run that really happened."""


def run(outcome: str = "ok", minutes_ago: int = 10, deferred: int = 0, message: str = "") -> FinishedRun:
    report = a_report(outcome, message, novels=NovelCounts(deferred=deferred))
    return FinishedRun(report.outcome, NOON - timedelta(minutes=minutes_ago), report)


def verdict(*runs: FinishedRun, stopped: bool = False, mb: int = 0, **counts: int) -> tuple[str, list[str]]:
    problems = OpenProblems(counts, (), counts.get("held", 0))
    said = DatabaseStatus(0, 0, 0, mb * 1_000_000, None, runs, NO_METRICS, problems)
    return judge(said, stale_after=7800, now=NOON, stopped=stopped, database_limit=500_000_000)


def test_all_is_well_when_the_last_run_is_and_nothing_stands() -> None:
    assert verdict(run()) == ("ok", [])
    assert verdict(run(), run("failed")) == ("ok", []), "one failure is fixed by the next run"
    assert verdict(run(), warning=3) == ("ok", []), "a warning's novel is in"


def test_never_run_goes_before_everything() -> None:
    assert verdict(refused=3) == ("never_run", ["no run has finished yet"])


def test_two_failures_in_a_row_are_failing_and_say_why() -> None:
    why = ["the last two runs failed", "the disk is gone"]
    assert verdict(run("failed", message="the disk is gone"), run("failed")) == ("failing", why)
    assert verdict(run("failed", minutes_ago=500), run("failed", minutes_ago=600))[0] == "failing"


def test_a_run_that_died_without_a_report_counts_as_failed() -> None:
    dead = FinishedRun(Outcome.FAILED, NOON, None)
    assert verdict(dead, dead) == ("failing", ["the last two runs failed"])


def test_no_run_for_too_long_is_stale() -> None:
    assert verdict(run(minutes_ago=130))[0] == "ok"
    why = ["the last run finished 131 minutes ago, over the limit of 130"]
    assert verdict(run(minutes_ago=131), refused=1) == ("stale", why)


def test_no_run_for_too_long_with_a_stopped_scheduler_is_stopped() -> None:
    why = ["the scheduler is stopped", "the last run finished 131 minutes ago, over the limit of 130"]
    assert verdict(run(minutes_ago=131), stopped=True, refused=1) == ("stopped", why)
    assert verdict(run(minutes_ago=10), stopped=True) == ("ok", []), "somebody calls it by hand"
    assert verdict(run("failed", 500), run("failed", 600), stopped=True)[0] == "failing"
    assert verdict(stopped=True)[0] == "never_run"


def test_a_database_that_is_nearly_full_wants_attention() -> None:
    assert verdict(run(), mb=450) == ("ok", [])
    why = "the database has 451 MB, 90% of NOVELSYNC_DATABASE_LIMIT"
    assert verdict(run(), mb=451, held=1) == ("attention", ["novels held: 1", why])


def test_what_is_refused_or_held_wants_attention() -> None:
    assert verdict(run("partial"), refused=2, held=1) == ("attention", ["novels refused: 2", "novels held: 1"])


def test_runs_that_keep_ending_before_they_are_done_want_attention() -> None:
    assert verdict(run("partial", deferred=5)) == ("ok", []), "the next run goes on"
    assert verdict(run("partial", deferred=5), run("partial", deferred=9))[0] == "attention"


class CountingStorage(LocalStorage):
    listings = 0

    def listing(self, *asked: Any) -> Iterator[SourceFile]:
        self.listings += 1
        return super().listing(*asked)


def test_a_listing_is_kept_for_a_minute_and_a_check_makes_none(
    library: Library, service: SyncService, database: SqlClient, transport: RecordingTransport
) -> None:
    library.write("emma", chapters(1))
    service.sync_all_novels()
    clock, now = 0.0, LATER
    storage = CountingStorage(str(library.folder))
    status = StatusService(storage, database, stale_after=7800, now=lambda: now, monotonic=lambda: clock)

    assert status.status(look_at_storage=False).novels_in_storage is None
    assert storage.listings == 0
    assert [status.status().novels_in_storage for _ in range(2)] == [1, 1]
    assert storage.listings == 1
    library.write("persuasion", chapters(1))
    clock, now = 59.0, LATER + timedelta(seconds=59)
    kept = status.status()
    assert (kept.novels_in_storage, kept.last_check) == (1, LATER)
    clock, now = 60.0, LATER + timedelta(seconds=60)
    fresh = status.status()
    assert (fresh.novels_in_storage, fresh.last_check) == (2, now)
    assert fresh.pending == Pending(new=1, changed=0, missing=0)


def test_a_listing_from_before_a_run_is_not_kept(library: Library, service: SyncService, database: SqlClient) -> None:
    status = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800)
    assert status.status().novels_in_storage == 0
    library.write("emma", chapters(1))
    service.sync_all_novels()
    assert status.status().pending == Pending(new=0, changed=0, missing=0)


def test_the_days_runs_are_told_in_short_and_the_titles_of_novels_with_problems(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    status = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800)
    library.write("emma", chapters(9), title="Emma")
    service.sync_all_novels()
    library.write("emma", chapters(1), title="Emma")
    library.write_raw("cut", b"{")
    service.sync_all_novels("scheduler")
    tables.connection.execute(
        "insert into novelsync.runs (run_id, trigger, finished_at, outcome) values"
        " (gen_random_uuid(), 'http', now() - interval '1 hour', 'failed'),"
        " (gen_random_uuid(), 'cli', now() - interval '25 hours', 'ok')"
    )
    said = status.status()
    runs = [(run.outcome, run.trigger, run.created, run.updated) for run in said.runs]
    assert runs == [("partial", "scheduler", 0, 0), ("ok", "cli", 1, 0), ("failed", "http", None, None)]
    assert said.last_run
    assert said.runs[0].end_time == said.last_run.end_time
    assert [(problem.slug, problem.title) for problem in said.problems] == [("cut", None), ("emma", "Emma")]
