"""Novels are worked on several at once, as far as their files fit into memory together."""

import threading
from collections.abc import Sequence
from typing import Any

from novelsync.errors import LeaseLost
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import RunContext, Turn
from novelsync.models.source import SourceFile
from novelsync.planning.run_plan import make_plan
from novelsync.running.lease import TimeLimit
from novelsync.running.local_executor import BYTES_IN_FLIGHT, LocalExecutor
from tests.support.library import listing_of


class Workers:
    """What is worked on at the same time. Each batch waits for others to join it, but not for long."""

    def __init__(self, patience: float) -> None:
        self.most = 0
        self._at_once = 0
        self._patience = patience
        self._changed = threading.Condition()

    def sync(self, novels: Sequence[SourceFile], *_: Any) -> list[NovelResult]:
        with self._changed:
            self._at_once += 1
            self.most = max(self.most, self._at_once)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most == 3, self._patience)
            self._at_once -= 1
        return [NovelResult(novel.slug, NovelStatus.UNCHANGED) for novel in novels]


def most_at_once(size: int, patience: float) -> int:
    workers = Workers(patience)
    plan = make_plan(listing_of(SourceFile(f"novel-{n}", "1", size) for n in range(3)), [])
    executor = LocalExecutor(workers.sync, None, workers=4)  # type: ignore[arg-type]  # nothing is remembered
    execution = executor.execute(plan, RunContext(), TimeLimit(), lambda done, total: None)
    assert (execution.error, execution.tally.finished) == (None, 3)
    return workers.most


def test_files_that_fit_into_memory_together_are_worked_on_at_once() -> None:
    assert most_at_once(BYTES_IN_FLIGHT // 3, patience=60) == 3


def test_files_that_do_not_are_worked_on_as_many_at_once_as_fit() -> None:
    assert most_at_once(BYTES_IN_FLIGHT // 2, patience=0.1) == 2


def test_a_file_that_was_sent_makes_room_for_the_next_while_it_is_published() -> None:
    published = threading.Event()

    def sync(novels: Sequence[SourceFile], _revisions: Any, _context: Any, turn: Turn) -> list[NovelResult]:
        if novels[0].slug == "novel-0":
            turn.sent()
            turn.sent()  # again, because somebody else had written it
            assert published.wait(60), "the next was not begun"
        published.set()
        return [NovelResult(novel.slug, NovelStatus.UNCHANGED) for novel in novels]

    plan = make_plan(listing_of(SourceFile(f"novel-{n}", "1", 2 * BYTES_IN_FLIGHT) for n in range(3)), [])
    executor = LocalExecutor(sync, None, workers=4)  # type: ignore[arg-type]  # nothing is remembered
    execution = executor.execute(plan, RunContext(), TimeLimit(), lambda done, total: None)
    assert (execution.error, execution.tally.finished) == (None, 3)


def test_what_was_being_written_when_another_batch_ended_the_run_is_counted() -> None:
    begun, lost = threading.Event(), threading.Event()

    def sync(novels: Sequence[SourceFile], *_: Any) -> list[NovelResult]:
        if novels[0].slug == "novel-0":
            assert begun.wait(60)
            lost.set()
            raise LeaseLost("another run has it", "wait")
        begun.set()
        assert lost.wait(60)
        return [NovelResult(novel.slug, NovelStatus.CREATED) for novel in novels]

    plan = make_plan(listing_of(SourceFile(f"novel-{n}", "1", BYTES_IN_FLIGHT // 2) for n in range(2)), [])
    executor = LocalExecutor(sync, None, workers=2)  # type: ignore[arg-type]  # nothing is remembered
    execution = executor.execute(plan, RunContext(), TimeLimit(), lambda done, total: None)
    assert isinstance(execution.error, LeaseLost)
    assert execution.tally.novels == {NovelStatus.CREATED: 1}


def test_novels_that_a_listing_takes_for_small_are_spread_over_all_threads() -> None:
    # Their texts may be files of their own, which no listing tells.
    sizes: list[int] = []

    def sync(novels: Sequence[SourceFile], *_: Any) -> list[NovelResult]:
        sizes.append(len(novels))
        return [NovelResult(novel.slug, NovelStatus.UNCHANGED) for novel in novels]

    executor = LocalExecutor(sync, None, workers=4)  # type: ignore[arg-type]  # nothing is remembered
    for novels, batches in ((10, [10]), (11, [3, 3, 3, 2]), (60, [15] * 4), (2_100, [500] * 4 + [100])):
        sizes.clear()
        plan = make_plan(listing_of(SourceFile(f"novel-{n:04}", "1", 100) for n in range(novels)), [])
        executor.execute(plan, RunContext(), TimeLimit(), lambda done, total: None)
        assert sorted(sizes) == sorted(batches)
