"""
The sync itself: list, plan, carry over, report. Every door calls this one service.

Knows storages and databases only by their contracts, and decides nothing that `plan` can decide.
"""

import contextvars
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from novelsync.contracts import Begun, Database, Storage
from novelsync.departures import Departures
from novelsync.errors import NovelSyncError, RunInProgress, StorageUnavailable
from novelsync.guards import USUAL_LIMITS, Limits
from novelsync.lease import LEASE_SECONDS, LeaseKeeper
from novelsync.models import USUAL, Options, Problem, ProblemKind, StoredNovel
from novelsync.plan import Listing, Plan, make_plan
from novelsync.rehearsal import Rehearsal
from novelsync.report import NovelResult, NovelStatus, Outcome, Report
from novelsync.transfer import Errand, Transfer, batches

BYTES_IN_FLIGHT = 16_000_000
"""Of files being worked on at one time; a larger file is worked on alone."""

TROUBLE_IN_A_ROW = 5
"""So many novels one after the other with passing trouble are no longer one novel's trouble."""

Progress = Callable[[int, int], None]
"""Called with the novels dealt with and the novels to deal with."""

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
        limits: Limits = USUAL_LIMITS,
        time_budget: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        stopped: threading.Event | None = None,
    ) -> None:
        """
        ``time_budget``: seconds after which a run starts no more novels; None: no limit.

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

    def scan_novels_directory(self) -> Iterator[StoredNovel]:
        """Every novel in storage, no file opened. Raises `StorageUnavailable`."""
        return self._storage.listing()

    def sync_novel_to_db(self, slug: str, options: Options = USUAL) -> NovelResult:
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
        return self.sync_chapters([novel], revisions, Errand(options=options))[0]

    def sync_some_novels(self, slugs: Sequence[str], trigger: str, options: Options = USUAL) -> Report:
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
                    report.deferred -= 1
                report.stand(self._database.standing(slugs))
            except NovelSyncError as error:
                report.fail(error)
            return self._ended(report)

    def sync_chapters(
        self, novels: Sequence[StoredNovel], known: Mapping[str, int], errand: Errand
    ) -> list[NovelResult]:
        """Brings the chapters of a few novels over; see `Transfer.carry`."""
        transfer = Transfer(self._storage, self._database, self._max_file_bytes, self._limits)
        return transfer.carry(novels, known, errand)

    def rehearse(
        self,
        slugs: Sequence[str] = (),
        trigger: str = "cli",
        progress: Progress = lambda done, total: None,
        options: Options = USUAL,
    ) -> Report:
        """The same run, of these novels or of all, without one write; the report says what would change."""
        rehearsal = Rehearsal(self._database)
        service = copy(self)
        service._database = rehearsal
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
        options: Options = USUAL,
        started: Callable[[], None] = lambda: None,
    ) -> Report:
        """
        Makes the tables equal to the storage. Always returns a report, whatever happens.

        ``started``: called once the run has its lease; not called if it fails before, or is skipped.
        """
        report = self._report(trigger)
        with _log_lines_of(report):
            return self._run(report, progress, options, started)

    def _run(self, report: Report, progress: Progress, options: Options, started: Callable[[], None]) -> Report:
        log.info("run_started", trigger=report.trigger, database=report.database, storage=self._storage.location)
        ending = _Ending()
        try:
            begun = self._database.begin(report.run_id, report.trigger, _holder(), LEASE_SECONDS)
        except NovelSyncError as error:
            report.skip(error) if isinstance(error, RunInProgress) else report.fail(error)
            return self._ended(report)
        started()
        try:
            with LeaseKeeper(self._database, report.run_id):
                self._sync(report, begun, options, ending, progress)
        except NovelSyncError as error:
            report.fail(error)
        except BaseException as error:
            report.fail(NovelSyncError(f"the run was broken off: {type(error).__name__}"))
            raise
        finally:
            self._ended(report)
            self._finish(report, ending)
        return report

    def _report(self, trigger: str) -> Report:
        rehearsing = isinstance(self._database, Rehearsal)
        return Report(trigger, self._database.name, datetime.now(UTC), dry_run=rehearsing)

    def _sync(self, report: Report, begun: Begun, options: Options, ending: "_Ending", progress: Progress) -> None:
        """The run inside its lease."""
        deadline = None if self._time_budget is None else self._monotonic() + self._time_budget
        ending.resume_at = begun.resume_at
        # Where a limit is raised, what it held back has to be looked at again.
        depends_on = self._max_file_bytes, self._limits.removals, self._limits.grace
        listing = Listing(self.scan_novels_directory(), *depends_on)
        report.novels_in_storage = len(listing)
        if listing.digest == begun.digest and options.usual:
            report.missing = begun.missing
            report.refused_before = begun.standing.counts.get(ProblemKind.REFUSED, 0)
            report.stand(begun.standing)
            ending.digest, ending.quiet = listing.digest, True
            return

        report.deferred = len(listing)  # until it is known how many have to be read at all
        plan = make_plan(listing, self._database.known_files(), options.again).starting_at(begun.resume_at)
        report.deferred = len(plan.to_read)
        report.missing, report.refused_before = len(plan.missing), plan.refused
        departures = Departures(self._storage, self._database, self._limits, report)
        departures.mark(plan)
        renamed = departures.renamed(plan)
        errand = Errand(report.run_id, options, renamed, missing=bool(plan.missing or plan.removed))
        ending.resume_at = self._carry_over(plan, errand, report, deadline, progress)
        departures.remove(plan, begun, options.accept_removals)
        looked_at = {novel.slug for novel in (plan.to_read if options.accept else ())}
        for slug in sorted(options.accept - looked_at):
            report.warn(slug, f"there is no {slug!r} in {self._storage.location}, so nothing was accepted")
        report.stand(self._database.standing())
        if report.settled and not report.deferred:
            ending.digest = listing.digest

    def _carry_over(
        self, plan: Plan, errand: Errand, report: Report, deadline: float | None, progress: Progress
    ) -> str | None:
        """Works through the plan in a few threads; the slug at which time ran out, None if it did not."""
        resume_at = None
        report.deferred = len(plan.to_read)
        tally = _Tally(report, len(plan.to_read), progress)
        working: dict[Future[list[NovelResult]], int] = {}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="novel") as pool:
            for batch in batches(plan.to_read):
                size = sum(novel.size for novel in batch)
                while working and (len(working) == self._workers or sum(working.values()) + size > BYTES_IN_FLIGHT):
                    tally.collect(working)
                if self._stopped.is_set() or (deadline is not None and self._monotonic() >= deadline):
                    resume_at = batch[0].slug
                    break
                # With the caller's context, so that a thread's log lines belong to the request too.
                carry = contextvars.copy_context().run
                try:
                    working[pool.submit(carry, self.sync_chapters, batch, plan.known, errand)] = size
                except RuntimeError as error:
                    if "shutdown" not in str(error):
                        raise
                    # The process is ending without having called `stop`.
                    resume_at = batch[0].slug
                    break
            while working:
                tally.collect(working)
        return resume_at

    def _ended(self, report: Report) -> Report:
        report.end(datetime.now(UTC))
        level = {Outcome.OK: log.info, Outcome.FAILED: log.error}.get(report.outcome, log.warning)
        published = report.as_dict()
        level("run_ended", **{key: published[key] for key in _LOGGED}, reason=report.error and report.error.message)
        return report

    def _finish(self, report: Report, ending: "_Ending") -> None:
        try:
            self._database.finish(
                report.run_id,
                report.outcome,
                report.as_dict(),
                digest=ending.digest,
                quiet=ending.quiet,
                resume_at=ending.resume_at,
            )
        except NovelSyncError as error:
            # The lease lapses by itself; what was written stays written.
            log.warning("run_not_recorded", reason=error.message)
            if report.error is None:
                report.fail(error)


@dataclass(slots=True)
class _Ending:
    """What a run leaves for the next one; see `novelsync.contracts.Database.finish`."""

    digest: str | None = None
    quiet: bool = False
    resume_at: str | None = None


class _Tally:
    """Counts results into the report as they come in, and notices when trouble is no longer one novel's."""

    def __init__(self, report: Report, total: int, progress: Progress) -> None:
        self._report = report
        self._total = total
        self._progress = progress
        self._trouble = 0
        self._worst: StorageUnavailable | None = None

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
        self._report.deferred -= 1
        self._progress(self._total - self._report.deferred, self._total)
        self._trouble = self._trouble + 1 if result.status is NovelStatus.UNAVAILABLE else 0
        if self._trouble == TROUBLE_IN_A_ROW and result.problem:
            self._worst = StorageUnavailable(
                f"{TROUBLE_IN_A_ROW} novels in a row could not be synced, the last, {result.slug}, because:"
                f" {result.problem.message}",
                result.problem.hint,
            )


def _log_lines_of(report: Report) -> AbstractContextManager[None]:
    """Every line that is logged inside says which run it belongs to, from whichever thread it comes."""
    return structlog.contextvars.bound_contextvars(run_id=report.run_id)


def _holder() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"
