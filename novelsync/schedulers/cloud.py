"""A job of Google Cloud Scheduler, which calls the function ``sync`` every hour."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_exception_type
from google.cloud.scheduler_v1 import CloudSchedulerClient, Job

from novelsync.errors import ConfigurationError, SchedulerStopped, SchedulerUnavailable
from novelsync.gcp.errors import AWAY, LOGIN_HINT, REFUSED_CREDENTIALS, credentials_needed
from novelsync.models.desk.schedule import Schedule
from novelsync.text.formatting import one_line

_PERMISSIONS: Final = "cloudscheduler.jobs.get, .run, .pause and .enable"


class CloudScheduler:
    """
    A `novelsync.contracts.cloud.Scheduler` that is one job, which already exists.

    The API does not run a job on demand while it is paused.
    """

    def __init__(
        self,
        job: str,
        make_client: Callable[[], CloudSchedulerClient] = lambda: CloudSchedulerClient(transport="rest"),
        patience: float = 10,
    ) -> None:
        """
        ``job``: ``projects/P/locations/L/jobs/J``. ``make_client`` is called by the first request.

        ``patience``: seconds after which a request times out, and for which one is retried that may be.
        """
        self._job = job
        self._make_client = make_client
        self._patience = patience
        self._retry = Retry(if_exception_type(api.ServiceUnavailable), initial=0.2, timeout=patience)

    @cached_property
    def _client(self) -> CloudSchedulerClient:
        with credentials_needed(self._job):
            return self._make_client()

    def start(self) -> None:
        self._change("resume_job", enabled=True)

    def stop(self) -> None:
        self._change("pause_job", enabled=False)

    def state(self) -> Schedule:
        job = self._call("get_job")
        running = job.state == Job.State.ENABLED
        if not running or "schedule_time" not in job:
            return Schedule(running, None)
        # Google's type is a datetime that also knows nanoseconds, and no JSON encoder knows it.
        return Schedule(running, datetime.fromtimestamp(job.schedule_time.timestamp(), UTC))

    def run_now(self) -> None:
        try:
            # Not retried: the job might have been started although the answer was lost.
            self._call("run_job", retry=None)
        except _Refused as error:
            state = self._call("get_job").state
            if state == Job.State.ENABLED:
                raise
            raise SchedulerStopped(
                f"nothing was started: {self._job} is {state.name.lower()}",
                "start the scheduler first: POST /api/v1/sync/scheduler/start; or sync with POST /api/v1/sync/novels",
            ) from error

    def _change(self, method: str, *, enabled: bool) -> None:
        try:
            self._call(method)
        except _Refused:
            # The API resumes only what is paused, and pauses only what is enabled.
            if (self._call("get_job").state == Job.State.ENABLED) is not enabled:
                raise

    def _call(self, method: str, **options: Any) -> Any:
        with self._translated_errors():
            call = getattr(self._client, method)
            return call(name=self._job, **{"retry": self._retry, "timeout": self._patience} | options)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Lets no exception of Google's libraries out."""
        try:
            yield
        except api.BadRequest as error:
            raise _Refused(
                f"{self._job}: Cloud Scheduler refuses that: {one_line(error)}",
                "look at the job in the Google Cloud console; deploy it again if it is broken",
            ) from error
        except api.NotFound as error:
            raise ConfigurationError(
                f"there is no Cloud Scheduler job {self._job}",
                "set NOVELSYNC_SCHEDULER_JOB to projects/<project>/locations/<region>/jobs/<job>",
            ) from error
        except api.Forbidden as error:
            raise ConfigurationError(
                f"{self._job}: permission denied: {one_line(error)}",
                f"give the service account a role with {_PERMISSIONS}, and enable cloudscheduler.googleapis.com",
            ) from error
        except REFUSED_CREDENTIALS as error:
            raise ConfigurationError(
                f"{self._job}: the credentials are refused: {one_line(error)}", LOGIN_HINT
            ) from error
        except AWAY as error:
            raise SchedulerUnavailable(f"Cloud Scheduler could not be asked: {one_line(error)}", "try again") from error


class _Refused(ConfigurationError):
    """A wrong request, or one that the job's state forbids."""
