"""What other programs wrote goes into the tables byte for byte, and what has not changed is not written again."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from novelsync.convert import registry
from novelsync.convert.registry import Conversion, Result
from novelsync.database.client import SqlClient
from novelsync.errors import ConfigurationError, StorageUnavailable
from novelsync.models.results import Outcome
from novelsync.storage.local import LocalStorage
from tests.conftest import Run, Tables, make_service
from tests.support.library import REAL_NOVELS, Library
from tests.support.other_programs import (
    PROGRAMS,
    Novel,
    a_novel,
    stored_text,
    write_crawler_3,
    write_epub_3,
    write_json,
)

LIMIT = 50_000_000

every_program = pytest.mark.parametrize("kind", PROGRAMS)

CRAWLERS = [kind for kind in PROGRAMS if not kind.startswith("epub")]
"""An EPUB has only chapters that were fetched."""
every_crawler = pytest.mark.parametrize("kind", CRAWLERS)


def convert(source: Path, dest: Path, limit: int = LIMIT) -> list[Conversion]:
    return list(registry.convert(source, dest, limit))


def convert_one(source: Path, dest: Path, limit: int = LIMIT) -> Conversion:
    (conversion,) = convert(source, dest, limit)
    return conversion


def book(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "book_info.json").read_bytes())
    return document


def texts(folder: Path) -> list[bytes | None]:
    """Of the chapters, in order."""
    return [
        (folder / chapter["filename"]).read_bytes() if "filename" in chapter else None
        for chapter in book(folder)["chapters"]
    ]


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Whatever is written anew has another time or inode."""
    paths = [*folder.rglob("*")]
    return {str(path): ((s := path.stat()).st_mtime_ns, s.st_size, s.st_ino) for path in paths}


@every_program
def test_a_novel_is_converted_with_its_fields_and_every_text_byte_for_byte(kind: str, source: Path, dest: Path) -> None:
    novel = a_novel(3)
    conversion = convert_one(PROGRAMS[kind](source / "vo-luyen", novel), dest)
    assert (conversion.slug, conversion.result, conversion.counts.written) == ("vo-luyen", Result.NEW, 3)
    found = book(dest / "vo-luyen")
    assert (found["title"], found["author"], found["description"]) == (novel.title, novel.author, novel.description)
    assert [chapter["title"] for chapter in found["chapters"]] == ["Chương 1", "Chương 2", "Chương 3"]
    assert [chapter["number"] for chapter in found["chapters"]] == [1, 2, 3]
    assert {chapter["volume"] for chapter in found["chapters"]} == {"Quyển 1"}
    assert texts(dest / "vo-luyen") == [stored_text(kind, novel, index) for index in range(3)]
    if not kind.startswith("epub"):
        assert [chapter["url"] for chapter in found["chapters"]] == [f"https://example.com/{n}" for n in (1, 2, 3)]
        assert found["cover_url"] == "https://example.com/cover.jpg"


@every_program
def test_what_has_not_changed_is_not_written_again(kind: str, source: Path, dest: Path) -> None:
    path = PROGRAMS[kind](source / "emma", a_novel(3))
    convert(path, dest)
    before = snapshot(dest)
    assert convert_one(path, dest).result is Result.UNCHANGED
    assert snapshot(dest) == before


@every_program
def test_the_same_source_gives_the_same_files(kind: str, source: Path, dest: Path, tmp_path: Path) -> None:
    path = PROGRAMS[kind](source / "emma", a_novel(3))
    convert(path, dest)
    convert(path, tmp_path / "again")
    found = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in (dest, tmp_path / "again")]
    assert found[0] == found[1]


@every_program
def test_one_changed_text_writes_one_and_removes_the_old_one(kind: str, source: Path, dest: Path) -> None:
    novel = a_novel(4)
    convert(PROGRAMS[kind](source / "emma", novel), dest)
    before = snapshot(dest / "emma" / "chapters")
    edited = novel.changed(1, "<p>Edited, and longer than before.</p>")
    conversion = convert_one(PROGRAMS[kind](source / "emma", edited), dest)
    assert (conversion.result, conversion.counts.written) == (Result.CHANGED, 1)
    assert texts(dest / "emma") == [stored_text(kind, edited, index) for index in range(4)]
    after = snapshot(dest / "emma" / "chapters")
    assert (len(after), len(before.items() & after.items())) == (4, 3)


@every_crawler
def test_a_chapter_that_was_not_fetched_has_no_text(kind: str, source: Path, dest: Path) -> None:
    novel = a_novel(3).changed(1, None)
    conversion = convert_one(PROGRAMS[kind](source / "emma", novel), dest)
    assert (conversion.counts.chapters, conversion.counts.without_text) == (3, 1)
    assert book(dest / "emma")["chapters"][1].keys() == {"title", "number", "url", "volume"}


@every_crawler
def test_a_text_that_vanished_stays_converted_and_is_told(kind: str, source: Path, dest: Path) -> None:
    novel = a_novel(3)
    path = PROGRAMS[kind](source / "emma", novel)
    convert(path, dest)
    path.unlink() if path.is_file() else shutil.rmtree(path)
    conversion = convert_one(PROGRAMS[kind](source / "emma", novel.changed(1, None)), dest)
    assert conversion.counts.kept == ["Chương 2"]
    assert texts(dest / "emma") == [stored_text(kind, novel, index) for index in range(3)]


@every_program
def test_a_chapter_that_vanished_leaves_the_list_and_its_file_stays(kind: str, source: Path, dest: Path) -> None:
    novel = a_novel(3)
    path = PROGRAMS[kind](source / "emma", novel)
    convert(path, dest)
    path.unlink() if path.is_file() else shutil.rmtree(path)
    conversion = convert_one(PROGRAMS[kind](source / "emma", a_novel(2)), dest)
    assert conversion.counts.gone == 1
    assert len(texts(dest / "emma")) == 2
    assert len([*(dest / "emma" / "chapters").iterdir()]) == 3


@every_program
def test_a_text_that_someone_deleted_is_written_again(kind: str, source: Path, dest: Path) -> None:
    novel = a_novel(3)
    path = PROGRAMS[kind](source / "emma", novel)
    convert(path, dest)
    (dest / "emma" / book(dest / "emma")["chapters"][1]["filename"]).unlink()
    assert convert_one(path, dest).counts.written == 1
    assert texts(dest / "emma") == [stored_text(kind, novel, index) for index in range(3)]


def test_a_converted_library_goes_through_a_sync_byte_for_byte(
    source: Path, library: Library, database: SqlClient, tables: Tables
) -> None:
    novels = {kind: a_novel(4, f"From {kind}") for kind in PROGRAMS}
    novels |= {kind: novels[kind].changed(2, None) for kind in CRAWLERS}
    for kind, novel in novels.items():
        PROGRAMS[kind](source / kind, novel)
    assert {each.result for each in convert(source, library.folder)} == {Result.NEW}
    service = make_service(library, database)
    report = service.sync_all_novels("cli")
    assert (report.outcome, report.problems) == (Outcome.OK, [])
    rows = tables.rows(
        "select n.slug, c.title, c.content, c.volume from chapters c join novels n on n.id = c.novel_id"
        " order by n.slug, c.position"
    )
    expected = [
        (kind, novel.chapters[i][0], (stored_text(kind, novel, i) or b"").decode() or None, "Quyển 1")
        for kind, novel in sorted(novels.items())
        for i in range(4)
    ]
    assert [(slug, title, content or None, volume) for slug, title, content, volume in rows] == expected
    before = tables.places()
    assert {each.result for each in convert(source, library.folder)} == {Result.UNCHANGED}
    report = service.sync_all_novels("cli")
    assert (report.bytes_read, tables.places()) == (0, before)


@pytest.mark.skipif(not REAL_NOVELS.is_dir(), reason="the real novels are not here")
@every_program
def test_a_real_novel_keeps_every_byte(kind: str, source: Path, dest: Path) -> None:
    real = json.loads((REAL_NOVELS / "moby-dick" / "book_info.json").read_bytes())
    chapters = [(chapter["title"], chapter["content"]) for chapter in real["chapters"] if chapter["content"].strip()]
    novel = Novel(real["title"], chapters=tuple(chapters))
    convert(PROGRAMS[kind](source / "moby-dick", novel), dest)
    assert texts(dest / "moby-dick") == [stored_text(kind, novel, index) for index in range(len(chapters))]


def test_novels_are_found_below_sites_and_a_bad_one_stops_none(source: Path, dest: Path) -> None:
    write_crawler_3(source / "site-a" / "one", a_novel(1, "One"))
    write_json(source / "site-a" / "two" / "meta.json", {"novel": 7})
    write_crawler_3(source / "site-b" / "three", a_novel(1, "Three"))
    write_epub_3(source / "author" / "title (1)" / "four", a_novel(1, "Four"))
    (source / "notes").mkdir()
    found = {each.slug: each.result for each in convert(source, dest)}
    assert found == {
        "one": Result.NEW,
        "two": Result.REFUSED,
        "three": Result.NEW,
        "four": Result.NEW,
        "notes": Result.IGNORED,
    }
    assert sorted(path.name for path in dest.iterdir()) == ["four", "one", "three"]


def test_two_sources_of_one_slug_are_told_and_the_first_one_stays(source: Path, dest: Path) -> None:
    write_crawler_3(source / "a" / "1001", a_novel(1, "One"))
    write_crawler_3(source / "b" / "1001", a_novel(1, "Two").changed(0, "Another text."))
    for _ in range(2):
        _, second = convert(source, dest)
        assert second.refusal
        assert second.refusal.message == f'"1001" is also the slug of {source / "a" / "1001"}, which comes before it'
        assert book(dest / "1001")["title"] == "One"
    alone = convert_one(source / "b", dest)
    assert alone.refusal
    assert alone.refusal.message == '"1001" in DEST was converted from "One", and this is "Two"'
    assert book(dest / "1001")["title"] == "One"


@every_program
def test_a_novel_may_get_another_title(kind: str, source: Path, dest: Path) -> None:
    convert(PROGRAMS[kind](source / "emma", a_novel(2, "Old")), dest)
    assert convert_one(PROGRAMS[kind](source / "emma", a_novel(2, "New")), dest).counts.written == 0
    assert book(dest / "emma")["title"] == "New"


def test_a_text_that_a_power_failure_left_empty_is_written_again(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(2))
    convert(path, dest)
    (dest / "emma" / book(dest / "emma")["chapters"][1]["filename"]).write_bytes(b"")
    write_crawler_3(source / "emma", a_novel(3))
    assert convert_one(path, dest).counts.written == 2


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"book_info.json": '{"title": "Mine", "chapters": []}'},
        {"book_info.json": '{"title": "Mine", "converted": true}'},
        {"book_info.json": "{"},
    ],
)
def test_a_folder_that_was_not_converted_stays_as_it_is(there: dict[str, str], source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(1))
    (dest / "emma").mkdir(parents=True)
    for name, data in there.items():
        (dest / "emma" / name).write_text(data)
    before = snapshot(dest)
    conversion = convert_one(path, dest)
    assert conversion.refusal
    assert conversion.refusal.message == "emma is there already, and was not made by this command"
    assert snapshot(dest) == before


def test_a_link_in_the_destination_is_not_followed(source: Path, dest: Path, tmp_path: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(2))
    convert(path, dest)
    shutil.move(dest / "emma" / "chapters", tmp_path / "elsewhere")
    (dest / "emma" / "chapters").symlink_to(tmp_path / "elsewhere")
    write_crawler_3(source / "emma", a_novel(3))
    assert convert_one(path, dest).result is Result.REFUSED
    assert len([*(tmp_path / "elsewhere").iterdir()]) == 2


def test_a_record_that_names_files_elsewhere_removes_none_of_them(source: Path, dest: Path) -> None:
    novel = a_novel(2)
    path = write_crawler_3(source / "emma", novel)
    convert(path, dest)
    (dest / "precious.txt").write_text("not ours")
    document = book(dest / "emma")
    document["converted"]["texts"] = dict.fromkeys(document["converted"]["texts"], "../precious.txt")
    (dest / "emma" / "book_info.json").write_text(json.dumps(document))
    edited = novel.changed(0, "<p>Edited.</p>").changed(1, "<p>Edited as well.</p>")
    assert convert_one(write_crawler_3(source / "emma", edited), dest).result is Result.CHANGED
    assert (dest / "precious.txt").read_text() == "not ours"


KILLED = """
import os, signal, sys
from pathlib import Path
from novelsync.convert.registry import convert

def count(event, arguments):
    global renames
    if event == "os.rename":
        renames += 1
        if renames == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

renames = 0
sys.addaudithook(count)
list(convert(Path(sys.argv[1]), Path(sys.argv[2]), 50_000_000))
"""


@pytest.mark.parametrize("before_rename", [1, 3, 4, 5])
def test_one_that_is_killed_leaves_what_was_there_and_the_next_one_finishes(
    before_rename: int, source: Path, dest: Path
) -> None:
    def kill(path: Path) -> None:
        command = [sys.executable, "-c", KILLED, str(path), str(dest), str(before_rename)]
        assert subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode == -signal.SIGKILL

    def visible() -> list[str]:
        return [novel.slug for novel in LocalStorage(str(dest)).listing()]

    novel = a_novel(3)
    path = write_crawler_3(source / "emma", novel)
    kill(path)  # before a text, the last text, the book or the folder gets its name
    assert visible() == []
    assert convert_one(path, dest).result is Result.NEW
    assert [each.name for each in dest.iterdir()] == ["emma"]
    expected = texts(dest / "emma")
    if before_rename < 5:
        edited = Novel(novel.title, chapters=tuple((title, f"{text} Edited.") for title, text in novel.chapters))
        write_crawler_3(path, edited)
        kill(path)
        assert texts(dest / "emma") == expected
        assert convert_one(path, dest).result is Result.CHANGED
        assert texts(dest / "emma") == [f"{text} Edited.".encode() for _, text in novel.chapters]


def test_nothing_to_convert_is_an_error_with_a_way_out(source: Path, dest: Path) -> None:
    source.mkdir()
    with pytest.raises(ConfigurationError, match="there is nothing to convert in"):
        convert(source, dest)
    with pytest.raises(ConfigurationError, match="there is no "):
        convert(source / "missing", dest)


def test_a_destination_that_cannot_be_written_ends_the_command(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(1))
    dest.write_text("a file")
    with pytest.raises(StorageUnavailable, match='"emma" could not be written: '):
        convert(path, dest)


def test_the_command_says_what_it_did(run: Run, source: Path, dest: Path) -> None:
    write_crawler_3(source / "emma", a_novel(3).changed(2, None))
    write_json(source / "persuasion" / "meta.json", {"novel": {"title": " "}})
    first = run("convert", str(source), str(dest))
    assert (first.code, first.out) == (
        1,
        f"new emma (3 chapters, 1 without text yet, 2 texts written), lightnovel-crawler 3 {source}/emma\n"
        f"refused {source}/persuasion: it has no title, and readers need one\n"
        "    give it one with its program\n"
        "2 novels: 1 new, 1 refused\n",
    )
    shutil.rmtree(source / "persuasion")
    second = run("convert", str(source), str(dest))
    assert (second.code, second.out) == (
        0,
        f"unchanged emma (3 chapters, 1 without text yet), lightnovel-crawler 3 {source}/emma\n1 novel: 1 unchanged\n",
    )
    (source / "emma" / "json" / "00002.json").unlink()
    third = run("convert", str(source), str(dest))
    assert (third.code, third.out) == (
        0,
        f"changed emma (3 chapters, 1 without text yet), lightnovel-crawler 3 {source}/emma\n"
        '    ! the source no longer has 1 text, the first that of "Chương 2"; what was converted earlier stays\n'
        "1 novel: 1 changed\n",
    )


def test_the_command_shows_the_formats_and_what_it_needs(run: Run, tmp_path: Path) -> None:
    shown = run("convert", "--formats")
    assert (shown.code, [line.split(":")[0] for line in shown.out.splitlines()]) == (
        0,
        ["lightnovel-crawler 3", "lightnovel-crawler 4", "novel-downloader", "EPUB"],
    )
    assert run("convert", str(tmp_path)).code == 2
    bucket = run("convert", str(tmp_path), "gs://novels")
    assert (bucket.code, bucket.err.splitlines()[0]) == (2, "error: convert writes to a folder, not to gs://novels")
    assert run("convert", str(tmp_path / "missing"), str(tmp_path)).code == 2
