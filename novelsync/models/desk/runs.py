"""Runs in short, and one run with the novels that it changed."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from novelsync.models.report import Report
from novelsync.models.results import Outcome


class RunSummary(msgspec.Struct, frozen=True):
    """A finished run, in short. Numbers are None if the run was killed before it could report."""

    run_id: str
    outcome: Outcome
    trigger: str
    end_time: datetime
    duration: float | None
    """Seconds."""
    novels_processed: int | None
    created: int | None
    updated: int | None
    removed: int | None


class RunPage(msgspec.Struct, frozen=True):
    """Some of the finished runs, the newest first."""

    runs: Sequence[RunSummary]
    next: str | None
    """The id of the run before which the next page ends; None: this is the last."""


class ChangedNovel(msgspec.Struct, frozen=True):
    """What a run did to one novel. The counts are of chapters."""

    slug: str
    title: str
    added: int
    changed: int
    removed: int
    restored: int


class RunDetail(msgspec.Struct, frozen=True):
    """A run, from its beginning on."""

    run_id: str
    trigger: str
    started_at: datetime
    finished_at: datetime | None
    """None: it is going on, or has died and nobody has noticed yet."""
    outcome: str | None
    report: Report | None
    """None if it died before it could report, or is going on."""
    changed: int
    """How many novels it changed."""
    novels: Sequence[ChangedNovel]
    """The first of these, by slug."""
