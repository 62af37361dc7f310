"""
Tables ``novels`` and ``chapters`` that another sync filled: what they have, and what it takes to make them ours.

Rows keep their ids, of whatever type, and the site its columns, policies and grants. What is altered is worked out
first, as statements that can be shown, and then done in one transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg import sql

from novelsync.database.migrations import apply_missing
from novelsync.database.postgres import connect, translated_errors
from novelsync.errors import DatabaseNotReady
from novelsync.models import KnownChapter, NovelFields, url_hash

Connection = psycopg.Connection[Any]

_COLUMNS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "novels": {
        "slug": ("text", ""),
        "title": ("text", "not null"),
        "author": ("text", ""),
        "description": ("text", ""),
        "cover_url": ("text", ""),
        "status": ("text", ""),
        "chapter_count": ("integer", "not null default 0"),
        "created_at": ("timestamptz", "not null default now()"),
        "updated_at": ("timestamptz", "not null default now()"),
        "last_chapter_at": ("timestamptz", ""),
        "removed_at": ("timestamptz", ""),
    },
    "chapters": {
        "position": ("integer", "not null default 0"),
        "number": ("numeric", ""),
        "title": ("text", "not null default ''"),
        "content": ("text", "not null default ''"),
        "url": ("text", "not null default ''"),
        "content_hash": ("bytea", "not null default sha256('')"),
        "created_at": ("timestamptz", "not null default now()"),
        "updated_at": ("timestamptz", "not null default now()"),
        "content_updated_at": ("timestamptz", "not null default now()"),
        "removed_at": ("timestamptz", ""),
    },
}
"""Type and rule of every column that is ours; see ``supabase/migrations`` for what they mean."""

_NEEDED: Final = {"novels": ("id", "title"), "chapters": ("id", "novel_id", "title", "content")}

_FULL_NAMES: Final = {"timestamptz": "timestamp with time zone"}

_FINE: Final = {
    "integer": ("smallint", "bigint"),
    "numeric": (),
    "text": (),
    "timestamptz": (),
    "bytea": (),
}
"""Other types that serve as well as they are."""

_CONVERTIBLE: Final = {
    "numeric": ("smallint", "integer", "bigint", "real", "double precision"),
    "timestamptz": ("timestamp without time zone",),
}

_ID_TYPES: Final = {
    "smallint": "",
    "integer": "",
    "bigint": "",
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "character varying": "gen_random_uuid()::text",
}
"""What an id may be, with the default it gets if it has none; a number becomes an identity."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    not_null: bool
    filled: bool
    """By itself: it has a default, is an identity or is generated."""


@dataclass(frozen=True, slots=True)
class Existing:
    """The two tables as they are."""

    columns: Mapping[str, Mapping[str, _Column]]
    alterations: Sequence[str]
    """The statements that make them ours, in their order."""
    remarks: Sequence[str]
    """What a person should know before."""


@dataclass(frozen=True, slots=True)
class ExistingNovel:
    """A row of ``novels`` that NovelSync does not know yet."""

    id: str
    slug: str | None
    fields: NovelFields


@contextmanager
def opened(conninfo: str, database: str) -> Iterator[Connection]:
    """A connection whose errors are ours."""
    with translated_errors(database), connect(conninfo) as connection:
        yield connection


def look(connection: Connection, readers: str) -> Existing:
    """
    What has to be done to the tables; ``readers`` as for a migration, for tables without row-level security.

    Raises `DatabaseNotReady` with every reason why they cannot be taken over.
    """
    columns = {table: _columns(connection, table) for table in _COLUMNS}
    reasons = [
        f"public.{table} has no column {name}" if columns[table] else f"there is no table public.{table}"
        for table, names in _NEEDED.items()
        for name in (names if columns[table] else ("id",))
        if name not in columns[table]
    ]
    if reasons:
        raise _cannot(reasons)
    reasons = [reason for table in _COLUMNS for reason in _obstacles(connection, table, columns[table])]
    if columns["novels"]["id"].type != columns["chapters"]["novel_id"].type:
        types = f"{columns['chapters']['novel_id'].type}, and novels.id is {columns['novels']['id'].type}"
        reasons.append(f"chapters.novel_id is {types}")
    orphans = _one(
        connection,
        "select count(*) from public.chapters c where not exists (select from public.novels n where n.id = c.novel_id)",
    )
    if orphans:
        reasons.append(f"{orphans} rows of public.chapters belong to no row of public.novels")
    if reasons:
        raise _cannot(reasons)
    alterations = [statement for table in _COLUMNS for statement in _fit_columns(table, columns[table])]
    alterations += _fill(columns)
    alterations += _constraints(connection)
    alterations += [statement for table in _COLUMNS for statement in _access(connection, table, readers)]
    return Existing(columns, alterations, [*_unique_rules(connection)])


def novels(connection: Connection, existing: Existing | None) -> list[ExistingNovel]:
    """Rows that no folder has been paired with yet; ``existing``: None if the tables are ours already."""
    present = set(_COLUMNS["novels"]) if existing is None else existing.columns["novels"].keys()
    names = ("slug", "title", "author", "description", "cover_url", "status")
    wanted = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(name)) if name in present else sql.SQL("null") for name in names
    )
    unknown = sql.SQL(
        "" if existing else " where removed_at is null and id not in (select novel_id from novelsync.files)"
    )
    rows = connection.execute(
        sql.SQL("select id::text, {} from public.novels{} order by id").format(wanted, unknown)
    ).fetchall()
    return [ExistingNovel(id_, slug, NovelFields(title or "", *rest)) for id_, slug, title, *rest in rows]


def chapters(connection: Connection, existing: Existing | None, novel_id: str) -> list[KnownChapter]:
    """A novel's rows in the order they are to have, as the matching wants them."""
    present = set(_COLUMNS["chapters"]) if existing is None else existing.columns["chapters"].keys()
    number = sql.SQL("number::text" if "number" in present else "null::text")
    url = sql.SQL("coalesce(url::text, '')" if "url" in present else "''")
    order = sql.SQL("position, " if existing is None else _order(existing.columns["chapters"]))
    query = sql.SQL(
        "select id::text, {}, coalesce(title::text, ''), {}, sha256(convert_to(coalesce(content::text, ''), 'UTF8')),"
        " octet_length(coalesce(content::text, ''))"
        " from public.chapters where novel_id::text = %s order by {} id"
    )
    rows = connection.execute(query.format(number, url, order), [novel_id]).fetchall()
    return [
        KnownChapter(id_, n, None if number is None else Decimal(number), title, url_hash(url), bytes(hash_), size)
        for n, (id_, number, title, url, hash_, size) in enumerate(rows, start=1)
    ]


def is_ours(connection: Connection) -> bool:
    """NovelSync's bookkeeping is there, so the tables are its own or were taken over before."""
    return bool(_one(connection, "select to_regclass('novelsync.files') is not null"))


def known_slugs(connection: Connection) -> set[str]:
    """Folders that have a row already."""
    return {slug for (slug,) in connection.execute("select slug from novelsync.files where novel_id is not null")}


def adopt(connection: Connection, existing: Existing | None, readers: str, pairs: Mapping[str, ExistingNovel]) -> None:
    """
    Makes the tables ours and pairs folders with rows, in one transaction; the next sync reads those novels' files.

    ``pairs``: slugs to rows.
    """
    with connection.transaction():
        if existing:
            connection.execute("set local client_min_messages = warning")
            connection.execute("create schema if not exists novelsync")
            for table, domain in (("novels", "novel_id"), ("chapters", "chapter_id")):
                type_ = existing.columns[table]["id"].type
                connection.execute(f"create domain novelsync.{domain} as {type_}")
            for role in ("anon", "authenticated", "service_role"):
                if not _one(connection, "select exists (select from pg_catalog.pg_roles where rolname = %s)", role):
                    connection.execute(f"create role {role} nologin")
            for statement in existing.alterations:
                connection.execute(statement)
        apply_missing(connection, readers)
        for slug, novel in pairs.items():
            connection.execute(
                "insert into novelsync.files (slug, novel_id) select %s, id from public.novels where id::text = %s",
                [slug, novel.id],
            )
            connection.execute("update public.novels set slug = %s where id::text = %s", [slug, novel.id])


# What is in the way -------------------------------------------------------------------


def _cannot(reasons: Sequence[str]) -> DatabaseNotReady:
    return DatabaseNotReady(
        f"the tables cannot be taken over, and nothing was changed: {'; '.join(reasons)}",
        "mend it with alter table (add, rename or convert the column), or let NovelSync fill tables of its own",
    )


def _columns(connection: Connection, table: str) -> Mapping[str, _Column]:
    rows = connection.execute(
        "select a.attname, format_type(a.atttypid, null), a.attnotnull,"
        " a.atthasdef or a.attidentity <> '' or a.attgenerated <> ''"
        " from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid"
        " where a.attrelid = to_regclass(%s) and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped",
        [f"public.{table}"],
    ).fetchall()
    return {name: _Column(name, type_, not_null, filled) for name, type_, not_null, filled in rows}


def _obstacles(connection: Connection, table: str, columns: Mapping[str, _Column]) -> Iterator[str]:
    if columns["id"].type not in _ID_TYPES:
        yield f"{table}.id is {columns['id'].type}, and can be {', '.join(_ID_TYPES)}"
    unique = _one(
        connection,
        "select exists (select from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid"
        " and a.attnum = i.indkey[0] where i.indrelid = %s::regclass and i.indisunique and i.indnatts = 1"
        " and i.indpred is null and a.attname = 'id')",
        f"public.{table}",
    )
    if not unique:
        yield f"{table}.id is not unique"
    for name, column in columns.items():
        if name in _COLUMNS[table]:
            wanted = _COLUMNS[table][name][0]
            if not _fits(column.type, wanted) and wanted != "text" and column.type not in _CONVERTIBLE.get(wanted, ()):
                yield f"{table}.{name} is {column.type}, and must be {wanted}"
        elif column.not_null and not column.filled and name not in ("id", "novel_id"):
            yield f"{table}.{name} is not null and has no default, and NovelSync does not fill it"


def _fits(type_: str, wanted: str) -> bool:
    return type_ in (wanted, _FULL_NAMES.get(wanted)) or type_ in _FINE[wanted]


def _unique_rules(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        "select i.indexrelid::regclass::text, i.indrelid::regclass::text,"
        " (select string_agg(a.attname, ', ') from pg_catalog.pg_attribute a"
        "  where a.attrelid = i.indrelid and a.attnum = any (i.indkey::smallint[]))"
        " from pg_catalog.pg_index i"
        " where i.indrelid in ('public.novels'::regclass, 'public.chapters'::regclass) and i.indisunique"
        " and not exists (select from pg_catalog.pg_attribute a where a.attrelid = i.indrelid and a.attname = 'id'"
        "                 and a.attnum = any (i.indkey::smallint[])) order by 1"
    ).fetchall()
    for index, table, columns in rows:
        yield f"{index} keeps {columns} of {table} unique: files that repeat them are refused until it is dropped"


# What is altered ----------------------------------------------------------------------


def _fit_columns(table: str, columns: Mapping[str, _Column]) -> Iterator[str]:
    if not columns["id"].filled:
        default = _ID_TYPES[columns["id"].type]
        if default:
            yield f"alter table public.{table} alter column id set default {default}"
        else:
            yield f"alter table public.{table} alter column id set not null"
            yield f"alter table public.{table} alter column id add generated by default as identity"
            yield (
                f"select setval(pg_get_serial_sequence('public.{table}', 'id'), coalesce(max(id), 0) + 1, false)"
                f" from public.{table}"
            )
    for name, (wanted, rule) in _COLUMNS[table].items():
        column = columns.get(name)
        if column is None:
            yield f"alter table public.{table} add column {name} {wanted} {rule}".strip()
            continue
        alter = f"alter table public.{table} alter column {name}"
        if not _fits(column.type, wanted):
            if column.filled:
                yield f"{alter} drop default"
            as_utc = " at time zone 'UTC'" if wanted == "timestamptz" else f"::{wanted}"
            yield f"{alter} type {wanted} using {name}{as_utc}"
        default = rule.partition("default ")[2]
        if default:
            yield f"{alter} set default {default}"
        if rule.startswith("not null"):
            if not column.not_null:
                yield f"update public.{table} set {name} = {default or repr('')} where {name} is null"
                yield f"{alter} set not null"
        elif column.not_null:
            yield f"{alter} drop not null"


def _order(columns: Mapping[str, _Column]) -> str:
    """How the site most probably shows its chapters."""
    known = ("position", "number", "created_at")
    return "".join(f"{name} nulls last, " for name in known if name in columns)


def _fill(columns: Mapping[str, Mapping[str, _Column]]) -> Iterator[str]:
    updated = "updated_at" if "updated_at" in columns["chapters"] else "now()"
    yield (
        "update public.chapters t set position = r.place, content_hash = sha256(convert_to(t.content, 'UTF8')),"
        f" content_updated_at = coalesce({updated}, now()) from (select id, row_number() over (partition by novel_id"
        f" order by {_order(columns['chapters'])}id) as place from public.chapters) r where r.id = t.id"
    )
    yield "alter table public.chapters alter column position drop default"
    yield (
        "update public.novels n set chapter_count = c.n, last_chapter_at = c.last"
        " from (select novel_id, count(*) as n, max(created_at) as last from public.chapters group by novel_id) c"
        " where c.novel_id = n.id"
    )


def _constraints(connection: Connection) -> Iterator[str]:
    yield "create unique index novels_slug on public.novels (slug) where removed_at is null"
    yield "create index if not exists novels_updated_at on public.novels (updated_at desc) where removed_at is null"
    yield (
        "create index if not exists novels_last_chapter_at on public.novels (last_chapter_at desc nulls last)"
        " where removed_at is null"
    )
    yield "alter table public.chapters add check (position > 0)"
    yield (
        "alter table public.chapters add constraint chapters_position"
        " exclude using btree (novel_id with =, position with =) where (removed_at is null)"
        " deferrable initially deferred"
    )
    yield "create index if not exists chapters_novel_id on public.chapters (novel_id)"
    yield "alter table public.chapters alter column novel_id set not null"
    referenced = _one(
        connection,
        "select exists (select from pg_catalog.pg_constraint where contype = 'f'"
        " and conrelid = 'public.chapters'::regclass and confrelid = 'public.novels'::regclass)",
    )
    if not referenced:
        yield "alter table public.chapters add foreign key (novel_id) references public.novels (id)"


def _access(connection: Connection, table: str, readers: str) -> Iterator[str]:
    """What readers may see. The site's policies stay; what is removed is hidden by one that only takes away."""
    visible = "removed_at is null"
    if table == "chapters":
        visible += " and exists (select from public.novels n where n.id = novel_id and n.removed_at is null)"
    secured = _one(
        connection, "select relrowsecurity from pg_catalog.pg_class where oid = %s::regclass", f"public.{table}"
    )
    yield f"grant select, insert, update, delete on public.{table} to service_role"
    sequence = _one(connection, "select pg_get_serial_sequence(%s, 'id')", f"public.{table}")
    if sequence:
        yield f"grant usage, select on sequence {sequence} to service_role"
    yield f'create policy "novelsync writes" on public.{table} for all to service_role using (true) with check (true)'
    if secured:
        yield (
            f'create policy "novelsync hides what was removed" on public.{table} as restrictive'
            f" for select to anon, authenticated using ({visible})"
        )
        return
    yield f"alter table public.{table} enable row level security"
    roles = {"anon": "anon, authenticated", "authenticated": "authenticated", "none": ""}[readers]
    if roles:
        yield f"grant select on public.{table} to {roles}"
        yield f'create policy "readers see published {table}" on public.{table} for select to {roles} using ({visible})'


def _one(connection: Connection, query: str, *parameters: str) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row and row[0]
