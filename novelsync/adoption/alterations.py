"""
What it takes to make a site's tables NovelSync's, as statements that can be shown. Pure.

Rows keep their ids, of whatever type, and the site keeps its columns, policies, grants and triggers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from novelsync.adoption import mirrors
from novelsync.adoption.access import access, awaken, silence, view
from novelsync.adoption.filling import constraints, fill, not_null
from novelsync.adoption.mirrors import Derived, Mirror
from novelsync.adoption.obstacles import cannot, reasons
from novelsync.adoption.remarks import remarks
from novelsync.adoption.site.columns import COLUMNS, DERIVED, OurColumn
from novelsync.adoption.site.fitting import (
    ID_DEFAULTS,
    default_that_fits,
    fits,
    quoted_name,
    stays,
    too_strict,
    unfilled,
)
from novelsync.adoption.site.tables import Column, Existing, Table


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
    remarks: Sequence[str] = ()
    """What a person should know before that."""

    @property
    def shown(self) -> Sequence[str]:
        return [*self.shape, *self.filling, *self.rules, *self.access, *self.bookkeeping]


def alterations(existing: Existing) -> Alterations:
    """Raises `DatabaseNotReady` with every reason why the tables cannot be taken over."""
    if found := list(reasons(existing)):
        raise cannot(found)
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
        filling=[*fill(existing), "set constraints all immediate"],
        rules=[*not_null(existing), *constraints(existing)],
        access=[
            *mirrors.novel_triggers(list(_mirrors("novels", existing))),
            *mirrors.chapter_triggers(list(_mirrors("chapters", existing)), derived, existing.server),
            *(line for ours, table in tables.items() for line in awaken(ours, table.triggers)),
            *(line for ours, table in tables.items() for line in access(ours, table)),
            *(line for ours, table in tables.items() for line in view(ours, table)),
        ],
        bookkeeping=list(mirrors.file_triggers(derived)),
        remarks=list(remarks(existing)),
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
    for column in unfilled(ours, table):
        if default := default_that_fits(column):
            yield f"alter table public.{ours} alter column {quoted_name(column.name)} set default {default}"


def _fit(ours: str, column: Column, wanted: OurColumn) -> Iterator[str]:
    """Gives a column the type of ours, as wide as that is, and its default."""
    alter = f"alter table public.{ours} alter column {quoted_name(column.name)}"
    old_default = f"({column.default})::{wanted.type}" if column.default else ""
    converted = not fits(column, wanted.type) and not stays(column, wanted.type)
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
    for index in too_strict(ours, table):
        name = quoted_name(index.name)
        if index.constraint:
            yield f"alter table public.{quoted_name(table.name)} drop constraint {name}"
        else:
            yield f"drop index public.{name}"
        yield index.definition.replace("CREATE UNIQUE INDEX", "create index", 1)


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
