"""What a site's tables are like. Looks, and changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from novelsync.adoption.columns import COLUMNS, TABLES, Names, find_twins, spelt
from novelsync.database.transports.postgres import connect, translated_errors
from novelsync.errors import DatabaseNotReady

Connection = psycopg.Connection[Any]


class Column(NamedTuple):
    name: str
    type: str
    """Without what limits it."""
    limited: bool
    """As ``varchar(255)`` and ``decimal(10,2)`` are."""
    length: int | None
    """In characters, of a ``varchar``."""
    not_null: bool
    default: str | None
    """As an SQL expression."""
    identity: bool
    generated: bool
    references: str
    """The table that a foreign key on it points at, or empty."""
    labels: Sequence[str]
    """Of an enum."""
    used_by: Sequence[str]
    """Views, policies and the like, in words, because of which its type cannot change."""

    @property
    def kind(self) -> str:
        """The type; ``enum`` for any of these."""
        return "enum" if self.labels else self.type

    @property
    def filled(self) -> bool:
        """Whether the database fills it where an insert leaves it out."""
        return self.default is not None or self.identity or self.generated


class Trigger(NamedTuple):
    name: str
    state: str
    """As ``pg_trigger.tgenabled`` has it: ``O`` enabled, ``D`` disabled, ``R`` replica, ``A`` always."""
    function: str
    """With its schema and arguments, as ``alter function`` takes it."""
    unqualified: Sequence[str]
    """What its function names without a schema, though it has no ``search_path`` of its own."""
    counts: bool
    """It counts rows for each row that is written."""


class Index(NamedTuple):
    name: str
    columns: Sequence[str]
    """Those whose values it has, in order, and then those that it depends on."""
    unique: bool
    primary: bool
    constraint: bool
    """A constraint of the same name has it."""
    plain: bool
    """Of all rows, and of nothing but columns."""
    referenced_by: Sequence[str]
    """The tables whose foreign keys need it."""
    definition: str
    """The statement that makes it."""


class Check(NamedTuple):
    name: str
    columns: Sequence[str]
    definition: str


class Grant(NamedTuple):
    grantee: str
    """``public`` is everybody."""
    privilege: str
    """In lower case."""
    column: str
    """Empty: the whole table."""


@dataclass(frozen=True, slots=True)
class Table:
    """One of the two."""

    name: str
    """What the site calls it."""
    kind: str
    """As ``pg_class.relkind`` has it: ``r`` is a plain table."""
    owner: str
    owned: bool
    """By the role that looks, or by one it is a member of."""
    secured: bool
    """Row-level security is on."""
    forced: bool
    """Row-level security holds for the owner as well."""
    columns: Mapping[str, Column]
    twins: Mapping[str, str]
    """The site's columns by the names of ours that they are kept equal with."""
    triggers: Sequence[Trigger]
    indexes: Sequence[Index]
    checks: Sequence[Check]
    grants: Sequence[Grant]
    """Those of the owner and of ``service_role`` left out."""
    id_sequence: str | None

    def source(self, ours: str) -> str | None:
        """The site's column that has the values of ours; None: there is none."""
        return self.twins.get(ours) or (ours if ours in self.columns else None)


@dataclass(frozen=True, slots=True)
class Existing:
    """Both tables as they are."""

    novels: Table
    chapters: Table
    taken_names: Sequence[str]
    """Of ours, those that another table or view of the site has."""
    referencing: bool
    """A foreign key leads from chapters to novels."""
    orphans: int
    """Chapters without a novel."""
    repeated_slugs: str | None
    server: int
    """Its version, as in 150004."""
    search_path: Sequence[str]
    """The schemas that the site's functions find names in."""

    @property
    def tables(self) -> Mapping[str, Table]:
        return {"novels": self.novels, "chapters": self.chapters}


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
    there = [name for (name,) in connection.execute(_RELATIONS) if spelt(name) in likely]
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
    kind, owner, owned, secured, forced = _row(connection, _CLASS, oid)
    columns = {row[0]: Column(*row) for row in connection.execute(_COLUMNS, [oid])}
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
        indexes=[Index(*row) for row in connection.execute(_INDEXES, [oid])],
        checks=[Check(*row) for row in connection.execute(_CHECKS, [oid])],
        grants=[Grant(*row) for row in connection.execute(_GRANTS, [oid])],
        id_sequence=one(connection, _SEQUENCE, oid) if "id" in columns else None,
    )


def triggers(connection: Connection, table: str, path: Sequence[str] = ()) -> list[Trigger]:
    """The site's own on a table of ``public``. ``path``: the schemas in which its functions find names."""
    query = [list(path), f'public."{table}"']
    return [Trigger(*row) for row in connection.execute(_TRIGGERS, query)]


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


# The catalog ---------------------------------------------------------------------------

_RELATIONS: Final = (
    "select relname::text from pg_catalog.pg_class"
    " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
)

_CLASS: Final = (
    "select relkind::text, relowner::regrole::text, pg_has_role(current_user, relowner, 'usage'),"
    " relrowsecurity, relforcerowsecurity from pg_catalog.pg_class where oid = %s"
)

_COLUMNS: Final = (
    "select a.attname, format_type(a.atttypid, null), a.atttypmod <> -1, nullif(a.atttypmod, -1) - 4, a.attnotnull,"
    " case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,"
    " a.attidentity <> '', a.attgenerated <> '',"
    " coalesce((select c.relname::text from pg_catalog.pg_constraint k"
    " join pg_catalog.pg_class c on c.oid = k.confrelid"
    " where k.contype = 'f' and k.conrelid = a.attrelid and k.conkey = array[a.attnum] limit 1), ''),"
    " array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = a.atttypid"
    " order by e.enumsortorder),"
    " array(select distinct pg_describe_object(d.classid, d.objid, 0) from pg_catalog.pg_depend d"
    " where d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum"
    " and (d.classid in ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass) or exists ("
    " select from pg_catalog.pg_attrdef f where d.classid = 'pg_attrdef'::regclass and f.oid = d.objid"
    " and f.adnum <> a.attnum)) order by 1)"
    " from pg_catalog.pg_attribute a"
    " left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum"
    " where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum"
)

_INDEXES: Final = (
    "select c.relname::text, array(select a.attname::text"
    " from unnest(i.indkey::smallint[]) with ordinality as k(n, place)"
    " join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n order by place)"
    " || array(select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = i.indrelid"
    " and a.attnum <> all (i.indkey::smallint[]) and exists (select from pg_catalog.pg_depend d"
    " where d.objid = i.indexrelid and d.refobjid = i.indrelid and d.refobjsubid = a.attnum)),"
    " i.indisunique, i.indisprimary, exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid"
    " and k.conrelid = i.indrelid), i.indpred is null and i.indexprs is null,"
    " array(select distinct k.conrelid::regclass::text from pg_catalog.pg_constraint k"
    " where k.conindid = i.indexrelid and k.contype = 'f'), pg_get_indexdef(i.indexrelid)"
    " from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid"
    " where i.indrelid = %s order by 1"
)

_CHECKS: Final = (
    "select k.conname::text, array(select a.attname::text from pg_catalog.pg_attribute a"
    " where a.attrelid = k.conrelid and a.attnum = any (k.conkey) order by a.attnum), pg_get_constraintdef(k.oid)"
    " from pg_catalog.pg_constraint k where k.contype = 'c' and k.conrelid = %s order by 1"
)

# What a function names without a schema: a word of its text that is a relation, a function or a type there, with
# neither a dot nor a quotation mark's schema before it. Too many names do no harm, and too few are found by firing.
_TRIGGERS: Final = (
    "select t.tgname::text, t.tgenabled::text, p.oid::regprocedure::text,"
    " array(select distinct o.name from ("
    " select relname::text as name, relnamespace as place from pg_catalog.pg_class"
    " where relkind in ('r', 'v', 'm', 'p', 'S')"
    " union all select proname::text, pronamespace from pg_catalog.pg_proc"
    " union all select typname::text, typnamespace from pg_catalog.pg_type where typtype in ('e', 'd')) o"
    " where o.place = any (array(select n.oid from pg_catalog.pg_namespace n where n.nspname = any (%s)))"
    " and l.lanname in ('plpgsql', 'sql') and o.name ~ '^\\w+$' and o.name <> p.proname"
    " and not exists (select from unnest(p.proconfig) s where s like 'search\\_path=%%')"
    " and p.prosrc ~* ('(^|[^.\\w])(\"' || o.name || '\"|' || o.name || '\\M)') order by 1),"
    " (t.tgtype & 1) = 1 and p.prosrc ~* '\\mcount\\s*\\('"
    " from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid"
    " join pg_catalog.pg_language l on l.oid = p.prolang"
    " where t.tgrelid = %s::regclass and not t.tgisinternal and p.pronamespace::regnamespace::text <> 'novelsync'"
    " order by 1"
)

_GRANTS: Final = (
    "select distinct case when p.grantee = 0 then 'public' else pg_get_userbyid(p.grantee) end,"
    " lower(p.privilege_type), p.name from pg_catalog.pg_class c cross join lateral ("
    " select r.grantee, r.privilege_type, '' as name from aclexplode(c.relacl) r"
    " union all select r.grantee, r.privilege_type, a.attname::text from pg_catalog.pg_attribute a,"
    " aclexplode(a.attacl) r where a.attrelid = c.oid and a.attacl is not null) p"
    " where c.oid = %s and p.grantee <> c.relowner and p.grantee <> coalesce(to_regrole('service_role')::oid, 0::oid)"
    " order by 1, 2, 3"
)

# The default may use a sequence that no column owns, which pg_get_serial_sequence does not find.
_SEQUENCE: Final = (
    "select coalesce(pg_get_serial_sequence(c.oid::regclass::text, 'id'), (select d.refobjid::regclass::text"
    " from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'"
    " join pg_catalog.pg_attrdef f on f.oid = d.objid and d.classid = 'pg_attrdef'::regclass"
    " where f.adrelid = c.oid limit 1)) from pg_catalog.pg_class c where c.oid = %s"
)
