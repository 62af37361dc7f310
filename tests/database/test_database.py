"""What every road to the database promises; each case runs over each road."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from novelsync.database import client as functions
from novelsync.database.client import SqlClient
from novelsync.database.migrations import migrations
from novelsync.database.postgres import PostgresTransport
from novelsync.database.requests import stage_requests
from novelsync.database.supabase import SupabaseTransport
from novelsync.errors import DatabaseUnavailable, LeaseLost, PayloadTooLarge, RunInProgress, WriteRejected
from novelsync.models.book import UNSET, Book, BookChapter, NovelFields
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.source import SourceFile
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.novel_plan import plan_novel, plan_refusal, plan_same_bytes
from tests.conftest import RecordingTransport, Tables, databases, make_service
from tests.support.library import Library, chapters, found, text_of
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary

ONE, TWO, THREE = text_of("one"), text_of("two"), text_of("three")


@pytest.fixture(params=["embedded", "postgres", "supabase"])
def way(request: pytest.FixtureRequest) -> str:
    """Which road: the embedded Postgres 18, a Postgres 16 over TCP, or PostgREST."""
    if request.param == "supabase" and postgrest_binary() is None:
        pytest.skip(ABSENT)
    return str(request.param)


@pytest.fixture
def database_url(way: str, server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    if way == "postgres":
        server = request.getfixturevalue("older_server")
    with databases(server) as make:
        yield make("migrated")


@pytest.fixture
def transport(way: str, database_url: str) -> Iterator[RecordingTransport]:
    if way != "supabase":
        yield RecordingTransport(PostgresTransport(database_url))
        return
    with StandIn(database_url) as stand_in:
        yield RecordingTransport(SupabaseTransport(stand_in.url, stand_in.secret_key))


def begin(database: SqlClient, seconds: int = 60) -> str:
    run_id = str(uuid.uuid4())
    database.begin(run_id, "cli", "a test", seconds)
    return run_id


def plan(
    database: SqlClient, slug: str, chapters: Sequence[BookChapter], version: str = "1", **fields: Any
) -> NovelWrite:
    """The write that makes the tables equal to these chapters, planned on what is there now."""
    said = {"author": UNSET, "description": UNSET, "cover_url": UNSET, "status": UNSET, "warnings": ()} | fields
    book = Book(slug.title(), chapters=chapters, **said)
    known = database.known_novels({slug: "never seen"}).get(slug)
    return plan_novel(SourceFile(slug, version, 1), f"sum of {version}", book, known)


def put(database: SqlClient, slug: str, *chapters: BookChapter, version: str = "1", **fields: Any) -> None:
    outcomes = database.write(None, [plan(database, slug, chapters, version, **fields)])
    assert outcomes == [WriteOutcome.WRITTEN]


# The lease ----------------------------------------------------------------------


def test_only_one_run_has_the_lease(database: SqlClient) -> None:
    begin(database)
    with pytest.raises(RunInProgress, match="a test, since 20"):
        begin(database)


def test_a_lease_that_was_given_back_can_be_taken(database: SqlClient) -> None:
    database.finish(begin(database), "ok", {})
    begin(database)


def test_a_lease_that_lapsed_can_be_taken_and_then_the_first_run_writes_nothing_more(
    database: SqlClient, tables: Tables
) -> None:
    first = begin(database, seconds=0)
    begin(database)
    assert not database.renew(first, 60)
    with pytest.raises(LeaseLost):
        database.write(first, [plan(database, "emma", [found("One", content=ONE)])])
    assert tables.rows("select * from novels") == []


def test_a_run_that_was_overtaken_marks_and_removes_nothing(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", content=ONE))
    first = begin(database, seconds=0)
    begin(database)
    with pytest.raises(LeaseLost):
        database.mark_missing(first, ["emma"], [], [])
    with pytest.raises(LeaseLost):
        database.remove(first, {"emma": 1}, accepted=False, held=None)
    assert tables.rows("select missing_since, removed_at from novelsync.files") == [(None, None)]
    assert tables.titles("emma") == ["One"]


def test_a_lease_that_lapsed_and_was_not_taken_is_renewed(database: SqlClient) -> None:
    run = begin(database, seconds=0)
    assert database.renew(run, 60)
    with pytest.raises(RunInProgress):
        begin(database)


def test_the_same_run_may_begin_twice_because_an_answer_may_be_lost(database: SqlClient) -> None:
    run = begin(database)
    database.begin(run, "cli", "a test", 60)


def test_a_takeover_waits_for_a_write_that_is_under_way(database: SqlClient, database_url: str, tables: Tables) -> None:
    run = begin(database, seconds=0)
    with psycopg.connect(database_url) as writing:
        writing.execute("select novelsync.fence(%s::uuid)", [run])
        takeover = threading.Thread(target=begin, args=[database])
        takeover.start()
        while not tables.rows("select from pg_stat_activity where wait_event_type = 'Lock'"):
            assert takeover.is_alive()
        writing.commit()
        takeover.join(timeout=10)
        assert not takeover.is_alive()
    with pytest.raises(LeaseLost):
        database.write(run, [plan(database, "emma", [])])


def test_a_renewal_passes_a_write_that_is_under_way(database: SqlClient, database_url: str) -> None:
    run = begin(database)
    with psycopg.connect(database_url) as writing:
        writing.execute("select novelsync.fence(%s::uuid)", [run])
        assert database.renew(run, 60)


def test_what_a_run_leaves_is_handed_to_the_next_one_once(database: SqlClient) -> None:
    database.finish(begin(database), "ok", {"outcome": "ok"}, digest="digest", resume_at="emma")
    second = str(uuid.uuid4())
    begun = database.begin(second, "cli", "a test", 0)
    assert (begun.digest, begun.resume_at) == ("digest", "emma")
    # The second run dies here.
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest is None


def test_a_write_outside_a_run_makes_the_digest_void(database: SqlClient) -> None:
    database.finish(begin(database), "ok", {}, digest="digest")
    put(database, "emma")
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest is None


def test_a_write_outside_while_a_run_goes_on_makes_its_digest_void(database: SqlClient) -> None:
    run = begin(database)
    put(database, "emma")
    database.finish(run, "ok", {}, digest="digest")
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest is None


def test_a_digest_lasts_through_quiet_runs(database: SqlClient) -> None:
    put(database, "emma")
    database.finish(begin(database), "ok", {}, digest="digest")
    for _ in range(2):
        run = str(uuid.uuid4())
        assert database.begin(run, "cli", "a test", 60).digest == "digest"
        database.finish(run, "ok", {}, digest="digest", quiet=True)


def test_a_digest_is_withheld_while_something_waits_though_no_file_changed(database: SqlClient, tables: Tables) -> None:
    def digest() -> str | None:
        tables.connection.execute("update novelsync.files set outside_at = null")
        database.finish(begin(database), "ok", {}, digest="digest")
        run = str(uuid.uuid4())
        begun = database.begin(run, "cli", "a test", 60)
        database.finish(run, "ok", {})
        return begun.digest

    problem = Problem("cut", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 0, problem, "1")])
    put(database, "emma")
    assert digest() == "digest", "a refused file waits for nothing but its change"
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 1, problem, "")])
    assert digest() is None, "one that could not be read is looked at again"
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 2, problem, "1")])
    tables.connection.execute("delete from novels")
    assert digest() is None, "rows that were deleted by hand come back"


def test_a_run_gives_back_its_own_lease_only(database: SqlClient) -> None:
    first = begin(database, seconds=0)
    begin(database)
    database.finish(first, "failed", {})
    with pytest.raises(RunInProgress):
        begin(database)


def test_runs_older_than_30_days_are_forgotten_when_one_ends(database: SqlClient, tables: Tables) -> None:
    runs = [begin(database)]
    for age in ("30 days 1 minute", "29 days"):
        database.finish(runs[-1], "ok", {})
        aged = "update novelsync.runs set finished_at = now() - %s::interval where run_id = %s"
        tables.connection.execute(aged, [age, runs[-1]])
        runs.append(begin(database))
    database.finish(runs[-1], "ok", {})
    assert tables.rows("select run_id::text from novelsync.runs order by finished_at") == [(run,) for run in runs[1:]]


def test_a_database_tells_what_it_is(database: SqlClient, way: str, tables: Tables) -> None:
    server_info = database.server_info()
    assert server_info.schema == max(migration.version for migration in migrations())
    assert server_info.role == ("service_role" if way == "supabase" else "postgres")
    assert server_info.server.startswith("16." if way == "postgres" else "18.")
    ((size,),) = tables.rows("select pg_database_size(current_database())")
    assert abs(size - server_info.bytes) < 1_000_000
    assert server_info.now.tzinfo is not None


def test_a_run_that_died_counts_as_failed(database: SqlClient) -> None:
    begin(database, seconds=0)
    database.finish(begin(database), "ok", {"outcome": "ok", "duration": 1.5})
    said = database.status()
    assert [run.outcome for run in said.last_runs] == ["ok", "failed"]
    assert said.metrics["sync_success_rate"] == 0.5


# Writing ------------------------------------------------------------------------


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
        " alter function novelsync_write(json) set statement_timeout = '500ms';"
        " alter function novelsync_stage(json) set statement_timeout = '500ms'"
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
    # Both novels, each alone, b published; b's chapters in two parts, each of which is halved.
    assert (called.count("novelsync_write"), called.count("novelsync_stage")) == (4, 6)


def test_a_novel_for_which_its_run_waits_no_longer_is_not_written(database: SqlClient, tables: Tables) -> None:
    run_id = begin(database)
    assert database.ask(run_id, ["emma", "anne"]) == 2
    answered = {slug: replace(plan(database, slug, [found("One")]), answer={"slug": slug}) for slug in ("emma", "anne")}
    assert database.write(run_id, [answered["emma"]]) == [WriteOutcome.WRITTEN]
    assert database.ask(run_id, [], close=True) == 0
    with pytest.raises(LeaseLost):
        database.write(run_id, [answered["anne"]])
    assert list(database.answers(run_id)) == [{"slug": "emma"}]
    assert [database.message_state(run_id, slug) for slug in ("emma", "anne")] == ["answered", "over"]
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
    held_chapters = {ids["Chapter 2"], ids["Chapter 6"]}
    assert {row[0] for row in untouched} == held_chapters, "they alone keep their places and all they say"


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
    assert database.write(None, [plan_same_bytes(SourceFile("emma", "2", 1), "sum of 1", known.revision)]) == [
        "written"
    ]
    assert tables.places() == before
    assert [f.version for f in database.known_files()] == ["2"]
    assert [problem.message for problem in database.open_problems().problems] == ["mended"]


# Problems -------------------------------------------------------------------------


def test_problems_stand_until_the_next_write_says_otherwise(database: SqlClient) -> None:
    put(database, "emma", warnings=["one", "two"])
    problem = Problem("persuasion", ProblemKind.REFUSED, "cut", "mend it")
    database.write(None, [plan_refusal(SourceFile("persuasion", "1", 1), 0, problem, "1")])
    open_problems = database.open_problems()
    assert open_problems.counts == {"warning": 1, "refused": 1}
    assert open_problems.problems == [problem, Problem("emma", ProblemKind.WARNING, "one; two")]
    put(database, "emma", version="2")
    put(database, "persuasion", version="2")
    assert database.open_problems().counts == {}


def test_a_refused_file_is_remembered_by_its_version_and_not_stored(database: SqlClient, tables: Tables) -> None:
    problem = Problem("emma", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("emma", "1", 1), 0, problem, "1")])
    assert [(f.version, f.stored, f.refused) for f in database.known_files()] == [("1", False, True)]
    assert tables.rows("select * from novels") == []


def test_a_refusal_keeps_what_is_stored(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", content=ONE))
    before = tables.places()
    problem = Problem("emma", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("emma", "2", 1), 1, problem, "2")])
    assert tables.places() == before


# Absence --------------------------------------------------------------------------


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


def test_only_what_was_never_stored_is_forgotten(database: SqlClient) -> None:
    put(database, "emma")
    problem = Problem("cut", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 0, problem, "1")])
    database.mark_missing(begin(database), [], [], ["emma", "cut"])
    assert [f.slug for f in database.known_files()] == ["emma"]


# Pages ------------------------------------------------------------------------------


def test_the_bookkeeping_comes_whole_and_in_listing_order_however_small_the_pages(
    database: SqlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    slugs = ["Z", "a-b", "a", "a0", "số-đỏ", "ä"]
    database.write(None, [plan(database, slug, []) for slug in reversed(slugs)])
    for size in (1, 2, 6, 7):
        monkeypatch.setattr(functions, "PAGE", size)
        assert [f.slug for f in database.known_files()] == slugs


# Large novels -------------------------------------------------------------------------


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
    database._stage(None, write)
    assert tables.rows("select count(*) from chapters where removed_at is not null") == [(3,)]
    assert tables.rows("select * from novels where removed_at is null") == []
    assert database.status().removed_novels == 0
    assert [(f.slug, f.version, f.stored) for f in database.known_files()] == [("emma", "", False)]


@pytest.mark.usefixtures("small_calls")
def test_parts_that_came_already_are_passed_over(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)])
    database._stage(None, write)
    assert database.write(None, [write]) == database.write(None, [write]) == ["written"]
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]


@pytest.mark.usefixtures("small_calls")
def test_what_a_dead_run_left_is_swept_by_the_next_write_of_the_novel(database: SqlClient, tables: Tables) -> None:
    file = [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 4)]
    database._stage(None, plan(database, "emma", file))
    tables.connection.execute("update novelsync.staging set touched_at = now() - interval '2 minutes'")
    put(database, "emma", found("Only", content=ONE))
    assert tables.titles("emma") == ["Only"]
    assert tables.rows("select count(*) from chapters") == tables.rows("select count(*) from novels") == [(1,)]


@pytest.mark.usefixtures("small_calls")
def test_of_two_who_bring_in_the_same_large_novel_the_first_goes_on(database: SqlClient, tables: Tables) -> None:
    first, second = (
        plan(database, "emma", [found(f"{who} {n}", n, content=text_of(f"{who} {n}")) for n in range(1, 5)])
        for who in ("first", "second")
    )
    requests = [dict(request) for request in stage_requests(None, first, functions.CALL_BYTES)]
    database._call("novelsync_stage", requests[0])
    assert database.write(None, [second]) == [WriteOutcome.STALE]
    for request in requests[1:]:
        assert database._call("novelsync_stage", request) == {"outcome": "staged"}
    assert database.write(None, [first]) == [WriteOutcome.WRITTEN]
    assert tables.titles("emma") == [f"first {n}" for n in range(1, 5)]
    assert database.write(None, [second]) == [WriteOutcome.STALE]
    assert tables.rows("select count(*) from chapters") == [(4,)]


@pytest.mark.usefixtures("small_calls")
def test_parts_behind_the_first_may_come_in_any_order_and_twice(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"Chapter {n}", n, content=text_of(str(n))) for n in range(1, 6)])
    first, *others = stage_requests(None, write, functions.CALL_BYTES)
    for request in (first, *reversed(others), others[0], first):
        assert database._call("novelsync_stage", request) == {"outcome": "staged"}
    assert database._write(None, [write], 1 + len(others)) == [WriteOutcome.WRITTEN]
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
    assert database._call("novelsync_stage", second) == {"outcome": "stale"}
    assert tables.rows("select * from chapters") == []


@pytest.mark.usefixtures("small_calls")
def test_a_part_planned_on_an_older_revision_is_not_brought_in(database: SqlClient, tables: Tables) -> None:
    late = plan(database, "emma", [found(f"Late {n}", n, content=text_of(str(n))) for n in range(1, 4)])
    put(database, "emma", found("First", content="short"))
    assert database._stage(None, late) is None
    assert tables.rows("select count(*) from chapters") == [(1,)]


@pytest.mark.usefixtures("small_calls")
def test_a_large_novel_is_published_only_when_all_its_parts_are_there(database: SqlClient, tables: Tables) -> None:
    write = plan(database, "emma", [found(f"{n}", n, content=text_of(str(n))) for n in range(1, 4)])
    parts = database._stage(None, write) or 0
    assert database._write(None, [write], parts + 1) == [WriteOutcome.STALE]
    assert tables.rows("select from novels where removed_at is null") == []


@pytest.mark.usefixtures("small_calls")
def test_what_a_dead_run_left_is_swept_by_the_next_run(database: SqlClient, tables: Tables) -> None:
    run = begin(database, seconds=0)
    database._stage(run, plan(database, "emma", [found(f"{n}", n, content=text_of(str(n))) for n in range(1, 4)]))
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
