"""The round in which every novel is compared with its file."""

from dataclasses import replace
from pathlib import Path

from novelsync.database.client import SqlClient
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.run import ComparingState, Difference, SyncOptions
from tests.conftest import Tables, make_service
from tests.database.contract.conftest import begin
from tests.support.hours import hours_pass, messages, synced
from tests.support.library import Library, chapters


def state(database: SqlClient) -> ComparingState:
    at = database.peek().comparing
    assert at is not None
    return at


def difference(slug: str, revision: int) -> Difference:
    return Difference(Problem(slug, ProblemKind.DIFFERS, "rows are not what the file has", "reread it"), revision)


def test_a_row_edited_by_hand_is_found_repaired_and_forgotten(
    tmp_path: Path, database: SqlClient, tables: Tables
) -> None:
    library = Library(tmp_path / "novels")
    service = make_service(library, database)
    library.write("emma", chapters(3))
    library.write("persuasion", chapters(2))
    synced(service)
    tables.connection.execute("update chapters set content = content || '!' where title = 'Chapter 3'")
    hours_pass(tables, 7 * 24)
    (id_,) = (id_ for title, id_ in tables.ids("emma").items() if title == "Chapter 3")
    for _ in range(2):
        assert messages(synced(service)) == [
            f'differs rows are not what the file has: "Chapter 3" (number 3, id {id_}): content'
        ]
    assert service.sync_novel_to_db("emma", SyncOptions(reread=True))
    assert messages(synced(service)) == []
    assert tables.rows("select count(*) from novelsync.differing") == [(0,)]
    comparing = database.status().comparing
    assert comparing is not None
    assert (comparing.novels, comparing.whole_since is not None) == (0, True)


def test_the_first_round_begins_with_the_first_run(database: SqlClient) -> None:
    assert database.peek().comparing is None
    assert database.status().comparing is None
    begin(database)
    at = state(database)
    assert (at.round, at.after, at.compared, at.again) == (1, "", 0, [])
    assert at.due(1_000_000, 7 * 86_400) < 1_000


def test_a_call_that_is_repeated_ends_one_round(database: SqlClient) -> None:
    run_id = begin(database)
    at = replace(state(database), after="persuasion", compared=2)
    for _ in range(2):
        database.note_compared(run_id, at, [], [], ended=True)
        assert (state(database).round, state(database).after, state(database).compared) == (2, "", 0)
    database.note_compared(run_id, replace(state(database), after="emma", compared=1), [], [], ended=False)
    assert (state(database).round, state(database).after, state(database).compared) == (2, "emma", 1)


def test_nothing_is_recorded_of_a_novel_that_was_written_meanwhile(
    tmp_path: Path, database: SqlClient, tables: Tables
) -> None:
    library = Library(tmp_path / "novels")
    library.write("emma", chapters(1))
    library.write("persuasion", chapters(1))
    synced(make_service(library, database))
    run_id = begin(database)
    revisions = {
        slug: known.revision for slug, known in database.known_novels({"emma": None, "persuasion": None}).items()
    }
    found = [difference("emma", revisions["emma"] - 1), difference("persuasion", revisions["persuasion"])]
    assert database.note_compared(run_id, state(database), [], found, ended=False)
    assert [problem.slug for problem in database.open_problems().problems] == ["persuasion"]
    assert database.note_compared(run_id, state(database), ["persuasion"], [], ended=False)
    assert database.open_problems().problems == []
    assert not database.note_compared(run_id, state(database), ["persuasion"], [], ended=False)
