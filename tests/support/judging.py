"""What must hold of whatever bytes the reader is given; called by tests, and by the fuzzer millions of times."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any, NoReturn

from novelsync.books.reader import read_book
from novelsync.errors import BookRefused
from novelsync.evidence.visible import shows_nothing
from novelsync.models.source import EMPTY_HASH, Book, BookChapter

MOST_CHARACTERS = 5_000
"""Of what a refusal says: it is stored, and shown on one page with a hundred others."""


def judge(data: bytes) -> Book | BookRefused:
    """What became of it, looked at from all sides. Raises `AssertionError`, and whatever should never have got out."""
    outcome, again = _outcome(data), _outcome(data, quickly=False)
    plain = _as_json_reads_it(data)
    if isinstance(outcome, BookRefused):
        assert isinstance(again, BookRefused)
        assert (outcome.reasons, outcome.hint) == (again.reasons, again.hint)
        _judge_refusal(outcome, is_json=plain is not None)
    else:
        assert isinstance(again, Book)
        assert _compared(outcome) == _compared(again)
        assert all(_storable(word) for word in _words(outcome))
        assert outcome.title.strip()
        for chapter in outcome.chapters:
            _judge_chapter(chapter)
        if plain is not None:
            _compare(outcome, plain)
    return outcome


def _outcome(data: bytes, *, quickly: bool = True) -> Book | BookRefused:
    try:
        return read_book(data, quickly=quickly)
    except BookRefused as refusal:
        return refusal


def _judge_refusal(refusal: BookRefused, *, is_json: bool) -> None:
    said = f"{refusal.message} {refusal.hint}"
    assert refusal.reasons
    assert refusal.hint
    assert len(said) <= MOST_CHARACTERS
    assert _storable(said)
    assert said.isprintable()
    assert "do not fit into memory" not in said
    assert not (
        is_json and refusal.reasons[0].startswith(("the file is not JSON", "the file is cut", "the file is em"))
    )


def _judge_chapter(chapter: BookChapter) -> None:
    text, stored = chapter.text(), chapter.text().encode()
    assert bytes(chapter.stored()) == stored
    assert not chapter.escaped or json.loads(bytes(chapter.raw())) == text
    assert (chapter.content_hash, chapter.content_bytes) == (sha256(stored).digest(), len(stored))
    assert chapter.fetched == (not shows_nothing(text)) == (chapter.content_hash != EMPTY_HASH)
    if chapter.number is not None:
        assert chapter.number.is_finite()
        assert len(chapter.number.as_tuple().digits) <= 60  # Postgres' numeric has room for 131,072 and 16,383
        assert chapter.number.as_tuple().exponent in range(-30, 1)


def _compared(book: Book) -> tuple[Book, list[Any]]:
    """All that the book says, the numbers to the last zero; texts as they are stored."""
    chapters = [
        (str(each.number), bytes(each.stored()), each._replace(raw=bytes, escaped=False)) for each in book.chapters
    ]
    return replace(book, chapters=()), chapters


def _words(book: Book) -> Iterator[str]:
    yield from (book.title, *map(str, (book.author, book.description, book.cover_url, book.status)), *book.warnings)
    for chapter in book.chapters:
        yield from (chapter.title, chapter.url, str(chapter.number), chapter.text())


def _storable(text: str) -> bool:
    """Postgres has no U+0000; and what is half a surrogate pair has no UTF-8."""
    return not re.search("[\0\ud800-\udfff]", text)


# The same file as the standard library reads it --------------------------------------


class _Number(str):
    """As it is written."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _as_json_reads_it(data: bytes) -> Any:
    """None if it does not, or if that would take too deep a stack."""
    try:
        return json.loads(data, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _mended(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text).replace("\0", "")


def _compare(book: Book, plain: Any) -> None:
    assert book.title == _mended(plain["title"])
    for key in ("author", "description", "cover_url", "status"):
        if isinstance(plain.get(key), str):
            assert getattr(book, key) == _mended(plain[key])
    chapters = plain.get("chapters") or []
    assert len(book.chapters) == len(chapters)
    for chapter, said in zip(book.chapters, chapters, strict=True):
        text = said.get("content") or ""
        text = _mended(text if isinstance(text, str) else "\n\n".join(text))
        assert chapter.text() == ("" if shows_nothing(text) else text)
        for key in ("title", "url"):
            if isinstance(said.get(key, ""), str):
                assert getattr(chapter, key) == _mended(said.get(key, ""))
        number = said.get("number")
        if isinstance(number, _Number) and re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?", number):
            assert str(chapter.number) == str(Decimal(number))
