"""Where exactly the guards step in."""

import pytest

from novelsync.planning.guards import guard_chapters, guard_removals, guard_text
from tests.support.library import found, known

GOOD = "It was a dark and stormy night. " * 100


@pytest.mark.parametrize(
    ("published", "gone", "held"),
    [
        (0, 0, False),
        (100, 0, False),
        (1, 1, True),  # all of them
        (4, 4, True),
        (5, 4, False),  # few
        (6, 5, True),
        (16, 5, True),
        (17, 5, False),  # 29 %
        (100, 30, False),  # not more than 30 %
        (100, 31, True),
    ],
)
def test_chapters_are_held_if_all_go_or_five_and_more_than_the_limit(published: int, gone: int, held: bool) -> None:
    rows = [known(str(n), f"Chapter {n}") for n in range(gone)]
    assert bool(guard_chapters(published, rows, 0.3)) == held


@pytest.mark.parametrize(
    ("missing", "stored", "lately", "held"),
    [
        (0, 0, 0, False),
        (0, 10, 5, False),
        (1, 1, 0, True),  # all of them
        (1, 2, 0, False),  # a single one may go
        (2, 20, 0, False),  # not more than 10 %
        (2, 19, 0, True),
        (1, 9, 1, True),  # two within a day, of ten
        (1, 18, 1, True),
        (1, 19, 1, False),
        (9, 100, 0, False),
        (9, 91, 9, True),
    ],
)
def test_removals_are_held_if_all_go_or_two_and_more_than_the_limit(
    missing: int, stored: int, lately: int, held: bool
) -> None:
    assert bool(guard_removals([str(n) for n in range(missing)], stored, lately, 0.1)) == held


@pytest.mark.parametrize(
    ("old", "new", "held"),
    [
        (GOOD, GOOD[:640], False),
        (GOOD, GOOD[:639], True),
        ("a" * 500, "b" * 100, False),
        ("a" * 500, "b" * 99, True),
        ("a" * 499, "b", False),
        ("字" * 500, "文" * 99, True),
        ("字" * 499, "文", False),
        ("字" * 1000, "文" * 200, False),
        ("", "Just a moment...", False),
        ("A letter of a few words.", "Just a moment...", True),
        ("Failed to download chapter body", "Just a moment...", False),
        (GOOD, f"“Just a moment…” she said. {GOOD}", False),
    ],
)
def test_a_text_is_held_if_it_is_a_placeholder_or_a_fifth_of_what_was_worth_keeping(
    old: str, new: str, held: bool
) -> None:
    assert bool(guard_text(known("1", content=old), found(content=new))) == held
