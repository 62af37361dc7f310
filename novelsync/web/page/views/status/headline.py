"""What a status comes to: the headline, and how the storage differs from what the last run saw. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from novelsync.models.status import Cause, Status, Verdict
from novelsync.text.hints import Say
from novelsync.web.page.views.words import Text, plain, sentence, text


@dataclass(frozen=True, slots=True)
class Headline:
    """``tone`` is ``good``, ``fair`` or ``bad``."""

    tone: str
    headline: str
    meaning: Text
    reasons: Sequence[Text]


_VERDICTS: Final = {
    "ok": ("good", "All is well", "What the storage has is in the tables."),
    "attention": ("fair", "Something waits for you", "Readers keep what they have; the rest is in the tables."),
    "stale": ("bad", "No run for too long", "Readers see what the last run left."),
    "stopped": (
        "fair",
        "The hourly sync is stopped",
        "Readers see what the last run left. Start it again, if that was not meant.",
    ),
    "failing": ("bad", "Syncing fails", "Readers see what the last good run left."),
    "never_run": ("fair", "Nothing is synced yet", "The first run brings in all that the storage has."),
}

_CAUSES: Final = {
    Cause.STORAGE: ("The storage cannot be read", "Readers keep what they have. Nothing new comes in until it can."),
    Cause.FAILED: ("The last run failed", "The next one tries again; readers see what was there before."),
    Cause.INTERRUPTED: ("The last run was interrupted", "What came in is whole; the next run brings in the rest."),
    Cause.EMPTY: ("The storage is empty", "Readers keep what they have, but nothing can come in from there."),
}


def headline_of(status: Status, say: Say) -> Headline:
    tone, headline, meaning = _VERDICTS[status.verdict]
    if status.verdict is Verdict.ATTENTION:
        headline, meaning = _CAUSES.get(status.cause, (headline, meaning))
    elif status.verdict is Verdict.OK and any(count for count, _ in drift(status)):
        headline, meaning = "All was well", f"The storage has changed since the last run; {_next_run(status)}."
    return Headline(tone, headline, text(say(meaning)), [plain(sentence(reason)) for reason in status.reasons])


def _next_run(status: Status) -> str:
    """What brings in the changes."""
    if status.scheduler and status.scheduler.is_running:
        return "the next one brings it in"
    if status.scheduler:
        return "no run is scheduled, so start one to bring it in"
    return "the next one brings it in, and this page does not know when that is"


def drift(status: Status) -> Sequence[tuple[int, str]]:
    """How the storage differs from what the last run saw."""
    pending = status.pending
    return [(pending.new, "new"), (pending.changed, "changed"), (pending.missing, "missing")] if pending else []


def drift_words(status: Status) -> str:
    """What the difference means for readers, or why there is none."""
    if status.pending is None:
        return "The storage could not be looked at, so nobody knows."
    if any(count for count, _ in drift(status)):
        return "The next run brings in what is new or changed; what is missing stays for a while before it is removed."
    return "Nothing: every file is as the last run saw it. What is refused or held is not read again until it changes."
