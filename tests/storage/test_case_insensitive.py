"""
File systems that take `Emma` and `emma` for the same name, as those of macOS, Windows and memory cards do.

Where this machine has none, one is made in a file, which takes root and two packages; else these cases are skipped.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from novelsync.database.client import SqlClient
from novelsync.storage.local import LocalStorage
from novelsync.storage.local_listing import other_spellings
from tests.conftest import Tables, make_service
from tests.support.hours import messages, nonzero, published, synced
from tests.support.library import Library, chapter, chapters, text_of

PROGRAMS = ("losetup", "mkfs.exfat", "mount.exfat-fuse", "umount")


def is_insensitive(folder: Path) -> bool:
    (folder / "Probe").touch()
    return (folder / "pROBE").exists()


@contextmanager
def exfat(folder: Path) -> Iterator[Path]:
    """A new file system of 32 MB, as on a memory card."""
    image, place = folder / "card.img", folder / "card"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(32_000_000)
    _ran("mkfs.exfat", image)
    loop = _ran("losetup", "--find", "--show", image)
    try:
        _ran("mount.exfat-fuse", loop, place)
        try:
            yield place
        finally:
            _ran("umount", place)
    finally:
        _ran("losetup", "--detach", loop)


def _ran(program: str, *arguments: str | Path) -> str:
    command = [str(shutil.which(program)), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    if is_insensitive(folder):
        yield folder
        return
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        pytest.skip(
            "no case-insensitive file system here, and none can be made without root, exfat-fuse and exfatprogs"
        )
    try:
        with exfat(folder) as place:
            yield place
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no case-insensitive file system could be made: {getattr(error, 'stderr', '') or error}")


@pytest.fixture
def library(disk: Path, request: pytest.FixtureRequest) -> Library:
    return Library(disk / str(request.node.name)[:60])


def test_a_novel_is_found_by_the_name_of_its_folder_alone(library: Library) -> None:
    library.write("Emma", chapters(2))
    storage = LocalStorage(str(library.folder))
    assert [novel.slug for novel in storage.listing()] == ["Emma"]
    assert storage.find("Emma") is not None
    assert storage.find("emma") is None
    assert storage.find("EMMA") is None


def test_a_folder_renamed_only_in_case_keeps_all_ids(library: Library, database: SqlClient, tables: Tables) -> None:
    service = make_service(library, database)
    library.write("Emma", chapters(4))
    synced(service)
    ids = tables.ids("Emma")
    (library.folder / "Emma").rename(library.folder / "emma")
    for _ in range(2):
        synced(service)
        assert published(tables) == ["emma"]
        assert tables.ids("emma") == ids


def test_another_spelling_of_a_slug_makes_no_second_novel(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    service = make_service(library, database)
    library.write("Emma", chapters(4))
    synced(service)
    assert not service.sync_novel_to_db("emma")
    assert published(tables) == ["Emma"]


def test_a_text_is_found_whatever_case_its_name_is_written_in(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    library.write("emma", [{"title": "One", "number": 1, "filename": "Text/1.txt"}])
    file = library.folder / "emma" / "text" / "1.TXT"
    file.parent.mkdir()
    file.write_text(text_of("emma"), encoding="utf-8")
    service = make_service(library, database)
    assert messages(synced(service)) == []
    assert tables.rows("select content from chapters") == [(text_of("emma"),)]
    assert nonzero(synced(service)["novels"]) == {"unchanged": 1}


@pytest.mark.parametrize(
    ("files", "named", "stored"),
    [
        (["text/1.TXT"], ["Text/1.txt"], ["text/1.TXT"]),
        (["text/1.TXT", "TEXT/1.txt"], ["Text/1.txt"], [""]),
        (["1.TXT"], ["1.TXT", "1.txt"], ["1.TXT", ""]),
        (["1.TXT", "1.txt"], ["1.txt", "1.TXT"], ["1.txt", "1.TXT"]),
        (["SO\u0302.txt"], ["s\u00f4.TXT"], ["SO\u0302.txt"]),
        (["so\u0302.txt"], ["S\u00f4.txt", "s\u00f4.txt"], ["", "so\u0302.txt"]),
        (["a.txt"], ["A.TXT", "A.txt"], ["", ""]),
        (["stra\u00dfe.txt"], ["STRASSE.txt"], [""]),
    ],
)
def test_a_text_in_another_case_is_the_only_one_that_no_chapter_names_as_it_is(
    tmp_path: Path, database: SqlClient, tables: Tables, files: list[str], named: list[str], stored: list[str]
) -> None:
    library = Library(tmp_path / "novels")
    if is_insensitive(tmp_path):
        pytest.skip("here these would be one file")
    library.write("emma", [{"title": name, "number": n, "filename": name} for n, name in enumerate(named)])
    for name in files:
        file = library.folder / "emma" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text_of(name), encoding="utf-8")
    synced(make_service(library, database))
    contents = [content for (content,) in tables.rows("select content from chapters order by position")]
    assert contents == [name and text_of(name) for name in stored]


def test_a_chapter_with_a_text_of_its_own_lends_its_file_to_none_in_another_case(
    tmp_path: Path, database: SqlClient, tables: Tables
) -> None:
    library = Library(tmp_path / "novels")
    if is_insensitive(tmp_path):
        pytest.skip("here these would be one file")
    library.write("emma", [chapter(1, filename="a.txt"), {"title": "Two", "number": 2, "filename": "A.txt"}])
    (library.folder / "emma" / "a.txt").write_text(text_of("a"), encoding="utf-8")
    synced(make_service(library, database))
    assert tables.rows("select content from chapters where position = 2") == [("",)]


def test_other_spellings_of_a_name_are_those_that_a_file_system_may_take_for_it() -> None:
    assert other_spellings("Emma-2") == {"eMMA-2"}
    assert other_spellings("straße") == {"STRAßE"}
    assert other_spellings("s\u1ed1") == {"S\u1ed0", "so\u0302\u0301"}
    assert other_spellings("三体") == set()


def test_a_book_in_another_case_is_read(library: Library, database: SqlClient, tables: Tables) -> None:
    library.write("emma", chapters(2))
    (library.folder / "emma" / "book_info.json").rename(library.folder / "emma" / "Book_Info.json")
    service = make_service(library, database)
    assert messages(synced(service)) == []
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]
