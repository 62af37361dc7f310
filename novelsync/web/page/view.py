"""From a STATUS to all that the status page says, in words. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from novelsync.models.report import MissingNovel, timestamp
from novelsync.models.status import Cause, RunInFlight, RunSummary, SchedulerStatus, Status, StatusProblem, Verdict
from novelsync.text.formatting import counted
from novelsync.text.grouping import Group, grouped
from novelsync.text.hints import Say
from novelsync.web.page.chart import Bar, bars

SHOWN_TROUBLES: Final = 10
"""Of each kind; those that are alike count as one."""

SHOWN_RUNS: Final = 60
"""Rows in the table of the day's runs; the chart shows all runs."""

_REMARK: Final = "warning"

_COMMAND: Final = re.compile(r"`([^`]+)`")


class Piece(NamedTuple):
    """A part of a sentence."""

    text: str
    is_command: bool


Text = Sequence[Piece]


class Moment(NamedTuple):
    """A time for machines, and in UTC for people; JavaScript shows it in their own zone."""

    iso: str
    utc: str


@dataclass(frozen=True, slots=True)
class Action:
    """How the reader can do something: with a button that posts to ``route`` or, if that is empty, by ``command``."""

    route: str = ""
    command: Text = ()


@dataclass(frozen=True, slots=True)
class Actions:
    """What can be done about the sync and its scheduler where the page is read."""

    sync: Action
    start: Action = Action()
    stop: Action = Action()


@dataclass(frozen=True, slots=True)
class Headline:
    """``tone`` is ``good``, ``fair`` or ``bad``."""

    tone: str
    headline: str
    meaning: Text
    reasons: Sequence[Text]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A novel that is refused, held or warned about, or the library itself."""

    kind: str
    title: str
    slug: str
    message: Text
    hint: Text
    count: int = 1
    """How many novels it is about."""


@dataclass(frozen=True, slots=True)
class More:
    """Problems of a kind that the page does not show; the address with ``?problems=<kind>`` lists all."""

    count: int
    kind: str


class Missing(NamedTuple):
    """A novel that readers see and that the storage no longer has."""

    slug: str
    since: Moment
    goes: Moment | None
    """The first run after that hides it from readers; None: its removal is held."""


@dataclass(frozen=True, slots=True)
class Fullness:
    """How much of the database's limit is used. ``share`` is from 0 to 1."""

    share: float
    words: str


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the table."""

    ended: Moment
    outcome: str
    outcome_words: str
    trigger: str
    changes: str
    took: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The last day's runs. ``summary`` says in words what the chart shows."""

    bars: Sequence[tuple[Bar, Run]]
    summary: str
    longest: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is known of the scheduler, and what can be done about it."""

    words: str
    next: Moment | None
    action: Action
    verb: str


class Running(NamedTuple):
    """A run that is going on."""

    holder: str
    since: Moment
    waits_for: str
    """How many novels it handed to others, as ``5 novels``; empty if none."""


@dataclass(frozen=True, slots=True)
class View:
    """All that the page says, in its order."""

    verdict: Headline
    running: Running | None
    sync: Action
    storage: str
    novels_in_storage: int | None
    last_check: Moment | None
    database: str
    novels: int
    chapters: int
    removed: int
    size: str
    fullness: Fullness | None
    drift: Sequence[tuple[int, str]]
    drift_words: str
    missing: Sequence[Missing]
    """Of the missing novels, those that are missing for longest."""
    troubles: Sequence[Trouble]
    warnings: Sequence[Trouble]
    more_troubles: Sequence[More]
    more_warnings: Sequence[More]
    warned: int
    """Novels with a warning, those included that are not in ``warnings``."""
    chart: Chart
    runs: Sequence[Run]
    more_runs: int
    """Runs of the day that are not in ``runs``."""
    schedule: Schedule | None


_VERDICTS: Final = {
    "ok": ("good", "All is well", "What the storage has is in the tables."),
    "attention": ("fair", "Something waits for you", "Readers keep what they have; the rest is in the tables."),
    "stale": ("bad", "No run for too long", "Readers see what the last run left."),
    "stopped": (
        "fair",
        "The hourly sync is stopped",
        "Readers see what the last run left. Start it again, if that was not meant.",
    ),
    "failing": ("bad", "Syncing fails", "Readers see what the last good run left."),
    "never_run": ("fair", "Nothing is synced yet", "The first run brings in all that the storage has."),
}

_CAUSES: Final = {
    Cause.STORAGE: ("The storage cannot be read", "Readers keep what they have. Nothing new comes in until it can."),
    Cause.FAILED: ("The last run failed", "The next one tries again; readers see what was there before."),
    Cause.INTERRUPTED: ("The last run was interrupted", "What came in is whole; the next run brings in the rest."),
    Cause.EMPTY: ("The storage is empty", "Readers keep what they have, but nothing can come in from there."),
}

_OUTCOMES: Final = {"ok": "ok", "partial": "with problems", "failed": "failed"}


def view(status: Status, actions: Actions, say: Say, now: datetime) -> View:
    """``say``: how commands in hints are written where the page is read."""
    rows = [_run(run) for run in status.runs]
    troubles, more = _troubles(status, say)
    return View(
        verdict=_verdict(status, say),
        running=_running(status.running) if status.running else None,
        sync=actions.sync,
        storage=status.storage_path,
        novels_in_storage=status.novels_in_storage,
        last_check=_moment(status.last_check),
        database=status.database,
        novels=status.novels_in_database,
        chapters=status.chapters_in_database,
        removed=status.removed_novels,
        size=size(status.database_bytes),
        fullness=_fullness(status.database_bytes, status.database_limit),
        drift=_drift(status),
        drift_words=_drift_words(status),
        missing=[_missing(novel) for novel in status.missing or ()],
        troubles=[trouble for trouble in troubles if trouble.kind != _REMARK],
        warnings=[trouble for trouble in troubles if trouble.kind == _REMARK],
        more_troubles=[each for each in more if each.kind != _REMARK],
        more_warnings=[each for each in more if each.kind == _REMARK],
        warned=max(
            status.problems_by_kind.get(_REMARK, 0), sum(each.count for each in troubles if each.kind == _REMARK)
        ),
        chart=_chart(status, rows, now),
        runs=rows[:SHOWN_RUNS],
        more_runs=len(rows[SHOWN_RUNS:]),
        schedule=_schedule(status.scheduler, actions),
    )


def text(sentence: str) -> Text:
    """A sentence in which words in backticks are commands."""
    return [Piece(part, i % 2 == 1) for i, part in enumerate(_COMMAND.split(sentence)) if part]


def plain(sentence: str) -> Text:
    """A sentence that may quote a file, so that nothing in it is taken for a command."""
    return [Piece(sentence, is_command=False)]


def moment(time: datetime) -> Moment:
    time = time.astimezone(UTC)
    return Moment(timestamp(time), f"{time.day} {time:%B, %H:%M} UTC")


def _moment(time: datetime | None) -> Moment | None:
    return moment(time) if time else None


def size(bytes_: int) -> str:
    """In the unit that keeps it short."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= factor:
            number = bytes_ / factor
            return f"{number:.1f} {unit}" if number < 10 else f"{number:,.0f} {unit}"
    return counted(bytes_, "byte")


def took(seconds: float | None) -> str:
    """As a person would say it."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _running(run: RunInFlight) -> Running:
    waits_for = counted(run.open_messages, "novel") if run.open_messages else ""
    return Running(run.holder, moment(run.since), waits_for)


def _verdict(status: Status, say: Say) -> Headline:
    tone, headline, meaning = _VERDICTS[status.verdict]
    if status.verdict is Verdict.ATTENTION:
        headline, meaning = _CAUSES.get(status.cause, (headline, meaning))
    elif status.verdict is Verdict.OK and any(count for count, _ in _drift(status)):
        headline, meaning = "All was well", f"The storage has changed since the last run; {_next_run(status)}."
    return Headline(tone, headline, text(say(meaning)), [plain(sentence(reason)) for reason in status.reasons])


def _next_run(status: Status) -> str:
    """What brings in the changes."""
    if status.scheduler and status.scheduler.is_running:
        return "the next one brings it in"
    if status.scheduler:
        return "no run is scheduled, so start one to bring it in"
    return "the next one brings it in, and this page does not know when that is"


def sentence(words: str) -> str:
    """With a capital letter, because messages begin in lower case."""
    return words[:1].upper() + words[1:]


def _drift(status: Status) -> Sequence[tuple[int, str]]:
    """How the storage differs from what the last run saw."""
    pending = status.pending
    return [(pending.new, "new"), (pending.changed, "changed"), (pending.missing, "missing")] if pending else []


def _drift_words(status: Status) -> str:
    """What the difference means for readers, or why there is none."""
    if status.pending is None:
        return "The storage could not be looked at, so nobody knows."
    if any(count for count, _ in _drift(status)):
        return "The next run brings in what is new or changed; what is missing stays for a while before it is removed."
    return "Nothing: every file is as the last run saw it. What is refused or held is not read again until it changes."


def _fullness(bytes_: int, limit: int | None) -> Fullness | None:
    if not limit:
        return None
    share = bytes_ / limit
    return Fullness(round(min(share, 1), 3), f"{share:.0%} of {size(limit)}")


def _troubles(status: Status, say: Say) -> tuple[list[Trouble], list[More]]:
    """What is shown, those that are alike as one; and how many of each kind are not."""
    shown: list[Trouble] = []
    places: Counter[str] = Counter()
    for group in grouped(status.problems):
        places[group.first.kind] += 1
        if places[group.first.kind] <= SHOWN_TROUBLES:
            shown.append(_trouble(group, say))
    total = Counter(status.problems_by_kind) or Counter(problem.kind for problem in status.problems)
    for trouble in shown:
        total[trouble.kind] -= trouble.count
    return shown, [More(count, kind) for kind, count in total.items() if count > 0]


def _trouble(group: Group[StatusProblem], say: Say) -> Trouble:
    problem = group.first
    slug = problem.slug or ""
    title = problem.title or slug or "The whole library"
    hint = text(sentence(say(problem.hint)))
    if group.count > 1:
        title, slug = counted(group.count, "novel"), ""
    return Trouble(problem.kind, title, slug, plain(sentence(group.message)), hint, group.count)


def _missing(novel: MissingNovel) -> Missing:
    return Missing(novel.slug, moment(novel.since), _moment(novel.goes))


def _run(run: RunSummary) -> Run:
    words = {"new": run.created, "updated": run.updated, "removed": run.removed}
    changes = ", ".join(f"{count:,} {word}" for word, count in words.items() if count)
    if run.duration is None:
        changes = "died before it could report"
    return Run(
        moment(run.end_time),
        run.outcome,
        _OUTCOMES.get(run.outcome, run.outcome),
        run.trigger,
        changes or "nothing changed",
        took(run.duration),
    )


def _chart(status: Status, rows: Sequence[Run], now: datetime) -> Chart:
    drawn = bars(status.runs, now)
    longest = max((run.duration or 0 for run in status.runs), default=0)
    counts = {words: sum(run.outcome == outcome for run in status.runs) for outcome, words in _OUTCOMES.items()}
    told = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    average = status.metrics.average_duration
    summary = f"{counted(len(rows), 'run')}: {told}" if rows else "No run has finished in the last 24 hours."
    if rows and average is not None:
        summary += f"; {took(average)} on average"
    return Chart(list(zip(drawn, reversed(rows), strict=True)), summary, took(longest))


def _schedule(state: SchedulerStatus | None, actions: Actions) -> Schedule | None:
    if state is None:
        return None
    if state.is_running:
        return Schedule("Runs every hour", _moment(state.next_job), actions.stop, "Stop")
    return Schedule("Stopped: nothing runs by itself", None, actions.start, "Start")
