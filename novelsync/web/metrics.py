"""The numbers of the status in the form that Prometheus reads. They cost what a check costs."""

from datetime import datetime
from typing import NamedTuple

from novelsync.models.problems import ProblemKind
from novelsync.models.results import Outcome
from novelsync.models.status import DatabaseStatus, Status, Verdict


class Exposition(NamedTuple):
    """Metrics as they are sent."""

    text: bytes
    content_type: str


def exposition(stored: DatabaseStatus, status: Status, now: datetime) -> Exposition:
    """``status``: made of ``stored``. What is not known has no sample."""
    # Imported here, because it takes 50 ms that only whoever asks for metrics should pay.
    from prometheus_client import CollectorRegistry, Gauge, generate_latest  # noqa: PLC0415
    from prometheus_client.exposition import CONTENT_TYPE_LATEST  # noqa: PLC0415

    registry = CollectorRegistry()

    def gauge(name: str, help_: str, value: float | None) -> None:
        if value is not None:
            Gauge(f"novelsync_{name}", help_, registry=registry).set(value)

    def one_of(name: str, help_: str, label: str, values: dict[str, float]) -> None:
        labelled = Gauge(f"novelsync_{name}", help_, [label], registry=registry)
        for each, value in values.items():
            labelled.labels(each).set(value)

    verdicts = {verdict.value: float(verdict is status.verdict) for verdict in Verdict}
    one_of("verdict", "1 for the verdict of the status, 0 for all others.", "verdict", verdicts)
    counts = {kind.value: float(stored.open_problems.counts.get(kind.value, 0)) for kind in ProblemKind}
    one_of("problems", "Open problems.", "kind", counts)
    gauge("novels", "Novels that readers see.", status.novels_in_database)
    gauge("chapters", "Chapters that readers see.", status.chapters_in_database)
    gauge("removed_novels", "Novels that are hidden from readers.", status.removed_novels)
    gauge("database_bytes", "Size of the whole database.", status.database_bytes)
    gauge("database_limit_bytes", "NOVELSYNC_DATABASE_LIMIT.", status.database_limit)
    gauge("run_in_progress", "1 while a run has the lease.", float(status.running is not None))
    if stored.last_runs:
        last = stored.last_runs[0]
        one_of(
            "last_run_outcome",
            "1 for how the last finished run ended, 0 for all others.",
            "outcome",
            {outcome.value: float(outcome is last.outcome) for outcome in Outcome if outcome is not Outcome.SKIPPED},
        )
        gauge("last_run_timestamp_seconds", "When the last run finished.", last.finished_at.timestamp())
        gauge("last_run_age_seconds", "How long ago that was.", (now - last.finished_at).total_seconds())
        # None if it was killed before it could report.
        gauge("last_run_duration_seconds", "How long the last run took.", last.report.duration if last.report else None)
    return Exposition(generate_latest(registry), CONTENT_TYPE_LATEST)
