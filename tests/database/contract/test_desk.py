"""What an operator looks up: pages of novels, one novel, runs."""

import uuid
from collections.abc import Callable

import pytest

from novelsync.database.client import SqlClient
from novelsync.models.desk.novels import NovelQuery, Show, Sort
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.source import SourceFile
from novelsync.planning.novel_plan import plan_refusal
from novelsync.running.novels.request_ids import request_id
from tests.conftest import Tables
from tests.database.contract.conftest import ONE, THREE, TWO, begin, put
from tests.support.library import found
from tests.support.reports import a_report

Slugs = Callable[..., list[str]]


@pytest.fixture
def slugs(database: SqlClient) -> Slugs:
    def ask(**query: object) -> list[str]:
        return [novel.slug for novel in database.desk.novels(NovelQuery(**query)).novels]  # type: ignore[arg-type]

    return ask


def test_novels_come_in_the_asked_order_and_page_by_page(database: SqlClient, slugs: Slugs) -> None:
    for slug, texts in (("beta", [ONE]), ("alpha", [ONE, TWO, THREE]), ("delta", [ONE, TWO]), ("gamma", [])):
        put(database, slug, *(found(number=n, content=text) for n, text in enumerate(texts, 1)))
    assert slugs(sort=Sort.TITLE) == ["alpha", "beta", "delta", "gamma"]
    assert slugs(sort=Sort.CHAPTERS) == ["alpha", "delta", "beta", "gamma"]
    assert slugs(sort=Sort.UPDATED) == ["gamma", "delta", "alpha", "beta"]
    assert slugs(sort=Sort.ADDED)[-1] == "gamma", "what never had a chapter comes last"
    for sort in Sort:
        seen, after = [], None
        while True:
            page = database.desk.novels(NovelQuery(sort=sort, after=after, limit=2))
            assert page.total == 4
            seen += [novel.slug for novel in page.novels]
            if page.next is None:
                break
            after = page.next
        assert seen == slugs(sort=sort)


def test_a_search_looks_into_slug_title_and_author_and_takes_nothing_for_a_pattern(
    database: SqlClient, slugs: Slugs
) -> None:
    put(database, "emma", found(number=1, content=ONE), author="Jane Austen")
    put(database, "100%_sure", found(number=1, content=TWO), author="Nguyễn Du")
    assert slugs(search="austen") == ["emma"]
    assert slugs(search="EMM") == ["emma"]
    assert slugs(search="nguyễn") == ["100%_sure"]
    assert slugs(search="%_") == ["100%_sure"]
    assert slugs(search="a%n") == slugs(search="\\") == []
    assert database.desk.novels(NovelQuery(search="emma")).total == 1


def test_novels_are_shown_by_what_is_the_matter_with_them(database: SqlClient, slugs: Slugs) -> None:
    put(database, "good", found(number=1, content=ONE))
    put(database, "gone", found(number=1, content=TWO))
    refused = Problem("broken", ProblemKind.REFUSED, "the file is cut off")
    database.write(None, [plan_refusal(SourceFile("broken", "1", 1), 0, refused, "1", request_id=request_id())])
    database.mark_missing(begin(database), ["gone"], [], [])
    assert set(slugs()) == {"good", "gone"}
    assert slugs(show=Show.REFUSED) == ["broken"]
    assert slugs(show=Show.MISSING) == ["gone"]
    assert slugs(show=Show.HELD) == slugs(show=Show.WITHOUT_TEXT) == slugs(show=Show.REMOVED) == []
    page = database.desk.novels(NovelQuery(Show.REFUSED))
    assert (page.novels[0].title, page.novels[0].problems) == (None, ["refused"])
    assert page.counts == {
        "all": 2,
        "held": 0,
        "refused": 1,
        "differs": 0,
        "warning": 0,
        "missing": 1,
        "without-text": 0,
        "removed": 0,
    }


def test_a_row_that_the_site_made_itself_is_shown_too_and_ends_no_page(database: SqlClient, tables: Tables) -> None:
    for slug in ("a", "b", "c"):
        put(database, slug, found(number=1, content=ONE))
    tables.connection.execute("insert into novels (slug, title) values ('bb', 'Bb')")
    page = database.desk.novels(NovelQuery(sort=Sort.TITLE, limit=3))
    assert [(novel.slug, novel.known) for novel in page.novels] == [("a", True), ("b", True), ("bb", False)]
    assert page.next == "bb"
    last = database.desk.novels(NovelQuery(sort=Sort.TITLE, limit=3, after=page.next))
    assert [novel.slug for novel in last.novels] == ["c"]
    assert database.desk.novels(NovelQuery(sort=Sort.TITLE, limit=3, after="gone meanwhile")).novels == page.novels


def test_a_page_that_is_just_full_is_the_last(database: SqlClient) -> None:
    for slug in ("a", "b"):
        put(database, slug, found(number=1, content=ONE))
    assert database.desk.novels(NovelQuery(limit=2)).next is None


def test_runs_that_ended_at_once_are_each_on_one_page(database: SqlClient, tables: Tables) -> None:
    tables.connection.execute(
        "insert into novelsync.runs (run_id, trigger, finished_at, outcome)"
        " select gen_random_uuid(), 'cli', now(), 'ok' from generate_series(1, 7)"
    )
    seen, before = [], None
    while True:
        page = database.desk.runs(before, 3)
        seen += [run.run_id for run in page.runs]
        if page.next is None:
            break
        before = page.next
    assert len(seen) == len(set(seen)) == 7


def test_one_novel_with_its_chapters_and_what_became_of_it(database: SqlClient) -> None:
    put(database, "emma", found("One", 1, content=ONE), found("Two", 2))
    put(
        database,
        "emma",
        found("One", 1, content=ONE),
        found("Two", 2, content=TWO),
        found("Three", 3, content=THREE),
        version="2",
        author="Jane Austen",
    )
    novel = database.desk.novel("emma")
    assert novel is not None
    assert novel.fields is not None
    assert (novel.fields.title, novel.fields.author) == ("Emma", "Jane Austen")
    assert (novel.chapters_total, novel.chapters_with_text, novel.next) == (3, 3, None)
    assert [(row.position, row.number, row.bytes > 0) for row in novel.chapters] == [
        (1, "1", True),
        (2, "2", True),
        (3, "3", True),
    ]
    assert [row.position for row in (database.desk.novel("emma", 2) or novel).chapters] == [3]
    assert [(change.added, change.changed) for change in novel.changes] == [(1, 1), (2, 0)]
    assert {word for change in novel.changes for word in change.novel} == {"added", "author"}
    assert novel.changes[0].titles[-1] in ("Two", "Three")
    assert database.desk.novel("nobody") is None


def test_one_run_with_the_novels_that_it_changed(database: SqlClient, tables: Tables) -> None:
    run_id = begin(database)
    put(database, "emma", found(number=1, content=ONE), found(number=2, content=TWO))
    tables.connection.execute("update chapter_changes set run_id = %s", [run_id])
    running = database.status().running
    assert running is not None
    assert (running.run_id, running.done) == (run_id, None)
    database.renew(run_id, 60, progress=(3, 7))
    running = database.status().running
    assert running is not None
    assert (running.done, running.total) == (3, 7)
    assert database.desk.runs(None, 10).runs == []
    database.finish(run_id, a_report(novels_processed=1))
    run = database.desk.run(run_id)
    assert run is not None
    assert run.report is not None
    assert (run.changed, run.novels[0].slug, run.novels[0].added, run.report.novels_processed) == (1, "emma", 2, 1)
    (summary,) = database.desk.runs(None, 10).runs
    assert summary.run_id == run_id
    assert database.desk.run(str(uuid.uuid4())) is None
