"""Why tables cannot be taken over as they are, with the statement that helps, and what a person should know. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from novelsync.adoption.columns import COLUMNS, CONVERTIBLE, DERIVED, NUMBERS
from novelsync.adoption.existing_tables import Column, Existing, Index, Table
from novelsync.errors import DatabaseNotReady

ID_DEFAULTS: Final = {
    "smallint": "",
    "integer": "",
    "bigint": "",
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "character varying": "gen_random_uuid()::text",
}
"""Types that an id may have, with the default it gets if it has none; a number becomes an identity column."""

_FITTING: Final = {"integer": ("smallint", "bigint"), "timestamptz": ("timestamp with time zone",)}
"""Other types, or other names of types, that a column may have as it is."""

_DEFAULTS: Final = {
    "text": "''",
    "character varying": "''",
    "character": "''",
    **dict.fromkeys(NUMBERS, "0"),
    "boolean": "false",
    "date": "current_date",
    "timestamp with time zone": "now()",
    "timestamp without time zone": "now()",
    "json": "'{}'",
    "jsonb": "'{}'",
    "uuid": "gen_random_uuid()",
}
"""What a new row may have in a column that NovelSync knows nothing about."""

_UUID_LENGTH: Final = 36
_VIEW_SECURITY: Final = 150_000
"""The version of Postgres from which on a view can be read with the reader's own privileges."""


def cannot(reasons: Sequence[str], hint: str = "") -> DatabaseNotReady:
    """The error that names them."""
    return DatabaseNotReady(
        f"the tables cannot be taken over, and nothing was changed: {'; '.join(reasons)}",
        hint or "fix it with alter table (add, rename or convert the column), or let NovelSync fill tables of its own",
    )


def quoted_name(name: str) -> str:
    """As SQL takes it; plain names stay plain, unless they could be keywords."""
    if re.fullmatch(r"[a-z][a-z0-9]*_[a-z0-9_]*|id|title|slug|author|public|extensions|novels|chapters|number", name):
        return name
    return '"' + name.replace('"', '""') + '"'


def fits(column: Column, wanted: str) -> bool:
    """Whether it may stay as it is: of this type, and without a limit that a file may be over."""
    if wanted in ("text", "numeric") and column.limited:
        return False
    return column.type == wanted or column.type in _FITTING.get(wanted, ())


def stays(column: Column, wanted: str) -> bool:
    """Whether it keeps a limit that a file may be over, because views or policies use it."""
    return bool(column.used_by) and not fits(column, wanted) and (column.type, wanted) in _LIMITED


_LIMITED: Final = {("character varying", "text"), ("character", "text"), ("numeric", "numeric")}


def default_that_fits(column: Column) -> str | None:
    """For a required column that NovelSync does not write; None: there is none that can be known."""
    if column.references:
        return None
    return "'{}'" if column.type.endswith("[]") else _DEFAULTS.get(column.type)


def unfilled(ours: str, table: Table) -> Iterator[Column]:
    """The site's required columns that nobody would fill in a new row."""
    written = {"id", *COLUMNS[ours], *(theirs for name, theirs in table.twins.items() if name not in DERIVED[ours])}
    for column in table.columns.values():
        if column.name not in written and column.not_null and not column.filled:
            yield column


def too_strict(ours: str, table: Table) -> Iterator[Index]:
    """The unique indexes that what NovelSync writes may break."""
    written = {*COLUMNS[ours], *table.twins.values()}
    for index in table.indexes:
        if index.unique and not index.primary and set(index.columns) != {"id"} and written & set(index.columns):
            yield index


def grantees(table: Table, privilege: str) -> list[str]:
    """The roles, but for the owner and ``service_role``, that have a privilege on a table or one of its columns."""
    return sorted({grant.grantee for grant in table.grants if grant.privilege == privilege})


def reasons(existing: Existing) -> Iterator[str]:
    """Everything that is in the way."""
    absent = [line for ours, table in existing.tables.items() for line in _absent(ours, table)]
    if absent:
        yield from absent
        return
    for ours in existing.taken_names:
        yield f"public.{ours} exists beside public.{existing.tables[ours].name}: rename one of them"
    for ours, table in existing.tables.items():
        yield from _of_table(ours, table, existing)
        yield from _of_id(table)
        yield from _of_columns(ours, table)
        yield from _of_indexes(ours, table)
    yield from _of_readers(existing)
    novel_id = existing.chapters.columns[existing.chapters.source("novel_id") or "novel_id"]
    if existing.novels.columns["id"].type != novel_id.type:
        types = f"{novel_id.type}, and {existing.novels.name}.id is {existing.novels.columns['id'].type}"
        yield f"{existing.chapters.name}.{novel_id.name} is {types}"
    if existing.orphans:
        yield (
            f"{existing.orphans} rows of public.{existing.chapters.name} belong to no row of"
            f" public.{existing.novels.name}: delete them"
        )
    if existing.repeated_slugs:
        yield f"novels.slug is not unique: {existing.repeated_slugs}"


def _absent(ours: str, table: Table) -> Iterator[str]:
    for name in ("id", *(("novel_id", "title") if ours == "chapters" else ("title",))):
        if table.source(name) is None:
            yield f"public.{table.name} has no column {name}"
    for name, theirs in table.twins.items():
        if theirs not in table.columns:
            yield f"public.{table.name} has no column {theirs}, which was named for {name}"


def _of_table(ours: str, table: Table, existing: Existing) -> Iterator[str]:
    name = f"public.{table.name}"
    if table.kind == "p":
        yield f"{name} is not a plain table, but partitioned: copy it into one that is not"
    elif table.kind != "r":
        yield f"{name} is not a plain table, but a view: take over the table behind it"
    if not table.owned:
        yield f"{name} is owned by another role: connect as {table.owner}"
    if table.forced:
        yield f"row-level security binds even the owner of {name}: alter table {name} no force row level security"
    if table.name != ours and existing.server < _VIEW_SECURITY:
        yield f"{name} would become a view, and before Postgres 15 that shows everybody everything: rename it to {ours}"


def _of_id(table: Table) -> Iterator[str]:
    id_ = table.columns["id"]
    if id_.type not in ID_DEFAULTS:
        yield f"{table.name}.id is {id_.type}, and must be one of {', '.join(ID_DEFAULTS)}"
    if not id_.filled and id_.length is not None and id_.length < _UUID_LENGTH:
        yield f"{table.name}.id is too short for new ids, which have {_UUID_LENGTH} characters: make it text"
    if not any(index.unique and index.plain and list(index.columns) == ["id"] for index in table.indexes):
        yield f"{table.name}.id is not unique: alter table public.{table.name} add unique (id)"


def _of_columns(ours: str, table: Table) -> Iterator[str]:
    alter = f"alter table public.{table.name} alter column"
    for name, wanted in {**COLUMNS[ours], **DERIVED[ours]}.items():
        for called in {name if name in COLUMNS[ours] else "", table.twins.get(name, "")}:
            column = table.columns.get(called)
            if column is None or wanted.type == "id":
                continue
            if column.generated:
                written = f"{table.name}.{called} is generated, but NovelSync has to write it"
                yield f"{written}: {alter} {called} drop expression"
            elif not fits(column, wanted.type) and column.kind not in CONVERTIBLE[wanted.type]:
                yield (
                    f"{table.name}.{called} is {column.type}, and must be {wanted.type}: {alter} {called} type"
                    f" {wanted.type} using …, or rename it"
                )
            elif column.used_by and not fits(column, wanted.type) and not stays(column, wanted.type):
                yield (
                    f"{table.name}.{called} is {column.type}, and has to become {wanted.type}, which"
                    f" {', '.join(column.used_by)} forbids: drop that, and make it again afterwards"
                )
    for column in unfilled(ours, table):
        if default_that_fits(column) is None:
            yield _of_unfilled(table, column, alter)


def _of_unfilled(table: Table, column: Column, alter: str) -> str:
    said = f"{table.name}.{column.name} is not null and has no default, and NovelSync does not fill it"
    if column.references:
        return f"{said}: {alter} {column.name} drop not null, or set default to the id of a row of {column.references}"
    value = f"'{column.labels[0]}'" if column.labels else "…"
    return f"{said}: {alter} {column.name} set default {value}"


def _of_indexes(ours: str, table: Table) -> Iterator[str]:
    written = {*COLUMNS[ours], *table.twins.values()}
    for index in table.indexes:
        if index.name == "chapters_position":
            yield f"an index of {table.name} is called {index.name}, and NovelSync needs that name: rename it"
        if index.primary and written & set(index.columns):
            yield (
                f"the primary key of {table.name} is {', '.join(index.columns)}, which change: make it id, and drop"
                " what references the other"
            )
    for index in too_strict(ours, table):
        if index.referenced_by:
            yield (
                f"{', '.join(index.referenced_by)} references {', '.join(index.columns)} of {table.name}, which change:"
                " let it reference id"
            )


def _of_readers(existing: Existing) -> Iterator[str]:
    """Whoever reads chapters must be able to see that their novel is there."""
    novels, chapters = grantees(existing.novels, "select"), grantees(existing.chapters, "select")
    blind = [] if "public" in novels else sorted(set(chapters) - set(novels))
    if blind:
        who = ", ".join(blind)
        yield (
            f"{who} may read chapters but not novels: grant select on novels too"
            f" (grant select on public.{existing.novels.name} to {who})"
        )


def remarks(existing: Existing) -> Iterator[str]:
    """What is done that a person may not expect, and what goes on being so."""
    for ours, table in existing.tables.items():
        if table.name != ours:
            yield (
                f"{table.name} becomes {ours}, and a view has its former name: the site reads and writes through it."
                f" Foreign keys and publications (Realtime) follow the table, and are called {ours}"
            )
        twins = [f"{theirs} = {name}" for name, theirs in table.twins.items()]
        if twins:
            yield f"these columns of {ours} stay, and are kept equal to ours: {', '.join(twins)}"
        if "content" in table.twins:
            yield f"each text is stored twice until the site reads content and {table.twins['content']} is dropped"
        for name, wanted in {**COLUMNS[ours], **DERIVED[ours]}.items():
            column = table.columns.get(table.source(name) or "")
            if column and stays(column, wanted.type):
                yield (
                    f"{ours}.{column.name} keeps its limit, because of {', '.join(column.used_by)}: a novel whose file"
                    " is over it is refused"
                )
        for column in unfilled(ours, table):
            if default := default_that_fits(column):
                yield f"{ours}.{column.name} is required and NovelSync does not fill it: new rows get {default}"
        for index in too_strict(ours, table):
            yield (
                f"{index.name} keeps {', '.join(index.columns)} of {ours} unique, and files repeat that, or renumber"
                " it: it becomes an index that forbids nothing, so `on conflict` cannot name it any more"
            )
        for check in table.checks:
            if {*COLUMNS[ours], *table.twins.values()} & set(check.columns):
                yield (
                    f"{check.name} of {ours} is {check.definition}: a novel whose file breaks it is refused, until"
                    f" alter table public.{ours} drop constraint {quoted_name(check.name)}"
                )
        yield from _of_triggers(ours, table)


def _of_triggers(ours: str, table: Table) -> Iterator[str]:
    for trigger in table.triggers:
        if trigger.state == "D":
            continue
        if trigger.unqualified:
            yield (
                f"trigger {trigger.name} of {ours}: {trigger.function} names {', '.join(trigger.unqualified)} without a"
                " schema and would fail, so it gets a search_path"
            )
        if trigger.counts and ours == "chapters":
            yield (
                f"trigger {trigger.name} of {ours} counts rows for each row: the time that a novel takes to come in"
                " grows with the square of its chapters, and removed rows count"
            )
