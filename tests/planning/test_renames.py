"""What makes a file another slug's novel, and what two novels may have in common."""

from collections.abc import Sequence

import pytest

from novelsync.models.source import UNSET, Book, BookChapter, NovelFields
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.planning.recognition.renames import (
    ASKED_TEXTS,
    fingerprint,
    is_another,
    is_novel,
    says_something,
    telling_texts,
)
from tests.support.library import found, known, text_of

NOTICE = text_of("this chapter is locked, read it on our site")
PLACEHOLDER = "<html><head><title>Just a moment...</title></head><body>" + "<br>" * 60 + "</body></html>"


def book(*texts: str, title: str = "Emma", site: str = "") -> Book:
    chapters = [found(f"Chapter {n}", n, f"{site}/{n}" if site else "", text) for n, text in enumerate(texts, start=1)]
    return Book(title, UNSET, UNSET, UNSET, UNSET, chapters)


def stored(*texts: str, title: str = "Emma", site: str = "") -> KnownNovel:
    rows: Sequence[KnownChapter] = [
        known(str(n), f"Chapter {n}", n, f"{site}/{n}" if site else "", text, position=n)
        for n, text in enumerate(texts, start=1)
    ]
    return KnownNovel("emma", 1, False, NovelFields(title), rows)


def texts(first: int, last: int, novel: str = "emma") -> list[str]:
    return [text_of(f"{novel} {n}") for n in range(first, last + 1)]


@pytest.mark.parametrize(
    ("what", "file", "same"),
    [
        ("the same", texts(1, 10), True),
        ("grown by a few chapters", texts(1, 14), True),
        ("with some texts edited", texts(1, 6) + texts(7, 10, "edited"), True),
        ("with as many edited as not", texts(1, 5) + texts(6, 10, "edited"), False),
        ("an excerpt", texts(1, 4), False),
        ("an omnibus of it and others", texts(1, 10) + texts(1, 10, "anna") + texts(1, 10, "persuasion"), False),
        ("a notice in all chapters", [NOTICE] * 10, False),
        ("another with the same preface", texts(1, 1) + texts(2, 10, "anna"), False),
    ],
)
def test_most_of_the_telling_texts_of_both_sides_make_the_same_novel(what: str, file: list[str], same: bool) -> None:
    assert is_novel(book(*file, title="Renamed"), stored(*texts(1, 10)), same_bytes=False) is same, what


def test_a_novel_of_one_chapter_is_recognised_by_its_title_too() -> None:
    assert is_novel(book(NOTICE), stored(NOTICE), same_bytes=False)
    assert is_novel(book(NOTICE, title="EMMA"), stored(NOTICE), same_bytes=False)
    assert not is_novel(book(NOTICE, title="Anna"), stored(NOTICE), same_bytes=False)


def test_known_placeholders_and_what_stands_in_several_chapters_tell_nothing() -> None:
    file = book(PLACEHOLDER, NOTICE, NOTICE, "Short.", text_of("one"))
    assert list(telling_texts(file)) == [file.chapters[4].content_hash]


def test_a_few_texts_are_asked_for_whatever_the_order_of_the_chapters() -> None:
    forward, backward = book(*texts(1, 40)), book(*reversed(texts(1, 40)))
    assert len(fingerprint("", forward).texts) == ASKED_TEXTS
    assert fingerprint("", forward).texts == fingerprint("", backward).texts


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (book(), False),
        (book("Coming soon"), False),
        (book(*["Failed to download chapter body"] * 5), False),
        (book(NOTICE), True),
        (book("Coming soon", site="https://example.com"), True),
        (book("A poem.", "Another poem.", "A third poem."), True),
    ],
)
def test_the_same_bytes_count_where_they_say_something(file: Book, says: bool) -> None:
    assert says_something(file) is says
    assert is_novel(file, stored(), same_bytes=True) is says


SITE, OTHER = "https://a.example", "https://b.example"


def named(*titles: str) -> list[BookChapter]:
    return [found(title, n, content=text_of(title)) for n, title in enumerate(titles)]


@pytest.mark.parametrize(
    ("what", "file", "another"),
    [
        ("everything is new", book(*texts(1, 5, "anna"), title="Anna", site=OTHER), True),
        ("everything is new, and it has no texts yet", book("", "", title="Anna", site=OTHER), True),
        ("the title stayed", book(*texts(1, 5, "anna"), site=OTHER), False),
        ("the addresses stayed", book(*texts(1, 5, "anna"), title="Anna", site=SITE), False),
        ("a text stayed", book(*texts(5, 9), title="Anna", site=OTHER), False),
        ("there is nothing to compare", book("", title="Anna"), False),
    ],
)
def test_it_is_another_novel_only_if_nothing_stayed(what: str, file: Book, another: bool) -> None:
    assert is_another(file, stored(*texts(1, 5), site=SITE)) is another, what


def test_titles_that_say_more_than_a_number_speak_for_the_same_novel() -> None:
    rows = [known(str(n), title, n, content=text_of(f"old {n}")) for n, title in enumerate(("The ball", "The picnic"))]
    novel = KnownNovel("emma", 1, False, NovelFields("Emma"), rows)
    assert not is_another(Book("Emma, anew", UNSET, UNSET, UNSET, UNSET, named("The ball", "The picnic")), novel)
    assert is_another(Book("Anna", UNSET, UNSET, UNSET, UNSET, named("The train", "The race")), novel)
