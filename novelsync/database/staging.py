"""Sends the texts of one large novel ahead, by parts and unseen by readers, until a write publishes them."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import count
from typing import Any, Final

from novelsync.database.functions import STAGE, SqlFunction
from novelsync.database.requests import halves, stage_requests
from novelsync.errors import PayloadTooLarge, TimeBudgetExceeded
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.text.formatting import counted

PARTS_AT_ONCE: Final = 2
"""Parts that are sent at once: the database compresses one while it receives the next."""

SPARE_PARTS: Final = 1_000_000
"""The first number for the halves of a part that was too large: no novel has so many parts."""


class _NotStagedError(Exception):
    """The database wants no more parts of this write."""

    def __init__(self, outcome: WriteOutcome) -> None:
        super().__init__()
        self.outcome = outcome


class Staging:
    """For one novel."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any], out_of_time: Callable[[], bool]) -> None:
        """``call``: how a function of the database is called."""
        self._call = call
        self._out_of_time = out_of_time
        self._spare = count(SPARE_PARTS)

    def stage(self, run_id: str | None, write: NovelWrite, part_bytes: int) -> int | WriteOutcome:
        """
        Returns in how many parts the novel's text went ahead, each of about ``part_bytes``; or why they are not wanted.

        Raises `TimeBudgetExceeded` once ``out_of_time`` says so.
        """
        try:
            return self._stage(write.slug, stage_requests(run_id, write, part_bytes))
        except _NotStagedError as answer:
            return answer.outcome

    def _stage(self, slug: str, requests: Iterator[Mapping[str, Any]]) -> int:
        # Alone, because it opens the staging.
        staged = self._stage_part(next(requests))
        under_way: set[Future[int]] = set()
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part") as pool:
            for request in requests:
                if self._out_of_time():
                    raise TimeBudgetExceeded(f"{slug} was broken off after {counted(staged, 'part')}")
                try:
                    under_way.add(pool.submit(self._stage_part, request))
                except RuntimeError:
                    # A process that is ending starts no more threads, but finishes this novel.
                    staged += self._stage_part(request)
                if len(under_way) == PARTS_AT_ONCE:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    staged += sum(future.result() for future in done)
        return staged + sum(future.result() for future in under_way)

    def _stage_part(self, part: Mapping[str, Any]) -> int:
        """Sends one part, halved until it passes. Returns in how many parts it went. Raises `_NotStagedError`."""
        try:
            outcome = self._call(STAGE, part)["outcome"]
        except PayloadTooLarge as error:
            if not (smaller := halves(part)):
                raise
            if self._out_of_time():
                raise TimeBudgetExceeded(error.message) from error
            # With numbers of their own: had the whole part gone in after all, the write would find one too many, and be
            # stale.
            return sum(self._stage_part({**half, "part": next(self._spare)}) for half in smaller)
        if outcome != "staged":
            raise _NotStagedError(WriteOutcome(outcome))
        return 1
