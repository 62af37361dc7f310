"""Syncs a run's novels in this process: batches in a few threads, limited by bytes in flight and by time."""

import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from math import ceil
from operator import attrgetter
from typing import Any, Final, Protocol

from novelsync.contracts.syncing import Runs
from novelsync.errors import NovelSyncError, StorageUnavailable, Unavailable
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import Execution, NovelResult, NovelStatus, Tally
from novelsync.models.run import Progress, RunContext, Turn
from novelsync.models.source import SourceFile
from novelsync.planning.run_plan import RunPlan
from novelsync.running.lease import LEASE_SECONDS, TimeLimit

BATCH_NOVELS: Final = 500
"""The most that are planned and written together."""

FEW_NOVELS: Final = 10
"""So many are still one batch, which is fewer calls. More are spread over all threads, so that none is idle."""

BATCH_BYTES: Final = 2_000_000
"""
The size of files that are planned and written together: larger batches take more memory, and no less time.

It is less than `novelsync.running.novels.novel_syncer.LARGE`: such a file is alone.
"""

BYTES_IN_FLIGHT: Final = 16_000_000
"""
The size of files that are in memory at the same time; a larger file is alone.

When the database has all texts of a large novel, it publishes them; meanwhile the next file is read.
One that somebody else's write makes stale just then is read once more beside it, which is rare.
"""

TROUBLE_IN_A_ROW: Final = 5
"""After so many novels in a row with transient trouble the run ends, because it is no longer one novel's."""

_SLOW: Final = "it could not be synced before the run's time was over, and nothing of it was changed"
_SLOW_HINT: Final = (
    "the next runs try it again, after the others; if it is broken off each time, raise NOVELSYNC_TIME_BUDGET (in Cloud"
    " Run the function's timeout too), or run `novelsync sync` where there is no limit"
)


class SyncBatch(Protocol):
    """The signature of `novelsync.running.novels.novel_syncer.NovelSyncer.sync_batch`."""

    def __call__(
        self,
        novels: Sequence[SourceFile],
        revisions: Mapping[str, int],
        context: RunContext,
        turn: Turn,
    ) -> Sequence[NovelResult]: ...


def batches(
    novels: Iterable[SourceFile],
    size_of: Callable[[SourceFile], int] = attrgetter("size"),
    most: int = BATCH_NOVELS,
) -> Iterator[list[SourceFile]]:
    """Several small novels together, ``most`` at most; a large one alone."""
    batch: list[SourceFile] = []
    size = 0
    for novel in novels:
        if batch and (size + size_of(novel) > BATCH_BYTES or len(batch) == most):
            yield batch
            batch, size = [], 0
        batch.append(novel)
        size += size_of(novel)
    if batch:
        yield batch


class LocalExecutor:
    """A `novelsync.running.whole_run.Executor`: threads of this process."""

    def __init__(self, sync_batch: SyncBatch, runs: Runs, workers: int) -> None:
        self._sync_batch = sync_batch
        self._runs = runs
        self._workers = workers

    def execute(self, plan: RunPlan, context: RunContext, time: TimeLimit, progress: Progress) -> Execution:
        """Stops early at an error of the database or the lease, and at `TROUBLE_IN_A_ROW`: see `Execution.error`."""
        results = _Results(len(plan.to_read), progress)
        try:
            resume_at = self._work_through(plan, context, time, results)
        except NovelSyncError as error:
            return Execution(results.tally, error=error)
        if results.not_begun:
            resume_at = next(novel.slug for novel in plan.to_read if novel.slug in results.not_begun)
        if results.broken_off and time.was_stopped():
            return Execution(results.tally, results.broken_off[0])
        remarks = [Problem(slug, ProblemKind.UNAVAILABLE, _SLOW, _SLOW_HINT) for slug in results.broken_off]
        if results.broken_off and resume_at is None:
            # The next run comes to what is too slow last, so that it keeps no other novel waiting.
            resume_at = plan.after(results.broken_off[-1])
        return Execution(results.tally, resume_at, remarks)

    def _work_through(self, plan: RunPlan, context: RunContext, time: TimeLimit, results: "_Results") -> str | None:
        """Returns the slug of the first novel that was not begun, None if all were. Raises what ended it."""
        working: dict[Future[Sequence[NovelResult]], _InMemory] = {}
        try:
            return self._submit_all(plan, context, time, results, working)
        except NovelSyncError:
            # The other batches have ended since, and what they wrote is written.
            for future in working:
                with suppress(NovelSyncError):
                    results.add(future.result())
            raise

    def _submit_all(
        self,
        plan: RunPlan,
        context: RunContext,
        time: TimeLimit,
        results: "_Results",
        working: "dict[Future[Sequence[NovelResult]], _InMemory]",
    ) -> str | None:
        """``working``: holds the batches that are worked on, and in the end those that nobody has waited for."""
        first_left = None

        def pass_over(slug: str) -> None:
            # Should it kill the process (memory, the platform's timeout), the next run begins after it. The empty slug
            # is the listing's start; None would leave what was remembered before.
            self._remember(context.run_id, plan.after(slug) or "")

        with ThreadPoolExecutor(self._workers, thread_name_prefix="novel") as pool:
            for batch in batches(plan.to_read, most=self._share_of(len(plan.to_read))):
                size = sum(novel.size for novel in batch)
                while len(working) == self._workers or not _fits(size, working.values()):
                    results.collect(working)
                if time.is_over():
                    first_left = batch[0].slug
                    break
                # With the caller's context, so that a thread's log lines name the run and the request too.
                call = contextvars.copy_context().run
                files = _InMemory(size)
                turn = Turn(time.is_over, pass_over, files.are_gone)
                try:
                    future = pool.submit(call, self._sync_batch, batch, plan.revisions, context, turn)
                except RuntimeError as error:
                    if "shutdown" not in str(error):
                        raise
                    # The process is ending, and nobody told the run to stop.
                    first_left = batch[0].slug
                    break
                working[future] = files
            while working:
                results.collect(working)
        return first_left

    def _share_of(self, novels: int) -> int:
        """How many novels one batch may have."""
        return min(BATCH_NOVELS, novels if novels <= FEW_NOVELS else ceil(novels / self._workers))

    def _remember(self, run_id: str | None, slug: str) -> None:
        """Where the next run begins, should this one be killed."""
        if run_id is not None:
            with suppress(Unavailable):  # no reason to end the run
                self._runs.renew(run_id, LEASE_SECONDS, resume_at=slug)


class _InMemory:
    """The files of a batch that is worked on."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._gone: Future[None] = Future()

    @property
    def bytes(self) -> int:
        return 0 if self._gone.done() else self._size

    def are_gone(self) -> None:
        if not self._gone.done():  # they are read again, if somebody else has written the novel
            self._gone.set_result(None)

    def waited_for(self) -> list[Future[None]]:
        return [] if self._gone.done() else [self._gone]


def _fits(size: int, others: Iterable[_InMemory]) -> bool:
    in_memory = sum(each.bytes for each in others)
    return not in_memory or in_memory + size <= BYTES_IN_FLIGHT


class _Results:
    """Counts results as they come in, and ends the run at `TROUBLE_IN_A_ROW`."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.tally = Tally()
        self.broken_off: list[str] = []
        self.not_begun: set[str] = set()
        self._total = total
        self._progress = progress
        self._trouble = 0

    def collect(self, working: dict[Future[Sequence[NovelResult]], _InMemory]) -> None:
        """
        Waits for a batch to end, or for its files to be no longer in memory.

        Raises what ended a batch, and `StorageUnavailable` at `TROUBLE_IN_A_ROW`.
        """
        waited_for: list[Future[Any]] = [*working]
        for each in working.values():
            waited_for += each.waited_for()
        wait(waited_for, return_when=FIRST_COMPLETED)
        for future in [future for future in working if future.done()]:
            del working[future]
            results = future.result()
            self.add(results)
            for result in results:
                self._count_trouble(result)

    def add(self, results: Sequence[NovelResult]) -> None:
        self.tally += Tally.of(results)
        self.broken_off += [result.slug for result in results if result.status is NovelStatus.DEFERRED]
        self.not_begun |= {result.slug for result in results if result.status is NovelStatus.NOT_BEGUN}
        self._progress(self.tally.finished, self._total)

    def _count_trouble(self, result: NovelResult) -> None:
        self._trouble = self._trouble + 1 if result.status is NovelStatus.UNAVAILABLE else 0
        if self._trouble == TROUBLE_IN_A_ROW and result.problem:
            raise StorageUnavailable(
                f"{TROUBLE_IN_A_ROW} novels in a row could not be synced, the last, {result.slug}, because:"
                f" {result.problem.message}",
                result.problem.hint,
            )
