"""
Applies ``supabase/migrations`` to a database and records them in the same table as the Supabase CLI.

So `migrate`, ``supabase db push`` and the pasted result of `as_script` can be mixed and repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import psycopg

from novelsync.database.transports.postgres import connect, translated_errors
from novelsync.errors import DatabaseNotReady

PACKAGED: Final = resources.files("novelsync.database") / "sql"
"""Where they are in a wheel; a clone has no such folder."""

IN_CLONE: Final = Path(__file__).parents[2] / "supabase" / "migrations"
"""Where they are in a clone, and where the Supabase CLI looks for them."""

SEARCH: Final = "novelsync_search.sql"
"""Applied only when asked for, and in no ledger: in the folder ``optional``, beside `IN_CLONE` or within `PACKAGED`."""

READERS = ("anon", "authenticated", "none")

_LEDGER = """\
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations
  add column if not exists statements text[], add column if not exists name text;
"""

_NO_NOTICES = "set local client_min_messages = warning;\n"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, named ``<version>_<name>.sql`` as the Supabase CLI wants it."""

    version: str
    name: str
    sql: str


def migrations() -> Iterator[Migration]:
    """All of them, the oldest first."""
    folder: Traversable = PACKAGED if PACKAGED.is_dir() else IN_CLONE
    files = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    for file in sorted(files, key=lambda file: file.name):
        version, _, name = file.name.removesuffix(".sql").partition("_")
        yield Migration(version, name, file.read_text(encoding="utf-8"))


def search_sql() -> str:
    """The optional search for readers."""
    folder: Traversable = PACKAGED / "optional" if PACKAGED.is_dir() else IN_CLONE.with_name("optional")
    return (folder / SEARCH).read_text(encoding="utf-8")


def migrate(conninfo: str, database: str, readers: str = "anon") -> list[str]:
    """
    Applies the migrations that are missing, all in one transaction, and returns their names.

    ``database``: its name in error messages. ``readers``: who may select from the tables if they are made now, one of
    `READERS`; existing policies are never touched. Raises `DatabaseNotReady`, and changes nothing, if tables with the
    names of ours exist that NovelSync did not make.
    """
    with translated_errors(database), connect(conninfo) as connection, connection.transaction():
        return apply_missing(connection, readers)


def add_search(conninfo: str, database: str) -> None:
    """
    Adds the search for readers to a database that is migrated, or brings it up to date.

    Raises `DatabaseNotReady`, and changes nothing, if it is not migrated, or not in UTF8.
    """
    with translated_errors(database), connect(conninfo) as connection, connection.transaction():
        _run(connection, _NO_NOTICES + search_sql())


def apply_missing(connection: psycopg.Connection[Any], readers: str, *, foundation_only: bool = False) -> list[str]:
    """
    What `migrate` does, in a transaction that is already open. Raises psycopg's errors besides.

    ``foundation_only``: only the first migration, which makes the roles and types that adopting tables needs.
    """
    # Without the lock, two callers at once would both find the ledger empty.
    connection.execute("select pg_advisory_xact_lock(hashtext('novelsync migrate'))")
    connection.execute(_NO_NOTICES + _LEDGER)
    ledger = connection.execute("select version from supabase_migrations.schema_migrations").fetchall()
    wanted = list(migrations())[: 1 if foundation_only else None]
    missing = [migration for migration in wanted if (migration.version,) not in ledger]
    connection.execute("select set_config('novelsync.readers', %s, true)", [readers])
    for migration in missing:
        _apply(connection, migration)
    return [migration.name for migration in missing]


def _run(connection: psycopg.Connection[Any], sql: str) -> None:
    try:
        connection.execute(sql.encode())
    except psycopg.errors.RaiseException as error:
        raise DatabaseNotReady(error.diag.message_primary or str(error), error.diag.message_hint or "") from error


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    _run(connection, migration.sql)
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
        [migration.version, migration.name, [migration.sql]],
    )


def as_script(readers: str = "anon") -> str:
    """All migrations as one script for psql or an SQL editor, safe to run again."""
    parts = [f"begin;\n{_NO_NOTICES}select set_config('novelsync.readers', '{readers}', true);\n{_LEDGER}"]
    for migration in migrations():
        parts.append(
            f"{migration.sql}\n"
            "insert into supabase_migrations.schema_migrations (version, name)"
            f" values ('{migration.version}', '{migration.name}') on conflict do nothing;\n"
        )
    return "\n".join([*parts, "commit;\n"])


def search_as_script() -> str:
    """The search for readers as one script, safe to run again."""
    return f"begin;\n{_NO_NOTICES}{search_sql()}\ncommit;\n"
