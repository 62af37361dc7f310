"""Each run compares some novels with their files, so that all are compared within some days."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

import structlog

from novelsync.contracts.syncing import Novels
from novelsync.errors import LeaseLost, NovelSyncError
from novelsync.models.run import ComparingState, RunContext, RunState, SyncOptions
from novelsync.models.source import SourceFile
from novelsync.planning.listing import Listing, listing_order
from novelsync.running.comparing.comparison import Compared, Comparison
from novelsync.running.lease import TimeLimit
from novelsync.running.local_executor import batches
from novelsync.running.novels.novel_syncer import LARGE

CHECK_EVERY: Final = 7 * 86_400
"""Seconds within which all novels are compared."""

CHECK_SECONDS: Final = 20.0
"""How long a run goes on with it. A library that needs more takes longer than `CHECK_EVERY`."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a round is to go."""

    every: float = CHECK_EVERY
    """Seconds within which all novels are compared; 0: none ever is."""
    seconds: float = CHECK_SECONDS
    """After which a run begins with no more; it always comes to some, if any are due."""


DEFAULT_PACE: Final = Pace()


class ComparingRounds:
    """Goes on with a round where the run before has left it."""

    def __init__(
        self,
        comparison: Comparison,
        database: Novels,
        pace: Pace,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._comparison = comparison
        self._database = database
        self._pace = pace
        self._monotonic = monotonic

    def go_on(self, run_id: str, listing: Listing, state: RunState, budget: TimeLimit) -> bool:
        """
        Compares what is due of a complete listing; True: the open problems may be others now.

        Trouble is no reason for a run to fail: what could not be compared is left to the next round.
        Raises `LeaseLost`.
        """
        if not self._pace.every or state.comparing is None:
            return False
        due = state.comparing.due(len(listing), self._pace.every)
        again = _named(listing, state.comparing.again)
        if not (due or again):
            return False
        context = RunContext(run_id, SyncOptions(reread=True), any_takedowns=state.any_takedowns)
        slice_ = _Slice(self._comparison, self._database, context, budget, state.comparing, len(listing))
        limit = TimeLimit(self._pace.seconds, monotonic=self._monotonic)
        try:
            # The round first: what is never to be compared again must not keep it from going on.
            slice_.go_on(listing, due, limit)
            slice_.compare_again(again, limit)
        except LeaseLost:
            raise
        except NovelSyncError as error:
            log.warning("comparing_broken_off", reason=error.message)
        slice_.log()
        return slice_.told


def _named(listing: Listing, slugs: Iterable[str]) -> list[SourceFile]:
    """Those of these novels that are listed."""
    novels = []
    for slug in slugs:
        place = _first_after(listing, slug) - 1
        if place >= 0 and listing[place].slug == slug:
            novels.append(listing[place])
    return novels


def _first_after(listing: Listing, slug: str) -> int:
    return bisect_right(listing, listing_order(slug), key=lambda novel: listing_order(novel.slug)) if slug else 0


def _after(batch: Sequence[SourceFile], at: ComparingState) -> ComparingState:
    """How far the round is once it has come to these."""
    return replace(at, after=batch[-1].slug, compared=at.compared + len(batch))


class _Slice:
    """What one run compares."""

    def __init__(
        self,
        comparison: Comparison,
        database: Novels,
        context: RunContext,
        budget: TimeLimit,
        at: ComparingState,
        novels: int,
    ) -> None:
        self._comparison = comparison
        self._database = database
        self._context = context
        self._budget = budget
        self._at = at
        self._novels = novels
        self._all = Compared()
        self._come_to = 0
        self.told = False

    def compare_again(self, novels: Sequence[SourceFile], limit: TimeLimit) -> None:
        """Novels that were written since they were found to differ; the round does not move."""
        for batch in self._in_time(novels, limit):
            found = self._compare(batch, limit)
            if not found.trouble:
                # What cannot be compared now (it is refused, or taken down) is left to the round.
                differing = {each.problem.slug for each in found.differing}
                found.equal = [each.slug for each in batch[: found.come_to] if each.slug not in differing]
            self._note(found, self._at)

    def go_on(self, listing: Listing, due: int, limit: TimeLimit) -> None:
        """The next novels of the round."""
        at = self._at
        first = _first_after(listing, at.after)
        last = min(first + due, len(listing))
        if due and first == last:
            self._note(Compared(), self._at, ended=True)
        for batch in self._in_time((listing[place] for place in range(first, last)), limit):
            if batch[0].total_bytes > LARGE:
                # Should it kill the process, the next run begins after it.
                self._note(Compared(), _after(batch, self._at))
            try:
                found = self._compare(batch, limit)
            except NovelSyncError:
                self._note(Compared(trouble=True), _after(batch, at), ended=first + len(batch) == len(listing))
                raise
            first += found.come_to
            self._note(found, _after(batch[: found.come_to], at), ended=first == len(listing))
            at = self._at
            if found.trouble or found.come_to < len(batch):
                return

    def _in_time(self, novels: Iterable[SourceFile], limit: TimeLimit) -> Iterator[list[SourceFile]]:
        for batch in batches(novels, attrgetter("total_bytes")):
            if self._budget.is_over() or (self._come_to and limit.is_over()):
                return
            self._come_to += len(batch)
            yield batch

    def _compare(self, batch: Sequence[SourceFile], limit: TimeLimit) -> Compared:
        found = self._comparison.compare(batch, self._context, lambda: self._budget.is_over() or limit.is_over())
        self._all.equal += found.equal
        self._all.differing += found.differing
        self._all.bytes_read += found.bytes_read
        return found

    def _note(self, found: Compared, at: ComparingState, *, ended: bool = False) -> None:
        run_id = self._context.run_id or ""
        self.told |= self._database.note_compared(
            run_id, at, found.equal, found.differing, ended=ended, trouble=found.trouble
        )
        self._at = at

    def log(self) -> None:
        differing = len(self._all.differing)
        log.info(
            "novels_compared",
            novels=self._come_to,
            differing=differing,
            passed_over=self._come_to - differing - len(self._all.equal),
            bytes_read=self._all.bytes_read,
            round=f"{self._at.compared} of {self._novels}",
        )
