"""What every storage promises: a folder, a bucket, and the emulator that Google's own tests use, case by case."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage as google

from novelsync.contracts import Storage
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.errors import StorageUnavailable
from novelsync.planning.guards import Limits
from novelsync.storage.gcs import GcsStorage
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import Tables
from tests.running.test_sync import assert_equal_to_files, needs_real_novels
from tests.support.bucket import Bucket, failure
from tests.support.library import REAL_NOVELS, Library, chapters


@dataclass
class Kept:
    """A storage, and how a crawler writes into it."""

    storage: Storage
    write: Callable[[str, bytes], Any]
    remove: Callable[[str], Any]


@pytest.fixture(params=["folder", "bucket", "emulator"])
def kept(request: pytest.FixtureRequest, library: Library) -> Iterator[Kept]:
    if request.param == "folder":
        yield Kept(LocalStorage(str(library.folder)), library.write_raw, library.remove)
    elif request.param == "bucket":
        with Bucket(page_size=2) as bucket:
            storage = GcsStorage("gs://novels/library", bucket.client)
            yield Kept(
                storage,
                lambda slug, data: bucket.put(f"library/{slug}/book_info.json", data),
                lambda slug: bucket.objects.pop(f"library/{slug}/book_info.json"),
            )
    else:
        with emulated() as bucket:
            storage = GcsStorage("gs://novels/library", lambda: bucket.client)
            yield Kept(
                storage,
                lambda slug, data: bucket.blob(f"library/{slug}/book_info.json").upload_from_string(data),
                lambda slug: bucket.blob(f"library/{slug}/book_info.json").delete(),
            )


class emulated:  # noqa: N801 — reads as a statement
    """A bucket called novels of gcp-storage-emulator."""

    def __enter__(self) -> Any:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._server = create_server("127.0.0.1", port, in_memory=True)
        self._server.start()
        options = {"api_endpoint": f"http://127.0.0.1:{port}"}
        self._client = google.Client("a-project", AnonymousCredentials(), client_options=options)
        return self._client.create_bucket("novels")

    def __exit__(self, *exception: object) -> None:
        self._client.close()
        self._server.stop()


def test_novels_are_listed_by_the_bytes_of_their_slugs_with_a_slash(kept: Kept) -> None:
    for slug in ("ä", "a", "a-b", "a0", "Z", "số-đỏ"):
        kept.write(slug, b"{}")
    assert [novel.slug for novel in kept.storage.listing()] == ["Z", "a-b", "a", "a0", "số-đỏ", "ä"]


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
    kept.remove("emma")
    assert kept.storage.read(novel) is None


def test_one_novel_is_found_as_it_is_listed(kept: Kept) -> None:
    kept.write("emma", b"{}")
    (novel,) = kept.storage.listing()
    assert kept.storage.find("emma") == novel
    assert kept.storage.find("persuasion") is None


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
