"""Runs: a line of each, the chart of a day, and the page of one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from novelsync.models.desk.runs import RunDetail, RunPage, RunSummary
from novelsync.models.report import Report
from novelsync.text.formatting import counted
from novelsync.text.hints import Say
from novelsync.web.page.views.chart import Bar, bars
from novelsync.web.page.views.troubles import More, Trouble, split, troubles
from novelsync.web.page.views.words import Moment, moment, moment_or_none, told, took
from novelsync.web.request import addresses
from novelsync.web.request.addresses import address

_OUTCOMES: Final = {"ok": "ok", "partial": "with problems", "failed": "failed"}
_TONES: Final = {"ok": "good", "partial": "fair", "failed": "bad"}
_TRIGGERS: Final = {
    "cli": "by the command line",
    "http": "by a request",
    "scheduler": "by the schedule",
    "background": "by a request, in the background",
    "event": "by an event",
    "watch": "by `sync --watch`, which saw a file change",
}


@dataclass(frozen=True, slots=True)
class RunLine:
    """A row of a table of runs."""

    ended: Moment
    outcome: str
    outcome_words: str
    changes: str
    took: str
    address: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The last day's runs. ``summary`` says in words what the chart shows."""

    bars: Sequence[tuple[Bar, RunLine]]
    summary: str
    longest: str


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A novel that a run changed."""

    slug: str
    title: str
    address: str
    changes: str


@dataclass(frozen=True, slots=True)
class RunView:
    """All that the page of one run says."""

    tone: str
    headline: str
    trigger: str
    started: Moment
    ended: Moment | None
    took: str
    counts: Sequence[tuple[str, str]]
    """Of novels and of chapters, each with what it counts."""
    interrupted: bool
    troubles: Sequence[Trouble]
    remarks: Sequence[Trouble]
    more: Sequence[More]
    changed: int
    novels: Sequence[ChangedLine]
    """The first of the changed ones."""


@dataclass(frozen=True, slots=True)
class RunsView:
    """The page of all runs."""

    runs: Sequence[RunLine]
    earlier: str
    """The address of those before these; empty: there are none."""


def run_line(run: RunSummary) -> RunLine:
    changes = told((run.created, "new"), (run.updated, "updated"), (run.removed, "removed"))
    if run.duration is None:
        changes = "died before it could report"
    return RunLine(
        moment(run.end_time),
        run.outcome,
        _OUTCOMES.get(run.outcome, run.outcome),
        changes or "nothing changed",
        took(run.duration),
        address(addresses.RUN, run_id=run.run_id),
    )


def chart(runs: Sequence[RunSummary], average: float | None, now: datetime) -> Chart:
    """``runs``: of the last 24 hours, newest first. ``average``: seconds that they took; None: that is not known."""
    lines = [run_line(run) for run in reversed(runs)]
    longest = max((run.duration or 0 for run in runs), default=0)
    counts = {words: sum(run.outcome == outcome for run in runs) for outcome, words in _OUTCOMES.items()}
    by_outcome = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    summary = f"{counted(len(runs), 'run')}: {by_outcome}" if runs else "No run has finished in the last 24 hours."
    if runs and average is not None:
        summary += f"; {took(average)} on average"
    return Chart(list(zip(bars(runs, now), lines, strict=True)), summary, took(longest))


def runs_view(page: RunPage) -> RunsView:
    earlier = address(addresses.RUNS, before=page.next) if page.next else ""
    return RunsView([run_line(run) for run in page.runs], earlier)


def run_view(run: RunDetail, say: Say) -> RunView:
    report = run.report
    shown, more = troubles(report.problems, _kinds(report), {}, say) if report else ([], [])
    waiting, remarks = split(shown)
    outcome = run.outcome or ""
    headline = {
        "ok": "All went well",
        "partial": "It ended, and something was left",
        "failed": "It failed" if report else "It died before it could report",
    }.get(outcome, "It is going on")
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else None
    return RunView(
        tone=_TONES.get(outcome, "fair"),
        headline=headline,
        trigger=_TRIGGERS.get(run.trigger, run.trigger),
        started=moment(run.started_at),
        ended=moment_or_none(run.finished_at),
        took=took(report.duration if report else seconds),
        counts=list(_counts(report)) if report else [],
        interrupted=bool(report and report.interrupted),
        troubles=waiting,
        remarks=remarks,
        more=more,
        changed=run.changed,
        novels=[
            ChangedLine(
                novel.slug,
                novel.title,
                address(addresses.NOVEL, slug=novel.slug),
                told(
                    (novel.added, "added"),
                    (novel.changed, "changed"),
                    (novel.removed, "removed"),
                    (novel.restored, "back"),
                )
                or "the novel itself",
            )
            for novel in run.novels
        ],
    )


def _kinds(report: Report) -> Mapping[str, int]:
    """How many problems of each kind the report lists."""
    kinds: dict[str, int] = {}
    for problem in report.problems:
        kinds[problem.kind] = kinds.get(problem.kind, 0) + 1
    return kinds


def _counts(report: Report) -> Sequence[tuple[str, str]]:
    novels, chapters = report.novels, report.chapters
    by_fate = told(*((count, name.replace("_", " ")) for name, count in novels.by_fate().items()))
    apart = told((novels.held, "held"), (novels.missing, "missing"), (novels.removed, "removed"))
    of_chapters = told(*((getattr(chapters, name), name.replace("_", " ")) for name in chapters.__struct_fields__))
    rows = [
        (counted(report.novels_processed, "novel"), by_fate),
        ("Of the novels", apart),
        ("Chapters", of_chapters),
    ]
    return [(name, words) for name, words in rows if words]
