"""The verdict, and what is looked at for it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from novelsync.database.client import SqlClient
from novelsync.errors import StorageUnavailable
from novelsync.models.problems import OpenProblems
from novelsync.models.report import NovelCounts
from novelsync.models.results import Outcome
from novelsync.models.status import Cause, DatabaseStatus, FinishedRun, Pending, Verdict
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from novelsync.verdict import Judgement, judge
from tests.conftest import RecordingTransport, Tables
from tests.support.library import Library, chapters
from tests.support.reports import NO_METRICS, NOON, a_report

LATER = datetime(2126, 1, 1, 12, tzinfo=UTC)
"""Than any run that really happened."""


def run(
    outcome: str = "ok", minutes_ago: int = 10, deferred: int = 0, message: str = "", *, interrupted: bool = False
) -> FinishedRun:
    report = a_report(outcome, message, novels=NovelCounts(deferred=deferred), interrupted=interrupted)
    return FinishedRun(report.outcome, NOON - timedelta(minutes=minutes_ago), report)


AWAY = StorageUnavailable("the disk is gone", "mount it")


def judged(
    *runs: FinishedRun, stopped: bool = False, mb: int = 0, away: bool = False, killed: bool = False, **counts: int
) -> Judgement:
    problems = OpenProblems(counts, (), counts.get("held", 0))
    killed_at = NOON if killed else None
    said = DatabaseStatus(0, 0, 0, mb * 1_000_000, None, runs, NO_METRICS, problems, killed_at=killed_at)
    unreadable = AWAY if away else None
    return judge(said, stale_after=7800, now=NOON, stopped=stopped, database_limit=500_000_000, unreadable=unreadable)


def verdict(*runs: FinishedRun, **said: Any) -> tuple[str, list[str]]:
    found = judged(*runs, **said)
    return found.verdict, found.reasons


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


def test_the_first_failed_run_wants_attention_already() -> None:
    assert verdict(run("failed", message="the disk is gone"), run()) == (
        "attention",
        ["the last run failed: the disk is gone"],
    )
    assert verdict(run("failed", message="no"))[0] == "attention"
    assert judged(run("failed", message="no"), run(), held=1).cause is Cause.FAILED


def test_a_storage_that_cannot_be_read_wants_attention_at_once_and_fails_after_two_runs() -> None:
    assert judged(run(), away=True) == (Verdict.ATTENTION, ["the disk is gone; mount it"], Cause.STORAGE)
    once = ["the disk is gone; mount it", "the last run failed"]
    assert verdict(run("failed", message="the disk is gone"), run(), away=True) == ("attention", once)
    twice = ["the last two runs failed", "the disk is gone; mount it"]
    assert verdict(run("failed"), run("failed"), away=True) == ("failing", twice)
    assert verdict(away=True) == ("never_run", ["no run has finished yet", "the disk is gone; mount it"])


def test_a_run_that_was_interrupted_wants_attention_until_the_next_has_ended() -> None:
    broken_off = run("partial", deferred=1507, interrupted=True)
    why = ["the last run was interrupted; 1,507 novels are not in yet"]
    assert judged(broken_off) == (Verdict.ATTENTION, why, Cause.INTERRUPTED)
    assert verdict(run(), broken_off) == ("ok", [])


def test_a_run_that_was_killed_is_told_before_the_next_one_finds_out() -> None:
    why = ["a run began at 2026-01-01T12:00:00Z and was killed; the next one finishes it"]
    assert judged(run(), killed=True) == (Verdict.ATTENTION, why, Cause.INTERRUPTED)
    assert verdict(killed=True)[1] == ["no run has finished yet", "a run began at 2026-01-01T12:00:00Z and was killed"]


def test_a_run_that_died_without_a_report_counts_as_failed() -> None:
    dead = FinishedRun(Outcome.FAILED, NOON, None)
    why = "it was killed before it could report"
    assert verdict(dead, dead) == ("failing", ["the last two runs failed", why])
    assert verdict(dead, run()) == ("attention", [f"the last run failed: {why}"])


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

    def lines(self, *asked: Any) -> Iterator[str]:
        self.listings += 1
        return super().lines(*asked)


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
    assert [(problem.slug, problem.title) for problem in said.problems] == [("emma", "Emma"), ("cut", None)]


def test_a_run_that_holds_the_lease_is_not_taken_for_a_killed_one(database: SqlClient, tables: Tables) -> None:
    database.begin("00000000-0000-0000-0000-00000000000a", "cli", "me", 60)
    assert database.status().killed_at is None
    tables.connection.execute("update novelsync.lease set expires_at = now() - interval '1 second'")
    assert database.status().killed_at is not None


def test_the_verdict_knows_that_the_storage_cannot_be_read(
    library: Library, service: SyncService, database: SqlClient
) -> None:
    library.write("emma", chapters(1))
    service.sync_all_novels()
    status = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800)
    assert status.status().verdict is Verdict.OK
    library.folder.rename(library.folder.with_name("elsewhere"))
    away = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800).status()
    assert (away.verdict, away.cause, away.novels_in_storage) == (Verdict.ATTENTION, Cause.STORAGE, None)
    assert "is not there" in away.reasons[0]
    assert "correct NOVELSYNC_STORAGE" in away.reasons[0]
    for said in ("attention", "failing"):
        assert service.sync_all_novels().outcome is Outcome.FAILED
        assert status.status(look_at_storage=False).verdict == said
