"""A folder as a storage."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from novelsync.errors import BookRefused, ConfigurationError, StorageUnavailable
from novelsync.models.source import SourceFile
from novelsync.storage.local import LocalStorage
from tests.support.library import Library
from tests.support.postgres_server import AS_ROOT

SECOND = 1_000_000_000

as_ordinary_user = pytest.mark.skipif(AS_ROOT, reason="root may read everything")


@pytest.fixture
def storage(library: Library) -> LocalStorage:
    return LocalStorage(str(library.folder))


def listed(storage: LocalStorage) -> list[str]:
    return [novel.slug for novel in storage.listing()]


def only(storage: LocalStorage) -> SourceFile:
    (novel,) = storage.listing()
    return novel


def test_novels_are_listed_as_cloud_storage_sorts_whole_object_names(library: Library, storage: LocalStorage) -> None:
    for slug in ("ä", "a", "a-b", "a0", "Z", "số-đỏ"):
        library.write(slug)
    assert listed(storage) == ["Z", "a-b", "a", "a0", "số-đỏ", "ä"]


def test_what_is_not_a_novel_is_not_listed(library: Library, storage: LocalStorage) -> None:
    library.write("emma")
    library.write(".hidden")
    (library.folder / "empty").mkdir()
    (library.folder / "stray.txt").write_text("x")
    (library.folder / "folder" / "book_info.json").mkdir(parents=True)
    os.mkfifo(library.folder / "empty" / "book_info.json")
    assert listed(storage) == ["emma"]


def test_a_listed_novel_is_read_byte_for_byte(library: Library, storage: LocalStorage) -> None:
    library.write_raw("emma", b"\xef\xbb\xbf{\r\n}")
    novel = only(storage)
    assert novel.size == 7
    assert storage.read(novel) == b"\xef\xbb\xbf{\r\n}"


def test_a_rewritten_file_has_another_version_though_size_and_time_are_the_same(
    library: Library, storage: LocalStorage
) -> None:
    path = library.write_raw("emma", b"1")
    before, status = only(storage), path.stat()
    library.write_raw("emma", b"2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert only(storage).version != before.version


@pytest.mark.parametrize("data", [b"22", b"2", b""], ids=["longer", "as long", "empty"])
def test_a_file_that_changed_since_it_was_listed_is_in_flight(
    library: Library, storage: LocalStorage, data: bytes
) -> None:
    library.write_raw("emma", b"1")
    novel = only(storage)
    library.write_raw("emma", data)
    assert storage.read(novel) is None


def test_a_file_that_vanished_since_it_was_listed_is_in_flight(library: Library, storage: LocalStorage) -> None:
    library.write("emma")
    novel = only(storage)
    library.remove("emma")
    assert storage.read(novel) is None


def test_a_file_settles_two_seconds_after_it_was_written(library: Library) -> None:
    path = library.write("emma")
    os.utime(path, ns=(100 * SECOND, 100 * SECOND))
    for now, settling in ((101 * SECOND, True), (102 * SECOND, False), (99 * SECOND, True), (10 * SECOND, False)):
        storage = LocalStorage(str(library.folder), clock_ns=lambda now=now: now)  # type: ignore[misc]
        assert storage.settling(only(storage)) is settling


def test_a_file_from_before_1970_is_like_any_other(library: Library, storage: LocalStorage) -> None:
    path = library.write_raw("emma", b"{}")
    os.utime(path, ns=(-1000 * SECOND, -1000 * SECOND))
    novel = only(storage)
    assert (storage.read(novel), storage.settling(novel)) == (b"{}", False)


def test_a_link_inside_the_folder_is_followed(library: Library, storage: LocalStorage) -> None:
    library.write_raw("emma", b"{}")
    (library.folder / "link").symlink_to("emma")
    (library.folder / "other").mkdir()
    (library.folder / "other" / "book_info.json").symlink_to("../emma/book_info.json")
    assert [storage.read(novel) for novel in storage.listing()] == [b"{}", b"{}", b"{}"]


@pytest.mark.parametrize("which", ["folder", "file"])
def test_a_link_that_leads_out_is_refused_and_not_gone(
    library: Library, storage: LocalStorage, tmp_path: Path, which: str
) -> None:
    outside = Library(tmp_path / "outside")
    outside.write_raw("secret", b"{}")
    if which == "folder":
        (library.folder / "emma").symlink_to(outside.folder / "secret")
    else:
        (library.folder / "emma").mkdir()
        (library.folder / "emma" / "book_info.json").symlink_to(outside.path("secret"))
    novel = only(storage)
    with pytest.raises(BookRefused, match="leads out of the storage folder"):
        storage.read(novel)


def test_a_file_swapped_for_a_link_that_leads_out_is_not_read(
    library: Library, storage: LocalStorage, tmp_path: Path
) -> None:
    path = library.write_raw("emma", b"{}")
    novel = only(storage)
    outside = tmp_path / "secret"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(BookRefused, match="leads out of the storage folder"):
        storage.read(novel)


def test_a_folder_swapped_for_a_link_that_leads_out_is_not_read(
    library: Library, storage: LocalStorage, tmp_path: Path
) -> None:
    folder = library.write_raw("emma", b"{}").parent
    novel = only(storage)
    folder.rename(tmp_path / "secret")
    folder.symlink_to(tmp_path / "secret")
    with pytest.raises(BookRefused, match="leads out of the storage folder"):
        storage.read(novel)


def test_a_folder_swapped_for_a_file_is_in_flight(library: Library, storage: LocalStorage) -> None:
    path = library.write_raw("emma", b"{}")
    novel = only(storage)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"")
    assert storage.read(novel) is None


def test_a_link_to_nothing_is_refused_and_not_gone(library: Library, storage: LocalStorage) -> None:
    (library.folder / "emma").symlink_to(library.folder / "unmounted")
    with pytest.raises(BookRefused, match="link to nothing"):
        storage.read(only(storage))


def test_a_link_that_leads_to_itself_is_refused_and_not_gone(library: Library, storage: LocalStorage) -> None:
    (library.folder / "emma").symlink_to("emma")
    with pytest.raises(BookRefused):
        storage.read(only(storage))


@as_ordinary_user
def test_a_file_without_permission_is_refused_and_not_gone(library: Library, storage: LocalStorage) -> None:
    library.write("emma").chmod(0)
    with pytest.raises(BookRefused, match="permission denied"):
        storage.read(only(storage))


def test_a_folder_whose_name_is_not_utf8_is_refused_and_not_gone(library: Library, storage: LocalStorage) -> None:
    folder = library.folder / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "book_info.json").write_bytes(b"{}")
    novel = only(storage)
    assert novel.slug == "caf\\xe9"
    with pytest.raises(BookRefused, match="not UTF-8"):
        storage.read(novel)


def test_a_storage_that_is_not_there_is_away_and_never_made(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path / "a" / "b"))
    with pytest.raises(StorageUnavailable, match="a/b is not there") as error:
        listed(storage)
    assert "make the folder" in error.value.hint
    with pytest.raises(StorageUnavailable, match="is not there"):
        storage.find("emma")
    assert not (tmp_path / "a").exists()


def test_a_storage_that_is_a_file_is_a_wrong_setting(tmp_path: Path) -> None:
    path = tmp_path / "novels"
    path.write_text("x")
    for location in (path, path / "below"):
        with pytest.raises(ConfigurationError, match="is a file"):
            listed(LocalStorage(str(location)))


@as_ordinary_user
def test_a_storage_that_cannot_be_listed_is_away_and_not_empty(library: Library, storage: LocalStorage) -> None:
    library.folder.chmod(0)
    try:
        with pytest.raises(StorageUnavailable, match="Permission denied"):
            listed(storage)
    finally:
        library.folder.chmod(0o700)


def test_one_novel_is_found_as_it_would_be_listed(library: Library, storage: LocalStorage) -> None:
    library.write("emma")
    assert storage.find("emma") == only(storage)
    assert storage.find("nobody") is None


@pytest.mark.skipif(os.sep == "\\", reason="a backslash parts names here")
def test_a_name_with_a_backslash_is_found_as_it_is_listed(library: Library, storage: LocalStorage) -> None:
    library.write("a\\b")
    assert storage.find("a\\b") == only(storage)


@pytest.mark.parametrize("slug", ["", ".", "..", "../novels/emma", "/etc", "a/b", "a\0b", ".hidden"])
def test_no_slug_reaches_outside_the_folder(library: Library, storage: LocalStorage, slug: str) -> None:
    library.write("emma")
    assert storage.find(slug) is None


def strays(storage: LocalStorage) -> dict[str, str]:
    found: dict[str, str] = {}
    list(storage.listing((), found.__setitem__))
    return found


def test_a_file_that_gets_another_name_while_texts_are_listed_hides_no_other(
    library: Library, storage: LocalStorage
) -> None:
    folder = library.write("emma").parent
    for number in range(30):
        (folder / f"{number}.html").write_text("text", encoding="utf-8")
    names = [folder / "31.html.new", folder / "31.html"]
    names[0].write_text("text", encoding="utf-8")
    over = threading.Event()

    def rename() -> None:
        while not over.is_set():
            names[0].rename(names[1])
            names.reverse()

    with ThreadPoolExecutor(1) as crawler:
        renaming = crawler.submit(rename)
        try:
            counts = {len([text for text in storage.texts("emma") if "31" not in text.path]) for _ in range(1_000)}
        finally:
            over.set()
        renaming.result()
    assert counts == {30}


def test_a_tree_of_folders_without_end_is_not_followed(library: Library, storage: LocalStorage) -> None:
    folder = library.write("emma").parent
    for start in (folder, library.folder / "stray"):
        deep = start / "/".join("a" * 100)
        deep.mkdir(parents=True)
        (deep / "1.html").write_text("text", encoding="utf-8")
    assert storage.texts("emma") == []
    assert [novel.slug for novel in storage.listing({"emma"})] == ["emma"]
    assert strays(storage) == {}


def test_a_folder_of_texts_swapped_for_a_link_that_leads_out_is_not_read(
    library: Library, storage: LocalStorage, tmp_path: Path
) -> None:
    library.write("emma")
    inside, outside = library.folder / "emma" / "texts", tmp_path / "outside"
    inside.mkdir()
    (inside / "1.html").write_text("one")
    texts = storage.texts("emma")
    assert [data for _, data in storage.read_texts("emma", texts)] == [b"one"]
    inside.rename(outside)  # with the very file that was listed
    inside.symlink_to(outside)
    assert [data for _, data in storage.read_texts("emma", texts)] == [
        "it is a link that leads out of the novel's folder"
    ]
