"""Writes what is planned; a novel that the database does not accept is refused, and keeps no other from coming in."""

from collections.abc import Callable, Iterator, Sequence

from novelsync.contracts.syncing import Novels
from novelsync.errors import TimeBudgetExceeded, WriteRejected
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import RunContext
from novelsync.models.source import SourceFile
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.novel_plan import plan_refusal
from novelsync.running.novels.novel_planner import Planned, with_result
from novelsync.running.novels.outcomes import problem_of, refused
from novelsync.running.novels.request_ids import request_id


class NovelWriter:
    """May be used from several threads at once."""

    def __init__(self, database: Novels) -> None:
        self._database = database

    def write(
        self, planned: Sequence[Planned], context: RunContext, out_of_time: Callable[[], bool]
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """Writes; returns the novels that somebody else wrote in between, and results."""
        stale: list[SourceFile] = []
        results: list[NovelResult] = []
        refusals: list[NovelWrite] = []
        by_slug = {each.write.slug: each for each in planned}
        for write, outcome in self._write([each.write for each in planned], context, out_of_time):
            novel, result = by_slug[write.slug].file.novel, by_slug[write.slug].result
            if isinstance(outcome, TimeBudgetExceeded):
                result = NovelResult(write.slug, NovelStatus.DEFERRED, bytes_read=result.bytes_read, settled=False)
            elif outcome is WriteOutcome.STALE:
                stale.append(novel)
                continue
            elif problem := problem_of(write.slug, outcome):
                result = refused(write.slug, problem, result.bytes_read, settled=False)
                refusal = plan_refusal(novel, write.revision, problem, "", request_id=request_id())
                refusals.append(with_result(refusal, result, context))
            results.append(result)
        for _ in self._write(refusals, context, out_of_time):
            pass
        return stale, results

    def _write(
        self, writes: Sequence[NovelWrite], context: RunContext, out_of_time: Callable[[], bool]
    ) -> Iterator[tuple[NovelWrite, WriteOutcome | WriteRejected | TimeBudgetExceeded]]:
        """Writes what the database accepts: a rejected call is halved until the novel at fault is alone."""
        if not writes:
            return
        try:
            yield from zip(writes, self._database.write(context.run_id, writes, out_of_time), strict=True)
        except TimeBudgetExceeded as error:
            yield from ((write, error) for write in writes)
        except WriteRejected as error:
            if len(writes) == 1:
                yield writes[0], error
                return
            half = len(writes) // 2
            for part in (writes[:half], writes[half:]):
                if out_of_time():
                    yield from ((write, TimeBudgetExceeded(error.message)) for write in part)
                else:
                    yield from self._write(part, context, out_of_time)
