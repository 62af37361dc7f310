"""Large novels come in parts, and are seen whole."""

import pytest

from novelsync.database import client as functions
from novelsync.database.client import SqlClient
from novelsync.database.functions import STAGE
from novelsync.database.requests import stage_requests
from novelsync.errors import LeaseLost
from novelsync.models.source import Book, SourceFile
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.novel_plan import plan_novel
from novelsync.running.novels.request_ids import request_id
from tests.conftest import Tables
from tests.database.contract.conftest import ONE, TWO, begin, plan, put
from tests.support.library import found, text_of


@pytest.fixture
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every novel with more than one chapter is a large one."""
    monkeypatch.setattr(functions, "CALL_BYTES", 500)


@pytest.mark.usefixtures("small_calls")
def test_a_large_novel_comes_in_parts_and_whole(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", *(found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in range(1, 6)), author="Jane")
    assert tables.titles("emma") == [f"Chapter {n}" for n in range(1, 6)]
    assert tables.rows("select title, author, chapter_count from novels") == [("Emma", "Jane", 5)]
    file = [
        found("Chapter 0", 0, "/0", text_of("0")),
        found("First", 1, "/1", text_of("1 edited")),
        *(found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in (3, 2, 4)),
        found("Chapter 5", 5, "/5", text_of("5 edited")),
    ]
    ids = tables.ids("emma")
    put(database, "emma", *file, version="2")
    after = tables.ids("emma")
    assert list(after) == ["Chapter 0", "First", "Chapter 3", "Chapter 2", "Chapter 4", "Chapter 5"]
    assert after["First"] == ids["Chapter 1"]
    contents = tables.rows("select content from chapters order by position")
    assert [content for (content,) in contents] == [chapter.text() for chapter in file]
    assert tables.rows("select * from novelsync.staging") == tables.rows("select * from novelsync.staged_texts") == []


@pytest.mark.usefixtures("small_calls")
def test_nothing_of_a_large_novel_is_seen_before_it_is_whole(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)])
    database.stage(None, write)
    assert tables.rows("select count(*) from chapters where removed_at is not null") == [(3,)]
    assert tables.rows("select * from novels where removed_at is null") == []
    assert database.status().removed_novels == 0
    assert [(f.slug, f.version, f.stored) for f in database.known_files()] == [("emma", "", False)]


@pytest.mark.usefixtures("small_calls")
def test_parts_that_came_already_are_passed_over(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)])
    database.stage(None, write)
    assert database.write(None, [write]) == database.write(None, [write]) == ["written"]
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]


@pytest.mark.usefixtures("small_calls")
def test_what_a_dead_run_left_is_discarded_by_the_next_write_of_the_novel(database: SqlClient, tables: Tables) -> None:
    file = [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)]
    database.stage(None, plan(database, "emma", file))
    tables.connection.execute("update novelsync.staging set touched_at = now() - interval '2 minutes'")
    put(database, "emma", found("Only", content=ONE))
    assert tables.titles("emma") == ["Only"]
    assert tables.rows("select count(*) from chapters") == tables.rows("select count(*) from novels") == [(1,)]


@pytest.mark.usefixtures("small_calls")
def test_what_a_dead_run_left_of_another_novel_under_the_same_slug_is_discarded_too(
    database: SqlClient, tables: Tables
) -> None:
    put(database, "emma", found("Of the novel before", content=ONE))
    tables.connection.execute("update novels set removed_at = now()")
    file = [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)]
    dead = plan(database, "emma", file)
    assert dead.afresh
    database.stage(None, dead)
    tables.connection.execute("update novelsync.staging set touched_at = now() - interval '2 minutes'")
    put(database, "emma", *file, version="2")
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]


@pytest.mark.usefixtures("small_calls")
def test_of_two_who_bring_in_the_same_large_novel_the_first_goes_on(database: SqlClient, tables: Tables) -> None:
    first, second = (
        plan(database, "emma", [found(f"{who} {n}", n, content=text_of(f"{who} {n}")) for n in range(1, 5)])
        for who in ("first", "second")
    )
    requests = [dict(request) for request in stage_requests(None, first, functions.CALL_BYTES)]
    database._call(STAGE, requests[0])
    assert database.write(None, [second]) == [WriteOutcome.STALE]
    for request in requests[1:]:
        assert database._call(STAGE, request) == {"outcome": "staged"}
    assert database.write(None, [first]) == [WriteOutcome.WRITTEN]
    assert tables.titles("emma") == [f"first {n}" for n in range(1, 5)]
    assert database.write(None, [second]) == [WriteOutcome.STALE]
    assert tables.rows("select count(*) from chapters") == [(4,)]


@pytest.mark.usefixtures("small_calls")
def test_parts_behind_the_first_may_come_in_any_order_and_twice(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 6)])
    first, *others = stage_requests(None, write, functions.CALL_BYTES)
    for request in (first, *reversed(others), others[0], first):
        assert database._call(STAGE, request) == {"outcome": "staged"}
    assert database.write(None, [write.staged_in(1 + len(others))]) == [WriteOutcome.WRITTEN]
    assert tables.titles("emma") == [f"Chapter {n}" for n in range(1, 6)]
    assert tables.rows("select * from novelsync.staged_parts") == []


@pytest.mark.usefixtures("small_calls")
def test_each_text_of_a_large_novel_travels_in_one_part(database: SqlClient, tables: Tables) -> None:
    old = [found(f"Old {n}", n, content=text_of(f"old {n}")) for n in range(1, 6)]
    put(database, "emma", *old)
    edited = [found(f"Old {n}", n, content=text_of(f"edited {n}")) for n in range(1, 6)]
    new = [found(f"New {n}", n, content=text_of(f"new {n}")) for n in range(6, 16)]
    write = plan(database, "emma", [*edited, *new], version="2")
    # All at once in memory, as threads may have them.
    parts = list(stage_requests(None, write, functions.CALL_BYTES))
    assert sum(len(part["created"]) for part in parts) == 10
    assert sum(len(part["texts"]) for part in parts) == 5
    assert database.write(None, [write]) == [WriteOutcome.WRITTEN]
    assert [content for (content,) in tables.rows("select content from chapters order by position")] == [
        chapter.text() for chapter in (*edited, *new)
    ]


@pytest.mark.usefixtures("small_calls")
def test_no_part_comes_in_before_the_first(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"{n}", n, content=text_of(str(n))) for n in range(1, 4)])
    _, second, *_ = stage_requests(None, write, functions.CALL_BYTES)
    assert database._call(STAGE, second) == {"outcome": "stale"}
    assert tables.rows("select * from chapters") == []


@pytest.mark.usefixtures("small_calls")
def test_a_part_planned_on_an_older_revision_is_not_brought_in(database: SqlClient, tables: Tables) -> None:
    late = plan(database, "emma", [found(f"Late {n}", n, content=text_of(str(n))) for n in range(1, 4)])
    put(database, "emma", found("First", content="short"))
    assert database.stage(None, late) is WriteOutcome.STALE
    assert tables.rows("select count(*) from chapters") == [(1,)]


@pytest.mark.usefixtures("small_calls")
def test_a_large_novel_is_published_only_when_all_its_parts_are_there(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"{n}", n, content=text_of(str(n))) for n in range(1, 4)])
    staged = database.stage(None, write)
    assert isinstance(staged, NovelWrite)
    assert database.write(None, [write.staged_in(staged.staged + 1)]) == [WriteOutcome.STALE]
    assert tables.rows("select from novels where removed_at is null") == []


@pytest.mark.usefixtures("small_calls")
def test_what_a_dead_run_left_is_discarded_by_the_next_run(database: SqlClient, tables: Tables) -> None:
    run = begin(database, seconds=0)
    database.stage(run, plan(database, "emma", [found(f"{n}", n, content=text_of(str(n))) for n in range(1, 4)]))
    begin(database)
    assert tables.rows("select * from chapters") == tables.rows("select * from novels") == []


@pytest.mark.usefixtures("small_calls")
def test_a_large_write_planned_on_an_older_revision_does_nothing(database: SqlClient, tables: Tables) -> None:
    late = plan(database, "emma", [found(f"Late {n}", n, content=text_of(str(n))) for n in range(1, 4)])
    put(database, "emma", found("First", content=TWO))
    assert database.write(None, [late]) == [WriteOutcome.STALE]
    assert tables.titles("emma") == ["First"]


@pytest.mark.usefixtures("small_calls")
def test_a_large_write_of_a_run_that_lost_its_lease_does_nothing(database: SqlClient, tables: Tables) -> None:
    first = begin(database, seconds=0)
    begin(database)
    with pytest.raises(LeaseLost):
        database.write(first, [plan(database, "emma", [found(f"{n}", n, content=text_of(str(n))) for n in (1, 2)])])
    assert tables.rows("select * from chapters") == []


@pytest.mark.usefixtures("small_calls")
def test_what_another_staged_into_the_same_novel_is_not_published_with_it(database: SqlClient, tables: Tables) -> None:
    file = [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)]
    put(database, "emma", *file)
    ids = tables.ids("emma")
    dead = plan(database, "emma", [*file, *(found(f"Dead {n}", content=text_of(f"dead {n}")) for n in range(3))], "2")
    assert isinstance(database.stage(None, dead), NovelWrite)
    known = database.known_novels({"emma": "never seen"})["emma"]
    moved = [*file, *(found(f"New {n}", n, content=text_of(f"new {n}")) for n in range(4, 7))]
    book = Book("Emma", None, None, None, None, moved)
    renamed = plan_novel(SourceFile("jane", "1", 1), "sum", book, None, request_id=request_id(), former=known)
    assert database.write(None, [renamed]) == [WriteOutcome.WRITTEN]
    after = tables.ids("jane")
    assert list(after) == [chapter.title for chapter in moved]
    assert {title: after[title] for title in ids} == ids
    begin(database)
    assert tables.rows("select count(*) from chapters where removed_at = 'infinity'") == [(3,)], "an event has an hour"
    tables.connection.execute("update novelsync.staging set touched_at = now() - interval '2 hours'")
    tables.connection.execute(
        "delete from novelsync.lease; insert into novelsync.lease (run_id) values (gen_random_uuid())"
    )
    begin(database)
    assert tables.ids("jane") == after
    assert tables.rows("select count(*) from chapters") == [(6,)]
    assert tables.rows("select * from novelsync.staged_chapters") == []
