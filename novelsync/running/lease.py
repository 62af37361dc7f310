"""Keeping the lease while a run works: a thread that renews it."""

import contextvars
import threading
from types import TracebackType

import structlog

from novelsync.contracts import Database
from novelsync.errors import NovelSyncError

LEASE_SECONDS = 60
RENEW_SECONDS = 15

log = structlog.get_logger()


class LeaseKeeper:
    """Renews a run's lease until the block is left; the database refuses the run's writes once it is lost."""

    def __init__(self, database: Database, run_id: str, renew_seconds: float = RENEW_SECONDS) -> None:
        self._database = database
        self._run_id = run_id
        self._renew_seconds = renew_seconds
        self._done = threading.Event()
        # With the caller's context, so that its log lines are the run's.
        renew = contextvars.copy_context().run
        self._thread = threading.Thread(target=renew, args=(self._renew,), name="lease", daemon=True)

    def _renew(self) -> None:
        while not self._done.wait(self._renew_seconds):
            try:
                if not self._database.renew(self._run_id, LEASE_SECONDS):
                    return  # Lost; the next write will be told so.
            except NovelSyncError as error:
                # Not lost yet: three more attempts fit into the lease.
                log.warning("lease_not_renewed", reason=error.message)

    def __enter__(self) -> "LeaseKeeper":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
