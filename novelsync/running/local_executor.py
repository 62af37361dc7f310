"""Carrying a run's novels over in this process: batches in a few threads, bounded by bytes in flight and by time."""

import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from novelsync.errors import StorageUnavailable
from novelsync.models.run import NovelResult, NovelStatus
from novelsync.models.source import SourceFile
from novelsync.planning.run_plan import Plan
from novelsync.running.novel_syncer import BATCH_BYTES, Progress, RunContext, batches
from novelsync.running.report import Report

BYTES_IN_FLIGHT = 16_000_000
"""Of files being worked on at one time; a larger file is worked on alone."""

TROUBLE_IN_A_ROW = 5
"""So many novels one after the other with passing trouble are no longer one novel's trouble."""

_SLOW_HINT = (
    "the next runs try it again, after the others; if it is broken off each time, raise NOVELSYNC_TIME_BUDGET (in Cloud"
    " Run the function's timeout too), or run `novelsync sync` where there is no limit"
)


class LocalExecutor:
    """Threads of this process."""

    def __init__(
        self,
        sync_batch: Callable[[Sequence[SourceFile], Mapping[str, int], RunContext], list[NovelResult]],
        count: int,
        remember: Callable[[str], object],
        stopped: threading.Event,
    ) -> None:
        """
        ``sync_batch``: `novelsync.running.novel_syncer.NovelSyncer.sync_batch`.

        ``stopped``: why an errand may be out of time before its hour.

        ``remember``: called with the slug where the next run is to begin, should this one die without a word.
        """
        self._carry = sync_batch
        self._count = count
        self._remember = remember
        self._stopped = stopped

    def execute(self, plan: Plan, context: RunContext, report: Report, progress: Progress) -> str | None:
        """
        Works through the plan, counts each novel into the report, and gives the slug where the next run begins.

        None: anywhere. Raises what ended it, and `StorageUnavailable` after too much trouble.
        """
        resume_at = None
        report.deferred = len(plan.to_read)
        tally = _Tally(report, len(plan.to_read), progress)
        working: dict[Future[list[NovelResult]], int] = {}
        with ThreadPoolExecutor(self._count, thread_name_prefix="novel") as pool:
            for batch in batches(plan.to_read):
                size = sum(novel.size for novel in batch)
                while working and (len(working) == self._count or sum(working.values()) + size > BYTES_IN_FLIGHT):
                    tally.collect(working)
                if context.out_of_time():
                    resume_at = batch[0].slug
                    break
                if size > BATCH_BYTES:
                    # Should it be what kills the process (its memory, the platform's patience), the others go first.
                    self._remember(plan.after(batch[0].slug) or "")
                # With the caller's context, so that a thread's log lines belong to the request too.
                sync_batch = contextvars.copy_context().run
                try:
                    working[pool.submit(sync_batch, self._carry, batch, plan.known, context)] = size
                except RuntimeError as error:
                    if "shutdown" not in str(error):
                        raise
                    # The process is ending without having called `stop`.
                    resume_at = batch[0].slug
                    break
            while working:
                tally.collect(working)
        if tally.broken_off and self._stopped.is_set():
            return tally.broken_off[0]
        for slug in tally.broken_off:
            report.too_short_for(slug, _SLOW_HINT)
        if tally.broken_off and resume_at is None:
            # What is too slow comes last, so that it cannot keep the others waiting.
            resume_at = plan.after(tally.broken_off[-1])
        return resume_at


class _Tally:
    """Counts results into the report as they come in, and notices when trouble is no longer one novel's."""

    def __init__(self, report: Report, total: int, progress: Progress) -> None:
        self._report = report
        self._total = total
        self._progress = progress
        self._trouble = 0
        self._worst: StorageUnavailable | None = None
        self.broken_off: list[str] = []

    def collect(self, working: dict[Future[list[NovelResult]], int]) -> None:
        """Waits for at least one batch. Raises what ended it, or `StorageUnavailable` after too much trouble."""
        done, _ = wait(working, return_when=FIRST_COMPLETED)
        for future in done:
            del working[future]
            for result in future.result():
                self._add(result)
        if self._worst:
            raise self._worst

    def _add(self, result: NovelResult) -> None:
        self._report.add(result)
        if result.status is NovelStatus.DEFERRED:
            self.broken_off.append(result.slug)
        self._progress(self._total - self._report.deferred, self._total)
        self._trouble = self._trouble + 1 if result.status is NovelStatus.UNAVAILABLE else 0
        if self._trouble == TROUBLE_IN_A_ROW and result.problem:
            self._worst = StorageUnavailable(
                f"{TROUBLE_IN_A_ROW} novels in a row could not be synced, the last, {result.slug}, because:"
                f" {result.problem.message}",
                result.problem.hint,
            )
