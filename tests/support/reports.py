"""Reports and statuses that no run made, for tests of what is done with them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from novelsync.errors import NovelSyncError
from novelsync.models.problems import OpenProblems
from novelsync.models.report import Report
from novelsync.models.results import Outcome
from novelsync.models.status import Metrics
from novelsync.running.report import Findings, Run, make_report

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NO_METRICS = Metrics(0, None, None, 0, 0, None)


def a_report(outcome: str = "ok", message: str = "", **changes: Any) -> Report:
    """Of a run that found nothing. ``message``: why it failed."""
    found = Findings(
        error=NovelSyncError(message) if outcome == "failed" else None,
        open_problems=OpenProblems(held=int(outcome == "partial")),
    )
    run = Run("00000000-0000-0000-0000-00000000000a", "cli", "a database", NOON, recorded=True)
    report = replace(make_report(run, found, NOON), **changes)
    assert report.outcome is Outcome(outcome)
    return report
