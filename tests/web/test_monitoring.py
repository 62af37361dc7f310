"""What monitors ask for: whether the process lives, and the numbers of the status."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from novelsync.database.client import SqlClient
from novelsync.settings.loading import load_settings
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from novelsync.web.metrics import exposition
from novelsync.web.server import watch
from novelsync.wiring.parts import Parts, connected
from tests.conftest import RecordingTransport
from tests.support.library import Library, chapters
from tests.support.receiver import Receiver, receiving
from tests.support.serving import Serve

STATUS = "/api/v1/sync/novels/status"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def samples(text: str) -> dict[str, float]:
    """Name and labels to value."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("target", ["app", "sync", "status"])
def test_a_process_is_healthy_although_neither_settings_nor_database_are(serve: Serve, target: str) -> None:
    client = serve(target, DATABASE_URL="postgresql://nobody@127.0.0.1:1/x", NOVELSYNC_WORKERS="none")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 404


def test_metrics_are_not_served_to_whoever_did_not_ask_for_them(serve: Serve) -> None:
    answer = serve("status").get("/metrics")
    assert (answer.status_code, answer.json()["hint"]) == (404, "set NOVELSYNC_METRICS=1")


def test_metrics_have_the_numbers_of_the_status(serve: Serve, library: Library, service: SyncService) -> None:
    client = serve("status", NOVELSYNC_METRICS="1", NOVELSYNC_DATABASE_LIMIT="500000000")
    never = samples(client.get("/metrics").text)
    assert (never["novelsync_verdict never_run"], never["novelsync_novels"]) == (1, 0)
    assert "novelsync_last_run_age_seconds" not in never, "what is not known has no number"
    library.write("emma", chapters(3))
    library.write_raw("cut", b"{")
    service.sync_all_novels()
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    said = samples(answer.text)
    status = client.get(STATUS).json()
    expected = {
        "novelsync_verdict attention": 1,
        "novelsync_verdict ok": 0,
        "novelsync_novels": 1,
        "novelsync_chapters": 3,
        "novelsync_removed_novels": 0,
        "novelsync_problems refused": 1,
        "novelsync_problems held": 0,
        "novelsync_last_run_outcome partial": 1,
        "novelsync_last_run_outcome ok": 0,
        "novelsync_last_run_duration_seconds": status["last_run"]["duration"],
        "novelsync_run_in_progress": 0,
        "novelsync_database_limit_bytes": 500_000_000,
    }
    assert expected == {name: said[name] for name in expected}
    assert 0 <= said["novelsync_last_run_age_seconds"] < 60
    ended = datetime.fromisoformat(status["last_run"]["end_time"]).timestamp()
    assert abs(said["novelsync_last_run_timestamp_seconds"] - ended) < 5
    assert said["novelsync_database_bytes"] > 1_000_000


def test_metrics_cost_one_call_of_the_database_and_no_listing(
    library: Library, service: SyncService, database: SqlClient, transport: RecordingTransport
) -> None:
    service.sync_all_novels()
    status = StatusService(LocalStorage(str(library.folder / "not there")), database, stale_after=7800)
    transport.calls.clear()
    stored = database.status()
    exposition(stored, status.status(look_at_storage=False, stored=stored), datetime.now(UTC))
    assert [function for function, _ in transport.calls] == ["novelsync_status"]


def test_a_check_tells_a_change_and_a_second_one_does_not(
    serve: Serve, library: Library, service: SyncService, receiver: Receiver
) -> None:
    first, second = (serve(target, NOVELSYNC_ALERT_URL=receiver.url) for target in ("status", "app"))
    assert first.get(STATUS, params={"check": "1"}).status_code == 503
    assert second.get(STATUS, params={"check": "1"}).status_code == 503
    assert receiver.verdicts == ["never_run"]
    library.write("emma", chapters(3))
    assert second.post("/api/v1/sync/novels").status_code == 200
    assert first.get(STATUS).json()["verdict"] == "ok"
    assert receiver.verdicts == ["never_run", "ok"]
    assert receiver.told[-1]["storage"] == str(library.folder)


def test_a_check_answers_although_nobody_takes_its_alert(serve: Serve, receiver: Receiver) -> None:
    receiver.trouble = lambda: 500
    client: httpx.Client = serve("status", NOVELSYNC_ALERT_URL=receiver.url)
    answers = [client.get(STATUS, params={"check": "1"}) for _ in range(3)]
    assert [answer.json()["verdict"] for answer in answers] == ["never_run"] * 3
    assert len(receiver.requests) == 1, "and it is not asked again each time"


@pytest.mark.usefixtures("settled")
def test_a_server_looks_again_at_the_verdict_after_a_look_that_broke(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setenv("NOVELSYNC_ALERT_URL", receiver.url)
    with connected(load_settings()) as parts:
        pauses, broken = iter([False, False, True]), [ZeroDivisionError("canary")]

        def find(**_: object) -> Parts:
            if broken:
                raise broken.pop()
            return parts

        with capture_logs() as logs:
            watch(300, find, lambda seconds: next(pauses))
    assert receiver.verdicts == ["never_run"]
    assert ("alerts_broke", "error") in [(line["event"], line["log_level"]) for line in logs]


@pytest.mark.usefixtures("settled")
def test_a_server_looks_at_the_verdict_by_itself(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setenv("NOVELSYNC_ALERT_URL", receiver.url)
    with connected(load_settings()) as parts:
        pauses = iter([False, False, True])
        watch(300, lambda **_: parts, lambda seconds: next(pauses))
    assert receiver.verdicts == ["never_run"]
