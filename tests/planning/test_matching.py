"""Which chapter is which."""

from dataclasses import replace
from random import Random

import pytest

from novelsync.evidence.texts import Texts, rows_to_see
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter
from novelsync.planning.recognition.matching import pair_chapters
from tests.support.library import found, known, seen, text_of

ONE, TWO, THREE = text_of("one"), text_of("two"), text_of("three")


def test_the_same_text_is_the_same_chapter_whatever_else_changed() -> None:
    rows = [known("1", "Chapter 1", 1, "/1", ONE), known("2", "Chapter 2", 2, "/2", TWO)]
    file = [found("Two", 20, "/b", TWO), found("One", 10, "/a", ONE)]
    assert pair_chapters(rows, file) == [1, 0]


def test_a_short_text_tells_nothing() -> None:
    rows = [known("1", "Chapter 1", 1, content="soon"), known("2", "Chapter 2", 2, content=TWO)]
    file = [found("Chapter 2", 2, content="soon"), found("Chapter 1", 1, content=ONE)]
    assert pair_chapters(rows, file) == [1, 0]


def test_a_text_that_repeats_equally_often_keeps_its_order() -> None:
    rows = [known("1", "a", content=ONE), known("2", "a", content=ONE), known("3", "b", content=TWO)]
    file = [found("b", content=TWO), found("a", content=ONE), found("a", content=ONE)]
    assert pair_chapters(rows, file) == [2, 0, 1]


@pytest.mark.parametrize("edited", [[], [2], [1, 2, 3]])
@pytest.mark.parametrize("latest_on_top", [True, False])
def test_a_list_that_was_doubled_and_is_put_right_keeps_the_first_ids(latest_on_top: bool, edited: list[int]) -> None:
    def labels(n: int) -> tuple[str, int, str]:
        return f"Word {'abcd'[n]}", n, f"/{n}"

    order = [3, 2, 1, 2, 3] if latest_on_top else [1, 1, 2, 2, 3, 3]
    rows = [known(f"{k}", *labels(n), text_of(f"{n}"), position=k) for k, n in enumerate(order)]
    file = [found(*labels(n), f"{text_of(f'{n}')}{' An edit.' * (n in edited)}") for n in (1, 2, 3)]
    pairs = pair_chapters(rows, file, Texts(rows, file, seen(rows_to_see(rows, file))))
    assert pairs == [order.index(n) for n in (1, 2, 3)]


def test_copies_of_one_text_are_told_by_their_labels_when_they_change_their_order() -> None:
    rows = [known("1", "a", 1, "/1", ONE), known("2", "b", 2, "/2", ONE), known("3", "c", 3, "/3", TWO)]
    file = [found("c", 3, "/3", TWO), found("b", 2, "/2", ONE), found("a", 1, "/1", ONE)]
    assert pair_chapters(rows, file) == [2, 1, 0]


@pytest.mark.parametrize("url", ["/", ""], ids=["with urls", "without urls"])
def test_a_paywall_that_moves_on_by_a_chapter_takes_no_id_along(url: str) -> None:
    # The locked chapters all have one text; each hour the first of them is opened, and another comes.
    opened, locked = range(1, 5), range(5, 9)
    rows = [known(str(n), f"Chapter {n}", n, url and f"/{n}", text_of(str(n))) for n in opened]
    rows += [known(str(n), f"Chapter {n}", n, url and f"/{n}", THREE) for n in locked]
    file = [found(f"Chapter {n}", n, url and f"/{n}", text_of(str(n))) for n in (*opened, 5)]
    file += [found(f"Chapter {n}", n, url and f"/{n}", THREE) for n in (6, 7, 8, 9)]
    assert pair_chapters(rows, file) == [0, 1, 2, 3, 4, 5, 6, 7, None]


def test_copies_of_one_text_keep_their_order_where_a_chapter_before_them_moved_the_labels_on() -> None:
    texts = [ONE, THREE, THREE, TWO]
    rows = [known(str(n), f"Chapter {n}", n, content=text) for n, text in enumerate(texts, start=1)]
    file = [found(f"Chapter {n}", n, content=text) for n, text in enumerate([text_of("new"), *texts], start=1)]
    assert pair_chapters(rows, file) == [None, 0, 1, 2, 3]


def test_edited_chapters_keep_their_ids_where_a_chapter_before_them_moved_the_labels_on() -> None:
    texts = [text_of(str(n)) for n in range(1, 7)]
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text) for n, text in enumerate(texts, start=1)]
    texts[2:4] = [text_of("edited"), text_of("edited too")]
    file = [found(f"Chapter {n}", n, f"/{n}", text) for n, text in enumerate([text_of("new"), *texts], start=1)]
    assert pair_chapters(rows, file) == [None, 0, 1, 2, 3, 4, 5]


def test_one_text_under_another_chapters_labels_takes_no_more_than_one_id_along() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in range(1, 7)]
    texts = ["", "", text_of("2"), "", "", ""]
    file = [found(f"Chapter {n}", n, f"/{n}", text) for n, text in enumerate(texts, start=1)]
    assert pair_chapters(rows, file) == [0, None, 1, 3, 4, 5]


def test_a_text_that_repeats_more_often_than_before_is_left_to_weaker_signs() -> None:
    rows = [known("1", "a", url="/1", content=ONE)]
    file = [found("a", url="/0", content=ONE), found("a", url="/1", content=ONE)]
    assert pair_chapters(rows, file) == [None, 0]


def test_an_edited_text_is_found_by_its_url() -> None:
    rows = [known("1", "a", 1, "/1", ONE), known("2", "b", 2, "/2", TWO)]
    file = [found("new", 9, "/9", THREE), found("x", 7, "/2", TWO + "!"), found("y", 8, "/1", ONE + "!")]
    assert pair_chapters(rows, file) == [None, 1, 0]


def test_a_number_that_repeats_is_told_by_its_title() -> None:
    rows = [known("1", "Spring", 5), known("2", "Summer", 5)]
    file = [found("Summer", 5), found("Spring", 5)]
    assert pair_chapters(rows, file) == [1, 0]


def in_volumes(*volumes: tuple[str | None, int]) -> list[BookChapter]:
    """Chapters without texts and urls, each volume's numbered from 1 on."""
    return [found(f"Chapter {n}", n)._replace(volume=volume) for volume, count in volumes for n in range(1, count + 1)]


def stored(chapters: list[BookChapter]) -> list[KnownChapter]:
    return [
        replace(known(str(k), chapter.title, int(chapter.number or 0)), volume=chapter.volume)
        for k, chapter in enumerate(chapters)
    ]


def test_a_volume_tells_chapters_apart_where_numbers_begin_again() -> None:
    rows = stored(in_volumes(("I", 2), ("II", 2), ("III", 2)))
    file = in_volumes(("I", 3), ("II", 3), ("III", 3))
    assert pair_chapters(rows, file) == [0, 1, None, 2, 3, None, 4, 5, None]
    assert pair_chapters(rows, in_volumes(("III", 2), ("I", 2), ("II", 2))) == [4, 5, 0, 1, 2, 3]
    file = in_volumes(("I", 1), ("II", 3), ("III", 2))
    assert pair_chapters(rows, file) == [0, 2, 3, None, 4, 5], "the second of I is not the third of II"


def test_volumes_that_get_other_names_take_no_id_along() -> None:
    rows = stored(in_volumes(("I", 2), ("II", 2)))
    assert pair_chapters(rows, in_volumes(("One", 2), ("Two", 2))) == [0, 1, 2, 3]
    assert pair_chapters(rows, in_volumes((None, 2), (None, 2))) == [0, 1, 2, 3]
    assert pair_chapters(stored(in_volumes((None, 2), (None, 2))), in_volumes(("I", 2), ("II", 2))) == [0, 1, 2, 3]


def test_a_chapter_may_change_volumes_where_numbers_go_on() -> None:
    file = [found(f"Chapter {n}", n)._replace(volume="I" if n < 4 else "II") for n in range(1, 7)]
    rows = stored(file)
    file = [chapter._replace(volume="I" if chapter.number == 4 else chapter.volume) for chapter in file]
    assert pair_chapters(rows, [found("Prologue", 0), *file, found("Chapter 7", 7)]) == [None, 0, 1, 2, 3, 4, 5, None]


def test_a_title_that_is_unique_on_both_sides_is_enough() -> None:
    rows = [known("1", "Spring", 1), known("2", "Summer", 2), known("3", "Summer", 3)]
    file = [found("Summer", 7), found("Spring", 9)]
    assert pair_chapters(rows, file) == [None, 0]


def test_a_number_that_is_unique_on_both_sides_is_enough() -> None:
    rows = [known("1", "Spring", 1), known("2", "Summer", 2)]
    file = [found("Winter", 3), found("Autumn", 4), found("Sommer", 2)]
    assert pair_chapters(rows, file) == [None, None, 1]


def test_chapters_between_two_that_are_known_are_paired_by_their_place() -> None:
    rows = [known("1", content=ONE), known("2", "x"), known("3", "y"), known("4", content=TWO)]
    file = [found(content=ONE), found("p"), found("q"), found(content=TWO)]
    assert pair_chapters(rows, file) == [0, 1, 2, 3]


def test_place_does_not_pair_where_one_side_has_more() -> None:
    rows = [known("1", content=ONE), known("2", "x"), known("4", content=TWO)]
    file = [found(content=ONE), found("p"), found("q"), found(content=TWO)]
    assert pair_chapters(rows, file) == [0, None, None, 2]


def test_place_does_not_pair_across_chapters_that_changed_their_order() -> None:
    rows = [known("1", content=ONE), known("2", "x"), known("3", content=TWO)]
    file = [found(content=TWO), found("p"), found(content=ONE)]
    assert pair_chapters(rows, file) == [2, None, 0]


def test_chapters_that_nothing_tells_apart_keep_their_ids_when_one_is_added() -> None:
    rows = [known(str(n), content="short") for n in range(3)]
    assert pair_chapters(rows, [found(content="short") for _ in range(4)]) == [0, 1, 2, None]
    file = [found("new", content=ONE), *(found(content="short") for _ in range(3))]
    assert pair_chapters(rows, file) == [None, 0, 1, 2]


def test_a_novel_without_texts_keeps_its_ids_when_chapters_are_added() -> None:
    rows = [known(str(n), "Soon") for n in range(5)]
    assert pair_chapters(rows, [found("Soon") for _ in range(7)]) == [0, 1, 2, 3, 4, None, None]


def test_a_long_text_that_repeats_once_more_keeps_the_ids_it_had() -> None:
    rows = [known("1", "a", content=ONE), known("2", "b", content=TWO)]
    file = [found("a", content=ONE), found("b", content=TWO), found("a", content=ONE)]
    assert pair_chapters(rows, file) == [0, 1, None]


def prose(name: str) -> str:
    words = Random(name)  # noqa: S311
    return " ".join("".join(words.choices("aeioulmnrst", k=words.randrange(2, 9))) for _ in range(150))


def test_a_new_chapter_does_not_get_the_id_of_a_withdrawn_one_whose_number_it_has_now() -> None:
    texts = [prose(str(n)) for n in range(8)]
    rows = [known(str(n), f"Chapter {n}", n, content=text) for n, text in enumerate(texts, start=1)]
    left = [text for n, text in enumerate(texts) if n not in (2, 6)]
    file = [found(f"Chapter {n}", n, content=t) for n, t in enumerate([*left, prose("new"), prose("newer")], start=1)]
    assert pair_chapters(rows, file, Texts(rows, file, seen(rows_to_see(rows, file)))) == [0, 1, 3, 4, 5, 7, None, None]


def test_a_chapter_that_was_removed_is_recognised_when_it_comes_back() -> None:
    rows = [known("1", "a", content=ONE), known("2", "b", content=TWO, removed=True)]
    file = [found("a", content=ONE), found("b again", content=TWO)]
    assert pair_chapters(rows, file) == [0, 1]


def test_a_removed_chapter_is_not_paired_for_its_place_alone() -> None:
    rows = [known("1", "a", content=ONE), known("2", "b", 2, "/2", TWO, removed=True)]
    file = [found("a", content=ONE), found("c", 3, "/3", THREE)]
    assert pair_chapters(rows, file) == [0, None]


@pytest.mark.parametrize(("url", "text"), [("", THREE), ("/2", text_of("edited"))], ids=["text", "url"])
def test_a_removed_chapter_that_is_back_is_not_taken_for_what_stood_in_its_place(url: str, text: str) -> None:
    rows = [
        known("1", "a", 1, content=ONE),
        known("3", "a note", 90, "/90", text_of("note")),
        known("4", "c", 3, content=TWO),
        known("2", "b", 2, "/2", THREE, removed=True),
    ]
    file = [found("a", 1, content=ONE), found("b", 2, url, text), found("c", 3, content=TWO)]
    assert pair_chapters(rows, file) == [0, 3, 2]


def test_a_removed_chapter_that_is_back_with_its_text_is_not_taken_for_one_that_has_its_number() -> None:
    rows = [known("2", "b", 1, "/2", TWO), known("3", "c", 2, "/3", THREE), known("1", "a", 1, "/1", ONE, removed=True)]
    assert pair_chapters(rows, [found("a", 1, "/1", ONE), found("c", 2, "/3", THREE)]) == [2, 1]


def test_a_published_chapter_goes_before_a_removed_one_of_the_same_text() -> None:
    rows = [known("2", "b", content=ONE), known("1", "a", content=ONE, removed=True)]
    assert pair_chapters(rows, [found("a", content=ONE)]) == [0]


def test_nothing_known_makes_every_chapter_new() -> None:
    assert pair_chapters([], [found("a"), found("b")]) == [None, None]


def test_an_empty_file_pairs_nothing() -> None:
    assert pair_chapters([known("1", "a")], []) == []
