"""Sources that are broken, or made to do harm: one clear message, and nothing written."""

import io
import os
import sqlite3
import struct
import threading
import zipfile
from contextlib import closing, suppress
from pathlib import Path

import pytest

from novelsync.convert.registry import Result
from novelsync.errors import ConfigurationError
from tests.convert.test_convert import convert, convert_one
from tests.support.other_programs import (
    PROGRAMS,
    a_novel,
    opf,
    write_crawler_3,
    write_crawler_4,
    write_downloader,
    write_epub_2,
    write_epub_3,
    write_zip,
    xhtml,
)


def refused(path: Path, dest: Path, limit: int = 50_000_000) -> str:
    """Why it was refused. Nothing was written, and there is a hint."""
    conversion = convert_one(path, dest, limit)
    assert conversion.result is Result.REFUSED
    assert conversion.refusal
    assert conversion.refusal.hint
    assert not dest.exists() or [*dest.iterdir()] == []
    return conversion.refusal.message


@pytest.mark.parametrize("kind", PROGRAMS)
def test_more_than_the_limit_is_not_read(kind: str, source: Path, dest: Path) -> None:
    path = PROGRAMS[kind](source / "emma", a_novel(3).changed(2, "x" * 1_000_000))
    assert refused(path, dest, 900_000) in (
        "there are more than 900,000 bytes to read, unpacked",
        "the database chapter.raw.sqlite cannot be read: string or blob too big",
    )


def test_a_zip_that_lies_about_its_sizes_is_not_unpacked(source: Path, dest: Path) -> None:
    bomb = write_zip(source / "bomb.epub", {"META-INF/container.xml": "x" * 100_000_000})
    data = bytearray(bomb.read_bytes())
    size = struct.pack("<I", 100_000_000)
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = struct.pack("<I", 1_000)
    bomb.write_bytes(data)
    assert refused(bomb, dest).startswith("META-INF/container.xml is a broken zip: Bad CRC-32")


def test_a_zip_that_claims_a_huge_list_of_files_is_not_read(source: Path, dest: Path) -> None:
    path = write_epub_3(source / "emma", a_novel(1))
    with path.open("r+b") as file:
        file.truncate(200_000_000)
        file.seek(0, os.SEEK_END)
        file.write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 9, 9, 150_000_000, 50_000_000, 0))
    assert refused(path, dest) == "emma.epub is a broken zip: its list of files claims 150,000,000 bytes"


@pytest.mark.parametrize("name", ["../../escaped.xhtml", "/etc/passwd", "..\\..\\escaped.xhtml"])
def test_names_in_a_zip_lead_nowhere(name: str, source: Path, dest: Path, tmp_path: Path) -> None:
    package = opf(a_novel(1), ["c1.xhtml", name], "")
    path = write_epub_3(source / "emma", a_novel(1), **{name: xhtml("x", "escaped"), "OEBPS/book.opf": package})
    assert convert_one(path, dest).counts.chapters == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["crawled", "novels"]
    assert [each.name for each in dest.iterdir()] == ["emma"]


def test_a_link_in_a_zip_is_not_a_text(source: Path, dest: Path) -> None:
    path = write_crawler_4(source / "emma", a_novel(1))
    link = zipfile.ZipInfo("001/00001.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(link, "/etc/passwd")
    assert refused(path, dest) == "001/00001.json is a link, or leads out of the folder"


@pytest.mark.parametrize("name", ["meta.json", "json/00001.json", "json"])
def test_a_link_in_a_folder_is_not_followed(name: str, source: Path, dest: Path, tmp_path: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(1))
    (path / name).rename(tmp_path / "elsewhere")
    (path / name).symlink_to(tmp_path / "elsewhere")
    assert refused(path, dest).endswith("is a link, or leads out of the folder")


def test_a_link_to_a_novel_is_refused_unless_it_is_named(source: Path, dest: Path, tmp_path: Path) -> None:
    write_crawler_3(tmp_path / "elsewhere", a_novel(1))
    source.mkdir()
    (source / "emma").symlink_to(tmp_path / "elsewhere")
    assert refused(source, dest) == "emma is a link"
    assert convert_one(source / "emma", dest).result is Result.NEW


def test_a_link_to_a_database_is_not_followed(source: Path, dest: Path, tmp_path: Path) -> None:
    path = write_downloader(source / "emma", a_novel(1), info="book_info.raw.json")
    (path / "chapter.raw.sqlite").rename(tmp_path / "elsewhere")
    (path / "chapter.raw.sqlite").symlink_to(tmp_path / "elsewhere")
    assert convert_one(path, dest).counts.without_text == 1


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip"])
def test_a_broken_zip_is_refused(data: bytes, source: Path, dest: Path) -> None:
    source.mkdir()
    (source / "emma.epub").write_bytes(data)
    assert refused(source, dest) == "emma.epub is a broken zip: File is not a zip file"


@pytest.mark.parametrize("kind", PROGRAMS)
def test_whatever_is_cut_or_damaged_is_refused_or_converted(kind: str, source: Path, dest: Path) -> None:
    path = PROGRAMS[kind](source / "emma", a_novel(2))
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    for file in files:
        whole = file.read_bytes()
        for at in range(0, len(whole), 1 + len(whole) // 40):
            for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
                file.write_bytes(data)
                with suppress(ConfigurationError):  # it is in none of the formats any more
                    convert(path, dest)
        file.write_bytes(whole)


def test_an_encrypted_zip_is_refused(source: Path, dest: Path) -> None:
    path = write_epub_3(source / "emma", a_novel(1))
    data = path.read_bytes().replace(b"PK\1\2\x14\x03\x14\x00\x00\x00", b"PK\1\2\x14\x03\x14\x00\x01\x00")
    assert data != path.read_bytes()
    path.write_bytes(data)
    assert refused(path, dest) == "META-INF/container.xml is encrypted, or packed in an unusual way"


def test_entities_of_their_own_are_refused(source: Path, dest: Path) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE ncx [<!ENTITY l0 "ha">{laughs}]><ncx>&l9;</ncx>'
    path = write_epub_2(source / "emma", a_novel(1), **{"OEBPS/toc.ncx": bomb})
    assert refused(path, dest) == "it declares the entity l0, which no EPUB needs"


def test_nothing_outside_is_loaded(source: Path, dest: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    outside = f'<!DOCTYPE ncx [<!ENTITY s SYSTEM "file://{tmp_path}/secret">]><ncx>&s;</ncx>'
    path = write_epub_2(source / "emma", a_novel(1), **{"OEBPS/toc.ncx": outside})
    assert refused(path, dest) == "it declares the entity s, which no EPUB needs"


def test_contents_nested_without_end_are_refused(source: Path, dest: Path) -> None:
    deep = "<ncx><navMap>" + "<navPoint>" * 50_000 + "</navPoint>" * 50_000 + "</navMap></ncx>"
    path = write_epub_2(source / "emma", a_novel(1), **{"OEBPS/toc.ncx": deep})
    assert refused(path, dest) == "it has values nested too deeply to be read"


def test_json_nested_without_end_is_refused(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(1))
    (path / "meta.json").write_text('{"novel": ' + "[" * 100_000)
    assert refused(path, dest).startswith("meta.json is not what its program writes: ")


@pytest.mark.parametrize("old", ["META-INF/container.xml", "OEBPS/book.opf", "OEBPS/nav.xhtml"])
def test_a_broken_epub_names_the_file_at_fault(old: str, source: Path, dest: Path) -> None:
    path = write_epub_3(source / "emma", a_novel(1), **{old: "<a><b></a>"})
    assert refused(path, dest) == f"{old} is not XML as an EPUB needs it: mismatched tag: line 1, column 8"


def test_a_protected_epub_is_refused(source: Path, dest: Path) -> None:
    path = write_epub_3(source / "emma", a_novel(1))
    protected = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(protected, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"\x8e\xff\x00" if name.endswith("c1.xhtml") else old.read(name))
    path.write_bytes(protected.getvalue())
    assert refused(path, dest) == "OEBPS/c1.xhtml is not UTF-8: it is protected against copying, or in another encoding"


@pytest.mark.parametrize("character", ["<", "<title", "<!--", "<body"])
def test_no_document_takes_long(character: str, source: Path, dest: Path) -> None:
    """With regular expressions alone, this would take an hour."""
    path = write_epub_3(source / "emma", a_novel(1), **{"OEBPS/c1.xhtml": f"word {character * 1_000_000}"})
    assert convert_one(path, dest).result in (Result.NEW, Result.REFUSED)


@pytest.mark.parametrize("data", [b"not a database", b"SQLite format 3\0" + bytes(500)])
def test_a_broken_database_is_refused(data: bytes, source: Path, dest: Path) -> None:
    path = write_downloader(source / "emma", a_novel(1))
    (path / "chapter.raw.sqlite").write_bytes(data)
    assert refused(path, dest).startswith("the database chapter.raw.sqlite cannot be read: ")


def test_a_database_that_computes_without_end_is_not_asked(source: Path, dest: Path) -> None:
    path = write_downloader(source / "emma", a_novel(1))
    with closing(sqlite3.connect(path / "chapter.raw.sqlite")) as connection, connection:
        connection.execute("drop table chapters")
        connection.execute(
            "create view chapters as with recursive n(id) as (select 1 union all select id + 1 from n)"
            " select id, 'x' as content from n"
        )
    assert refused(path, dest) == (
        "the database chapter.raw.sqlite cannot be read: it has no table with id and content"
    )


def test_a_source_that_changes_meanwhile_waits_for_the_next_time(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(200))
    begun, ended = threading.Event(), threading.Event()

    def write() -> None:
        while not ended.is_set():
            os.utime(path / "meta.json")
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        begun.wait()
        assert refused(path, dest) == "it changed while it was read"
    finally:
        ended.set()
        writer.join()
    assert convert_one(path, dest).result is Result.NEW


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_nothing_waits_for_a_fifo(source: Path, dest: Path) -> None:
    path = write_downloader(source / "emma", a_novel(1))
    os.mkfifo(source / "fifo.epub")
    assert refused(source / "fifo.epub", dest) == "fifo.epub is neither a file nor a folder"
    os.mkfifo(path / "chapter.raw.sqlite-wal")
    assert refused(path, dest) == "chapter.raw.sqlite-wal is a link, or leads out of the folder"


def test_a_journal_that_is_a_link_is_not_written_back(source: Path, dest: Path, tmp_path: Path) -> None:
    path = write_downloader(source / "emma", a_novel(1))
    (tmp_path / "victim").write_text("untouched")
    (path / "chapter.raw.sqlite-wal").symlink_to(tmp_path / "victim")
    assert refused(path, dest) == "chapter.raw.sqlite-wal is a link, or leads out of the folder"
    assert (tmp_path / "victim").read_text() == "untouched"


def test_a_name_that_is_not_utf8_is_refused(source: Path, dest: Path) -> None:
    path = write_crawler_3(source / "emma", a_novel(1))
    path.rename(os.fsdecode(os.fsencode(source) + b"/em\xffma"))
    assert refused(source, dest) == "its name is not UTF-8, or has characters that cannot be shown"
