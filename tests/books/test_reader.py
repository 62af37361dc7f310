"""What becomes of every kind of ``book_info.json``: one row here for each row of the design's table, and a few more."""

import json
import tracemalloc
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from msgspec import Raw

from novelsync.books.quick import read_chapters
from novelsync.books.reader import read_book
from novelsync.books.schema import BookFile
from novelsync.errors import BookRefused
from novelsync.models.source import EMPTY_HASH, UNSET, Book
from tests.support.library import REAL_NOVELS


def emma(**keys: Any) -> bytes:
    """A file of a novel called Emma."""
    return json.dumps({"title": "Emma", **keys}).encode()


def emma_with(*chapters: Any) -> bytes:
    return emma(chapters=list(chapters))


def with_number(number: str) -> bytes:
    """A file whose only chapter has this number, as it is written in JSON."""
    return b'{"title": "Emma", "chapters": [{"number": %b}]}' % number.encode()


def with_content(content: str) -> bytes:
    return b'{"title": "Emma", "chapters": [{"number": 1, "content": %b}]}' % content.encode()


def seen(book: Book) -> dict[str, Any]:
    """All of a book that a table of expectations may name."""
    return {
        "title": book.title,
        "author": book.author,
        "description": book.description,
        "cover_url": book.cover_url,
        "status": book.status,
        "titles": [chapter.title for chapter in book.chapters],
        "urls": [chapter.url for chapter in book.chapters],
        "numbers": [None if chapter.number is None else str(chapter.number) for chapter in book.chapters],
        "texts": [chapter.text() for chapter in book.chapters],
        "fetched": [chapter.fetched for chapter in book.chapters],
        "warnings": list(book.warnings),
    }


def refusal(data: bytes) -> BookRefused:
    with pytest.raises(BookRefused) as caught:
        read_book(data)
    return caught.value


NO_NUMBER = ["1 chapter has no number, at chapters[0]"]
ONE_NUL = ["1 NUL character was removed: Postgres cannot store it"]
ONE_SURROGATE = ["1 lone surrogate was replaced by U+FFFD: Postgres cannot store it"]

ACCEPTED = {
    "a title is enough": (
        b'{"title": "Emma"}',
        {"title": "Emma", "author": UNSET, "description": UNSET, "cover_url": UNSET, "status": UNSET, "texts": []},
    ),
    "a novel with everything": (
        emma(
            author="Jane Austen",
            description="A comedy",
            cover_url="https://x/emma.jpg",
            status="completed",
            chapters=[{"title": "I", "number": 1, "content": "Emma Woodhouse", "url": "https://x/1"}],
        ),
        {
            "title": "Emma",
            "author": "Jane Austen",
            "description": "A comedy",
            "cover_url": "https://x/emma.jpg",
            "status": "completed",
            "titles": ["I"],
            "urls": ["https://x/1"],
            "numbers": ["1"],
            "texts": ["Emma Woodhouse"],
            "fetched": [True],
            "warnings": [],
        },
    ),
    # Unknown keys and how the file is written
    "unknown keys at any level are ignored": (
        b'{"z": {"title": [[{}]]}, "title": "Emma", "x": null, "chapters": [{"y": [1e999], "number": 1}], "q": "\\\\"}',
        {"title": "Emma", "numbers": ["1"], "warnings": []},
    ),
    "a known key in capitals beside the right one is ignored": (
        emma(Title="EMMA", Chapters=4, chapters=[{"number": 1, "content": "a", "Content": 5}]),
        {"title": "Emma", "texts": ["a"], "warnings": []},
    ),
    "an unknown key of 5 MB is ignored": (emma(zzz=["x" * 1000] * 5000), {"title": "Emma", "warnings": []}),
    "a byte order mark is stripped": (b"\xef\xbb\xbf" + emma(), {"title": "Emma"}),
    "pretty-printed, with Windows line ends": (
        json.dumps({"title": "Emma", "status": "ongoing"}, indent=4).replace("\n", "\r\n").encode(),
        {"title": "Emma", "status": "ongoing"},
    ),
    "keys written with escapes": (b'{"\\u0074itle": "Emma"}', {"title": "Emma"}),
    "blanks around the object": (b" \r\n\t" + emma() + b"\n\n", {"title": "Emma"}),
    # Duplicate keys
    "of a title written twice the last counts": (b'{"title": 5, "title": "Emma"}', {"title": "Emma"}),
    "of chapters written twice the last count": (
        b'{"title": "Emma", "chapters": 5, "chapters": [{"number": 5, "number": 6, "content": {}, "content": "b"}]}',
        {"numbers": ["6"], "texts": ["b"], "warnings": []},
    ),
    # What Postgres cannot store
    "NUL is removed from a title": (b'{"title": "Em\\u0000ma"}', {"title": "Emma", "warnings": ONE_NUL}),
    "NUL is removed everywhere and counted once for the novel": (
        b'{"title": "E\\u0000", "author": ["a\\u0000"], "status": "\\u0000",'
        b' "chapters": [{"title": "\\u0000t", "number": 1, "url": "u\\u0000", "content": "\\u0000a\\u0000b"}]}',
        {
            "title": "E",
            "author": "a",
            "status": "",
            "titles": ["t"],
            "urls": ["u"],
            "texts": ["ab"],
            "warnings": ["7 NUL characters were removed: Postgres cannot store them"],
        },
    ),
    "a text of nothing but NUL is not fetched": (
        with_content('"\\u0000"'),
        {"texts": [""], "fetched": [False], "warnings": ONE_NUL},
    ),
    "NUL in an unknown key is ignored": (b'{"title": "Emma", "x": "\\u0000"}', {"warnings": []}),
    "a lone surrogate in a text is replaced": (
        with_content('"a\\ud800b"'),
        {"texts": ["a\ufffdb"], "warnings": ONE_SURROGATE},
    ),
    "lone surrogates are replaced and counted, pairs and escaped backslashes stay": (
        b'{"title": "\\uDC00\\ud83d\\ude00\\ud83d", "author": "\\\\ud800\\\\\\ud800",'
        b' "status": "\\n\\ud800\\ud83d\\ude00"}',
        {
            "title": "\ufffd😀\ufffd",
            "author": "\\ud800\\\ufffd",
            "status": "\n\ufffd😀",
            "warnings": ["4 lone surrogates were replaced by U+FFFD: Postgres cannot store them"],
        },
    ),
    "a lone surrogate in a file with a byte order mark": (
        b'\xef\xbb\xbf{"title": "\\ud800"}',
        {"title": "\ufffd", "warnings": ONE_SURROGATE},
    ),
    # author, description, cover_url, status
    "authors in a list are joined": (emma(author=["Ilf", "Petrov"]), {"author": "Ilf, Petrov", "warnings": []}),
    "an author may be an object": (
        emma(author={"id": [5], "name": "Jane", "Name": 1}),
        {"author": "Jane", "warnings": []},
    ),
    "null clears what a missing key keeps": (
        emma(author=None, description=None, cover_url=None, status=None),
        {"author": None, "description": None, "cover_url": None, "status": None, "warnings": []},
    ),
    "an author of another shape is left out": (
        emma(author={"first": "Jane"}),
        {"author": UNSET, "warnings": ['author is an object and was left out: {"first": "Jane"}']},
    ),
    "authors that are not all strings are left out": (
        emma(author=["Jane", 5]),
        {"author": UNSET, "warnings": ['author is an array and was left out: ["Jane", 5]']},
    ),
    "an author whose name is not a string is left out": (
        emma(author={"name": None}),
        {"author": UNSET, "warnings": ['author is an object and was left out: {"name": null}']},
    ),
    "a status in any language and case": (emma(status="  Đang RA "), {"status": "  Đang RA ", "warnings": []}),
    "a status may be a boolean": (emma(status=True), {"status": "true", "warnings": []}),
    "a boolean elsewhere is stored as text": (
        emma(author=False),
        {"author": "false", "warnings": ["author is a boolean and was stored as text: false"]},
    ),
    "a number is stored as it is written": (
        b'{"title": "Emma", "description": 1.10, "status": 1E5}',
        {
            "description": "1.10",
            "status": "1E5",
            "warnings": [
                "description is a number and was stored as text: 1.10",
                "status is a number and was stored as text: 1E5",
            ],
        },
    ),
    "an integer of 5,000 digits is stored as it is written": (
        b'{"title": "Emma", "author": %b}' % (b"7" * 5000),
        {"author": "7" * 5000, "warnings": [f"author is a number and was stored as text: {'7' * 39}…"]},
    ),
    "paragraphs in a list are one description": (
        emma(description=["A novel.", "In three volumes."]),
        {"description": "A novel.\n\nIn three volumes.", "warnings": []},
    ),
    "a list or object is left out": (
        emma(description=["a", 1], cover_url={"large": "https://x/a-rather-long-address/emma.jpg"}, status=[]),
        {
            "description": UNSET,
            "cover_url": UNSET,
            "status": UNSET,
            "warnings": [
                'description is an array and was left out: ["a", 1]',
                'cover_url is an object and was left out: {"large": "https://x/a-rather-long-addr…',
                "status is an array and was left out: []",
            ],
        },
    ),
    # chapters
    "chapters may be null": (emma(chapters=None), {"texts": [], "warnings": []}),
    "chapters may be empty": (emma(chapters=[]), {"texts": [], "warnings": []}),
    "chapters that repeat, leave gaps, count down, are negative or zero are all kept": (
        emma_with(*({"title": "same", "url": "u", "number": number, "content": "x"} for number in (9, 9, 3, 0, -1))),
        {"numbers": ["9", "9", "3", "0", "-1"], "titles": ["same"] * 5, "urls": ["u"] * 5, "texts": ["x"] * 5},
    ),
    "title and url may be null or missing": (
        emma_with({"number": 1, "title": None, "url": None}, {"number": 2}),
        {"titles": ["", ""], "urls": ["", ""], "warnings": []},
    ),
    "title and url of other types": (
        emma_with({"number": 1, "title": 12, "url": {}}, {"number": 2, "title": False}, {"number": 3, "title": [1]}),
        {
            "titles": ["12", "false", ""],
            "urls": ["", "", ""],
            "warnings": [
                "2 chapter titles are not strings and were stored as text, the first at chapters[0]: 12",
                "1 chapter url is not a string and was left out, at chapters[0]: {}",
                "1 chapter title is not a string and was left out, at chapters[2]: [1]",
            ],
        },
    ),
    "texts that were not fetched yet": (
        emma_with(*({"number": 1, "content": text} for text in (None, "", " \r\n\t\u3000\xa0", [], ["", " "], "a"))),
        {"texts": ["", "", "", "", "", "a"], "fetched": [False] * 5 + [True], "warnings": []},
    ),
    "a chapter without content was not fetched yet": (
        emma_with({"number": 1}),
        {"texts": [""], "fetched": [False], "warnings": []},
    ),
    "markup and invisible characters that show nothing are not fetched yet": (
        emma_with({"number": 1, "content": "<p>&nbsp;</p>\u200b"}),
        {"texts": [""], "fetched": [False], "warnings": []},
    ),
    "a list of strings is joined with blank lines": (
        emma_with({"number": 1, "content": ["One.", "", " Two.\n"]}),
        {"texts": ["One.\n\n\n\n Two.\n"], "warnings": []},
    ),
    "HTML is text": (
        emma(
            description="<b>&amp;",
            chapters=[{"number": 1, "title": "<i>", "content": "<b>One</b><script>alert(1)</script>"}],
        ),
        {
            "description": "<b>&amp;",
            "titles": ["<i>"],
            "texts": ["<b>One</b><script>alert(1)</script>"],
            "warnings": [],
        },
    ),
    "warnings of a kind are one line": (
        emma_with({"number": 1}, {"number": "chapter-12"}, {}, {"number": "x" * 50}, {"number": None}),
        {
            "numbers": ["1", None, None, None, None],
            "warnings": [
                '2 chapter numbers are not decimal numbers and were left out, the first at chapters[1]: "chapter-12"',
                "2 chapters have no number, the first at chapters[2]",
            ],
        },
    ),
    "what a warning shows is short, on one line and storable": (
        emma_with({"number": "a\0b\n" + "c" * 50}),
        {
            "warnings": [
                "1 chapter number is not a decimal number and was left out, at chapters[0]: "
                '"a b ccccccccccccccccccccccccccccccccccc…"'
            ]
        },
    ),
}


@pytest.mark.parametrize(("data", "expected"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(data: bytes, expected: dict[str, Any]) -> None:
    book = seen(read_book(data))
    assert {key: book[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("7", "7"),
        ("10.5", "10.5"),
        ("10.50", "10.50"),
        ("-0.25", "-0.25"),
        ("1.5e3", "1500"),
        ("1234E-2", "12.34"),
        ("1.23456789e3", "1234.56789"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1000000000000000055511151231", "0.1000000000000000055511151231"),
        ('"10.5"', "10.5"),
        ('" 7 "', "7"),
        ('"-3"', "-3"),
        ('"007"', "7"),
        ('"\\u0031\\u0032"', "12"),
    ],
)
def test_a_chapter_number_is_the_decimal_that_the_file_says(written: str, number: str) -> None:
    book = read_book(with_number(written))
    assert [str(chapter.number) for chapter in book.chapters] == [number]
    assert isinstance(book.chapters[0].number, Decimal)
    assert book.warnings == []


@pytest.mark.parametrize(
    "written",
    [
        '"chapter-12"',
        '"10,5"',
        '"1e3"',
        '"1_000"',
        '"NaN"',
        '"Infinity"',
        '"１２"',
        '"1 2"',
        '""',
        "true",
        "false",
        "[1]",
        '{"n": 1}',
        "1e999",
        "1e-999",
        "1e99999999999999999999",
        "1e30",
        "1234567890123456789012345678901",
        "0.1234567890123456789012345678901",
        '"1234567890123456789012345678901"',
        "9" * 5000,
    ],
)
def test_what_is_no_decimal_number_is_left_out_with_a_warning(written: str) -> None:
    book = read_book(with_number(written))
    assert [chapter.number for chapter in book.chapters] == [None]
    shown = written if len(written) <= 42 else written[:39] + "…"
    assert book.warnings == [f"1 chapter number is not a decimal number and was left out, at chapters[0]: {shown}"]


@pytest.mark.parametrize("data", [with_number("null"), emma_with({})], ids=["null", "missing"])
def test_a_chapter_without_number_is_accepted_with_a_warning(data: bytes) -> None:
    book = read_book(data)
    assert [chapter.number for chapter in book.chapters] == [None]
    assert book.warnings == NO_NUMBER


TEXTS = {
    "Windows line ends": "One.\r\nTwo.\r\n",
    "composed letters": normalize("NFC", "Số đỏ của Vũ Trọng Phụng"),
    "decomposed letters": normalize("NFD", "Số đỏ của Vũ Trọng Phụng"),
    "blanks around it": " \t\n\u3000text\u3000\n ",
    "emoji": "😀👨‍👩‍👧 and 🇻🇳",
    "a byte order mark inside": "\ufeffone\ufefftwo",
    "quotes, backslashes and slashes": '"\\u0041" \\\\ / \b\f\x01\x1f\x7f',
    "unusual line ends": "a\u2028b\u2029c\x85d\x0be",
    "the ends of the planes": "\uffff\U0010ffff\ue000\ufffd",
    "brackets": '[{"title": "x", "content": [1, 2]}, null]',
}


@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "plain"])
@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "pretty"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_is_kept_byte_for_byte(text: str, indent: int | None, escaped: bool) -> None:
    file = {"title": text, "chapters": [{"title": text, "url": text, "number": 1, "content": text}]}
    book = read_book(json.dumps(file, ensure_ascii=escaped, indent=indent).encode())
    chapter = book.chapters[0]
    assert (book.title, chapter.title, chapter.url, chapter.text(), chapter.text()) == (text,) * 5
    assert (chapter.content_hash, chapter.content_bytes) == (sha256(text.encode()).digest(), len(text.encode()))
    assert book.warnings == []


def test_a_text_that_was_not_fetched_has_the_hash_of_nothing() -> None:
    chapter = read_book(with_content("null")).chapters[0]
    assert (chapter.content_hash, chapter.content_bytes, chapter.text()) == (EMPTY_HASH, 0, "")


def test_memory_is_the_file_and_one_chapter() -> None:
    # 20 chapters of 1 MB, so that two of them at once would show.
    chapters = [{"title": f"{n}", "number": n, "content": f"{n}" + "x" * 1_000_000} for n in range(20)]
    data = b"\xef\xbb\xbf" + emma(chapters=chapters)
    tracemalloc.start()
    try:
        book = read_book(data)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [chapter.content_bytes for chapter in book.chapters] == [1_000_001] * 10 + [1_000_002] * 10
    assert peak < 4_500_000
    assert kept < 100_000


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"a line\nand \"another\"", b'a line\nand "another"'),
        (r"C:\\new \\\"x\\\" \\\\n", rb"C:\new \"x\" \\n"),
        (r"caf\u00e9 \/ \t", "café / \t".encode()),
    ],
)
def test_what_is_usual_is_read_in_the_quick_way(text: str, said: bytes, keep: bool) -> None:
    data = b'[{"number": "1.50", "content": "%b"}, {"title": "II"}]' % text.encode()
    read = read_chapters(Raw(data), data, keep=keep)
    assert read is not None
    assert [bytes(chapter.stored()) for chapter in read.chapters] == [said, b""]
    assert (str(read.chapters[0].number), read.without_number) == ("1.50", [1])


@pytest.mark.parametrize(
    "chapter",
    [b'{"content": ["a"]}', b'{"title": "\\u0000"}', b'{"number": "x"}', b'{"Content": "a"}', b'{"file": "a"}'],
)
def test_one_unusual_chapter_leaves_all_to_the_validators(chapter: bytes) -> None:
    data = b'[{"content": "a"}, %b]' % chapter
    assert read_chapters(Raw(data), data, keep=True) is None


def test_a_text_outlives_the_callers_bytes() -> None:
    texts = [f"text {number}" for number in range(1000)]
    book = read_book(emma_with(*({"content": text} for text in texts)))
    # Whatever memory the file had is written over, if nobody holds it.
    for size in range(1000, 100_000, 100):
        bytearray(b"x" * size)
    assert [chapter.text() for chapter in book.chapters] == texts


def test_the_schema_tells_crawlers_what_to_write() -> None:
    schema = BookFile.model_json_schema()
    chapter = schema["$defs"]["BookFileChapter"]
    assert schema["required"] == ["title"]
    assert list(schema["properties"]) == [
        "title",
        "author",
        "description",
        "cover_url",
        "status",
        "chapters",
        "volumes",
    ]
    assert list(chapter["properties"]) == ["title", "number", "content", "filename", "url", "volume"]
    assert list(schema["$defs"]["BookFileVolume"]["properties"]) == ["title", "chapters"]
    assert all(field["description"] for field in [*schema["properties"].values(), *chapter["properties"].values()])
    assert [one["type"] for one in chapter["properties"]["content"]["anyOf"]] == ["string", "array", "null"]


# Real novels --------------------------------------------------------------------


def real_novels() -> list[Any]:
    found = sorted(REAL_NOVELS.glob("*/book_info.json"))
    absent = pytest.mark.skip(reason=f"the real novels are not at {REAL_NOVELS}")
    return [pytest.param(path, id=path.parent.name) for path in found] or [pytest.param(None, id="none", marks=absent)]


@pytest.mark.parametrize("path", real_novels())
def test_a_real_novel_is_read_as_json_reads_it(path: Path) -> None:
    data = path.read_bytes()
    book, plain = read_book(data), json.loads(data, parse_float=Decimal)
    assert [chapter.text() for chapter in book.chapters] == [chapter["content"] for chapter in plain["chapters"]]
    hashes = [sha256(chapter["content"].encode()).digest() for chapter in plain["chapters"]]
    assert [chapter.content_hash for chapter in book.chapters] == hashes
    assert [chapter.title for chapter in book.chapters] == [chapter["title"] for chapter in plain["chapters"]]
    assert [chapter.number for chapter in book.chapters] == [chapter["number"] for chapter in plain["chapters"]]
    assert (book.title, book.author, book.status) == (plain["title"], plain["author"], plain["status"])
    assert book.warnings == []
