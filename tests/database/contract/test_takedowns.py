"""Takedowns, over each road."""

from novelsync.database.client import SqlClient
from novelsync.models.desk.takedowns import TakedownKind, Withheld, WithheldRecord
from novelsync.takedown_service import TakedownService
from tests.conftest import Tables
from tests.database.contract.conftest import ONE, TWO, begin, plan, put
from tests.support.library import found


def test_a_takedown_is_made_listed_read_with_its_signs_and_lifted(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", 1, "https://a.example/1", ONE), found("Two", 2, "https://a.example/2", TWO))
    service = TakedownService(database)
    chapter = service.take_down(TakedownKind.CHAPTER, str(tables.ids("emma")["One"]), "a letter")
    novel = service.take_down(TakedownKind.NOVEL, "emma")
    assert ((chapter.novels, chapter.chapters), (novel.novels, novel.chapters)) == ((0, 1), (1, 1))
    assert service.take_down(TakedownKind.NOVEL, "emma", "again").id == novel.id, "the same one is renewed"
    assert [(t.kind, t.target, t.title, t.reason) for t in service.listed()] == [
        ("novel", "emma", "Emma", "again"),
        ("chapter", chapter and str(service.listed()[1].target), "One (Emma)", "a letter"),
    ]
    in_force = database.takedowns_in_force()
    assert [len(t.signs.texts) for t in in_force if t.signs] == [2, 1]
    assert database.peek().any_takedowns
    known = database.known_novels({"emma": "other"})["emma"]
    assert (known.removed, known.withheld) == (True, (True, 1, (chapter.id, novel.id)))
    assert [row.taken_down for row in known.chapters] == [True, True]
    assert service.lift(novel.id) == 1
    assert service.lift(chapter.id) == 1
    assert not database.peek().any_takedowns
    assert all(t.lifted_at for t in service.listed())


def test_what_is_withheld_is_recorded_counted_and_hidden(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", 1, content=ONE))
    run_id = begin(database)
    whole = Withheld(whole=True, chapters=frozenset({0}), takedowns=(7,))
    stale = WithheldRecord("emma", 0, whole, ())
    database.withhold(run_id, [stale])
    assert database.open_problems().taken_down == (0, 0), "it was written since"
    database.withhold(run_id, [WithheldRecord("emma", 1, whole, ()), WithheldRecord("new", 0, whole, ())])
    assert database.open_problems().taken_down == (2, 2)
    files = [(f.slug, f.stored, f.withheld) for f in database.known_files()]
    assert files == [("emma", False, True), ("new", False, True)]
    assert tables.rows("select kind from chapter_changes order by id desc limit 1") == [("removed",)]
    database.withhold(run_id, [WithheldRecord("emma", 1, Withheld(), ())])
    assert database.open_problems().taken_down == (1, 1)


def test_a_write_that_was_planned_before_a_takedown_is_stale(database: SqlClient) -> None:
    put(database, "emma", found("One", 1, content=ONE))
    planned = plan(database, "emma", [found("One", 1, content=ONE), found("Two", 2, content=TWO)], version="2")
    TakedownService(database).take_down(TakedownKind.NOVEL, "emma")
    assert database.write(None, [planned]) == ["stale"]
