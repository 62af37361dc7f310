"""What the database says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from novelsync.models.problems import OpenProblems


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended, or was found dead."""

    outcome: str
    finished_at: datetime
    report: Mapping[str, Any] | None
    """As it was published; None if the run died before it could report."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run of the last day, in short. None stands for what a run that died did not report."""

    outcome: str
    trigger: str
    finished_at: datetime
    duration: float | None
    """Seconds."""
    novels: int | None
    created: int | None
    updated: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What the database says of itself."""

    novels: int
    removed_novels: int
    chapters: int
    bytes: int
    running: tuple[str, str] | None
    """Who holds the lease, and since when (ISO 8601)."""
    last_runs: Sequence[FinishedRun]
    """The last two, the newest first."""
    metrics: Mapping[str, Any]
    """Of the runs that finished in the last 24 hours."""
    open_problems: OpenProblems
    runs: Sequence[RunSummary] = ()
    """Those of the last 24 hours, the newest first; at most 200."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Of the novels that problems speak of, as far as they are stored."""
    open_messages: int = 0
    """Novels that the run under way gave to others, and that those have not carried over yet."""

    @property
    def last_report(self) -> Mapping[str, Any] | None:
        """Of the last run that lived to write one."""
        return next((run.report for run in self.last_runs if run.report), None)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the database is, for whoever looks whether all is set up."""

    schema: str
    """The version of the newest migration that was applied."""
    server: str
    """Postgres' own version."""
    role: str
    """Whose rights our calls have."""
    bytes: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a scheduler says of itself."""

    is_running: bool
    next_run: datetime | None
    """None if it is stopped, or does not say."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of the site that points at novels or chapters."""

    table: str
    columns: str
    rows: int | None
    """Rows of it that point at what would be purged; None if we may not see them."""
    forbids: bool
    """As long as there are such rows."""
    then: str
    """What the key says of them in that case."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows that readers no longer see."""

    novels: int
    chapters: int
    bytes: int = 0
    """Of text, in UTF-8."""
    before: str = ""
    """When they had been removed at the latest."""
    references: Sequence[Reference] = ()
