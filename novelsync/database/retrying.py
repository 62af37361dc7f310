"""
A road in front of another, that tries again what may pass.

Every function it repeats is harmless when the first call went through and only its answer was lost: writes carry a
request id, and the others come to the same when they are done twice.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from novelsync.database.client import Transport
from novelsync.errors import NovelSyncError

RUN_PATIENCE: Final = 30
"""Seconds from a call's beginning to its last attempt, of a run that has its lease: so long, Postgres restarts."""

PATIENCE: Final = 5
"""The same of every other call, which has no work to lose: whoever asked, a scheduler or a person, can ask again."""

BACKOFF: Final = wait_exponential_jitter(multiplier=0.5, max=8, jitter=1)
"""0.5, 1, 2, 4, 8, 8 … seconds, and up to one more each time, so that threads do not come back together."""

AT_ONCE: Final = frozenset({"novelsync_status", "novelsync_server_info", "novelsync_renew", "novelsync_purge"})
"""
Never repeated. Who asks for status or doctor wants to know how things are now; whoever keeps the lease renews it again
anyway; and a piece of a purge that was deleted unseen would be missing from what a person is told.
"""

log = structlog.get_logger()


@dataclass(slots=True)
class _Run:
    """The run of this process that has the lease. Times are the clock's."""

    run_id: str
    budget_ends: float
    lease_ends: float
    """At the earliest: as if the database had answered when it was asked."""


class RetryingTransport:
    """A `novelsync.database.client.Transport` that repeats calls whose error is `transient`, while it may help."""

    def __init__(
        self,
        transport: Transport,
        *,
        stopped: threading.Event | None = None,
        time_budget: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``stopped``: ends all waiting once it is set. ``time_budget``: of a run, in seconds from its beginning."""
        self._road = transport
        self._stopped = stopped or threading.Event()
        self._time_budget = inf if time_budget is None else time_budget
        self._clock = clock
        self._run: _Run | None = None
        self.name = transport.name
        self.close = transport.close

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        asked = self._clock()
        try:
            answer = self._repeated(function, request, asked)
        finally:
            if function == "novelsync_finish":
                self._run = None
        self._note(function, request, answer, asked)
        return answer

    def _repeated(self, function: str, request: Mapping[str, Any], asked: float) -> Any:
        if function in AT_ONCE:
            return self._road.call(function, request)

        def give_up(state: RetryCallState) -> bool:
            next_attempt = self._clock() + state.upcoming_sleep
            return self._stopped.is_set() or next_attempt > self._last_attempt(function, request, asked)

        def pause(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, NovelSyncError):
                log.warning(
                    "database_call_repeated",
                    function=function,
                    attempt=state.attempt_number + 1,
                    wait=round(state.upcoming_sleep, 1),
                    reason=error.message,
                )
                if self._stopped.wait(state.upcoming_sleep):
                    raise error

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked_for = error.retry_after if isinstance(error, NovelSyncError) else 0
            # Gateways ask for minutes where seconds would do: then our own pace is as good as giving up.
            fits = self._clock() + asked_for <= self._last_attempt(function, request, asked)
            return max(BACKOFF(state), asked_for if fits else 0)

        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, NovelSyncError) and error.transient),
            wait=wait,
            stop=give_up,
            before_sleep=pause,  # in place of the sleep, because who is told to stop makes no further attempt
            sleep=lambda seconds: None,
            reraise=True,
        )
        return attempts(self._road.call, function, request)

    def _last_attempt(self, function: str, request: Mapping[str, Any], asked: float) -> float:
        """Asked anew each time, because the lease may have been renewed in between."""
        run = self._run
        # Calls that read name no run: while there is one, they are taken for its own.
        if run is None or request.get("run_id", run.run_id) != run.run_id:
            return asked + PATIENCE
        last = min(asked + RUN_PATIENCE, run.budget_ends, run.lease_ends)
        # What a run has done is worth a few seconds whenever it ends; and it ends when its budget does.
        return max(last, asked + PATIENCE) if function == "novelsync_finish" else last

    def _note(self, function: str, request: Mapping[str, Any], answer: Any, asked: float) -> None:
        """What this process knows of its run's lease."""
        if function == "novelsync_begin" and answer.get("acquired"):
            self._run = _Run(request["run_id"], self._clock() + self._time_budget, asked + request["seconds"])
        run = self._run
        if function == "novelsync_renew" and answer["held"] and run and run.run_id == request["run_id"]:
            run.lease_ends = asked + request["seconds"]
