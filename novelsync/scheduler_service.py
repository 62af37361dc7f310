"""The hourly sync as people speak of it: start, stop, status, run now. Knows schedulers only by their contract."""

from typing import Any

from novelsync.contracts import Database, Scheduler
from novelsync.errors import ConfigurationError, RunInProgress
from novelsync.running.report import timestamp


class SchedulerService:
    """Every method raises `ConfigurationError` where there is no scheduler, and what the scheduler raises."""

    def __init__(self, scheduler: Scheduler | None, database: Database) -> None:
        self._maybe_scheduler = scheduler
        self._database = database

    @property
    def _scheduler(self) -> Scheduler:
        if self._maybe_scheduler is None:
            raise ConfigurationError(
                "there is no scheduler here: NOVELSYNC_SCHEDULER_JOB is not set",
                "set it to the Cloud Scheduler job, projects/<project>/locations/<region>/jobs/<job>; a laptop's"
                " scheduler is part of `novelsync serve`",
            )
        return self._maybe_scheduler

    def start_scheduler(self) -> None:
        """Whether or not it was running."""
        self._scheduler.start()

    def stop_scheduler(self) -> None:
        """Whether or not it was running. A run that goes on goes on."""
        self._scheduler.stop()

    def run_sync_job(self) -> None:
        """
        Has one run started now, without waiting for its end.

        Raises `RunInProgress` if it would only be skipped, and `SchedulerStopped` if nothing can be started.
        """
        scheduler = self._scheduler
        if running := self._database.status().running:
            holder, since = running
            raise RunInProgress(f"another run is in progress: {holder}, since {since}", "wait for it to end")
        scheduler.run_now()

    def get_scheduler_status(self) -> dict[str, Any]:
        """As it is published."""
        state = self._scheduler.state()
        return {
            "is_running": state.is_running,
            "next_job": state.next_run and timestamp(state.next_run),
            "jobs_count": int(state.is_running),
        }
