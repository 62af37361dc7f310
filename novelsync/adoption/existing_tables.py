"""
Tables ``novels`` and ``chapters`` that another sync filled: what they have, and what it takes to make them NovelSync's.

Rows keep their ids, of whatever type, and the site keeps its columns, policies and grants. All alterations are worked
out first, as statements that can be shown, and then carried out in one transaction. "Ours" below is NovelSync's.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import psycopg
from psycopg import sql

from novelsync.database.migrations import apply_missing
from novelsync.database.transports.postgres import connect, translated_errors
from novelsync.errors import DatabaseNotReady, DatabaseUnavailable
from novelsync.models.source import NovelFields, url_hash
from novelsync.models.stored import KnownChapter

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
        "volume": ("text", ""),
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
"""By table, the type and the constraint of each column of ours; ``supabase/migrations`` says what they mean."""

_NEEDED: Final = {"novels": ("id", "title"), "chapters": ("id", "novel_id", "title", "content")}
"""Columns without which tables cannot be taken over."""

_FITTING: Final = {"integer": ("smallint", "bigint"), "timestamptz": ("timestamp with time zone",)}
"""Other types, or other names of types, that a column may have as it is."""

_CONVERTIBLE: Final = {
    "numeric": ("smallint", "integer", "bigint", "real", "double precision"),
    "timestamptz": ("timestamp without time zone",),
}
"""Types from which a column is converted; any type is converted to text."""

_ID_TYPES: Final = {
    "smallint": "",
    "integer": "",
    "bigint": "",
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "character varying": "gen_random_uuid()::text",
}
"""Types that an id may have, with the default it gets if it has none; a number becomes an identity column."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    not_null: bool
    default: str | None
    """As an SQL expression."""
    identity: bool
    generated: bool
    length: int | None
    """In characters, of a ``varchar``."""

    @property
    def filled(self) -> bool:
        """Whether the database fills it where an insert leaves it out."""
        return self.default is not None or self.identity or self.generated


@dataclass(frozen=True, slots=True)
class Existing:
    """The two tables as they are."""

    columns: Mapping[str, Mapping[str, _Column]]
    alterations: Sequence[str]
    """The statements that make them ours, in order."""
    remarks: Sequence[str]
    """What a person should know before that."""


@dataclass(frozen=True, slots=True)
class ExistingNovel:
    """A row of ``novels`` that NovelSync does not know yet."""

    id: str
    slug: str | None
    fields: NovelFields


@contextmanager
def opened(conninfo: str, database: str) -> Iterator[Connection]:
    """A connection whose errors are raised as NovelSync's own."""
    with translated_errors(database), connect(conninfo) as connection:
        yield connection


def look(connection: Connection) -> Existing:
    """
    The tables, and what has to be done to them. Changes nothing.

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
        raise _cannot(reasons, "" if any(columns.values()) else "make tables with `novelsync migrate`")
    reasons = [reason for table in _COLUMNS for reason in _obstacles(connection, table, columns[table])]
    if columns["novels"]["id"].type != columns["chapters"]["novel_id"].type:
        types = f"{columns['chapters']['novel_id'].type}, and novels.id is {columns['novels']['id'].type}"
        reasons.append(f"chapters.novel_id is {types}")
    blind = set(_grantees(connection, "chapters", "select")) - set(_grantees(connection, "novels", "select"))
    if blind - {"public"} and "public" not in _grantees(connection, "novels", "select"):
        reasons.append(f"{', '.join(sorted(blind))} may read chapters but not novels: grant select on novels too")
    orphans = _one(
        connection,
        "select count(*) from public.chapters c where not exists (select from public.novels n where n.id = c.novel_id)",
    )
    if orphans:
        reasons.append(f"{orphans} rows of public.chapters belong to no row of public.novels")
    if reasons:
        raise _cannot(reasons)
    alterations = [f"alter table public.{table} disable trigger user" for table in _COLUMNS]
    alterations += [statement for table in _COLUMNS for statement in _fit_columns(connection, table, columns[table])]
    alterations += _fill(columns)
    alterations += [f"alter table public.{table} enable trigger user" for table in _COLUMNS]
    alterations += _constraints(connection)
    alterations += [statement for table in _COLUMNS for statement in _access(connection, table)]
    return Existing(columns, alterations, [*_remarks(connection, columns)])


def novels(connection: Connection, existing: Existing | None) -> list[ExistingNovel]:
    """The rows that no folder has been paired with yet. ``existing``: None if the tables are ours already."""
    present = set(_COLUMNS["novels"]) if existing is None else existing.columns["novels"].keys()
    names = ("slug", "title", "author", "description", "cover_url", "status")
    wanted = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(name)) if name in present else sql.SQL("null") for name in names
    )
    unknown = sql.SQL(
        ""
        if existing
        else " n where removed_at is null and not exists (select from novelsync.files f where f.novel_id = n.id)"
    )
    rows = connection.execute(
        sql.SQL("select id::text, {} from public.novels{} order by id").format(wanted, unknown)
    ).fetchall()
    return [ExistingNovel(id_, slug, NovelFields(title or "", *rest)) for id_, slug, title, *rest in rows]


def chapters(connection: Connection, existing: Existing | None) -> Iterator[tuple[str, list[KnownChapter]]]:
    """The id of each novel, with its chapters in the order they will get, as `pair_chapters` takes them; one query."""
    present = set(_COLUMNS["chapters"]) if existing is None else existing.columns["chapters"].keys()
    query = sql.SQL(
        "select t.novel_id::text, t.id::text, {}, coalesce(t.title::text, ''), {},"
        " sha256(convert_to(coalesce(t.content::text, ''), 'UTF8')), octet_length(coalesce(t.content::text, ''))"
        " from public.chapters t {} order by t.novel_id, {} t.id"
    ).format(
        sql.SQL("t.number::text" if "number" in present else "null::text"),
        sql.SQL("coalesce(t.url::text, '')" if "url" in present else "''"),
        sql.SQL("" if existing else "where t.removed_at is null"),
        sql.SQL(_order(existing.columns["chapters"]) if existing else "t.position, "),
    )
    with connection.transaction(), connection.cursor("chapters") as cursor:
        for novel_id, rows in groupby(cursor.execute(query), key=itemgetter(0)):
            yield novel_id, [_known(place, *row[1:]) for place, row in enumerate(rows, start=1)]


def _known(
    place: int, id_: str, number: str | None, title: str, url: str, content_hash: bytes, size: int
) -> KnownChapter:
    exact = None if number is None else Decimal(number)
    return KnownChapter(id_, place, exact, title, url_hash(url), bytes(content_hash), size)


def is_ours(connection: Connection) -> bool:
    """Whether NovelSync's bookkeeping is there, so that the tables are its own or were taken over before."""
    return bool(_one(connection, "select to_regclass('novelsync.files') is not null"))


def known_slugs(connection: Connection) -> set[str]:
    """The slugs of folders that have a row already."""
    return {slug for (slug,) in connection.execute("select slug from novelsync.files where novel_id is not null")}


def adopt(connection: Connection, existing: Existing | None, readers: str, pairs: Mapping[str, ExistingNovel]) -> None:
    """
    Makes the tables ours and pairs folders with rows, in one transaction; the next sync reads those novels' files.

    ``existing``: None if the tables are ours already. ``pairs``: rows by slug. Raises `DatabaseNotReady` if a statement
    fails, and `DatabaseUnavailable` if somebody else has locked the tables; nothing was changed then.
    """
    with connection.transaction():
        # While we wait for a lock, the site's own queries queue up behind us: not longer than some seconds.
        connection.execute("set local lock_timeout = '5s'; set local statement_timeout = 0")
        if existing is not None:
            for statement in _id_domains(existing):
                _carry_out(connection, statement)
            # This creates the roles that the alterations grant privileges to.
            apply_missing(connection, readers, foundation_only=True)
            for statement in existing.alterations:
                _carry_out(connection, statement)
        apply_missing(connection, readers)
        for slug, novel in pairs.items():
            connection.execute(
                "insert into novelsync.files (slug, novel_id) select %s, id from public.novels where id::text = %s"
                " on conflict (slug) do update set novel_id = excluded.novel_id, version = ''",
                [slug, novel.id],
            )
            connection.execute("update public.novels set slug = %s where id::text = %s", [slug, novel.id])


def _id_domains(existing: Existing) -> Iterator[str]:
    """The domains for ids, in the types the tables have; the first migration would create them for ids of its own."""
    yield "set local client_min_messages = warning"
    yield "lock table public.novels, public.chapters in access exclusive mode"
    yield "create schema if not exists novelsync"
    for table, domain in (("novels", "novel_id"), ("chapters", "chapter_id")):
        yield f"create domain novelsync.{domain} as {existing.columns[table]['id'].type}"


def _carry_out(connection: Connection, statement: str) -> None:
    try:
        connection.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseUnavailable(
            "somebody is using the tables, so they could not be locked; nothing was changed",
            "try again; pg_stat_activity shows who has an open transaction",
        ) from error
    except psycopg.Error as error:
        said = " ".join((error.diag.message_primary or str(error)).split())
        raise DatabaseNotReady(
            f"the tables cannot be taken over, and nothing was changed: {said}, at: {statement}",
            "drop what is in the way (view, policy, constraint) and make it again later, or alter the column first",
        ) from error


# What is in the way -------------------------------------------------------------------


def _cannot(reasons: Sequence[str], hint: str = "") -> DatabaseNotReady:
    return DatabaseNotReady(
        f"the tables cannot be taken over, and nothing was changed: {'; '.join(reasons)}",
        hint or "fix it with alter table (add, rename or convert the column), or let NovelSync fill tables of its own",
    )


def _columns(connection: Connection, table: str) -> Mapping[str, _Column]:
    rows = connection.execute(
        "select a.attname, format_type(a.atttypid, null), a.attnotnull,"
        " case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,"
        " a.attidentity <> '', a.attgenerated <> '', nullif(a.atttypmod, -1) - 4"
        " from pg_catalog.pg_attribute a"
        " left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum"
        " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped",
        [f"public.{table}"],
    ).fetchall()
    return {row[0]: _Column(*row) for row in rows}


def _obstacles(connection: Connection, table: str, columns: Mapping[str, _Column]) -> Iterator[str]:
    kind, owned = _row(
        connection,
        "select relkind::text, pg_has_role(current_user, relowner, 'usage') from pg_catalog.pg_class"
        " where oid = %s::regclass",
        f"public.{table}",
    )
    if kind != "r":
        yield f"public.{table} is not a plain table (but a view, or partitioned)"
    if not owned:
        yield f"public.{table} is owned by another role: connect as its owner"
    id_ = columns["id"]
    if id_.type not in _ID_TYPES:
        yield f"{table}.id is {id_.type}, and must be one of {', '.join(_ID_TYPES)}"
    if not id_.filled and id_.length is not None and id_.length < _UUID_LENGTH:
        yield f"{table}.id is too short for new ids, which have {_UUID_LENGTH} characters: make it text"
    if not _one(connection, _UNIQUE_ID, f"public.{table}"):
        yield f"{table}.id is not unique"
    for name, column in columns.items():
        wanted = _COLUMNS[table].get(name, ("", ""))[0]
        if wanted and column.generated:
            yield f"{table}.{name} is generated, but NovelSync has to write it"
        elif wanted and not _fits(column.type, wanted) and not _convertible(column.type, wanted):
            yield f"{table}.{name} is {column.type}, and must be {wanted}"
        elif not wanted and column.not_null and not column.filled and name not in ("id", "novel_id"):
            yield f"{table}.{name} is not null and has no default, and NovelSync does not fill it"
    for index, on, unique in connection.execute(_INDEXES, [f"public.{table}"]):
        if index == "chapters_position":
            yield f"an index of {table} is called {index}, and NovelSync needs that name: rename it"
        if unique and "position" in on:
            yield f"{index} keeps positions unique even while they move: drop it, NovelSync makes a deferred one"
    if "slug" in columns:
        repeated = _one(
            connection,
            "select string_agg(slug, ', ') from (select slug::text as slug from public.novels where slug::text <> ''"
            " group by 1 having count(*) > 1 limit 5) s",
        )
        if repeated:
            yield f"novels.slug is not unique: {repeated}"


_UUID_LENGTH: Final = 36

_UNIQUE_ID: Final = (
    "select exists (select from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid"
    " and a.attnum = i.indkey[0] where i.indrelid = %s::regclass and i.indisunique and i.indnatts = 1"
    " and i.indpred is null and a.attname = 'id')"
)

_INDEXES: Final = (
    "select c.relname, array(select a.attname::text from unnest(i.indkey::smallint[]) with ordinality as k(n, place)"
    " join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n order by place), i.indisunique"
    " from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid"
    " where i.indrelid = %s::regclass order by 1"
)


def _convertible(type_: str, wanted: str) -> bool:
    return wanted == "text" or type_ in _CONVERTIBLE.get(wanted, ())


def _fits(type_: str, wanted: str) -> bool:
    return type_ == wanted or type_ in _FITTING.get(wanted, ())


def _remarks(connection: Connection, columns: Mapping[str, Mapping[str, _Column]]) -> Iterator[str]:
    for table in _COLUMNS:
        for index, on, unique in connection.execute(_INDEXES, [f"public.{table}"]):
            if unique and "id" not in on:
                yield (
                    f"{index} keeps {', '.join(on)} of {table} unique: novels whose file repeats that, or whose"
                    " chapters are renumbered or replaced, are refused until it is dropped"
                )
    if "position" not in columns["chapters"] or columns["chapters"]["position"].filled:
        yield "chapters.position has no default: whatever else inserts chapters must set it"


# What is altered ----------------------------------------------------------------------


def _fit_columns(connection: Connection, table: str, columns: Mapping[str, _Column]) -> Iterator[str]:
    yield from _fit_id(connection, table, columns["id"])
    for name, (wanted, rule) in _COLUMNS[table].items():
        column = columns.get(name)
        if column is None:
            yield f"alter table public.{table} add column {name} {wanted} {rule}".strip()
            continue
        alter = f"alter table public.{table} alter column {name}"
        old_default = f"({column.default})::{wanted}" if column.default else ""
        if not _fits(column.type, wanted):
            if old_default:
                yield f"{alter} drop default"
            as_utc = " at time zone 'UTC'" if wanted == "timestamptz" else f"::{wanted}"
            yield f"{alter} type {wanted} using {name}{as_utc}"
        default = rule.partition("default ")[2]
        if default or (old_default and not _fits(column.type, wanted)):
            yield f"{alter} set default {default or old_default}"
        if rule.startswith("not null"):
            if not column.not_null:
                yield f"update public.{table} set {name} = {default or repr('')} where {name} is null"
                yield f"{alter} set not null"
        elif column.not_null:
            yield f"{alter} drop not null"


def _fit_id(connection: Connection, table: str, id_: _Column) -> Iterator[str]:
    """Makes sure that a new row gets an id, and one that no row has."""
    default = _ID_TYPES[id_.type]
    if not id_.filled and default:
        yield f"alter table public.{table} alter column id set default {default}"
    elif not id_.filled:
        yield f"alter table public.{table} alter column id set not null"
        yield f"alter table public.{table} alter column id add generated by default as identity"
    if default:
        return
    # The default may use a sequence that no column owns, which pg_get_serial_sequence does not find.
    sequence = _one(
        connection,
        "select coalesce(pg_get_serial_sequence(%s, 'id'), (select d.refobjid::regclass::text"
        " from pg_catalog.pg_depend d join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind = 'S'"
        " join pg_catalog.pg_attrdef a on a.oid = d.objid and d.classid = 'pg_attrdef'::regclass"
        " where a.adrelid = %s::regclass limit 1))",
        *[f"public.{table}"] * 2,
    )
    named = f"'{sequence}'" if sequence else f"pg_get_serial_sequence('public.{table}', 'id')"
    if sequence:
        yield f"grant usage, select on sequence {sequence} to service_role"
    yield f"select setval({named}, greatest(nextval({named}), coalesce(max(id), 0) + 1), false) from public.{table}"


def _order(columns: Mapping[str, _Column]) -> str:
    """The order in which the site most probably shows its chapters, as the start of an ``order by`` list."""
    known = ("position", "number", "created_at")
    return "".join(f"t.{name} nulls last, " for name in known if name in columns)


def _fill(columns: Mapping[str, Mapping[str, _Column]]) -> Iterator[str]:
    has_time = "updated_at" in columns["chapters"]
    yield (
        "update public.chapters c set position = r.place, content_hash = sha256(convert_to(c.content, 'UTF8'))"
        f"{', content_updated_at = coalesce(c.updated_at, now())' if has_time else ''}"
        f" from (select t.id, row_number() over (partition by t.novel_id order by {_order(columns['chapters'])}t.id)"
        " as place from public.chapters t) r where r.id = c.id"
    )
    yield "alter table public.chapters alter column position drop default"
    yield (
        "update public.novels n set chapter_count = c.n, last_chapter_at = c.last"
        " from (select novel_id, count(*) as n, max(created_at) as last from public.chapters group by novel_id) c"
        " where c.novel_id = n.id"
    )
    if "slug" in columns["novels"]:
        yield "update public.novels set slug = null where slug = ''"


def _constraints(connection: Connection) -> Iterator[str]:
    yield "create unique index on public.novels (slug) where removed_at is null"
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
    if not any(on[:1] == ["novel_id"] for _, on, _ in connection.execute(_INDEXES, ["public.chapters"])):
        yield "create index on public.chapters (novel_id)"
    yield "create index on public.chapters (content_hash) where removed_at is null"
    yield "alter table public.chapters alter column novel_id set not null"
    referenced = _one(
        connection,
        "select exists (select from pg_catalog.pg_constraint where contype = 'f'"
        " and conrelid = 'public.chapters'::regclass and confrelid = 'public.novels'::regclass)",
    )
    if not referenced:
        yield "alter table public.chapters add foreign key (novel_id) references public.novels (id)"


def _access(connection: Connection, table: str) -> Iterator[str]:
    """
    Privileges stay as they are, except that removed rows are hidden from all but NovelSync and the tables' owner.

    A table without row-level security gets it, with a policy for each privilege that somebody has.
    """
    shown = "removed_at is null"
    if table == "chapters":
        shown += " and exists (select from public.novels n where n.id = novel_id and n.removed_at is null)"
    secured = _one(
        connection, "select relrowsecurity from pg_catalog.pg_class where oid = %s::regclass", f"public.{table}"
    )
    yield f"grant select, insert, update, delete on public.{table} to service_role"
    yield f'create policy "novelsync writes" on public.{table} for all to service_role using (true) with check (true)'
    yield (
        f'create policy "novelsync hides what was removed" on public.{table} as restrictive for select to public'
        f" using ((select pg_has_role('service_role', 'usage')) or ({shown}))"
    )
    if table == "novels":
        # The policy on chapters reads these two columns with the privileges of whoever reads chapters.
        for role in _grantees(connection, table, "select"):
            yield f"grant select (id, removed_at) on public.novels to {_role(role)}"
    if secured:
        return
    for privilege, rule in _RULES.items():
        for role in _grantees(connection, table, privilege):
            name = sql.Identifier(f"{role} may {privilege} as before").as_string()
            yield f"create policy {name} on public.{table} for {privilege} to {_role(role)} {rule}"
    yield f"alter table public.{table} enable row level security"


_RULES: Final = {
    "select": "using (true)",
    "insert": "with check (true)",
    "update": "using (true) with check (true)",
    "delete": "using (true)",
}


def _grantees(connection: Connection, table: str, privilege: str) -> list[str]:
    """The roles, but for the owner and ``service_role``, that have a privilege on a table or one of its columns."""
    rows = connection.execute(
        "select distinct case when p.grantee = 0 then 'public' else p.grantee::regrole::text end"
        " from pg_catalog.pg_class c left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attacl is not null"
        " cross join lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(a.attacl)) p"
        " where c.oid = %s::regclass and lower(p.privilege_type) = %s and p.grantee <> c.relowner"
        " and p.grantee <> coalesce(to_regrole('service_role'), 0) order by 1",
        [f"public.{table}", privilege],
    ).fetchall()
    return [role.strip('"') for (role,) in rows]


def _role(name: str) -> str:
    return "public" if name == "public" else sql.Identifier(name).as_string()


def _row(connection: Connection, query: str, *parameters: str) -> tuple[Any, ...]:
    return connection.execute(query, parameters).fetchone() or ()


def _one(connection: Connection, query: str, *parameters: str) -> Any:
    row = _row(connection, query, *parameters)
    return row[0] if row else None
