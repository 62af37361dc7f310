"""
Spreading a run's work: each novel is a message, other processes sync it, and the run waits for their answers.

They write in the run's name, so that the database refuses them once its lease has passed on. Each answer is written
together with the novel, so that it is true whoever is killed when. What is not answered is left to the next run.
"""

import time as clock
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final

import structlog

from novelsync.contracts import Messages, Publisher
from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem
from novelsync.models.results import Execution, Tally
from novelsync.models.run import Progress, RunContext
from novelsync.planning.run_plan import RunPlan
from novelsync.running.lease import TimeLimit

TOGETHER: Final = 1_000
"""Messages published at a time; more are refused by Pub/Sub's own limit for one request."""

POLL_SECONDS: Final = 1.0
"""From one look at the answers to the next."""

PATIENCE: Final = 1_200
"""Seconds without any answer after which none is waited for: twice what one novel may take before it comes again."""

log = structlog.get_logger()


class PubSubExecutor:
    """A `novelsync.sync_service.Executor`: whoever receives the messages of a topic."""

    def __init__(
        self,
        publisher: Publisher,
        messages: Messages,
        *,
        monotonic: Callable[[], float] = clock.monotonic,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._publisher = publisher
        self._messages = messages
        self._monotonic = monotonic
        self._poll_seconds = poll_seconds

    def execute(self, plan: RunPlan, context: RunContext, time: TimeLimit, progress: Progress) -> Execution:
        """
        Waits until others have worked through the plan, and counts what they answered.

        The next run takes what they have not done, and begins anywhere. The error may be `PublisherUnavailable`,
        `DatabaseUnavailable` or `LeaseLost`.
        """
        run_id = context.run_id or ""
        remarks: list[Problem] = []
        try:
            remarks = self._hand_out(run_id, plan, context, time, progress)
        except NovelSyncError as error:
            # What was synced so far is in, and is reported all the same.
            tally = Tally()
            with suppress(NovelSyncError):
                tally = self._answered(run_id)
            return Execution(tally, error=error)
        try:
            return Execution(self._answered(run_id), remarks=remarks)
        except NovelSyncError as error:
            return Execution(remarks=remarks, error=error)

    def _hand_out(
        self, run_id: str, plan: RunPlan, context: RunContext, time: TimeLimit, progress: Progress
    ) -> list[Problem]:
        """What whoever asked for the run should know."""
        total = len(plan.to_read)
        novels = iter(plan.to_read)
        while not time.is_over() and (some := list(islice(novels, TOGETHER))):
            # Before it is on its way: whoever gets a message looks here whether it is still wanted.
            self._messages.hand_out(run_id, [novel.slug for novel in some])
            self._publisher.publish([context.message(novel.slug) for novel in some])
        log.info("messages_published", topic=self._publisher.name)
        last, heard = total, self._monotonic()
        while (left := self._messages.hand_out(run_id, [])) and not time.is_over():
            if left != last:
                last, heard = left, self._monotonic()
                progress(total - left, total)
            elif self._monotonic() - heard > PATIENCE:
                message = (
                    f"{left} of {total} novels that were given out by {self._publisher.name} did not come back in"
                    " time; has it a subscription, and does novel_changed answer it?"
                )
                return [Problem.remark("", message)]
            time.wait(self._poll_seconds)
        return []

    def _answered(self, run_id: str) -> Tally:
        # First closed: an answer that came after it was looked for would be missing from the report.
        self._messages.hand_out(run_id, [], close=True)
        return Tally.of(self._messages.answers(run_id))
