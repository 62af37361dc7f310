"""Texts that are files of their own, beside ``book_info.json``: from every storage, and by both ways to a database."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from novelsync.cli.verification import verification_of
from novelsync.contracts.storages import Storage
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.models.run import SyncOptions
from novelsync.models.source import SourceFile, TextFile
from novelsync.running.novels import novel_syncer
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.running.test_sync import needs_real_novels, opened_files
from tests.support.hours import AT_ONCE, messages, nonzero, synced
from tests.support.kept import Kept, kept_in
from tests.support.library import REAL_NOVELS, Library, text_of
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary


class Watched:
    """A storage that remembers what was read of it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.read_paths: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def read(self, novel: SourceFile) -> bytes | None:
        self.read_paths.append(f"{novel.slug}/book_info.json")
        return self._storage.read(novel)

    def read_texts(self, slug: str, files: Sequence[TextFile]) -> Iterator[tuple[TextFile, bytes | str]]:
        self.read_paths += [f"{slug}/{file.path}" for file in files]
        return self._storage.read_texts(slug, files)


class Site:
    """A crawler's storage, watched, and the service that syncs it."""

    def __init__(self, kept: Kept, database: SqlClient, **options: Any) -> None:
        self.put, self.remove = kept.put, kept.remove
        self.storage: Any = Watched(kept.storage)
        self.database = database
        self.service = self.new_service(**options)

    def new_service(self, **options: Any) -> SyncService:
        config = SyncConfig(**{"workers": 2, "max_file_bytes": 10_000_000} | options)
        return SyncService(self.storage, self.database, config)

    def write(self, slug: str, chapters: Sequence[Mapping[str, Any]], **fields: Any) -> None:
        book = {"title": slug.title(), "chapters": chapters} | fields
        self.put(f"{slug}/book_info.json", json.dumps(book).encode())

    def synced(self, outcome: str = "ok", **options: Any) -> dict[str, Any]:
        self.storage.read_paths.clear()
        return synced(self.service, outcome, **options)

    @property
    def read_paths(self) -> list[str]:
        return sorted(self.storage.read_paths)


@pytest.fixture(params=["folder", "bucket"])
def kept(request: pytest.FixtureRequest, library: Library) -> Iterator[Kept]:
    # Small pages are tested with the storages; here libraries are large.
    with kept_in(request.param, library, page_size=100) as kept:
        yield kept


@pytest.fixture
def transport(kept: Kept, database_url: str) -> Iterator[RecordingTransport]:
    """From a folder straight to Postgres, from a bucket through PostgREST."""
    if isinstance(kept.storage, LocalStorage):
        yield RecordingTransport(PostgresTransport(database_url))
    elif postgrest_binary() is None:
        pytest.skip(ABSENT)
    else:
        with StandIn(database_url) as stand_in:
            yield RecordingTransport(SupabaseTransport(stand_in.url, stand_in.secret_key))


@pytest.fixture
def site(kept: Kept, database: SqlClient) -> Site:
    return Site(kept, database)


def named(number: int, filename: str = "", **more: Any) -> dict[str, Any]:
    return {"title": f"Chapter {number}", "number": number, "filename": filename or f"{number}.html", **more}


def fill(site: Site, slug: str, count: int) -> None:
    for number in range(1, count + 1):
        site.put(f"{slug}/{number}.html", text_of(f"{slug} {number}").encode())
    site.write(slug, [named(number) for number in range(1, count + 1)])


def texts(tables: Tables, slug: str) -> list[str]:
    return [
        text
        for (text,) in tables.rows(
            "select c.content from chapters c join novels n on n.id = c.novel_id"
            " where n.slug = %s and n.removed_at is null and c.removed_at is null order by c.position",
            slug,
        )
    ]


# What comes in -------------------------------------------------------------------------


def test_texts_are_stored_byte_for_byte(site: Site, tables: Tables) -> None:
    kept = {
        "1.html": "<p>Đang ra</p>\r\n\r\n<p>e\u0301 \u00e9</p>  ",
        "chapters/0002.md": "# Two\n\n\ttext \\n",
        "3.txt": "\ufeffthree",
    }
    for path, text in kept.items():
        site.put(f"emma/{path}", text.encode())
    keys = ("filename", "file", "content_file")
    site.write("emma", [{"title": path, key: path} for key, path in zip(keys, kept, strict=True)])
    report = site.synced()
    assert report["problems"] == [{"slug": "emma", "kind": "warning"} | each for each in report["problems"]][:1]
    assert texts(tables, "emma") == [kept["1.html"], kept["chapters/0002.md"], "three"]


@needs_real_novels
def test_a_library_of_the_real_novels_comes_in_whole_and_only_what_changes_is_read_again(
    site: Site, tables: Tables
) -> None:
    novels = library_of_five(2_107)
    for slug, chapters in novels.items():
        for number, text in enumerate(chapters, start=1):
            site.put(f"{slug}/{number}.html", text.encode())
        site.write(slug, [named(number) for number in range(1, len(chapters) + 1)])
    report = site.synced()
    assert nonzero(report["chapters"]) == {"created": 2_107}
    assert {slug: texts(tables, slug) for slug in novels} == novels

    site.synced()
    assert site.read_paths == []
    before = tables.places()
    slug, chapters = next(iter(novels.items()))
    site.put(f"{slug}/7.html", b"edited: " + chapters[6].encode())
    site.remove(f"{slug}/9.html")
    report = site.synced()
    assert site.read_paths == [f"{slug}/7.html", f"{slug}/book_info.json"]
    assert nonzero(report["chapters"]) == {"updated": 1, "without_text": 1}
    assert messages(report) == [
        "warning 1 chapter names a text that could not be read: chapters[8]: 9.html: it is not there"
    ]
    assert texts(tables, slug) == [*chapters[:6], f"edited: {chapters[6]}", *chapters[7:]]
    assert len(tables.places()["chapters"] - before["chapters"]) == 1


def library_of_five(count: int) -> dict[str, list[str]]:
    """That many chapters made of the real ones, each cut in three, as HTML."""
    novels: dict[str, list[str]] = {}
    pieces = [
        "\n".join(f"<p>{line}</p>" for line in chapter["content"][start::3].split("\n"))
        for path in sorted(REAL_NOVELS.glob("*/book_info.json"))
        for chapter in json.loads(path.read_bytes())["chapters"]
        for start in range(3)
    ]
    assert len(pieces) >= count
    for n, piece in enumerate(pieces[:count]):
        novels.setdefault(f"Võ Luyện {n * 5 // count}", []).append(piece)
    return novels


def test_content_counts_before_a_filename_unless_it_is_blank(site: Site, tables: Tables) -> None:
    site.put("emma/1.html", b"from the file")
    site.write("emma", [named(1, "1.html", content="from the book"), named(2, "1.html", content=" \n")])
    site.synced()
    assert texts(tables, "emma") == ["from the book", "from the file"]
    site.synced()
    assert site.read_paths == []


def test_a_book_whose_texts_are_all_in_it_is_quiet_whatever_lies_beside_it(site: Site) -> None:
    site.put("emma/1.html", b"from the file")
    site.write("emma", [named(1, content="from the book")])
    site.synced()
    site.put("emma/1.html", b"another")
    site.synced()
    assert site.read_paths == []


def test_a_text_is_what_postgres_can_store_and_a_file_of_another_encoding_is_told(site: Site, tables: Tables) -> None:
    site.put("emma/1.html", b"a\0b" * 100)
    site.put("emma/2.html", b"ok\xff")
    site.write("emma", [named(1), named(2)])
    (warning,) = messages(site.synced())
    assert texts(tables, "emma") == ["ab" * 100, ""]
    assert "chapters[1]: 2.html: 2.html must be UTF-8, and byte 2 (0xff) is not" in warning
    site.put("emma/2.html", b"ok")
    assert messages(site.synced()) == []
    assert texts(tables, "emma")[1] == "ok"


# What is not there ---------------------------------------------------------------------


def test_a_file_that_vanished_takes_no_text_and_a_new_chapter_without_its_file_waits(
    site: Site, tables: Tables
) -> None:
    fill(site, "emma", 3)
    site.synced()
    stored = texts(tables, "emma")
    site.remove("emma/1.html")
    site.remove("emma/2.html")
    site.write("emma", [named(number) for number in range(1, 5)])
    (warning,) = messages(site.synced())
    assert warning.startswith(
        "warning 3 chapters name texts that could not be read: the first, chapters[0]: 1.html: it is"
    )
    assert texts(tables, "emma") == [*stored, ""]
    site.put("emma/4.html", b"the fourth")
    site.synced()
    assert texts(tables, "emma") == [*stored, "the fourth"]


@pytest.mark.parametrize("filename", ["../persuasion/1.html", "/etc/hostname", "a/../../emma.txt", "C:\\1.html", ".."])
def test_a_path_that_leads_out_is_named_and_never_read(site: Site, tables: Tables, filename: str) -> None:
    site.put("persuasion/1.html", b"of another novel")
    site.write("persuasion", [named(1)])
    site.put("emma/1.html", b"of this one")
    site.write("emma", [named(1), named(2, filename)])
    (warning,) = messages(site.synced())
    assert f"chapters[1]: {filename}: it leads out of the novel's folder" in warning
    assert texts(tables, "emma") == ["of this one", ""]
    assert [path for path in site.read_paths if path.startswith("emma/")] == ["emma/1.html", "emma/book_info.json"]


def test_the_size_limit_counts_file_and_texts_together(site: Site, tables: Tables) -> None:
    service = site.new_service(max_file_bytes=10_000)
    site.put("emma/1.html", b"x" * 9_000)
    site.write("emma", [named(1)])
    assert synced(service)["outcome"] == "ok"
    site.put("emma/2.html", b"x" * 9_000)
    site.write("emma", [named(1), named(2)])
    site.put("emma/beside.jpg", b"x" * 9_000)
    (problem,) = synced(service, "partial")["problems"]
    assert problem["message"].startswith("the file and its texts have 18,1")
    assert "NOVELSYNC_MAX_FILE_BYTES" in problem["hint"]
    assert synced(service, "partial")["bytes_read"] == 0, "and it is not read again"
    assert texts(tables, "emma") == ["x" * 9_000]


# As any other novel ----------------------------------------------------------------------


def test_many_novels_with_more_text_than_is_read_at_once_come_in_within_their_batch(
    site: Site, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(novel_syncer, "LARGE", 1_000)
    for n in range(6):
        fill(site, f"novel-{n}", 3)
    site.synced()
    assert [len(texts(tables, f"novel-{n}")) for n in range(6)] == [3] * 6
    assert texts(tables, "novel-5")[2] == text_of("novel-5 3")


def test_a_dry_run_says_what_the_run_does_and_verify_compares_texts(site: Site, tables: Tables) -> None:
    fill(site, "emma", 3)
    expected = site.service.dry_run()
    assert [(change.mark, change.slug) for change in expected.changes or ()] == [("+", "emma")]
    assert texts(tables, "emma") == []
    assert site.synced()["chapters"] == expected.as_dict()["chapters"]

    def equal() -> bool:
        return verification_of(site.service.dry_run(options=SyncOptions(reread=True))).equal

    assert equal()
    site.put("emma/2.html", text_of("edited").encode())
    assert not equal()
    site.synced()
    assert equal()
    tables.connection.execute("update chapters set content = 'tampered' where position = 3")
    assert not equal()


def test_a_novel_keeps_its_ids_when_its_folder_or_its_files_get_other_names(site: Site, tables: Tables) -> None:
    fill(site, "emma", 4)
    site.synced()
    ids = tables.ids("emma")
    for number in range(1, 5):
        site.put(f"emma-woodhouse/part/{number}.md", text_of(f"emma {number}").encode())
        site.remove(f"emma/{number}.html")
    site.write("emma-woodhouse", [named(number, f"part/{number}.md") for number in range(1, 5)])
    site.remove("emma/book_info.json")
    assert site.synced()["novels"]["renamed"] == 1
    assert tables.ids("emma-woodhouse") == ids
    site.synced()
    assert site.read_paths == []


def test_chapters_that_go_are_held_and_a_worse_text_too(site: Site, tables: Tables) -> None:
    fill(site, "emma", 10)
    site.synced()
    site.write("emma", [named(1)])
    site.put("emma/1.html", b"Just a moment...")
    site.synced("partial")
    assert texts(tables, "emma") == [text_of(f"emma {number}") for number in range(1, 11)]
    site.synced("partial")
    assert site.read_paths == []
    site.synced(accept=frozenset({"emma"}))
    assert texts(tables, "emma") == ["Just a moment..."]


def test_a_chapter_put_in_front_reads_one_text(site: Site, transport: RecordingTransport, tables: Tables) -> None:
    fill(site, "emma", 20)
    site.synced()
    ids = tables.ids("emma")
    transport.calls.clear()
    site.put("emma/0.html", text_of("prologue").encode())
    site.write("emma", [named(number) for number in range(21)])
    site.synced()
    assert site.read_paths == ["emma/0.html", "emma/book_info.json"]
    assert transport.texts_sent() == [text_of("prologue")]
    assert tables.ids("emma") == {"Chapter 0": tables.ids("emma")["Chapter 0"], **ids}


def test_a_chapter_that_changes_everything_but_its_file_keeps_text_and_id(site: Site, tables: Tables) -> None:
    fill(site, "emma", 3)
    site.synced()
    ids = list(tables.ids("emma").values())
    site.write(
        "emma", [{"title": f"Teil {number}", "number": number + 7, "file": f"{number}.html"} for number in (2, 3, 1)]
    )
    site.synced()
    assert site.read_paths == ["emma/book_info.json"]
    assert list(tables.ids("emma").values()) == [ids[1], ids[2], ids[0]]
    assert texts(tables, "emma") == [text_of(f"emma {number}") for number in (2, 3, 1)]


def test_a_text_that_moves_into_the_book_and_out_again_touches_no_row(site: Site, tables: Tables) -> None:
    fill(site, "emma", 2)
    site.synced()
    before = tables.places()
    site.write("emma", [named(number) | {"content": text_of(f"emma {number}")} for number in (1, 2)])
    site.synced()
    site.write("emma", [named(1), named(2)])
    site.synced()
    assert tables.places() == before
    assert tables.rows("select file from novelsync.texts order by 1") == [("1.html",), ("2.html",)]


# Of a folder alone -----------------------------------------------------------------------


@pytest.fixture
def beside(library: Library) -> Callable[[str, str], Path]:
    def write(path: str, text: str) -> Path:
        file = library.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_a_link_out_of_the_novels_folder_is_named_and_not_followed(
    library: Library, local: SyncService, beside: Callable[[str, str], Path], tables: Tables, tmp_path: Path
) -> None:
    beside("emma/texts/1.html", "inside")
    secret = tmp_path / "secret"
    secret.write_text("not for readers", encoding="utf-8")
    (library.folder / "emma" / "1.html").symlink_to("texts/1.html")
    (library.folder / "emma" / "2.html").symlink_to(secret)
    (library.folder / "emma" / "3").symlink_to(tmp_path)
    library.write("emma", [named(1), named(2), named(3, "3/secret"), named(4, "4.html")])
    with opened_files(tmp_path) as opened:
        (warning,) = messages(synced(local))
    assert texts(tables, "emma") == ["inside", "", "", ""]
    assert "3 chapters" in warning
    assert "2.html: it is a link that leads out of the novel's folder" in warning
    assert str(secret) not in opened


def test_a_text_that_may_not_be_read_is_tried_again_every_time(
    library: Library,
    local: SyncService,
    beside: Callable[[str, str], Path],
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside("emma/1.html", "one")
    library.write("emma", [named(1)])
    opened = os.open

    def refused(path: Any, *more: Any, **options: Any) -> int:
        if str(path).endswith("1.html"):
            raise PermissionError
        return opened(path, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        assert "1.html: permission denied" in messages(synced(local))[0]
    assert messages(synced(local)) == []
    assert texts(tables, "emma") == ["one"]


def test_a_name_in_another_unicode_form_is_the_same_file(
    library: Library, local: SyncService, beside: Callable[[str, str], Path], tables: Tables
) -> None:
    beside("emma/chu\u031bo\u031bng 1.html", "one")
    library.write("emma", [named(1, "ch\u01b0\u01a1ng 1.html")])
    synced(local)
    assert texts(tables, "emma") == ["one"]


def test_a_run_whose_time_is_over_begins_no_more_texts_and_the_next_goes_on_there(
    library: Library,
    database: SqlClient,
    beside: Callable[[str, str], Path],
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(novel_syncer, "LARGE", 100)
    for n in range(5):
        beside(f"novel-{n}/1.html", text_of(f"novel {n}"))
        library.write(f"novel-{n}", [named(1)])
    clock = [0.0]

    class Slow(LocalStorage):
        def read_texts(self, slug: str, files: Sequence[TextFile]) -> Any:
            clock[0] += 10
            return super().read_texts(slug, files)

    def service() -> SyncService:
        config = SyncConfig(workers=1, max_file_bytes=10**6, time_budget=15)
        return SyncService(Slow(str(library.folder)), database, config, monotonic=lambda: clock[0])

    assert nonzero(synced(service(), "partial")["novels"]) == {"created": 2, "deferred": 3}
    report = synced(service(), "partial")
    assert nonzero(report["novels"]) == {"created": 2, "unchanged": 2, "deferred": 1}
    assert messages(report) == []
    assert synced(service())["novels"]["created"] == 1


@pytest.fixture
def local(library: Library, database_url: str) -> Iterator[SyncService]:
    database = SqlClient(PostgresTransport(database_url))
    yield make_service(library, database, limits=AT_ONCE)
    database.close()


def test_a_remembered_text_is_that_of_the_row(site: Site, tables: Tables) -> None:
    fill(site, "emma", 2)
    site.synced()
    rows = tables.rows("select t.file, c.content_hash from novelsync.texts t join chapters c on c.id = t.chapter_id")
    assert sorted(rows) == [
        (f"{number}.html", sha256(text_of(f"emma {number}").encode()).digest()) for number in (1, 2)
    ]


# Events --------------------------------------------------------------------------------


@pytest.fixture
def in_bucket(library: Library, database_url: str) -> Iterator[Site]:
    with kept_in("bucket", library, page_size=100) as kept:
        database = SqlClient(PostgresTransport(database_url))
        yield Site(kept, database, join_seconds=0.1)
        database.close()


def test_an_event_about_a_text_syncs_its_novel(in_bucket: Site, tables: Tables) -> None:
    fill(in_bucket, "emma", 3)
    in_bucket.synced()
    in_bucket.storage.read_paths.clear()
    generation = in_bucket.put("emma/2.html", text_of("edited").encode())
    result = in_bucket.service.sync_changed_novel("emma", generation, is_book=False)
    assert result is not None
    assert (result.status, in_bucket.read_paths) == ("updated", ["emma/2.html", "emma/book_info.json"])
    assert texts(tables, "emma")[1] == text_of("edited")
    in_bucket.storage.read_paths.clear()
    assert in_bucket.service.sync_changed_novel("emma", generation, is_book=False) is None, "the event came twice"
    assert in_bucket.read_paths == []


def test_an_event_about_a_file_that_is_no_text_of_a_novel_does_nothing(in_bucket: Site) -> None:
    in_bucket.write("emma", [named(1, content="text")])
    in_bucket.synced()
    in_bucket.storage.read_paths.clear()
    generation = in_bucket.put("emma/cover.jpg", b"\xff\xd8")
    for slug in ("emma", "persuasion"):
        assert in_bucket.service.sync_changed_novel(slug, generation, is_book=False) is None
    assert in_bucket.read_paths == []


def test_a_crawler_that_writes_hundreds_of_files_causes_few_syncs(in_bucket: Site, tables: Tables) -> None:
    fill(in_bucket, "emma", 1)
    in_bucket.synced()
    in_bucket.storage.read_paths.clear()
    with ThreadPoolExecutor(8) as functions:
        events = []
        for number in range(2, 302):
            generation = in_bucket.put(f"emma/{number}.html", text_of(f"emma {number}").encode())
            event = partial(in_bucket.service.sync_changed_novel, "emma", generation, is_book=False)
            events.append(functions.submit(event))
        in_bucket.write("emma", [named(number) for number in range(1, 302)])
        generation = in_bucket.put("emma/302.html", b"the last")
        events.append(functions.submit(in_bucket.service.sync_changed_novel, "emma", generation, is_book=False))
        assert len([event for event in events if event.result()]) < 10
    assert texts(tables, "emma") == [text_of(f"emma {number}") for number in range(1, 302)]
    in_bucket.synced()
    assert in_bucket.read_paths == []


def test_the_deployed_function_knows_which_novel_a_text_belongs_to(kept: Kept) -> None:
    if isinstance(kept.storage, LocalStorage):
        assert kept.storage.folder_of("novels", "library/emma/1.html") is None
        return
    names = {
        "library/emma/1.html": "emma",
        "library/emma/a/b.md": "emma",
        "library/emma/book_info.json": "emma",
        "library/emma": None,
        "library/.emma/1.html": None,
        "library-2/emma/1.html": None,
        "library/": None,
    }
    assert {name: kept.storage.folder_of("novels", name) for name in names} == names
    assert kept.storage.folder_of("others", "library/emma/1.html") is None
