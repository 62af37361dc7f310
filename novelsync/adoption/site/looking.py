"""Looks at a site's tables, and changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from novelsync.adoption.site import catalog
from novelsync.adoption.site.columns import COLUMNS, TABLES, Names, find_twins, spelt
from novelsync.adoption.site.tables import Check, Column, Existing, Grant, Index, Table, Trigger
from novelsync.database.transports.postgres import connect, translated_errors
from novelsync.errors import DatabaseNotReady

Connection = psycopg.Connection[Any]


@contextmanager
def opened(conninfo: str, database: str) -> Iterator[Connection]:
    """A connection whose errors are raised as NovelSync's own."""
    with translated_errors(database), connect(conninfo) as connection:
        yield connection


def is_ours(connection: Connection) -> bool:
    """Whether NovelSync's bookkeeping is there, so that the tables are its own or were taken over before."""
    return bool(one(connection, "select to_regclass('novelsync.files') is not null"))


def look(connection: Connection, names: Names) -> Existing:
    """The tables as they are. Raises `DatabaseNotReady` if they, or columns that were named, are not there."""
    path = one(connection, "select current_schemas(false)::text[]")
    tables = {ours: _table(connection, ours, _find(connection, ours, names), names, path) for ours in COLUMNS}
    novels, chapters = tables["novels"], tables["chapters"]
    novel_id = chapters.source("novel_id") or ""
    return Existing(
        novels,
        chapters,
        taken_names=[
            ours
            for ours, table in tables.items()
            if table.name != ours and one(connection, "select to_regclass(%s) is not null", f"public.{ours}")
        ],
        referencing=any(column.references == novels.name for column in chapters.columns.values()),
        orphans=(
            _orphans(connection, novels, chapters, novel_id)
            if novel_id in chapters.columns and "id" in novels.columns
            else 0
        ),
        repeated_slugs=_repeated_slugs(connection, novels),
        server=connection.info.server_version,
        search_path=path if "public" in path else [*path, "public"],
    )


def _candidates(connection: Connection, ours: str, names: Names) -> list[str]:
    """The tables that may be one of ours, the likeliest first."""
    if named := names.tables.get(ours):
        return [named] if one(connection, "select to_regclass(format('public.%%I', %s::text))", named) else []
    likely = list(map(spelt, TABLES[ours]))
    there = [name for (name,) in connection.execute(catalog.RELATIONS) if spelt(name) in likely]
    return sorted(there, key=lambda name: (name != ours, likely.index(spelt(name))))


def sites_tables(connection: Connection) -> Mapping[str, Sequence[str]]:
    """By table of ours, the tables that may be it."""
    return {ours: _candidates(connection, ours, Names()) for ours in TABLES}


def site_triggers(connection: Connection, table: str) -> list[Trigger]:
    """Those of the site on a table of ours."""
    return triggers(connection, table, one(connection, "select current_schemas(false)::text[]"))


def _find(connection: Connection, ours: str, names: Names) -> str:
    found = _candidates(connection, ours, names)
    if not found:
        raise DatabaseNotReady(
            "the tables cannot be taken over, and nothing was changed:"
            f" there is no table public.{names.tables.get(ours, ours)}",
            f"if it has another name: `novelsync migrate --adopt --adopt-columns {ours}=<name>`;"
            " if there are no tables yet: `novelsync migrate`",
        )
    if len(found) > 1 and found[0] != ours:
        raise DatabaseNotReady(
            f"the tables cannot be taken over, and nothing was changed: {', '.join(found)} could all be {ours}",
            f"say which: `novelsync migrate --adopt --adopt-columns {ours}=<name>`",
        )
    return found[0]


def _table(connection: Connection, ours: str, name: str, names: Names, path: Sequence[str]) -> Table:
    oid = one(connection, "select to_regclass(format('public.%%I', %s::text))::oid", name)
    kind, owner, owned, secured, forced = _row(connection, catalog.CLASS, oid)
    columns = {row[0]: Column(*row) for row in connection.execute(catalog.COLUMNS, [oid])}
    return Table(
        name=name,
        kind=kind,
        owner=owner,
        owned=owned,
        secured=secured,
        forced=forced,
        columns=columns,
        twins=dict(find_twins(ours, {c.name: c.kind for c in columns.values() if not c.generated}, names)),
        triggers=triggers(connection, name, path),
        indexes=[Index(*row) for row in connection.execute(catalog.INDEXES, [oid])],
        checks=[Check(*row) for row in connection.execute(catalog.CHECKS, [oid])],
        grants=[Grant(*row) for row in connection.execute(catalog.GRANTS, [oid])],
        id_sequence=one(connection, catalog.SEQUENCE, oid) if "id" in columns else None,
    )


def triggers(connection: Connection, table: str, path: Sequence[str] = ()) -> list[Trigger]:
    """The site's own on a table of ``public``. ``path``: the schemas in which its functions find names."""
    query = [list(path), f'public."{table}"']
    return [Trigger(*row) for row in connection.execute(catalog.TRIGGERS, query)]


def _orphans(connection: Connection, novels: Table, chapters: Table, novel_id: str) -> int:
    query = sql.SQL(
        "select count(*) from {} c where not exists (select from {} n where n.id::text = c.{}::text)"
        if novels.columns["id"].type != chapters.columns[novel_id].type
        else "select count(*) from {} c where not exists (select from {} n where n.id = c.{})"
    )
    identifiers = sql.Identifier("public", chapters.name), sql.Identifier("public", novels.name)
    return int(one(connection, query.format(*identifiers, sql.Identifier(novel_id)).as_string()))


def _repeated_slugs(connection: Connection, novels: Table) -> str | None:
    if "slug" not in novels.columns:
        return None
    query = sql.SQL(
        "select string_agg(slug, ', ') from (select slug::text as slug from {} where slug::text <> ''"
        " group by 1 having count(*) > 1 limit 5) s"
    ).format(sql.Identifier("public", novels.name))
    found: str | None = one(connection, query.as_string())
    return found


def _row(connection: Connection, query: str, *parameters: object) -> tuple[Any, ...]:
    return connection.execute(query, parameters or None).fetchone() or ()


def one(connection: Connection, query: str, *parameters: object) -> Any:
    """The first value of the first row; None if there is none."""
    row = _row(connection, query, *parameters)
    return row[0] if row else None
