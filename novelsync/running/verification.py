"""Whether the tables are the storage, text by text: what a run that reads and hashes everything would change."""

from collections.abc import Mapping
from typing import Any

from novelsync.planning.diff import HELD
from novelsync.running.report import Report, published_problem


def verified(report: Report) -> Mapping[str, Any]:
    """The answer of ``verify``; ``report``: of a rehearsal with `SyncOptions.reread` that came to its end."""
    said = report.as_dict()
    differences = [change for change in report.changes if change.mark != HELD]
    novels = said["novels"]
    not_equal = len(differences) + sum(novels[word] for word in ("refused", "held", "missing", "deferred", "in_flight"))
    return {
        "equal": not not_equal,
        "database": report.database,
        "novels": said["novels_processed"],
        "chapters": said["chapters_processed"],
        "differences": [change.as_dict() for change in differences],
        "held": {"novels": novels["held"], "chapters": said["chapters"]["held"]},
        "missing": novels["missing"],
        "refused": novels["refused"],
        "not_compared": novels["deferred"] + novels["in_flight"],
        "problems": [published_problem(problem) for problem in report.problems],
        "problems_total": said["problems_total"],
        "bytes_read": report.bytes_read,
        "duration": said["duration"],
    }
