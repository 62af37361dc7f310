"""Texts in files of their own: which paths are allowed, and what is said of bytes that are no text."""

import codecs

import pytest

from novelsync.books.texts import read_text, text_path
from novelsync.errors import BookRefused


@pytest.mark.parametrize("data", [b"caf\xe9", codecs.BOM_UTF8 + b"\xe9t\xe9"])
def test_a_byte_that_is_not_utf8_is_named_by_its_place_in_the_file(data: bytes) -> None:
    with pytest.raises(BookRefused, match=rf"text/1\.html must be UTF-8, and byte {data.index(0xE9)} \(0xe9\) is not"):
        read_text("text/1.html", data)


@pytest.mark.parametrize("path", ["..", ".", "../emma/1.html", "text/../../1.html", "/etc/passwd", "C:1.html", "a\0b"])
def test_a_path_that_leads_out_of_the_novels_folder_is_none(path: str) -> None:
    assert text_path(path) is None


@pytest.mark.parametrize(("written", "path"), [(" text/1.html ", "text/1.html"), ("./a/../1.html", "1.html")])
def test_a_path_within_the_novels_folder_is_allowed_however_it_is_written(written: str, path: str) -> None:
    assert text_path(written) == path
