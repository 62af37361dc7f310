"""What is refused, and with which reasons: all of them at once."""

import tracemalloc

import pytest

from novelsync.books.reader import read_book
from novelsync.models.source import UNSET
from tests.books.test_reader import emma, emma_with, refusal, with_content

NEEDED = "and a string is needed"

REFUSED = {
    # Not UTF-8
    "UTF-16 with a byte order mark": (
        '{"title": "Emma"}'.encode("utf-16"),
        ["the file must be UTF-8, and from byte 0 on it looks like UTF-16"],
    ),
    "UTF-16 without a byte order mark": (
        '{"title": "Emma"}'.encode("utf-16-be"),
        ["the file must be UTF-8, and from byte 0 on it looks like UTF-16-BE"],
    ),
    "GBK": (
        '{"title": "红楼梦"}'.encode("gbk"),
        ["the file must be UTF-8, and byte 11 (0xba) is not: invalid start byte"],
    ),
    "Shift_JIS": (
        '{"title": "こころ"}'.encode("shift_jis"),
        ["the file must be UTF-8, and byte 11 (0x82) is not: invalid start byte"],
    ),
    "a broken byte in an unknown key": (
        b'{"title": "Emma", "x": "\xff"}',
        ["the file must be UTF-8, and byte 24 (0xff) is not: invalid start byte"],
    ),
    "a broken byte behind a byte order mark": (
        b'\xef\xbb\xbf{"title": "\xff"}',
        ["the file must be UTF-8, and byte 14 (0xff) is not: invalid start byte"],
    ),
    "a broken byte after a character that two chunks share": (
        b'{"title": "' + "中".encode() * 400_000 + b'\xff"}',
        ["the file must be UTF-8, and byte 1,200,011 (0xff) is not: invalid start byte"],
    ),
    "a file that ends inside a character": (
        b'{"title": "' + "中".encode()[:2],
        ["the file must be UTF-8, and byte 11 (0xe4) is not: unexpected end of data"],
    ),
    "a surrogate that was encoded as if it were a character": (
        b'{"title": "\xed\xa0\x80"}',
        ["the file must be UTF-8, and byte 11 (0xed) is not: invalid continuation byte"],
    ),
    # Not JSON
    "an empty file": (b"", ["the file is empty"]),
    "a file of blanks": (b" \n\n", ["the file is empty"]),
    "a file of nothing but a byte order mark": (b"\xef\xbb\xbf", ["the file is empty"]),
    "a cut file": (
        '{"title": "Emma",\n "author": "Đặng'.encode(),
        ['the file is cut off: it ends at line 2 column 17, near "author": "Đặng'],
    ),
    "not JSON": (b"<html>", ["the file is not JSON: invalid character at line 1 column 1, near <html>"]),
    "two documents": (
        b'{"title": "Emma"}\n{"title": "Emma"}',
        ['the file is not JSON: trailing characters at line 2 column 1, near {"title": "Emma"}'],
    ),
    "NaN": (
        b'{"title":\n "\xc4\x90", "x": NaN}',
        ['the file is not JSON: invalid character at line 2 column 12, near "Đ", "x": NaN}'],
    ),
    "NaN as a chapter's number": (
        b'{"title": "Emma", "chapters": [{"number": NaN}]}',
        ['the file is not JSON: invalid character at line 1 column 43, near pters": [{"number": NaN}]}'],
    ),
    "Infinity": (
        b'{"title": Infinity}',
        ['the file is not JSON: invalid character at line 1 column 11, near {"title": Infinity}'],
    ),
    "a number that begins with zero": (
        b'{"title": 01}',
        ['the file is not JSON: invalid number at line 1 column 12, near {"title": 01}'],
    ),
    "a line end inside a string": (
        b'{"title": "a\nb"}',
        ['the file is not JSON: invalid character at line 1 column 13, near {"title": "a b"}'],
    ),
    "an unknown escape": (
        b'{"title": "\\x"}',
        ['the file is not JSON: invalid escaped character at line 1 column 13, near {"title": "\\x"}'],
    ),
    "a comma too many": (
        b'{"title": "Emma",}',
        ['the file is not JSON: trailing comma in object at line 1 column 18, near {"title": "Emma",}'],
    ),
    "a lone surrogate, and then a mistake": (
        b'{"title": "\\ud800", "x": nope}',
        ['the file is not JSON: invalid character at line 1 column 27, near e": "\\ufffd", "x": nope}'],
    ),
    "a list": (b" [{}]", ["the file is an array, and an object is needed"]),
    "a string": (b'"Emma"', ["the file is a string, and an object is needed"]),
    "a number": (b"-1", ["the file is a number, and an object is needed"]),
    "null": (b"null", ["the file is null, and an object is needed"]),
    "a boolean": (b"true", ["the file is a boolean, and an object is needed"]),
    # Nesting without end
    "100,000 open brackets": (b"[" * 100_000, ["the file is an array, and an object is needed"]),
    **{
        f"100,000 levels in {key}": (start + b"[" * 100_000, ["the file has values nested too deeply to be read"])
        for key, start in {
            "an unknown key": b'{"x": ',
            "author": b'{"title": "Emma", "author": {"name": ',
            "content": b'{"title": "Emma", "chapters": [{"content": ',
        }.items()
    },
    "100,000 levels of objects": (b'{"x": ' * 100_000, ["the file has values nested too deeply to be read"]),
    # title
    "a title that is missing": (b'{"chapters": []}', ["title is missing"]),
    "a title that is null": (b'{"title": null}', [f"title is null, {NEEDED}"]),
    "a title that is empty": (b'{"title": ""}', ["title is blank"]),
    "a title that is blank": ('{"title": " \\n\u3000"}'.encode(), ["title is blank"]),
    "a title of NUL": (b'{"title": "\\u0000"}', ["title is blank"]),
    "a title that is a number": (b'{"title": 1984}', [f"title is a number, {NEEDED}"]),
    "a title that is a list": (b'{"title": ["Emma"]}', [f"title is an array, {NEEDED}"]),
    "a title in capitals": (
        b'{"Title": "Emma"}',
        ['the file has the key "Title", which must be written "title"', "title is missing"],
    ),
    # chapters
    "chapters in capitals": (
        emma(Chapters=[{"content": "text"}]),
        ['the file has the key "Chapters", which must be written "chapters"'],
    ),
    "chapters that are a count": (emma(chapters=12), ["chapters is a number, and an array of objects is needed"]),
    "chapters that are a string": (emma(chapters="I"), ["chapters is a string, and an array of objects is needed"]),
    "chapters that are an object": (emma(chapters={}), ["chapters is an object, and an array of objects is needed"]),
    "chapters that are a boolean": (emma(chapters=True), ["chapters is a boolean, and an array of objects is needed"]),
    "chapters that are not all objects": (
        emma_with({}, {}, "III", {}, 5),
        ["chapters must hold objects only, and 2 of 5 items are not: the first is a string, chapters[2]"],
    ),
    "chapters that are null": (
        emma_with({}, None),
        ["chapters must hold objects only, and 1 of 2 items are not: the first is null, chapters[1]"],
    ),
    # content
    "content of every wrong type": (
        emma_with({"content": {"html": "x"}}, {"content": "fine"}, {"content": 5}, {"content": True}),
        [
            f"chapters[0].content is an object, {NEEDED}",
            f"chapters[2].content is a number, {NEEDED}",
            f"chapters[3].content is a boolean, {NEEDED}",
        ],
    ),
    "content that is not all strings": (
        emma_with({}, {"content": ["a", "b", ["c"], None]}),
        [
            "chapters[1].content must hold strings only, and 2 of 4 items are not: the first is an array, "
            "chapters[1].content[2]"
        ],
    ),
    "content in capitals": (
        emma_with({"content": "a"}, {"Content": "b"}, {"CONTENT": "c"}),
        [
            'chapters[1] has the key "Content", which must be written "content"',
            'chapters[2] has the key "CONTENT", which must be written "content"',
        ],
    ),
    "all reasons together": (
        b'{"title": " ", "chapters": [{}, {}, {}, {"content": {}}, {}, {"number": {}, "content": 5}]}',
        [
            "title is blank",
            f"chapters[3].content is an object, {NEEDED}",
            f"chapters[5].content is a number, {NEEDED}",
        ],
    ),
    # What would take far more memory than the file
    "more chapters than any novel has": (
        emma_with(*[{}] * 100_001),
        ["chapters has more than 100,000 items"],
    ),
}


@pytest.mark.parametrize(("data", "reasons"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(data: bytes, reasons: list[str]) -> None:
    error = refusal(data)
    assert list(error.reasons) == reasons
    assert error.hint


CROWDS = {
    "chapters": (
        b'{"title": "Emma", "chapters": [' + b"{}," * 1_000_001 + b"{}]}",
        "chapters has more than 100,000 items",
    ),
    "chapters that are numbers": (
        b'{"title": "Emma", "chapters": [' + b"1," * 1_000_001 + b"1]}",
        "chapters must hold objects only, and not all of its many items are",
    ),
    "strings for a text": (
        with_content("[" + '"a",' * 1_000_001 + '"a"]'),
        "chapters[0].content is an array of more than 1,000,000 items, and a string is needed",
    ),
    "authors": (
        b'{"author": [' + b'"a",' * 1_000_001 + b'"a"]}',
        "title is missing",
    ),
}


@pytest.mark.parametrize(("data", "reason"), CROWDS.values(), ids=CROWDS.keys())
def test_a_list_of_a_million_things_is_refused_before_it_fills_the_memory(data: bytes, reason: str) -> None:
    tracemalloc.start()
    try:
        error = refusal(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert list(error.reasons) == [reason]
    assert peak < 5_000_000


def test_a_crowd_of_authors_is_left_out() -> None:
    book = read_book(b'{"title": "Emma", "author": [' + b'"a",' * 1_000_001 + b'"a"]}')
    assert book.author is UNSET
    assert book.warnings == ["author is an array and was left out: [" + '"a",' * 9 + '"a…']
