"""Whether all is well: what the storage and the database say, and the verdict on it. Writes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from novelsync.contracts import Database, DatabaseStatus, Storage
from novelsync.errors import StorageUnavailable
from novelsync.plan import make_plan
from novelsync.report import Outcome, published_problem, timestamp


def status(storage: Storage, database: Database, *, stale_after: int, now: datetime) -> dict[str, Any]:
    """
    The published STATUS. With the storage away it still answers. Raises `DatabaseUnavailable`.

    ``stale_after``: seconds without a finished run until the verdict is ``stale``.
    """
    said = database.status()
    reasons: list[str] = []
    listed: int | None = None
    pending: dict[str, int] | None = None
    try:
        listing = list(storage.listing())
        plan = make_plan(listing, database.known_files())
        listed = len(listing)
        changed = sum(novel.slug in plan.known for novel in plan.to_read)
        pending = {"new": len(plan.to_read) - changed, "changed": changed, "missing": plan.missing}
    except StorageUnavailable as error:
        reasons.append(error.message)
    verdict, why = judge(said, stale_after=stale_after, now=now)
    return {
        "novels_in_storage": listed,
        "last_check": timestamp(now),
        "storage_path": storage.location,
        "database": database.name,
        "database_bytes": said.bytes,
        "novels_in_database": said.novels,
        "chapters_in_database": said.chapters,
        "removed_novels": said.removed_novels,
        "pending": pending,
        "verdict": verdict,
        "reasons": why + reasons,
        "running": said.running and {"holder": said.running[0], "since": said.running[1]},
        "last_run": said.last_report,
        "metrics": said.metrics,
        "problems": [published_problem(problem) for problem in said.standing.problems],
        "problems_total": sum(said.standing.counts.values()),
    }


def judge(said: DatabaseStatus, *, stale_after: int, now: datetime) -> tuple[str, list[str]]:
    """The verdict, the first that applies, and why."""
    runs = said.last_runs
    if not runs:
        return "never_run", ["no run has finished yet"]
    age = (now - runs[0].finished_at).total_seconds()
    if len(runs) > 1 and all(run.outcome == Outcome.FAILED for run in runs[:2]):
        return "failing", ["the last two runs failed", *_messages(runs[0].report)]
    if age > stale_after:
        return "stale", [f"the last run finished {age / 60:.0f} minutes ago, over the limit of {stale_after / 60:.0f}"]
    reasons = [
        f"{said.standing.counts[kind]} novels are {kind}"
        for kind in ("refused", "held")
        if said.standing.counts.get(kind)
    ]
    deferred = [run.report["novels"]["deferred"] if run.report else 0 for run in runs[:2]]
    if len(deferred) == 2 and all(deferred):
        reasons.append(f"runs end before they are done: {deferred[0]} novels were left over, {deferred[1]} before that")
    return ("attention", reasons) if reasons else ("ok", [])


def _messages(report: Mapping[str, Any] | None) -> Sequence[str]:
    return [problem["message"] for problem in report["problems"][:1]] if report else []
