"""
Spreading a run's work: each novel is a message, others carry it over, and the run waits for their answers.

Others write in the run's name, so that the database refuses them once its lease has passed on; each answer is written
with the novel, so that it is true whoever is killed when. What is not answered is left to the next run.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec
import structlog

from novelsync.contracts import Messages, Publisher
from novelsync.models import NovelMessage
from novelsync.report import NovelResult

TOGETHER = 1_000
"""Messages handed over at a time; more are refused by Pub/Sub's own limit for one request."""

EVERY = 1.0
"""Seconds from one look at the answers to the next."""

PATIENCE = 1_200
"""Seconds without any answer after which none is waited for: twice what one novel may take before it comes again."""

log = structlog.get_logger()


class FanOut:
    """Hands a run's novels to others."""

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
        self.topic = publisher.name
        self._publisher = publisher
        self._messages = messages
        self._stopped = stopped or threading.Event()
        self._monotonic = monotonic
        self._every = every

    def carry_over(
        self,
        run_id: str,
        novels: Iterable[NovelMessage],
        deadline: float | None,
        progress: Callable[[int], None] = lambda left: None,
    ) -> Iterator[NovelResult]:
        """
        What became of those novels that were carried over before the ``deadline``, once that is all or no more come.

        ``progress``: called with the number of novels that wait for their answer. Raises `PublisherUnavailable`,
        `DatabaseUnavailable`, `LeaseLost`.
        """
        published, rest = 0, iter(novels)
        while not self._ends(deadline) and (some := list(islice(rest, TOGETHER))):
            # Before it is on its way: whoever gets a message looks here whether it is still wanted.
            self._messages.ask(run_id, [message.slug for message in some])
            self._publisher.publish(some)
            published += len(some)
        log.info("messages_published", messages=published, topic=self.topic)
        self._wait(run_id, deadline, progress)
        for answer in self._messages.answers(run_id):
            yield msgspec.convert(answer, NovelResult)

    def _wait(self, run_id: str, deadline: float | None, progress: Callable[[int], None]) -> None:
        last, heard = -1, self._monotonic()
        while (left := self._messages.ask(run_id, [])) and not self._ends(deadline):
            if left != last:
                last, heard = left, self._monotonic()
                progress(left)
            elif self._monotonic() - heard > PATIENCE:
                break
            self._stopped.wait(self._every)
        if left:
            log.warning("messages_unanswered", messages=left, topic=self.topic)

    def _ends(self, deadline: float | None) -> bool:
        return self._stopped.is_set() or (deadline is not None and self._monotonic() >= deadline)
