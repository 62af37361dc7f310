"""A library and its database, hour by hour: what is edited, the sync, and what the tables must have then."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.run import SyncOptions
from novelsync.planning.guards.limits import Limits
from tests.conftest import Tables, make_service
from tests.support.editing import Chapter, Edit, Shelf
from tests.support.hours import accepting
from tests.support.ledger import Ledger, Row
from tests.support.library import Library


@dataclass(frozen=True, slots=True)
class NovelRow:
    """A row of ``novels``, and those of its chapters."""

    id: int
    slug: str
    removed: bool
    chapter_count: int
    chapters: list[Row]

    @property
    def texts(self) -> set[str]:
        return _telling(row for row in self.chapters if not row.removed)

    def may_be(self, chapters: Sequence[Chapter]) -> bool:
        """Nothing speaks against it: a text, most urls, or number and title, that both have, or nothing to compare."""
        names = {(row.number, row.title) for row in self.chapters if row.number is not None and row.title}
        told = [c for c in chapters if c.text.strip() or (c.number is not None and c.title)]
        alike = _texts(self.chapters) & _texts(chapters) or any((c.number, c.title) in names for c in told)
        alike = alike or self.has_same_urls(chapters)
        return not told or not self.chapters or bool(alike)

    def has_same_urls(self, chapters: Sequence[Chapter]) -> bool:
        """Most chapters of both, and three. All novels here have one title."""
        rows = [row for row in self.chapters if not row.removed]
        common = len({row.url for row in rows} & {chapter.url for chapter in chapters} - {""})
        return common >= 3 and 2 * common > max(len(rows), len(chapters))

    def may_be_elsewhere(self, chapters: Sequence[Chapter]) -> bool:
        """The file is plainly not this novel: they have texts that tell, and none in common."""
        return bool(self.texts and _telling(chapters)) and not self.texts & _telling(chapters)


@dataclass(frozen=True, slots=True)
class Folder:
    """What a slug was in the last hour that it was there."""

    novel: int
    """The id of its row."""
    since: int
    """The hour; of a renamed folder, under its first name."""
    data: bytes
    held: bool = False
    absent: int = 0
    """Hours."""


class Hours:
    def __init__(self, folder: Path, url: str, sizes: tuple[int, ...], grace: float) -> None:
        """``grace``: in seconds; see `Limits`."""
        self.ledger = Ledger()
        self._shelf = Shelf(sizes)
        self._library = Library(folder)
        self._database = SqlClient(PostgresTransport(url, "the test's database"))
        self._tables = Tables(url)
        limits = Limits(removals=1, grace=grace)
        self._service = make_service(self._library, self._database, limits=limits)
        self._grace = grace
        self._hour = 0
        self._folders: dict[str, Folder] = {}
        self._stored: dict[int, NovelRow] = {}
        self._shown: dict[str | None, str] = {}

    def close(self) -> None:
        self._database.close()
        self._tables.connection.close()

    def pass_by(self, edits: Sequence[Edit], accept: bool) -> None:
        """``accept``: a person accepts all that is held."""
        for edit in edits:
            self._shelf.apply(edit)
        data = self._write()
        self._tables.connection.execute(
            "update novelsync.files set missing_since = missing_since - t, removed_at = removed_at - t,"
            " first_seen = first_seen - t from (select interval '1 hour') as passed(t)"
        )
        # What went within a day is remembered; here each hour is a day later.
        self._tables.connection.execute(
            "update chapters set removed_at = removed_at - interval '25 hours' where removed_at < 'infinity'"
        )
        self._tables.connection.execute("update novelsync.shrunk set since = since - interval '25 hours'")
        accepted = {slug for slug, folder in self._folders.items() if accept and folder.held and slug in data}
        shown = frozenset(self._shown[slug] for slug in accepted)
        report = self._service.sync_all_novels("cli", options=SyncOptions(accept=shown)).as_dict()
        self._shown |= {each["slug"]: accepting(each["hint"]) for each in report["problems"] if each["kind"] == "held"}
        stored = self._read()
        folders = self._check_novels(data, stored, accepted)
        all_missing = self._check_absent(folders, stored, data)
        held = any(folders[slug].held for slug in data)
        assert report["outcome"] == ("partial" if held or all_missing else "ok"), report
        self._folders, self._stored = folders, stored
        self._hour += 1

    def _write(self) -> dict[str, bytes]:
        for folder in self._library.folder.iterdir():
            if folder.name not in self._shelf.folders:
                self._library.remove(folder.name)
        data = {}
        for slug, novel in self._shelf.folders.items():
            chapters = [chapter.in_file() for chapter in novel.chapters]
            data[slug] = json.dumps({"title": "A novel", "chapters": chapters}).encode()
            folder = self._folders.get(slug)
            if folder is None or folder.absent or folder.data != data[slug]:
                self._library.write_raw(slug, data[slug])
        return data

    def _read(self) -> dict[int, NovelRow]:
        novels = self._tables.rows("select id, slug, removed_at is not null, chapter_count from novels")
        stored = {novel[0]: NovelRow(*novel, chapters=[]) for novel in novels}
        for novel, id_, position, title, number, url, text, removed in self._tables.rows(
            "select novel_id, id, position, title, number, url, content, removed_at is not null from chapters"
            " order by position, id"
        ):
            exact = None if number is None else float(number)
            stored[novel].chapters.append(Row(id_, position, title, exact, url, text, removed))
        return stored

    def _check_novels(
        self, data: Mapping[str, bytes], stored: Mapping[int, NovelRow], accepted: set[str]
    ) -> dict[str, Folder]:
        """What is in storage is in the tables: the right novel, and the right chapters of it."""
        published = {row.slug: row for row in stored.values() if not row.removed}
        assert len(published) == sum(not row.removed for row in stored.values())
        folders: dict[str, Folder] = {}
        for slug, ids in self._expected(data).items():
            row = published[slug]
            assert (row.id if row.id in self._stored else None) in ids, f"{slug} has the id {row.id}, and not of {ids}"
            assert row.chapter_count == sum(not chapter.removed for chapter in row.chapters)
            self.ledger.tally["novels"] += 1
            self.ledger.tally["undecidable novels"] += len(ids) > 1
            before, old = self._stored.get(row.id), self._folders.get(slug)
            same = before is not None and not before.removed and before.slug == slug
            if same and old is not None and old.data == data[slug] and not (old.held and slug in accepted):
                assert row == before, "a file that did not change changes nothing"
                folders[slug] = replace(old, absent=0)
                continue
            chapters = self._shelf.folders[slug].chapters
            may_go = slug in accepted and same and old is not None and old.data == data[slug]
            held = self.ledger.check(row.id, before.chapters if before else [], row.chapters, chapters, may_go)
            former = next((folder for folder in self._folders.values() if folder.novel == row.id), old)
            folders[slug] = Folder(row.id, former.since if former else self._hour, data[slug], held)
        return folders

    def _expected(self, data: Mapping[str, bytes]) -> dict[str, set[int | None]]:
        """Which row each slug may have; None: a new one. More than one: that is undecidable."""
        gone = {slug: folder for slug, folder in self._folders.items() if slug not in data}
        own: dict[str, int | None] = {}
        new: set[str] = set()
        renamed_from: dict[str, list[str]] = {}
        for slug in data:
            folder = self._folders.get(slug)
            row = self._stored[folder.novel] if folder else None
            chapters = self._shelf.folders[slug].chapters
            if folder and row and not row.removed:
                # A copy, of which the original may be what is gone.
                own[slug] = row.id
                older = {name: former for name, former in gone.items() if former.since < folder.since}
                renamed_from[slug] = self._formers(older, folder.data, chapters)
            elif folder and row and folder.data == data[slug]:
                own[slug], renamed_from[slug] = row.id, []
            else:
                own[slug] = row.id if row and row.may_be(chapters) else None
                may_be_elsewhere = row is None or row.may_be_elsewhere(chapters)
                renamed_from[slug] = self._formers(gone, data[slug], chapters) if may_be_elsewhere else []
                new.add(slug)
        newly = any(folder.absent == 0 for folder in gone.values())
        expected: dict[str, set[int | None]] = {}
        for slug, names in renamed_from.items():
            heirs = [other for other in renamed_from if set(names) & set(renamed_from[other])]
            rows = {gone[name].novel for name in names}
            sure = len(rows) == len(heirs) == 1 and (newly or slug in new)
            expected[slug] = rows if sure else {own[slug], *rows}
        return expected

    def _formers(self, gone: Mapping[str, Folder], data: bytes, chapters: Sequence[Chapter]) -> list[str]:
        """Which of these have the same bytes, or most of their texts or urls here."""
        here = _telling(chapters)

        def is_here(slug: str) -> bool:
            row = self._stored[gone[slug].novel]
            texts = row.texts
            if (gone[slug].data == data and chapters) or row.has_same_urls(chapters):
                return True
            common = len(texts & here)
            return 2 * common > max(len(texts), len(here)) if common >= 3 else bool(here) and texts == here

        return [slug for slug in gone if is_here(slug)]

    def _check_absent(
        self, folders: dict[str, Folder], stored: Mapping[int, NovelRow], present: Mapping[str, bytes]
    ) -> bool:
        """What storage lacks goes when it is due, text and all. True: it is all there was, so that none of it goes."""
        used = {folder.novel for folder in folders.values()}
        for slug, folder in self._folders.items():
            if slug not in present and folder.novel not in used:
                folders[slug] = replace(folder, absent=folder.absent + 1)
        missing = {slug: folder for slug, folder in folders.items() if slug not in present}
        were_seen = {id_ for id_, row in self._stored.items() if not row.removed}
        all_missing = were_seen <= {folder.novel for folder in missing.values()} and bool(were_seen)
        due = {f.novel for f in missing.values() if not all_missing and f.absent > (2 if self._grace else 0)}
        for id_, before in self._stored.items():
            if id_ not in {folders[slug].novel for slug in present}:
                row = stored[id_]
                waits = id_ in {folder.novel for folder in missing.values()} and id_ not in due
                assert (row.slug, row.chapters) == (before.slug, before.chapters)
                assert row.removed == (before.removed or not waits), row
        return all_missing


def _texts(chapters: Any) -> set[str]:
    return {chapter.text for chapter in chapters if chapter.text.strip()}


def _telling(chapters: Any) -> set[str]:
    """Long enough, and in one chapter only."""
    times = Counter(chapter.text for chapter in chapters if len(chapter.text.encode()) >= 200)
    return {text for text, count in times.items() if count == 1}
