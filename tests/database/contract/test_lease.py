"""The lease, and what runs leave to each other."""

import threading
import uuid
from collections.abc import Callable

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.database.migrations import migrations
from novelsync.errors import LeaseLost, NovelSyncError, RunInProgress
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.source import SourceFile
from novelsync.planning.novel_plan import plan_refusal
from novelsync.running.novels.request_ids import request_id
from tests.conftest import Tables
from tests.database.contract.conftest import ONE, begin, plan, put
from tests.support.library import found
from tests.support.reports import a_report


def test_only_one_run_has_the_lease(database: SqlClient) -> None:
    begin(database)
    with pytest.raises(RunInProgress, match="a test, since 20"):
        begin(database)


def test_a_lease_that_was_given_back_can_be_taken(database: SqlClient) -> None:
    database.finish(begin(database), a_report())
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
        writing.execute("select novelsync.assert_lease(%s::uuid)", [run])
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
        writing.execute("select novelsync.assert_lease(%s::uuid)", [run])
        assert database.renew(run, 60)


def test_what_a_run_leaves_is_handed_to_the_next_one_once(database: SqlClient) -> None:
    database.finish(begin(database), a_report(), digest="digest", resume_at="emma")
    second = str(uuid.uuid4())
    begun = database.begin(second, "cli", "a test", 0)
    assert (begun.digest, begun.resume_at) == ("digest", "emma")
    # The second run dies here.
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest is None


def test_a_write_outside_a_run_makes_the_digest_void(database: SqlClient) -> None:
    database.finish(begin(database), a_report(), digest="digest")
    put(database, "emma")
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest is None


def test_a_write_outside_while_a_run_goes_on_makes_its_digest_void(database: SqlClient) -> None:
    run = begin(database)
    put(database, "emma")
    database.finish(run, a_report(), digest="digest")
    assert database.begin(str(uuid.uuid4()), "cli", "a test", 60).digest is None


def test_a_digest_lasts_through_quiet_runs(database: SqlClient) -> None:
    put(database, "emma")
    database.finish(begin(database), a_report(), digest="digest")
    for _ in range(2):
        run = str(uuid.uuid4())
        assert database.begin(run, "cli", "a test", 60).digest == "digest"
        database.finish(run, a_report(), digest="digest", quiet=True)


def test_a_digest_is_withheld_while_something_waits_though_no_file_changed(database: SqlClient, tables: Tables) -> None:
    def digest() -> str | None:
        tables.connection.execute("update novelsync.files set outside_at = null")
        database.finish(begin(database), a_report(), digest="digest")
        run = str(uuid.uuid4())
        begun = database.begin(run, "cli", "a test", 60)
        database.finish(run, a_report())
        return begun.digest

    problem = Problem("cut", ProblemKind.REFUSED, "cut")
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 0, problem, "1", request_id=request_id())])
    put(database, "emma")
    assert digest() == "digest", "a refused file waits for nothing but its change"
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 1, problem, "", request_id=request_id())])
    assert digest() is None, "one that could not be read is looked at again"
    database.write(None, [plan_refusal(SourceFile("cut", "1", 1), 2, problem, "1", request_id=request_id())])
    tables.connection.execute("delete from novels")
    assert digest() is None, "rows that were deleted by hand come back"


def test_a_run_gives_back_its_own_lease_only(database: SqlClient) -> None:
    first = begin(database, seconds=0)
    begin(database)
    database.finish(first, a_report("failed", "away"))
    with pytest.raises(RunInProgress):
        begin(database)


def test_runs_older_than_30_days_are_forgotten_when_one_ends(database: SqlClient, tables: Tables) -> None:
    runs = [begin(database)]
    for age in ("30 days 1 minute", "29 days"):
        database.finish(runs[-1], a_report())
        aged = "update novelsync.runs set finished_at = now() - %s::interval where run_id = %s"
        tables.connection.execute(aged, [age, runs[-1]])
        runs.append(begin(database))
    database.finish(runs[-1], a_report())
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
    database.finish(begin(database), a_report(duration=1.5))
    said = database.status()
    assert [run.outcome for run in said.last_runs] == ["ok", "failed"]
    assert said.metrics.sync_success_rate == 0.5


def wait_for_locks(tables: Tables, count: int, *threads: threading.Thread) -> None:
    while tables.rows("select count(*)::int from pg_stat_activity where wait_event_type = 'Lock'") != [(count,)]:
        assert all(thread.is_alive() for thread in threads)


class Call(threading.Thread):
    """A call of the database that may have to wait."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._call()
        except NovelSyncError as error:
            self.error = error


def test_a_run_that_ends_while_another_takes_the_lease_hinders_it_not(
    database: SqlClient, database_url: str, tables: Tables
) -> None:
    run = begin(database, seconds=0)
    with psycopg.connect(database_url) as writing:
        writing.execute("select novelsync.assert_lease(%s::uuid)", [run])
        takeover = Call(lambda: begin(database))
        wait_for_locks(tables, 1, takeover)
        end = Call(lambda: database.finish(run, a_report()))
        wait_for_locks(tables, 2, takeover, end)
        writing.commit()
        takeover.join(20)
        end.join(20)
    assert (takeover.error, end.error) == (None, None)
    assert tables.rows("select count(*) from novelsync.runs where report is not null") == [(1,)]


def test_a_removal_while_another_takes_the_lease_hinders_it_not(
    database: SqlClient, database_url: str, tables: Tables
) -> None:
    put(database, "emma", found("One", content=ONE))
    run = begin(database, seconds=0)
    database.mark_missing(run, ["emma"], [], [])
    with psycopg.connect(database_url) as writing:
        writing.execute("select from novelsync.files where slug = 'emma' for update")
        removal = Call(lambda: database.remove(run, {"emma": 1}, accepted=False, held=None))
        wait_for_locks(tables, 1, removal)
        takeover = Call(lambda: begin(database))
        wait_for_locks(tables, 2, removal, takeover)
        writing.commit()
        removal.join(20)
        takeover.join(20)
    assert (removal.error, takeover.error) == (None, None)
    assert tables.titles("emma") == []
