"""Events to single novels: over HTTP as Eventarc and Pub/Sub bring them, to functions-framework's own server."""

import json
import random
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from novelsync.database.client import SqlClient
from novelsync.models.run import NovelMessage, RunContext, SyncOptions
from novelsync.storage.gcs import GcsStorage
from novelsync.sync_service import SyncConfig, SyncService
from novelsync.web.events import DELETED, FINALIZED, PUBLISHED, IgnoredEvent, MalformedEvent, ObjectWritten, asked
from tests.conftest import Tables
from tests.support.bucket import Bucket, failure
from tests.support.hours import published, synced
from tests.support.library import chapter, chapters
from tests.support.receiver import receiving
from tests.support.serving import served

RUN = "00000000-0000-0000-0000-000000000001"
METADATA = "google.cloud.storage.object.v1.metadataUpdated"


def name_of(slug: str) -> str:
    return f"library/{slug}/book_info.json"


def book(title: str, count: int) -> bytes:
    return json.dumps({"title": title, "chapters": chapters(count)}).encode()


# What an event says -----------------------------------------------------------------


def message(data: bytes = b"", **attributes: str) -> Mapping[str, Any]:
    return {"message": {"data": b64encode(data).decode(), "attributes": attributes, "messageId": "1"}}


def notification(kind: str, slug: str, generation: int, bucket: str = "novels") -> Mapping[str, Any]:
    named = {"bucketId": bucket, "objectId": name_of(slug), "objectGeneration": str(generation)}
    return message(b"{}", eventType=kind, payloadFormat="JSON_API_V1", **named)


def test_eventarc_and_a_buckets_own_notification_say_the_same() -> None:
    written = ObjectWritten("novels", name_of("emma"), 7)
    metadata = {"bucket": "novels", "name": name_of("emma"), "generation": "7", "size": "12"}
    assert asked(FINALIZED, metadata) == written
    assert asked(PUBLISHED, notification("OBJECT_FINALIZE", "emma", 7)) == written


def test_a_runs_message_is_told_from_a_notification() -> None:
    options = SyncOptions(accept=frozenset({"emma=4f1c2a0b", "anne"}), accept_removals=3, removals_shown="4f1c2a0b")
    sent = RunContext(RUN, options, {"emma": "anne", "x": "y"}).message("emma")
    options = SyncOptions(accept=frozenset({"emma=4f1c2a0b"}))
    context = RunContext(RUN, options, {"emma": "anne"}, by_message=True)
    assert asked(PUBLISHED, message(msgspec.json.encode(sent))) == NovelMessage("emma", context)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (DELETED, {"bucket": "novels", "name": name_of("emma"), "generation": "7"}),
        (METADATA, {}),
        ("something.else", None),
        (PUBLISHED, notification("OBJECT_DELETE", "emma", 7)),
        (PUBLISHED, notification("OBJECT_METADATA_UPDATE", "emma", 7)),
    ],
)
def test_a_deletion_and_other_events_ask_for_nothing(kind: str, data: Any) -> None:
    with pytest.raises(IgnoredEvent):
        asked(kind, data)


POISON: list[tuple[str, Any]] = [
    (FINALIZED, None),
    (FINALIZED, "text"),
    (FINALIZED, []),
    (FINALIZED, {"bucket": "novels"}),
    (FINALIZED, {"bucket": "novels", "name": 7, "generation": "1"}),
    (FINALIZED, {"bucket": "novels", "name": name_of("emma"), "generation": "many"}),
    (FINALIZED, {"bucket": "novels", "name": name_of("emma"), "generation": "-1"}),
    (PUBLISHED, None),
    (PUBLISHED, {"message": None}),
    (PUBLISHED, {"message": {"data": "?"}}),
    (PUBLISHED, message(b"")),
    (PUBLISHED, message(b"\xff{")),
    (PUBLISHED, message(b'{"slug": "emma", "context": {"run_id": 1}}')),
    (PUBLISHED, message(b'{"slug": "emma"}')),
    (PUBLISHED, message(b'{"slug": "emma", "context": {}}')),
    (PUBLISHED, message(b'{"slug": "emma", "context": {"run_id": "x"}}')),
    (PUBLISHED, message(f'{{"slug": "", "context": {{"run_id": "{RUN}"}}}}'.encode())),
    (PUBLISHED, message(f'{{"slug": "a\\u0000b", "context": {{"run_id": "{RUN}"}}}}'.encode())),
    (FINALIZED, {"bucket": "novels", "name": "library/\ud800/book_info.json", "generation": "1"}),
    (PUBLISHED, message(b"[" * 100_000)),
    (PUBLISHED, message(eventType="OBJECT_FINALIZE")),
    (PUBLISHED, notification("OBJECT_FINALIZE", "emma", 0) | {"message": {"attributes": {"eventType": 1}}}),
]


@pytest.mark.parametrize(("kind", "data"), POISON)
def test_what_is_no_event_of_its_kind_is_recognised(kind: str, data: Any) -> None:
    with pytest.raises(MalformedEvent) as told:
        asked(kind, data)
    assert 0 < len(str(told.value)) < 1000


# What is done -----------------------------------------------------------------------


@dataclass
class Function:
    """``novel_changed`` as it is deployed, over a bucket."""

    http: httpx.Client
    bucket: Bucket
    log: Path

    def sends(self, kind: str, data: Any) -> int:
        """The status of the answer to an event as Eventarc posts it."""
        headers = {"ce-id": "1", "ce-source": "//storage", "ce-specversion": "1.0", "ce-type": kind}
        body = json.dumps(data).encode()
        return self.http.post("/", content=body, headers=headers | {"Content-Type": "application/json"}).status_code

    def finalized(self, slug: str, generation: int, bucket: str = "novels") -> int:
        return self.sends(FINALIZED, {"bucket": bucket, "name": name_of(slug), "generation": str(generation)})

    def logged(self, event: str) -> list[Mapping[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == event]


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as bucket:
        yield bucket


@pytest.fixture
def function(bucket: Bucket, tmp_path: Path, database_url: str) -> Iterator[Function]:
    log = tmp_path / "log"
    settings = {
        "NOVELSYNC_STORAGE": "gs://novels/library",
        "STORAGE_EMULATOR_HOST": bucket.url,
        "DATABASE_URL": database_url,
        "NOVELSYNC_LOG_FORMAT": "json",
        "FUNCTION_SIGNATURE_TYPE": "http",  # what gcloud sets for --trigger-http, with which deploy.sh makes it
    }
    with served("novel_changed", log, **settings) as http:
        yield Function(http, bucket, log)


@pytest.fixture
def service(bucket: Bucket, database: SqlClient) -> SyncService:
    """Whole runs over the same bucket."""
    storage = GcsStorage("gs://novels/library", bucket.client)
    return SyncService(storage, database, SyncConfig(workers=2, max_file_bytes=10**8))


def test_a_written_object_is_in_the_tables_when_the_event_is_answered(function: Function, tables: Tables) -> None:
    generation = function.bucket.put(name_of("emma"), book("Emma", 2))
    assert function.finalized("emma", generation) == 200
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]
    assert tables.rows("select outside_at is not null from novelsync.files") == [(True,)]
    (told,) = function.logged("novel_synced")
    assert (told["slug"], told["status"], told["event_id"]) == ("emma", "created", "1")

    generation = function.bucket.put(name_of("persuasion"), book("Persuasion", 1))
    pushed = {**notification("OBJECT_FINALIZE", "persuasion", generation), "subscription": "projects/p/subscriptions/s"}
    assert function.http.post("/", json=pushed).status_code == 200, "as Pub/Sub wraps it"
    assert published(tables) == ["emma", "persuasion"]


def test_what_an_event_changed_is_told_before_it_is_answered(
    bucket: Bucket, tmp_path: Path, database_url: str, tables: Tables
) -> None:
    settings = {
        "NOVELSYNC_STORAGE": "gs://novels/library",
        "STORAGE_EMULATOR_HOST": bucket.url,
        "DATABASE_URL": database_url,
        "FUNCTION_SIGNATURE_TYPE": "http",
        "NOVELSYNC_NOTIFY_SECRET": f"whsec_{b64encode(bytes(32)).decode()}",
    }
    with (
        receiving() as receiver,
        served("novel_changed", tmp_path / "log", NOVELSYNC_NOTIFY_URL=receiver.url, **settings) as http,
    ):
        function = Function(http, bucket, tmp_path / "log")
        assert function.finalized("emma", bucket.put(name_of("emma"), book("Emma", 2))) == 200
        assert [each["novel"]["slug"] for each in receiver.told[0]["data"]["changes"]] == ["emma"]
        receiver.trouble = lambda: 500
        assert function.finalized("anne", bucket.put(name_of("anne"), book("Anne", 2))) == 200
        assert published(tables) == ["anne", "emma"]


def test_an_event_that_comes_again_or_late_reads_nothing(function: Function, tables: Tables) -> None:
    first = function.bucket.put(name_of("emma"), book("Emma", 1))
    second = function.bucket.put(name_of("emma"), book("Emma", 2))
    assert function.finalized("emma", second) == 200
    function.bucket.requests.clear()
    before = tables.places()
    assert [function.finalized("emma", second), function.finalized("emma", first)] == [200, 200]
    assert function.bucket.requests == []
    assert tables.places() == before


def test_an_event_that_comes_again_reads_nothing_although_something_is_held_or_refused(
    function: Function, tables: Tables
) -> None:
    assert function.finalized("emma", function.bucket.put(name_of("emma"), book("Emma", 9))) == 200
    held = function.bucket.put(name_of("emma"), book("Emma", 1))
    refused = function.bucket.put(name_of("persuasion"), b"{")
    assert [function.finalized("emma", held), function.finalized("persuasion", refused)] == [200, 200]
    assert tables.rows("select kind from novelsync.problems order by 1") == [("held",), ("refused",)]
    function.bucket.requests.clear()
    assert [function.finalized("emma", held), function.finalized("persuasion", refused)] == [200, 200]
    assert function.bucket.requests == []


def test_generations_are_compared_as_numbers(function: Function, tables: Tables) -> None:
    assert function.finalized("emma", function.bucket.put(name_of("emma"), book("Emma", 1))) == 200
    function.bucket.objects[name_of("emma")] = 9_999, book("Emma", 2)
    assert function.finalized("emma", 9_999) == 200
    function.bucket.objects[name_of("emma")] = 10_000, book("Emma", 3)
    assert function.finalized("emma", 10_000) == 200
    assert len(tables.titles("emma")) == 3


def test_an_object_that_is_gone_again_and_a_deletion_remove_nothing(
    function: Function, tables: Tables, service: SyncService
) -> None:
    generation = function.bucket.put(name_of("emma"), book("Emma", 1))
    function.bucket.put(name_of("persuasion"), b'{"title": "Persuasion"}')
    assert function.finalized("emma", generation) == 200
    synced(service)
    del function.bucket.objects[name_of("emma")]
    assert function.finalized("emma", generation + 1) == 200
    data = {"bucket": "novels", "name": name_of("emma"), "generation": str(generation)}
    assert function.sends(DELETED, data) == 200
    assert published(tables) == ["emma", "persuasion"]
    assert synced(service)["novels"]["missing"] == 1, "it is the next whole run that notices"


def test_other_objects_and_other_buckets_are_passed_over(function: Function, tables: Tables) -> None:
    for name in (
        "elsewhere/emma/book_info.json",
        "library/emma/cover.png",
        "library/book_info.json",
        "library/../library/emma/book_info.json",
        "library/a/b/book_info.json",
        "library/.hidden/book_info.json",
        "library//book_info.json",
        "library/e\0mma/book_info.json",
    ):
        function.bucket.put(name, book("Emma", 1))
        assert function.sends(FINALIZED, {"bucket": "novels", "name": name, "generation": "5"}) == 200
    assert function.finalized("emma", function.bucket.put(name_of("emma"), book("Emma", 1)), "others") == 200
    assert function.bucket.requests == []
    assert tables.rows("select count(*) from novelsync.files") == [(0,)]


def test_poison_is_logged_once_and_acknowledged(function: Function) -> None:
    for kind, data in POISON:
        assert function.sends(kind, data) == 200
    told = function.logged("event_refused")
    assert len(told) == len(POISON)
    assert all(line["severity"] == "ERROR" and line["reason"] for line in told)
    assert "Traceback" not in function.log.read_text()


def test_a_file_that_cannot_be_accepted_is_recorded_and_acknowledged(function: Function, tables: Tables) -> None:
    assert function.finalized("emma", function.bucket.put(name_of("emma"), b"{")) == 200
    assert tables.rows("select slug, kind from novelsync.problems") == [("emma", "refused")]


def test_with_the_storage_away_the_event_comes_again_and_is_then_carried_out(
    function: Function, tables: Tables
) -> None:
    generation = function.bucket.put(name_of("emma"), book("Emma", 1))
    # 400 is not tried again by Google's library, so that the test need not wait.
    function.bucket.answer = lambda path, query: failure(400, "no") if query.get("alt") == "media" else None
    assert function.finalized("emma", generation) == 503
    function.bucket.answer = lambda path, query: None
    assert function.finalized("emma", generation) == 200
    assert published(tables) == ["emma"]
    (told,) = function.logged("event_comes_again")
    assert told["severity"] == "WARNING"
    assert "Traceback" not in function.log.read_text()


def test_with_the_database_away_the_event_comes_again(bucket: Bucket, tmp_path: Path) -> None:
    settings = {"NOVELSYNC_STORAGE": "gs://novels/library", "STORAGE_EMULATOR_HOST": bucket.url}
    log = tmp_path / "log"
    with served("novel_changed", log, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", **settings) as http:
        function = Function(http, bucket, log)
        assert function.finalized("emma", bucket.put(name_of("emma"), book("Emma", 1))) == 503
    assert "Traceback" not in log.read_text()


def test_events_twice_and_in_any_order_while_whole_runs_go_on_leave_the_tables_as_the_storage_is(
    function: Function, service: SyncService, tables: Tables
) -> None:
    chance = random.Random(1)  # noqa: S311 — to be the same each time
    slugs = [f"novel-{n:02}" for n in range(25)]
    events: list[tuple[str, int]] = []
    ends = threading.Event()

    def whole_runs() -> set[str]:
        outcomes = set()
        while not ends.is_set():
            outcomes.add(service.sync_all_novels().outcome.value)
        return outcomes

    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(8) as pool:
        runs = beside.submit(whole_runs)
        try:
            answers = []
            for edition in range(10):
                for slug in slugs:
                    data = json.dumps({"title": slug, "chapters": [chapter(f"{slug} {n}") for n in range(edition + 3)]})
                    events.append((slug, function.bucket.put(name_of(slug), data.encode())))
                # Of this edition and of older ones, some of them twice.
                answers += [pool.submit(function.finalized, *chance.choice(events)) for _ in range(75)]
            answers += [pool.submit(function.finalized, *event) for event in chance.sample(events, len(events))]
            assert len(answers) == 1_000
            assert {answer.result(60) for answer in answers} == {200}
        finally:
            ends.set()
        assert runs.result(60) == {"ok"}
    for trouble in ("event_broke", "event_comes_again", "event_refused"):
        assert function.logged(trouble) == []
    for slug in slugs:
        assert tables.titles(slug) == [f"Chapter {slug} {n}" for n in range(12)]
    assert tables.rows("select count(*) from novels") == [(25,)]
    assert tables.rows("select count(*) from chapters") == [(300,)]
