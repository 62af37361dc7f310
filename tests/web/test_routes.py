"""The functions over HTTP, each served by functions-framework's own server in a process of its own."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from novelsync.alert_service import AlertService
from novelsync.database.client import SqlClient
from novelsync.held_service import HeldService
from novelsync.notice_service import NoticeService
from novelsync.scheduler_service import SchedulerService
from novelsync.schedulers.cloud import CloudScheduler
from novelsync.settings.loading import load_settings
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.takedown_service import TakedownService
from novelsync.web import routes as http
from novelsync.web.answers import Reader
from novelsync.web.page.render import View
from novelsync.wiring import this_process
from novelsync.wiring.parts import Parts
from tests.conftest import Tables, make_service
from tests.support.cloud_jobs import JOB, CloudJobs, failure
from tests.support.library import Library, chapters
from tests.support.serving import ROOT, Serve
from tests.support.waiting import wait_until

Answered = tuple[int, dict[str, Any]]
"""Status code and document."""

NOVELS, STATUS = "/api/v1/sync/novels", "/api/v1/sync/novels/status"
SCHEDULER = "/api/v1/sync/scheduler"

REPORT_KEYS = [
    *("run_id", "trigger", "database", "dry_run", "outcome", "success", "novels_processed", "novels_success"),
    *("novels_error", "chapters_processed", "novels", "chapters", "problems", "problems_total", "bytes_read"),
    *("duration", "start_time", "end_time", "interrupted", "missing"),
]
STATUS_KEYS = [
    *("novels_in_storage", "last_check", "storage_path", "database", "database_bytes", "novels_in_database"),
    *("chapters_in_database", "removed_novels", "pending", "verdict", "reasons", "last_run", "metrics"),
    *("problems", "problems_total", "scheduler", "database_limit", "runs"),
]


def test_the_published_answers_field_for_field(serve: Serve, library: Library) -> None:
    client = serve()
    for slug in ("a", "b", "c"):
        library.write(slug, chapters(2))
    answer = client.post(NOVELS)
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert list(body) == ["success", "message", "data"]
    assert (body["success"], body["message"]) == (True, "Sync job completed")
    assert list(body["data"]) == REPORT_KEYS
    said = {
        key: body["data"][key] for key in ("success", "novels_processed", "novels_success", "novels_error", "trigger")
    }
    assert said == {"success": True, "novels_processed": 3, "novels_success": 3, "novels_error": 0, "trigger": "http"}
    assert len(body["data"]["start_time"]) == len("2025-07-31T10:00:00Z")
    assert round(body["data"]["duration"], 2) == body["data"]["duration"]

    status = client.get(STATUS).json()
    assert [key for key in STATUS_KEYS if key not in status] == []
    assert list(status)[:3] == ["novels_in_storage", "last_check", "storage_path"]
    assert (status["novels_in_storage"], status["storage_path"]) == (3, str(library.folder))
    assert (status["verdict"], status["last_run"]) == ("ok", body["data"])
    assert status["metrics"]["sync_success_rate"] == 1

    # The same at the root, by method.
    assert client.get("/").json()["verdict"] == "ok"
    assert client.post("/").json()["data"]["novels"]["unchanged"] == 3
    assert client.head(STATUS).status_code == 200


def test_what_is_held_is_shown_rehearsed_and_accepted(serve: Serve, library: Library, tables: Tables) -> None:
    client, cloud = serve(), serve("sync", K_SERVICE="novelsync-sync")
    library.write("emma", chapters(9))
    for slug in "abcd":
        library.write(slug, chapters(1))
    client.post(NOVELS)
    library.write("emma", chapters(2))
    before = tables.places()

    rehearsed = client.post(f"{NOVELS}?dry_run=1").json()["data"]
    assert list(rehearsed) == [*REPORT_KEYS, "changes"]
    assert (rehearsed["run_id"], rehearsed["dry_run"], rehearsed["outcome"]) == (None, True, "partial")
    assert [(change["mark"], change["slug"]) for change in rehearsed["changes"]] == [("!", "emma")]
    assert tables.places() == before

    held = client.post(NOVELS).json()
    assert (held["success"], held["message"]) == (True, "Sync job completed with problems")
    (shown,) = re.findall("novelsync sync --accept (emma=[0-9a-f]{8})`", held["data"]["problems"][0]["hint"])
    query = f"accept={quote_plus(shown)}"
    in_cloud = cloud.post(NOVELS).json()["data"]["problems"][0]["hint"]
    assert f"'https://{cloud.base_url.netloc.decode()}/api/v1/sync/novels?{query}'" in in_cloud
    assert client.get(STATUS).json()["verdict"] == "attention"
    elsewhere = serve("status", K_SERVICE="novelsync-status").get(STATUS).json()["problems"][0]["hint"]
    assert f"`POST /api/v1/sync/novels?{query}` to the function sync" in elsewhere

    accepted = client.post(f"{NOVELS}?{query}").json()["data"]
    assert (accepted["outcome"], accepted["chapters"]["removed"]) == ("ok", 7)
    assert client.get(STATUS).json()["verdict"] == "ok"

    for slug in "abcd":
        library.remove(slug)
    (held,) = client.post(NOVELS).json()["data"]["problems"]
    assert "4 of 5 novels" in held["message"]
    (shown,) = re.findall("novelsync sync --accept-removals (4=[0-9a-f]{8})`", held["hint"])
    assert client.post(f"{NOVELS}?accept_removals=3").json()["data"]["novels"]["removed"] == 0
    assert client.post(f"{NOVELS}?accept_removals={quote_plus(shown)}").json()["data"]["novels"]["removed"] == 4
    assert client.get(STATUS).json()["removed_novels"] == 4
    assert client.post(f"{NOVELS}?reread=1&slug=emma").json()["data"]["bytes_read"] > 0


def test_what_is_asked_wrongly_is_answered_with_a_hint(serve: Serve) -> None:
    client = serve()
    cases = [
        ("GET", NOVELS, 405, "use POST"),
        ("DELETE", STATUS, 405, "use GET"),
        ("PUT", "/", 405, "use GET, POST"),
        ("GET", "/api/v1/sync/novel", 404, "POST /api/v1/sync/novels"),
        ("POST", f"{NOVELS}?slugg=a", 400, "known here: dry_run, slug"),
        ("POST", f"{NOVELS}?dry_run=yes", 400, "it can be 1 or 0"),
        ("POST", f"{NOVELS}?accept_removals=some", 400, "the number that was shown"),
        ("POST", f"{NOVELS}?keep=emma%3Din-order", 400, "in-order is a way to accept"),
        ("POST", f"{NOVELS}?keep=emma%3Din-order-4f1c2a0b", 400, "in-order is a way to accept"),
        ("POST", f"{NOVELS}?accept_removals=4=this", 400, "the number that was shown"),
        ("POST", f"{NOVELS}?accept=emma&accept=emma=4f1c2a0b", 400, "give one of them"),
        ("POST", f"{NOVELS}?accept_removals=2&slug=a", 400, "only a whole run removes"),
        ("GET", f"{STATUS}?check=yes", 400, "1 or strict"),
        ("POST", f"{NOVELS}/background?slug=a", 400, "there are none here"),
    ]
    cases += [
        ("POST", f"{NOVELS}?slug=", 400, "the name of the novel's folder"),
        ("POST", f"{NOVELS}?accept=%00", 400, "the name of the novel's folder"),
        ("POST", f"{NOVELS}?dry_run=0&dry_run=1", 400, "once is enough"),
    ]
    for body in ({"data": {"dry_run": "1"}}, {"json": {"dry_run": True}}):
        assert "go into the address" in client.post(NOVELS, **body).json()["hint"]
    nested = client.post(NOVELS, content=b"[" * 60_000)
    assert (nested.status_code, nested.json()["hint"]) == (400, "none is needed")
    for method, path, code, hint in cases:
        answer = client.request(method, path)
        assert answer.status_code == code, path
        assert (answer.json()["success"], list(answer.json())) == (False, ["success", "message", "hint"])
        assert hint in answer.json()["hint"], path
        assert ("Allow" in answer.headers) == (code == 405)


def test_no_web_page_presses_our_buttons(serve: Serve, tables: Tables) -> None:
    client = serve()
    ours = f"http://{client.base_url.netloc.decode()}"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": ours},
        {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
    ):
        assert client.post(NOVELS, headers=headers).status_code == 403, headers
    assert tables.rows("select from novelsync.runs") == []
    for headers in ({}, {"Origin": ours}, {"Origin": ours, "Sec-Fetch-Site": "same-origin"}):
        assert client.post(NOVELS, headers=headers).status_code == 200, headers
    assert client.get(STATUS, headers={"Origin": "https://evil.example"}).status_code == 200, "it only shows"


def test_each_function_answers_its_own_routes_and_names_its_sibling(serve: Serve, library: Library) -> None:
    library.write("emma", chapters(1))
    does, shows = serve("sync"), serve("status")
    assert shows.get(f"{STATUS}?check=1").status_code == 503, "it never ran"
    assert does.post("/").json()["data"]["novels"]["created"] == 1
    assert shows.get("/").json()["novels_in_database"] == 1
    assert shows.get(f"{STATUS}?check=1").status_code == 200
    sibling, other = does.get(STATUS), shows.post(NOVELS)
    assert (sibling.status_code, other.status_code) == (404, 404)
    assert "the function status answers it" in sibling.json()["hint"]
    assert "the function sync answers it" in other.json()["hint"]
    assert (does.get("/").status_code, shows.post("/").status_code) == (405, 405)


def test_problems_are_200_and_only_a_strict_check_alarms(serve: Serve, library: Library) -> None:
    client = serve()
    library.write("emma", chapters(1))
    library.write_raw("cut", b"{")
    answer = client.post(f"{NOVELS}").json()
    assert (answer["success"], answer["message"]) == (True, "Sync job completed with problems")
    assert (answer["data"]["success"], answer["data"]["novels_error"]) == (False, 1)
    assert client.get(f"{STATUS}?check=1").status_code == 200
    strict = client.get(f"{STATUS}?check=strict")
    assert (strict.status_code, strict.json()["verdict"]) == (503, "attention")
    assert strict.json()["novels_in_storage"] is None, "a check lists nothing"


def test_two_at_once_are_both_200_and_one_is_skipped(serve: Serve, library: Library, tables: Tables) -> None:
    client = serve()
    library.write("emma", chapters(1))
    answers: list[Any] = []
    with tables.connection.transaction():
        tables.connection.execute("lock table novels in exclusive mode")  # so that the first is still at work
        first = threading.Thread(target=lambda: answers.append(client.post(NOVELS)))
        first.start()
        wait_until(lambda: tables.rows("select from novelsync.lease where expires_at > clock_timestamp()"))
        second = client.post(NOVELS)
    first.join()
    assert (second.status_code, answers[0].status_code) == (200, 200)
    assert second.json()["message"] == "Sync job skipped: another run is in progress"
    assert (second.json()["data"]["outcome"], second.json()["data"]["run_id"]) == ("skipped", None)
    assert answers[0].json()["data"]["novels"]["created"] == 1


def test_some_novels_are_synced_by_their_slugs(serve: Serve, library: Library, tables: Tables) -> None:
    for slug in "abc":
        library.write(slug, chapters(1))
    answer = serve().post(f"{NOVELS}?slug=a&slug=b").json()
    assert answer["data"]["novels_processed"] == 2
    assert tables.rows("select slug from novels order by 1") == [("a",), ("b",)]


def test_a_run_in_the_background_is_answered_at_once_and_seen_in_the_status(serve: Serve, library: Library) -> None:
    client = serve()
    library.write("emma", chapters(1))
    answer = client.post(f"{NOVELS}/background").json()
    assert list(answer) == ["success", "message", "timestamp"]
    assert (answer["success"], answer["message"]) == (True, "Sync job started in background")
    wait_until(lambda: client.get(f"{STATUS}?check=1").json()["verdict"] != "never_run")
    status = client.get(f"{STATUS}?check=1").json()
    assert (status["last_run"]["trigger"], status["novels_in_database"]) == ("background", 1)


def test_the_scheduler_is_started_and_stopped_in_the_published_words(serve: Serve) -> None:
    client = serve()
    stopped = {"success": True, "data": {"is_running": False, "next_job": None, "jobs_count": 0}}
    assert client.get(f"{SCHEDULER}/status").json() == stopped
    for _ in range(2):
        assert client.post(f"{SCHEDULER}/start").json() == {
            "success": True,
            "message": "Scheduler started successfully",
        }
        status = client.get(f"{SCHEDULER}/status").json()
        next_job = status["data"]["next_job"]
        assert status == {"success": True, "data": {"is_running": True, "next_job": next_job, "jobs_count": 1}}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", next_job)
    assert client.get(STATUS).json()["scheduler"] == status["data"]
    for _ in range(2):
        assert client.post(f"{SCHEDULER}/stop").json() == {
            "success": True,
            "message": "Scheduler stopped successfully",
        }
        assert client.get(f"{SCHEDULER}/status").json() == stopped


def test_a_process_that_only_shows_does_not_speak_for_the_one_that_syncs(serve: Serve) -> None:
    shows = serve("status")
    assert shows.get(STATUS).json()["scheduler"] is None
    answer = shows.get(f"{SCHEDULER}/status")
    assert (answer.status_code, answer.json()["message"]) == (
        500,
        "there is no scheduler here: NOVELSYNC_SCHEDULER_JOB is not set",
    )


def test_a_run_in_the_background_that_another_keeps_from_starting_is_not_said_to_have_started(
    serve: Serve, tables: Tables
) -> None:
    client = serve()
    tables.connection.execute(
        "update novelsync.lease set acquired_at = now(), expires_at = now() + interval '1 hour' where singleton"
    )
    answer = client.post(f"{NOVELS}/background")
    assert (answer.status_code, list(answer.json())) == (200, ["success", "message", "timestamp"])
    assert answer.json()["message"] == "Sync job skipped: another run is in progress"


def test_a_run_in_the_background_without_its_database_is_a_failure(serve: Serve) -> None:
    answer = serve(DATABASE_URL="postgresql://u@127.0.0.1:1/x").post(f"{NOVELS}/background")
    assert (answer.status_code, answer.json()["success"]) == (503, False)


@pytest.fixture
def jobs() -> Iterator[CloudJobs]:
    with CloudJobs() as jobs:
        yield jobs


@pytest.fixture
def in_cloud(jobs: CloudJobs, library: Library, database: SqlClient) -> Callable[[str, str], Answered]:
    """Asks the functions, as they are with a Cloud Scheduler job."""
    schedule = SchedulerService(CloudScheduler(JOB, jobs.client, patience=0.5), database)
    service = make_service(library, database)
    storage = LocalStorage(str(library.folder))
    status = StatusService(storage, database, schedule, stale_after=7800)
    alerts = AlertService(status, database, None, storage=storage.location)
    held = HeldService(storage, database, 1_000_000)
    parts = Parts(
        load_settings(),
        storage,
        database,
        service,
        status,
        schedule,
        alerts,
        held,
        TakedownService(database),
        NoticeService(database.notices, []),
    )

    def ask(method: str, path: str) -> Answered:
        request = Request(EnvironBuilder(path, method=method).get_environ())
        answer = http.answer(request, http.APP, lambda acts: parts)
        return answer.status_code, answer.get_json()

    return ask


def test_with_a_cloud_scheduler_job_the_routes_are_about_that_job(
    jobs: CloudJobs, in_cloud: Callable[[str, str], Answered]
) -> None:
    running = {"is_running": True, "next_job": "2025-07-31T11:07:00Z", "jobs_count": 1}
    assert in_cloud("GET", f"{SCHEDULER}/status") == (200, {"success": True, "data": running})
    assert in_cloud("GET", STATUS)[1]["scheduler"] == running
    code, answer = in_cloud("POST", f"{NOVELS}/background")
    assert (code, answer["message"], jobs.runs) == (200, "Sync job started in background", 1)
    assert in_cloud("POST", f"{SCHEDULER}/stop")[1]["message"] == "Scheduler stopped successfully"
    code, answer = in_cloud("GET", f"{SCHEDULER}/status")
    assert answer["data"] == {"is_running": False, "next_job": None, "jobs_count": 0}

    code, answer = in_cloud("POST", f"{NOVELS}/background")
    assert (code, answer["success"], jobs.runs) == (409, False, 1), "a paused job runs nothing"
    assert "nothing was started" in answer["message"]
    assert "POST /api/v1/sync/scheduler/start" in answer["hint"]
    assert in_cloud("POST", f"{SCHEDULER}/start")[0] == 200
    assert in_cloud("POST", f"{NOVELS}/background")[0] == 200
    assert jobs.runs == 2


def test_with_a_run_going_on_the_job_is_not_run(
    jobs: CloudJobs, in_cloud: Callable[[str, str], Answered], tables: Tables
) -> None:
    tables.connection.execute(
        "update novelsync.lease set acquired_at = now(), expires_at = now() + interval '1 hour' where singleton"
    )
    assert in_cloud("POST", f"{NOVELS}/background")[1]["message"] == "Sync job skipped: another run is in progress"
    assert jobs.runs == 0


def test_the_status_answers_without_the_scheduler_and_a_check_asks_it_only_when_a_run_is_overdue(
    jobs: CloudJobs, in_cloud: Callable[[str, str], Answered], library: Library, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    in_cloud("POST", NOVELS)
    jobs.state = "PAUSED"
    assert in_cloud("GET", STATUS)[1]["verdict"] == "ok", "somebody may be calling by hand"
    jobs.requests.clear()
    assert in_cloud("GET", f"{STATUS}?check=strict")[1]["scheduler"] is None
    assert jobs.requests == []

    tables.connection.execute("update novelsync.runs set finished_at = finished_at - interval '3 hours'")
    stopped = in_cloud("GET", f"{STATUS}?check=strict")
    assert (stopped[0], stopped[1]["verdict"], stopped[1]["reasons"][0]) == (503, "stopped", "the scheduler is stopped")
    assert in_cloud("GET", f"{STATUS}?check=1")[0] == 200, "somebody stopped it"

    jobs.answer = lambda act: failure(403, "PERMISSION_DENIED", "no")
    code, status = in_cloud("GET", f"{STATUS}?check=1")
    assert (code, status["verdict"], status["scheduler"]) == (503, "stale", None)
    assert "permission denied" in status["reasons"][-1]


def test_a_deployed_function_looks_for_its_credentials_when_it_is_asked_about_the_job(
    serve: Serve, tmp_path: Path
) -> None:
    nowhere = {"NOVELSYNC_SCHEDULER_JOB": JOB, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none")}
    shows = serve("status", K_SERVICE="novelsync-status", **nowhere)
    answer = shows.get(f"{SCHEDULER}/status")
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert f"there are no credentials for {JOB}" in answer.json()["message"]
    assert f"there are no credentials for {JOB}" in shows.get(STATUS).json()["reasons"][-1]


def test_in_cloud_run_nothing_is_started_that_could_not_run(serve: Serve) -> None:
    client = serve("sync", K_SERVICE="sync")
    for act in (f"{NOVELS}/background", f"{SCHEDULER}/start", f"{SCHEDULER}/stop"):
        answer = client.post(act)
        assert (answer.status_code, answer.json()["success"]) == (500, False)
        assert "NOVELSYNC_SCHEDULER_JOB is not set" in answer.json()["message"]


def test_a_failed_run_is_503_with_its_report(serve: Serve) -> None:
    answer = serve(DATABASE_URL="postgresql://u:canary@127.0.0.1:1/x").post(NOVELS)
    assert answer.status_code == 503
    body = answer.json()
    assert (body["success"], body["message"], body["data"]["outcome"]) == (False, "Sync job failed", "failed")
    assert "cannot be reached" in body["data"]["problems"][0]["message"]
    assert "canary" not in answer.text


def test_what_a_person_must_mend_is_500(serve: Serve, empty_database_url: str, tmp_path: Path) -> None:
    client = serve(DATABASE_URL=empty_database_url)
    assert client.post(NOVELS).status_code == 500
    status = client.get(STATUS)
    assert status.status_code == 500
    assert "novelsync migrate" in status.json()["hint"]


def test_wrong_settings_are_500_and_said(serve: Serve) -> None:
    answer = serve(NOVELSYNC_WORKERS="many").post(NOVELS)
    assert answer.status_code == 500
    assert "NOVELSYNC_WORKERS is 'many'" in answer.json()["message"]


def test_the_storage_being_away_does_not_stop_the_status(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    status = serve(NOVELSYNC_STORAGE=str(tmp_path / "file")).get(STATUS).json()
    assert (status["novels_in_storage"], status["pending"]) == (None, None)
    assert "is a file, not a folder" in status["reasons"][-1]


def test_log_lines_are_what_google_cloud_reads(serve: Serve, library: Library, tmp_path: Path) -> None:
    client = serve("sync", NOVELSYNC_LOG_FORMAT="json", GOOGLE_CLOUD_PROJECT="p", LOG_EXECUTION_ID="true")
    library.write_raw("cut", b"{")
    trace = "0af7651916cd43dd8448eb211c80319c"
    client.post(NOVELS, headers={"X-Cloud-Trace-Context": f"{trace}/1;o=1", "X-CloudScheduler": "true"})
    lines = [json.loads(line) for line in (tmp_path / "sync.log").read_text().splitlines()]
    ours = {line["message"]: line for line in lines if "severity" in line}
    assert list(ours) == ["run_started", "novel_refused", "run_ended"]
    assert [line["severity"] for line in ours.values()] == ["INFO", "WARNING", "WARNING"]
    assert {line["logging.googleapis.com/trace"] for line in ours.values()} == {f"projects/p/traces/{trace}"}
    assert ours["novel_refused"]["slug"] == "cut"


def test_the_functions_are_imported_without_what_only_some_use() -> None:
    unused = "('apscheduler', 'google.cloud.scheduler', 'google.cloud.storage', 'supabase', 'psycopg')"
    code = f"import main, sys; print([name for name in sys.modules if name.startswith({unused})])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_error_of_our_own_is_an_answer_and_never_a_page_of_the_framework(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr(this_process, "_of_this_process", None)

    def breaks(parts: object, request: object) -> http.Answer:
        raise ZeroDivisionError("canary")

    function = http.Function("broken", (http.Route("GET", "/x", breaks),))
    answer = http.answer(Request(EnvironBuilder("/x").get_environ()), function)
    assert answer.status_code == 500
    assert answer.get_json()["success"] is False
    assert "canary" not in answer.get_data(as_text=True)


def test_a_page_that_breaks_is_answered_in_json_and_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr(this_process, "_of_this_process", None)

    def breaks(reader: Reader) -> View:
        raise ZeroDivisionError("canary")

    function = http.Function("broken", (http.Route("GET", "/x", lambda parts, request: http.Answer(200, {}, breaks)),))
    browser = Request(EnvironBuilder("/x", headers={"Accept": "application/xhtml+xml"}).get_environ())
    answer = http.answer(browser, function)
    assert (answer.status_code, answer.get_json()["success"]) == (500, False)
    assert "canary" not in answer.get_data(as_text=True)
    assert "request_broke" in "".join(capsys.readouterr())


def test_all_problems_of_a_kind_can_be_read_page_by_page(serve: Serve, library: Library, tables: Tables) -> None:
    client = serve("status")
    tables.connection.execute(
        "insert into novelsync.files (slug) select 'cut-' || n from generate_series(1000, 1249) n"
    )
    tables.connection.execute(
        "insert into novelsync.problems select slug, 'refused', 'cut', 'fix' from novelsync.files"
    )
    tables.connection.execute("insert into novelsync.files (slug) values ('zzz')")
    tables.connection.execute(
        "insert into novelsync.problems values ('zzz', 'held', 'no', '`novelsync sync --accept zzz`')"
    )
    status = client.get(STATUS).json()
    assert status["problems_by_kind"] == {"refused": 250, "held": 1}
    assert (status["problems"][0]["slug"], status["problems"][1]["alike"]) == ("zzz", 250)

    slugs, after = [], {}
    while True:
        page = client.get(STATUS, params={"problems": "refused"} | after).json()
        assert (page["kind"], page["total"]) == ("refused", 250)
        assert list(page["problems"][0]) == ["slug", "kind", "message", "hint", "title", "since"]
        slugs += [problem["slug"] for problem in page["problems"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert slugs == [f"cut-{n}" for n in range(1000, 1250)]
    assert client.get(STATUS, params={"problems": "missing"}).json()["total"] == 0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("problems=unknown", "problems is 'unknown'"),
        ("problems=unavailable", "problems is 'unavailable'"),
        ("after=emma", "problems is None"),
        ("problems=held&check=1", "problems together with check"),
        ("problems=held&after=%00", "after is too long, or holds a NUL"),
    ],
)
def test_a_page_of_problems_that_cannot_be_is_refused(serve: Serve, query: str, message: str) -> None:
    answer = serve("status").get(f"{STATUS}?{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_something_is_taken_down_listed_and_lifted(serve: Serve, library: Library, tables: Tables) -> None:
    client, takedowns = serve(), "/api/v1/sync/takedowns"
    library.write("emma", chapters(2))
    client.post("/api/v1/sync/novels")
    made = client.post(takedowns, params={"slug": "emma", "reason": "a letter"})
    number = made.json()["takedown"]
    said = {"success": True, "message": "Taken down", "takedown": number, "novels": 1, "chapters": 2}
    assert (made.status_code, made.json()) == (200, said)
    assert tables.rows("select count(*) from novels where removed_at is null") == [(0,)]
    (entry,) = client.get(takedowns).json()["takedowns"]
    assert (entry["kind"], entry["target"], entry["reason"], entry["lifted_at"]) == ("novel", "emma", "a letter", None)
    report = client.post("/api/v1/sync/novels").json()["data"]
    assert (report["outcome"], report["novels"]["taken_down"], report["chapters"]["taken_down"]) == ("ok", 1, 2)
    lifted = client.post(f"{takedowns}/lift", params={"id": number}).json()
    assert lifted == {"success": True, "message": "Takedown lifted", "files": 1}
    client.post("/api/v1/sync/novels")
    assert tables.rows("select slug from novels where removed_at is null") == [("emma",)]


@pytest.mark.parametrize("form", ["json", "data"])
def test_what_belongs_to_a_takedown_and_is_in_the_body_is_refused(
    serve: Serve, library: Library, tables: Tables, form: str
) -> None:
    client, takedowns = serve(), "/api/v1/sync/takedowns"
    library.write("emma", chapters(2))
    client.post(NOVELS)
    for address, body, name in (
        (f"{takedowns}?slug=emma", {"reason": "a letter"}, "reason"),
        (f"{takedowns}/lift", {"id": "1"}, "id"),
    ):
        answered = client.post(address, **{form: body})
        assert (answered.status_code, answered.json()["message"]) == (400, f"in the body: {name}")
    assert client.get(takedowns).json()["takedowns"] == []
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("", 400, "0 things are named"),
        ("?slug=a&chapter=1", 400, "2 things are named"),
        ("?slug=", 400, "what is named or the reason is empty, too long, or holds a NUL"),
        ("?slug=nope", 422, "there is no novel 'nope' in the tables, so nothing was taken down"),
        ("/lift?id=x", 400, "id is 'x'"),
        ("/lift?id=7", 422, "there is no takedown 7 in force"),
    ],
)
def test_a_takedown_of_nothing_is_refused(serve: Serve, address: str, status: int, message: str) -> None:
    answered = serve().post(f"/api/v1/sync/takedowns{address}")
    assert (answered.status_code, answered.json()["message"]) == (status, message)
