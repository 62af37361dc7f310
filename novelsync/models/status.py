"""What the database says about itself, and the published status that is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from novelsync.errors import NovelSyncError
from novelsync.models.desk.runs import RunSummary
from novelsync.models.desk.schedule import SchedulerStatus
from novelsync.models.problems import OpenProblems
from novelsync.models.report import MissingNovel, Report, ReportedProblem
from novelsync.models.results import Outcome
from novelsync.models.stored import MissingFile

# From the database -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended by itself, or was killed and later found to be over."""

    outcome: Outcome
    finished_at: datetime
    report: Report | None
    """None if the run was killed before it could report."""


class Comparing(msgspec.Struct, frozen=True):
    """How far runs are with comparing every novel with its file, a few at a time."""

    whole_since: datetime | None
    """Every novel has been compared since then; None: not all of them yet."""
    round_began: datetime
    novels: int
    """How many novels the round has come to."""


class Metrics(msgspec.Struct, frozen=True):
    """About the runs that finished in the last 24 hours. Rates are from 0 to 1; None if there is nothing to average."""

    runs: int
    sync_success_rate: float | None
    """Runs that ended ``ok``, divided by all finished runs."""
    average_duration: float | None
    """Seconds."""
    novels_processed: int
    chapters_processed: int
    error_rate: float | None
    """Novels with an error, divided by novels processed."""


class RunInFlight(msgspec.Struct, frozen=True):
    """The run that holds the lease."""

    holder: str
    since: datetime
    open_messages: int = 0
    """Novels that it gave to other processes and that are not synced yet."""
    run_id: str = ""
    done: int | None = None
    """Novels that it has come to; None: it has not said yet. It says so every few seconds."""
    total: int | None = None
    """Novels that it has to come to."""


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What the database says about itself."""

    novels: int
    removed_novels: int
    chapters: int
    bytes: int
    """Size of the whole database."""
    running: RunInFlight | None
    last_runs: Sequence[FinishedRun]
    """The last two, the newest first."""
    metrics: Metrics
    open_problems: OpenProblems
    runs: Sequence[RunSummary] = ()
    """The runs of the last 24 hours, the newest first; at most 200."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Slug to title, for the stored novels among those that have open problems."""
    killed_at: datetime | None = None
    """When a run began that has neither ended nor the lease any more; None if there is none."""
    at: datetime | None = None
    """By the database's clock: nothing that came later is part of this."""
    comparing: Comparing | None = None
    """None: no run has begun yet."""

    @property
    def last_report(self) -> Report | None:
        """The newest report among `last_runs`; None if there is none."""
        return next((run.report for run in self.last_runs if run.report), None)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the database server is, for a check of the set-up."""

    schema: str
    """The version of the newest migration that was applied."""
    server: str
    """The version of Postgres."""
    role: str
    """The role with whose rights our calls are made."""
    bytes: int
    now: datetime


# Published ---------------------------------------------------------------------------


class Verdict(StrEnum):
    """Whether all is well: the first of these that applies."""

    NEVER_RUN = "never_run"
    FAILING = "failing"
    """The last two runs failed."""
    STOPPED = "stopped"
    """The scheduler is stopped, and the last run is old."""
    STALE = "stale"
    """No run has finished for too long."""
    ATTENTION = "attention"
    """A person should look at something: see `Cause`."""
    OK = "ok"


class Cause(StrEnum):
    """What the first reason for a verdict is about, where a headline should say it."""

    STORAGE = "storage"
    """It cannot be read just now."""
    FAILED = "failed"
    """The last run failed."""
    INTERRUPTED = "interrupted"
    """The last run was broken off before it came to its end."""
    EMPTY = "empty"
    """The storage is there, and has no novel."""
    OTHER = "other"


class Pending(msgspec.Struct, frozen=True):
    """How many novels of the storage differ from what was synced last."""

    new: int
    changed: int
    missing: int


class StatusProblem(msgspec.Struct, frozen=True):
    """A `ReportedProblem` with the novel's title, which is None if the novel is not stored."""

    slug: str | None
    kind: str
    message: str
    hint: str
    title: str | None
    alike: int = 1

    @classmethod
    def of(cls, problem: ReportedProblem, title: str | None) -> "StatusProblem":
        return cls(problem.slug, problem.kind, problem.message, problem.hint, title, problem.alike)


class StorageLook(NamedTuple):
    """When the storage was listed, and what it had."""

    at: datetime
    novels: int
    pending: Pending
    missing: Sequence[MissingFile]
    """Those that are missing for longest come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The status, as it is published. What could not be found out is None, and ``reasons`` says why."""

    novels_in_storage: int | None
    last_check: datetime | None
    storage_path: str
    database: str
    database_bytes: int
    database_limit: int | None
    novels_in_database: int
    chapters_in_database: int
    removed_novels: int
    pending: Pending | None
    verdict: Verdict
    reasons: Sequence[str]
    scheduler: SchedulerStatus | None
    last_run: Report | None
    metrics: Metrics
    problems: Sequence[StatusProblem]
    problems_total: int
    running: RunInFlight | None
    runs: Sequence[RunSummary]
    comparing: Comparing | None = None
    """None: that is switched off, or no run has begun yet."""
    problems_by_kind: Mapping[str, int] = field(default_factory=dict)
    missing: Sequence[MissingNovel] | None = None
    """At most `novelsync.models.report.NAMED_MISSING`, unless more were asked for; ``pending`` counts all."""
    cause: Cause = Cause.OTHER
    """Not published: ``reasons`` says it in words."""
    storage_error: NovelSyncError | None = None
    """Why the storage could not be looked at. Not published: ``reasons`` has its message and its hint."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON object that is published."""
        unpublished = ("cause", "storage_error")
        document = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in unpublished}
        document["last_run"] = self.last_run and self.last_run.as_dict()
        published: dict[str, Any] = msgspec.to_builtins(document)
        return published
