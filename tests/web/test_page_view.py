"""What the page says, and where the bars stand: no browser, no database."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from novelsync.models.desk.runs import RunSummary
from novelsync.models.desk.schedule import SchedulerStatus
from novelsync.models.report import MissingNovel, NovelCounts, ReportedProblem
from novelsync.models.results import Outcome
from novelsync.models.status import Cause, Pending, RunInFlight, Status, StatusProblem, Verdict
from novelsync.text.formatting import size
from novelsync.text.hints import as_command_line
from novelsync.web.page.render import page
from novelsync.web.page.views.chart import bars
from novelsync.web.page.views.notice import notice
from novelsync.web.page.views.status.view import StatusView, status_view
from novelsync.web.page.views.words import Action, Actions, moment, text, took
from tests.support.reports import NO_METRICS, NOON, a_report

ONE = datetime(2026, 1, 1, 13, tzinfo=UTC)
BUTTONS = Actions(Action("/sync"), Action("/start"), Action("/stop"))


def run(outcome: str = "ok", minutes_ago: int = 10, duration: float | None = 1.0, **counts: int) -> RunSummary:
    told: dict[str, Any] = {"created": 0, "updated": 0, "removed": 0} | counts
    if duration is None:
        told = dict.fromkeys(told)
    ended = NOON - timedelta(minutes=minutes_ago)
    return RunSummary("a run", Outcome(outcome), "cli", ended, duration, 1, **told)


def status(**changes: Any) -> Status:
    return replace(
        Status(
            novels_in_storage=1,
            last_check=NOON,
            storage_path="novels",
            database="it",
            database_bytes=8_000_000,
            database_limit=None,
            novels_in_database=1,
            chapters_in_database=2,
            removed_novels=0,
            pending=Pending(0, 0, 0),
            verdict=Verdict.OK,
            reasons=[],
            scheduler=None,
            last_run=None,
            metrics=NO_METRICS,
            problems=[],
            problems_total=0,
            running=None,
            runs=[],
        ),
        **changes,
    )


def seen(actions: Actions = BUTTONS, **changes: Any) -> StatusView:
    return status_view(status(**changes), actions, as_command_line, NOON)


def test_every_verdict_has_words_and_a_page() -> None:
    for verdict in Verdict:
        said = seen(verdict=verdict, reasons=["it is so"])
        assert [piece.text for reason in said.verdict.reasons for piece in reason] == ["It is so"]
        assert said.verdict.headline in page(said)
    assert seen().verdict.tone == "good"


def test_with_the_storage_away_nothing_is_said_to_be_well() -> None:
    said = seen(
        verdict=Verdict.ATTENTION,
        cause=Cause.STORAGE,
        novels_in_storage=None,
        last_check=None,
        pending=None,
        reasons=["the bucket is gone"],
    )
    assert (said.verdict.tone, said.verdict.headline) == ("fair", "The storage cannot be read")
    assert "nobody knows" in said.drift_words
    assert "<b>?</b>" in page(said)


@pytest.mark.parametrize(
    ("cause", "headline"),
    [
        (Cause.FAILED, "The last run failed"),
        (Cause.INTERRUPTED, "The last run was interrupted"),
        (Cause.EMPTY, "The storage is empty"),
        (Cause.OTHER, "Something waits for you"),
    ],
)
def test_the_headline_says_what_is_wrong(cause: Cause, headline: str) -> None:
    said = seen(verdict=Verdict.ATTENTION, cause=cause, reasons=["it is so"])
    assert (said.verdict.tone, said.verdict.headline) == ("fair", headline)


def test_after_a_change_all_was_well_and_it_is_said_what_brings_the_change_in() -> None:
    assert seen(last_run=a_report()).verdict.headline == "All is well"
    for scheduler, words in (
        (None, "this page does not know when that is"),
        (SchedulerStatus(is_running=True, next_job=ONE, jobs_count=1), "the next one brings it in."),
        (SchedulerStatus(is_running=False, next_job=None, jobs_count=0), "no run is scheduled, so start one"),
    ):
        said = seen(pending=Pending(2, 0, 0), scheduler=scheduler).verdict
        assert said.headline == "All was well"
        assert words in "".join(piece.text for piece in said.meaning)


def test_nothing_that_comes_from_a_file_is_shown_as_a_command() -> None:
    problem = StatusProblem("emma", "held", "the first: `rm -rf`", "`make sync`", "Emma")
    (trouble,) = seen(problems=[problem], problems_total=1).troubles
    assert [piece.is_command for piece in trouble.message] == [False]
    assert [piece.is_command for piece in trouble.hint] == [True]


def test_drift_is_explained_when_there_is_some_and_when_there_is_none() -> None:
    assert seen().drift_words.startswith("Nothing: every file is as the last run saw it")
    said = seen(pending=Pending(2, 0, 1))
    assert said.drift == [(2, "new"), (0, "changed"), (1, "missing")]
    assert said.drift_words.startswith("The next run brings in")


def test_what_is_known_of_the_scheduler_decides_what_can_be_done_about_it() -> None:
    assert seen().schedule is None
    running = seen(scheduler=SchedulerStatus(is_running=True, next_job=ONE, jobs_count=1)).schedule
    assert running is not None
    assert (running.verb, running.action.route, running.next) == ("Stop", "/stop", moment(ONE))
    stopped = seen(scheduler=SchedulerStatus(is_running=False, next_job=None, jobs_count=0)).schedule
    assert stopped is not None
    assert (stopped.verb, stopped.action.route, stopped.next) == ("Start", "/start", None)
    silent = seen(scheduler=SchedulerStatus(is_running=True, next_job=None, jobs_count=1))
    assert "Runs every hour." in page(silent)


def test_a_run_that_goes_on_says_how_far_it_is_and_how_long_that_may_take() -> None:
    a_minute_ago = NOON - timedelta(minutes=1)

    def running(*arguments: Any) -> Any:
        return seen(running=RunInFlight("here", a_minute_ago, *arguments)).running

    assert running(1_234).waits_for == "1,234 novels"
    assert (running().waits_for, running().words) == ("", "")
    assert running(0, "a run", 1_000, 5_000).words == "1,000 of 5,000 novels, about 4 min left"
    assert running(0, "a run", 10, 5_000).words == "10 of 5,000 novels", "which says nothing of the rest yet"
    assert running(0, "a run", 5_000, 5_000).words == "5,000 of 5,000 novels"


def test_a_run_that_died_is_shown_as_one() -> None:
    said = seen(runs=[run("failed", duration=None)])
    assert (said.runs[0].changes, said.runs[0].took) == ("died before it could report", "?")
    assert "1 run: 1 failed" in said.chart.summary
    assert "stroke" not in page(said).split("<svg")[1], "no style stands in the drawing"


def test_what_a_run_changed_is_counted() -> None:
    rows = seen(runs=[run(created=1_200, removed=1), run()]).runs
    assert [row.changes for row in rows] == ["1,200 new, 1 removed", "nothing changed"]


def test_bars_stand_where_their_time_is_and_grow_with_the_square_root() -> None:
    drawn = bars([run(minutes_ago=0, duration=4.0), run(minutes_ago=720, duration=1.0), run(minutes_ago=2000)], NOON)
    assert [bar.x for bar in drawn] == [0, 703, 1423]
    assert [bar.height for bar in drawn] == [52, 52, 100]
    assert [bar.y for bar in drawn] == [48, 48, 0]
    assert bars([run(duration=0.0)], NOON)[0].height == 4, "it can be seen"
    assert bars([], NOON) == []


@pytest.mark.parametrize("count", [2, 30, 200])
@pytest.mark.parametrize("minutes_ago", [0, 700, 1440])
def test_runs_of_one_minute_stand_side_by_side_in_their_order(count: int, minutes_ago: int) -> None:
    runs = [run(minutes_ago=minutes_ago) for _ in range(count)]
    drawn = bars(runs, NOON)
    assert [bar.run for bar in drawn] == runs[::-1]
    assert all(left.x + left.width < right.x for left, right in pairwise(drawn))
    assert drawn[0].x >= 0
    assert drawn[-1].x + drawn[-1].width <= 1440


def test_alike_problems_are_one_and_what_is_not_shown_is_counted_by_kind() -> None:
    alike = [StatusProblem(f"cut-{n}", "refused", f"it is cut after byte {n}", "", None, 1_000) for n in range(40)]
    others = [StatusProblem(f"odd-{n}", "refused", f"it is odd: {chr(97 + n)}", "", None) for n in range(20)]
    problems = [StatusProblem("emma", "held", "9 of 9 chapters", "", "Emma"), *alike, *others]
    said = seen(problems=problems, problems_total=1_021, problems_by_kind={"held": 1, "refused": 1_020})
    assert [trouble.title for trouble in said.troubles] == ["Emma", "1,000 novels", *(f"odd-{n}" for n in range(9))]
    shown = page(said)
    assert "It is cut after byte 0, for instance cut-0, cut-1, cut-2" in shown
    assert 'And 11 more refused: <a href="/api/v1/sync/novels/list?show=refused">all of them</a>' in shown


def test_missing_novels_are_named_with_since_when_and_when_they_go() -> None:
    missing = [MissingNovel("emma", NOON, ONE), MissingNovel("persuasion", NOON, None)]
    shown = page(seen(pending=Pending(0, 0, 12), missing=missing))
    assert re.search(r"emma</bdi></a> is missing since <time[^>]*>1 January, 12:00 UTC</time> and goes after <", shown)
    assert "; its removal is held" in shown
    assert 'And 10 more: <a href="/api/v1/sync/novels/list?show=missing">' in shown


def test_warnings_do_not_wait_for_anybody() -> None:
    one = StatusProblem("emma", "warning", "a tag was left out", "", "Emma")
    shown = page(seen(problems=[one], problems_total=1))
    assert "Waiting for you" not in shown
    assert "1 about files whose novels are in" in shown


def test_the_database_is_measured_against_its_limit() -> None:
    assert seen().fullness is None
    fullness = seen(database_bytes=600_000_000, database_limit=500_000_000).fullness
    assert fullness is not None
    assert (fullness.share, fullness.words) == (1, "120% of 500 MB")


@pytest.mark.parametrize(
    ("number", "words"),
    [(999, "999 bytes"), (8_410_815, "8.4 MB"), (51_000, "51 kB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_are_short(number: int, words: str) -> None:
    assert size(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "?"), (0.031, "0.03 s"), (42.4, "42 s"), (95.0, "2 min"), (5400.0, "1 h 30 min")]
)
def test_durations_are_said_as_people_say_them(seconds: float | None, words: str) -> None:
    assert took(seconds) == words


def test_times_of_any_zone_become_utc() -> None:
    assert moment(datetime.fromisoformat("2026-01-01T01:30:00.25+02:00")) == (
        "2025-12-31T23:30:00Z",
        "31 December, 23:30 UTC",
    )


def test_what_stands_in_backticks_is_a_command() -> None:
    assert text("do `this`, or `that`") == [("do ", False), ("this", True), (", or ", False), ("that", True)]
    assert text("a ` alone") == [("a ` alone", False)]


def test_an_answer_to_a_button_tells_what_the_run_did() -> None:
    report = a_report(novels_processed=3, novels=NovelCounts(created=1, in_flight=2), duration=0.5)
    said = notice(200, "Sync job completed", "", report, as_command_line, back="/status", again=False)
    assert [piece.text for line in said.lines for piece in line] == ["3 novels: 1 created, 2 in flight; 0.50 s."]
    assert "Back to the status" in page(said)


def test_an_answer_to_a_button_says_if_there_was_nothing_to_accept() -> None:
    report = a_report(novels_processed=1, novels=NovelCounts(unchanged=1), duration=0.5, nothing_held=True)
    said = notice(200, "Sync job completed", "", report, as_command_line, back="/status", again=False)
    assert said.tone == "fair"
    assert [piece.text for line in said.lines for piece in line] == [
        "Nothing was held where something was to be accepted or kept.",
        "1 novel: 1 unchanged; 0.50 s.",
    ]


def test_a_failed_run_says_why() -> None:
    problem = ReportedProblem(None, "unavailable", "the disk is gone", "look for it")
    report = a_report("failed", "the disk is gone", problems=[problem])
    said = notice(503, "Sync job failed", "", report, as_command_line, back="", again=False)
    assert said.headline == "Out of reach just now"
    assert [piece.text for line in said.lines for piece in line] == ["The disk is gone", "Look for it"]
    assert "<a href" not in page(said), "this function has no status to go back to"
