"""The verdict on all that is known: whether a person has to do something, and why. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from novelsync.errors import NovelSyncError
from novelsync.models.problems import ProblemKind
from novelsync.models.report import timestamp
from novelsync.models.results import Outcome
from novelsync.models.source import BOOK_FILE
from novelsync.models.status import Cause, DatabaseStatus, FinishedRun, Verdict
from novelsync.text.formatting import counted

FULL: Final = 0.9
"""The share of its limit above which a database needs attention, while there is still room to do something."""


def nothing_in(storage: str) -> str:
    """What is said of a storage that is there and empty: it may well be the wrong one."""
    return f"0 novels in {storage}, which should have <slug>/{BOOK_FILE}"


class Judgement(NamedTuple):
    """A verdict, and why."""

    verdict: Verdict
    reasons: list[str]
    cause: Cause = Cause.OTHER
    """What the first reason is about."""


def judge(
    stored: DatabaseStatus,
    *,
    stale_after: int,
    now: datetime,
    stopped: bool = False,
    database_limit: int | None = None,
    unreadable: NovelSyncError | None = None,
    empty: str = "",
) -> Judgement:
    """
    The first verdict that applies.

    ``stopped``: the scheduler is known to be stopped. ``unreadable``: why the storage could not be looked at just now.
    ``empty``: what is to be said if it was, and has nothing.
    """
    runs = stored.last_runs
    storage = (
        [f"{unreadable.message}; {unreadable.hint}" if unreadable.hint else unreadable.message] if unreadable else []
    )
    if not runs:
        killed = [f"a run began at {timestamp(stored.killed_at)} and was killed"] if stored.killed_at else []
        return Judgement(Verdict.NEVER_RUN, ["no run has finished yet", *killed, *storage])
    if len(runs) > 1 and all(run.outcome is Outcome.FAILED for run in runs):
        return Judgement(Verdict.FAILING, ["the last two runs failed", *(storage or _why_it_failed(runs[0]))])
    if (seconds := age(stored, now)) > stale_after:
        why = [
            f"the last run finished {seconds / 60:.0f} minutes ago, over the limit of {stale_after / 60:.0f}",
            *storage,
        ]
        if stopped:
            return Judgement(Verdict.STOPPED, ["the scheduler is stopped", *why])
        return Judgement(Verdict.STALE, why)
    causes = [
        *((Cause.STORAGE, reason) for reason in storage),
        *_last_run(stored, storage_is_away=bool(storage)),
        *((Cause.EMPTY, reason) for reason in (empty,) if reason),
        *((Cause.OTHER, reason) for reason in _waiting(stored, database_limit)),
    ]
    if not causes:
        return Judgement(Verdict.OK, [])
    return Judgement(Verdict.ATTENTION, [reason for _, reason in causes], causes[0][0])


def _last_run(stored: DatabaseStatus, *, storage_is_away: bool) -> Iterator[tuple[Cause, str]]:
    """What was wrong with it, and what became of a run that was killed after it."""
    last = stored.last_runs[0]
    if stored.killed_at:
        yield (
            Cause.INTERRUPTED,
            f"a run began at {timestamp(stored.killed_at)} and was killed; the next one finishes it",
        )
    if last.outcome is Outcome.FAILED:
        # Where the storage is away just now, its message has been said.
        why = "" if storage_is_away else "".join(f": {why}" for why in _why_it_failed(last))
        yield Cause.FAILED, f"the last run failed{why}"
    elif last.report and last.report.interrupted:
        left = last.report.novels.deferred
        are = "is" if left == 1 else "are"
        yield Cause.INTERRUPTED, f"the last run was interrupted; {counted(left, 'novel')} {are} not in yet"


def _why_it_failed(run: FinishedRun) -> list[str]:
    if run.report is None:
        return ["it was killed before it could report"]
    return [problem.message for problem in run.report.problems[:1]]


def _waiting(stored: DatabaseStatus, database_limit: int | None) -> Iterator[str]:
    """What waits for a person, besides what the last run says."""
    open_problems = {"refused": stored.open_problems.counts.get("refused", 0), "held": stored.open_problems.held}
    yield from (f"novels {kind}: {count}" for kind, count in open_problems.items() if count)
    yield from (each.message for each in stored.open_problems.problems if each.kind is ProblemKind.UNDELIVERED)
    if differing := stored.open_problems.counts.get(ProblemKind.DIFFERS, 0):
        yield f"novels that differ from their files: {differing}"
    if blank := stored.open_problems.blank:
        yield f"novels without any text: {blank}"
    deferred = [run.report.novels.deferred if run.report else 0 for run in stored.last_runs]
    if len(deferred) > 1 and all(deferred):
        yield f"runs end before they are done: novels deferred: {deferred[0]}, and {deferred[1]} before that"
    if database_limit and stored.bytes > FULL * database_limit:
        share = f"{stored.bytes / database_limit:.0%} of NOVELSYNC_DATABASE_LIMIT"
        yield f"the database has {stored.bytes / 1e6:,.0f} MB, {share}"


def age(stored: DatabaseStatus, now: datetime) -> float:
    """Seconds since a run finished; 0 if none ever did."""
    return (now - stored.last_runs[0].finished_at).total_seconds() if stored.last_runs else 0
