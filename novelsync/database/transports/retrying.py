"""
A transport that wraps another and repeats calls after transient errors.

`Patience` decides for how long, and `novelsync.database.functions` says which calls may be repeated.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from novelsync.database.functions import BY_NAME
from novelsync.database.transports import Transport
from novelsync.errors import NovelSyncError

RUN_PATIENCE: Final = 30
"""Seconds from the first attempt to the last, for the run that has the lease: enough for Postgres to restart."""

PATIENCE: Final = 5
"""The same for all other calls. They have no work to lose: the scheduler or the person behind them can ask again."""

BACKOFF: Final = wait_exponential_jitter(multiplier=0.5, max=8, jitter=1)
"""0.5, 1, 2, 4, 8, 8 … seconds, and up to one more each time, so that threads do not come back together."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Lease:
    """The lease of this process's run. Times are those of `Patience.now`."""

    run_id: str
    budget_ends: float
    lease_ends: float
    """At the earliest, because it is counted from when the database was asked for it."""


class Patience:
    """How long a call is repeated: for the run that has the lease, while that is of use to it; else a few seconds."""

    def __init__(self, time_budget: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``time_budget``: of a run, in seconds from its beginning."""
        self._time_budget = inf if time_budget is None else time_budget
        self.now = clock
        self._lease: _Lease | None = None

    def lease_taken(self, run_id: str, until: float) -> None:
        self._lease = _Lease(run_id, self.now() + self._time_budget, until)

    def lease_renewed(self, run_id: str, until: float) -> None:
        if self._lease and self._lease.run_id == run_id:
            self._lease.lease_ends = until

    def lease_released(self, run_id: str) -> None:
        if self._lease and self._lease.run_id == run_id:
            self._lease = None

    def last_attempt(self, asked: float, request: Mapping[str, Any], *, outlasts_budget: bool) -> float:
        """When the last attempt may begin. Asked anew each time, because the lease may have been renewed in between."""
        lease = self._lease
        # Reading calls name no run. While there is a lease, they are taken to be its run's.
        if lease is None or request.get("run_id", lease.run_id) != lease.run_id:
            return asked + PATIENCE
        last = min(asked + RUN_PATIENCE, lease.budget_ends, lease.lease_ends)
        return max(last, asked + PATIENCE) if outlasts_budget else last


class RetryingTransport:
    """A `novelsync.database.transports.Transport` that repeats the calls of another if their error is `transient`."""

    def __init__(
        self, transport: Transport, patience: Patience | None = None, *, stopped: threading.Event | None = None
    ) -> None:
        """``stopped``: ends all waiting once it is set."""
        self._transport = transport
        self._patience = patience or Patience()
        self._stopped = stopped or threading.Event()
        self.name = transport.name
        self.close = transport.close

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        policy = BY_NAME[function]
        if not policy.repeated:
            return self._transport.call(function, request)
        asked, repeated = self._patience.now(), 0

        def last_attempt() -> float:
            return self._patience.last_attempt(asked, request, outlasts_budget=policy.outlasts_budget)

        def fits(pause: float) -> bool:
            return self._patience.now() + pause <= last_attempt()

        def wait(state: RetryCallState) -> float:
            # Gateways ask for minutes where seconds would do. If there is no time for that, our own pace may do.
            asked_for = _failure(state).retry_after
            return max(BACKOFF(state), asked_for if fits(asked_for) else 0)

        def pause(state: RetryCallState) -> None:
            nonlocal repeated
            repeated, error = state.attempt_number, _failure(state)
            log.warning(
                "database_call_repeated",
                function=function,
                attempt=state.attempt_number + 1,
                wait=round(state.upcoming_sleep, 1),
                most=round(last_attempt() - asked),
                reason=error.message,
            )
            if self._stopped.wait(state.upcoming_sleep):
                raise error

        def call() -> Any:
            answer = self._transport.call(function, request)
            if repeated:
                log.info("database_call_succeeded", function=function, attempt=repeated + 1)
            return answer

        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, NovelSyncError) and error.transient),
            wait=wait,
            stop=lambda state: self._stopped.is_set() or not fits(state.upcoming_sleep),
            before_sleep=pause,  # which sleeps too, because only here can a stop prevent the next attempt
            sleep=lambda seconds: None,
            reraise=True,
        )
        try:
            return attempts(call)
        finally:
            # It refers to itself. The request's texts, and the file that they lie in, would stay with it until
            # Python looks for such circles.
            attempts.iter_state.reset()


def _failure(state: RetryCallState) -> NovelSyncError:
    """Why the last attempt failed: only those that raised a `NovelSyncError` are repeated."""
    error = state.outcome and state.outcome.exception()
    return error if isinstance(error, NovelSyncError) else NovelSyncError("")
