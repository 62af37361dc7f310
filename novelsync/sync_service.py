"""
The sync itself: list, plan, execute, report. Every entry point calls this one service.

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
from typing import Final, NamedTuple, Protocol
from uuid import uuid4

import structlog

from novelsync.contracts import Messages, Storage, SyncDatabase
from novelsync.errors import LeaseLost, NovelSyncError
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.report import Report
from novelsync.models.results import Execution, NovelResult, NovelStatus, Outcome, Tally
from novelsync.models.run import (
    DEFAULT_OPTIONS,
    MessageState,
    NovelMessage,
    Progress,
    RunContext,
    RunState,
    SyncOptions,
)
from novelsync.models.source import SourceFile, TextFile, texts_digest
from novelsync.models.stored import KnownNovel
from novelsync.planning.guards import DEFAULT_LIMITS, Limits
from novelsync.planning.listing import Listing, remarks_on
from novelsync.planning.run_plan import RunPlan, make_plan, rules_of
from novelsync.running.comparing.comparison import Comparison
from novelsync.running.comparing.rounds import DEFAULT_PACE, ComparingRounds, Pace
from novelsync.running.dry_run import DryRunDatabase
from novelsync.running.lease import LEASE_SECONDS, LeaseKeeper, TimeLimit
from novelsync.running.local_executor import LocalExecutor
from novelsync.running.novels.novel_syncer import NovelSyncer
from novelsync.running.removals import Removals, find_renames, mark_missing
from novelsync.running.report import Findings, Run, make_report

_LOGGED: Final = (
    "dry_run",
    "outcome",
    "novels_processed",
    "novels_error",
    "novels",
    "chapters",
    "bytes_read",
    "duration",
)

JOIN_SECONDS: Final = 5.0
"""Longer than a crawler that writes texts one after another takes for each."""

log = structlog.get_logger()


class Executor(Protocol):
    """Has a plan's novels synced: by threads of this process, or by other processes."""

    def execute(self, plan: RunPlan, context: RunContext, time: TimeLimit, progress: Progress) -> Execution:
        """
        Works through the plan until it is done or the time is over, and returns what became of it.

        An error that ends it early is not raised but returned, together with what was done before.
        """


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
        self._comparing = ComparingRounds(comparison, database, config.comparing, monotonic)
        self._executor = executor or LocalExecutor(self.sync_chapters, database, config.workers)

    def scan_novels_directory(self) -> Iterator[SourceFile]:
        """Every novel in storage, no file opened. Raises `StorageUnavailable`."""
        return self._storage.listing()

    def sync_chapters(
        self,
        novels: Sequence[SourceFile],
        revisions: Mapping[str, int],
        context: RunContext,
        out_of_time: Callable[[], bool] = lambda: False,
        large: Callable[[str], object] = lambda slug: None,
    ) -> list[NovelResult]:
        """Syncs the chapters of a few novels; see `NovelSyncer.sync_batch`."""
        return self._syncer.sync_batch(novels, revisions, context, out_of_time, large)

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
        if messages.message_state(run_id, message.slug) is not MessageState.OPEN:
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
            report = self._report(run, found)
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
                return self._report(run, Findings(error=error))
            started()
            report = self._run(run, state, options, progress)
            self._after_run()
            return report

    def _run(self, run: Run, state: RunState, options: SyncOptions, progress: Progress) -> Report:
        """The run that has the lease. Whatever ends it, what it found out before that is stored as its report."""
        found = Findings(resume_at=state.resume_at)
        try:
            with LeaseKeeper(self._database, run.run_id) as lease:

                def both(done: int, total: int) -> None:
                    progress(done, total)
                    lease.progress(done, total)

                for found in self._steps(run, state, options, both):  # noqa: B007 — the last one counts
                    pass
        except NovelSyncError as error:
            found = replace(found, error=error)
        except BaseException as error:
            found = replace(found, error=NovelSyncError(f"the run was broken off: {type(error).__name__}"))
            raise
        finally:
            report = self._finish(run, found, self._report(run, found))
        return report

    def _steps(self, run: Run, state: RunState, options: SyncOptions, progress: Progress) -> Iterator[Findings]:
        """Yields what is known after each step. Raises what ends the run."""
        time_limit = TimeLimit(self._config.time_budget, self._stopped, self._monotonic)
        # When a limit is raised, what it held has to be looked at again, although no file has changed.
        rules = rules_of(self._config.limits, self._config.max_file_bytes)
        with_texts = self._database.with_texts() if state.any_texts else frozenset()
        strays: dict[str, str] = {}
        listing = Listing(self._storage.listing(with_texts, strays.__setitem__), rules)
        remarks = remarks_on(listing, strays)
        found = replace(Findings(resume_at=state.resume_at).listed(listing), remarks=remarks)
        yield found
        if listing.digest == state.digest and options.is_default:
            found = found.nothing_new(listing, state)
            yield found
            yield self._compared(run, listing, state, time_limit, found)
            return

        plan = make_plan(listing, self._database.known_files(), options.read_again, rules).starting_at(state.resume_at)
        found = found.planned(plan)
        yield found
        mark_missing(self._database, run.run_id, plan)
        renames, plan = find_renames(self._database, plan)
        found = found.planned(plan)

        context = RunContext(
            run.run_id,
            options,
            renames,
            nothing_stored=not (plan.stored or plan.removed),
            any_takedowns=state.any_takedowns,
        )
        execution = self._executor.execute(plan, context, time_limit, progress)
        resume_at = state.resume_at if execution.error else execution.resume_at
        found = replace(found, execution=execution, resume_at=resume_at)
        yield found
        if execution.error:
            raise execution.error

        removals = Removals(self._storage, self._database, self._config.limits)
        removal = removals.remove(run.run_id, plan, execution, state, options)
        found = replace(found, removal=removal, remarks=[*remarks, *self._remarks_on_absent(options, plan)])
        yield found
        found = replace(found, open_problems=self._database.open_problems())
        found = replace(found, digest=listing.digest if found.settled else None)
        yield found
        if not options.reread:
            yield self._compared(run, listing, state, time_limit, found)

    def _compared(
        self, run: Run, listing: Listing, state: RunState, time_limit: TimeLimit, found: Findings
    ) -> Findings:
        """With what comparing the novels that are due has found; only a run that did all its work comes to this."""
        if self._dry_run or not self._comparing.go_on(run.run_id, listing, state, time_limit):
            return found
        return replace(found, open_problems=self._database.open_problems())

    def _remarks_on_absent(self, options: SyncOptions, plan: RunPlan) -> list[Problem]:
        """One for each slug that was to be accepted and is not in the storage."""
        acceptances = options.acceptances
        present = {novel.slug for novel in (plan.to_read if acceptances else ())}
        return [
            Problem.remark(
                slug, f"there is no {slug!r} in {self._storage.location}, so nothing was {acceptances[slug].word}"
            )
            for slug in sorted(acceptances.keys() - present)
        ]

    def _new_run(self, trigger: str) -> Run:
        grace = self._config.limits.grace
        return Run(str(uuid4()), trigger, self._database.name, datetime.now(UTC), self._dry_run, grace)

    def _report(self, run: Run, found: Findings) -> Report:
        report = make_report(run, replace(found, stopped=self._stopped.is_set()), datetime.now(UTC))
        level = {Outcome.OK: log.info, Outcome.FAILED: log.error}.get(report.outcome, log.warning)
        published = report.as_dict()
        level("run_ended", **{key: published[key] for key in _LOGGED}, reason=found.error and found.error.message)
        return report

    def _finish(self, run: Run, found: Findings, report: Report) -> Report:
        """Stores the report; returns it, or one that says that it could not be stored."""
        digest, quiet, resume_at = found.digest, found.quiet, found.resume_at
        if found.error:
            digest, quiet = None, False
        try:
            self._database.finish(run.run_id, report, digest=digest, quiet=quiet, resume_at=resume_at)
        except NovelSyncError as error:
            # The lease expires by itself; what was written stays written.
            log.warning("run_not_recorded", reason=error.message)
            if found.error is None:
                return make_report(run, replace(found, error=error), datetime.now(UTC))
        return report


def _log_lines_of(run: Run) -> AbstractContextManager[None]:
    """Inside, every log line names the run, whichever thread it comes from."""
    return structlog.contextvars.bound_contextvars(run_id=run.run_id)


def _holder() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"
