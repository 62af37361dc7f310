"""
Taking over a site's tables: which folder belongs to which row, and what the next sync will do there.

Rows and folders are paired by their exact titles, where those are unique on both sides: a wrong pair would cost readers
more than a missing one. What stays unpaired is named in the output, and readers go on seeing it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from novelsync.adoption import existing_tables
from novelsync.adoption.existing_tables import Connection, Existing, ExistingNovel
from novelsync.books.reader import check_size, read_book
from novelsync.contracts import Storage
from novelsync.errors import BookRefused, DatabaseNotReady
from novelsync.models.source import Book, SourceFile
from novelsync.models.stored import KnownNovel
from novelsync.models.writing import NovelWrite
from novelsync.planning.guards import Limits
from novelsync.planning.novel_plan import plan_novel
from novelsync.text.formatting import counted


@dataclass(slots=True)
class Proposal:
    """What taking over would do."""

    existing: Existing | None
    """None if the tables were taken over before; then only what is still unpaired is looked at."""
    pairs: dict[str, ExistingNovel] = field(default_factory=dict)
    """Rows by the slugs of their folders."""
    writes: list[NovelWrite] = field(default_factory=list)
    """What the next sync will do to the paired rows."""
    unpaired_rows: list[tuple[ExistingNovel, str]] = field(default_factory=list)
    """Each with the reason."""
    unpaired_folders: list[tuple[str, str]] = field(default_factory=list)
    """Slugs, each with the reason."""


def propose(connection: Connection, storage: Storage, *, max_file_bytes: int, limits: Limits) -> Proposal:
    """
    Reads storage and tables, and changes nothing. Paired files are read twice, so that only one is in memory at a time.

    Raises `DatabaseNotReady` if the tables cannot be taken over, or `StorageUnavailable`.
    """
    existing = None if existing_tables.is_ours(connection) else existing_tables.look(connection)
    rows = existing_tables.novels(connection, existing)
    if existing is None and not rows:
        raise DatabaseNotReady("there is nothing to take over: every row is NovelSync's already", "`novelsync sync`")
    taken = set() if existing else existing_tables.known_slugs(connection)
    proposal = Proposal(existing)
    titles: dict[str, str] = {}
    for novel, book in _books(storage, max_file_bytes):
        if novel.slug in taken:
            continue
        if isinstance(book, Book):
            titles[novel.slug] = book.title
        else:
            proposal.unpaired_folders.append((novel.slug, f"its file cannot be accepted: {book.message}"))
    proposal.pairs = pair_by_title(rows, titles)
    paired = {row.id for row in proposal.pairs.values()}
    by_row, by_folder = Counter(row.fields.title for row in rows), Counter(titles.values())
    proposal.unpaired_rows = [
        (row, _why(by_row[row.fields.title], by_folder[row.fields.title])) for row in rows if row.id not in paired
    ]
    proposal.unpaired_folders += [
        (slug, _why(by_row[title], by_folder[title])) for slug, title in titles.items() if slug not in proposal.pairs
    ]
    if not proposal.pairs:
        raise DatabaseNotReady(
            f"no row of novels has the title of a folder in {storage.location}, and nothing was changed",
            "is NOVELSYNC_STORAGE right? Titles must be exactly alike, and unique on both sides",
        )
    slugs = {row.id: slug for slug, row in proposal.pairs.items()}
    stored = {slugs[id_]: known for id_, known in existing_tables.chapters(connection, existing) if id_ in slugs}
    for slug, row in proposal.pairs.items():
        found = storage.find(slug)
        file = _book(storage, found, max_file_bytes) if found else None
        if found and isinstance(file, Book):
            chapters = stored.get(slug, [])
            known = KnownNovel(slug, 0, same=False, fields=row.fields, chapters=chapters, chapter_count=len(chapters))
            proposal.writes.append(plan_novel(found, "", file, known, request_id="", limits=limits))
    return proposal


def pair_by_title(rows: Sequence[ExistingNovel], titles: Mapping[str, str]) -> dict[str, ExistingNovel]:
    """Rows by the slugs of their folders. A row whose slug is the name of a folder belongs to that one."""
    pairs = {row.slug: row for row in rows if row.slug and row.slug in titles}
    left = [row for row in rows if row.slug not in titles]
    by_row = Counter(row.fields.title for row in left)
    by_folder = Counter(title for slug, title in titles.items() if slug not in pairs)
    slugs = {title: slug for slug, title in titles.items() if slug not in pairs}
    for row in left:
        if by_row[row.fields.title] == by_folder[row.fields.title] == 1:
            pairs[slugs[row.fields.title]] = row
    return pairs


def _why(rows: int, folders: int) -> str:
    """Why rows and folders of one title, so many of each, are not paired."""
    if not folders:
        return "no folder has this title"
    if not rows:
        return "no row has its title"
    return f"{counted(rows, 'row')} and {counted(folders, 'folder')} have this title"


def _books(storage: Storage, max_file_bytes: int) -> Iterator[tuple[SourceFile, Book | BookRefused]]:
    for novel in storage.listing():
        book = _book(storage, novel, max_file_bytes)
        if book is not None:
            yield novel, book


def _book(storage: Storage, novel: SourceFile, max_file_bytes: int) -> Book | BookRefused | None:
    """The novel, or why it is refused; None if its file is being written at the moment."""
    try:
        check_size(novel.size, max_file_bytes)
        data = storage.read(novel)
        return None if data is None else read_book(data)
    except BookRefused as refusal:
        return refusal
