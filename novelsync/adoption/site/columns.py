"""
The columns of ``novels`` and ``chapters``, and what other sites call them. Pure.

A site's column that means the same as one of ours under another name is its "twin": it stays, and is kept equal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from novelsync.errors import ConfigurationError


class OurColumn(NamedTuple):
    """``supabase/migrations`` says what each means."""

    type: str
    """``id``: that of the ids of novels, whatever it is."""
    default: str = ""
    """As an SQL expression; empty: none."""
    not_null: bool = False
    synonyms: tuple[str, ...] = ()
    """What the column is called elsewhere, the likeliest first."""

    @property
    def rule(self) -> str:
        return f"{' not null' if self.not_null else ''}{f' default {self.default}' if self.default else ''}"


_TIME: Final = OurColumn("timestamptz")
_TIME_NOW: Final = OurColumn("timestamptz", "now()", not_null=True)
_TEXT: Final = OurColumn("text")
_TEXT_EMPTY: Final = OurColumn("text", "''", not_null=True)
_CREATED: Final = _TIME_NOW._replace(synonyms=("inserted_at", "date_created", "created"))
_UPDATED: Final = _TIME_NOW._replace(synonyms=("modified_at", "date_updated", "updated"))

COLUMNS: Final[Mapping[str, Mapping[str, OurColumn]]] = {
    "novels": {
        "slug": _TEXT,
        "title": OurColumn("text", "", not_null=True, synonyms=("name", "novel_title", "story_title", "book_name")),
        "author": _TEXT._replace(synonyms=("author_name", "writer")),
        "description": _TEXT._replace(synonyms=("summary", "synopsis", "intro")),
        "cover_url": _TEXT._replace(synonyms=("cover_image", "cover_image_url", "image_url", "thumbnail", "cover")),
        "status": _TEXT._replace(synonyms=("serial_status",)),
        "chapter_count": OurColumn(
            "integer", "0", not_null=True, synonyms=("total_chapters", "chapters_count", "num_chapters")
        ),
        "created_at": _CREATED,
        "updated_at": _UPDATED,
        "last_chapter_at": _TIME,
        "removed_at": _TIME,
    },
    "chapters": {
        "novel_id": OurColumn("id", "", not_null=True, synonyms=("story_id", "book_id")),
        "volume": _TEXT._replace(synonyms=("volume_title", "volume_name")),
        "position": OurColumn(
            "integer", "0", not_null=True, synonyms=("sort_order", "order_index", "chapter_index", "chapter_order")
        ),
        "number": OurColumn("numeric", synonyms=("chapter_number", "chapter_no", "chapter_num")),
        "title": _TEXT_EMPTY._replace(synonyms=("chapter_title", "name")),
        "content": _TEXT_EMPTY._replace(synonyms=("body", "chapter_content", "content_html", "text")),
        "url": _TEXT_EMPTY._replace(synonyms=("source_url", "chapter_url", "link")),
        "content_hash": OurColumn("bytea", "sha256('')", not_null=True),
        "created_at": _CREATED,
        "updated_at": _UPDATED,
        "content_updated_at": _TIME_NOW,
        "removed_at": _TIME,
    },
}
"""By table and name."""

DERIVED: Final[Mapping[str, Mapping[str, OurColumn]]] = {
    "novels": {},
    "chapters": {
        "file": _TEXT._replace(synonyms=("content_file", "filename", "file_name")),
        "word_count": OurColumn("integer", synonyms=("word_count", "words", "wordcount")),
    },
}
"""What the tables of ours have no column for, and a column of the site's gets: a text's file, and its words."""

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "novels": ("novels", "stories", "books", "novel", "story", "book"),
    "chapters": ("chapters", "story_chapters", "novel_chapters", "book_chapters", "chapter"),
}
"""What the tables may be called, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a person says the site calls its tables and columns."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By table and column of ours; empty: the site has none, whatever its columns are called."""


def parse_names(text: str) -> Names:
    """Reads ``novels=stories,chapters.number=chapter_no``. Raises `ConfigurationError`."""
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (part.strip() for part in entry.partition("="))
        table, dot, column = ours.partition(".")
        known = {**COLUMNS.get(table, {}), **DERIVED.get(table, {})}
        if not equals or table not in COLUMNS or (dot and column not in known) or (not dot and not theirs):
            raise ConfigurationError(
                f"--adopt-columns has {entry!r}, which names no table or column of NovelSync",
                "write it as novels=stories,chapters=story_chapters,chapters.number=chapter_no; docs/tables.md has"
                " the columns, and chapters.file and chapters.word_count are for the site's own",
            )
        if dot:
            columns[table, column] = theirs
        else:
            tables[table] = theirs
    return Names(tables, columns)


NUMBERS: Final = ("smallint", "integer", "bigint", "numeric", "real", "double precision")

CONVERTIBLE: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "character varying", "character", "citext", "enum"),
    "numeric": NUMBERS,
    "integer": NUMBERS,
    "timestamptz": ("timestamp with time zone", "timestamp without time zone"),
    "bytea": ("bytea",),
}
"""By the type of a column of ours, the types that can hold the same and are converted to it."""


def find_twins(table: str, present: Mapping[str, str], names: Names) -> Iterator[tuple[str, str]]:
    """Pairs of ours and theirs. ``present``: types by name; a column that was named need not be there."""
    called = {spelt(name): name for name in present if name not in COLUMNS[table]}
    for ours, column in {**COLUMNS[table], **DERIVED[table]}.items():
        named = names.columns.get((table, ours))
        if named is not None:
            if named and (named != ours or ours in DERIVED[table]):
                yield ours, named
        elif ours not in present or ours in DERIVED[table]:
            likely = (called[name] for name in map(spelt, (ours, *column.synonyms)) if name in called)
            may_be = CONVERTIBLE.get(column.type)
            if theirs := next((name for name in likely if not may_be or present[name] in may_be), None):
                yield ours, theirs


def spelt(name: str) -> str:
    """The same for ``coverUrl``, ``cover_url`` and ``CoverURL``."""
    return name.replace("_", "").lower()
