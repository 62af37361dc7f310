"""From a STATUS to all that the first page says. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from novelsync.models.desk.schedule import SchedulerStatus
from novelsync.models.report import MissingNovel
from novelsync.models.status import RunInFlight, Status
from novelsync.text.formatting import counted, size
from novelsync.text.hints import Say
from novelsync.web.page.views.runs import Chart, RunLine, chart, run_line
from novelsync.web.page.views.status.headline import Headline, drift, drift_words, headline_of
from novelsync.web.page.views.troubles import REMARK, More, Trouble, list_of, split, troubles
from novelsync.web.page.views.words import Act, Action, Actions, Moment, moment, moment_or_none, text, took
from novelsync.web.request import addresses
from novelsync.web.request.addresses import address

SHOWN_RUNS: Final = 60
"""Rows in the table of the day's runs; the chart shows all runs."""


class Missing(NamedTuple):
    """A novel that readers see and that the storage no longer has."""

    slug: str
    address: str
    since: Moment
    goes: Moment | None
    """The first run after that hides it from readers; None: its removal is held."""


@dataclass(frozen=True, slots=True)
class Fullness:
    """How much of the database's limit is used. ``share`` is from 0 to 1."""

    share: float
    words: str


@dataclass(frozen=True, slots=True)
class HourlySync:
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
    done: int
    total: int
    """0: it has not said yet how many novels it has to come to."""
    words: str
    """How far it is, and how long that may take."""


class Setting(NamedTuple):
    """A setting as it is in force."""

    name: str
    value: str
    given: bool
    """Somebody set it; else this is the default."""


@dataclass(frozen=True, slots=True)
class StatusView:
    """All that the page says, in its order."""

    verdict: Headline
    running: Running | None
    sync: Action
    storage: str
    novels_in_storage: int | None
    last_check: Moment | None
    compared_since: Moment | None
    """Every novel has been compared with its file since then."""
    compared: str
    """How far that is, before all have been; empty: nothing is known of it."""
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
    more_missing: int
    all_missing: str
    """The address of the list of all of them."""
    removals: Action | None
    """How their removal is accepted, if that is held."""
    troubles: Sequence[Trouble]
    warnings: Sequence[Trouble]
    more_troubles: Sequence[More]
    more_warnings: Sequence[More]
    warned: int
    """Novels with a warning, those included that are not in ``warnings``."""
    chart: Chart
    runs: Sequence[RunLine]
    more_runs: int
    """Runs of the day that are not in ``runs``."""
    all_runs: str
    schedule: HourlySync | None
    settings: Sequence[Setting]


def status_view(
    status: Status,
    actions: Actions,
    say: Say,
    now: datetime,
    act: Act = lambda command: Action(command=text(f"`{command}`")),
    settings: Sequence[Setting] = (),
) -> StatusView:
    """
    ``say``: how commands in hints are written where the page is read. ``act``: how one of them is carried out there.

    ``settings``: those that are in force.
    """
    titles = {problem.slug: problem.title for problem in status.problems if problem.slug and problem.title}
    shown, more = troubles(status.problems, _totals(status), titles, say)
    waiting, remarks = split(shown)
    missing = status.pending.missing if status.pending else 0
    named = [_missing(novel) for novel in status.missing or ()]
    return StatusView(
        verdict=headline_of(status, say),
        running=_running(status.running, now) if status.running else None,
        sync=actions.sync,
        storage=status.storage_path,
        novels_in_storage=status.novels_in_storage,
        last_check=moment_or_none(status.last_check),
        compared_since=moment_or_none(status.comparing.whole_since) if status.comparing else None,
        compared=_compared(status),
        database=status.database,
        novels=status.novels_in_database,
        chapters=status.chapters_in_database,
        removed=status.removed_novels,
        size=size(status.database_bytes),
        fullness=_fullness(status.database_bytes, status.database_limit),
        drift=drift(status),
        drift_words=drift_words(status),
        missing=named,
        more_missing=max(0, missing - len(named)),
        all_missing=list_of("missing"),
        removals=_removals(status, act),
        troubles=waiting,
        warnings=remarks,
        more_troubles=[each for each in more if each.kind != REMARK],
        more_warnings=[each for each in more if each.kind == REMARK],
        warned=max(status.problems_by_kind.get(REMARK, 0), sum(each.count for each in remarks)),
        chart=chart(status.runs, status.metrics.average_duration, now),
        runs=[run_line(run) for run in status.runs[:SHOWN_RUNS]],
        more_runs=len(status.runs[SHOWN_RUNS:]),
        all_runs=address(addresses.RUNS),
        schedule=_schedule(status.scheduler, actions),
        settings=settings,
    )


def _compared(status: Status) -> str:
    if status.comparing is None or status.comparing.whole_since:
        return ""
    of = "" if status.novels_in_storage is None else f" of {counted(status.novels_in_storage, 'novel')}"
    return f"{status.comparing.novels:,}{of}"


def _totals(status: Status) -> dict[str, int]:
    """How many open problems there are of each kind."""
    counts = dict(status.problems_by_kind)
    for problem in () if counts else status.problems:
        counts[problem.kind] = counts.get(problem.kind, 0) + 1
    return counts


def _running(run: RunInFlight, now: datetime) -> Running:
    waits_for = counted(run.open_messages, "novel") if run.open_messages else ""
    done, total = run.done or 0, run.total or 0
    words = ""
    if total:
        words = f"{done:,} of {counted(total, 'novel')}"
        seconds = (now - run.since).total_seconds()
        # A guess from a few novels would only mislead.
        if done * 20 >= total and done < total and seconds > 0:
            words += f", about {took(seconds * (total - done) / done)} left"
    return Running(run.holder, moment(run.since), waits_for, done, total, words)


def _removals(status: Status, act: Act) -> Action | None:
    """The command is in the hint of the only problem that is held and about no novel."""
    hints = [text(problem.hint) for problem in status.problems if not problem.slug and problem.kind == "held"]
    commands = [piece.text for hint in hints for piece in hint if "--accept-removals" in piece.text]
    return act(commands[0]) if commands else None


def _fullness(bytes_: int, limit: int | None) -> Fullness | None:
    if not limit:
        return None
    share = bytes_ / limit
    return Fullness(round(min(share, 1), 3), f"{share:.0%} of {size(limit)}")


def _missing(novel: MissingNovel) -> Missing:
    page = address(addresses.NOVEL, slug=novel.slug)
    return Missing(novel.slug, page, moment(novel.since), moment_or_none(novel.goes))


def _schedule(state: SchedulerStatus | None, actions: Actions) -> HourlySync | None:
    if state is None:
        return None
    if state.is_running:
        return HourlySync("Runs every hour", moment_or_none(state.next_job), actions.stop, "Stop")
    return HourlySync("Stopped: nothing runs by itself", None, actions.start, "Start")
