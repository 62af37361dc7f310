"""The log: one JSON object per line in the cloud, each with its run; quiet on success, exact on failure."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from novelsync.errors import DatabaseUnavailable
from novelsync.running.lease import LeaseKeeper
from novelsync.text.logs import MOST, configure_logs
from tests.support.library import Library, chapters
from tests.support.postgrest import ABSENT, Answer, Request, StandIn, postgrest_binary
from tests.support.serving import Serve, served
from tests.support.waiting import wait_until

NOVELS = "/api/v1/sync/novels"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """What the server wrote of its own; gunicorn's lines are not ours."""

    def read() -> list[dict[str, Any]]:
        written = (tmp_path / "sync.log").read_text().splitlines()
        return [json.loads(line) for line in written if line.startswith("{")]

    return read


def test_a_run_in_which_nothing_is_wrong_is_two_lines(serve: Serve, library: Library, lines: Lines) -> None:
    for slug in "abc":
        library.write(slug, chapters(2))
    client = serve("sync", NOVELSYNC_LOG_FORMAT="json")
    client.post(NOVELS)
    client.post(NOVELS)
    client.post(f"{NOVELS}?dry_run=1")
    said = [(line["message"], line["severity"]) for line in lines()]
    assert said == [("run_started", "INFO"), ("run_ended", "INFO")] * 3


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_every_line_of_a_run_has_its_id_from_whichever_thread_it_comes(
    database_url: str, library: Library, tmp_path: Path, lines: Lines
) -> None:
    for slug in "abc":
        library.write(slug, chapters(2))
    library.write_raw("cut", b"{")
    failed: list[str] = []

    def flaky(request: Request) -> Answer | None:
        function = request.path.partition("/rpc/")[2].partition("?")[0]
        if function in failed or function not in ("novelsync_begin", "novelsync_write"):
            return None
        failed.append(function)
        return Answer(503, b'{"message": "not now"}')

    with StandIn(database_url) as stand_in:
        stand_in.answer = flaky
        settings = {"SUPABASE_URL": stand_in.url, "SUPABASE_SECRET_KEY": stand_in.secret_key}
        settings |= {"NOVELSYNC_STORAGE": str(library.folder), "NOVELSYNC_LOG_FORMAT": "json"}
        with served("sync", tmp_path / "sync.log", GOOGLE_CLOUD_PROJECT="p", **settings) as client:
            trace = "0af7651916cd43dd8448eb211c80319c"
            run_id = client.post(NOVELS, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).json()["data"][
                "run_id"
            ]
            client.post(f"{NOVELS}?slug=a").raise_for_status()
    assert failed == ["novelsync_begin", "novelsync_write"]
    written = lines()
    for line in written:
        assert {"severity", "message", "time", "run_id"} <= line.keys()
    run = [line for line in written if line["run_id"] == run_id]
    assert {line["message"] for line in run} == {
        *("run_started", "database_call_repeated", "database_call_succeeded", "novel_refused", "run_ended"),
    }
    assert {line["logging.googleapis.com/trace"] for line in run} == {f"projects/p/traces/{trace}"}
    # The next request has neither that run's id nor the trace of a request it does not belong to.
    other = [line for line in written if line["run_id"] != run_id]
    assert len({line["run_id"] for line in other}) == 1
    assert [line for line in other if "logging.googleapis.com/trace" in line] == []


def test_a_run_that_fails_says_once_what_failed(serve: Serve, lines: Lines) -> None:
    client = serve("sync", NOVELSYNC_LOG_FORMAT="json", DATABASE_URL="postgresql://u@127.0.0.1:1/x")
    client.post(NOVELS)
    errors = [line for line in lines() if line["severity"] == "ERROR"]
    assert [line["message"] for line in errors] == ["run_ended"]
    assert "127.0.0.1:1/x cannot be reached" in errors[0]["reason"]
    assert {line["severity"] for line in lines()} == {"INFO", "WARNING", "ERROR"}, (
        "and each further attempt is a warning"
    )


class _Away:
    def renew(self, run_id: str, seconds: int, resume_at: str | None = None, progress: object = None) -> bool:
        raise DatabaseUnavailable("it is away")


def written(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_the_lease_speaks_for_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "stderr")
    said: list[str] = []
    with (
        structlog.contextvars.bound_contextvars(run_id="this run"),
        LeaseKeeper(_Away(), "this run", renew_seconds=0.001),  # type: ignore[arg-type]
    ):
        wait_until(lambda: said.append(written(capsys)) or said[-1])
    line = json.loads(said[-1].splitlines()[0])
    assert (line["message"], line["run_id"], line["reason"]) == ("lease_not_renewed", "this run", "it is away")


def test_a_traceback_is_one_line_and_keeps_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "stderr")
    try:
        Path("first/" * 20_000 + "the end").read_bytes()
    except OSError:
        structlog.get_logger().exception("request_broke", slug="a\nb")
    (line,) = written(capsys).splitlines()
    assert len(line) < 3 * MOST
    assert json.loads(line)["slug"] == "a\nb"
    assert json.loads(line)["exception"].endswith("the end'")


def test_a_terminal_obeys_nothing_that_a_name_or_an_error_says(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text", "stderr")
    structlog.get_logger().warning("novel_refused", slug="\x1b[2Jemma", reason="a\nb\x07\u202ec")
    said = written(capsys)
    assert "[2Jemma" in said
    assert len(said.splitlines()) == 1
    assert [char for char in said.rstrip("\n") if not char.isprintable()] == []


def test_threads_of_others_keep_their_own_context(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "stderr")
    with structlog.contextvars.bound_contextvars(run_id="this run"):
        other = threading.Thread(target=lambda: structlog.get_logger().warning("run_not_recorded"))
        other.start()
        other.join()
    assert "run_id" not in json.loads(written(capsys))
