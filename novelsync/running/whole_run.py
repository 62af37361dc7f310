"""A whole run, step by step: list, plan, execute, remove, compare, report."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import SyncDatabase
from novelsync.errors import NovelSyncError
from novelsync.models.problems import Problem
from novelsync.models.report import Report
from novelsync.models.results import Execution, Outcome
from novelsync.models.run import Progress, RunContext, RunState, SyncOptions
from novelsync.planning.guards.limits import Limits
from novelsync.planning.listing import Listing, remarks_on
from novelsync.planning.run_plan import RunPlan, make_plan, rules_of
from novelsync.running.comparing.rounds import ComparingRounds
from novelsync.running.lease import LeaseKeeper, TimeLimit
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

log = structlog.get_logger()


class Executor(Protocol):
    """Has a plan's novels synced: by threads of this process, or by other processes."""

    def execute(self, plan: RunPlan, context: RunContext, time: TimeLimit, progress: Progress) -> Execution:
        """
        Works through the plan until it is done or the time is over, and returns what became of it.

        An error that ends it early is not raised but returned, together with what was done before.
        """


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a run keeps to."""

    guards: Limits
    max_file_bytes: int
    """A larger file is refused."""
    time_budget: float | None
    """Seconds; None: no limit."""

    @property
    def rules(self) -> str:
        """The id of the rules that files are judged by: when a limit is raised, what it held is looked at again."""
        return rules_of(self.guards, self.max_file_bytes)


class WholeRun:
    """What a run does that has the lease."""

    def __init__(
        self,
        storage: Storage,
        database: SyncDatabase,
        executor: Executor,
        comparing: ComparingRounds | None,
        limits: RunLimits,
        stopped: threading.Event,
        monotonic: Callable[[], float],
    ) -> None:
        """``comparing``: None for a run that compares no novel that has not changed."""
        self._storage = storage
        self._database = database
        self._executor = executor
        self._comparing = comparing
        self._limits = limits
        self._stopped = stopped
        self._monotonic = monotonic

    def carry_out(self, run: Run, state: RunState, options: SyncOptions, progress: Progress) -> Report:
        """Whatever ends it, what it found out before that is stored as its report. Raises no `NovelSyncError`."""
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
            report = self._finish(run, found, reported(run, found, stopped=self._stopped.is_set()))
        return report

    def _steps(self, run: Run, state: RunState, options: SyncOptions, progress: Progress) -> Iterator[Findings]:
        """Yields what is known after each step. Raises what ends the run."""
        time_limit = TimeLimit(self._limits.time_budget, self._stopped, self._monotonic)
        rules = self._limits.rules
        with_texts = self._database.with_texts() if state.any_texts else frozenset()
        strays: dict[str, str] = {}
        listing = Listing(self._storage.lines(with_texts, strays.__setitem__), rules)
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

        removals = Removals(self._storage, self._database, self._limits.guards)
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
        if not self._comparing or not self._comparing.go_on(run.run_id, listing, state, time_limit):
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


def reported(run: Run, found: Findings, *, stopped: bool) -> Report:
    """The report of what was found out, which is logged too. ``stopped``: somebody asked for the run's end."""
    report = make_report(run, replace(found, stopped=stopped), datetime.now(UTC))
    level = {Outcome.OK: log.info, Outcome.FAILED: log.error}.get(report.outcome, log.warning)
    published = report.as_dict()
    level("run_ended", **{key: published[key] for key in _LOGGED}, reason=found.error and found.error.message)
    return report
