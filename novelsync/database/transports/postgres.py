"""Calls to any Postgres with psycopg, each in a transaction of its own."""

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec
import psycopg
from psycopg.abc import RV, PQGen
from psycopg.types.json import Json, set_json_loads

from novelsync.database.functions import BY_NAME
from novelsync.database.transports.bodies import with_texts
from novelsync.database.transports.pool import ConnectionPool
from novelsync.database.transports.sqlstates import error_of_state
from novelsync.errors import ConfigurationError, DatabaseUnavailable, NovelSyncError
from novelsync.text.formatting import one_line

_URL_HINT: Final = (
    "write it as postgresql://user:password@host:5432/database, with %40, %2F and %3A for @, / and : in the password"
)

ANSWER_SECONDS: Final = 120
"""A statement ends after `STATEMENT_SECONDS`; the rest is for sending a request, of up to 4 MB, over a slow line."""

STATEMENT_SECONDS: Final = 55
"""
As the functions say themselves. But a function's own setting does not count for the statement that calls it: PostgREST
reads it and sets it before the call, and here the connection has to.
"""

_LIMIT: Final = (
    "select set_config('statement_timeout', %(ms)s::text, false) from pg_settings"
    " where name = 'statement_timeout' and (setting::integer = 0 or setting::integer > %(ms)s)"
)
"""A stricter one that the role or the database has stays."""

_TRANSACTION_POOLER: Final = "6543"
"""
The port of Supabase's. What is set for a connection there would stay with the next client's, so nothing is: a call that
is too slow ends after `ANSWER_SECONDS`.
"""

# A refused connection has no SQLSTATE, only libpq's words.
_REFUSED_CREDENTIALS: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
)


class PostgresTransport:
    """A `novelsync.database.transports.Transport` over psycopg."""

    def __init__(
        self,
        conninfo: str,
        name: str = "",
        answer_seconds: float = ANSWER_SECONDS,
        statement_seconds: float = STATEMENT_SECONDS,
    ) -> None:
        self.name = name or describe(conninfo)

        def connected() -> psycopg.Connection[Any]:
            connection = connect(conninfo, answer_seconds)
            if psycopg.conninfo.conninfo_to_dict(conninfo).get("port") != _TRANSACTION_POOLER:
                try:
                    connection.execute(_LIMIT, {"ms": int(statement_seconds * 1000)})
                except BaseException:
                    connection.close()
                    raise
            return connection

        # psycopg_pool would hide why a connection fails.
        self._connections = ConnectionPool(connected, _usable)
        self.close = self._connections.close

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        texts = BY_NAME[function].takes_texts
        body = with_texts(request) if texts else Json(request, dumps=msgspec.json.encode)
        with translated_errors(self.name), self._connections.one() as connection:
            row = connection.execute(f"select public.{function}({'%b' if texts else '%s'})", [body]).fetchone()
        return row[0] if row else None


def _usable(connection: psycopg.Connection[Any]) -> bool:
    # If there is something to read on an idle connection, the server was shut down or restarted in the meantime.
    return not connection.closed and not select.select([connection.fileno()], [], [], 0)[0]


class _Connection(psycopg.Connection[Any]):
    """
    Closes itself, and raises, if an answer does not come in time.

    Keepalives do not notice a proxy that has lost its server, or a server that hangs.
    """

    answer_seconds: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate or self.closed:
                raise
            # The server is silent, but connected. Its answer may still come, and must not be taken for the next call's;
            # and the statement may still run, with its locks.
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=5)
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.answer_seconds} s") from error


def connect(conninfo: str, answer_seconds: float | None = None) -> psycopg.Connection[Any]:
    """
    A connection with the options that all of this package needs. Raises psycopg's errors: see `translated_errors`.

    ``answer_seconds``: how long each statement may take; None: any time.
    """
    connection = _Connection.connect(
        conninfo,
        autocommit=True,
        connect_timeout=10,
        # Without these, a network that goes silent is never noticed; with them, within a minute or two.
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=60_000,
        application_name="novelsync",
        prepare_threshold=None,  # Supabase's transaction pooler (port 6543) has no prepared statements.
    )
    connection.answer_seconds = answer_seconds
    set_json_loads(msgspec.json.decode, connection)
    return connection


def describe(conninfo: str) -> str:
    """The database in a connection string, for people. Raises `ConfigurationError`, which never shows the string."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.Error:
        # Its message quotes the string, and with it the password.
        raise ConfigurationError("DATABASE_URL cannot be read", _URL_HINT) from None
    port = f":{parts['port']}" if parts.get("port") else ""
    name = f"{parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or parts.get('user') or ''}"
    # A password with @ or / in it ends up in host, port or database.
    if "@" in name or port.strip(":,0123456789"):
        raise ConfigurationError("DATABASE_URL cannot be read", _URL_HINT)
    return f"Postgres at {name}"


def password_in(conninfo: str) -> str:
    """
    The secret in a connection string: empty if there is no password, or if it equals the user, database or host.

    Raises what `describe` does.
    """
    describe(conninfo)
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    password = str(parts.get("password") or "")
    return "" if password in (parts.get("user"), parts.get("dbname"), parts.get("host")) else password


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Raises psycopg's exceptions as `NovelSyncError`. ``name``: the database, for the message."""
    try:
        yield
    except psycopg.Error as error:
        raise _translated(error, name) from error


def _translated(error: psycopg.Error, name: str) -> NovelSyncError:
    state = error.sqlstate
    whole = " ".join((error.diag.message_primary or str(error)).split())
    said = one_line(whole, 600)
    if state is None:
        if any(words in whole for words in _REFUSED_CREDENTIALS):
            return ConfigurationError(
                f"{name} refuses the connection: {said}", "check user, password and database name in DATABASE_URL"
            )
        return DatabaseUnavailable(
            f"{name} cannot be reached: {said}",
            "check that it is running and that DATABASE_URL names it",
            transient=isinstance(error, psycopg.OperationalError),
        )
    return error_of_state(state, said, name, inside=bool(error.diag.context))
