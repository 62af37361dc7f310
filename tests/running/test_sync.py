"""Whole runs, from a folder into a real Postgres."""

import json
import os
import signal
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.models.report import Report
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables
from tests.support.library import REAL_NOVELS, Library, chapter, chapters, text_of

ROOT = Path(__file__).parents[2]

needs_real_novels = pytest.mark.skipif(not REAL_NOVELS.is_dir(), reason="the real novels are not beside this clone")


def synced(service: SyncService, outcome: str = "ok") -> Report:
    report = service.sync_all_novels("cli")
    assert report.outcome == outcome, report.as_dict()
    return report


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {word: count for word, count in counts.items() if count}


# A quiet hour ------------------------------------------------------------------------


@needs_real_novels
def test_every_field_of_the_real_novels_is_stored_byte_for_byte(database: SqlClient, tables: Tables) -> None:
    storage = LocalStorage(str(REAL_NOVELS))
    report = synced(SyncService(storage, database, SyncConfig(workers=4, max_file_bytes=100_000_000)))
    assert report.as_dict()["novels"]["created"] == 20
    assert_equal_to_files(tables, REAL_NOVELS)
    assert tables.rows("select count(*) from chapters") == [(713,)]


def assert_equal_to_files(tables: Tables, folder: Path) -> None:
    for path in sorted(folder.glob("*/book_info.json")):
        book = json.loads(path.read_bytes())
        ((novel_id, *fields),) = tables.rows(
            "select id, title, author, description, cover_url, status, chapter_count from novels where slug = %s",
            path.parent.name,
        )
        names = ("title", "author", "description", "cover_url", "status")
        assert fields == [*(book[name] for name in names), len(book["chapters"])]
        stored = tables.rows(
            "select position, number, title, content, url, content_hash from chapters where novel_id = %s order by 1",
            novel_id,
        )
        assert stored == [
            (n, c["number"], c["title"], c["content"], c["url"], sha256(c["content"].encode()).digest())
            for n, c in enumerate(book["chapters"], start=1)
        ]


def test_a_second_run_opens_no_file_touches_no_row_and_makes_two_requests(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    for slug in ("emma", "persuasion", "mansfield-park"):
        library.write(slug, chapters(3))
    synced(service)
    before = tables.places()
    transport.calls.clear()
    with opened_files(library.folder) as opened:
        report = synced(service)
    assert opened == []
    assert tables.places() == before
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"]
    assert nonzero(report.as_dict()["novels"]) == {"unchanged": 3}
    assert report.as_dict()["novels_processed"] == report.as_dict()["novels_success"] == 3


class opened_files:  # noqa: N801 — reads as a statement
    """The paths below a folder that this process opens meanwhile."""

    _watching: "list[tuple[str, list[str]]]" = []  # noqa: RUF012 — audit hooks cannot be taken back
    _hooked = False

    def __init__(self, folder: Path) -> None:
        self._entry: tuple[str, list[str]] = (f"{folder}{os.sep}", [])

    def __enter__(self) -> list[str]:
        if not opened_files._hooked:
            sys.addaudithook(opened_files._hook)
            opened_files._hooked = True
        opened_files._watching.append(self._entry)
        return self._entry[1]

    def __exit__(self, *exception: object) -> None:
        opened_files._watching.remove(self._entry)

    @staticmethod
    def _hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            for folder, opened in opened_files._watching:
                if str(arguments[0]).startswith(folder):
                    opened.append(str(arguments[0]))


def test_the_first_run_is_seen_to_open_files(library: Library, service: SyncService) -> None:
    library.write("emma")
    with opened_files(library.folder) as opened:
        synced(service)
    assert [Path(path).name for path in opened] == ["book_info.json"]


def test_a_touched_file_with_the_bytes_it_had_touches_no_row(
    library: Library, service: SyncService, tables: Tables
) -> None:
    data = library.write("emma", chapters(3)).read_bytes()
    synced(service)
    before = tables.places()
    library.write_raw("emma", data)
    assert nonzero(synced(service).as_dict()["novels"]) == {"unchanged": 1}
    assert tables.places() == before
    assert synced(service).bytes_read == 0, "and the hour after is quiet again"


def test_a_file_written_in_another_way_that_says_the_same_touches_no_row(
    library: Library, service: SyncService, tables: Tables
) -> None:
    path = library.write("emma", chapters(3))
    synced(service)
    before = tables.places()
    library.write_raw("emma", json.dumps(json.loads(path.read_bytes()), indent=4, ensure_ascii=True).encode())
    assert nonzero(synced(service).as_dict()["novels"]) == {"unchanged": 1}
    assert tables.places() == before


# Whole or not at all -----------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(40, 2_000), (300, 100_000)], ids=["80 kB", "30 MB"])
def test_a_reader_sees_a_novel_whole_or_not_at_all(
    library: Library, service: SyncService, database_url: str, count: int, size: int
) -> None:
    old = [chapter(n, content=f"{n:08d}" * (size // 8)) for n in range(1, count + 1)]
    new = [chapter(0, content="0" * size), *({**c, "content": c["content"][::-1]} for c in old)]
    library.write("emma", old)
    assert states_seen(database_url, lambda: synced(service)) <= {(0, 0, 0, ""), (count, count, count * size, "1")}
    library.write("emma", new)
    seen = states_seen(database_url, lambda: synced(service))
    assert seen == {(count, count, count * size, "1"), (count + 1, count + 1, (count + 1) * size, "0")}


def states_seen(database_url: str, work: Any) -> set[tuple[Any, ...]]:
    """What a reader sees of the whole table, again and again until the work is done and once more."""
    query = """
        select coalesce((select sum(chapter_count) from novels where removed_at is null), 0)::int,
               count(*)::int, coalesce(sum(octet_length(content)), 0)::int,
               coalesce(min(number)::text, '')
        from chapters where removed_at is null"""
    seen: set[tuple[Any, ...]] = set()
    worker = threading.Thread(target=work)
    with psycopg.connect(database_url, autocommit=True) as reader:
        seen.add(reader.execute(query).fetchone() or ())
        worker.start()
        while worker.is_alive():
            seen.add(reader.execute(query).fetchone() or ())
        seen.add(reader.execute(query).fetchone() or ())
    worker.join()
    return seen


def test_a_run_that_was_killed_is_finished_by_the_next_one(
    library: Library, service: SyncService, database_url: str, tables: Tables
) -> None:
    library.write("small", chapters(3))
    library.write("zz-large", [chapter(n, content=f"{n:08d}" * 12_500) for n in range(1, 200)])
    environment = os.environ | {"DATABASE_URL": database_url, "NOVELSYNC_STORAGE": str(library.folder)}
    run = subprocess.Popen([sys.executable, "-m", "novelsync", "sync"], cwd=ROOT, env=environment)
    while not tables.rows("select from novelsync.staged_parts where part >= 2"):
        assert run.poll() is None, "it ended before it could be killed"
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert tables.titles("zz-large") == []
    assert synced(service, "skipped").as_dict()["run_id"] is None

    tables.connection.execute("update novelsync.lease set expires_at = now()")  # a minute later
    synced(service)
    assert len(tables.titles("zz-large")) == 199
    assert_equal_to_files_of(library, tables)
    assert tables.rows("select count(*) from chapters") == [(202,)]


def assert_equal_to_files_of(library: Library, tables: Tables) -> None:
    for path in library.folder.glob("*/book_info.json"):
        stored = tables.rows(
            "select c.content from chapters c join novels n on n.id = c.novel_id where n.slug = %s order by position",
            path.parent.name,
        )
        assert [content for (content,) in stored] == [c["content"] for c in json.loads(path.read_bytes())["chapters"]]


# Only what differs -------------------------------------------------------------------


@pytest.fixture
def long_novel(library: Library, service: SyncService) -> list[dict[str, Any]]:
    """3,000 chapters, 18 MB, synced."""
    book = [chapter(n, content=f"{n:06d}" * 1000) for n in range(1, 3001)]
    library.write("long", book)
    synced(service)
    return book


def test_one_chapter_added_to_three_thousand_sends_one_text_and_writes_two_rows(
    library: Library,
    service: SyncService,
    transport: RecordingTransport,
    tables: Tables,
    long_novel: list[dict[str, Any]],
) -> None:
    before = tables.places()
    transport.calls.clear()
    library.write("long", [*long_novel, chapter(3001)])
    synced(service)
    assert transport.texts_sent() == [text_of("chapter 3001")]
    after = tables.places()
    assert {table: len(after[table] - before[table]) for table in after} == {"novels": 1, "chapters": 1}


def test_one_chapter_put_in_front_of_three_thousand_sends_one_text(
    library: Library,
    service: SyncService,
    transport: RecordingTransport,
    tables: Tables,
    long_novel: list[dict[str, Any]],
) -> None:
    ids = tables.ids("long")
    transport.calls.clear()
    library.write("long", [chapter(0), *long_novel])
    report = synced(service)
    assert transport.texts_sent() == [text_of("chapter 0")]
    assert nonzero(report.as_dict()["chapters"]) == {"created": 1, "moved": 3000}
    assert tables.titles("long")[:3] == ["Chapter 0", "Chapter 1", "Chapter 2"]
    assert {title: id_ for title, id_ in tables.ids("long").items() if title != "Chapter 0"} == ids


def test_a_chapter_without_text_appears_and_gets_its_text_later(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", [chapter(1), chapter(2, content=None)])
    assert synced(service).as_dict()["chapters"]["without_text"] == 1
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]
    library.write("emma", [chapter(1, content=" "), chapter(2)])
    synced(service)
    contents = tables.rows("select content from chapters order by position")
    assert contents == [(text_of("chapter 1"),), (text_of("chapter 2"),)]


# Volumes -----------------------------------------------------------------------------

IN_ORDER = "select volume, title, content from chapters where removed_at is null order by position"


def test_chapters_of_volumes_are_stored_in_order_each_with_its_volume(
    library: Library, service: SyncService, tables: Tables
) -> None:
    first = {"title": None, "volume_name": "I. Highbury", "volume_intro": "…", "chapters": [chapter("a"), chapter("b")]}
    second = {"title": 2, "chapters": [chapter("a", content=text_of("second a")), chapter("c", volume="its own")]}
    last = {"chapters": [chapter("d", volume="III"), chapter("e")]}
    library.write("emma", volumes=[first, {"title": "empty"}, second, last])
    assert synced(service).as_dict()["problems_total"] == 1, "no chapter has a number"
    assert tables.rows(IN_ORDER) == [
        ("I. Highbury", "Chapter a", text_of("chapter a")),
        ("I. Highbury", "Chapter b", text_of("chapter b")),
        ("2", "Chapter a", text_of("second a")),
        ("2", "Chapter c", text_of("chapter c")),
        ("III", "Chapter d", text_of("chapter d")),
        (None, "Chapter e", text_of("chapter e")),
    ]


def test_a_chapters_own_volume_is_stored_too_and_the_list_of_chapters_counts(
    library: Library, service: SyncService, tables: Tables
) -> None:
    own = [chapter(1, volume="I"), chapter(2, volume=2.5), chapter(3, volume=None), chapter(4)]
    library.write("emma", own, volumes=[{"title": "other", "chapters": [chapter(9)]}])
    (problem,) = synced(service).as_dict()["problems"]
    assert problem["message"] == "the chapters in volumes are not read, because there are others in chapters"
    assert [volume for volume, *_ in tables.rows(IN_ORDER)] == ["I", "2.5", None, None]


def test_ids_stay_where_each_volume_begins_again_and_nothing_but_the_volume_tells_chapters_apart(
    library: Library, service: SyncService, tables: Tables
) -> None:
    def volume(title: str, count: int) -> dict[str, Any]:
        return {"title": title, "chapters": [{"title": f"Chapter {n}", "number": n} for n in range(1, count + 1)]}

    def ids() -> dict[tuple[str, int], int]:
        rows = tables.rows("select volume, number, id from chapters where removed_at is null")
        return {(volume, int(number)): id_ for volume, number, id_ in rows}

    library.write("emma", volumes=[volume(title, 3) for title in ("I", "II", "III")])
    synced(service)
    before = ids()
    library.write("emma", volumes=[volume(title, 4) for title in ("I", "II", "III")])
    assert nonzero(synced(service).as_dict()["chapters"]) == {"created": 3, "moved": 6, "without_text": 12}
    assert {place: id_ for place, id_ in ids().items() if place in before} == before


# One novel ---------------------------------------------------------------------------


def test_one_novel_is_synced_without_the_lease(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    database.begin("00000000-0000-0000-0000-000000000001", "cli", "somebody", 60)
    library.write("emma", chapters(2))
    assert service.sync_novel_to_db("emma")
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


def test_one_novel_that_is_not_there_or_refused_is_falsy(library: Library, service: SyncService) -> None:
    library.write_raw("cut", b"{")
    assert not service.sync_novel_to_db("cut")
    assert not service.sync_novel_to_db("a\0b")
    assert not service.sync_novel_to_db("a\ud800b")
    nobody = service.sync_novel_to_db("nobody")
    assert not nobody
    assert nobody.problem is not None
    assert "'nobody'" in nobody.problem.message


def test_some_novels_are_reported_alone(library: Library, service: SyncService) -> None:
    library.write("a", chapters(1))
    library.write_raw("b", b"{")
    library.write_raw("c", b"{")
    synced(service, "partial")
    library.write("a", chapters(2))
    report = service.sync_some_novels(["a", "b", "nobody"], "cli").as_dict()
    assert (report["novels_processed"], report["novels_success"], report["novels_error"]) == (3, 1, 2)
    assert {p["slug"] for p in report["problems"]} == {"b", "nobody"}


def test_nothing_at_all_is_a_run_too(library: Library, service: SyncService) -> None:
    report = synced(service).as_dict()
    assert (report["novels_processed"], report["problems_total"]) == (0, 0)


def test_an_unexpected_end_is_recorded_and_gives_the_lease_back(
    library: Library, service: SyncService, database: SqlClient
) -> None:
    library.write("emma", chapters(1))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        service.sync_all_novels("cli", interrupt)
    assert database.status().last_runs[0].outcome == "failed"
    synced(service)
