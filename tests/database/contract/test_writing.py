"""Writes, and what is noted of files: problems, absence, and all of it page by page."""

from dataclasses import replace
from typing import Any

import pytest

from novelsync.database import client as functions
from novelsync.database.client import SqlClient
from novelsync.errors import DatabaseUnavailable, LeaseLost, PayloadTooLarge, WriteRejected
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.source import UNSET, Book, NovelFields, SourceFile
from novelsync.models.writing import WriteOutcome
from novelsync.planning.novel_plan import plan_novel, plan_refusal, plan_same_bytes
from novelsync.running.novels.request_ids import request_id
from tests.conftest import RecordingTransport, Tables, make_service
from tests.database.contract.conftest import ONE, THREE, TWO, begin, plan, put
from tests.support.library import Library, chapters, found, text_of

# Writing -----------------------------------------------------------------------------


def test_what_is_written_is_read_back(database: SqlClient) -> None:
    put(database, "emma", found("One", 1, "/1", ONE), found("Two", 2, "/2"), author="Jane", version="7")
    known = database.known_novels({"emma": "another", "nobody": "x"})
    assert list(known) == ["emma"]
    emma = known["emma"]
    assert (emma.revision, emma.same, emma.fields) == (1, False, NovelFields("Emma", "Jane"))
    assert [(c.position, c.number, c.title, c.content_bytes) for c in emma.chapters] == [
        (1, 1, "One", len(ONE)),
        (2, 2, "Two", 0),
    ]
    assert emma.chapters[0].content_hash == found(content=ONE).content_hash
    assert [(f.slug, f.version, f.stored) for f in database.known_files()] == [("emma", "7", True)]


def test_chapters_are_not_sent_for_a_file_whose_bytes_are_the_known_ones(database: SqlClient) -> None:
    put(database, "emma", found("One", 1, "/1", ONE))
    known = database.known_novels({"emma": "sum of 1"})["emma"]
    assert (known.same, known.chapters) == (True, [])


def test_the_same_request_again_is_answered_and_not_carried_out(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found("One", content=ONE)])
    assert database.write(None, [write]) == database.write(None, [write]) == [WriteOutcome.WRITTEN]
    assert tables.titles("emma") == ["One"]
    assert database.known_novels({"emma": None})["emma"].revision == 1


def test_a_write_planned_on_an_older_revision_does_nothing(database: SqlClient, tables: Tables) -> None:
    late = plan(database, "emma", [found("Late", content=ONE)])
    put(database, "emma", found("First", content=TWO))
    assert database.write(None, [late]) == [WriteOutcome.STALE]
    assert tables.titles("emma") == ["First"]


def test_revisions_are_compared_as_numbers(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("First", content=TWO))
    for revision, outcome in ((9, "stale"), (10, "written")):
        tables.connection.execute("update novelsync.files set revision = 10")
        write = replace(plan(database, "emma", [found("Next", content=ONE)]), revision=revision)
        assert database.write(None, [write]) == [outcome]


def test_a_removal_planned_on_an_older_revision_does_nothing(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("First", content=TWO))
    run = begin(database)
    database.mark_missing(run, ["emma"], [], [])
    assert database.remove(run, {"emma": 0}, accepted=True, held=None) == []
    assert tables.titles("emma") == ["First"]
    assert database.remove(run, {"emma": 1}, accepted=True, held=None) == ["emma"]
    assert tables.titles("emma") == []


def test_a_rename_of_a_novel_that_was_written_meanwhile_does_nothing(database: SqlClient, tables: Tables) -> None:
    put(database, "former", found("First", content=ONE))
    former = database.known_novels({"former": "never seen"})["former"]
    book = Book("New", UNSET, UNSET, UNSET, UNSET, [found("First", content=ONE)])
    late = plan_novel(SourceFile("new", "1", 1), "sum", book, None, request_id=request_id(), former=former)
    put(database, "former", found("First", content=ONE), found("Second", content=TWO), version="2")
    assert database.write(None, [late]) == [WriteOutcome.STALE]
    assert (tables.titles("former"), tables.titles("new")) == (["First", "Second"], [])


def test_a_stale_novel_does_not_stop_its_neighbours(database: SqlClient, tables: Tables) -> None:
    put(database, "b", found("Old", content=ONE))
    writes = [plan(database, slug, [found("New", content=TWO)]) for slug in ("a", "b", "c")]
    writes[1] = replace(writes[1], revision=0)
    assert database.write(None, writes) == ["written", "stale", "written"]
    assert [tables.titles(slug) for slug in ("a", "b", "c")] == [["New"], ["Old"], ["New"]]


def test_a_row_of_the_sites_own_under_the_same_slug_is_left_alone(database: SqlClient, tables: Tables) -> None:
    tables.connection.execute("insert into novels (slug, title) values ('emma', 'Mine')")
    writes = [plan(database, slug, [found("One", content=ONE)]) for slug in ("emma", "other")]
    assert database.write(None, writes) == ["taken", "written"]
    assert tables.rows("select title from novels order by id") == [("Mine",), ("Other",)]
    assert tables.titles("emma") == []


def test_a_chapter_that_vanished_from_the_table_meanwhile_is_noticed(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", 1, content=ONE), found("Two", 2, content=TWO))
    changed = plan(database, "emma", [found("Uno", 1, content=ONE), found("Two", 2, content=TWO)], version="2")
    moved = plan(database, "emma", [found("Two", 2, content=TWO), found("One", 1, content=ONE)], version="2")
    tables.connection.execute("delete from chapters where title = 'One'")
    for write in (changed, moved):
        with pytest.raises(WriteRejected, match=r"1 of \d chapters to \w+ are no longer in the table"):
            database.write(None, [write])


@pytest.fixture
def slow_chapters(database_url: str, tables: Tables) -> None:
    """As if each chapter took so long that two of them take longer than a call may."""
    tables.connection.execute(
        "create function slow() returns trigger language plpgsql as $$ begin"
        " if (select count(*) from inserted) > 1 then perform pg_sleep(60); end if; return null; end $$;"
        " create trigger slow after insert on chapters referencing new table as inserted execute function slow();"
        " alter function novelsync_write(bytea) set statement_timeout = '500ms';"
        " alter function novelsync_stage(bytea) set statement_timeout = '500ms'"
    )
    # To a connection of our own it is told when that is made.
    [(name,)] = tables.rows("select current_database()")
    tables.connection.execute(f"alter database {name} set statement_timeout = '500ms'")


# First slow_chapters: PostgREST sets a function's time-out as it was when it started.
@pytest.mark.usefixtures("slow_chapters")
def test_what_takes_too_long_is_halved_until_it_passes(
    database: SqlClient, tables: Tables, library: Library, transport: RecordingTransport
) -> None:
    library.write("a", chapters(1))
    library.write("b", chapters(4))
    report = make_service(library, database).sync_all_novels().as_dict()
    assert (report["outcome"], report["novels"]["created"], report["problems"]) == ("ok", 2, [])
    assert tables.titles("b") == [f"Chapter {n}" for n in range(1, 5)]
    called = [function for function, _ in transport.calls]
    # Both novels, each alone, b published; b's chapters in parts of 1, 2 and 1, and that of 2 halved.
    assert (called.count("novelsync_write"), called.count("novelsync_stage")) == (4, 5)


def test_a_novel_for_which_its_run_waits_no_longer_is_not_written(database: SqlClient, tables: Tables) -> None:
    run_id = begin(database)
    assert database.messages.hand_out(run_id, ["emma", "anne"]) == 2
    results = {slug: NovelResult(slug, NovelStatus.CREATED) for slug in ("emma", "anne")}
    answered = {slug: replace(plan(database, slug, [found("One")]), result=result) for slug, result in results.items()}
    assert database.write(run_id, [answered["emma"]]) == [WriteOutcome.WRITTEN]
    assert database.messages.hand_out(run_id, [], close=True) == 0
    with pytest.raises(LeaseLost):
        database.write(run_id, [answered["anne"]])
    assert list(database.messages.answers(run_id)) == [results["emma"]]
    assert [database.messages.state(run_id, slug) for slug in ("emma", "anne")] == ["answered", "over"]
    assert tables.rows("select slug from novels") == [("emma",)]


def test_a_look_that_takes_too_long_is_a_database_that_is_away() -> None:
    class Slow:
        name = "it"

        def call(self, function: str, request: Any) -> Any:
            raise PayloadTooLarge("it was too much for one call: canceling statement due to statement timeout (57014)")

        def close(self) -> None:
            pass

    with pytest.raises(DatabaseUnavailable, match="it could not answer: it was too much for one call"):
        SqlClient(Slow()).peek()


def test_data_the_database_refuses_is_refused_whole(database: SqlClient, tables: Tables) -> None:
    tables.connection.execute("alter table chapters add check (title <> 'Bad')")
    writes = [plan(database, slug, [found(title, content=ONE)]) for slug, title in (("a", "Good"), ("b", "Bad"))]
    with pytest.raises(WriteRejected, match="violates check constraint"):
        database.write(None, writes)
    assert tables.rows("select * from novels") == []


def test_all_kinds_of_change_come_in_one_write(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", *(found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in range(1, 7)))
    before, ids = tables.places(), tables.ids("emma")
    file = [
        found("Chapter 0", 0, "/0", text_of("0")),
        found("Chapter 2", 2, "/2", text_of("2")),
        found("Chapter 1", 1, "/1", text_of("1 edited")),
        found("Third", 3, "/3", text_of("3")),
        found("Chapter 4", 4, "/4", text_of("4")),
        found("Chapter 6", 6, "/6", text_of("6")),
    ]
    put(database, "emma", *file, version="2")
    after = tables.ids("emma")
    assert list(after) == ["Chapter 0", "Chapter 2", "Chapter 1", "Third", "Chapter 4", "Chapter 6"]
    assert {title: after[title] for title in ids if title in after} == {t: i for t, i in ids.items() if t in after}
    assert after["Third"] == ids["Chapter 3"]
    published = tables.rows("select position from chapters where removed_at is null order by 1")
    assert published == [(n,) for n in range(1, 7)]
    removed = tables.rows("select title, content from chapters where removed_at is not null")
    assert removed == [("Chapter 5", text_of("5"))], "its text stays"
    assert tables.rows("select chapter_count from novels") == [(6,)]
    untouched = before["chapters"] & tables.places()["chapters"]
    kept = {ids["Chapter 2"], ids["Chapter 6"]}
    assert {row[0] for row in untouched} == kept, "they alone keep their places and all they say"


def test_every_hash_is_of_the_stored_text(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", 1, content=ONE), found("Two", 2), found("Drei", 3, content="Füße\r\n\u0301"))
    put(database, "emma", found("One", 1, content=TWO), found("Two", 2, content=THREE), version="2")
    wrong = tables.rows("select title from chapters where content_hash <> sha256(convert_to(content, 'UTF8'))")
    assert wrong == []


def test_time_stamps_tell_what_happened(database: SqlClient, tables: Tables) -> None:
    def stamps() -> dict[str, tuple[Any, ...]]:
        query = "select title, created_at, updated_at, content_updated_at from chapters"
        return {title: stamps for title, *stamps in tables.rows(query)}

    put(database, "emma", found("One", 1, content=ONE), found("Two", 2, content=TWO), found("Three", 3, content=THREE))
    before, (novel_before,) = stamps(), tables.rows("select updated_at, last_chapter_at from novels")
    put(
        database,
        "emma",
        found("One", 1, content=ONE),
        found("Zwei", 2, content=TWO),
        found("Three", 3, content=ONE[1:]),
    )
    after, (novel_after,) = stamps(), tables.rows("select updated_at, last_chapter_at from novels")
    assert after["One"] == before["One"]
    assert after["Zwei"][1] > before["Two"][1]
    assert after["Zwei"][2] == before["Two"][2]
    assert after["Three"][2] > before["Three"][2]
    assert novel_after[0] > novel_before[0]
    assert novel_after[1] == novel_before[1], "no chapter was added"
    put(database, "emma", *(found(str(n), n, content=text_of(str(n))) for n in range(9)), version="3")
    ((added,),) = tables.rows("select last_chapter_at from novels")
    assert added > novel_before[1]


def test_a_known_file_with_a_new_version_moves_only_the_bookkeeping(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", content=ONE), warnings=["mended"])
    before = tables.places()
    known = database.known_novels({"emma": "sum of 1"})["emma"]
    assert database.write(
        None, [plan_same_bytes(SourceFile("emma", "2", 1), "sum of 1", known, request_id=request_id())]
    ) == ["written"]
    assert tables.places() == before
    assert [f.version for f in database.known_files()] == ["2"]
    assert [problem.message for problem in database.open_problems().problems] == ["mended"]


# Problems ----------------------------------------------------------------------------


def test_problems_stand_until_the_next_write_says_otherwise(database: SqlClient) -> None:
    put(database, "emma", warnings=["one", "two"])
    problem = Problem("persuasion", ProblemKind.REFUSED, "cut", "mend it")
    database.write(None, [plan_refusal(SourceFile("persuasion", "1", 1), 0, problem, "1", request_id=request_id())])
    open_problems = database.open_problems()
    assert open_problems.counts == {"warning": 1, "refused": 1}
    assert open_problems.problems == [problem, Problem("emma", ProblemKind.WARNING, "one; two")]
    put(database, "emma", version="2")
    put(database, "persuasion", version="2")
    assert database.open_problems().counts == {}


def test_a_refused_file_is_remembered_by_its_version_and_not_stored(database: SqlClient, tables: Tables) -> None:
    problem = Problem("emma", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("emma", "1", 1), 0, problem, "1", request_id=request_id())])
    assert [(f.version, f.stored, f.refused) for f in database.known_files()] == [("1", False, True)]
    assert tables.rows("select * from novels") == []


def test_a_refusal_keeps_what_is_stored(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", content=ONE))
    before = tables.places()
    problem = Problem("emma", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("emma", "2", 1), 1, problem, "2", request_id=request_id())])
    assert tables.places() == before


# Absence -----------------------------------------------------------------------------


def test_absence_is_noted_and_taken_back(database: SqlClient) -> None:
    put(database, "emma", warnings=["w"])
    run = begin(database, seconds=0)
    database.mark_missing(run, ["emma"], [], [])
    assert [f.missing_for is not None for f in database.known_files()] == [True]
    assert database.open_problems().counts == {}, "what is not there has no problem"
    assert database.begin(run, "cli", "a test", 0).missing == 1
    database.mark_missing(run, [], ["emma"], [])
    assert [f.missing_for for f in database.known_files()] == [None]
    assert database.open_problems().counts == {"warning": 1}


def test_what_was_written_outside_of_a_run_since_that_began_is_not_missing(database: SqlClient) -> None:
    put(database, "earlier")
    run = begin(database)
    put(database, "meanwhile")  # the listing may have passed its place before
    database.mark_missing(run, ["earlier", "meanwhile"], [], [])
    assert [f.slug for f in database.known_files() if f.missing_for is not None] == ["earlier"]


def test_only_what_was_never_stored_is_forgotten(database: SqlClient) -> None:
    put(database, "emma")
    problem = Problem("cut", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 0, problem, "1", request_id=request_id())])
    database.mark_missing(begin(database), [], [], ["emma", "cut"])
    assert [f.slug for f in database.known_files()] == ["emma"]


# Pages -------------------------------------------------------------------------------


def test_the_bookkeeping_comes_whole_and_in_listing_order_however_small_the_pages(
    database: SqlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    slugs = ["Z", "a-b", "a", "a0", "số-đỏ", "ä"]
    database.write(None, [plan(database, slug, []) for slug in reversed(slugs)])
    for size in (1, 2, 6, 7):
        monkeypatch.setattr(functions, "PAGE", size)
        assert [f.slug for f in database.known_files()] == slugs
