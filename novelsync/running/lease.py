"""What bounds a run: its lease, which a thread renews while it works, and its time."""

import contextvars
import threading
import time
from collections.abc import Callable
from types import TracebackType

import structlog

from novelsync.contracts.syncing import Runs
from novelsync.errors import NovelSyncError

LEASE_SECONDS = 60
RENEW_SECONDS = 15
PROGRESS_SECONDS = 3
"""How often a run says how far it is, for whoever looks at the status, if it got further."""

log = structlog.get_logger()


class LeaseKeeper:
    """Renews a run's lease until the block is left; the database refuses the run's writes once it is lost."""

    def __init__(
        self,
        runs: Runs,
        run_id: str,
        renew_seconds: float = RENEW_SECONDS,
        progress_seconds: float = PROGRESS_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._run_id = run_id
        self._renew_seconds = renew_seconds
        self._progress_seconds = min(progress_seconds, renew_seconds)
        self._monotonic = monotonic
        self._progress: tuple[int, int] | None = None
        self._done = threading.Event()
        # With the caller's context, so that its log lines are the run's.
        renew = contextvars.copy_context().run
        self._thread = threading.Thread(target=renew, args=(self._renew,), name="lease", daemon=True)

    def progress(self, done: int, total: int) -> None:
        """So many novels are done, of so many. Says so soon, from the thread that renews."""
        self._progress = done, total

    def _renew(self) -> None:
        said, due = None, self._monotonic() + self._renew_seconds
        while not self._done.wait(self._progress_seconds):
            progress = self._progress
            if progress == said and self._monotonic() < due:
                continue
            said, due = progress, self._monotonic() + self._renew_seconds
            try:
                if not self._runs.renew(self._run_id, LEASE_SECONDS, progress=progress):
                    return  # lost: the run's next write raises `LeaseLost`
            except NovelSyncError as error:
                # Not lost yet: the lease lasts for several attempts.
                log.warning("lease_not_renewed", reason=error.message)
            except Exception as error:
                # The outermost boundary of its thread: without it, the lease would lapse under a run that goes on.
                log.exception("lease_broke", reason=f"{type(error).__name__}: {error}")

    def __enter__(self) -> "LeaseKeeper":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()


class TimeLimit:
    """The time that a run has. It is over when its seconds have passed, or when the run is told to stop."""

    def __init__(
        self,
        seconds: float | None = None,
        stopped: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds``: from now on; None: no limit. ``stopped``: set by whoever tells the run to stop."""
        self._stopped = stopped or threading.Event()
        self._monotonic = monotonic
        self._end = None if seconds is None else monotonic() + seconds

    def is_over(self) -> bool:
        return self.was_stopped() or (self._end is not None and self._monotonic() >= self._end)

    def was_stopped(self) -> bool:
        """Whether the run was told to stop."""
        return self._stopped.is_set()

    def wait(self, seconds: float) -> None:
        """Sleeps, but wakes up as soon as the run is told to stop."""
        self._stopped.wait(seconds)
