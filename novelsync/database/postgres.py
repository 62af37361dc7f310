"""The road to any Postgres, with psycopg: every call a transaction of its own, on a connection of its own."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import psycopg
from psycopg.types.json import Json, set_json_loads

from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    DatabaseUnavailable,
    LeaseLost,
    NovelSyncError,
    WriteRejected,
)

NOT_READY_HINT: Final = (
    "apply the migration: `python -m novelsync migrate` with DATABASE_URL set (on Supabase the session pooler's,"
    " because the direct host has no IPv4), or `supabase db push`, or paste what `python -m novelsync migrate --print`"
    " prints into the SQL editor"
)

# libpq gives a refused connection no SQLSTATE, only words.
_REFUSED_WHO_ASKS = ("password authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist")

_LEASE_LOST = "PT409"
_NOT_MIGRATED = ("42883", "3F000", "42P01")
_NOT_ALLOWED = "42501"
# Connection, resources, operator intervention, system, internal, deadlock and lock trouble, read-only: see
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING_CLASSES = ("08", "53", "57", "58", "XX", "40", "55", "25")


class PostgresRoad:
    """A `novelsync.database.functions.Road` over psycopg."""

    def __init__(self, conninfo: str, name: str = "") -> None:
        self.name = name or describe(conninfo)
        self._conninfo = conninfo
        # As many connections as there are calls at one time; psycopg_pool would hide why a connection fails.
        self._idle: deque[psycopg.Connection[Any]] = deque()

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        with translated_errors(self.name), self._connection() as connection:
            row = connection.execute(
                f"select public.{function}(%s)", [Json(request, dumps=msgspec.json.encode)]
            ).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self._conninfo)
        try:
            yield connection
        finally:
            if connection.broken:
                connection.close()
            else:
                self._idle.append(connection)


def connect(conninfo: str) -> psycopg.Connection[Any]:
    """A connection as all of this package wants it. Raises psycopg's errors: see `translated_errors`."""
    connection = psycopg.connect(
        conninfo,
        autocommit=True,
        connect_timeout=10,
        application_name="novelsync",
        prepare_threshold=None,  # Supabase's transaction pooler (port 6543) has no prepared statements.
    )
    set_json_loads(msgspec.json.decode, connection)
    return connection


def describe(conninfo: str) -> str:
    """Which database a connection string names, for people. Raises `ConfigurationError` and never shows the string."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.Error:
        # Its message quotes the string, and with it the password.
        raise ConfigurationError(
            "DATABASE_URL cannot be read", "write it as postgresql://user:password@host:5432/database"
        ) from None
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"Postgres at {parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or parts.get('user') or ''}"


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Lets no exception of psycopg out."""
    try:
        yield
    except psycopg.Error as error:
        raise _translated(error, name) from error


def _translated(error: psycopg.Error, name: str) -> NovelSyncError:
    state = error.sqlstate
    said = (error.diag.message_primary or str(error)).strip()
    if state is None:
        if any(words in said for words in _REFUSED_WHO_ASKS):
            return ConfigurationError(
                f"{name} refuses the connection: {said}", "check user, password and database name in DATABASE_URL"
            )
        return DatabaseUnavailable(
            f"{name} cannot be reached: {said}", "check that it is running and that DATABASE_URL names it"
        )
    if state == _LEASE_LOST:
        return LeaseLost(f"this run was overtaken: {said}", "nothing to do: the other run carries on")
    if state in _NOT_MIGRATED:
        return DatabaseNotReady(f"{name} has not been migrated: {said}", NOT_READY_HINT)
    if state == _NOT_ALLOWED:
        return ConfigurationError(
            f"{name} does not allow this user to sync: {said}",
            "use the owner of the tables, or a member of service_role",
        )
    if state[:2] in _PASSING_CLASSES:
        return DatabaseUnavailable(f"{name} could not answer: {said} ({state})", "try again; if it stays, see its log")
    return WriteRejected(
        f"the database refused it: {said} ({state})", "see the tables' constraints and triggers, and the novel's file"
    )
