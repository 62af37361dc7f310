"""
The sync itself: list, plan, carry over, report. Every door calls this one service.

Knows storages and databases only by their contracts, and decides nothing that `plan` can decide.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import structlog

from novelsync.contracts import Database, Messages, Storage
from novelsync.errors import LeaseLost, NovelSyncError, RunInProgress, Unavailable
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.run import (
    DEFAULT_OPTIONS,
    MessageState,
    NovelMessage,
    NovelResult,
    NovelStatus,
    Outcome,
    RunState,
    SyncOptions,
)
from novelsync.models.source import SourceFile
from novelsync.planning.guards import DEFAULT_LIMITS, Limits
from novelsync.planning.run_plan import Listing, make_plan
from novelsync.running.dry_run import DryRunDatabase
from novelsync.running.lease import LEASE_SECONDS, LeaseKeeper
from novelsync.running.local_executor import LocalExecutor
from novelsync.running.novel_syncer import NovelSyncer, Progress, RunContext
from novelsync.running.pubsub_executor import PubSubExecutor
from novelsync.running.removals import Removals
from novelsync.running.report import Report

_LOGGED = (
    "dry_run",
    "outcome",
    "novels_processed",
    "novels_error",
    "novels",
    "chapters",
    "bytes_read",
    "duration",
)

log = structlog.get_logger()


class SyncService:
    """Makes a database equal to a storage."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        *,
        workers: int,
        max_file_bytes: int,
        limits: Limits = DEFAULT_LIMITS,
        time_budget: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        stopped: threading.Event | None = None,
        fan_out: PubSubExecutor | None = None,
    ) -> None:
        """
        ``fan_out``: who carries the novels of a whole run over; None: this process.

        ``time_budget``: seconds after which a run starts no more novels, and breaks large ones off; None: no limit.

        ``stopped``: what `stop` sets, for others who wait on behalf of a run.
        """
        self._storage = storage
        self._database = database
        self._limits = limits
        self._workers = workers
        self._max_file_bytes = max_file_bytes
        self._time_budget = time_budget
        self._monotonic = monotonic
        self._stopped = stopped or threading.Event()
        self._fan_out = fan_out

    def scan_novels_directory(self) -> Iterator[SourceFile]:
        """Every novel in storage, no file opened. Raises `StorageUnavailable`."""
        return self._storage.listing()

    def sync_novel_to_db(self, slug: str, options: SyncOptions = DEFAULT_OPTIONS) -> NovelResult:
        """
        Brings one novel over, outside any run and without the lease: its revision is what it is checked against.

        Raises `DatabaseUnavailable`, `StorageUnavailable`.
        """
        # What no storage can have must not be asked of a database either. The file is looked at anew after the answer.
        known = self._database.known_novels({slug: None}) if self._storage.find(slug) else {}
        novel = self._storage.find(slug)
        if novel is None:
            message = f"there is no {slug!r} in {self._storage.location}"
            problem = Problem(slug, ProblemKind.UNAVAILABLE, message, "the folder's name is the slug")
            return NovelResult(slug, NovelStatus.UNAVAILABLE, problem=problem)
        revisions = {slug: novel_.revision for slug, novel_ in known.items()}
        return self.sync_chapters([novel], revisions, RunContext(options=options))[0]

    def sync_changed_novel(self, slug: str, generation: int) -> NovelResult | None:
        """
        Brings one novel over because that generation of its object was written; outside any run, as `sync_novel_to_db`.

        None if there is nothing to do: that generation or a higher one is in already, or the object is gone again,
        which is for the next whole run to judge. Raises `DatabaseUnavailable`, `StorageUnavailable`.
        """
        known = self._database.known_novels({slug: None})
        if any(novel.version.isdecimal() and int(novel.version) >= generation for novel in known.values()):
            return None
        novel = self._storage.find(slug)
        if novel is None:
            return None
        revisions = {slug: novel_.revision for slug, novel_ in known.items()}
        return self.sync_chapters([novel], revisions, RunContext())[0]

    def answer_message(self, message: NovelMessage, messages: Messages) -> NovelResult | None:
        """
        Carries one novel over for a run of another process, and answers it.

        One novel's trouble is an answer too, as in a run by itself. None if there is nothing to do: it was answered
        already, or the run is over. Raises `DatabaseUnavailable`, and then the message has to come again.
        """
        if messages.message_state(message.run_id, message.slug) is not MessageState.OPEN:
            return None
        known = self._database.known_novels({message.slug: None})
        novel = self._storage.find(message.slug)
        if novel is None:
            result = NovelResult(message.slug, NovelStatus.IN_FLIGHT, settled=False)
        else:
            revisions = {slug: novel_.revision for slug, novel_ in known.items()}
            try:
                result = self.sync_chapters([novel], revisions, RunContext.of(message))[0]
            except LeaseLost:
                return None
        messages.answer(message.run_id, message.slug, msgspec.to_builtins(result))
        return result

    def sync_some_novels(self, slugs: Sequence[str], trigger: str, options: SyncOptions = DEFAULT_OPTIONS) -> Report:
        """Brings these novels over, each as `sync_novel_to_db` does, and reports on them alone. Removes none."""
        slugs = list(dict.fromkeys([*slugs, *sorted(options.accept)]))
        report = self._report(trigger)
        report.novels_in_storage = report.deferred = len(slugs)
        with _log_lines_of(report):
            try:
                for slug in slugs:
                    if self._stopped.is_set():
                        break
                    report.add(self.sync_novel_to_db(slug, options))
                report.stand(self._database.open_problems(slugs))
            except NovelSyncError as error:
                report.fail(error)
            return self._ended(report)

    def sync_chapters(
        self, novels: Sequence[SourceFile], known: Mapping[str, int], context: RunContext
    ) -> list[NovelResult]:
        """Brings the chapters of a few novels over; see `NovelSyncer.sync_batch`."""
        transfer = NovelSyncer(self._storage, self._database, self._max_file_bytes, self._limits)
        return transfer.sync_batch(novels, known, context)

    def dry_run(
        self,
        slugs: Sequence[str] = (),
        trigger: str = "cli",
        progress: Progress = lambda done, total: None,
        options: SyncOptions = DEFAULT_OPTIONS,
    ) -> Report:
        """The same run, of these novels or of all, without one write; the report says what would change."""
        rehearsal = DryRunDatabase(self._database)
        service = copy(self)
        service._database = rehearsal
        service._fan_out = None
        some = service.sync_some_novels(slugs, trigger, options) if slugs else None
        report = some or service.sync_all_novels(trigger, progress, options)
        report.changes = rehearsal.changes()
        return report

    def stop(self) -> None:
        """Ends the run soon and in good order, from another thread or a signal: what is not begun is deferred."""
        self._stopped.set()

    def sync_all_novels(
        self,
        trigger: str = "cli",
        progress: Progress = lambda done, total: None,
        options: SyncOptions = DEFAULT_OPTIONS,
        started: Callable[[], None] = lambda: None,
    ) -> Report:
        """
        Makes the tables equal to the storage. Always returns a report, whatever happens.

        ``started``: called once the run has its lease; not called if it fails before, or is skipped.
        """
        report = self._report(trigger)
        with _log_lines_of(report):
            return self._run(report, progress, options, started)

    def _run(self, report: Report, progress: Progress, options: SyncOptions, started: Callable[[], None]) -> Report:
        log.info("run_started", trigger=report.trigger, database=report.database, storage=self._storage.location)
        checkpoint = _Checkpoint()
        try:
            begun = self._database.begin(report.run_id, report.trigger, _holder(), LEASE_SECONDS)
        except NovelSyncError as error:
            report.skip(error) if isinstance(error, RunInProgress) else report.fail(error)
            return self._ended(report)
        started()
        try:
            with LeaseKeeper(self._database, report.run_id):
                self._sync(report, begun, options, checkpoint, progress)
        except NovelSyncError as error:
            report.fail(error)
        except BaseException as error:
            report.fail(NovelSyncError(f"the run was broken off: {type(error).__name__}"))
            raise
        finally:
            self._ended(report)
            self._finish(report, checkpoint)
        return report

    def _report(self, trigger: str) -> Report:
        rehearsing = isinstance(self._database, DryRunDatabase)
        return Report(trigger, self._database.name, datetime.now(UTC), dry_run=rehearsing)

    def _sync(
        self, report: Report, begun: RunState, options: SyncOptions, checkpoint: "_Checkpoint", progress: Progress
    ) -> None:
        """The run inside its lease."""
        deadline = None if self._time_budget is None else self._monotonic() + self._time_budget
        checkpoint.resume_at = begun.resume_at
        # Where a limit is raised, what it held back has to be looked at again.
        depends_on = self._max_file_bytes, self._limits.removals, self._limits.grace
        listing = Listing(self.scan_novels_directory(), *depends_on)
        report.novels_in_storage = len(listing)
        if listing.digest == begun.digest and options.is_default:
            report.missing = begun.missing
            report.refused_before = begun.open_problems.counts.get(ProblemKind.REFUSED, 0)
            report.stand(begun.open_problems)
            checkpoint.digest, checkpoint.quiet = listing.digest, True
            return

        report.deferred = len(listing)  # until it is known how many have to be read at all
        plan = make_plan(listing, self._database.known_files(), options.again).starting_at(begun.resume_at)
        report.deferred = len(plan.to_read)
        report.missing, report.refused_before = len(plan.missing), plan.refused
        departures = Removals(self._storage, self._database, self._limits, report)
        departures.mark(plan)
        renamed = departures.renamed(plan)

        def out_of_time() -> bool:
            return self._stopped.is_set() or (deadline is not None and self._monotonic() >= deadline)

        context = RunContext(report.run_id, options, renamed, bool(plan.missing or plan.removed), out_of_time)

        def remember(slug: str) -> None:
            with suppress(Unavailable):  # no reason to end the run
                self._database.renew(report.run_id, LEASE_SECONDS, resume_at=slug)

        carrier = self._fan_out or LocalExecutor(self.sync_chapters, self._workers, remember, self._stopped)
        checkpoint.resume_at = carrier.execute(plan, context, report, progress)
        departures.remove(plan, begun, options.accept_removals)
        looked_at = {novel.slug for novel in (plan.to_read if options.accept else ())}
        for slug in sorted(options.accept - looked_at):
            report.warn(slug, f"there is no {slug!r} in {self._storage.location}, so nothing was accepted")
        report.stand(self._database.open_problems())
        if report.settled and not report.deferred:
            checkpoint.digest = listing.digest

    def _ended(self, report: Report) -> Report:
        report.end(datetime.now(UTC))
        level = {Outcome.OK: log.info, Outcome.FAILED: log.error}.get(report.outcome, log.warning)
        published = report.as_dict()
        level("run_ended", **{key: published[key] for key in _LOGGED}, reason=report.error and report.error.message)
        return report

    def _finish(self, report: Report, checkpoint: "_Checkpoint") -> None:
        try:
            self._database.finish(
                report.run_id,
                report.outcome,
                report.as_dict(),
                digest=checkpoint.digest,
                quiet=checkpoint.quiet,
                resume_at=checkpoint.resume_at,
            )
        except NovelSyncError as error:
            # The lease lapses by itself; what was written stays written.
            log.warning("run_not_recorded", reason=error.message)
            if report.error is None:
                report.fail(error)


@dataclass(slots=True)
class _Checkpoint:
    """What a run leaves for the next one; see `novelsync.contracts.Database.finish`."""

    digest: str | None = None
    quiet: bool = False
    resume_at: str | None = None


def _log_lines_of(report: Report) -> AbstractContextManager[None]:
    """Every line that is logged inside says which run it belongs to, from whichever thread it comes."""
    return structlog.contextvars.bound_contextvars(run_id=report.run_id)


def _holder() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"
