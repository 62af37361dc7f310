"""Which texts stay, and why: what a reader could not take for the chapter replaces nothing."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from novelsync.evidence.texts import Texts, rows_to_see
from novelsync.models.source import UNSET, Book, BookChapter, NovelFields
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.planning.guards.labels import guard_novel
from novelsync.planning.guards.texts import guard_texts
from novelsync.planning.recognition.matching import pair_chapters
from tests.support.library import found, known, seen

WORDS = "the keeper of an old lamp walked slowly under a bridge and said nothing about rain or winter ships".split()


def story(name: str, words: int = 300) -> str:
    """A text of its own, always the same for a name."""
    dice = random.Random(name)  # noqa: S311
    return " ".join(dice.choice(WORDS) for _ in range(words)) + "."


def title(n: int) -> str:
    """One that says more than the number."""
    return f"Chapter {n}: {''.join(chr(97 + int(digit)) for digit in str(n))}"


def chapters_of(texts: Sequence[str]) -> list[BookChapter]:
    return [found(title(n), n, f"/{n}", text) for n, text in enumerate(texts, start=1)]


def rows_of(texts: Sequence[str]) -> list[KnownChapter]:
    return [known(str(n), title(n), n, f"/{n}", text, position=n) for n, text in enumerate(texts, start=1)]


def held(
    before: Sequence[str], after: Sequence[str], holders: Mapping[bytes, frozenset[str]] | None = None, peak: int = 0
) -> dict[str, str]:
    """By the number of the chapter, why its text stays. ``peak``: letters that each showed within a day."""
    rows, chapters = [replace(row, peak_letters=peak) for row in rows_of(before)], chapters_of(after)
    texts = Texts(rows, chapters, seen(rows_to_see(rows, chapters)), holders)
    reasons = guard_texts(rows, chapters, pair_chapters(rows, chapters, texts), texts)
    return {rows[k].id: reason for k, reason in reasons.items()}


A, B, C, D = (story(name) for name in "abcd")
PAGE = story("a page of the site")


def test_a_text_that_is_garbled_gives_way_to_one_that_can_be_read() -> None:
    russian = "Хранитель маяка медленно шёл под мостом и ничего не говорил о дожде. " * 20
    garbled = [f"{n} {russian}".encode().decode("latin-1") for n in range(3)]
    assert held(garbled, [f"{n} {russian}" for n in range(3)]) == {}


def test_where_but_the_quotation_marks_are_garbled_a_text_defends_itself() -> None:
    def garbled(name: str) -> str:
        words = story(name).split()
        return " ".join(f"\u00e2\u20ac\u0153{word}" if n % 9 == 0 else word for n, word in enumerate(words))

    notice = "Become a member to go on reading this chapter, and all others of it."
    assert len(held([garbled(f"{n}") for n in range(3)], [f"{n} {notice}" for n in range(3)])) == 3


def test_a_beginning_below_a_heading_is_a_preview_too_and_the_end_of_a_text_is_none() -> None:
    whole = [story(f"{n}", 380) for n in range(4)]
    previews = [f"Chapter {n} of 4\n\n{text[: len(text) // 3]} Unlock the rest" for n, text in enumerate(whole, 1)]
    reasons = held(whole, previews)
    assert len(reasons) == 4
    assert all(reason.startswith("the file has the beginning of it") for reason in reasons.values())
    assert held(whole[:1], [whole[0][len(whole[0]) * 2 // 3 :]]) == {}


def test_a_page_that_stood_in_most_chapters_gives_way_to_shorter_texts() -> None:
    page = story("a page", 390)
    assert held([page] * 5, [story(f"{n}", 80) for n in range(5)]) == {}
    assert len(held([page, *(story(f"old {n}", 390) for n in range(4))], [story(f"{n}", 80) for n in range(5)])) == 5


def test_beside_texts_that_are_mostly_worse_no_other_one_replaces_its_own() -> None:
    before = [story(f"{n}") for n in range(5)]
    login = "Please log in to continue reading."
    after = [login, login, login, story("a page of another kind"), f"{before[4]} And an edit."]
    assert held(before, after).keys() == {"1", "2", "3", "4"}
    assert held(before, [login, *before[1:3], *after[3:]]).keys() == {"1"}, "where most are not"
    poems = [f"{text[:40]}." for text in before]
    assert held([*before[:4], poems[0]], [login] * 4 + [f"{poems[0]} My friend."]).keys() == {"1", "2", "3", "4"}


def test_the_first_half_of_most_texts_is_a_page_of_them_and_of_one_a_revision() -> None:
    whole = [story(f"{n}", 390) for n in range(5)]
    halves = [text[: len(text) // 2] for text in whole]
    assert len(held(whole, [*halves[:4], whole[4]])) == 4
    assert held(whole, [*halves[:2], *whole[2:]]) == {}
    footer = story("the site's own words", 300)
    assert held([f"{text} {footer}" for text in halves], halves) == {}


@pytest.mark.parametrize(
    ("worse", "because"),
    [
        ("Failed to download chapter body", "a placeholder"),
        ("<h1>Chapter 1: b</h1><p>&nbsp;</p>", "nothing but a heading"),
        ("* * *", "nothing but punctuation"),
        ("".join(f'<a href="/{n}">{word}</a> ' for n, word in enumerate(WORDS * 20)), "little but links"),
        ("<form><input name='user'><input name='password'></form> Log in to go on reading.", "a form"),
        (A[:450] + " Buy this chapter to read on.", "in place of"),
        (story("short", 40), "letters in place of"),
        (A.replace("e", "\ufffd"), "cannot be read"),
        ("Ð¡Ð»Ð¾Ð²Ð¾ " * 300, "cannot be read"),
        ("слово за словом " * 100, "another script, Cyrillic in place of Latin"),
    ],
)
def test_a_text_that_is_plainly_worse_replaces_none(worse: str, because: str) -> None:
    reasons = held([A, B], [worse, B])
    assert list(reasons) == ["1"]
    assert because in reasons["1"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([A, B], [story("translated anew"), story("and this")]),
        ([A, B], [A[: len(A) // 2], B]),
        ([A, B, ""], [A[: len(A) // 4], B, A[len(A) // 4 :]]),
        (["Failed to download chapter body", B], ["A short, true chapter.", B]),
        ([A, B], [f"<p>{A}</p>", B.replace(" ", "\u200b ")]),
        ([A, B], [A, "404 Not Found, said the screen. " + B]),
        ([A, B, C], [C, B, A + " And so on."][::-1]),
        (["A drabble of a few words, and it is all there is."], ["Another one."]),
        ([A, B], [A + "<form><input name='comment'><button>Send</button></form>", B]),
        (["Soon.", B], ["<p><img src='map.png' alt=''></p>", B]),
        ([A, B, C, D], [story("a", 420), B, C, D]),
    ],
    ids=[
        "a translation",
        "a shortened chapter",
        "a chapter that is split",
        "a text for a notice",
        "other markup",
        "a quotation",
        "an edit",
        "a drabble",
        "buttons below a chapter",
        "an illustration",
        "a longer chapter",
    ],
)
def test_honest_work_goes_in(before: Sequence[str], after: Sequence[str]) -> None:
    assert held(before, after) == {}


def test_one_text_in_place_of_several_replaces_none() -> None:
    assert list(held([A, B, C], [PAGE, PAGE, C])) == ["1", "2"]


def test_a_page_that_differs_only_in_the_chapters_name_replaces_none() -> None:
    assert list(held([A, B, C], [f"One. {PAGE}", f"Two. {PAGE}", C])) == ["1", "2"]


def test_another_chapters_text_replaces_none_that_would_be_nowhere() -> None:
    assert list(held([A, B, C, D], [A, A, C, D])) == ["2"]
    assert sorted(held([A, B, C, D], [B, C, D, ""])) == ["1", "2", "3"]


def test_texts_that_only_changed_places_stay() -> None:
    reasons = held([A, B, C, D], [B, A, C, D])
    assert set(reasons.values()) == {"2 texts changed places under the same labels"}


def test_a_text_that_stood_twice_is_put_right() -> None:
    assert held([A, A, B, C], [A, B, C, D]) == {}


def test_a_text_of_another_novel_replaces_none() -> None:
    other = {found(content=D).content_hash: frozenset({"persuasion"})}
    assert held([A, B], [D, B], other) == {"1": 'the file has a text of another novel, "persuasion"'}


def test_a_text_is_compared_with_the_most_that_it_showed_within_a_day() -> None:
    assert held([A, B], [A[: len(A) * 7 // 10], B]) == {}
    reason = held([A, B], [A[: len(A) * 7 // 10], B], peak=3 * len(A))["1"]
    assert re.fullmatch(r"the file shows \d+ letters in place of \d,\d+, within a day", reason)


def test_another_novels_file_is_told_by_all_that_it_lacks() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/emma/{n}", story(f"emma {n}"), position=n) for n in range(1, 6)]
    chapters = [found(f"Chapter {n}", n, f"/other/{n}", story(f"other {n}")) for n in range(1, 6)]
    texts = Texts(rows, chapters, seen(rows_to_see(rows, chapters)))
    pairs = pair_chapters(rows, chapters, texts)

    emma = KnownNovel("emma", 1, same=False, fields=NovelFields("Emma", "Jane Austen"), chapters=rows)

    def guarded(title: str) -> str:
        book = Book(title, "Somebody", UNSET, UNSET, UNSET, chapters)
        return guard_novel(emma, book, pairs, texts)

    assert 'another novel\'s, "Persuasion" by "Somebody"' in guarded("Persuasion")
    assert guarded("Emma (second translation)") == ""


def test_a_list_that_is_off_by_one_for_thousands_is_held_whole() -> None:
    texts = [story(f"n {n}", 60) for n in range(3_000)]
    assert len(held(texts, [*texts[1:], ""])) == 2_999
