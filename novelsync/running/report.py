"""Makes the REPORT of what a run found out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from novelsync.errors import NovelSyncError, RunInProgress
from novelsync.models.problems import SHOWN_PROBLEMS, OpenProblems, Problem, ProblemKind, most_urgent
from novelsync.models.report import MissingNovel, NovelCounts, Report, ReportedChapters, ReportedProblem, whole_seconds
from novelsync.models.results import CHANGED, Execution, NovelStatus, Outcome, Removal
from novelsync.models.run import RunState
from novelsync.planning.guards.limits import DEFAULT_LIMITS
from novelsync.planning.listing import Listing
from novelsync.planning.run_plan import RunPlan, missing_longest


@dataclass(frozen=True, slots=True)
class Run:
    """What identifies a run, known when it starts."""

    run_id: str
    trigger: str
    database: str
    start_time: datetime
    dry_run: bool = False
    grace: float = DEFAULT_LIMITS.grace
    """Seconds that a novel has to be missing before it is removed."""
    recorded: bool = False
    """It has begun in the database, which keeps a record of it. Its log lines have its id anyway."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run has found out so far. It can be reported at any moment, because a run may end at any moment."""

    novels_in_storage: int = 0
    to_read: int = 0
    """Novels to be read; before that is planned, all that are listed."""
    refused_before: int = 0
    """Novels refused by an earlier run, and not read again because their files have not changed."""
    execution: Execution = field(default_factory=Execution)
    removal: Removal = field(default_factory=Removal)
    remarks: Sequence[Problem] = ()
    open_problems: OpenProblems = field(default_factory=OpenProblems)
    error: NovelSyncError | None = None
    """What ended the run early."""
    resume_at: str | None = None
    """The slug where the next run begins; None: at the listing's start."""
    digest: str | None = None
    """The listing's, if nothing in it has to be looked at again; else None."""
    quiet: bool = False
    """The listing is the last run's, so nothing was read."""
    stopped: bool = False
    """The run was told to stop."""

    @property
    def deferred(self) -> int:
        return self.to_read - self.execution.tally.finished

    @property
    def settled(self) -> bool:
        """Whether nothing has to be looked at again as long as no file changes."""
        return self.execution.tally.settled and self.removal.settled and not self.deferred and not self.error

    def listed(self, listing: Listing) -> "Findings":
        """After listing: every novel may have to be read."""
        return replace(self, novels_in_storage=len(listing), to_read=len(listing))

    def nothing_new(self, listing: Listing, state: RunState) -> "Findings":
        """After a listing that is the last run's: what that run found is still true."""
        return replace(
            self.listed(listing),
            to_read=0,
            refused_before=state.open_problems.counts.get(ProblemKind.REFUSED, 0),
            removal=Removal(0, state.missing, state.missing_longest, held=state.held_removals is not None),
            open_problems=state.open_problems,
            resume_at=None,
            digest=listing.digest,
            quiet=True,
        )

    def planned(self, plan: RunPlan) -> "Findings":
        """After planning: it is known what has to be read."""
        missing = Removal(missing=len(plan.missing), longest=missing_longest(plan.missing))
        return replace(self, to_read=len(plan.to_read), refused_before=plan.refused, removal=missing)


def make_report(run: Run, found: Findings, end_time: datetime) -> Report:
    """A novel in flight is neither success nor error: its file is being written."""
    tally = found.execution.tally
    refused = found.refused_before + tally.novels.get(NovelStatus.REFUSED, 0)
    errors = refused + tally.novels.get(NovelStatus.UNAVAILABLE, 0)
    in_flight = tally.novels.get(NovelStatus.IN_FLIGHT, 0)
    succeeded = found.novels_in_storage - errors - found.deferred - in_flight
    outcome = _outcome(found, errors)
    failure = _failure(found.error)
    own = [*tally.problems, *found.execution.remarks, *found.removal.remarks, *found.remarks]
    # Why it failed always comes first.
    problems = [*failure, *most_urgent([*own, *found.open_problems.problems], SHOWN_PROBLEMS - len(failure))]
    return Report(
        run_id=run.run_id if run.recorded else None,
        trigger=run.trigger,
        database=run.database,
        dry_run=run.dry_run,
        outcome=outcome,
        success=outcome is Outcome.OK,
        novels_processed=found.novels_in_storage,
        novels_success=succeeded,
        novels_error=errors,
        chapters_processed=tally.chapters.get("processed", 0),
        novels=_novel_counts(found, tally.novels, refused, succeeded),
        chapters=ReportedChapters(
            **{name: count for name, count in tally.chapters.items() if name != "processed"},
            taken_down=found.open_problems.taken_down[1],
        ),
        problems=[ReportedProblem.of(problem) for problem in problems],
        problems_total=len(failure) + len(own) + found.open_problems.total,
        bytes_read=tally.bytes_read,
        duration=round((end_time - run.start_time).total_seconds(), 2),
        start_time=whole_seconds(run.start_time),
        end_time=whole_seconds(end_time),
        interrupted=found.stopped and found.deferred > 0,
        missing=[
            MissingNovel.of(file, run.start_time, run.grace, held=found.removal.held) for file in found.removal.longest
        ],
        error=found.error,
        nothing_held=tally.nothing_held or found.removal.nothing_held,
    )


def _outcome(found: Findings, errors: int) -> Outcome:
    if isinstance(found.error, RunInProgress):
        return Outcome.SKIPPED
    if found.error:
        return Outcome.FAILED
    return Outcome.PARTIAL if errors or found.deferred or found.open_problems.held else Outcome.OK


def _novel_counts(found: Findings, novels: Mapping[NovelStatus, int], refused: int, succeeded: int) -> NovelCounts:
    changed = {status.value: novels.get(status, 0) for status in CHANGED}
    return NovelCounts(
        **changed,
        removed=found.removal.removed,
        unchanged=succeeded - sum(changed.values()),
        refused=refused,
        held=found.open_problems.held,
        deferred=found.deferred,
        in_flight=novels.get(NovelStatus.IN_FLIGHT, 0),
        missing=found.removal.missing,
        without_text=found.open_problems.blank,
        unavailable=novels.get(NovelStatus.UNAVAILABLE, 0),
        taken_down=found.open_problems.taken_down[0],
        differing=found.open_problems.counts.get(ProblemKind.DIFFERS, 0),
    )


def _failure(error: NovelSyncError | None) -> list[Problem]:
    return [Problem("", ProblemKind.UNAVAILABLE, error.message, error.hint)] if error else []
