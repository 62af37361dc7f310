"""Whether what a site has fits what NovelSync needs. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from novelsync.adoption.site.columns import COLUMNS, DERIVED, NUMBERS
from novelsync.adoption.site.tables import Column, Index, Table

ID_DEFAULTS: Final = {
    "smallint": "",
    "integer": "",
    "bigint": "",
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "character varying": "gen_random_uuid()::text",
}
"""Types that an id may have, with the default it gets if it has none; a number becomes an identity column."""

_FITTING: Final = {
    "text": ("citext",),
    "integer": ("smallint", "bigint"),
    "timestamptz": ("timestamp with time zone",),
}
"""Other types, or other names of types, that a column may have as it is."""

_LIMITED: Final = {("character varying", "text"), ("character", "text"), ("numeric", "numeric")}
"""Types that hold what ours does, up to a limit, and the types of ours."""

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


def order(table: Table) -> str:
    """The order in which the site most probably shows its chapters, as the start of an ``order by`` list."""
    known = (table.source(name) for name in ("position", "number", "created_at"))
    return "".join(f"t.{quoted_name(name)} nulls last, " for name in known if name)
