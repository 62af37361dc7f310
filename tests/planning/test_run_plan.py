"""What a run has to look at."""

from novelsync.models.source import PLAIN_LINE, SourceFile, line_of
from novelsync.models.stored import KnownFile
from novelsync.planning.run_plan import make_plan
from tests.support.library import listing_of


def listed(slug: str, version: str = "1") -> SourceFile:
    return SourceFile(slug, version, 100)


def remembered(
    slug: str,
    version: str = "1",
    *,
    stored: bool = True,
    removed: bool = False,
    missing_for: float | None = None,
    refused: bool = False,
) -> KnownFile:
    return KnownFile(slug, version, 1, stored, removed, missing_for, refused)


def test_what_has_the_version_it_had_is_not_read() -> None:
    plan = make_plan(listing_of([listed("emma")]), [remembered("emma")])
    assert list(plan.to_read) == []


def test_what_is_new_or_has_another_version_is_read() -> None:
    plan = make_plan(listing_of([listed("a"), listed("b", "2"), listed("c")]), [remembered("b"), remembered("c")])
    assert [novel.slug for novel in plan.to_read] == ["a", "b"]
    assert plan.revisions == {"b": 1}


def test_what_is_known_and_not_listed_is_missing() -> None:
    plan = make_plan(listing_of([listed("b")]), [remembered("a"), remembered("b"), remembered("c", missing_for=60)])
    assert [file.slug for file in plan.missing] == ["a", "c"]
    assert plan.newly_missing == ["a"]


def test_a_missing_novel_that_is_listed_again_has_returned() -> None:
    assert make_plan(listing_of([listed("a")]), [remembered("a", missing_for=60)]).returned == ["a"]


def test_a_refused_file_is_not_read_again_until_it_changes() -> None:
    known = [remembered("a", stored=False, refused=True), remembered("b", stored=False, refused=True)]
    plan = make_plan(listing_of([listed("a"), listed("b", "2")]), known)
    assert [novel.slug for novel in plan.to_read] == ["b"]


def test_a_refused_file_that_was_never_stored_is_forgotten_when_it_is_gone() -> None:
    plan = make_plan(listing_of([]), [remembered("a", stored=False, refused=True)])
    assert plan.forgotten == ["a"]
    assert plan.missing == []


def test_a_novel_whose_rows_somebody_deleted_is_read_again() -> None:
    plan = make_plan(listing_of([listed("a")]), [remembered("a", stored=False)])
    assert [novel.slug for novel in plan.to_read] == ["a"]


def test_both_sides_are_merged_in_the_order_of_whole_object_names() -> None:
    slugs = ["a-b", "a", "a0", "ä"]
    plan = make_plan(listing_of([listed(slug) for slug in slugs]), [remembered(slug) for slug in slugs])
    assert (list(plan.to_read), plan.missing) == ([], [])
    plan = make_plan(listing_of([listed("a"), listed("ä")]), [remembered(slug) for slug in slugs])
    assert (list(plan.to_read), [file.slug for file in plan.missing]) == ([], ["a-b", "a0"])


def test_a_run_goes_on_where_the_last_one_stopped_and_wraps_round() -> None:
    plan = make_plan(listing_of([listed("a"), listed("b"), listed("c")]), []).starting_at("b")
    assert [novel.slug for novel in plan.to_read] == ["b", "c", "a"]


def test_the_slug_to_go_on_with_may_be_gone() -> None:
    plan = make_plan(listing_of([listed("a"), listed("c")]), []).starting_at("b")
    assert [novel.slug for novel in plan.to_read] == ["c", "a"]


def test_a_listing_gives_back_what_it_was_made_of() -> None:
    novels = [SourceFile("a\nb", "1-2", 3, "crc", ""), SourceFile("ä", "2", 0, "", "permission denied")]
    listing = listing_of(novels, 100)
    assert list(listing) == novels
    assert list(listing) == novels
    assert len(listing) == 2


def test_the_line_of_a_novel_of_which_nothing_else_is_known_is_made_in_a_quick_way_too() -> None:
    assert line_of(SourceFile("a", "1-2", 3)) == PLAIN_LINE % ("a", "1-2", 3)


def test_any_change_of_a_listing_changes_its_digest() -> None:
    listings = [
        listing_of([listed("a")], 100),
        listing_of([listed("a", "2")], 100),
        listing_of([listed("a"), listed("b")], 100),
        listing_of([], 100),
        listing_of([listed("a")], 101),
    ]
    assert len({listing.digest for listing in listings}) == 5
    assert listing_of([listed("a")], 100).digest == listings[0].digest
