"""Anything at all is a book or refused, whoever wrote it; `make fuzz` goes on where this ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelsync.books.reader import read_book
from novelsync.evidence.visible import shows_nothing
from tests.support.hostile import FILES
from tests.support.judging import MOST_CHARACTERS, judge
from tests.support.library import REAL_NOVELS
from tests.support.limited import memory

ANYTHING = settings(max_examples=300, deadline=None, database=None)

# Documents as texts and not as values, so that a key can come twice and a number be as long as it likes.
PIECES = st.sampled_from(
    [
        r"\u0000",
        r"\ud800",
        r"\uDFFF",
        r"\ud83d\ude00",
        r"\\",
        r"\\ud800",
        r"\"",
        r"\n",
        r"\/",
        r"\u0074",
        r"\x",
        r"\ud8",
    ]
)
STRINGS = st.lists(PIECES | st.text(max_size=5), max_size=6).map(lambda pieces: f'"{"".join(pieces)}"')
NUMBERS = st.sampled_from(
    [
        "-0",
        "01",
        "1.",
        "-",
        "+1",
        "1.50",
        "1e2",
        "1E-9",
        "1e999",
        "1e-999999999",
        "9" * 30,
        "9" * 5_000,
        "0." + "1" * 31,
    ]
)
SCALARS = STRINGS | NUMBERS | st.integers().map(str) | st.sampled_from(["null", "true", "false", "NaN", "-Infinity"])
KEYS = st.sampled_from(["title", "number", "content", "url", "Content", r"\u0074itle", "name", "\u00fc"]).map(
    lambda key: f'"{key}"'
)


def an_array(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=4).map(lambda items: f"[{','.join(items)}]")


def an_object(keys: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(keys, values).map(":".join), max_size=5).map(lambda pairs: f"{{{', '.join(pairs)}}}")


VALUES = st.recursive(
    SCALARS | st.integers(0, 3_000).map(lambda depth: "[" * depth + "]" * depth),
    lambda inner: an_array(inner) | an_object(KEYS, inner),
    max_leaves=8,
)
CHAPTERS = an_array(an_object(KEYS, STRINGS | VALUES) | an_object(KEYS, STRINGS))
MEMBERS = st.one_of(
    CHAPTERS.map('"chapters": {}'.format),
    st.tuples(st.sampled_from(["title", "author", "description", "cover_url", "status", "Title", "x"]), VALUES).map(
        lambda pair: f'"{pair[0]}": {pair[1]}'
    ),
    STRINGS.map('"title": {}'.format),
)
DOCUMENTS = st.lists(MEMBERS, max_size=6).map(
    lambda members: f'{{"title": "Emma", {", ".join(members)}}}'.replace(", }", "}")
)

# As nearly all files are: each is read in the quick way, unless something in it is unusual after all.
USUAL_TEXTS = st.lists(
    st.sampled_from(
        [
            r"\n",
            r"\"",
            r"\\",
            r"\\n",
            r"\\\"",
            r"\t",
            r"\/",
            r"\u00e9",
            "Emma ",
            "文",
            "\u3000",
            "\u200b",
            " ",
            "<p>",
            "&nbsp;",
            "word " * 900,
            "文" * 1_500,
            "\u3000" * 1_400,
        ]
    ),
    max_size=5,
).map(lambda pieces: f'"{"".join(pieces)}"')
USUAL = {
    "title": USUAL_TEXTS | st.just("null"),
    "number": st.sampled_from(["1", "2", "10.50", '"3"', '"10.5"', "-1", "null", "9" * 30, "9" * 31, '" 7 "', "1e2"]),
    "content": USUAL_TEXTS | st.just("null") | st.just('["a", "b"]'),
    "url": USUAL_TEXTS,
    "volume": st.sampled_from(["null", '"I"', '""', "3"]),
    "filename": st.sampled_from(["null", '"1.html"', '""']),
    "x": VALUES,
}
USUAL_DOCUMENTS = an_array(
    st.lists(st.sampled_from(sorted(USUAL)), unique=True)
    .flatmap(lambda keys: st.tuples(*(USUAL[key].map(f'"{key}": {{}}'.format) for key in keys)))
    .map(lambda members: f"{{{', '.join(members)}}}")
).map('{{"title": "Emma", "tags": [{{}}], "chapters": {}}}'.format)

SEEDS = [path.read_bytes()[:2_000] for path in sorted(REAL_NOVELS.glob("*/book_info.json"))] + [
    json.dumps(
        {"title": "Emma", "author": ["J", "A"], "chapters": [{"number": 1.5, "content": "\ud800 ☕ \0"}] * 3}
    ).encode(),
    '{"title": "红楼梦", "status": true, "chapters": [{"number": "1", "content": ["a", "\\\\"]}]}'.encode(),
]


@ANYTHING
@given(st.binary())
@example(b"\0")
@example(b"\xff\xfe")
def test_any_bytes_are_a_book_or_refused(data: bytes) -> None:
    judge(data)


@ANYTHING
@given(DOCUMENTS | VALUES, st.sampled_from(["utf-8", "utf-8-sig"]))
def test_any_document_is_a_book_or_refused(document: str, encoding: str) -> None:
    judge(document.encode(encoding, "surrogatepass"))


@ANYTHING
@given(USUAL_DOCUMENTS)
def test_the_quick_way_and_the_validators_read_the_same(document: str) -> None:
    judge(document.encode())


@ANYTHING
@given(st.sampled_from(SEEDS), st.sampled_from(SEEDS), st.data())
def test_any_damaged_file_is_a_book_or_refused(file: bytes, other: bytes, choices: st.DataObject) -> None:
    start = choices.draw(st.integers(0, len(file)))
    end = choices.draw(st.integers(start, min(len(file), start + 5)) | st.just(len(file)))
    from_there = choices.draw(st.integers(0, len(other)))
    put_in = choices.draw(st.binary(max_size=3) | st.sampled_from([b"\\ud800", b"\\", b"\0", b'"', other[from_there:]]))
    judge(file[:start] + put_in + file[end:])


@ANYTHING
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.booleans())
def test_any_text_comes_out_as_it_went_in(text: str, escaped: bool) -> None:
    book = read_book(json.dumps({"title": "Emma", "chapters": [{"content": text}]}, ensure_ascii=escaped).encode())
    assert [chapter.text() for chapter in book.chapters] == ["" if shows_nothing(text) else text]


# What is made to fill the memory -------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a part of a process' life")
def test_no_file_takes_gigabytes_or_crashes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.hostile", "3"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=memory(400_000_000),
    )
    files = [json.loads(line) for line in done.stdout.splitlines()]
    assert {file["name"] for file in files} == set(FILES)
    assert [file for file in files if "do not fit into memory" in file["came"]] == []
    assert [file for file in files if file["taken"] > 3 * file["size"] + 200_000_000] == []
    assert [file for file in files if len(file["came"]) > MOST_CHARACTERS] == []
