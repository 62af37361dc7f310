"""The record of the verdict's changes: each is noted once, and one claim at a time may tell it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from novelsync.database.client import SqlClient
from novelsync.models.desk.notices import Alert
from novelsync.models.status import Verdict
from tests.conftest import Tables
from tests.support.waiting import wait_until


def note(
    database: SqlClient, verdict: Verdict, claim: str, reasons: Sequence[str] = (), seconds: int = 60
) -> Alert | None:
    at = database.status().at
    assert at
    return database.verdicts.note(verdict, list(reasons), at, claim, seconds)


def test_a_change_goes_to_one_claim_with_all_that_is_known_of_it(database: SqlClient) -> None:
    mine, other = str(uuid4()), str(uuid4())
    assert note(database, Verdict.OK, mine) is None, "as all was before"
    noted = note(database, Verdict.FAILING, mine, ["the disk is gone", "Kiếm Hiệp"])
    assert noted
    assert (noted.verdict, noted.former, noted.reasons) == ("failing", "ok", ["the disk is gone", "Kiếm Hiệp"])
    assert abs(noted.changed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert note(database, Verdict.FAILING, other) is None
    assert note(database, Verdict.FAILING, mine) == noted, "an answer may have been lost"
    database.verdicts.told(noted, mine, told=True)
    database.verdicts.told(noted, mine, told=True)
    assert note(database, Verdict.FAILING, other) is None
    back = note(database, Verdict.OK, other)
    assert back
    assert (back.verdict, back.former, back.id > noted.id) == ("ok", "failing", True)


def test_what_was_not_told_can_be_claimed_again_after_its_pause(database: SqlClient) -> None:
    mine, other = str(uuid4()), str(uuid4())
    noted = note(database, Verdict.STALE, mine)
    assert noted
    database.verdicts.told(noted, other, told=False, pause=0)
    assert note(database, Verdict.STALE, other) is None, "only who has the claim gives it back"
    database.verdicts.told(noted, mine, told=False, pause=60)
    assert note(database, Verdict.STALE, other) is None
    database.verdicts.told(noted, mine, told=False, pause=0)
    assert note(database, Verdict.STALE, other) == noted


def test_of_many_that_notice_a_change_at_once_one_notes_and_tells_it(database: SqlClient) -> None:
    with ThreadPoolExecutor(6) as threads:
        noted = list(threads.map(lambda _: note(database, Verdict.ATTENTION, str(uuid4())), range(12)))
    (told,) = (alert for alert in noted if alert)
    database.verdicts.told(told, str(uuid4()), told=True)
    assert note(database, Verdict.ATTENTION, str(uuid4())) is None, "it was noted once"


def test_who_notices_a_change_waits_for_who_is_noting_one(database: SqlClient, tables: Tables) -> None:
    waiting = "select count(*) from pg_locks where not granted and relation = 'novelsync.alerts'::regclass"
    with ThreadPoolExecutor(2) as threads:
        with tables.connection.transaction():
            tables.connection.execute("lock table novelsync.alerts in row exclusive mode")
            noting = [threads.submit(note, database, Verdict.ATTENTION, str(uuid4())) for _ in range(2)]
            wait_until(lambda: tables.rows(waiting) == [(2,)])
        assert [bool(each.result()) for each in noting].count(True) == 1
    assert tables.rows("select count(*) from novelsync.alerts") == [(1,)]
