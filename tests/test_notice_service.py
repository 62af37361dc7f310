"""The change feed, delivered: every change, in its order, to everybody, whoever is killed, away or slow."""

import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pydantic import SecretStr

from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.errors import ConfigurationError
from novelsync.notice_service import NoticeService
from novelsync.settings.loading import load_settings
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from novelsync.webhook import SignedWebhook, signature
from tests.conftest import Run, Tables, make_service
from tests.support.hours import AT_ONCE
from tests.support.library import Library, chapter, chapters
from tests.support.receiver import Receiver, receiving

KEY = b"a key of the tests, of 32 bytes."
SECRET = f"whsec_{b64encode(KEY).decode()}"
SHIFT = (
    "update novelsync.receivers set claimed_until = claimed_until - t, not_before = not_before - t,"
    " failing_since = failing_since - t from (select make_interval(secs => %s)) as passed(t)"
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def other_receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Instance:
    """A process that syncs and tells what changed, as far as the database can tell."""

    def __init__(self, url: str, library: Library, *receivers: Receiver, seconds: float = 5.0) -> None:
        self.database = SqlClient(PostgresTransport(url, "the test's database"))
        self.webhooks = [SignedWebhook(each.url, [SECRET], seconds=seconds) for each in receivers]
        self.notices = NoticeService(self.database.notices, self.webhooks)
        self.service: SyncService = make_service(
            library, self.database, after_run=lambda: self.notices.send(1.5), limits=AT_ONCE
        )
        self.status = StatusService(LocalStorage(str(library.folder)), self.database, stale_after=7800)


@pytest.fixture
def instance(database_url: str, library: Library, receiver: Receiver) -> Iterator[Instance]:
    instance = Instance(database_url, library, receiver)
    with closing(instance.database):
        yield instance


@pytest.fixture
def other_instance(database_url: str, library: Library, receiver: Receiver) -> Iterator[Instance]:
    instance = Instance(database_url, library, receiver)
    with closing(instance.database):
        yield instance


def pass_by(tables: Tables, seconds: float) -> None:
    """Every wait of the bookkeeping is so much shorter now."""
    tables.connection.execute(SHIFT, [seconds])


def changes(receiver: Receiver) -> list[dict[str, Any]]:
    return [change for document in receiver.told for change in document["data"]["changes"]]


def move(library: Library, slug: str, other: str) -> None:
    (library.folder / slug).rename(library.folder / other)


def told(receiver: Receiver) -> list[tuple[Any, ...]]:
    """What it took, change by change."""
    return [
        (each["kind"], each["novel"]["slug"], each["chapter"] and each["chapter"]["title"])
        for each in changes(receiver)
    ]


def test_a_run_tells_what_it_changed_and_the_next_one_only_what_is_new(
    instance: Instance, other_instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    instance.service.sync_all_novels()
    library.write("emma", chapters(3))
    pass_by(tables, 1)
    other_instance.service.sync_all_novels()
    other_instance.service.sync_all_novels()
    assert told(receiver) == [("added", "emma", None), ("added", "emma", "Chapter 3")]
    novel, new = changes(receiver)
    ((novel_id, chapter_id, run_id),) = tables.rows(
        "select novel_id, chapter_id, run_id from chapter_changes where chapter_id is not null"
    )
    assert novel["chapter_count"] == 2
    assert new["novel"] == {"id": novel_id, "slug": "emma", "title": "Emma"}
    assert new["chapter"] == {"id": chapter_id, "position": 3, "number": 3, "title": "Chapter 3"}
    assert (new["run_id"], new["former_slug"], new["fields"]) == (str(run_id), None, [])
    first, second = receiver.told
    assert (first["type"], first["timestamp"]) == ("chapter_changes", novel["changed_at"])
    assert second["timestamp"] == new["changed_at"]


def test_a_single_novel_is_told_too(instance: Instance, library: Library, receiver: Receiver) -> None:
    library.write("emma", chapters(2))
    instance.service.sync_some_novels(["emma"], "cli")
    assert told(receiver) == [("added", "emma", None)]


def test_a_dry_run_tells_nothing(instance: Instance, library: Library, receiver: Receiver) -> None:
    library.write("emma", chapters(2))
    instance.service.dry_run()
    assert receiver.requests == []


def test_a_call_is_signed_so_that_nobody_else_can_make_one(
    instance: Instance, library: Library, receiver: Receiver
) -> None:
    library.write("emma", chapters(2))
    instance.service.sync_all_novels()
    ((_, headers),) = receiver.requests
    id_, at, signed = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    assert id_ == f"changes-{changes(receiver)[0]['id']}-{changes(receiver)[-1]['id']}"
    assert abs(time.time() - int(at)) < 60
    assert signed == signature(KEY, id_, at, receiver.bodies[0])
    other = b64encode(b"an older key, still in use here.").decode()
    SignedWebhook(receiver.url, [SECRET, f"whsec_{other}"]).deliver("changes-1-1", {})
    assert receiver.requests[1][1]["webhook-signature"].count("v1,") == 2


def test_a_signature_is_that_of_standard_webhooks() -> None:
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_not_taken_comes_again_as_the_same_message_and_before_all_that_is_later(
    instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    receiver.trouble = lambda: 500
    library.write("emma", chapters(2))
    assert instance.service.sync_all_novels().outcome == "ok"
    tries = len(receiver.requests)
    assert tries >= 2, "within the time of the run it is tried again"
    library.write("emma", chapters(3))
    receiver.trouble = lambda: 200
    pass_by(tables, 1000)
    instance.service.sync_all_novels()
    assert told(receiver) == [("added", "emma", None), ("added", "emma", "Chapter 3")]
    ids = [headers["webhook-id"] for _, headers in receiver.requests]
    assert len(set(ids[: tries + 1])) == 1
    assert len(set(ids)) == 2


def test_between_tries_there_is_more_and_more_time_whoever_would_try(
    instance: Instance, other_instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    receiver.trouble = lambda: 503
    library.write("emma", chapters(2))
    make_service(library, instance.database).sync_all_novels()
    waits = []
    for number in range(14):
        (instance, other_instance)[number % 2].notices.send(0.2)
        ((wait,),) = tables.rows("select extract(epoch from not_before - now())::float from novelsync.receivers")
        waits.append(wait)
        other_instance.notices.send(0)
        pass_by(tables, wait)
    assert len(receiver.requests) == 14
    for number, wait in enumerate(waits):
        assert min(900, 2**number) * 0.5 - 1 <= wait <= min(900, 2**number)


def test_a_hanging_receiver_holds_up_neither_the_run_for_long_nor_another_receiver(
    database_url: str, library: Library, receiver: Receiver, other_receiver: Receiver
) -> None:
    released = threading.Event()

    def hang() -> int:
        released.wait(60)
        return 200

    receiver.trouble = hang
    instance = Instance(database_url, library, receiver, other_receiver, seconds=0.3)
    library.write("emma", chapters(2))
    make_service(library, instance.database).sync_all_novels()
    began = time.monotonic()
    with closing(instance.database):
        assert instance.notices.send(0.2) == 1
    assert time.monotonic() - began < 10, "the receiver would hang for a minute"
    released.set()
    assert told(other_receiver) == [("added", "emma", None)]


def test_while_somebody_sends_nobody_else_does_and_who_is_killed_is_replaced(
    instance: Instance, other_instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    make_service(library, instance.database).sync_all_novels()
    killed = instance.database.notices.take(
        instance.webhooks[0], "00000000-0000-0000-0000-00000000dead", known_for=60, seconds=15, most=500
    )
    assert killed.changes
    assert other_instance.notices.send(5) == 0, "it might still be alive"
    pass_by(tables, 15)
    assert other_instance.notices.send(5) == 1
    assert [headers["webhook-id"] for _, headers in receiver.requests] == [
        f"changes-{killed.changes[0]['id']}-{killed.upto}"
    ]


def test_many_changes_are_joined_into_messages_of_at_most_500_one_a_second(
    instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    instance.service.sync_all_novels()
    library.write("emma", chapters(703))
    make_service(library, instance.database).sync_all_novels()
    instance.notices.send(10)
    sizes = [len(document["data"]["changes"]) for document in receiver.told]
    assert sizes == [1, 500, 201]
    ids = [change["id"] for change in changes(receiver)]
    assert ids == sorted(set(ids))
    assert instance.notices.send(5) == 0


def test_what_a_run_has_no_time_for_is_left_to_the_next(
    instance: Instance, other_instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    make_service(library, instance.database).sync_all_novels()
    library.write("emma", chapters(503))
    make_service(library, instance.database).sync_all_novels()
    assert instance.notices.send(0.5) == 500
    pass_by(tables, 1)
    assert other_instance.notices.send(0.5) == 2
    assert len(changes(receiver)) == 502


def test_a_new_address_begins_at_the_present(
    instance: Instance, database_url: str, library: Library, receiver: Receiver, other_receiver: Receiver
) -> None:
    library.write("emma", chapters(2))
    instance.service.sync_all_novels()
    later = Instance(database_url, library, receiver, other_receiver)
    with closing(later.database):
        library.write("emma", chapters(3))
        later.service.sync_all_novels()
    assert told(other_receiver) == [("added", "emma", "Chapter 3")]
    assert told(receiver) == [("added", "emma", None), ("added", "emma", "Chapter 3")]


def test_entries_that_were_purged_meanwhile_stop_nothing(
    instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    receiver.trouble = lambda: 500
    library.write("emma", chapters(2))
    make_service(library, instance.database).sync_all_novels()
    instance.notices.send(0.1)
    tables.connection.execute("delete from chapter_changes")
    receiver.trouble = lambda: 200
    library.write("emma", chapters(3))
    make_service(library, instance.database).sync_all_novels()
    pass_by(tables, 2)
    instance.notices.send(5)
    assert told(receiver) == [("added", "emma", "Chapter 3")]


def test_titles_that_readers_no_longer_see_are_not_told(
    instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    library.write("emma", [chapter(n) for n in (1, 2, 3, 4, 5)])
    library.write("anne", chapters(1))
    instance.service.sync_all_novels()
    library.write("emma", [chapter(n) for n in (1, 2, 4, 5)])
    library.remove("anne")
    instance.service.sync_all_novels()
    instance.service.sync_all_novels()
    removed = [each for each in changes(receiver) if each["kind"] == "removed"]
    assert [(each["novel"]["slug"], each["novel"]["title"], each["chapter"]) for each in removed] == [
        ("emma", "Emma", {"id": removed[0]["chapter"]["id"], "position": 3, "number": 3, "title": None}),
        ("anne", None, None),
    ]


def test_a_renamed_novel_says_the_slug_it_had(instance: Instance, library: Library, receiver: Receiver) -> None:
    library.write("emma", chapters(30))
    library.write("anne", [chapter(f"of anne {n}") for n in range(30)], title="Anne")
    instance.service.sync_all_novels()
    move(library, "emma", "emma-woodhouse")
    instance.service.sync_all_novels()
    assert [(each["novel"]["slug"], each["former_slug"]) for each in changes(receiver)[2:]] == [
        ("emma-woodhouse", "emma")
    ]


def test_novels_that_change_places_each_say_the_slug_they_had(
    instance: Instance, library: Library, receiver: Receiver
) -> None:
    library.write("emma", chapters(30), title="E")
    library.write("anne", [chapter(f"of anne {n}") for n in range(30)], title="A")
    instance.service.sync_all_novels()
    move(library, "emma", "between")
    move(library, "anne", "emma")
    move(library, "between", "anne")
    instance.service.sync_all_novels()
    moved = [each for each in changes(receiver) if "slug" in each["fields"]]
    assert sorted((each["former_slug"], each["novel"]["slug"]) for each in moved) == [
        ("anne", "emma"),
        ("emma", "anne"),
    ]


# What people see of it --------------------------------------------------------------


def test_an_address_that_is_dead_for_an_hour_is_an_open_problem_until_it_answers(
    instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    receiver.trouble = lambda: 500
    library.write("emma", chapters(2))
    instance.service.sync_all_novels()
    assert instance.status.status().verdict == "ok", "it may pass"
    pass_by(tables, 3601)
    instance.notices.send(0.1)
    status = instance.status.status()
    assert (status.verdict, status.problems_by_kind) == ("attention", {"undelivered": 1})
    (problem,) = status.problems
    said = rf"{receiver.root}/… has taken no notice since "
    assert problem.message.startswith(said)
    assert problem.message.endswith(f"{receiver.root}/… did not take it (status 500)")
    assert "canary" not in problem.message
    assert status.reasons == [problem.message]
    assert [each.message for each in instance.status.problems("undelivered").problems] == [problem.message]
    assert instance.service.sync_all_novels().outcome == "ok", "it is no reason for a run to fail"
    receiver.trouble = lambda: 200
    pass_by(tables, 1000)
    instance.notices.send(1)
    assert instance.status.status().verdict == "ok"


def test_an_address_that_is_in_no_setting_any_more_is_no_problem(
    instance: Instance, library: Library, receiver: Receiver, tables: Tables
) -> None:
    receiver.trouble = lambda: 500
    library.write("emma", chapters(2))
    instance.service.sync_all_novels()
    pass_by(tables, 3601)
    without = make_service(library, instance.database)
    without.sync_all_novels()
    assert instance.status.status().verdict == "attention"
    without.sync_all_novels()
    assert instance.status.status().verdict == "ok"


def test_the_database_away_is_logged_and_no_more(
    library: Library, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    away = SqlClient(PostgresTransport("postgresql://nobody@127.0.0.1:1/nothing"))
    assert NoticeService(away.notices, [SignedWebhook(receiver.url, [SECRET])]).send(5) == 0
    assert "notices_not_looked_at" in capsys.readouterr().out


def test_a_command_tells_what_it_changed(run: Run, settled: Library, receiver: Receiver) -> None:
    settled.write("emma", chapters(2))
    assert run("sync", NOVELSYNC_NOTIFY_URL=receiver.url, NOVELSYNC_NOTIFY_SECRET=SECRET).code == 0
    assert told(receiver) == [("added", "emma", None)]


# Settings ---------------------------------------------------------------------------


def test_several_addresses_and_secrets_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVELSYNC_NOTIFY_SECRET", f"{SECRET}, {SECRET}")
    monkeypatch.setenv("NOVELSYNC_NOTIFY_URL", "https://a.example/x, http://localhost:3000/y,https://a.example/x")
    settings = load_settings()
    assert settings.notify_urls == ["https://a.example/x", "http://localhost:3000/y"]
    assert settings.notify_secrets == [SECRET, SECRET]
    assert isinstance(settings.notify_url, SecretStr)


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("https://a.example/x", "", "NOVELSYNC_NOTIFY_URL: it is set and NOVELSYNC_NOTIFY_SECRET is not"),
        ("https://a.example/,http://canary.example", SECRET, "NOVELSYNC_NOTIFY_URL: it must be https://…"),
        (
            "https://a.example/",
            "whsec_canary",
            "NOVELSYNC_NOTIFY_SECRET: it must be whsec_ and 24 to 64 bytes in base64",
        ),
        ("https://a.example/", "canary" * 8, "NOVELSYNC_NOTIFY_SECRET: it must be whsec_"),
    ],
)
def test_wrong_settings_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str, said: str
) -> None:
    monkeypatch.setenv("NOVELSYNC_NOTIFY_URL", url)
    monkeypatch.setenv("NOVELSYNC_NOTIFY_SECRET", secret)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert said in refused.value.message
    assert "canary" not in refused.value.message
