"""Whether all is well: what the storage and the database say, and the verdict on it. Writes nothing."""

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

KEPT_SECONDS: Final = 60
"""How long a look at the storage is kept, so that reloading a page costs storage and database next to nothing."""

FULL: Final = 0.9
"""The share of its limit from which a database needs attention: room to do something about it."""


class StatusService:
    """Answers with the published STATUS."""

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
        ``scheduler``: None if nobody here knows of one.

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
        self._guard = threading.Lock()

    def status(self, *, look_at_storage: bool = True) -> Status:
        """
        With storage or scheduler away, it still answers. Raises `DatabaseUnavailable`.

        ``look_at_storage``: False for a monitor that calls every minute; then the scheduler, too, is only asked where
        it makes a difference, which is when the last run is old.
        """
        said, now = self._database.status(), self._now()
        ask = look_at_storage or _age(said, now) > self._stale_after
        schedule, unknown = self._asked_scheduler() if ask else (None, [])
        judgement = judge(
            said,
            stale_after=self._stale_after,
            now=now,
            stopped=schedule is not None and not schedule.is_running,
            database_limit=self._database_limit,
        )
        reasons = judgement.reasons + unknown
        look = None
        if look_at_storage:
            try:
                look = self._looked(said)
            except (StorageUnavailable, ConfigurationError) as error:
                reasons.append(error.message)
        return Status(
            novels_in_storage=look and look.novels,
            last_check=look and whole_seconds(look.at),
            storage_path=self._storage.location,
            database=self._database.name,
            database_bytes=said.bytes,
            database_limit=self._database_limit,
            novels_in_database=said.novels,
            chapters_in_database=said.chapters,
            removed_novels=said.removed_novels,
            pending=look and look.pending,
            verdict=judgement.verdict,
            reasons=reasons,
            scheduler=schedule,
            last_run=said.last_report,
            metrics=said.metrics,
            problems=[
                StatusProblem.of(ReportedProblem.of(problem), said.titles.get(problem.slug))
                for problem in said.open_problems.problems
            ],
            problems_total=said.open_problems.total,
            running=said.running,
            runs=said.runs,
        )

    def _asked_scheduler(self) -> tuple[SchedulerStatus | None, list[str]]:
        """What it says, or why it says nothing."""
        if self._scheduler is None:
            return None, []
        try:
            return self._scheduler.get_scheduler_status(), []
        except (SchedulerUnavailable, ConfigurationError) as error:
            return None, [error.message]

    def _looked(self, said: DatabaseStatus) -> StorageLook:
        with self._guard:
            look = self._look
            # A run has seen a newer listing than ours, and what it did makes another difference.
            if (
                look is None
                or self._monotonic() >= self._look_expires
                or any(run.finished_at > look.at for run in said.last_runs)
            ):
                at, listing = self._now(), Listing(self._storage.listing())
                plan = make_plan(listing, self._database.known_files())
                changed = len(plan.revisions)
                pending = Pending(len(plan.to_read) - changed, changed, len(plan.missing))
                look = self._look = StorageLook(at, len(listing), pending)
                self._look_expires = self._monotonic() + KEPT_SECONDS
            return look


class Judgement(NamedTuple):
    """A verdict, and why."""

    verdict: Verdict
    reasons: list[str]


def judge(
    said: DatabaseStatus, *, stale_after: int, now: datetime, stopped: bool = False, database_limit: int | None = None
) -> Judgement:
    """The first verdict that applies. ``stopped``: the scheduler is known to be."""
    runs = said.last_runs
    if not runs:
        return Judgement(Verdict.NEVER_RUN, ["no run has finished yet"])
    if len(runs) > 1 and all(run.outcome is Outcome.FAILED for run in runs):
        why = [problem.message for problem in runs[0].report.problems[:1]] if runs[0].report else []
        return Judgement(Verdict.FAILING, ["the last two runs failed", *why])
    if (age := _age(said, now)) > stale_after:
        why = [f"the last run finished {age / 60:.0f} minutes ago, over the limit of {stale_after / 60:.0f}"]
        if stopped:
            return Judgement(Verdict.STOPPED, ["the scheduler is stopped", *why])
        return Judgement(Verdict.STALE, why)
    looked_at = {"refused": said.open_problems.counts.get("refused", 0), "held": said.open_problems.held}
    reasons = [f"novels {kind}: {count}" for kind, count in looked_at.items() if count]
    deferred = [run.report.novels.deferred if run.report else 0 for run in runs]
    if len(deferred) > 1 and all(deferred):
        reasons.append(f"runs end before they are done: novels left over: {deferred[0]}, and {deferred[1]} before that")
    if database_limit and said.bytes > FULL * database_limit:
        share = f"{said.bytes / database_limit:.0%} of NOVELSYNC_DATABASE_LIMIT"
        reasons.append(f"the database has {said.bytes / 1e6:,.0f} MB, {share}")
    return Judgement(Verdict.ATTENTION if reasons else Verdict.OK, reasons)


def _age(said: DatabaseStatus, now: datetime) -> float:
    """Seconds since a run finished; 0 if none ever did."""
    return (now - said.last_runs[0].finished_at).total_seconds() if said.last_runs else 0
