"""Translates an error of Postgres, whatever transport brought it, into one of ours."""

from typing import Final

from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    DatabaseUnavailable,
    LeaseLost,
    NovelSyncError,
    PayloadTooLarge,
    WriteRejected,
)

NOT_READY_HINT: Final = (
    "apply the migration: `novelsync migrate` with DATABASE_URL set (on Supabase the session pooler's,"
    " because the direct host has no IPv4), or `supabase db push`, or paste what `novelsync migrate --print`"
    " prints into the SQL editor"
)

_NOT_MIGRATED: Final = ("42883", "3F000", "42P01")
"""No such function, schema or table."""

_TOO_LARGE: Final = ("54000", "57014")
"""A limit of Postgres was exceeded, the statement timed out: a smaller call may pass."""

_TRANSIENT: Final = ("53200", "53300", "57P01", "57P02", "57P03", "57P05")
"""Out of memory, out of connections, shut down, crashed, starting up, a session that was idle for too long."""

_CONFLICTS: Final = ("40001", "40P01", "55P03")
"""Another transaction was in the way: a conflict, a deadlock, a lock that was not granted. The data may be fine."""

_UNAVAILABLE_CLASSES: Final = ("08", "25", "53", "57", "58")
"""Connection, read-only, resources, operator, system: no call would pass now. See appendix A of Postgres' manual."""


def error_of_state(state: str, said: str, database: str, *, inside: bool) -> NovelSyncError:
    """
    The error for ``state``, the five characters of SQLSTATE, and ``said``, the message that came with it.

    ``inside``: it was raised while one of our functions ran, so it is not that function that is missing.
    """
    if state == "PT409":
        return LeaseLost(f"this run was overtaken: {said}", "nothing to do: the other run carries on")
    if state in _NOT_MIGRATED and inside:
        return WriteRejected(
            f"a trigger or a function of the site failed: {said} ({state})",
            "qualify its table names with their schema, or give it a search_path of its own: ours is empty",
        )
    if state in _NOT_MIGRATED:
        return DatabaseNotReady(f"{database} has not been migrated: {said}", NOT_READY_HINT)
    if state == "42501":
        return ConfigurationError(
            f"{database} does not permit this: {said}",
            "use the secret key (not the publishable or anon one), the tables' owner, or a member of service_role",
        )
    if state == "25006":
        return DatabaseUnavailable(
            f"{database} is read-only: {said}", "is its disk full, or is it a replica? See the project's dashboard"
        )
    if state in _TOO_LARGE:
        return PayloadTooLarge(
            f"it was too much for one call: {said} ({state})",
            "calls are halved until they pass; if even one text does not, look for a lock, a slow trigger or a limit",
        )
    if state[:2] in _UNAVAILABLE_CLASSES:
        return DatabaseUnavailable(
            f"{database} could not answer: {said} ({state})",
            "try again; its log may say more",
            transient=state in _TRANSIENT or state.startswith("08"),
        )
    return WriteRejected(
        f"the database refused it: {said} ({state})",
        "see the tables' constraints and triggers, and the novel's file",
        transient=state in _CONFLICTS,
    )
