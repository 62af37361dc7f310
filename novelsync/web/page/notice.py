"""What a browser is told that pressed a button, or that met an error. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from novelsync.text.formatting import counted
from novelsync.web.page.view import Text, sentence, text, took

_HEADLINES: Final = {
    400: "That was asked wrongly",
    403: "Not from there",
    404: "There is nothing here",
    405: "That was asked wrongly",
    409: "Nothing was started",
    503: "Out of reach just now",
}
_FIX: Final = "Something needs fixing"


@dataclass(frozen=True, slots=True)
class Notice:
    """A headline, a few sentences, and where to go from there."""

    tone: str
    headline: str
    lines: Sequence[Text]
    back: str
    """The address of the status page; empty if this function has none."""
    again: bool
    """Whether it was the status itself that was asked for."""


def notice(status: int, document: Mapping[str, Any], *, back: str, again: bool) -> Notice:
    """``document``: an answer with a ``message``."""
    report = document.get("data")
    if status == 200:
        tone = "good" if report is None or report["success"] else "fair"
        return Notice(tone, document["message"], [text(line) for line in _told(report)], back, again)
    said = [document["message"], document.get("hint", "")]
    if report is not None:
        said = [line for problem in report["problems"][:1] for line in (problem["message"], problem["hint"])]
    headline = _HEADLINES.get(status, _FIX)
    return Notice("bad", headline, [text(sentence(line)) for line in said if line], back, again)


def _told(report: Mapping[str, Any] | None) -> list[str]:
    """What a run did."""
    if report is None:
        return []
    if report["outcome"] == "skipped":
        return [sentence(problem["message"]) for problem in report["problems"][:1]]
    counts = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in report["novels"].items() if count)
    novels = counted(report["novels_processed"], "novel")
    return [f"{novels}{': ' if counts else ''}{counts}; {took(report['duration'])}."]
