"""The values that say what a site's tables are like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


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
