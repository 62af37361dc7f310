"""The hourly sync: start, stop, status, run now. Knows schedulers only by their contract."""

from novelsync.contracts.cloud import Scheduler
from novelsync.contracts.desk import StatusSource
from novelsync.errors import ConfigurationError, RunInProgress
from novelsync.models.desk.schedule import SchedulerStatus
from novelsync.models.report import timestamp, whole_seconds


class SchedulerService:
    """Every method raises `ConfigurationError` if there is no scheduler, and what the scheduler raises."""

    def __init__(self, scheduler: Scheduler | None, database: StatusSource) -> None:
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
        """Does nothing if it is running."""
        self._scheduler.start()

    def stop_scheduler(self) -> None:
        """Does nothing if it is stopped. A run that is in progress continues."""
        self._scheduler.stop()

    def run_sync_job(self) -> None:
        """
        Starts one run now, without waiting for its end.

        Raises `RunInProgress` if it would be skipped, and `SchedulerStopped` if the scheduler has to be started first.
        """
        scheduler = self._scheduler
        if running := self._database.status().running:
            message = f"another run is in progress: {running.holder}, since {timestamp(running.since)}"
            raise RunInProgress(message, "wait for it to end")
        scheduler.run_now()

    def get_scheduler_status(self) -> SchedulerStatus:
        """The scheduler's state as it is published."""
        state = self._scheduler.state()
        return SchedulerStatus(
            is_running=state.is_running,
            next_job=state.next_run and whole_seconds(state.next_run),
            jobs_count=int(state.is_running),
        )
