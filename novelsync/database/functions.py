"""The SQL functions that are called, and what may be done about a call of each that fails: one table of them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SqlFunction:
    """
    A function ``public.<name>(json)`` of ``supabase/migrations``.

    Every one that is repeated is harmless when the first call went through and only its answer was lost: writes carry a
    request id, and the others come to the same when they are done twice.
    """

    name: str
    repeated: bool = True
    """After transient trouble."""
    divisible: bool = False
    """What is too much for one call can be asked for in smaller ones."""
    outlasts_budget: bool = False
    """Tried for a few seconds even where the run's time is over."""


BEGIN: Final = SqlFunction("novelsync_begin")
PEEK: Final = SqlFunction("novelsync_peek")
# Whoever keeps the lease renews it again anyway.
RENEW: Final = SqlFunction("novelsync_renew", repeated=False)
# What a run has done is worth a few seconds whenever it ends; and it ends when its budget does.
FINISH: Final = SqlFunction("novelsync_finish", outlasts_budget=True)

KNOWN_FILES: Final = SqlFunction("novelsync_known_files")
KNOWN_NOVELS: Final = SqlFunction("novelsync_known_novels")
FIND_RENAMES: Final = SqlFunction("novelsync_find_renames")
OPEN_PROBLEMS: Final = SqlFunction("novelsync_open_problems")

WRITE: Final = SqlFunction("novelsync_write", divisible=True)
STAGE: Final = SqlFunction("novelsync_stage", divisible=True)
MARK_MISSING: Final = SqlFunction("novelsync_mark_missing")
REMOVE: Final = SqlFunction("novelsync_remove")

HAND_OUT: Final = SqlFunction("novelsync_hand_out")
ANSWER: Final = SqlFunction("novelsync_answer")
ANSWERS: Final = SqlFunction("novelsync_answers")

# Whoever asks for these wants to know how things are now.
STATUS: Final = SqlFunction("novelsync_status", repeated=False)
SERVER_INFO: Final = SqlFunction("novelsync_server_info", repeated=False)

REMOVED: Final = SqlFunction("novelsync_removed")
# A piece of a purge that was deleted unseen would be missing from what a person is told.
PURGE: Final = SqlFunction("novelsync_purge", repeated=False)

BY_NAME: Final = {each.name: each for each in list(globals().values()) if isinstance(each, SqlFunction)}
