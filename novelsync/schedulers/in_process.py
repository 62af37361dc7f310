"""The scheduler of a laptop: APScheduler in the process that serves. It ends with that process."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from novelsync.models.desk.schedule import Schedule
from novelsync.models.report import Report

LOOK_SECONDS: Final = 30
"""Between looks at the clock. No timer is set for the full hour, because timers pause while a laptop sleeps."""

_FIRST_LOOK: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""All looks are a multiple of `LOOK_SECONDS` after this, so one of them falls on each full hour."""


class Sync(Protocol):
    """The signature of `novelsync.sync_service.SyncService.sync_all_novels`."""

    def __call__(self, trigger: str, *, started: Callable[[], None] = ...) -> Report: ...


class InProcessScheduler:
    """A `novelsync.contracts.cloud.Scheduler` that calls ``sync`` itself, on the hour."""

    def __init__(
        self,
        sync: Sync,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._sync = sync
        self._now = now
        self._look_seconds = look_seconds
        self._timer: BackgroundScheduler | None = None
        self._next: datetime | None = None
        self._lock = threading.Lock()
        self._background = ThreadPoolExecutor(thread_name_prefix="background")

    def start(self) -> None:
        with self._lock:
            if self._timer is None:
                self._next = _next_hour(self._now())
                self._timer = BackgroundScheduler(timezone=UTC)
                every = IntervalTrigger(seconds=self._look_seconds, start_date=_FIRST_LOOK, timezone=UTC)
                # Two, so that looks go on during a run. Should a second run become due, it does not get the lease.
                self._timer.add_job(self.look, every, coalesce=True, max_instances=2, misfire_grace_time=None)
                self._timer.start()

    def stop(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._next = None
                self._timer.shutdown(wait=False)
                self._timer = None

    def close(self) -> None:
        """Stops it, and waits for the runs that have begun."""
        self.stop()
        self._background.shutdown()

    def state(self) -> Schedule:
        return Schedule(self._next is not None, self._next)

    def look(self) -> None:
        """Runs a sync if it is time: once, however many hours were missed."""
        now = self._now()
        with self._lock:
            if self._next is None or now < self._next:
                return
            self._next = _next_hour(now)
            # In the pool and not in this thread, so that `close` waits for it.
            run = self._background.submit(self._sync, "scheduler")
        run.result()

    def run_now(self) -> None:
        # Waits until the run has the lease or has ended, so that what kept it from starting can be raised.
        began: Future[None] = Future()
        ended = self._background.submit(self._sync, "background", started=lambda: began.set_result(None))
        either: tuple[Future[Any], ...] = (began, ended)
        wait(either, return_when=FIRST_COMPLETED)
        if not began.done() and (error := ended.result().error):
            raise error


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
