"""The results of novels of which nothing, or nothing visible, was written. Pure."""

from novelsync.errors import WriteRejected
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.source import SourceFile
from novelsync.models.writing import WriteOutcome


def problem_of(slug: str, outcome: WriteOutcome | WriteRejected) -> Problem | None:
    """Why the database did not accept a novel; None if it did."""
    if isinstance(outcome, WriteRejected):
        return Problem(slug, ProblemKind.REFUSED, outcome.message, outcome.hint)
    if outcome is WriteOutcome.TAKEN:
        message = "the table novels has a row with this slug that NovelSync did not create"
        return Problem(slug, ProblemKind.REFUSED, message, "give that row another slug, or delete it")
    return None


def refused(slug: str, problem: Problem, bytes_read: int, *, settled: bool, former: str = "") -> NovelResult:
    """``former``: the slug under which readers see it still."""
    return NovelResult(
        slug, NovelStatus.REFUSED, bytes_read=bytes_read, problem=problem, settled=settled, former=former
    )


def not_begun(novel: SourceFile) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.NOT_BEGUN, settled=False)


def in_flight(novel: SourceFile) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.IN_FLIGHT, settled=False)


def unavailable(novel: SourceFile, message: str, hint: str = "the next run tries again") -> NovelResult:
    problem = Problem(novel.slug, ProblemKind.UNAVAILABLE, message, hint)
    return NovelResult(novel.slug, NovelStatus.UNAVAILABLE, problem=problem, settled=False)
