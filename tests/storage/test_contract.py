"""What every storage promises: a folder, a bucket, and the emulator that Google's own tests use, case by case."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.errors import StorageUnavailable
from novelsync.planning.guards.limits import Limits
from novelsync.storage.gcs import GcsStorage
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import Tables
from tests.running.test_sync import assert_equal_to_files, needs_real_novels
from tests.support.bucket import Bucket, failure
from tests.support.kept import KINDS, Kept, kept_in
from tests.support.library import REAL_NOVELS, Library, chapters


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, library: Library) -> Iterator[Kept]:
    with kept_in(request.param, library) as kept:
        yield kept


def test_novels_are_listed_by_the_bytes_of_their_slugs_with_a_slash(kept: Kept) -> None:
    for slug in ("ä", "a", "a-b", "a0", "Z", "số-đỏ"):
        kept.write(slug, b"{}")
    assert [novel.slug for novel in kept.storage.listing()] == ["Z", "a-b", "a", "a0", "số-đỏ", "ä"]


def test_a_folder_that_has_files_and_no_novel_is_told_with_one_of_them(kept: Kept) -> None:
    kept.write("emma", b"{}")
    for path in ("loose.json", ".git/config", "a/b.txt", "a/meta.json", "fantasy/emma/book_info.json", "c/.hidden/1"):
        kept.put(path, b"{}")
    strays: dict[str, str] = {}
    assert [novel.slug for novel in kept.storage.listing({"emma"}, strays.__setitem__)] == ["emma"]
    assert strays == {"a": "meta.json", "fantasy": "emma/book_info.json"}


def test_an_empty_storage_lists_nothing(kept: Kept) -> None:
    assert list(kept.storage.listing()) == []


def test_a_novel_is_read_byte_for_byte(kept: Kept) -> None:
    data = b"\xef\xbb\xbf{\r\n\x00\xff}"
    kept.write("emma", data)
    (novel,) = kept.storage.listing()
    assert novel.size == len(data)
    assert kept.storage.read(novel) == data


def test_a_novel_that_is_written_anew_has_another_version(kept: Kept) -> None:
    kept.write("emma", b"1")
    (before,) = kept.storage.listing()
    kept.write("emma", b"2")
    (after,) = kept.storage.listing()
    assert before.version != after.version
    assert kept.storage.read(after) == b"2"


def test_a_novel_that_vanished_since_it_was_listed_is_in_flight(kept: Kept) -> None:
    kept.write("emma", b"{}")
    (novel,) = kept.storage.listing()
    kept.remove("emma/book_info.json")
    assert kept.storage.read(novel) is None


def test_one_novel_is_found_as_it_is_listed(kept: Kept) -> None:
    kept.write("emma", b"{}")
    (novel,) = kept.storage.listing()
    assert kept.storage.find("emma") == novel
    assert kept.storage.find("persuasion") is None


# Texts beside the file -------------------------------------------------------------


def test_texts_are_all_other_files_of_a_novels_folder(kept: Kept) -> None:
    for path in ("book_info.json", "1.html", "b/2.md", "b/book_info.json", ".hidden", "b/.hidden/3.md"):
        kept.put(f"emma/{path}", path.encode())
    kept.put("emma-2/1.html", b"")
    texts = kept.storage.texts("emma")
    assert [(text.path, text.size) for text in texts] == [("1.html", 6), ("b/2.md", 6), ("b/book_info.json", 16)]
    assert {text.path: data for text, data in kept.storage.read_texts("emma", texts)} == {
        text.path: text.path.encode() for text in texts
    }
    assert list(kept.storage.texts("persuasion")) == []


def test_a_listing_covers_the_texts_of_the_novels_that_have_some(kept: Kept) -> None:
    def listed() -> dict[str, str]:
        return {novel.slug: novel.state for novel in kept.storage.listing({"emma"})}

    for slug in ("emma", "persuasion"):
        kept.write(slug, b"{}")
        kept.put(f"{slug}/1.html", b"one")
    states = [listed()]
    for change in (
        lambda: kept.put("emma/1.html", b"two"),
        lambda: kept.put("emma/2.html", b"two"),
        lambda: kept.put("persuasion/1.html", b"two"),
        lambda: kept.remove("emma/2.html"),
    ):
        change()
        states.append(listed())
    changed = [before["emma"] != after["emma"] for before, after in itertools.pairwise(states)]
    assert changed == [True, True, False, True]
    assert {state["persuasion"] for state in states} == {states[0]["persuasion"]}
    assert [novel.text_bytes for novel in kept.storage.listing({"emma"})] == [3, 0]


@pytest.mark.parametrize("kept", ["folder", "bucket"], indirect=True)  # the emulator ignores conditions
def test_a_text_that_changed_since_it_was_listed_is_not_read(kept: Kept) -> None:
    kept.put("emma/1.html", b"one")
    kept.put("emma/2.html", b"two")
    texts = kept.storage.texts("emma")
    kept.put("emma/1.html", b"another")
    kept.remove("emma/2.html")
    assert [data for _, data in kept.storage.read_texts("emma", texts)] == ["it changed while it was read"] * 2


def test_a_folder_without_a_novels_file_is_told(kept: Kept) -> None:
    kept.write("emma", b"{}")
    for path in ("1.html", "bookinfo.json"):
        kept.put(f"sanditon/{path}", b"{}")
    strays: dict[str, str] = {}
    assert [novel.slug for novel in kept.storage.listing({"emma"}, strays.__setitem__)] == ["emma"]
    assert strays == {"sanditon": "bookinfo.json"}


def test_a_library_in_another_layout_is_told(kept: Kept) -> None:
    kept.put("sanditon/meta.json", b"{}")
    strays: dict[str, str] = {}
    assert list(kept.storage.listing((), strays.__setitem__)) == []
    assert strays == {"sanditon": "meta.json"}


# With a database -------------------------------------------------------------------


@needs_real_novels
def test_the_real_novels_are_the_same_through_every_storage(kept: Kept, database: SqlClient, tables: Tables) -> None:
    for path in REAL_NOVELS.glob("*/book_info.json"):
        kept.write(path.parent.name, path.read_bytes())
    report = SyncService(kept.storage, database, SyncConfig(workers=4, max_file_bytes=10**8)).sync_all_novels()
    assert report.success, report.as_dict()
    assert_equal_to_files(tables, REAL_NOVELS)


def test_a_folder_and_a_bucket_leave_the_same_rows_behind(
    library: Library, make_database: Callable[[str], str]
) -> None:
    rows = []
    for slug in ("a", "b", "ä"):
        library.write(slug, chapters(5), title=f"The novel {slug}")
    with Bucket(page_size=2) as bucket:
        for path in library.folder.glob("*/book_info.json"):
            bucket.put(f"{path.parent.name}/book_info.json", path.read_bytes())
        for storage in (LocalStorage(str(library.folder)), GcsStorage("gs://novels", bucket.client)):
            url = make_database("migrated")
            database = SqlClient(PostgresTransport(url))
            assert SyncService(storage, database, SyncConfig(workers=1, max_file_bytes=10**8)).sync_all_novels().success
            database.close()
            tables = Tables(url)
            columns = "n.slug, n.title, n.author, n.chapter_count, c.position, c.number, c.title, c.content, c.url"
            rows.append(tables.rows(f"select {columns} from chapters c join novels n on n.id = novel_id order by 1, 5"))
            tables.connection.close()
    assert rows[0] == rows[1]
    assert len(rows[0]) == 15


def test_a_listing_that_fails_on_its_last_page_removes_nothing(database: SqlClient, tables: Tables) -> None:
    with Bucket(page_size=4) as bucket:
        storage = GcsStorage("gs://novels", bucket.client, patience=0.1)
        service = SyncService(
            storage, database, SyncConfig(workers=1, max_file_bytes=10**8, limits=Limits(removals=1, grace=0))
        )
        for n in range(10):
            bucket.put(f"novel-{n}/book_info.json", b'{"title": "x", "chapters": []}')
        assert service.sync_all_novels().success
        before = tables.places()
        bucket.answer = lambda path, query: failure(503, "Backend Error") if query.get("pageToken") == "8" else None
        report = service.sync_all_novels()
        assert report.outcome == "failed"
        assert isinstance(report.error, StorageUnavailable)
        assert tables.places() == before
        bucket.answer = lambda path, query: None
        assert service.sync_all_novels().success
