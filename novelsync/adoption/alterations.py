"""
What it takes to make a site's tables NovelSync's, as statements that can be shown. Pure.

Rows keep their ids, of whatever type, and the site keeps its columns, policies, grants and triggers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from novelsync.adoption import mirrors, obstacles
from novelsync.adoption.columns import COLUMNS, DERIVED, OurColumn
from novelsync.adoption.existing_tables import Column, Existing, Grant, Table, Trigger
from novelsync.adoption.mirrors import Derived, Mirror
from novelsync.adoption.obstacles import ID_DEFAULTS, default_that_fits, fits, quoted_name


@dataclass(frozen=True, slots=True)
class Alterations:
    """Statements in the order in which they have to be carried out."""

    domains: Sequence[str]
    """Types for ids; they come before the first migration, which would create them for ids of its own."""
    shape: Sequence[str]
    """Names, columns, functions: none of it writes a row, unless a type is converted."""
    filling: Sequence[str]
    """What writes every row."""
    rules: Sequence[str]
    """Constraints, which hold only once that is done."""
    access: Sequence[str]
    """Triggers, policies and the views under the former names."""
    bookkeeping: Sequence[str]
    """What needs the bookkeeping's tables, so that all migrations come first."""
    remarks: Sequence[str] = field(default=())
    """What a person should know before that."""

    @property
    def shown(self) -> Sequence[str]:
        return [*self.shape, *self.filling, *self.rules, *self.access, *self.bookkeeping]


def alterations(existing: Existing) -> Alterations:
    """Raises `DatabaseNotReady` with every reason why the tables cannot be taken over."""
    if reasons := list(obstacles.reasons(existing)):
        raise obstacles.cannot(reasons)
    tables = existing.tables
    derived = _derived(existing.chapters)
    return Alterations(
        domains=_domains(existing),
        shape=[
            *(line for ours, table in tables.items() for line in _unique(ours, table)),
            *(
                f"alter table public.{quoted_name(t.name)} rename to {ours}"
                for ours, t in tables.items()
                if t.name != ours
            ),
            *_functions(existing),
            *(line for ours, table in tables.items() for line in silence(ours, table.triggers)),
            *(line for ours, table in tables.items() for line in _fit_columns(ours, table, existing)),
        ],
        filling=[*_fill(existing), "set constraints all immediate"],
        rules=[*_not_null(existing), *_constraints(existing)],
        access=[
            *mirrors.novel_triggers(list(_mirrors("novels", existing))),
            *mirrors.chapter_triggers(list(_mirrors("chapters", existing)), derived, existing.server),
            *(line for ours, table in tables.items() for line in awaken(ours, table.triggers)),
            *(line for ours, table in tables.items() for line in _access(ours, table)),
            *(line for ours, table in tables.items() for line in _view(ours, table)),
        ],
        bookkeeping=list(mirrors.file_triggers(derived)),
        remarks=list(obstacles.remarks(existing)),
    )


def _domains(existing: Existing) -> list[str]:
    names = ", ".join(f"public.{quoted_name(table.name)}" for table in existing.tables.values())
    return [
        "set local client_min_messages = warning",
        f"lock table {names} in access exclusive mode",
        "create schema if not exists novelsync",
        *(
            f"create domain novelsync.{domain} as {table.columns['id'].type}"
            for domain, table in (("novel_id", existing.novels), ("chapter_id", existing.chapters))
        ),
    ]


# Triggers ------------------------------------------------------------------------------


def _functions(existing: Existing) -> list[str]:
    """Our statements have no search_path, so functions that name tables without a schema get one of their own."""
    path = ", ".join(quoted_name(schema) for schema in existing.search_path)
    found = {
        trigger.function
        for table in existing.tables.values()
        for trigger in table.triggers
        if trigger.unqualified and trigger.state != "D"
    }
    return [f"alter function {function} set search_path = {path}" for function in sorted(found)]


def silence(ours: str, triggers: Sequence[Trigger]) -> Iterator[str]:
    """Statements after which the site's triggers do not fire, whatever their state."""
    for trigger in triggers:
        if trigger.state != "D":
            yield f"alter table public.{ours} disable trigger {quoted_name(trigger.name)}"


_STATES: Final = {"O": "enable", "R": "enable replica", "A": "enable always"}


def awaken(ours: str, triggers: Sequence[Trigger]) -> Iterator[str]:
    """Statements after which they are as they were."""
    for trigger in triggers:
        if trigger.state != "D":
            yield f"alter table public.{ours} {_STATES[trigger.state]} trigger {quoted_name(trigger.name)}"


# Columns -------------------------------------------------------------------------------


def _fit_columns(ours: str, table: Table, existing: Existing) -> Iterator[str]:
    yield from _fit_id(ours, table)
    for name, wanted in COLUMNS[ours].items():
        kind = existing.novels.columns["id"].type if wanted.type == "id" else wanted.type
        column = table.columns.get(name)
        if column is None:
            rule = wanted.rule if wanted.default else ""  # without a default, null stands until it is filled
            yield f"alter table public.{ours} add column {name} {kind}{rule}"
        else:
            yield from _fit(ours, column, wanted._replace(type=kind))
            if column.not_null and not wanted.not_null:
                yield f"alter table public.{ours} alter column {name} drop not null"
    for our_name, theirs in table.twins.items():
        twin = {**COLUMNS[ours], **DERIVED[ours]}[our_name]
        kind = existing.novels.columns["id"].type if twin.type == "id" else twin.type
        yield from _fit(ours, table.columns[theirs], OurColumn(kind))
    for column in obstacles.unfilled(ours, table):
        if default := default_that_fits(column):
            yield f"alter table public.{ours} alter column {quoted_name(column.name)} set default {default}"


def _fit(ours: str, column: Column, wanted: OurColumn) -> Iterator[str]:
    """Gives a column the type of ours, as wide as that is, and its default."""
    alter = f"alter table public.{ours} alter column {quoted_name(column.name)}"
    old_default = f"({column.default})::{wanted.type}" if column.default else ""
    converted = not fits(column, wanted.type) and not obstacles.stays(column, wanted.type)
    if converted:
        if old_default:
            yield f"{alter} drop default"
        as_utc = " at time zone 'UTC'" if column.type.startswith("timestamp") else f"::{wanted.type}"
        yield f"{alter} type {wanted.type} using {quoted_name(column.name)}{as_utc}"
    if wanted.default or (old_default and converted):
        yield f"{alter} set default {wanted.default or old_default}"


def _fit_id(ours: str, table: Table) -> Iterator[str]:
    """Makes sure that a new row gets an id, and one that no row has."""
    id_ = table.columns["id"]
    default = ID_DEFAULTS[id_.type]
    if not id_.filled and default:
        yield f"alter table public.{ours} alter column id set default {default}"
    elif not id_.filled:
        yield f"alter table public.{ours} alter column id set not null"
        yield f"alter table public.{ours} alter column id add generated by default as identity"
    if default:
        return
    named = f"'{table.id_sequence}'" if table.id_sequence else f"pg_get_serial_sequence('public.{ours}', 'id')"
    if table.id_sequence:
        yield f"grant usage, select on sequence {table.id_sequence} to service_role"
    yield f"select setval({named}, greatest(nextval({named}), coalesce(max(id), 0) + 1), false) from public.{ours}"


def _unique(ours: str, table: Table) -> Iterator[str]:
    """Files repeat titles, numbers and urls, and rows that are removed keep theirs: such rules become plain indexes."""
    for index in obstacles.too_strict(ours, table):
        name = quoted_name(index.name)
        if index.constraint:
            yield f"alter table public.{quoted_name(table.name)} drop constraint {name}"
        else:
            yield f"drop index public.{name}"
        yield index.definition.replace("CREATE UNIQUE INDEX", "create index", 1)


# Rows ----------------------------------------------------------------------------------


def order(table: Table) -> str:
    """The order in which the site most probably shows its chapters, as the start of an ``order by`` list."""
    known = (table.source(name) for name in ("position", "number", "created_at"))
    return "".join(f"t.{quoted_name(name)} nulls last, " for name in known if name)


def _fill(existing: Existing) -> Iterator[str]:
    chapters, novels = existing.chapters, existing.novels
    sets = _filled("chapters", chapters) | {
        "position": "r.place",
        "content_hash": f"sha256(convert_to({_filled('chapters', chapters).get('content', 'c.content')}, 'UTF8'))",
    }
    if "content_updated_at" not in chapters.columns and (changed := chapters.source("updated_at")):
        sets["content_updated_at"] = f"coalesce(c.{quoted_name(changed)}, now())"
    if place := chapters.twins.get("position"):
        sets[quoted_name(place)] = "r.place"
    novel_id = quoted_name(chapters.source("novel_id") or "")
    yield (
        f"update public.chapters c set {_list(sets)} from (select t.id, row_number() over (partition by t.{novel_id}"
        f" order by {order(chapters)}t.id) as place from public.chapters t) r where r.id = c.id"
    )
    sets = _filled("novels", novels) | {"chapter_count": "coalesce(n.total, 0)", "last_chapter_at": "n.latest"}
    if count := novels.twins.get("chapter_count"):
        sets[quoted_name(count)] = "coalesce(n.total, 0)"
    if "slug" in novels.columns:
        sets["slug"] = "nullif(c.slug, '')"
    yield (
        f"update public.novels c set {_list(sets)} from (select o.id, t.total, t.latest from public.novels o left join"
        " (select novel_id, count(*) as total, max(created_at) as latest from public.chapters group by 1) t"
        " on t.novel_id = o.id) n where n.id = c.id"
    )


def _filled(ours: str, table: Table) -> dict[str, str]:
    """What each column of ours is to be set to, where it is not what it should be; the row is called ``c``."""
    sets: dict[str, str] = {}
    for name, wanted in COLUMNS[ours].items():
        source = table.source(name)
        fallback = (wanted.default or ("''" if wanted.type == "text" else "")) if wanted.not_null else ""
        if source is None or (source == name and (table.columns[name].not_null or not fallback)):
            continue
        value = f"c.{quoted_name(source)}"
        sets[name] = f"coalesce({value}, {fallback})" if fallback else value
    return sets


def _list(sets: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sets.items())


def _not_null(existing: Existing) -> Iterator[str]:
    yield "alter table public.chapters alter column position drop default"
    for ours, table in existing.tables.items():
        for name, wanted in COLUMNS[ours].items():
            column = table.columns.get(name)
            missing = column is None and not wanted.default
            if wanted.not_null and (missing or (column and not column.not_null)):
                yield f"alter table public.{ours} alter column {name} set not null"


def _constraints(existing: Existing) -> Iterator[str]:
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
    if not any(index.columns[:1] == ["novel_id"] for index in existing.chapters.indexes):
        yield "create index on public.chapters (novel_id)"
    if not existing.referencing or "novel_id" in existing.chapters.twins:
        yield "alter table public.chapters add foreign key (novel_id) references public.novels (id)"


# What keeps the site's columns ------------------------------------------------------------


def _mirrors(ours: str, existing: Existing) -> Iterator[Mirror]:
    table = existing.tables[ours]
    for name, theirs in table.twins.items():
        if name in DERIVED[ours]:
            continue
        wanted, column = COLUMNS[ours][name], table.columns[theirs]
        zero = {"text": "''", "numeric": "new.position", "integer": "0", "timestamptz": "now()"}.get(
            wanted.type, "null"
        )
        yield Mirror(
            ours=name,
            theirs=quoted_name(theirs),
            our_default="null" if name == "position" else wanted.default or "null",
            their_default=column.default or "null",
            our_fallback=(wanted.default or "''" if wanted.type != "id" and name != "position" else "null")
            if wanted.not_null
            else "null",
            their_fallback=zero if column.not_null else "null",
        )


def _derived(chapters: Table) -> Derived:
    file, words = chapters.twins.get("file"), chapters.twins.get("word_count")
    column = chapters.columns[file] if file else None
    return Derived(
        quoted_name(file) if file else None,
        "null" if column is None or not column.not_null else column.default or "''",
        quoted_name(words) if words else None,
    )


# Access --------------------------------------------------------------------------------


def _access(ours: str, table: Table) -> Iterator[str]:
    """
    Privileges stay as they are, except that removed rows are hidden from all but NovelSync and the tables' owner.

    A table without row-level security gets it, with a policy for each privilege that somebody has.
    """
    shown = "removed_at is null"
    if ours == "chapters":
        shown += " and exists (select from public.novels n where n.id = novel_id and n.removed_at is null)"
    yield f"grant select, insert, update, delete on public.{ours} to service_role"
    yield f'create policy "novelsync writes" on public.{ours} for all to service_role using (true) with check (true)'
    yield (
        f'create policy "novelsync hides what was removed" on public.{ours} as restrictive for select to public'
        f" using ((select pg_has_role('service_role', 'usage')) or ({shown}))"
    )
    if ours == "novels":
        # The policy on chapters reads these two columns with the privileges of whoever reads chapters.
        for role in obstacles.grantees(table, "select"):
            yield f"grant select (id, removed_at) on public.novels to {_role(role)}"
    if table.secured:
        return
    for privilege, rule in _RULES.items():
        for role in obstacles.grantees(table, privilege):
            name = quoted_name(f"{role} may {privilege} as before")
            yield f"create policy {name} on public.{ours} for {privilege} to {_role(role)} {rule}"
    yield f"alter table public.{ours} enable row level security"


_RULES: Final = {
    "select": "using (true)",
    "insert": "with check (true)",
    "update": "using (true) with check (true)",
    "delete": "using (true)",
}


def _view(ours: str, table: Table) -> Iterator[str]:
    """Under its former name a renamed table goes on for the site: as a view through which it also writes."""
    if table.name == ours:
        return
    view = f"public.{quoted_name(table.name)}"
    columns = ", ".join(quoted_name(name) for name in table.columns)
    # With the reader's own privileges, so that row-level security holds for the reader and not for the owner.
    yield f"create view {view} with (security_invoker = true) as select {columns} from public.{ours}"
    yield f"alter view {view} owner to {table.owner}"
    yield f"grant select, insert, update, delete on {view} to service_role"
    for grant in table.grants:
        yield from _granted(view, grant)


def _granted(view: str, grant: Grant) -> Iterator[str]:
    if grant.privilege in ("select", "insert", "update", "delete"):
        column = f" ({quoted_name(grant.column)})" if grant.column else ""
        yield f"grant {grant.privilege}{column} on {view} to {_role(grant.grantee)}"


def _role(name: str) -> str:
    return "public" if name == "public" else quoted_name(name)
