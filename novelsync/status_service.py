"""The state of the sync: what storage, database and scheduler say, and the verdict on it. Writes nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from novelsync.contracts import StatusSource, Storage
from novelsync.errors import ConfigurationError, NovelSyncError, SchedulerUnavailable, StorageUnavailable
from novelsync.models.report import ReportedProblem, timestamp, whole_seconds
from novelsync.models.results import Outcome
from novelsync.models.source import BOOK_FILE
from novelsync.models.status import (
    Cause,
    DatabaseStatus,
    FinishedRun,
    Pending,
    SchedulerStatus,
    Status,
    StatusProblem,
    StorageLook,
    Verdict,
)
from novelsync.planning.listing import Listing
from novelsync.planning.run_plan import make_plan
from novelsync.scheduler_service import SchedulerService
from novelsync.text.formatting import counted

CACHE_SECONDS: Final = 60
"""How long a look at the storage is reused, so that reloading the page costs storage and database next to nothing."""

FULL: Final = 0.9
"""The share of its limit above which a database needs attention, while there is still room to do something."""


class StatusService:
    """Makes the published STATUS."""

    def __init__(
        self,
        storage: Storage,
        database: StatusSource,
        scheduler: SchedulerService | None = None,
        *,
        stale_after: int,
        database_limit: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        ``scheduler``: None if the status is to say nothing of one.

        ``stale_after``: seconds without a finished run until the verdict is ``stale``. ``database_limit``: in bytes.
        """
        self._storage = storage
        self._database = database
        self._scheduler = scheduler
        self._stale_after = stale_after
        self._database_limit = database_limit
        self._now = now
        self._monotonic = monotonic
        self._look: StorageLook | None = None
        self._look_expires = 0.0
        self._lock = threading.Lock()

    def status(self, *, look_at_storage: bool = True) -> Status:
        """
        If the storage or the scheduler is unavailable, the reason is part of it. Raises `DatabaseUnavailable`.

        ``look_at_storage``: False for a monitor that calls every minute; then the scheduler is not asked either, unless
        the last run is so old that its answer decides the verdict.
        """
        stored, now = self._database.status(), self._now()
        ask = look_at_storage or _age(stored, now) > self._stale_after
        schedule, no_schedule = self._ask_scheduler() if ask else (None, [])
        look, error = self._try_to_look(stored) if look_at_storage else (None, None)
        judgement = judge(
            stored,
            stale_after=self._stale_after,
            now=now,
            stopped=schedule is not None and not schedule.is_running,
            database_limit=self._database_limit,
            unreadable=error,
            empty=nothing_in(self._storage.location) if look and not look.novels else "",
        )
        return Status(
            novels_in_storage=look and look.novels,
            last_check=look and whole_seconds(look.at),
            storage_path=self._storage.location,
            database=self._database.name,
            database_bytes=stored.bytes,
            database_limit=self._database_limit,
            novels_in_database=stored.novels,
            chapters_in_database=stored.chapters,
            removed_novels=stored.removed_novels,
            pending=look and look.pending,
            verdict=judgement.verdict,
            reasons=[*judgement.reasons, *no_schedule],
            scheduler=schedule,
            last_run=stored.last_report,
            metrics=stored.metrics,
            problems=[
                StatusProblem.of(ReportedProblem.of(problem), stored.titles.get(problem.slug))
                for problem in stored.open_problems.problems
            ],
            problems_total=stored.open_problems.total,
            running=stored.running,
            runs=stored.runs,
            cause=judgement.cause,
            storage_error=error,
        )

    def _ask_scheduler(self) -> tuple[SchedulerStatus | None, list[str]]:
        """What it says, and if it says nothing, why."""
        if self._scheduler is None:
            return None, []
        try:
            return self._scheduler.get_scheduler_status(), []
        except (SchedulerUnavailable, ConfigurationError) as error:
            return None, [error.message]

    def _try_to_look(self, stored: DatabaseStatus) -> tuple[StorageLook | None, NovelSyncError | None]:
        """What the storage has; or why it could not be looked at."""
        try:
            return self._look_at_storage(stored), None
        except (StorageUnavailable, ConfigurationError) as error:
            return None, error

    def _look_at_storage(self, stored: DatabaseStatus) -> StorageLook:
        with self._lock:
            look = self._look
            # A run that has finished since then has seen a newer listing, and has changed what is pending.
            if (
                look is None
                or self._monotonic() >= self._look_expires
                or any(run.finished_at > look.at for run in stored.last_runs)
            ):
                at, listing = self._now(), Listing(self._storage.listing(self._database.with_texts()))
                plan = make_plan(listing, self._database.known_files())
                changed = len(plan.revisions)
                pending = Pending(len(plan.to_read) - changed, changed, len(plan.missing))
                look = self._look = StorageLook(at, len(listing), pending)
                self._look_expires = self._monotonic() + CACHE_SECONDS
            return look


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
    if (age := _age(stored, now)) > stale_after:
        why = [f"the last run finished {age / 60:.0f} minutes ago, over the limit of {stale_after / 60:.0f}", *storage]
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
    if blank := stored.open_problems.blank:
        yield f"novels without any text: {blank}"
    deferred = [run.report.novels.deferred if run.report else 0 for run in stored.last_runs]
    if len(deferred) > 1 and all(deferred):
        yield f"runs end before they are done: novels deferred: {deferred[0]}, and {deferred[1]} before that"
    if database_limit and stored.bytes > FULL * database_limit:
        share = f"{stored.bytes / database_limit:.0%} of NOVELSYNC_DATABASE_LIMIT"
        yield f"the database has {stored.bytes / 1e6:,.0f} MB, {share}"


def _age(stored: DatabaseStatus, now: datetime) -> float:
    """Seconds since a run finished; 0 if none ever did."""
    return (now - stored.last_runs[0].finished_at).total_seconds() if stored.last_runs else 0
