"""
Spreads a run's work: each novel is a message, other processes sync it, and the run waits for their answers.

They write under the run's lease, so the database refuses their writes once another run has it. Each answer is written
in one transaction with its novel, so it is true even if a process is killed. The next run takes what has no answer.
"""

import time as clock
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final

import structlog

from novelsync.contracts.cloud import Messages, Publisher
from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem
from novelsync.models.results import Execution, Tally
from novelsync.models.run import Progress, RunContext
from novelsync.planning.run_plan import RunPlan
from novelsync.running.lease import TimeLimit

MESSAGES_AT_ONCE: Final = 1_000
"""Messages remembered and published in one step; Pub/Sub takes no more in one request."""

FORMERS_AT_ONCE: Final = 10_000
"""Former slugs remembered in one step: less than a megabyte."""

POLL_SECONDS: Final = 1.0
"""Between looks at the answers."""

PATIENCE: Final = 1_200
"""Seconds without a new answer after which the run stops waiting: twice the subscription's acknowledgement deadline."""

log = structlog.get_logger()


class PubSubExecutor:
    """A `novelsync.running.whole_run.Executor`: the processes that receive the messages of a topic."""

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
        Waits until others have worked through the plan, and counts their answers.

        What they did not do has no order, so ``resume_at`` is None. The error that ends it may be
        `PublisherUnavailable`, `DatabaseUnavailable` or `LeaseLost`.
        """
        run_id = context.run_id or ""
        remarks: list[Problem] = []
        try:
            remarks = self._hand_out(run_id, plan, context, time, progress)
        except NovelSyncError as error:
            # What others have written stays written, and belongs into the report.
            tally = Tally()
            with suppress(NovelSyncError):
                tally = self._close(run_id)
            return Execution(tally, error=error)
        try:
            return Execution(self._close(run_id), remarks=remarks)
        except NovelSyncError as error:
            return Execution(remarks=remarks, error=error)

    def _hand_out(
        self, run_id: str, plan: RunPlan, context: RunContext, time: TimeLimit, progress: Progress
    ) -> list[Problem]:
        """Publishes the messages and waits for their answers; returns a remark if it stopped waiting for some."""
        total = len(plan.to_read)
        novels, formers = iter(plan.to_read), iter(sorted(context.renames.values()))
        # All of them before the first message: its receiver must know which novels belong to others.
        while some := list(islice(formers, FORMERS_AT_ONCE)):
            self._messages.hand_out(run_id, [], formers=some)
        while not time.is_over() and (batch := list(islice(novels, MESSAGES_AT_ONCE))):
            # Remembered before it is published, because its receiver first looks whether it is still open.
            self._messages.hand_out(run_id, [novel.slug for novel in batch])
            self._publisher.publish([context.message(novel.slug) for novel in batch])
        log.info("messages_published", topic=self._publisher.name)
        last_left, last_answer = total, self._monotonic()
        while (left := self._messages.hand_out(run_id, [])) and not time.is_over():
            if left != last_left:
                last_left, last_answer = left, self._monotonic()
                progress(total - left, total)
            elif self._monotonic() - last_answer > PATIENCE:
                message = (
                    f"{left} of {total} novels that were handed out over {self._publisher.name} were not answered in"
                    " time; does the topic have a subscription, and does novel_changed answer its messages?"
                )
                return [Problem.remark("", message)]
            time.wait(self._poll_seconds)
        return []

    def _close(self, run_id: str) -> Tally:
        """Takes no more answers, and counts those there are."""
        # In this order: an answer taken after the count would be missing from the report.
        self._messages.hand_out(run_id, [], close=True)
        return Tally.of(self._messages.answers(run_id))
