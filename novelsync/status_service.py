"""The state of the sync: what storage, database and scheduler say, and the verdict on it. Writes nothing."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from novelsync.contracts import StatusSource, Storage
from novelsync.errors import ConfigurationError, SchedulerUnavailable, StorageUnavailable
from novelsync.models.report import ReportedProblem, whole_seconds
from novelsync.models.results import Outcome
from novelsync.models.status import (
    DatabaseStatus,
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

    def status(self, *, look_at_storage: bool = True, stored: DatabaseStatus | None = None) -> Status:
        """
        If the storage or the scheduler is unavailable, the reason is part of it. Raises `DatabaseUnavailable`.

        ``look_at_storage``: False for a monitor that calls every minute; then the scheduler is not asked either, unless
        the last run is so old that its answer decides the verdict.
        ``stored``: what the database says, if the caller has asked it already.
        """
        stored, now = stored or self._database.status(), self._now()
        ask = look_at_storage or _age(stored, now) > self._stale_after
        schedule, no_schedule = self._ask_scheduler() if ask else (None, [])
        judgement = judge(
            stored,
            stale_after=self._stale_after,
            now=now,
            stopped=schedule is not None and not schedule.is_running,
            database_limit=self._database_limit,
        )
        reasons = judgement.reasons + no_schedule
        look = None
        if look_at_storage:
            try:
                look = self._look_at_storage(stored)
            except (StorageUnavailable, ConfigurationError) as error:
                reasons.append(error.message)
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
            reasons=reasons,
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
        )

    def _ask_scheduler(self) -> tuple[SchedulerStatus | None, list[str]]:
        """What it says, and if it says nothing, why."""
        if self._scheduler is None:
            return None, []
        try:
            return self._scheduler.get_scheduler_status(), []
        except (SchedulerUnavailable, ConfigurationError) as error:
            return None, [error.message]

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


class Judgement(NamedTuple):
    """A verdict, and why."""

    verdict: Verdict
    reasons: list[str]


def judge(
    stored: DatabaseStatus, *, stale_after: int, now: datetime, stopped: bool = False, database_limit: int | None = None
) -> Judgement:
    """The first verdict that applies. ``stopped``: the scheduler is known to be stopped."""
    runs = stored.last_runs
    if not runs:
        return Judgement(Verdict.NEVER_RUN, ["no run has finished yet"])
    if len(runs) > 1 and all(run.outcome is Outcome.FAILED for run in runs):
        why = [problem.message for problem in runs[0].report.problems[:1]] if runs[0].report else []
        return Judgement(Verdict.FAILING, ["the last two runs failed", *why])
    if (age := _age(stored, now)) > stale_after:
        why = [f"the last run finished {age / 60:.0f} minutes ago, over the limit of {stale_after / 60:.0f}"]
        if stopped:
            return Judgement(Verdict.STOPPED, ["the scheduler is stopped", *why])
        return Judgement(Verdict.STALE, why)
    open_problems = {"refused": stored.open_problems.counts.get("refused", 0), "held": stored.open_problems.held}
    reasons = [f"novels {kind}: {count}" for kind, count in open_problems.items() if count]
    if blank := stored.open_problems.blank:
        reasons.append(f"novels without any text: {blank}")
    deferred = [run.report.novels.deferred if run.report else 0 for run in runs]
    if len(deferred) > 1 and all(deferred):
        reasons.append(f"runs end before they are done: novels deferred: {deferred[0]}, and {deferred[1]} before that")
    if database_limit and stored.bytes > FULL * database_limit:
        share = f"{stored.bytes / database_limit:.0%} of NOVELSYNC_DATABASE_LIMIT"
        reasons.append(f"the database has {stored.bytes / 1e6:,.0f} MB, {share}")
    return Judgement(Verdict.ATTENTION if reasons else Verdict.OK, reasons)


def _age(stored: DatabaseStatus, now: datetime) -> float:
    """Seconds since a run finished; 0 if none ever did."""
    return (now - stored.last_runs[0].finished_at).total_seconds() if stored.last_runs else 0
