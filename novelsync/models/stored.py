"""What the database remembers of files, and what its tables have of novels."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from novelsync.models.source import NovelFields


class KnownFile(NamedTuple):
    """What the bookkeeping remembers of a slug. A tuple, because a library may have 100,000 of them."""

    slug: str
    version: str
    """That of the file when it was last dealt with (see `version_by`); empty if it must be read again in any case."""
    revision: int
    """Counts the writes. A write names the revision it was planned on, and is stale if there is a newer one."""
    stored: bool
    """Readers see a novel under this slug."""
    removed: bool
    """Readers saw a novel under this slug until it had been missing from the storage for too long."""
    missing_for: float | None
    """Seconds since the first complete listing that did not have it; None if the last one had it."""
    refused: bool
    """That version of the file was refused."""
    withheld: bool = False
    """It is kept from the readers as a whole, because it was taken down."""


class MissingFile(NamedTuple):
    """A novel that readers see and that a complete listing lacked."""

    slug: str
    seconds: float
    """Since the first complete listing that did not have it."""


_BY: Final = " by "


def version_by(state: str, rules: str) -> str:
    """
    What is remembered of a file that was held or refused: it is read again when it changes, or when the rules do.

    ``state``: see `novelsync.models.source.SourceFile`. ``rules``: see `novelsync.planning.run_plan.rules_of`.
    """
    return f"{state}{_BY}{rules}"


def state_of(version: str) -> str:
    """The file's own part of what is remembered of it."""
    return version.partition(_BY)[0]


@dataclass(frozen=True, slots=True)
class KnownChapter:
    """One row of ``chapters``, without its text."""

    id: str
    position: int
    number: Decimal | None
    title: str
    url_hash: str
    """See `novelsync.models.source.url_hash`."""
    content_hash: bytes
    content_bytes: int
    removed: bool = False
    volume: str | None = None
    file: str = ""
    """The file that the stored text is, as its ``book_info.json`` names it; empty: it is in that itself."""
    file_version: str = ""
    """Of that file, when it was read."""
    removed_lately: bool = False
    """Within the last 24 hours, and nobody has confirmed it."""
    peak_letters: int = 0
    """The most letters that its text showed within the last 24 hours, if it has fewer now."""
    fresh: bool = False
    """It came in since something of the novel has been held."""
    taken_down: bool = False
    """A takedown has hidden it."""


@dataclass(frozen=True, slots=True)
class KnownNovel:
    """What the tables have of a slug."""

    slug: str
    revision: int
    same: bool
    """A novel is stored, and the file's checksum is the one that was last dealt with."""
    fields: NovelFields | None
    """None if no novel is stored under the slug, or if its fields and chapters were not asked for."""
    chapters: Sequence[KnownChapter] = ()
    """First the published chapters, then the removed ones, each in the order of their positions."""
    chapter_count: int = 0
    """The column that readers see."""
    shown_as: str = ""
    """The slug that readers see; empty: the same as ``slug``."""
    removed: bool = False
    """Readers no longer see it."""
    held_id: str = ""
    """Of what is held of it, see `novelsync.planning.acceptance`; empty: nothing is."""
    kept: bool = False
    """Somebody has decided that what is held stays, so that nobody has to look at it any more."""
    held_changed: bool = False
    """That took the place of something else that was held, and nobody who wanted to accept it has been told."""
    held_in_a_row: int = 0
    """How many versions of the file in a row lacked chapters that were held."""
    version: str = ""
    """See `KnownFile`."""
    has_texts: bool = False
    """Texts are files of their own, so that they may change although ``book_info.json`` does not."""
    withheld: tuple[bool, int, tuple[int, ...]] | None = None
    """What takedowns kept back of the file: whether all of it, how many chapters, and which; None: nothing."""

    @property
    def state(self) -> str:
        """The file's own part of ``version``."""
        return state_of(self.version)

    @property
    def rules(self) -> str:
        """That the file was held or refused by; empty: none, or it is to be read again in any case."""
        return self.version.partition(_BY)[2]


@dataclass(frozen=True, slots=True)
class PurgeSelection:
    """Which rows a purge is about: those of removed novels and chapters, or chapters that are named."""

    slug: str | None = None
    """Of this novel; None: of all."""
    days: int = 0
    """Removed at least so long ago."""
    chapters: Sequence[str] = ()
    """Ids. These alone then, whether readers see them or not."""
    blank: bool = False
    """Titles and texts are emptied and the rows kept, in place of deleting them."""


class Reference(msgspec.Struct, frozen=True):
    """A foreign key of the site that points at ``novels`` or ``chapters``."""

    table: str
    columns: str
    rows: int | None
    """How many rows point at what would be purged; None if we may not see them."""
    keys: str
    """The columns that name such a row: its primary key or, without one, ``columns``."""
    first: Sequence[str]
    """These columns of the first five of them."""
    forbids: bool
    """As long as there are such rows, deleting fails."""
    then: str
    """What deleting does to such rows, as a clause: "they are deleted too"."""


class PublishedChapter(msgspec.Struct, frozen=True):
    """A chapter that readers see, and that was named to be purged."""

    id: str
    title: str
    slug: str


class Removed(msgspec.Struct, frozen=True):
    """What a purge comes to."""

    novels: int
    chapters: int
    bytes: int = 0
    """Size of their texts in UTF-8."""
    before: str = ""
    """All of them were removed by this moment. Handed on to a purge, so that it deletes just these."""
    published: Sequence[PublishedChapter] = ()
    """Those of them that readers still see, because they were named."""
    unknown: Sequence[str] = ()
    """Ids that were named and are no chapter's."""
    references: Sequence[Reference] = ()


class Purged(NamedTuple):
    """Rows that one piece of a purge deleted, or emptied."""

    novels: int
    chapters: int
