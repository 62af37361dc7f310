"""What a run did, counted novel by novel, in the words and keys that existing clients read."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from novelsync.errors import NovelSyncError
from novelsync.models.problems import SHOWN_PROBLEMS, OpenProblems, Problem, ProblemKind
from novelsync.models.run import CHANGED, NovelResult, NovelStatus, Outcome
from novelsync.planning.diff import NovelDiff


@dataclass(slots=True)
class Report:
    """A run as it goes on; `as_dict` is what is published."""

    trigger: str
    database: str
    start_time: datetime
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    outcome: Outcome = Outcome.OK
    novels_in_storage: int = 0
    missing: int = 0
    removed: int = 0
    deferred: int = 0
    refused_before: int = 0
    """Refused by an earlier run, and not read again since their files are what they were."""
    novels: Counter[str] = field(default_factory=Counter)
    chapters: Counter[str] = field(default_factory=Counter)
    renamed_from: set[str] = field(default_factory=set)
    """Slugs whose novels went on under another name."""
    bytes_read: int = 0
    settled: bool = True
    """Nothing has to be looked at again as long as no file changes."""
    end_time: datetime | None = None
    error: NovelSyncError | None = None
    """Why the run failed or was skipped."""
    dry_run: bool = False
    changes: Sequence[NovelDiff] = ()
    """What a dry run would have done."""
    _transient: list[Problem] = field(default_factory=list)
    _open_problems: OpenProblems = field(default_factory=lambda: OpenProblems({}, ()))

    def add(self, result: NovelResult) -> None:
        """Counts one novel that was begun, and was counted as deferred until now."""
        self.novels[result.status] += 1
        self.deferred -= result.status is not NovelStatus.DEFERRED
        counts = result.chapters
        for count in fields(counts):
            self.chapters[count.name] += getattr(counts, count.name)
        self.bytes_read += result.bytes_read
        self.settled &= result.settled
        # A refusal stands in the database too; passing trouble is only here.
        if result.problem and result.status is NovelStatus.UNAVAILABLE:
            self._transient.append(result.problem)
        if result.remark:
            self.warn(result.slug, result.remark)
        if result.former:
            self.renamed_from.add(result.former)

    def warn(self, slug: str, message: str) -> None:
        """Something that whoever asked for this run should know."""
        self._transient.append(Problem(slug, ProblemKind.WARNING, message))

    def too_short_for(self, slug: str, hint: str) -> None:
        """The run's time, for a novel that it had to break off."""
        message = "it did not come in before the run's time was over, and nothing of it was changed"
        self._transient.append(Problem(slug, ProblemKind.UNAVAILABLE, message, hint))

    def stand(self, open_problems: OpenProblems) -> None:
        """Takes over the problems that stand in the database, those of novels that were not read again included."""
        self._open_problems = open_problems

    def fail(self, error: NovelSyncError) -> None:
        """The run ends here, and not by itself."""
        self.outcome = Outcome.FAILED
        self.error = error
        self.settled = False
        self._transient.insert(0, Problem("", ProblemKind.UNAVAILABLE, error.message, error.hint))

    def skip(self, error: NovelSyncError) -> None:
        """Somebody else's run goes on."""
        self.fail(error)
        self.outcome = Outcome.SKIPPED

    def end(self, now: datetime) -> None:
        """Fixes time and outcome. What is in flight is no problem: it is a file being written."""
        self.end_time = now
        self.settled &= not self.deferred
        if self.outcome is Outcome.OK and (self.error_count or self.deferred or self._open_problems.counts.get("held")):
            self.outcome = Outcome.PARTIAL

    @property
    def success(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def refused(self) -> int:
        return self.refused_before + self.novels[NovelStatus.REFUSED]

    @property
    def error_count(self) -> int:
        return self.refused + self.novels[NovelStatus.UNAVAILABLE]

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.end_time - self.start_time).total_seconds() if self.end_time else 0.0

    @property
    def problems(self) -> list[Problem]:
        """At most `SHOWN_PROBLEMS`, the gravest first."""
        return [*self._transient, *self._open_problems.problems][:SHOWN_PROBLEMS]

    def as_dict(self) -> dict[str, Any]:
        """The published REPORT."""
        in_flight = self.novels[NovelStatus.IN_FLIGHT]
        success = self.novels_in_storage - self.error_count - self.deferred - in_flight
        changed = sum(self.novels[status] for status in CHANGED)
        report = {
            "run_id": None if self.dry_run or self.outcome is Outcome.SKIPPED else self.run_id,
            "trigger": self.trigger,
            "database": self.database,
            "dry_run": self.dry_run,
            "outcome": self.outcome.value,
            "success": self.success,
            "novels_processed": self.novels_in_storage,
            "novels_success": success,
            "novels_error": self.error_count,
            "chapters_processed": self.chapters["processed"],
            "novels": {
                "created": self.novels[NovelStatus.CREATED],
                "updated": self.novels[NovelStatus.UPDATED],
                "renamed": self.novels[NovelStatus.RENAMED],
                "removed": self.removed,
                "restored": self.novels[NovelStatus.RESTORED],
                "unchanged": success - changed,
                "refused": self.refused,
                "held": self._open_problems.held,
                "deferred": self.deferred,
                "in_flight": in_flight,
                "missing": self.missing,
            },
            "chapters": {
                "created": self.chapters["created"],
                "updated": self.chapters["updated"],
                "moved": self.chapters["moved"],
                "removed": self.chapters["removed"],
                "restored": self.chapters["restored"],
                "held": self.chapters["held"],
                "without_text": self.chapters["without_text"],
            },
            "problems": [published_problem(problem) for problem in self.problems],
            "problems_total": len(self._transient) + sum(self._open_problems.counts.values()),
            "bytes_read": self.bytes_read,
            "duration": round(self.duration, 2),
            "start_time": timestamp(self.start_time),
            "end_time": timestamp(self.end_time) if self.end_time else None,
        }
        if self.dry_run:
            report["changes"] = [change.as_dict() for change in self.changes]
        return report


def published_problem(problem: Problem) -> Mapping[str, Any]:
    """One problem as every published answer writes it."""
    return {
        "slug": problem.slug or None,
        "kind": problem.kind.value,
        "message": problem.message,
        "hint": problem.hint,
    }


def timestamp(moment: datetime) -> str:
    """UTC in whole seconds, as every published answer writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
