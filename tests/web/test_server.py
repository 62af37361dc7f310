"""How `serve` ends: as a terminal's Ctrl-C and a supervisor's SIGTERM end it, idle and at work."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from structlog.testing import capture_logs

from novelsync.errors import ConfigurationError, DatabaseUnavailable
from novelsync.models.results import NovelStatus
from novelsync.sync_service import SyncService
from novelsync.web.server import start_schedule
from tests.conftest import Run, Tables
from tests.support.hours import published
from tests.support.library import Library, chapter, chapters
from tests.support.serving import ROOT
from tests.support.waiting import wait_until

SERVE = ("-m", "novelsync", "serve")
FRAMEWORK = ("-m", "functions_framework", "--target", "app", "--source", str(ROOT / "main.py"), "--host", "127.0.0.1")

PROMPT = 15
"""Seconds. gunicorn kills after 30."""


class Serving:
    """A server with a process group of its own, as a shell gives it."""

    def __init__(self, arguments: Sequence[str], python: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [python, *arguments, "--port", str(port)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        # One for all calls: a new one reads all certificates first, and a server is asked often until it answers.
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, headers={"Connection": "close"})

    def answers(self) -> bool:
        assert self.process.poll() is None, self.ended()
        try:
            return self.http.get("/api/v1/sync/scheduler/status").is_success
        except httpx.TransportError:
            return False

    def is_scheduled(self) -> bool:
        assert self.process.poll() is None, self.ended()
        with suppress(httpx.TransportError, ValueError, KeyError):
            return bool(self.http.get("/api/v1/sync/scheduler/status").json()["data"]["is_running"])
        return False

    def interrupt(self) -> None:
        """As a terminal does: the signal goes to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> str:
        """What it said, once it ended. None of its processes is left, or the pipe they share would be open."""
        said, _ = self.process.communicate(timeout=PROMPT)
        assert "Traceback" not in said
        assert "SIGKILL" not in said
        return said


@contextmanager
def serving(*arguments: str, python: Path = Path(sys.executable), folder: Path = ROOT) -> Iterator[Serving]:
    server = Serving(arguments, python, folder)
    try:
        wait_until(server.answers)
        yield server
    finally:
        server.http.close()
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.communicate()


@pytest.mark.usefixtures("settled")
def test_ctrl_c_ends_serve_every_time() -> None:
    for _ in range(5):
        with serving(*SERVE) as server:
            server.interrupt()
            server.ended()
            assert server.process.returncode == 0


@pytest.mark.usefixtures("settled")
def test_pressing_it_again_and_again_ends_it_no_less_well() -> None:
    with serving(*SERVE) as server:
        for _ in range(20):
            server.interrupt()
        server.ended()


def test_ctrl_c_stops_the_embedded_database_too(library: Library, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    folder = library.folder.parent / "postgres"
    monkeypatch.setenv("NOVELSYNC_STORAGE", str(library.folder))
    monkeypatch.setenv("NOVELSYNC_EMBEDDED_DIR", str(folder))
    library.write("emma", chapters(1))
    with serving(*SERVE) as server:
        assert server.http.post("/api/v1/sync/novels").is_success
        assert Path(folder, "data", "postmaster.pid").exists()
        server.interrupt()
        server.ended()
    assert not Path(folder, "data", "postmaster.pid").exists()
    if (data := folder / "data").is_symlink():
        shutil.rmtree(data.resolve().parent)


@pytest.mark.usefixtures("settled")
def test_a_worker_that_is_killed_comes_back_with_its_schedule() -> None:
    with serving(*SERVE) as server:
        wait_until(server.is_scheduled)
        (worker,) = psutil.Process(server.process.pid).children()
        worker.kill()
        worker.wait(PROMPT)
        wait_until(server.is_scheduled)


class Started:
    """Parts that are in trouble at the first attempts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0
        self.scheduler_service = self

    def find(self, *, acts: bool) -> "Started":
        if self.errors:
            raise self.errors.pop(0)
        return self

    def start_scheduler(self) -> None:
        self.count += 1


def test_a_schedule_whose_database_is_away_is_started_as_soon_as_it_is_there() -> None:
    parts, told = Started(DatabaseUnavailable("away"), DatabaseUnavailable("away")), list[str]()
    start_schedule(told.append, 0.01, parts.find)  # type: ignore[arg-type]
    assert (parts.count, told) == (1, [])


def test_a_schedule_whose_start_broke_is_started_at_the_next_attempt() -> None:
    parts, told = Started(ZeroDivisionError("canary")), list[str]()
    with capture_logs() as logs:
        start_schedule(told.append, 0.01, parts.find)  # type: ignore[arg-type]
    assert (parts.count, told) == (1, [])
    assert [(line["event"], line["log_level"]) for line in logs] == [("schedule_broke", "error")]


def test_a_schedule_that_cannot_be_started_says_why_and_the_server_goes_on() -> None:
    parts, told = Started(ConfigurationError("DATABASE_URL cannot be read")), list[str]()
    start_schedule(told.append, 0.01, parts.find)  # type: ignore[arg-type]
    assert (parts.count, told) == (0, ["the hourly sync was not started: DATABASE_URL cannot be read"])


@pytest.mark.parametrize("arguments", [SERVE, FRAMEWORK], ids=["serve", "functions-framework"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_the_servers_end_cuts_short_is_partial_and_the_next_begins_there(
    settled: Library, tables: Tables, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], number: signal.Signals
) -> None:
    monkeypatch.setenv("NOVELSYNC_WORKERS", "1")
    for n in range(10, 22):
        settled.write(f"novel-{n}", [chapter(c, content=f"{c:08d}" * 12_500) for c in range(40)])
    with serving(*arguments) as server:
        server.http.post("/api/v1/sync/novels/background").raise_for_status()
        wait_until(lambda: published(tables))
        if number == signal.SIGINT and arguments is SERVE:
            server.interrupt()
        else:
            server.process.send_signal(number)
        server.ended()
    [(outcome, report)] = tables.rows("select outcome, report from novelsync.runs")
    assert (outcome, report["problems"]) == ("partial", [])
    brought = len(published(tables))  # another may have been broken off between its parts
    assert (report["novels"]["created"], report["novels"]["deferred"]) == (brought, 12 - brought)
    assert report["novels"]["deferred"] > 0
    assert tables.rows("select from novelsync.lease where expires_at > now()") == []
    assert tables.rows("select resume_at from novelsync.lease") == [(f"novel-{10 + brought}",)]


def test_a_large_novel_under_way_when_the_interpreter_ends_is_still_brought_in(
    library: Library, service: SyncService, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("large", [chapter(n, content=f"{n:08d}" * 12_500) for n in range(1, 200)])
    monkeypatch.setattr("concurrent.futures.thread._shutdown", True)  # as it is then; no thread is begun any more
    assert service.sync_novel_to_db("large").status == NovelStatus.CREATED
    assert len(tables.titles("large")) == 199
