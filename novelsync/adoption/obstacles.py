"""Why tables cannot be taken over as they are, with the statement that helps. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from novelsync.adoption.site.columns import COLUMNS, CONVERTIBLE, DERIVED
from novelsync.adoption.site.fitting import ID_DEFAULTS, default_that_fits, fits, grantees, stays, too_strict, unfilled
from novelsync.adoption.site.tables import Column, Existing, Table
from novelsync.errors import DatabaseNotReady

_UUID_LENGTH: Final = 36


_VIEW_SECURITY: Final = 150_000
"""The version of Postgres from which on a view can be read with the reader's own privileges."""


def cannot(reasons: Sequence[str], hint: str = "") -> DatabaseNotReady:
    """The error that names them."""
    return DatabaseNotReady(
        f"the tables cannot be taken over, and nothing was changed: {'; '.join(reasons)}",
        hint or "fix it with alter table (add, rename or convert the column), or let NovelSync fill tables of its own",
    )


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
    for name in ("id", "novel_id" if ours == "chapters" else "title"):
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
