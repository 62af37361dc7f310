"""
Spreading a run's work: each novel is a message, others carry it over, and the run waits for their answers.

Others write in the run's name, so that the database refuses them once its lease has passed on; each answer is written
with the novel, so that it is true whoever is killed when. What is not answered is left to the next run.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import msgspec
import structlog

from novelsync.contracts import Messages, Publisher
from novelsync.errors import NovelSyncError
from novelsync.models.run import NovelResult
from novelsync.planning.run_plan import Plan
from novelsync.running.novel_syncer import Progress, RunContext
from novelsync.running.report import Report

TOGETHER = 1_000
"""Messages handed over at a time; more are refused by Pub/Sub's own limit for one request."""

EVERY = 1.0
"""Seconds from one look at the answers to the next."""

PATIENCE = 1_200
"""Seconds without any answer after which none is waited for: twice what one novel may take before it comes again."""

log = structlog.get_logger()


class PubSubExecutor:
    """Hands a run's novels to others, in place of `novelsync.running.local_executor.LocalExecutor`."""

    def __init__(
        self,
        publisher: Publisher,
        messages: Messages,
        *,
        stopped: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        every: float = EVERY,
    ) -> None:
        """``stopped``: ends all waiting once it is set. ``every``: see `EVERY`."""
        self._publisher = publisher
        self._messages = messages
        self._stopped = stopped or threading.Event()
        self._monotonic = monotonic
        self._every = every

    def execute(self, plan: Plan, context: RunContext, report: Report, progress: Progress) -> None:
        """
        Waits until others have worked through the plan, and counts what they answered into the report.

        The next run takes what they have not done, and begins anywhere. Raises `PublisherUnavailable`,
        `DatabaseUnavailable`, `LeaseLost`.
        """
        report.deferred = len(plan.to_read)
        try:
            self._hand_out(plan, context, report, progress)
        except NovelSyncError:
            # What was carried over so far is in, and is reported all the same.
            with suppress(NovelSyncError):
                self._count(report)
            raise
        self._count(report)

    def _hand_out(self, plan: Plan, context: RunContext, report: Report, progress: Progress) -> None:
        total = len(plan.to_read)
        novels = iter(plan.to_read)
        while not context.out_of_time() and (some := list(islice(novels, TOGETHER))):
            # Before it is on its way: whoever gets a message looks here whether it is still wanted.
            self._messages.ask(report.run_id, [novel.slug for novel in some])
            self._publisher.publish([context.message(novel.slug) for novel in some])
        log.info("messages_published", topic=self._publisher.name)
        last, heard = total, self._monotonic()
        while (left := self._messages.ask(report.run_id, [])) and not context.out_of_time():
            if left != last:
                last, heard = left, self._monotonic()
                progress(total - left, total)
            elif self._monotonic() - heard > PATIENCE:
                report.warn(
                    "",
                    f"{left} of {total} novels that were given out by {self._publisher.name} did not come back in"
                    " time; has it a subscription, and does novel_changed answer it?",
                )
                return
            self._stopped.wait(self._every)

    def _count(self, report: Report) -> None:
        # First closed: an answer that came after it was looked for would be missing from the report.
        self._messages.ask(report.run_id, [], close=True)
        for answer in self._messages.answers(report.run_id):
            report.add(msgspec.convert(answer, NovelResult))
