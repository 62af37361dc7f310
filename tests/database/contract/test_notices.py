"""The record of what was delivered: one sender at a time, in order, and no batch without an answer is forgotten."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import uuid4

from novelsync.database.client import SqlClient
from novelsync.models.desk.notices import NoticeBatch
from tests.conftest import Tables
from tests.database.contract.conftest import ONE, THREE, TWO, put
from tests.support.library import found


class Somebody(NamedTuple):
    name: str = "https://site.example/…"
    id: str = "somebody"

    def deliver(self, message_id: str, document: object) -> None:
        """Nobody calls it."""


SOMEBODY = Somebody()
NOTHING = NoticeBatch(None, None, None)


def take(database: SqlClient, claim: str, receiver: Somebody = SOMEBODY, most: int = 500) -> NoticeBatch:
    return database.notices.take(receiver, claim, known_for=3600, seconds=15, most=most)


def a_second_passes(tables: Tables) -> None:
    tables.connection.execute("update novelsync.receivers set not_before = not_before - interval '1 second'")


def test_a_batch_goes_to_one_claim_and_stays_the_same_until_it_is_taken(database: SqlClient, tables: Tables) -> None:
    mine, other = str(uuid4()), str(uuid4())
    assert take(database, mine) == NOTHING
    put(database, "emma", found("One", 1, content=ONE))
    put(database, "anne", found("Two", content=TWO))
    batch = take(database, mine, most=1)
    assert batch.changes
    assert [(each["kind"], each["novel"]["slug"]) for each in batch.changes] == [("added", "emma")]
    assert (batch.upto, batch.wait) == (batch.changes[0]["id"], None)
    assert take(database, other) == NOTHING, "somebody else is at it"
    again = take(database, mine)
    assert again.changes is None
    assert again.wait is not None
    assert 0 < again.wait <= 1
    a_second_passes(tables)
    assert take(database, mine) == batch, "an answer may have been lost"
    database.notices.taken(SOMEBODY, mine, batch.upto or 0, None)
    database.notices.taken(SOMEBODY, mine, batch.upto or 0, None)
    a_second_passes(tables)
    rest = take(database, other)
    assert rest.changes
    assert [each["novel"]["slug"] for each in rest.changes] == ["anne"]


def test_what_failed_is_claimed_again_after_a_pause(database: SqlClient, tables: Tables) -> None:
    mine, other = str(uuid4()), str(uuid4())
    take(database, mine)
    put(database, "emma", found("One", content=ONE))
    batch = take(database, mine)
    database.notices.taken(SOMEBODY, other, batch.upto or 0, "not by who has no claim")
    assert take(database, other) == NOTHING
    database.notices.taken(SOMEBODY, mine, batch.upto or 0, "it is away")
    assert (take(database, other).wait or 0) > 0
    a_second_passes(tables)
    assert take(database, other) == batch
    assert tables.rows("select failures, failure from novelsync.receivers") == [(1, "it is away")]
    database.notices.taken(SOMEBODY, other, batch.upto or 0, None)
    assert tables.rows("select failures, failing_since, failure from novelsync.receivers") == [(0, None, None)]


def test_what_a_late_sender_was_told_counts_and_takes_nothing_back(database: SqlClient, tables: Tables) -> None:
    mine, other = str(uuid4()), str(uuid4())
    take(database, mine)
    put(database, "emma", found("One", content=ONE))
    late = take(database, mine)
    tables.connection.execute("update novelsync.receivers set claimed_until = now(), not_before = now()")
    assert take(database, other) == late
    database.notices.taken(SOMEBODY, other, late.upto or 0, None)
    put(database, "emma", found("One", content=ONE), found("Three", content=THREE), version="2")
    a_second_passes(tables)
    after = take(database, other)
    database.notices.taken(SOMEBODY, mine, late.upto or 0, None)
    database.notices.taken(SOMEBODY, mine, late.upto or 0, "too late")
    a_second_passes(tables)
    assert take(database, other) == after
    database.notices.taken(SOMEBODY, other, after.upto or 0, None)
    database.notices.taken(SOMEBODY, mine, late.upto or 0, None)
    a_second_passes(tables)
    assert take(database, other) == NOTHING


def test_of_many_that_ask_at_once_one_gets_the_batch(database: SqlClient) -> None:
    take(database, str(uuid4()))
    put(database, "emma", found("One", content=ONE))
    with ThreadPoolExecutor(6) as threads:
        batches = list(threads.map(lambda _: take(database, str(uuid4())), range(12)))
    assert len([batch for batch in batches if batch.changes]) == 1


def test_each_address_has_a_position_of_its_own_and_many_may_come_at_once(database: SqlClient) -> None:
    with ThreadPoolExecutor(6) as threads:
        asked = list(threads.map(lambda n: take(database, str(uuid4()), Somebody(id=f"{n % 3}")), range(12)))
    assert asked == [NOTHING] * 12
    put(database, "emma", found("One", content=ONE))
    for n in range(3):
        assert take(database, str(uuid4()), Somebody(id=f"{n}")).changes


def test_who_is_new_gets_what_changed_since_somebody_knew_of_it(database: SqlClient, tables: Tables) -> None:
    put(database, "emma", found("One", content=ONE))
    put(database, "anne", found("Two", content=TWO))
    tables.connection.execute(
        "update chapter_changes set changed_at = now() - interval '2 hours'"
        " where novel_id = (select id from novels where slug = 'emma')"
    )
    batch = take(database, str(uuid4()))
    assert [each["novel"]["slug"] for each in batch.changes or ()] == ["anne"]
