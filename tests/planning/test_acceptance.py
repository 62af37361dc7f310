"""What somebody accepts is named exactly."""

import pytest

from novelsync.models.run import Acceptance, accepted_twice, confirmed_removals
from novelsync.models.source import SourceFile
from novelsync.models.stored import version_by
from novelsync.planning.acceptance import held_id, in_place_of, removals_id
from novelsync.planning.guards.limits import DEFAULT_LIMITS, Limits, guard_removals
from novelsync.planning.run_plan import make_plan, rules_of
from tests.planning.test_run_plan import remembered
from tests.support.library import listing_of


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("emma", Acceptance("emma")),
        ("emma=4f1c2a0b", Acceptance("emma", "4f1c2a0b")),
        ("emma=in-order", Acceptance("emma", in_order=True)),
        ("emma=in-order-4f1c2a0b", Acceptance("emma", "4f1c2a0b", in_order=True)),
        ("emma=in-order-x", Acceptance("emma=in-order-x")),
        ("a=b=4f1c2a0b", Acceptance("a=b", "4f1c2a0b")),
        ("a=in-order=in-order", Acceptance("a=in-order", in_order=True)),
        ("a=b", Acceptance("a=b")),
        ("emma=4F1C2A0B", Acceptance("emma=4F1C2A0B")),
        ("emma=4f1c2a0", Acceptance("emma=4f1c2a0")),
        ("=in-order", Acceptance("=in-order")),
    ],
)
def test_only_the_last_part_of_a_known_form_is_no_part_of_the_slug(words: str, expected: Acceptance) -> None:
    assert Acceptance.of(words) == expected


def test_one_novel_is_accepted_in_one_way() -> None:
    assert accepted_twice(["emma", "emma", "anne=in-order"]) == ""
    assert accepted_twice(["emma", "emma=in-order"]) == "emma"


def test_removals_are_named_by_their_number_and_their_id() -> None:
    assert confirmed_removals("36") == (36, "")
    assert confirmed_removals("36=4f1c2a0b") == (36, "4f1c2a0b")
    assert [confirmed_removals(words) for words in ("0", "-1", "many", "3=", "3=4f1c", "٣")] == [None] * 6


def test_an_id_differs_with_everything_that_is_held() -> None:
    ids = {
        held_id("sum", ["1", "2"], []),
        held_id("another", ["1", "2"], []),
        held_id("sum", ["1"], []),
        held_id("sum", [], ["1", "2"]),
        removals_id(["a", "b"]),
        removals_id(["a", "c"]),
    }
    assert len(ids) == 6
    assert removals_id(["b", "a"]) == removals_id(["a", "b"])


def test_what_took_the_place_of_other_removals_says_so_until_somebody_is_told() -> None:
    first, second = (guard_removals(slugs, 3, 0, 0.1) for slugs in (["a", "b"], ["b", "c"]))
    assert first
    assert second
    assert not in_place_of(None, first, told=False).changed
    assert not in_place_of(first, first, told=False).changed
    changed = in_place_of(first, second, told=False)
    assert changed.changed
    assert in_place_of(changed, second, told=False).changed
    assert not in_place_of(changed, second, told=True).changed


def test_what_was_held_or_refused_is_read_again_by_other_rules_and_not_by_the_same() -> None:
    rules = rules_of(DEFAULT_LIMITS, 100)
    assert len({rules, rules_of(DEFAULT_LIMITS, 101), rules_of(Limits(chapter_removals=0.4), 100)}) == 3
    listing = listing_of([SourceFile("a", "1", 100)])
    known = [remembered("a", version_by("1", rules))]
    assert [len(make_plan(listing, known, rules=asked).to_read) for asked in (rules, None, "others")] == [0, 0, 1]
    assert len(make_plan(listing_of([SourceFile("a", "2", 100)]), known, rules=rules).to_read) == 1
