"""What is particular to each format."""

import sqlite3
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest

from novelsync.convert.registry import Result
from tests.convert.test_convert import book, convert_one, snapshot, texts
from tests.support.other_programs import (
    a_novel,
    opf,
    write_crawler_3,
    write_crawler_4,
    write_database,
    write_downloader,
    write_epub_2,
    write_epub_3,
    write_json,
    xhtml,
)

# lightnovel-crawler 3


def test_crawler_3_packed_by_volume(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(2))
    (path / "json" / "Volume 01").mkdir()
    for name in ("00001.json", "00002.json"):
        (path / "json" / name).rename(path / "json" / "Volume 01" / name)
    assert convert_one(path, dest).counts.without_text == 0


def test_crawler_3_writes_a_sentence_for_what_it_could_not_fetch(source: Path, dest: Path) -> None:
    failed = "<h1>Chương 2</h1><p><i>Failed to download chapter body</i></p>"
    path = write_crawler_3(source / "emma", a_novel(2).changed(1, failed))
    assert convert_one(path, dest).counts.without_text == 1


def test_crawler_3_may_have_been_killed_while_it_wrote_a_chapter(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(2))
    (path / "json" / "00002.json").write_text('{"id": 2, "body": "<p>cut o')
    counts = convert_one(path, dest).counts
    assert (counts.without_text, len(counts.problems)) == (1, 1)
    assert counts.problems[0].startswith("00002.json is not what its program writes: ")


def test_crawler_3_without_authors_volumes_and_urls(source: Path, dest: Path) -> None:
    write_json(source / "emma" / "meta.json", {"novel": {"title": "Emma", "chapters": [{"id": 2}, {"id": 1}]}})
    convert_one(source / "emma", dest)
    assert book(dest / "emma")["chapters"] == [{"number": 1}, {"number": 2}]


# lightnovel-crawler 4


def test_crawler_4_unpacked(source: Path, dest: Path) -> None:
    with ZipFile(write_crawler_4(source / "packed", a_novel(2))) as archive:
        archive.extractall(source / "emma")
    assert convert_one(source / "emma", dest).counts.written == 2


# novel-downloader


def test_the_downloader_marks_what_it_has_to_fetch_again(source: Path, dest: Path) -> None:
    path = write_downloader(source / "1001", a_novel(2))
    write_database(path / "chapter.raw.sqlite", {"c1": "only a preview", "c2": "and here"}, need_refetch=1)
    assert convert_one(path, dest).counts.without_text == 2


def test_the_downloaders_older_files(source: Path, dest: Path) -> None:
    path = write_downloader(source / "1001", a_novel(2), info="book_info.json")
    with closing(sqlite3.connect(path / "chapter.raw.sqlite")) as connection, connection:
        connection.execute("drop table chapters")
        connection.execute("create table texts (id text, source_id int, priority int, content text)")
        connection.execute("insert into texts values ('c1', 2, 9, 'worse'), ('c1', 1, 5, 'better')")
    convert_one(path, dest)
    assert texts(dest / "1001") == [b"better", None]


def test_the_downloaders_last_stage_counts(source: Path, dest: Path) -> None:
    path = write_downloader(source / "1001", a_novel(1))
    write_database(path / "chapter.cleaner.sqlite", {"c1": "cleaned"})
    write_database(path / "chapter.other.sqlite", {"c1": "not in the pipeline"})
    write_json(path / "pipeline.json", {"pipeline": ["cleaner", "../../etc", "translator"]})
    convert_one(path, dest)
    assert texts(dest / "1001") == [b"cleaned"]


def test_the_downloader_has_fetched_nothing_yet(source: Path, dest: Path) -> None:
    path = write_downloader(source / "1001", a_novel(2))
    (path / "chapter.raw.sqlite").unlink()
    assert convert_one(path, dest).counts.without_text == 2


def test_a_database_in_use_is_read_with_its_journal_and_left_alone(source: Path, dest: Path) -> None:
    path = write_downloader(source / "1001", a_novel(1))
    with closing(sqlite3.connect(path / "chapter.raw.sqlite")) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("update chapters set content = 'only in the journal'")
        connection.commit()
        before = {name: state for name, state in snapshot(path).items() if not name.endswith("-shm")}
        assert convert_one(path, dest).result is Result.NEW
        assert {name: state for name, state in snapshot(path).items() if not name.endswith("-shm")} == before
    assert texts(dest / "1001") == [b"only in the journal"]


# EPUB


def test_an_epub_without_contents_takes_the_titles_of_its_documents(source: Path, dest: Path) -> None:
    novel = a_novel(2)
    package = opf(novel, ["c1.xhtml", "c2.xhtml"], "")
    convert_one(write_epub_3(source / "emma", novel, **{"OEBPS/book.opf": package}), dest)
    assert [chapter["title"] for chapter in book(dest / "emma")["chapters"]] == ["Chương 1", "Chương 2"]


def test_an_epub_leaves_out_covers_and_continues_chapters_that_are_split(source: Path, dest: Path) -> None:
    novel = a_novel(1)
    ncx = (
        "<ncx><navMap><navPoint><navLabel><text>One\n&amp; only&nbsp;</text></navLabel>"
        '<content src="one%201.xhtml"/></navPoint></navMap></ncx>'
    )
    names = ["cover.xhtml", "one 1.xhtml", "plate.xhtml", "one_2.xhtml"]
    item = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    path = write_epub_2(
        source / "emma",
        novel,
        **{
            "OEBPS/book.opf": opf(novel, names, item).replace('href="one 1', 'href="one%201'),
            "OEBPS/toc.ncx": ncx,
            "OEBPS/cover.xhtml": xhtml("Cover", "Everything about this edition"),
            "OEBPS/one 1.xhtml": xhtml("", "<p>First half</p>"),
            "OEBPS/plate.xhtml": xhtml("A plate", '<img src="x.jpg"/>&#160;'),
            "OEBPS/one_2.xhtml": xhtml("", "<p>Second half</p>"),
        },
    )
    convert_one(path, dest)
    assert [chapter["title"] for chapter in book(dest / "emma")["chapters"]] == ["One & only", "One & only"]
    assert texts(dest / "emma") == [xhtml("", f"<p>{half} half</p>").encode() for half in ("First", "Second")]


def test_an_epub_says_what_of_its_contents_is_within_anothers_text(source: Path, dest: Path) -> None:
    nav = (
        '<html xmlns:epub="http://www.idpf.org/2007/ops"><nav epub:type="landmarks"><ol/></nav>'
        '<nav epub:type="toc"><ol>'
        '<li><a href="c1.xhtml#a">Part of one</a></li><li><a href="c1.xhtml">One</a></li>'
        '<li><a href="https://example.com/">Outside</a></li><li><a href="../../c2.xhtml">Two</a></li></ol></nav></html>'
    )
    conversion = convert_one(write_epub_3(source / "emma", a_novel(1), **{"OEBPS/nav.xhtml": nav}), dest)
    assert conversion.remarks == ["1 title of the contents has no document of its own; its text is in that of another"]
    assert [chapter["title"] for chapter in book(dest / "emma")["chapters"]] == ["One"]


def test_an_epub_names_its_authors_and_no_one_else(source: Path, dest: Path) -> None:
    convert_one(write_epub_2(source / "emma", a_novel(1)), dest)
    assert book(dest / "emma")["author"] == "Mạc Mặc"


@pytest.mark.parametrize(("name", "slug"), [("Emma.epub", "Emma"), ("E\u0302 me.epub", "Ê me"), ("..epub", "novel")])
def test_the_slug_is_the_name_without_its_ending(name: str, slug: str, source: Path, dest: Path) -> None:
    path = write_epub_3(source / "x", a_novel(1)).rename(source / name)
    assert convert_one(path, dest).slug == slug
