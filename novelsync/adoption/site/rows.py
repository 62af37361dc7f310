"""The rows of a site's tables, before NovelSync knows them or after. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from psycopg import sql

from novelsync.adoption.site.fitting import order
from novelsync.adoption.site.looking import Connection
from novelsync.adoption.site.tables import Existing, Table
from novelsync.models.source import NovelFields, url_hash
from novelsync.models.stored import KnownChapter


@dataclass(frozen=True, slots=True)
class ExistingNovel:
    """A row of ``novels`` that NovelSync does not know yet."""

    id: str
    slug: str | None
    fields: NovelFields


def novels(connection: Connection, existing: Existing | None) -> list[ExistingNovel]:
    """The rows that no folder has been paired with yet. ``existing``: None if the tables are ours already."""
    table = existing.novels if existing else None
    wanted = [
        _value(table, name, sql.SQL("t.{}::text"), "null")
        for name in ("slug", "title", "author", "description", "cover_url", "status")
    ]
    unknown = "" if existing else _UNKNOWN
    query = sql.SQL("select t.id::text, {} from {} t {} order by t.id").format(
        sql.SQL(", ").join(wanted), _named(table, "novels"), sql.SQL(unknown)
    )
    rows = connection.execute(query).fetchall()
    return [ExistingNovel(id_, slug, NovelFields(title or "", *rest)) for id_, slug, title, *rest in rows]


_UNKNOWN = "where removed_at is null and not exists (select from novelsync.files f where f.novel_id = t.id)"


def chapters(connection: Connection, existing: Existing | None) -> Iterator[tuple[str, list[KnownChapter]]]:
    """The id of each novel, with its chapters in the order they will get, as `pair_chapters` takes them; one query."""
    table = existing.chapters if existing else None
    novel_id = _value(table, "novel_id", sql.SQL("t.{}"), "null")
    text = _value(table, "content", sql.SQL("coalesce(t.{}::text, '')"), "''")
    query = sql.SQL(
        "select {novel_id}::text, t.id::text, {number}, {title}, {url}, {volume},"
        " sha256(convert_to({text}, 'UTF8')), octet_length({text})"
        " from {table} t {where} order by {novel_id}, {order} t.id"
    ).format(
        novel_id=novel_id,
        number=_value(table, "number", sql.SQL("t.{}::text"), "null::text"),
        title=_value(table, "title", sql.SQL("coalesce(t.{}::text, '')"), "''"),
        url=_value(table, "url", sql.SQL("coalesce(t.{}::text, '')"), "''"),
        volume=_value(table, "volume", sql.SQL("t.{}::text"), "null::text"),
        text=text,
        table=_named(table, "chapters"),
        where=sql.SQL("" if table else "where t.removed_at is null"),
        order=sql.SQL(order(table) if table else "t.position, "),
    )
    with connection.transaction(), connection.cursor("chapters") as cursor:
        for id_, rows in groupby(cursor.execute(query), key=itemgetter(0)):
            yield id_, [_known(place, *row[1:]) for place, row in enumerate(rows, start=1)]


def known_slugs(connection: Connection) -> set[str]:
    """The slugs of folders that have a row already."""
    return {slug for (slug,) in connection.execute("select slug from novelsync.files where novel_id is not null")}


def _value(table: Table | None, ours: str, as_sql: sql.SQL, absent: str) -> sql.Composable:
    source = table.source(ours) if table else ours
    return as_sql.format(sql.Identifier(source)) if source else sql.SQL(absent)


def _named(table: Table | None, ours: str) -> sql.Identifier:
    return sql.Identifier("public", table.name if table else ours)


def _known(
    place: int, id_: str, number: str | None, title: str, url: str, volume: str | None, content_hash: bytes, size: int
) -> KnownChapter:
    exact = None if number is None else Decimal(number)
    return KnownChapter(id_, place, exact, title, url_hash(url), bytes(content_hash), size, volume=volume)
