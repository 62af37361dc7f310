"""
The sync itself, of one novel or of all. Every entry point calls this one service.

Knows storages and databases only by their contracts, and leaves to `planning` what can be decided without them.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import uuid4

import structlog

from novelsync.contracts.cloud import Messages
from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import SyncDatabase
from novelsync.errors import LeaseLost, NovelSyncError
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.report import Report
from novelsync.models.results import Execution, NovelResult, NovelStatus, Tally
from novelsync.models.run import (
    DEFAULT_OPTIONS,
    DEFAULT_TURN,
    MessageState,
    NovelMessage,
    Progress,
    RunContext,
    SyncOptions,
    Turn,
)
from novelsync.models.source import SourceFile, TextFile, texts_digest
from novelsync.models.stored import KnownNovel
from novelsync.planning.guards.limits import DEFAULT_LIMITS, Limits
from novelsync.running.comparing.comparison import Comparison
from novelsync.running.comparing.rounds import DEFAULT_PACE, ComparingRounds, Pace
from novelsync.running.dry_run import DryRunDatabase
from novelsync.running.lease import LEASE_SECONDS
from novelsync.running.local_executor import LocalExecutor
from novelsync.running.novels.novel_syncer import NovelSyncer
from novelsync.running.report import Findings, Run
from novelsync.running.whole_run import Executor, RunLimits, WholeRun, reported

JOIN_SECONDS: Final = 5.0
"""Longer than a crawler that writes texts one after another takes for each."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """The numbers a service works with."""

    workers: int
    """Threads that read and write novels."""
    max_file_bytes: int
    """A larger file is refused."""
    limits: Limits = DEFAULT_LIMITS
    time_budget: float | None = None
    """Seconds after which a run starts no more novels and breaks off large ones; None: no limit."""
    join_seconds: float = JOIN_SECONDS
    """How long an event about one of many objects waits for the next."""
    comparing: Pace = DEFAULT_PACE
    """How fast whole runs compare every novel with its file although nothing has changed."""


class _Folder(NamedTuple):
    """What is in a novel's folder now."""

    novel: SourceFile | None
    texts: Sequence[TextFile]

    @property
    def state(self) -> str | None:
        return self.novel and self.novel._replace(texts=texts_digest(self.texts)).state

    def was_written_after(self, generation: int) -> bool:
        """Cloud Storage numbers generations by the time. If it did not, the next whole run would find what is left."""
        versions = [file.version for file in (self.novel, *self.texts) if file]
        return any(version.isdecimal() and int(version) > generation for version in versions)


class SyncService:
    """Makes a database equal to a storage."""

    def __init__(
        self,
        storage: Storage,
        database: SyncDatabase,
        config: SyncConfig,
        *,
        executor: Executor | None = None,
        stopped: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        after_run: Callable[[], object] = lambda: None,
        dry_run: bool = False,
    ) -> None:
        """
        ``executor``: None for threads of this process. ``stopped``: the event that `stop` sets; others may wait for it.

        ``after_run``: called once the report of a whole run is stored, or some novels are synced outside of runs.
        ``dry_run``: the database writes nothing, and reports say so.
        """
        self._storage = storage
        self._database = database
        self._config = config
        self._stopped = stopped or threading.Event()
        self._monotonic = monotonic
        self._after_run = after_run
        self._dry_run = dry_run
        self._syncer = NovelSyncer(storage, database, config.max_file_bytes, config.limits)
        comparison = Comparison(storage, database, config.max_file_bytes, config.limits)
        self._whole_run = WholeRun(
            storage,
            database,
            executor or LocalExecutor(self.sync_chapters, database, config.workers),
            None if dry_run else ComparingRounds(comparison, database, config.comparing, monotonic),
            RunLimits(config.limits, config.max_file_bytes, config.time_budget),
            self._stopped,
            monotonic,
        )

    def scan_novels_directory(self) -> Iterator[SourceFile]:
        """Every novel in storage, no file opened. Raises `StorageUnavailable`."""
        return self._storage.listing()

    def sync_chapters(
        self,
        novels: Sequence[SourceFile],
        revisions: Mapping[str, int],
        context: RunContext,
        turn: Turn = DEFAULT_TURN,
    ) -> list[NovelResult]:
        """Syncs the chapters of a few novels; see `NovelSyncer.sync_batch`."""
        return self._syncer.sync_batch(novels, revisions, context, turn)

    # One novel, by its slug. Without a run there is no lease; the novel's revision keeps writers apart ----

    def sync_novel_to_db(self, slug: str, options: SyncOptions = DEFAULT_OPTIONS) -> NovelResult:
        """Syncs one novel. Raises `DatabaseUnavailable`, `StorageUnavailable`."""
        # Not every text can be a slug: the storage says which, before the database is asked.
        known = self._known(slug) if self._storage.find(slug) else None
        result = self._sync_one(slug, known, RunContext(options=options))
        if result is None:
            message = f"there is no {slug!r} in {self._storage.location}"
            problem = Problem(slug, ProblemKind.UNAVAILABLE, message, "the folder's name is the slug")
            return NovelResult(slug, NovelStatus.UNAVAILABLE, problem=problem)
        return result

    def sync_changed_novel(self, slug: str, generation: int, *, is_book: bool = True) -> NovelResult | None:
        """
        Syncs one novel because that generation of an object in its folder was written.

        ``is_book``: it is the novel's ``book_info.json``; else it may be one of its texts.
        None if there is nothing to do: that generation or a later one is stored already, or the object is gone again,
        which is left to the next whole run; or an object of the folder was written later, and has an event of its own.
        Raises `DatabaseUnavailable`, `StorageUnavailable`.
        """
        known = self._known(slug)
        if known and known.has_texts:
            # A crawler that writes hundreds of files causes as many events. The last one syncs them all.
            if self._present(slug).was_written_after(generation):
                return None
            self._stopped.wait(self._config.join_seconds)
            known, now = self._known(slug), self._present(slug)
            if now.was_written_after(generation) or (known and known.state == now.state):
                return None
        elif not is_book or (known and known.state.isdecimal() and int(known.state) >= generation):
            return None
        return self._sync_one(slug, known, RunContext())

    def _present(self, slug: str) -> _Folder:
        return _Folder(self._storage.find(slug), self._storage.texts(slug))

    def answer_message(self, message: NovelMessage, messages: Messages) -> NovelResult | None:
        """
        Syncs one novel for a run of another process, and stores the result as its answer.

        Trouble with its file is an answer too. None if there is nothing to do: it was answered already, or the run is
        over. Raises `DatabaseUnavailable`, `StorageUnavailable`, and then the message has to be delivered again.
        """
        run_id = message.context.run_id or ""
        if messages.state(run_id, message.slug) is not MessageState.OPEN:
            return None
        try:
            result = self._sync_one(message.slug, self._known(message.slug), message.context)
        except LeaseLost:
            return None
        if result is None:
            result = NovelResult(message.slug, NovelStatus.IN_FLIGHT, settled=False)
        messages.answer(run_id, result)
        return result

    def _known(self, slug: str) -> KnownNovel | None:
        return self._database.known_novels({slug: None}).get(slug)

    def _sync_one(self, slug: str, known: KnownNovel | None, context: RunContext) -> NovelResult | None:
        """None if there is no such novel. ``known``: asked before the file, for the reason in `sync_batch`."""
        novel = self._storage.find(slug)
        if novel is None:
            return None
        return self.sync_chapters([novel], {slug: known.revision} if known else {}, context)[0]

    # Runs ------------------------------------------------------------------------------

    def sync_some_novels(self, slugs: Sequence[str], trigger: str, options: SyncOptions = DEFAULT_OPTIONS) -> Report:
        """Syncs these novels, each as `sync_novel_to_db` does, and reports on them alone. Removes none."""
        slugs = list(dict.fromkeys([*slugs, *sorted(options.acceptances)]))
        run = self._new_run(trigger)
        found = Findings(novels_in_storage=len(slugs), to_read=len(slugs))
        with _log_lines_of(run):
            try:
                for slug in slugs:
                    if self._stopped.is_set():
                        break
                    tally = found.execution.tally + Tally.of([self.sync_novel_to_db(slug, options)])
                    found = replace(found, execution=Execution(tally))
                found = replace(found, open_problems=self._database.open_problems(slugs))
            except NovelSyncError as error:
                found = replace(found, error=error)
            report = reported(run, found, stopped=self._stopped.is_set())
            self._after_run()
            return report

    def dry_run(
        self,
        slugs: Sequence[str] = (),
        trigger: str = "cli",
        progress: Progress = lambda done, total: None,
        options: SyncOptions = DEFAULT_OPTIONS,
    ) -> Report:
        """Runs the same code, for these novels or for all, but writes nothing; the report says what would change."""
        database = DryRunDatabase(self._database)
        service = SyncService(
            self._storage,
            database,
            self._config,
            stopped=self._stopped,
            monotonic=self._monotonic,
            dry_run=True,
        )
        report = (
            service.sync_some_novels(slugs, trigger, options)
            if slugs
            else service.sync_all_novels(trigger, progress, options)
        )
        return replace(report, changes=database.changes())

    def stop(self) -> None:
        """Ends the run soon and in good order; what is not begun is deferred. For other threads and for signals."""
        self._stopped.set()

    def sync_all_novels(
        self,
        trigger: str = "cli",
        progress: Progress = lambda done, total: None,
        options: SyncOptions = DEFAULT_OPTIONS,
        started: Callable[[], None] = lambda: None,
    ) -> Report:
        """
        Makes the tables equal to the storage.

        A `NovelSyncError` is not raised but reported. ``started``: called once the run has its lease; not called if it
        fails before that, or is skipped.
        """
        run = self._new_run(trigger)
        with _log_lines_of(run):
            log.info("run_started", trigger=run.trigger, database=run.database, storage=self._storage.location)
            try:
                state = self._database.begin(run.run_id, trigger, _holder(), LEASE_SECONDS)
            except NovelSyncError as error:
                return reported(run, Findings(error=error), stopped=self._stopped.is_set())
            started()
            run = replace(run, recorded=not self._dry_run)
            report = self._whole_run.carry_out(run, state, options, progress)
            self._after_run()
            return report

    def _new_run(self, trigger: str) -> Run:
        grace = self._config.limits.grace
        return Run(str(uuid4()), trigger, self._database.name, datetime.now(UTC), self._dry_run, grace)


def _log_lines_of(run: Run) -> AbstractContextManager[None]:
    """Inside, every log line names the run, whichever thread it comes from."""
    return structlog.contextvars.bound_contextvars(run_id=run.run_id)


def _holder() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"
