"""The page that answers a button or reports an error: its words. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from novelsync.models.report import Report
from novelsync.models.results import Outcome
from novelsync.text.formatting import counted
from novelsync.text.hints import Say
from novelsync.web.page.views.words import Text, sentence, text, took

_HEADLINES: Final = {
    400: "That request cannot be answered",
    403: "Not allowed from another site",
    404: "There is nothing here",
    405: "That request cannot be answered",
    409: "Nothing was started",
    503: "Out of reach just now",
}
_BROKEN: Final = "Something needs fixing"


@dataclass(frozen=True, slots=True)
class Notice:
    """A headline, a few sentences, and where to go from there."""

    tone: str
    headline: str
    lines: Sequence[Text]
    back: str
    """The address of the status page; empty if this function has none."""
    again: bool
    """Whether the status page itself was asked for, so that the link to it says "Try again"."""


def notice(status: int, message: str, hint: str, report: Report | None, say: Say, *, back: str, again: bool) -> Notice:
    """The words for an answer with this status code. ``report``: of the run that the answer is about, if any."""
    if status == 200:
        tone = "good" if report is None or (report.success and not report.nothing_held) else "fair"
        return Notice(tone, message, [text(line) for line in _summary(report)], back, again)
    lines = [message, hint]
    if report is not None:
        lines = [line for problem in report.problems[:1] for line in (problem.message, say(problem.hint))]
    headline = _HEADLINES.get(status, _BROKEN)
    return Notice("bad", headline, [text(sentence(line)) for line in lines if line], back, again)


def _summary(report: Report | None) -> list[str]:
    """What a run did."""
    if report is None:
        return []
    if report.outcome is Outcome.SKIPPED:
        return [sentence(problem.message) for problem in report.problems[:1]]
    novels = report.novels
    parts = [
        counted(report.novels_processed, "novel") + _counts(": ", novels.by_fate()),
        _counts("of these, ", {"held": novels.held}),
        _counts("no longer in storage: ", {"removed": novels.removed, "missing": novels.missing}),
        took(report.duration),
    ]
    did_not = ["Nothing was held where something was to be accepted or kept."] if report.nothing_held else []
    return [*did_not, f"{'; '.join(part for part in parts if part)}."]


def _counts(before: str, counts: Mapping[str, int]) -> str:
    """Empty if there are none."""
    words = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in counts.items() if count)
    return before + words if words else ""
