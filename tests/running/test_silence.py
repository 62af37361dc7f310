"""What comes in without any text, or looks like a novel and is none, is told: in the run, and in the status."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from novelsync.database.client import SqlClient
from novelsync.models.status import Status, Verdict
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from tests.conftest import Run, Tables
from tests.support.hours import messages, nonzero, synced
from tests.support.library import Library, chapter, chapters

Files = Mapping[str, Any]

PARAGRAPHS = [
    "It is a truth universally acknowledged, that a single man in possession of",
    "a good fortune, must be in want of a wife.",
]
BOOK = {"title": "Emma", "author": "Jane Austen"}
LISTED = [{"title": "One", "number": 1}, {"title": "Two", "number": 2}]

TITLE = 'and what readers see as the title must be in "title"'

IN = "in"
"""All texts come in, and there is nothing to say."""

LAYOUTS: dict[str, tuple[Files, str]] = {
    "the service before, texts in files": (
        {
            "book_info.json": BOOK | {"chapters": [each | {"filename": f"{each['number']}.html"} for each in LISTED]},
            "1.html": "<p>Once.</p>",
            "2.html": "<p>Twice.</p>",
        },
        IN,
    ),
    "the service before, as it is documented": (
        {"book_info.json": BOOK | {"chapters": [each | {"content": "text", "url": "https://x/1"} for each in LISTED]}},
        IN,
    ),
    "a downloader with volumes and its texts in SQLite": (
        {
            "book_info.json": {"book_name": "Emma", "volumes": [{"volume_name": "I", "chapters": LISTED}]},
            "chapter.raw.sqlite": "SQLite format 3",
        },
        f'refused emma: title is missing; the file has "book_name", {TITLE}',
    ),
    "volumes whose chapters have their texts": (
        {
            "book_info.json": BOOK
            | {"volumes": [{"volume_name": "I", "chapters": [each | {"content": "text"} for each in LISTED]}]}
        },
        IN,
    ),
    "meta.json and a folder of chapters": (
        {"meta.json": {"novel": BOOK}, "json/00001.json": {"id": 1, "body": "text"}},
        "warning : 1 folder has no book_info.json: emma (has meta.json)",
    ),
    "story.json and a folder of chapters": (
        {"story.json": {"storyInfo": BOOK, "chapters": LISTED}, "chapters/chapter-00001.json": {"content": {}}},
        "warning : 1 folder has no book_info.json: emma (has story.json)",
    ),
    "index.json": (
        {"index.json": BOOK, "chap-1": "text"},
        "warning : 1 folder has no book_info.json: emma (has index.json)",
    ),
    "status.json with everything in it": (
        {"status.json": {"book_name": "Emma", "downloaded": {"1": ["One", "text"]}}},
        "warning : 1 folder has no book_info.json: emma (has status.json)",
    ),
    "chapters.json": (
        {"chapters.json": [{"chapterName": "One", "chapterNumber": 1}]},
        "warning : 1 folder has no book_info.json: emma (has chapters.json)",
    ),
    "a reader's own file, with a table of contents": (
        {"book_info.json": {"name": "Emma", "toc_info": [{"name": "One", "url": "https://x/1"}]}},
        f'refused emma: title is missing; the file has "name", {TITLE}',
    ),
    "an editor's file, its texts in a folder of each chapter": (
        {
            "book_info.json": BOOK
            | {"id": 7, "chapters": [{"id": 1, "title": "One", "number": 1, "created_at": "2025"}]},
            "chapters/1/content.json": PARAGRAPHS,
        },
        "warning emma: its only chapter has no text: its folder has another file (chapters/1/content.json), and no"
        " chapter names one in filename",
    ),
    "a watch's file, its texts numbered": (
        {"book_info.json": {"name": "Emma", "chapterCount": 1}, "list.txt": "One", "content/1.txt": "text"},
        f'refused emma: title is missing; the file has "name", {TITLE}',
    ),
    "what was extracted from an EPUB": (
        {"book_info.json": BOOK | {"language": "en", "identifier": "x", "cover_image": "cover.jpg"}},
        "warning emma: it has no chapters: the file has language, identifier, cover_image, and chapters belong into the"
        " list chapters",
    ),
    "numbered chapters in a list of another name": (
        {"book_info.json": BOOK | {"status": "In-Progress", "zchapters": [[1, {"title": "One"}]]}},
        "warning emma: it has no chapters: the file has zchapters, and chapters belong into the list chapters",
    ),
    "a backup of a reader's library": (
        {"1.json": {"name": "Emma", "chapters": [{"name": "One", "path": "/1"}]}},
        "warning : 1 folder has no book_info.json: emma (has 1.json)",
    ),
}
"""What public crawlers and readers write, in short; and what a sync says about it."""

BLANK = {
    "texts under another key": (
        {"chapters": [each | {"body": " ".join(PARAGRAPHS)} for each in LISTED]},
        "none of its 2 chapters has a text: chapters have body, and a text belongs into content, or into a file that"
        " filename names",
    ),
    "paragraphs under another key": (
        {"chapters": [{"title": "One", "number": 1, "paragraphs": PARAGRAPHS}]},
        "its only chapter has no text: chapters have paragraphs, and a text belongs into content, or into a file that"
        " filename names",
    ),
    "chapters under another key": (
        {"parts": LISTED},
        "it has no chapters: the file has parts, and chapters belong into the list chapters; the list parts (2 objects)"
        " is not read",
    ),
    "texts under another key in chapters of volumes": (
        {"volumes": [{"title": "I", "chapters": [each | {"body": " ".join(PARAGRAPHS)} for each in LISTED]}]},
        "none of its 2 chapters has a text: chapters have body, and a text belongs into content, or into a file that"
        " filename names",
    ),
    "volumes that are no list": (
        {"volumes": {"I": LISTED}},
        "it has no chapters: the file has volumes, and chapters belong into the list chapters",
    ),
    "volumes whose chapters are under another key": (
        {"volumes": [{"title": "I", "items": LISTED}]},
        "it has no chapters: the file has volumes, and chapters belong into the list chapters",
    ),
    "files that are not where the chapters say": (
        {"chapters": [each | {"filename": f"{each['number']}.html"} for each in LISTED]},
        "none of its 2 chapters has a text; 2 chapters name texts that could not be read: the first, chapters[0]:"
        " 1.html: it is not there",
    ),
    "chapters that are not fetched yet": ({"chapters": LISTED}, "none of its 2 chapters has a text"),
}


def put(library: Library, slug: str, files: Files) -> None:
    for path, content in files.items():
        file = library.folder / slug / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        os.utime(file, (0, 0))


def status(library: Library, database: SqlClient) -> Status:
    return StatusService(LocalStorage(str(library.folder)), database, stale_after=7800).status()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_comes_in_with_its_texts_or_is_told(
    library: Library, service: SyncService, tables: Tables, layout: str
) -> None:
    files, said = LAYOUTS[layout]
    put(library, "emma", files)
    report = service.sync_all_novels().as_dict()
    told = [f"{each['kind']} {each['slug'] or ''}: {each['message']}" for each in report["problems"]]
    if said == IN:
        assert told == []
        assert [blank for (blank,) in tables.rows("select content = '' from chapters")] == [False, False]
    else:
        assert told == [said]
        assert tables.rows("select 1 from chapters where content <> ''") == []


@pytest.mark.parametrize("kind", BLANK)
def test_a_novel_without_any_text_is_a_warning_and_needs_attention(
    library: Library, service: SyncService, database: SqlClient, kind: str
) -> None:
    fields, said = BLANK[kind]
    library.write("persuasion", chapters(3))
    library.write("emma", **fields)
    for _ in range(2):
        report = synced(service)
        assert messages(report) == [f"warning {said}"]
        assert report["novels"]["without_text"] == 1
        found = status(library, database)
        assert (found.verdict, found.reasons) == (Verdict.ATTENTION, ["novels without any text: 1"])
    library.write("emma", chapters(2))
    assert nonzero(synced(service)["novels"]) == {"updated": 1, "unchanged": 1}
    assert status(library, database).verdict is Verdict.OK


def test_a_novel_without_chapters_that_promises_none_is_fine(library: Library, service: SyncService) -> None:
    library.write("emma", cover_url="https://example.com/emma.jpg")
    library.write("persuasion", chapters=[])
    library.write("sanditon", volumes=[{"title": "I", "chapters": []}, {"title": "II", "chapters": None}])
    library.write("lady-susan", chapters=None, volumes=[])
    (library.folder / "emma" / "cover.jpg").write_bytes(b"\xff\xd8")
    assert messages(synced(service)) == []


def test_a_novel_whose_texts_are_stored_is_not_blank_because_a_crawler_lists_it_anew(
    library: Library, service: SyncService
) -> None:
    library.write("emma", chapters(3))
    synced(service)
    library.write("emma", [each | {"content": None} for each in chapters(3)])
    assert synced(service)["novels"]["without_text"] == 0


def test_a_dry_run_counts_novels_without_text_as_the_run_does(library: Library, service: SyncService) -> None:
    library.write("emma", LISTED)
    assert service.dry_run().novels.without_text == synced(service)["novels"]["without_text"] == 1
    library.write("emma", chapters(2))
    assert service.dry_run().novels.without_text == synced(service)["novels"]["without_text"] == 0


def test_an_unknown_list_of_objects_beside_the_chapters_is_named(library: Library, service: SyncService) -> None:
    library.write("emma", chapters(2), bonus_chapters=[{"title": "More"}], tags=["a"], genres=[{"name": "b"}])
    assert messages(synced(service)) == ["warning the list bonus_chapters (1 object) is not read"]


def test_texts_under_another_key_are_named_where_only_some_chapters_have_them(
    library: Library, service: SyncService
) -> None:
    other = [{"title": f"Chapter {n}", "number": n, "body": " ".join(PARAGRAPHS)} for n in range(50, 53)]
    library.write("emma", [*chapters(49), *other])
    report = synced(service)
    where = "and a text belongs into content, or into a file that filename names"
    assert messages(report) == [f"warning chapters without a text have body, {where}"]
    assert report["novels"]["without_text"] == 0


@pytest.mark.parametrize("ids", [[1, 2], ["1"], 2, None])
def test_volumes_that_only_refer_to_the_chapters_harm_nothing(
    library: Library, service: SyncService, tables: Tables, ids: Any
) -> None:
    library.write("emma", chapters(2), volumes=[{"title": "I", "chapters": ids}])
    assert messages(synced(service)) == []
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


def test_the_last_line_of_a_sync_is_no_green_one_over_novels_without_text(settled: Library, run: Run) -> None:
    settled.write("emma", LISTED)
    settled.write("persuasion", LISTED)
    result = run("sync")
    assert result.code == 0
    assert "✓" not in result.out
    assert "! done, but readers see no text at all of 2 novels" in result.out


def test_folders_without_a_file_are_counted_and_the_first_are_named(library: Library, service: SyncService) -> None:
    library.write("persuasion", chapters(1))
    for n in range(5):
        put(library, f"stray-{n}", {"bookinfo.json": {}})
    (library.folder / "empty").mkdir()
    (library.folder / "README.md").write_text("not a folder", encoding="utf-8")
    for _ in range(2):
        assert messages(synced(service)) == [
            "warning 5 folders have no book_info.json: stray-0 (has bookinfo.json), stray-1 (has bookinfo.json),"
            " stray-2 (has bookinfo.json), and 2 more"
        ]


def test_two_spellings_of_one_name_are_told(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("s\u1ed1 \u0111\u1ecf", chapters(1))
    library.write("so\u0302\u0301 \u0111o\u0309", [chapter(1, content="Another text.")])
    (remark,) = messages(synced(service))
    assert remark.startswith("warning folders whose names look the same")
    assert "\\u1ed1" in remark
    assert len(tables.rows("select id from novels")) == 2
