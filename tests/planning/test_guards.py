"""Where exactly the guards step in."""

import pytest

from novelsync.planning.guards.limits import guard_chapters, guard_removals
from tests.support.library import known


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
    assert bool(guard_chapters(published, rows, 0, 0.3)) == held


@pytest.mark.parametrize(
    ("published", "gone", "lately", "held"),
    [
        (14, 4, 6, True),  # ten of twenty within a day
        (19, 1, 1, False),
        (16, 1, 4, False),  # five of twenty
        (14, 1, 6, True),
        (94, 1, 6, False),
    ],
)
def test_chapters_that_went_within_a_day_count_too(published: int, gone: int, lately: int, held: bool) -> None:
    rows = [known(str(n), f"Chapter {n}") for n in range(gone)]
    assert bool(guard_chapters(published, rows, lately, 0.3)) == held


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
