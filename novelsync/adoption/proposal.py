"""
Taking over a site's tables: which folder belongs to which row, and what the next sync will do there.

Rows and folders are paired by their titles, where those are unique on both sides: a wrong pair would cost readers more
than a missing one. What stays unpaired is named in the output, and readers go on seeing it.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from novelsync.adoption.alterations import Alterations, alterations
from novelsync.adoption.site import looking, rows
from novelsync.adoption.site.columns import Names
from novelsync.adoption.site.looking import Connection
from novelsync.adoption.site.rows import ExistingNovel
from novelsync.adoption.site.tables import Existing
from novelsync.contracts.storages import Storage
from novelsync.errors import BookRefused, DatabaseNotReady
from novelsync.models.source import Book, SourceFile
from novelsync.models.stored import KnownNovel
from novelsync.models.writing import NovelWrite
from novelsync.novel_reader import NovelReader
from novelsync.planning.guards.limits import Limits
from novelsync.planning.novel_plan import plan_novel
from novelsync.text.formatting import counted


@dataclass(slots=True)
class Proposal:
    """What taking over would do."""

    existing: Existing | None
    """None if the tables were taken over before; then only what is still unpaired is looked at."""
    alterations: Alterations | None = None
    """Likewise."""
    pairs: dict[str, ExistingNovel] = field(default_factory=dict)
    """Rows by the slugs of their folders."""
    writes: list[NovelWrite] = field(default_factory=list)
    """What the next sync will do to the paired rows."""
    unpaired_rows: list[tuple[ExistingNovel, str]] = field(default_factory=list)
    """Each with the reason."""
    unpaired_folders: list[tuple[str, str]] = field(default_factory=list)
    """Slugs, each with the reason."""


def propose(connection: Connection, storage: Storage, names: Names, *, max_file_bytes: int, limits: Limits) -> Proposal:
    """
    Reads storage and tables, and changes nothing. Paired files are read twice, so that only one is in memory at a time.

    Raises `DatabaseNotReady` if the tables cannot be taken over, or `StorageUnavailable`.
    """
    existing = None if looking.is_ours(connection) else looking.look(connection, names)
    proposal = Proposal(existing, alterations(existing) if existing else None)
    unpaired = rows.novels(connection, existing)
    if existing is None and not unpaired:
        raise DatabaseNotReady("there is nothing to take over: every row is NovelSync's already", "`novelsync sync`")
    taken = set() if existing else rows.known_slugs(connection)
    reader = NovelReader(storage, max_file_bytes)
    _pair(proposal, unpaired, {novel.slug: book for novel, book in _books(storage, reader) if novel.slug not in taken})
    if not proposal.pairs:
        raise DatabaseNotReady(
            f"no row of novels has the title of a folder in {storage.location}, and nothing was changed",
            "is NOVELSYNC_STORAGE right? Titles must be alike, and unique on both sides",
        )
    slugs = {row.id: slug for slug, row in proposal.pairs.items()}
    stored = {slugs[id_]: known for id_, known in rows.chapters(connection, existing) if id_ in slugs}
    for slug, row in proposal.pairs.items():
        found = storage.find(slug)
        file = reader.read_whole(found) if found else None
        if file and isinstance(file.book, Book):
            chapters = stored.get(slug, [])
            known = KnownNovel(slug, 0, same=False, fields=row.fields, chapters=chapters, chapter_count=len(chapters))
            proposal.writes.append(plan_novel(file.novel, "", file.book, known, request_id="", limits=limits))
    return proposal


def _pair(proposal: Proposal, unpaired: Sequence[ExistingNovel], books: Mapping[str, str | BookRefused]) -> None:
    """``books``: by slug the title, or why the file is refused."""
    titles = {slug: title for slug, title in books.items() if isinstance(title, str)}
    proposal.pairs = pair_by_title(unpaired, titles)
    paired = {row.id for row in proposal.pairs.values()}
    by_row = Counter(alike(row.fields.title) for row in unpaired)
    by_folder = Counter(map(alike, titles.values()))

    def why(title: str) -> str:
        return _why(by_row[alike(title)], by_folder[alike(title)])

    proposal.unpaired_rows = [(row, why(row.fields.title)) for row in unpaired if row.id not in paired]
    proposal.unpaired_folders = [
        (slug, why(title) if isinstance(title, str) else f"its file cannot be accepted: {title.message}")
        for slug, title in books.items()
        if slug not in proposal.pairs
    ]


def pair_by_title(rows: Sequence[ExistingNovel], titles: Mapping[str, str]) -> dict[str, ExistingNovel]:
    """
    Rows by the slugs of their folders. A row whose slug is the name of a folder belongs to that one.

    Others are paired by exact titles first, and then by titles that differ only as `alike` allows.
    """
    pairs = {row.slug: row for row in rows if row.slug and row.slug in titles}
    left = [row for row in rows if row.slug not in titles]
    for key in (str, alike):
        paired = {row.id for row in pairs.values()}
        found: defaultdict[str, tuple[list[ExistingNovel], list[str]]] = defaultdict(lambda: ([], []))
        for row in left:
            if row.id not in paired:
                found[key(row.fields.title)][0].append(row)
        for slug, title in titles.items():
            if slug not in pairs:
                found[key(title)][1].append(slug)
        pairs |= {slugs[0]: same[0] for same, slugs in found.values() if len(same) == len(slugs) == 1}
    return pairs


def alike(title: str) -> str:
    """The title without what is no difference: the Unicode form, case, and how many blanks there are."""
    return " ".join(unicodedata.normalize("NFC", title).casefold().split())


def _why(rows: int, folders: int) -> str:
    """Why rows and folders of one title, so many of each, are not paired."""
    if not folders:
        return "no folder has this title"
    if not rows:
        return "no row has its title"
    return f"{counted(rows, 'row')} and {counted(folders, 'folder')} have this title"


def _books(storage: Storage, reader: NovelReader) -> Iterator[tuple[SourceFile, str | BookRefused]]:
    """Each novel's title, or why its file is refused; one that is being written at the moment is left out."""
    for novel in storage.listing():
        file = reader.read(novel)
        book = reader.parse(file).book if file else None
        if book is not None:
            yield novel, book.title if isinstance(book, Book) else book
