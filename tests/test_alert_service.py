"""Changes of the verdict: noticed by whoever looks, told once, and a nuisance to nobody."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from novelsync.alert_service import AlertService, document
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.desk.notices import Alert
from novelsync.models.status import Verdict
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from novelsync.webhook import Webhook
from tests.conftest import Run, Tables, make_service
from tests.support.library import Library, chapters
from tests.support.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Instance:
    """A process that syncs and looks at the verdict, as far as the database can tell."""

    def __init__(self, url: str, library: Library, receiver: Receiver) -> None:
        self.database = SqlClient(PostgresTransport(url, "the test's database"))
        storage = LocalStorage(str(library.folder))
        self.status = StatusService(storage, self.database, stale_after=7800)
        self.alerts = AlertService(self.status, self.database, Webhook(receiver.url), storage="novels")
        self.service: SyncService = make_service(library, self.database, after_run=self.alerts.look)

    def die_while_telling(self) -> None:
        """What is left of a process that was killed after it had claimed an alert."""
        stored = self.database.status()
        verdict = self.status.status(look_at_storage=False, stored=stored).verdict
        assert stored.at
        self.database.verdicts.note(verdict, [], stored.at, "00000000-0000-0000-0000-00000000dead", 60)


@pytest.fixture
def instances(database_url: str, library: Library, receiver: Receiver) -> Iterator[tuple[Instance, Instance]]:
    both = Instance(database_url, library, receiver), Instance(database_url, library, receiver)
    yield both
    for instance in both:
        instance.database.close()


def pass_by(tables: Tables, hours: int = 1) -> None:
    """Everything in the bookkeeping is so much older now."""
    passed = f"from (select interval '{hours} hours') as passed(t)"
    tables.connection.execute(
        f"update novelsync.runs set started_at = started_at - t, finished_at = finished_at - t {passed};"
        " update novelsync.alerts set changed_at = changed_at - t, told_at = told_at - t,"
        f" claimed_until = claimed_until - t {passed}"
    )


def test_a_run_tells_what_has_changed_and_the_next_one_does_not_repeat_it(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver
) -> None:
    one, other = instances
    library.write_raw("cut", b"{")
    one.service.sync_all_novels()
    other.service.sync_all_novels()
    assert [(each["verdict"], each["former"], each["reasons"]) for each in receiver.told] == [
        ("attention", "ok", ["novels refused: 1"])
    ]
    library.write("cut", chapters(2))
    other.service.sync_all_novels()
    one.alerts.look()
    assert receiver.verdicts == ["attention", "ok"]


def test_a_first_run_without_problems_is_no_news(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver
) -> None:
    library.write("emma", chapters(2))
    instances[0].service.sync_all_novels()
    assert receiver.requests == []


def test_what_was_not_taken_is_told_later_in_its_order_and_not_at_every_look(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver, tables: Tables
) -> None:
    one, other = instances
    receiver.trouble = lambda: 500
    library.write_raw("cut", b"{")
    assert one.service.sync_all_novels().outcome == "partial"
    library.write("cut", chapters(2))
    assert other.service.sync_all_novels().outcome == "ok"
    assert len(receiver.requests) == 1, "for a minute nobody tries again"
    receiver.trouble = lambda: 200
    assert one.alerts.look() == 0
    pass_by(tables)
    assert one.alerts.look() == 2
    assert receiver.verdicts == ["attention", "ok"]


def test_what_a_killed_process_was_about_to_tell_is_told_by_another(
    instances: tuple[Instance, Instance], receiver: Receiver, tables: Tables
) -> None:
    one, other = instances
    one.die_while_telling()
    assert other.alerts.look() == 0, "it might still be alive"
    pass_by(tables)
    assert other.alerts.look() == 1
    assert receiver.verdicts == ["never_run"]


def test_what_was_told_and_not_recorded_is_told_again_with_the_same_number(
    instances: tuple[Instance, Instance], receiver: Receiver, tables: Tables
) -> None:
    instances[0].alerts.look()
    tables.connection.execute("update novelsync.alerts set told_at = null")
    pass_by(tables)
    instances[1].alerts.look()
    first, again = receiver.told
    assert first["id"] == again["id"]


def test_a_verdict_from_before_the_last_change_changes_nothing(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver
) -> None:
    one, other = instances
    library.write("emma", chapters(2))
    one.service.sync_all_novels()
    judged_before = other.database.status()
    library.write_raw("cut", b"{")
    one.service.sync_all_novels()
    other.alerts.look(judged_before)
    assert receiver.verdicts == ["attention"]


def test_who_cannot_ask_the_scheduler_does_not_take_stopped_back(database: SqlClient) -> None:
    at = database.status().at
    assert at
    told = database.verdicts.note(Verdict.STOPPED, [], at, "00000000-0000-0000-0000-000000000001", 60)
    assert told
    database.verdicts.told(told, "00000000-0000-0000-0000-000000000001", told=True)
    later = database.status().at
    assert later
    assert database.verdicts.note(Verdict.STALE, [], later, "00000000-0000-0000-0000-000000000002", 60) is None


def test_yesterdays_changes_are_not_told_any_more_but_the_last_one_is(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver, tables: Tables
) -> None:
    one, _ = instances
    receiver.trouble = lambda: 500
    library.write_raw("cut", b"{")
    one.service.sync_all_novels()
    library.write("cut", chapters(2))
    one.service.sync_all_novels()
    pass_by(tables, hours=25)
    receiver.trouble = lambda: 200
    one.alerts.look()
    assert receiver.verdicts == ["stale"]


def test_a_run_does_not_fail_because_nobody_takes_its_alert(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.server.shutdown()
    receiver.server.server_close()
    library.write_raw("cut", b"{")
    assert instances[0].service.sync_all_novels().outcome == "partial"
    said = capsys.readouterr().out
    assert "alert_not_told" in said
    assert "canary" not in said


def test_the_status_command_tells_what_has_changed_while_nothing_ran(
    settled: Library, receiver: Receiver, run: Run
) -> None:
    settled.write("emma", chapters(1))
    assert run("status", NOVELSYNC_ALERT_URL=receiver.url).code == 1
    assert run("sync").code == 0
    assert receiver.verdicts == ["never_run", "ok"]


def test_a_message_is_for_slack_and_for_programs() -> None:
    alert = Alert(
        7, Verdict.ATTENTION, Verdict.OK, ["novels refused: 1", "<!channel> & co"], datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert document(alert, "Supabase at x.supabase.co", "gs://b/novels") == {
        "text": "NovelSync: *attention*, was ok\n• novels refused: 1\n• &lt;!channel&gt; &amp; co\n"
        "gs://b/novels → Supabase at x.supabase.co",
        "id": 7,
        "verdict": "attention",
        "former": "ok",
        "reasons": ["novels refused: 1", "<!channel> & co"],
        "changed_at": "2026-01-01T00:00:00Z",
        "storage": "gs://b/novels",
        "database": "Supabase at x.supabase.co",
    }


HOURS = 24 * 7


def test_in_a_week_two_instances_tell_each_change_once_to_a_receiver_that_fails_sometimes(
    instances: tuple[Instance, Instance], library: Library, receiver: Receiver, tables: Tables
) -> None:
    chance = random.Random(7)  # noqa: S311
    receiver.trouble = lambda: chance.choice([200, 200, 200, 500, 429, None])
    library.write("emma", chapters(2))
    instances[0].alerts.look()
    seen: list[str] = ["ok", "never_run"]
    for hour in range(HOURS):
        one, other = chance.sample(instances, 2)
        state = ("fine", "refused", "fine", "no runs", "fine", "storage away", "fine")[hour // 8 % 7]
        if state == "refused":
            library.write_raw("cut", b"{")
        elif (library.folder / "cut").exists():
            library.remove("cut")
        away = library.folder.with_name("away")
        if state == "storage away":
            library.folder.rename(away)
            library.folder.write_text("not a folder")
        if chance.random() < 0.1:
            one.die_while_telling()
        # The other one looks while this one runs, and both look when it has ended.
        looking = threading.Thread(target=other.alerts.look)
        looking.start()
        if state != "no runs":
            one.service.sync_all_novels("scheduler")
        else:
            one.alerts.look()
        looking.join()
        other.alerts.look()
        if state == "storage away":
            library.folder.unlink()
            away.rename(library.folder)
        seen.append(other.status.status(look_at_storage=False).verdict)
        pass_by(tables)
    receiver.trouble = lambda: 200
    one.alerts.look()
    changes = [later for former, later in pairwise(seen) if later != former]
    assert {"attention", "stale", "failing", "ok"} <= set(changes)
    assert len(changes) > 10
    assert receiver.verdicts == changes
    assert len({told["id"] for told in receiver.told}) == len(receiver.told)
    assert len(receiver.requests) > len(receiver.told), "it did fail"
