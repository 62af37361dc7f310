"""The numbers of the status in the form that Prometheus reads. They cost what a check costs."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from novelsync.models.problems import ProblemKind
from novelsync.models.results import Outcome
from novelsync.models.status import DatabaseStatus, FinishedRun, Status, Verdict

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Exposition(NamedTuple):
    """Metrics as they are sent."""

    text: bytes
    content_type: str


def exposition(stored: DatabaseStatus, status: Status, now: datetime) -> Exposition:
    """``status``: made of ``stored``. What is not known has no sample."""
    # Imported here, because it takes time that only whoever asks for metrics should pay.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.exposition import CONTENT_TYPE_LATEST  # noqa: PLC0415

    registry = CollectorRegistry()
    _add_status(registry, stored, status)
    if stored.last_runs:
        _add_last_run(registry, stored.last_runs[0], now)
    return Exposition(generate_latest(registry), CONTENT_TYPE_LATEST)


def _add_status(registry: "CollectorRegistry", stored: DatabaseStatus, status: Status) -> None:
    verdicts = {verdict.value: float(verdict is status.verdict) for verdict in Verdict}
    _add_each(registry, "verdict", "1 for the verdict of the status, 0 for all others.", verdicts)
    counts = {kind.value: float(stored.open_problems.counts.get(kind.value, 0)) for kind in ProblemKind}
    _add_each(registry, "problems", "Open problems.", counts, label="kind")
    _add(registry, "novels", "Novels that readers see.", status.novels_in_database)
    _add(registry, "chapters", "Chapters that readers see.", status.chapters_in_database)
    _add(registry, "removed_novels", "Novels that are hidden from readers.", status.removed_novels)
    _add(registry, "database_bytes", "Size of the whole database.", status.database_bytes)
    _add(registry, "database_limit_bytes", "NOVELSYNC_DATABASE_LIMIT.", status.database_limit)
    since = status.comparing and status.comparing.whole_since
    said = "Since when every novel has been compared with its file."
    _add(registry, "compared_timestamp_seconds", said, since.timestamp() if since else None)
    _add(registry, "run_in_progress", "1 while a run has the lease.", float(status.running is not None))


def _add_last_run(registry: "CollectorRegistry", last: FinishedRun, now: datetime) -> None:
    outcomes = {each.value: float(each is last.outcome) for each in Outcome if each is not Outcome.SKIPPED}
    said = "1 for how the last finished run ended, 0 for all others."
    _add_each(registry, "last_run_outcome", said, outcomes, label="outcome")
    _add(registry, "last_run_timestamp_seconds", "When the last run finished.", last.finished_at.timestamp())
    _add(registry, "last_run_age_seconds", "How long ago that was.", (now - last.finished_at).total_seconds())
    # None if it was killed before it could report.
    duration = last.report.duration if last.report else None
    _add(registry, "last_run_duration_seconds", "How long the last run took.", duration)


def _add(registry: "CollectorRegistry", name: str, documentation: str, value: float | None) -> None:
    from prometheus_client import Gauge  # noqa: PLC0415

    if value is not None:
        Gauge(f"novelsync_{name}", documentation, registry=registry).set(value)


def _add_each(
    registry: "CollectorRegistry", name: str, documentation: str, values: Mapping[str, float], label: str = ""
) -> None:
    """``label``: what tells the values apart; by default called as the metric."""
    from prometheus_client import Gauge  # noqa: PLC0415

    gauge = Gauge(f"novelsync_{name}", documentation, [label or name], registry=registry)
    for each, value in values.items():
        gauge.labels(each).set(value)
