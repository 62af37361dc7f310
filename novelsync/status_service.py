"""Whether all is well: what the storage and the database say, and the verdict on it. Writes nothing."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from novelsync.contracts import Database, Storage
from novelsync.errors import ConfigurationError, SchedulerUnavailable, StorageUnavailable
from novelsync.models.run import Outcome
from novelsync.models.status import DatabaseStatus, RunSummary
from novelsync.planning.run_plan import Listing, make_plan
from novelsync.running.report import published_problem, timestamp
from novelsync.scheduler_service import SchedulerService

KEPT_SECONDS = 60
"""How long a look at the storage is kept, so that reloading a page costs storage and database next to nothing."""

FULL = 0.9
"""The share of its limit from which a database wants attention: room to do something about it."""


class StatusService:
    """Answers with the published STATUS."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
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
        self._look: tuple[float, datetime, int, Mapping[str, int]] | None = None
        self._guard = threading.Lock()

    def status(self, *, look_at_storage: bool = True) -> dict[str, Any]:
        """
        With storage or scheduler away, it still answers. Raises `DatabaseUnavailable`.

        ``look_at_storage``: False for a monitor that calls every minute; then the scheduler, too, is only asked where
        it makes a difference, which is when the last run is old.
        """
        said, now = self._database.status(), self._now()
        ask = look_at_storage or _age(said, now) > self._stale_after
        schedule, unknown = self._asked_scheduler() if ask else (None, [])
        verdict, reasons = judge(
            said,
            stale_after=self._stale_after,
            now=now,
            stopped=schedule is not None and not schedule["is_running"],
            database_limit=self._database_limit,
        )
        reasons += unknown
        checked, listed, pending = None, None, None
        if look_at_storage:
            try:
                checked, listed, pending = self._looked(said)
            except (StorageUnavailable, ConfigurationError) as error:
                reasons.append(error.message)
        return {
            "novels_in_storage": listed,
            "last_check": checked and timestamp(checked),
            "storage_path": self._storage.location,
            "database": self._database.name,
            "database_bytes": said.bytes,
            "database_limit": self._database_limit,
            "novels_in_database": said.novels,
            "chapters_in_database": said.chapters,
            "removed_novels": said.removed_novels,
            "pending": pending,
            "verdict": verdict,
            "reasons": reasons,
            "scheduler": schedule,
            "last_run": said.last_report,
            "metrics": said.metrics,
            "problems": [
                {**published_problem(problem), "title": said.titles.get(problem.slug)}
                for problem in said.open_problems.problems
            ],
            "problems_total": sum(said.open_problems.counts.values()),
            "running": said.running
            and {"holder": said.running[0], "since": said.running[1], "open_messages": said.open_messages},
            "runs": [_published_run(run) for run in said.runs],
        }

    def _asked_scheduler(self) -> tuple[dict[str, Any] | None, list[str]]:
        """What it says, or why it says nothing."""
        if self._scheduler is None:
            return None, []
        try:
            return self._scheduler.get_scheduler_status(), []
        except (SchedulerUnavailable, ConfigurationError) as error:
            return None, [error.message]

    def _looked(self, said: DatabaseStatus) -> tuple[datetime, int, Mapping[str, int]]:
        """When the storage was listed, how many novels it has, and how they differ from the tables."""
        with self._guard:
            old = self._look is None or self._monotonic() - self._look[0] >= KEPT_SECONDS
            # A run has seen a newer listing than ours, and what it did makes another difference.
            if old or self._look is None or any(run.finished_at > self._look[1] for run in said.last_runs):
                checked, listing = self._now(), Listing(self._storage.listing())
                plan = make_plan(listing, self._database.known_files())
                changed = len(plan.known)
                pending = {"new": len(plan.to_read) - changed, "changed": changed, "missing": len(plan.missing)}
                self._look = self._monotonic(), checked, len(listing), pending
            return self._look[1:]


def judge(
    said: DatabaseStatus, *, stale_after: int, now: datetime, stopped: bool = False, database_limit: int | None = None
) -> tuple[str, list[str]]:
    """The verdict, the first that applies, and why. ``stopped``: the scheduler is known to be."""
    runs = said.last_runs
    if not runs:
        return "never_run", ["no run has finished yet"]
    if len(runs) > 1 and all(run.outcome == Outcome.FAILED for run in runs):
        return "failing", ["the last two runs failed", *_first_message(runs[0].report)]
    if (age := _age(said, now)) > stale_after:
        why = f"the last run finished {age / 60:.0f} minutes ago, over the limit of {stale_after / 60:.0f}"
        return ("stopped", ["the scheduler is stopped", why]) if stopped else ("stale", [why])
    looked_at = {"refused": said.open_problems.counts.get("refused", 0), "held": said.open_problems.held}
    reasons = [f"novels {kind}: {count}" for kind, count in looked_at.items() if count]
    deferred = [run.report["novels"]["deferred"] if run.report else 0 for run in runs]
    if len(deferred) > 1 and all(deferred):
        reasons.append(f"runs end before they are done: novels left over: {deferred[0]}, and {deferred[1]} before that")
    if database_limit and said.bytes > FULL * database_limit:
        share = f"{said.bytes / database_limit:.0%} of NOVELSYNC_DATABASE_LIMIT"
        reasons.append(f"the database has {said.bytes / 1e6:,.0f} MB, {share}")
    return ("attention", reasons) if reasons else ("ok", [])


def _published_run(run: RunSummary) -> Mapping[str, Any]:
    return {
        "outcome": run.outcome,
        "trigger": run.trigger,
        "end_time": timestamp(run.finished_at),
        "duration": run.duration,
        "novels_processed": run.novels,
        "created": run.created,
        "updated": run.updated,
        "removed": run.removed,
    }


def _age(said: DatabaseStatus, now: datetime) -> float:
    """Seconds since a run finished; 0 if none ever did."""
    return (now - said.last_runs[0].finished_at).total_seconds() if said.last_runs else 0


def _first_message(report: Mapping[str, Any] | None) -> Sequence[str]:
    return [problem["message"] for problem in report["problems"][:1]] if report else []
