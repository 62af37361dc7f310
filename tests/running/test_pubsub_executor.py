"""A run whose novels others carry over: its report is true, and nothing is lost, whatever becomes of the others."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    LeaseLost,
    PublisherUnavailable,
    StorageUnavailable,
)
from novelsync.gcp.pubsub import PubSubPublisher
from novelsync.models.run import NovelMessage, RunContext
from novelsync.models.source import SourceFile
from novelsync.running.pubsub_executor import PubSubExecutor
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.running.test_sync import assert_equal_to_files, needs_real_novels
from tests.support.hours import AT_ONCE, accepting, fill, hours_pass, messages, published, synced
from tests.support.library import REAL_NOVELS, Library, chapter, chapters
from tests.support.pubsub_emulator import ABSENT, PROJECT, PubSubEmulator, emulator_program
from tests.support.serving import served
from tests.support.waiting import wait_until

needs_emulator = pytest.mark.skipif(emulator_program() is None, reason=ABSENT)

TOPIC = f"{PROJECT}/topics/novels"


class Hands:
    """A `Publisher` that brings each message to another service at once, in threads; ``fate`` may say otherwise."""

    name = TOPIC

    def __init__(self, other: SyncService, database: SqlClient) -> None:
        self.published: list[NovelMessage] = []
        self.fate: Callable[[NovelMessage], None] = self.deliver
        self.come_no_more = False
        self._now = 0.0
        self._other = other
        self._messages = database.messages
        self._pool = ThreadPoolExecutor(4)

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        for message in messages:
            self.published.append(message)
            self._pool.submit(self.fate, message)

    def deliver(self, message: NovelMessage) -> Any:
        return self._other.answer_message(message, self._messages)

    def monotonic(self) -> float:
        """Time stands still, until no more answers come; and then it flies."""
        self._now += 1_000 * self.come_no_more
        return self._now

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def hands(library: Library, other_database: SqlClient) -> Iterator[Hands]:
    with closing(Hands(make_service(library, other_database), other_database)) as hands:
        yield hands


@pytest.fixture
def service(library: Library, database: SqlClient, hands: Hands) -> SyncService:
    return make_service(
        library,
        database,
        executor=PubSubExecutor(hands, database.messages, monotonic=hands.monotonic, poll_seconds=0.02),
    )


@pytest.fixture
def alone(library: Library, database: SqlClient) -> SyncService:
    """A service that does the work itself."""
    return make_service(library, database)


def counted(report: dict[str, Any]) -> dict[str, Any]:
    transient = ("run_id", "duration", "start_time", "end_time", "database")
    return {key: value for key, value in report.items() if key not in transient}


def test_a_run_by_messages_reports_and_leaves_what_a_run_by_itself_does(
    library: Library, service: SyncService, hands: Hands, tables: Tables, make_database: Callable[[str], str]
) -> None:
    fill(library, 20, 3)
    library.write_raw("broken", b"{")
    library.write("worse", [{"title": "One", "content": "Just a moment…"}, {"title": "Two"}])
    url = make_database("migrated")
    database = SqlClient(PostgresTransport(url))
    itself = make_service(library, database)
    for novel in ("", "novel-003", "novel-007"):
        if novel:
            library.write(novel, chapters(4))
        mine, others = service.sync_all_novels().as_dict(), itself.sync_all_novels().as_dict()
        assert counted(mine) == counted(others)
        assert len(hands.published) == (22 if not novel else 1)
        hands.published.clear()
    database.close()
    rows = (
        "select n.slug, c.position, c.title, c.content from chapters c join novels n on n.id = c.novel_id"
        " where c.removed_at is null order by 1, 2"
    )
    other = Tables(url)
    theirs = other.rows(rows)
    other.connection.close()
    assert tables.rows(rows) == theirs
    assert len(theirs) == 64


def test_an_hour_without_changes_publishes_nothing(library: Library, service: SyncService, hands: Hands) -> None:
    fill(library, 3)
    synced(service)
    hands.published.clear()
    synced(service)
    assert hands.published == []


def test_a_message_that_comes_twice_is_carried_out_once(
    library: Library, service: SyncService, hands: Hands, tables: Tables
) -> None:
    fill(library, 5)

    def twice(message: NovelMessage) -> None:
        assert hands.deliver(message)
        assert hands.deliver(message) is None

    hands.fate = twice
    assert synced(service)["novels"]["created"] == 5
    assert tables.rows("select distinct revision from novelsync.files") == [(1,)]


def test_an_answer_in_the_very_last_moment_is_in_the_report_or_is_not_taken(
    library: Library, service: SyncService, hands: Hands, transport: RecordingTransport, tables: Tables
) -> None:
    fill(library, 2)
    late: list[NovelMessage] = []
    hands.fate = late.append
    hands.come_no_more = True

    def at_the_end(function: str) -> None:
        if function == "novelsync_hand_out" and transport.calls[-1][1]["close"]:
            hands.deliver(late.pop())
        if function == "novelsync_answers" and late:
            hands.deliver(late.pop())

    transport.before = at_the_end
    report = service.sync_all_novels().as_dict()
    assert late == []
    assert (report["novels"]["created"], report["novels"]["deferred"]) == (1, 1)
    assert len(published(tables)) == 1


def test_who_is_killed_after_the_write_has_answered_with_it(
    library: Library, database_url: str, service: SyncService, hands: Hands, tables: Tables
) -> None:
    class Killed(BaseException):
        pass

    class Transport(RecordingTransport):
        def call(self, function: str, request: Any) -> Any:
            answer = super().call(function, request)
            if function == "novelsync_write":
                raise Killed
            return answer

    fill(library, 3)
    with closing(SqlClient(Transport(PostgresTransport(database_url)))) as dying:

        def killed_once(message: NovelMessage) -> None:
            with pytest.raises(Killed):
                make_service(library, dying).answer_message(message, dying.messages)
            assert hands.deliver(message) is None

        hands.fate = killed_once
        report = synced(service)
    assert (report["novels"]["created"], report["chapters"]["created"]) == (3, 6)


def test_novels_whose_messages_never_arrive_are_named_as_deferred_and_taken_by_the_next_run(
    library: Library, service: SyncService, hands: Hands, tables: Tables
) -> None:
    fill(library, 6)
    lost, there = {"novel-002", "novel-004"}, []

    def some_are_lost(message: NovelMessage) -> None:
        if message.slug not in lost:
            hands.deliver(message)
            there.append(message)
            hands.come_no_more = len(there) == 4

    hands.fate = some_are_lost
    report = synced(service, "partial")
    hands.come_no_more = False
    assert (report["novels"]["created"], report["novels"]["deferred"]) == (4, 2)
    assert messages(report) == [
        f"warning 2 of 6 novels that were handed out over {TOPIC} were not answered in time;"
        " does the topic have a subscription, and does novel_changed answer its messages?"
    ]
    hands.published.clear()
    hands.fate = hands.deliver
    assert synced(service)["novels"]["created"] == 2
    assert {message.slug for message in hands.published} == lost
    assert len(published(tables)) == 6


def test_a_run_whose_messages_cannot_be_handed_over_reports_what_was_done_before(
    library: Library, service: SyncService, hands: Hands, tables: Tables
) -> None:
    def publish(novels: Iterable[NovelMessage]) -> None:
        for message in list(novels)[:3]:
            assert hands.deliver(message)
        raise PublisherUnavailable("away")

    fill(library, 5)
    hands.publish = publish  # type: ignore[method-assign]
    report = service.sync_all_novels()
    assert (report.outcome, report.novels.created, report.novels.deferred) == ("failed", 3, 2)
    assert len(published(tables)) == 3


def test_one_novels_trouble_is_reported_as_a_run_by_itself_does_and_keeps_no_removal_waiting(
    library: Library, database: SqlClient, other_database: SqlClient, tables: Tables
) -> None:
    class Troubled(LocalStorage):
        def read(self, novel: SourceFile) -> bytes | None:
            if novel.slug == "novel-003":
                raise StorageUnavailable("the disk has a scratch")
            return super().read(novel)

    fill(library, 12)
    troubled = Troubled(str(library.folder))
    other = SyncService(troubled, other_database, SyncConfig(workers=1, max_file_bytes=10**8))
    with closing(Hands(other, other_database)) as hands:
        service = make_service(
            library,
            database,
            limits=AT_ONCE,
            executor=PubSubExecutor(hands, database.messages, monotonic=hands.monotonic, poll_seconds=0.02),
        )
        synced(service, "partial")
        library.remove("novel-007")
        synced(service, "partial")
        hours_pass(tables, 25)
        report = synced(service, "partial")
    assert (report["novels_error"], report["novels"]["removed"], report["novels"]["deferred"]) == (1, 1, 0)
    assert messages(report) == ["unavailable the disk has a scratch"]


def test_a_former_name_that_the_run_gave_away_is_not_given_to_another(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 3)
    anne = [chapter(f"anne {n}") for n in range(6)]
    library.write("anne", anne)
    synced(service)
    ((id_,),) = tables.rows("select id from novels where slug = 'anne'")
    library.write("bella", anne)
    synced(service)
    library.remove("anne")
    library.write("cora", [*anne, chapter("one more")])
    synced(service)
    assert tables.rows("select slug from novels where id = %s", id_) == [("bella",)]


def test_a_message_does_not_grow_with_the_renames_of_its_run() -> None:
    renames = {f"new-name-{n}": f"former-name-{n}" for n in range(10_000)}
    context = RunContext("00000000-0000-0000-0000-000000000001", renames=renames)
    for slug in ("new-name-7", "another"):
        assert len(msgspec.json.encode(context.message(slug))) < 500


def test_a_message_of_a_run_that_is_over_does_nothing(
    library: Library, service: SyncService, hands: Hands, tables: Tables
) -> None:
    fill(library, 2)
    late: list[NovelMessage] = []
    hands.fate = late.append
    hands.come_no_more = True
    synced(service, "partial")
    assert [hands.deliver(message) for message in late] == [None, None]
    assert published(tables) == []


def test_what_lost_its_runs_lease_in_the_middle_writes_nothing(
    library: Library, database_url: str, service: SyncService, hands: Hands, tables: Tables
) -> None:
    class Transport(RecordingTransport):
        def call(self, function: str, request: Any) -> Any:
            if function == "novelsync_write":
                tables.connection.execute("update novelsync.lease set run_id = gen_random_uuid()")
            return super().call(function, request)

    fill(library, 1)
    with closing(SqlClient(Transport(PostgresTransport(database_url)))) as slow:
        other = make_service(library, slow)
        answers: list[Any] = []
        hands.fate = lambda message: answers.append(other.answer_message(message, slow.messages))
        report = service.sync_all_novels()
        hands.close()
    assert isinstance(report.error, LeaseLost)
    assert answers == [None]
    assert published(tables) == []


def test_a_novel_that_vanished_meanwhile_is_in_flight(library: Library, service: SyncService, hands: Hands) -> None:
    fill(library, 2)

    def removed(message: NovelMessage) -> None:
        if message.slug == "novel-001":
            library.remove(message.slug)
        hands.deliver(message)

    hands.fate = removed
    assert synced(service)["novels"]["in_flight"] == 1


def test_a_renamed_folder_keeps_its_ids_and_what_a_person_asked_for_travels_along(
    library: Library, service: SyncService, hands: Hands, tables: Tables
) -> None:
    fill(library, 12, 6)
    synced(service)
    ids = tables.ids("novel-003")
    library.path("novel-003").parent.rename(library.folder / "another-name")
    assert synced(service)["novels"]["renamed"] == 1
    assert tables.ids("another-name") == ids
    library.write("novel-005", [])
    held = synced(service, "partial")
    assert held["novels"]["held"] == 1
    library.write("novel-006", [])
    other = synced(service, "partial", accept=frozenset({"novel-006"}))
    assert "nothing was held of it before, so nothing was accepted" in messages(other)[-1]
    hints = [problem["hint"] for problem in other["problems"] if problem["kind"] == "held"]
    accepted = synced(service, accept=frozenset(accepting(hint) for hint in hints))
    assert (accepted["chapters"]["removed"], accepted["novels"]["held"]) == (12, 0)
    again = synced(service, accept=frozenset({"novel-005"}))
    assert messages(again) == ["warning nothing was held of it, so nothing was accepted"]
    hands.published.clear()
    synced(service, reread=True)
    assert all(message.context.options.reread for message in hands.published)
    assert len(hands.published) == 12


def test_a_dry_run_and_a_single_novel_publish_nothing(library: Library, service: SyncService, hands: Hands) -> None:
    fill(library, 2)
    assert service.dry_run().novels.created == 2
    assert service.sync_some_novels(["novel-000"], "cli").success
    assert hands.published == []


def test_status_tells_how_many_are_open(
    library: Library, service: SyncService, hands: Hands, other_database: SqlClient
) -> None:
    fill(library, 3)
    goes_on = threading.Event()
    hands.fate = lambda message: goes_on.wait(60) and hands.deliver(message)
    patient = make_service(library, other_database, executor=PubSubExecutor(hands, other_database.messages))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(patient.sync_all_novels)
        wait_until(lambda: (run_ := other_database.status().running) and run_.open_messages == 3)
        goes_on.set()
        assert run.result(60).success
    assert other_database.status().running is None


def test_who_is_told_to_stop_waits_no_longer(library: Library, hands: Hands, other_database: SqlClient) -> None:
    fill(library, 3)
    stopped = threading.Event()
    hands.fate = lambda message: stopped.set()
    executor = PubSubExecutor(hands, other_database.messages)
    report = make_service(library, other_database, executor=executor, stopped=stopped).sync_all_novels()
    assert (report.outcome, report.novels.deferred, report.problems) == ("partial", 3, [])


def test_nothing_is_handed_out_beyond_the_time_budget(
    library: Library, hands: Hands, other_database: SqlClient
) -> None:
    fill(library, 3)
    clock = iter(range(0, 10_000, 100))
    service = make_service(
        library,
        other_database,
        executor=PubSubExecutor(hands, other_database.messages, poll_seconds=0),
        time_budget=150,
        monotonic=lambda: next(clock),
    )
    hands.fate = lambda message: None
    report = service.sync_all_novels()
    assert (report.outcome, report.novels.deferred) == ("partial", 3)
    assert len(hands.published) == 3, "one look at the clock was before its end"


def test_a_passing_trouble_of_one_novel_makes_its_message_come_again(
    library: Library, database_url: str, service: SyncService, hands: Hands
) -> None:
    class Transport(RecordingTransport):
        def call(self, function: str, request: Any) -> Any:
            if function == "novelsync_write":
                raise DatabaseUnavailable("gone")
            return super().call(function, request)

    fill(library, 1)
    with closing(SqlClient(Transport(PostgresTransport(database_url)))) as broken:

        def again(message: NovelMessage) -> None:
            with pytest.raises(DatabaseUnavailable):
                make_service(library, broken).answer_message(message, broken.messages)
            hands.deliver(message)

        hands.fate = again
        assert synced(service)["novels"]["created"] == 1


# Over Pub/Sub -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def emulator() -> Iterator[PubSubEmulator]:
    with PubSubEmulator() as emulator:
        yield emulator


@pytest.fixture
def over_pubsub(
    emulator: PubSubEmulator, library: Library, database: SqlClient, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SyncService]:
    """Makes a service that gives its novels to a topic."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.host)

    def make(topic: str, folder: Path = library.folder) -> SyncService:
        executor = PubSubExecutor(PubSubPublisher(topic), database.messages)
        return SyncService(
            LocalStorage(str(folder)), database, SyncConfig(workers=1, max_file_bytes=10**8), executor=executor
        )

    return make


RETRIES = {"ackDeadlineSeconds": 10, "retryPolicy": {"minimumBackoff": "0.1s", "maximumBackoff": "1s"}}


@needs_emulator
@needs_real_novels
def test_a_worker_that_is_killed_in_the_middle_loses_nothing_and_the_report_is_true(
    emulator: PubSubEmulator,
    over_pubsub: Callable[..., SyncService],
    tables: Tables,
    database_url: str,
    tmp_path: Path,
) -> None:
    topic = emulator.topic("with-a-killed-worker")
    settings = {"NOVELSYNC_STORAGE": str(REAL_NOVELS), "DATABASE_URL": database_url, "WORKERS": "2", "THREADS": "2"}
    with served("novel_changed", tmp_path / "log", **settings) as http, ThreadPoolExecutor(1) as pool:
        emulator.push(topic, f"{http.base_url}/", "killed-worker", **RETRIES)
        run = pool.submit(over_pubsub(topic, REAL_NOVELS).sync_all_novels)
        wait_until(lambda: tables.rows("select 1 from novelsync.files where novel_id is not null"))
        os.kill(_a_worker(), signal.SIGKILL)
        report = run.result(120).as_dict()
    assert report["outcome"] == "ok"
    assert (report["novels"]["created"], report["chapters"]["created"]) == (20, 713)
    assert_equal_to_files(tables, REAL_NOVELS)


def _a_worker() -> int:
    """One of gunicorn's two, not the one that looks after them."""
    (server,) = (process for process in multiprocessing.active_children() if process.name == "serving novel_changed")
    return psutil.Process(server.pid).children()[0].pid


@needs_emulator
def test_what_cannot_be_carried_over_comes_five_times_and_is_then_a_dead_letter(
    emulator: PubSubEmulator, empty_database_url: str, tmp_path: Path
) -> None:
    topic, dead = emulator.topic("to-be-tried"), emulator.topic("dead-letters")
    letters = emulator.pull(dead, "dead-letters-kept")
    log = tmp_path / "log"
    unready = {"NOVELSYNC_STORAGE": str(tmp_path), "DATABASE_URL": empty_database_url}
    with served("novel_changed", log, NOVELSYNC_LOG_FORMAT="json", **unready) as http:
        policy = {"deadLetterTopic": dead, "maxDeliveryAttempts": 5}
        emulator.push(topic, f"{http.base_url}/", "tried", deadLetterPolicy=policy, **RETRIES)
        sent = b'{"slug": "emma", "context": {"run_id": "00000000-0000-0000-0000-000000000001"}}'
        emulator.publish(topic, sent)
        emulator.publish(topic, b"poison")
        (letter,) = wait_until(lambda: emulator.fetched(letters), 120)
    assert letter["attributes"]["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    said = log.read_text()
    assert (said.count('"event_comes_again"'), said.count('"event_refused"')) == (5, 1)


@needs_emulator
def test_a_topic_that_is_not_there_and_a_pubsub_that_is_away_are_told_apart(
    emulator: PubSubEmulator,
    over_pubsub: Callable[..., SyncService],
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(library, 1)
    report = over_pubsub(f"{PROJECT}/topics/there-is-none").sync_all_novels()
    assert isinstance(report.error, ConfigurationError)
    assert report.error.message == f"there is no Pub/Sub topic {PROJECT}/topics/there-is-none"

    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(PublisherUnavailable, match="could not be handed over"):
        PubSubPublisher(TOPIC, patience=0.5).publish([NovelMessage("emma", RunContext("1"))])
