"""What of a file takedowns keep back, decided from the file alone."""

from datetime import UTC, datetime

import pytest

from novelsync.evidence.shingles import shingles
from novelsync.models.desk.takedowns import NamedNovel, Takedown, TakedownKind, TakenRow, Withheld
from novelsync.models.source import UNSET, Book, BookChapter
from novelsync.planning.takedowns.signs import begins_with, host_of, plain_url, signs_of
from novelsync.planning.takedowns.withholding import Takedowns
from tests.support.library import found


def prose(seed: str, words: int = 300) -> str:
    return " ".join(f"w{seed}{n * 7919 % 997}" for n in range(words))


def takedown(kind: TakedownKind, *texts: str, id_: int = 1, urls: tuple[str, ...] = ()) -> Takedown:
    rows = [
        TakenRow(str(n), "emma", f"Chapter {n}", urls[n] if n < len(urls) else "", len(text), shown=True)
        for n, text in enumerate(texts)
    ]
    signs, _ = signs_of(kind, NamedNovel("1", "emma", "Emma", "Jane"), rows, {str(n): t for n, t in enumerate(texts)})
    return Takedown(id_, kind, "emma", "Emma", "", 1, len(rows), datetime.now(UTC), signs=signs)


def book(*chapters: BookChapter, title: str = "Another", author: str = "Nobody") -> Book:
    return Book(title, author, UNSET, UNSET, UNSET, chapters)


def of(takedowns: list[Takedown], file: Book) -> Withheld:
    return Takedowns(takedowns).of_book(file)


def test_a_text_keeps_back_the_chapters_that_have_half_of_it_or_are_half_of_it() -> None:
    text = prose("a")
    down = [takedown(TakedownKind.TEXT, text)]
    words = text.split()
    file = book(
        found("own", content=prose("b")),
        found("the same", content=text),
        found("its second half", content=" ".join(words[150:])),
        found("with as much again", content=f"{text} {prose('c')}"),
        found("quoted", content=f"{prose('d')} {' '.join(words[:60])} {prose('e')}"),
        found("empty"),
    )
    assert of(down, file) == Withheld(whole=False, chapters=frozenset({1, 2, 3}), takedowns=(1,))


def test_a_novel_is_kept_back_whole_if_most_of_what_a_file_says_is_its_own() -> None:
    own = [prose(f"a{n}") for n in range(10)]
    down = [takedown(TakedownKind.NOVEL, *own)]
    others = [found(f"o{n}", content=prose(f"b{n}")) for n in range(10)]
    some = [found(f"c{n}", content=text) for n, text in enumerate(own)]
    assert of(down, book(*some, *others[:4])).whole
    few = of(down, book(*some[:3], *others))
    assert (few.whole, few.chapters) == (False, frozenset({0, 1, 2}))
    assert of(down, book(*some[:3], *others[:7], title="EMMA", author="Jane")).whole, "a fifth, under the same title"
    assert not of(down, book(*others, title="Emma", author="Jane")), "nothing but the title in common"


def test_what_stands_in_place_of_chapters_is_no_sign() -> None:
    notice = "Failed to download chapter body"
    repeated = "A word from the site. " * 30
    down = [takedown(TakedownKind.NOVEL, prose("a"), notice, repeated, repeated, repeated)]
    assert not of(down, book(found("1", content=notice), found("2", content=repeated), found("3", content=prose("b"))))


def test_a_short_text_is_recognised_only_with_its_title() -> None:
    down = [takedown(TakedownKind.TEXT, "A letter of two lines, no more.")]
    file = book(
        found("Chapter 0", content="<p>A letter of two lines, no more.</p>"),
        found("Chapter 9", content="A letter of two lines, no more."),
    )
    assert of(down, file).chapters == frozenset({0})


def test_a_page_is_recognised_however_its_url_is_written() -> None:
    down = [takedown(TakedownKind.CHAPTER, prose("a"), urls=("https://a.example/n/1",))]
    urls = ("http://www.A.example/n/1/", "https://m.a.example/n/1?utm_source=x#top", "https://a.example/n/11")
    file = book(*(found(f"{n}", url=url, content=prose(f"b{n}")) for n, url in enumerate(urls)))
    assert of(down, file).chapters == frozenset({0, 1})


def test_an_url_that_several_chapters_have_is_no_sign() -> None:
    same = ("https://a.example/n", "https://a.example/n")
    down = [takedown(TakedownKind.NOVEL, prose("a"), prose("b"), urls=same)]
    assert not of(down, book(found("1", url=same[0], content=prose("c"))))


def test_texts_that_were_compared_before_are_not_read_again() -> None:
    def unreadable() -> bytes:
        raise AssertionError

    chapter = found("1", content=prose("a"))._replace(raw=unreadable)
    down = Takedowns([takedown(TakedownKind.TEXT, prose("a"))])
    assert not down.of_book(book(chapter), {chapter.content_hash})


@pytest.mark.parametrize(
    ("url", "prefix", "begins"),
    [
        ("https://a.example/n/12", "a.example/n/12", True),
        ("https://a.example/n/12/3", "a.example/n/12", True),
        ("https://a.example/n/12.html", "a.example/n/12", True),
        ("https://a.example/n/123", "a.example/n/12", False),
        ("https://aa.example/n/12", "a.example/n/12", False),
        ("https://a.example/#/n/12", "https://a.example/#/n/1", False),
        ("https://a.example/#/n/12/1", "https://a.example/#/n/12", True),
    ],
)
def test_an_url_begins_with_a_prefix_at_the_end_of_a_word(url: str, prefix: str, begins: bool) -> None:
    assert begins_with(plain_url(url), plain_url(prefix)) is begins
    assert host_of(prefix) == "a.example"


def test_the_numbers_of_a_text_are_the_same_in_every_process() -> None:
    english, mask = shingles("The same four words, and <b>four</b> more.")
    assert (sorted(english), mask) == ([1900629068, 2978130662, 3032050628, 4147415421], 0)
    chinese, _ = shingles("他来到这座城市已经三年了。")
    assert sorted(chinese) == [168304340, 1145557294, 1331769298, 2353926645, 2815851432]
    assert shingles("他来到这座城市 (b.example) 已经三年了")[0] != chinese
