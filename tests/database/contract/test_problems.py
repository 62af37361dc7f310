"""What a person should look at: how the list is cut, and how all of it is read."""

import pytest

from novelsync.database.client import SqlClient
from tests.conftest import Tables
from tests.database.contract.conftest import ONE, begin, put
from tests.support.library import found
from tests.support.reports import a_report

FLOOD = """
    with files as (
        insert into novelsync.files (slug)
        select kind || '-' || to_char(n, 'FM0000') from unnest(%s::text[], %s::int[]) as k(kind, many),
                                                       generate_series(1, many) n
        returning slug)
    insert into novelsync.problems (slug, kind, message, hint)
    select slug, split_part(slug, '-', 1), 'the ' || split_part(slug, '-', 1) || ' file is cut off after byte '
           || split_part(slug, '-', 2), 'fix it' from files"""


def flood(tables: Tables, **kinds: int) -> None:
    """So many problems of each kind, alike within the kind."""
    tables.connection.execute(FLOOD, [list(kinds), list(kinds.values())])


def listed(database: SqlClient) -> dict[str, int]:
    """How many of each kind are in the list, in the list's order."""
    kinds = [problem.kind.value for problem in database.open_problems().problems]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def test_400_refused_do_not_hide_the_one_that_is_held(database: SqlClient, tables: Tables) -> None:
    flood(tables, refused=400, held=1, warning=50)
    assert listed(database) == {"held": 1, "refused": 79, "warning": 20}
    open_problems = database.open_problems()
    assert open_problems.problems[0].slug == "held-0001"
    assert open_problems.counts == {"refused": 400, "held": 1, "warning": 50}


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        ({"warning": 300}, {"warning": 100}),
        ({"warning": 300, "refused": 1}, {"refused": 1, "warning": 99}),
        ({"warning": 300, "refused": 300, "held": 300}, {"held": 40, "refused": 40, "warning": 20}),
        ({"refused": 90, "held": 30}, {"held": 30, "refused": 70}),
        ({"warning": 1, "refused": 2, "held": 3}, {"held": 3, "refused": 2, "warning": 1}),
    ],
)
def test_each_kind_has_a_share_of_its_own_and_leaves_what_it_does_not_need(
    database: SqlClient, tables: Tables, there: dict[str, int], shown: dict[str, int]
) -> None:
    flood(tables, **there)
    assert listed(database) == shown


def test_a_problem_says_how_many_say_the_same_but_for_numbers(database: SqlClient, tables: Tables) -> None:
    flood(tables, refused=400)
    tables.connection.execute("insert into novelsync.files (slug) values ('zzz')")
    tables.connection.execute("insert into novelsync.problems values ('zzz', 'refused', 'there is no title')")
    alike = {problem.slug: problem.alike for problem in database.open_problems().problems}
    assert alike["refused-0001"] == 400
    assert alike["zzz"] == 1, "what is said by one novel alone is not crowded out either"


def test_all_problems_of_a_kind_are_read_page_by_page(database: SqlClient, tables: Tables) -> None:
    flood(tables, refused=5, held=2)
    put(database, "refused-0002", found("One", content=ONE))
    tables.connection.execute("insert into novelsync.problems values ('refused-0002', 'refused', 'cut', 'fix it')")
    first = database.problems("refused", None, 3)
    assert (first.kind, first.total, first.next) == ("refused", 5, "refused-0003")
    assert [problem.slug for problem in first.problems] == ["refused-0001", "refused-0002", "refused-0003"]
    assert (first.problems[1].title, first.problems[1].message, first.problems[1].hint) == (
        *("Refused-0002", "cut", "fix it"),
    )
    assert first.problems[1].since is not None
    second = database.problems("refused", first.next, 3)
    assert [problem.slug for problem in second.problems] == ["refused-0004", "refused-0005"]
    assert second.next is None


def test_held_removals_come_first_among_what_is_held(database: SqlClient, tables: Tables) -> None:
    flood(tables, held=2)
    tables.connection.execute(
        """update novelsync.lease set held_removals = '{"novels": 5, "message": "5 are gone", "hint": "are they?"}'"""
    )
    page = database.problems("held", None, 10)
    assert next((problem.slug, problem.message) for problem in page.problems) == (None, "5 are gone")
    assert [problem.slug for problem in database.problems("held", "held-0001", 10).problems] == ["held-0002"]


def test_missing_novels_are_read_likewise_and_a_run_starts_with_those_missing_longest(
    database: SqlClient, tables: Tables
) -> None:
    for n in range(12):
        put(database, f"novel-{n:02}", found("One", content=ONE))
    run = begin(database)
    database.mark_missing(run, [f"novel-{n:02}" for n in range(12)], [], [])
    database.finish(run, a_report())
    tables.connection.execute(
        "update novelsync.files set missing_since = now() - interval '1 hour' where slug = 'novel-11'"
    )
    page = database.problems("missing", "novel-08", 2)
    assert (page.total, [problem.slug for problem in page.problems]) == (12, ["novel-09", "novel-10"])
    assert all(problem.since for problem in page.problems)
    longest = database.peek().missing_longest
    assert [file.slug for file in longest] == ["novel-11", *(f"novel-{n:02}" for n in range(9))]
    assert longest[0].seconds >= 3600
