"""Writes what is planned; a novel that the database does not accept is refused, and keeps no other from coming in."""

from collections.abc import Iterator, Sequence
from typing import Final

from novelsync.contracts.syncing import Novels
from novelsync.errors import StorageUnavailable, TimeBudgetExceeded, WriteRejected
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import RunContext, Turn
from novelsync.models.source import SourceFile
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.novel_plan import plan_refusal
from novelsync.running.novels.novel_planner import Planned, with_result
from novelsync.running.novels.outcomes import problem_of, refused, unavailable
from novelsync.running.novels.request_ids import request_id

_TROUBLE: Final = 3
"""After so many novels whose texts cannot be read again, it is the storage's trouble, and no more are tried."""


class NovelWriter:
    """May be used from several threads at once."""

    def __init__(self, database: Novels) -> None:
        self._database = database

    def write(
        self, planned: list[Planned], context: RunContext, turn: Turn
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """
        Writes; returns the novels that somebody else wrote in between, and results.

        ``planned`` is emptied, so that no text is in memory when it is with the database.
        """
        stale: list[SourceFile] = []
        results: list[NovelResult] = []
        refusals: list[NovelWrite] = []
        by_slug = {each.write.slug: (each.novel, each.result) for each in planned}
        writes = [each.write for each in planned]
        planned.clear()
        for write, outcome in self._write(writes, context, turn):
            novel, result = by_slug[write.slug]
            if isinstance(outcome, TimeBudgetExceeded):
                result = NovelResult(write.slug, NovelStatus.DEFERRED, bytes_read=result.bytes_read, settled=False)
            elif isinstance(outcome, StorageUnavailable):
                result = unavailable(novel, outcome.message, outcome.hint)
            elif outcome is WriteOutcome.STALE:
                stale.append(novel)
                continue
            elif problem := problem_of(write.slug, outcome):
                result = refused(write.slug, problem, result.bytes_read, settled=False, former=result.former)
                refusal = plan_refusal(novel, write.revision, problem, "", request_id=request_id())
                refusals.append(with_result(refusal, result, context))
            results.append(result)
        for _ in self._write(refusals, context, turn):
            pass
        return stale, results

    def _write(
        self, writes: list[NovelWrite], context: RunContext, turn: Turn
    ) -> Iterator[tuple[NovelWrite, WriteOutcome | WriteRejected | TimeBudgetExceeded | StorageUnavailable]]:
        """
        Writes what the database accepts: a rejected call is halved until the novel at fault is alone.

        In ``writes``, one of a large novel is replaced by what publishes it.
        """
        if not writes:
            return
        try:
            if len(writes) == 1 and (outcome := self._stage(writes, context, turn)):
                yield writes[0], outcome
                return
            yield from zip(writes, self._database.write(context.run_id, writes, turn.out_of_time), strict=True)
        except TimeBudgetExceeded as error:
            yield from ((write, error) for write in writes)
        except StorageUnavailable as error:
            if len(writes) == 1:
                yield writes[0], error
            else:
                yield from self._write_apart(writes, context, turn)
        except WriteRejected as error:
            if len(writes) == 1:
                yield writes[0], error
                return
            half = len(writes) // 2
            for part in (writes[:half], writes[half:]):
                if turn.out_of_time():
                    yield from ((write, TimeBudgetExceeded(error.message)) for write in part)
                else:
                    yield from self._write(part, context, turn)

    def _write_apart(
        self, writes: Sequence[NovelWrite], context: RunContext, turn: Turn
    ) -> Iterator[tuple[NovelWrite, WriteOutcome | WriteRejected | TimeBudgetExceeded | StorageUnavailable]]:
        """Writes where a text has to be read again and cannot be: each novel alone that has texts of its own."""
        yield from self._write([write for write in writes if not write.has_texts], context, turn)
        trouble: list[StorageUnavailable] = []
        for write in (write for write in writes if write.has_texts):
            if len(trouble) == _TROUBLE:
                yield write, trouble[-1]
                continue
            for _, outcome in self._write([write], context, turn):
                trouble += [outcome] if isinstance(outcome, StorageUnavailable) else []
                yield write, outcome

    def _stage(self, writes: list[NovelWrite], context: RunContext, turn: Turn) -> WriteOutcome | None:
        """Sends the texts of the only novel ahead, if it is large; or returns why they are not wanted."""
        staged = self._database.stage(context.run_id, writes[0], turn.out_of_time)
        if isinstance(staged, WriteOutcome):
            return staged
        if staged is not writes[0]:
            writes[0] = staged
            turn.sent()
        return None
