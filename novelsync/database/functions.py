"""A table of the SQL functions that the client calls, with what may be done when a call of one fails."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SqlFunction:
    """
    A function ``public.<name>(json)``, or ``(bytea)`` if it ``takes_texts``, of ``supabase/migrations``.

    Repeating a call does no harm if the first one went through and only its answer was lost: writes carry a request id,
    and the other functions that are repeated have the same effect when they run twice.
    """

    name: str
    repeated: bool = True
    """A call is made again after a transient error."""
    divisible: bool = False
    """The caller can divide a call that is too large, so it gets `PayloadTooLarge`, and not `DatabaseUnavailable`."""
    takes_texts: bool = False
    """It is sent what `novelsync.database.transports.bodies.with_texts` makes of a request."""
    outlasts_budget: bool = False
    """A call is repeated for a few seconds even after the run's time budget has ended."""


BEGIN: Final = SqlFunction("novelsync_begin")
PEEK: Final = SqlFunction("novelsync_peek")
# The lease is renewed again anyway, a few seconds later.
RENEW: Final = SqlFunction("novelsync_renew", repeated=False)
# A run often ends just when its budget does, and its report is worth a few seconds more.
FINISH: Final = SqlFunction("novelsync_finish", outlasts_budget=True)

KNOWN_FILES: Final = SqlFunction("novelsync_known_files")
NOVELS_WITH_TEXTS: Final = SqlFunction("novelsync_novels_with_texts")
KNOWN_NOVELS: Final = SqlFunction("novelsync_known_novels")
TEXTS: Final = SqlFunction("novelsync_texts")
NOVELS_WITH: Final = SqlFunction("novelsync_novels_with")
FIND_RENAMES: Final = SqlFunction("novelsync_find_renames")
OPEN_PROBLEMS: Final = SqlFunction("novelsync_open_problems")
COMPARED: Final = SqlFunction("novelsync_compared")

WRITE: Final = SqlFunction("novelsync_write", divisible=True, takes_texts=True)
STAGE: Final = SqlFunction("novelsync_stage", divisible=True, takes_texts=True)
MARK_MISSING: Final = SqlFunction("novelsync_mark_missing")
REMOVE: Final = SqlFunction("novelsync_remove")

HAND_OUT: Final = SqlFunction("novelsync_hand_out")
ANSWER: Final = SqlFunction("novelsync_answer")
ANSWERS: Final = SqlFunction("novelsync_answers")

# Whoever asks for these wants to know how things are now, an outage included.
STATUS: Final = SqlFunction("novelsync_status", repeated=False)
PROBLEMS: Final = SqlFunction("novelsync_problems", repeated=False)
NOVELS: Final = SqlFunction("novelsync_novels", repeated=False)
NOVEL_COUNTS: Final = SqlFunction("novelsync_novel_counts", repeated=False)
NOVEL: Final = SqlFunction("novelsync_novel", repeated=False)
RUNS: Final = SqlFunction("novelsync_runs", repeated=False)
RUN: Final = SqlFunction("novelsync_run", repeated=False)
SERVER_INFO: Final = SqlFunction("novelsync_server_info", repeated=False)

# Noted again at the next look anyway. But what was told and is not recorded would be told twice.
NOTE_VERDICT: Final = SqlFunction("novelsync_note_verdict", repeated=False)
ALERT_TOLD: Final = SqlFunction("novelsync_alert_told")

# A batch that nobody hears of is claimed again a few seconds later.
TAKE_NOTICES: Final = SqlFunction("novelsync_take_notices", repeated=False)
NOTICES_TAKEN: Final = SqlFunction("novelsync_notices_taken")

TAKEDOWNS: Final = SqlFunction("novelsync_takedowns")
WITHHOLD: Final = SqlFunction("novelsync_withhold")
TAKEDOWN_ROWS: Final = SqlFunction("novelsync_takedown_rows")
# Making the same one again renews it. But lifting twice would tell a person that there was nothing to lift.
TAKE_DOWN: Final = SqlFunction("novelsync_take_down")
LIFT: Final = SqlFunction("novelsync_lift", repeated=False)

REMOVED: Final = SqlFunction("novelsync_removed")
# If the answer was lost, what that call deleted would be missing from the numbers that a person is shown.
PURGE: Final = SqlFunction("novelsync_purge", repeated=False)

BY_NAME: Final = {each.name: each for each in list(globals().values()) if isinstance(each, SqlFunction)}
