"""Sends the texts of one large novel ahead, by parts and unseen by readers, until a write publishes them."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import count
from typing import Any, Final

from novelsync.database.functions import STAGE, SqlFunction
from novelsync.database.requests import halves, stage_requests
from novelsync.errors import PayloadTooLarge, TimeBudgetExceeded
from novelsync.models.writing import NovelWrite
from novelsync.text.formatting import counted

PARTS_AT_ONCE: Final = 2
"""Parts that are sent at once: the database compresses one while it receives the next."""

SPARE_PARTS: Final = 1_000_000
"""The first number for the halves of a part that was too large: no novel has so many parts."""


class Staging:
    """For one novel."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any], out_of_time: Callable[[], bool]) -> None:
        """``call``: how a function of the database is called."""
        self._call = call
        self._out_of_time = out_of_time
        self._spare = count(SPARE_PARTS)

    def stage(self, run_id: str | None, write: NovelWrite, part_bytes: int) -> int | None:
        """
        Returns in how many parts the novel's text went ahead, each of about ``part_bytes``; None if the write is stale.

        Raises `TimeBudgetExceeded` once ``out_of_time`` says so.
        """
        requests = stage_requests(run_id, write, part_bytes)
        # Alone, because it opens the staging.
        staged = [self._stage_part(next(requests))]
        under_way: set[Future[int]] = set()
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part") as pool:
            for request in requests if all(staged) else ():
                if self._out_of_time():
                    raise TimeBudgetExceeded(f"{write.slug} was broken off after {counted(sum(staged), 'part')}")
                try:
                    under_way.add(pool.submit(self._stage_part, request))
                except RuntimeError:
                    # A process that is ending starts no more threads, but finishes this novel.
                    staged.append(self._stage_part(request))
                if len(under_way) == PARTS_AT_ONCE:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    staged += [future.result() for future in done]
                if not all(staged):
                    break
        staged += [future.result() for future in under_way]
        return sum(staged) if all(staged) else None

    def _stage_part(self, part: Mapping[str, Any]) -> int:
        """Sends one part, halved until it passes. Returns in how many parts it went; 0 if the write is stale."""
        try:
            return int(self._call(STAGE, part)["outcome"] == "staged")
        except PayloadTooLarge as error:
            if not (smaller := halves(part)):
                raise
            if self._out_of_time():
                raise TimeBudgetExceeded(error.message) from error
        staged = []
        for half in smaller:
            # With a number of its own: had the whole part gone in after all, the write would find one too many, and be
            # stale.
            staged.append(self._stage_part({**half, "part": next(self._spare)}))
            if not staged[-1]:
                return 0
        return sum(staged)
