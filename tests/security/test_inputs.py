"""
What comes from outside, by any door: paths, slugs, files, parameters, headers, bodies; and what answers carry.

That no slug reaches outside its folder or prefix is in test_local_storage.py and test_gcs_storage.py, what a page may
do in test_page.py, who may press buttons in test_http.py.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from novelsync.database.client import SqlClient
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.sync_service import SyncService
from novelsync.web import routes as http
from tests.conftest import Tables, make_service
from tests.support.library import Library, chapter, chapters
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary
from tests.support.serving import ROOT, Serve

NOVELS, STATUS = "/api/v1/sync/novels", "/api/v1/sync/novels/status"
OUTSIDE = "Nobody must read this"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A novel's folder beside the storage."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "book_info.json").write_text(json.dumps({"title": OUTSIDE, "chapters": []}))
    return folder


# Paths, slugs, files ----------------------------------------------------------------


def test_no_slug_of_a_request_reaches_a_file_or_a_statement_it_should_not(
    serve: Serve, library: Library, outside: Path, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    library.write(".hidden", chapters(1), title=OUTSIDE)
    client = serve()
    assert client.post(NOVELS).json()["data"]["novels"]["created"] == 1
    before = tables.places()
    slugs = [
        *("../outside", "emma/../../outside", str(outside), "./emma", "emma/", "/emma", "..", ".", ".hidden", "~"),
        *("..\\outside", "emma\\..\\..\\outside", "%2e%2e%2foutside", "..%c0%af..%c0%afoutside", "file:///etc/passwd"),
        *("'); drop table novels; --", '"; select pg_sleep(60); --', "$$;$$", "%s", "%(x)s", "{}", "\\'", "*", "e*"),
        *("[e]mma", "em?a", "emma\n", "emma\r\nX: y", "\u202eamme", "e\u0301mma", "ｅmma", "EMMA", "\ufffd"),
        *("x" * 1025, "é" * 513),
    ]
    for slug in slugs:
        for parameter in ("slug", "dry_run=1&slug", "accept"):
            answer = client.post(f"{NOVELS}?{parameter}={quote(slug, safe='')}")
            assert answer.status_code in (200, 400), slug
            assert OUTSIDE not in answer.text, slug
            assert "root:" not in answer.text
    raw = ("slug=../outside", "slug=..%2foutside", "slug=%2e%2e/outside", "slug=%00", "slug=a%00b", "slug=%ff", "slug=")
    for query in raw:
        answer = client.post(f"{NOVELS}?{query}")
        assert answer.status_code in (200, 400), query
        assert OUTSIDE not in answer.text
    assert tables.places() == before
    assert tables.rows("select slug, title from novels") == [("emma", "Emma")]


def test_a_parameter_or_an_address_without_end_is_refused(serve: Serve) -> None:
    client = serve()
    for query in ("slug=" + "x" * 60_000, "x" * 60_000, "check=" + "y" * 7_000, "&".join(["slug=x"] * 9_000)):
        answer = client.post(f"{NOVELS}?{query}")
        assert answer.status_code in (400, 414), query[:20]
        assert len(answer.content) < 10_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/zero and /proc")
def test_what_is_no_file_is_not_waited_for(
    library: Library, service: SyncService, outside: Path, tmp_path: Path, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    os.mkfifo(tmp_path / "fifo")
    for slug in ("fifo", "to-fifo", "socket", "folder", "device", "link", "linked-device"):
        (library.folder / slug).mkdir()
    os.mkfifo(library.path("fifo"))
    library.path("to-fifo").symlink_to(tmp_path / "fifo")
    library.path("folder").mkdir()
    library.path("linked-device").symlink_to("/dev/zero")
    library.path("link").symlink_to(outside / "book_info.json")
    (library.folder / "linked-folder").symlink_to(outside)
    os.mkfifo(library.folder / "fifo-for-a-folder")
    (library.folder / "device-for-a-folder").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        where = os.open(library.folder / "socket", os.O_RDONLY)
        try:
            # Its name in full may be longer than a socket's can be.
            listening.bind(f"/proc/self/fd/{where}/book_info.json")
        finally:
            os.close(where)
    report = service.sync_all_novels()
    assert tables.rows("select title from novels") == [("Emma",)]
    refused = {problem.slug for problem in report.problems}
    assert {"link", "linked-folder", "linked-device", "to-fifo"} <= refused
    assert OUTSIDE not in json.dumps(report.as_dict())


@pytest.fixture(params=["postgres", "supabase"])
def over(
    request: pytest.FixtureRequest, library: Library, database: SqlClient, database_url: str
) -> Iterator[SyncService]:
    """The service over either road."""
    if request.param == "postgres":
        yield make_service(library, database)
    elif postgrest_binary() is None:
        pytest.skip(ABSENT)
    else:
        with (
            StandIn(database_url) as stand_in,
            closing(SqlClient(SupabaseTransport(stand_in.url, stand_in.secret_key))) as over_the_api,
        ):
            yield make_service(library, over_the_api)


def test_what_a_file_says_is_text_and_never_a_statement(over: SyncService, library: Library, tables: Tables) -> None:
    hostile = [
        *(
            "'); drop table novels; --",
            "$$; drop table chapters; $$",
            "\\'; select 1",
            "%s %(title)s %%",
            "{} {0}",
            "${x}",
        ),
        *(
            "\\x00",
            "null",
            "\"}]}'",
            "<script>alert(1)</script>",
            "\u202e\u2066\u200b\ufeff",
            "e\u0301 é",
            "\x1b[2J\x07",
        ),
        *("=1+1", "a\r\nb"),
    ]
    slug = "'); drop table novels; --"
    library.write(
        slug,
        [chapter(n, title=text, content=f"It says {text}", url=text) for n, text in enumerate(hostile)],
        title=hostile[0],
    )
    assert over.sync_all_novels().success
    assert tables.rows("select slug, title from novels") == [(slug, hostile[0])]
    stored = tables.rows("select title, content, url from chapters order by position")
    assert stored == [(text, f"It says {text}", text) for text in hostile]


# Headers and bodies -----------------------------------------------------------------


def test_headers_that_only_google_sends_are_labels_and_nothing_more(
    serve: Serve, library: Library, tmp_path: Path
) -> None:
    client = serve(K_SERVICE="novelsync", NOVELSYNC_LOG_FORMAT="json", GOOGLE_CLOUD_PROJECT="p")
    library.write_raw("cut", b"{")
    forged = f'{"a" * 32}/1;o=1", "severity": "EMERGENCY'
    for headers in (
        {"X-CloudScheduler": "false", "X-Cloud-Trace-Context": forged},
        {"X-CloudScheduler": "x" * 4000, "traceparent": f"00-{'b' * 32}-x\\n[2J"},
        {"X-Cloud-Trace-Context": "../../etc", "User-Agent": '"}\\n{"message": "forged"}'},
    ):
        answer = client.post(NOVELS, headers=headers)
        assert answer.json()["data"]["trigger"] == ("scheduler" if "X-CloudScheduler" in headers else "http")
    lines = [json.loads(line) for line in (tmp_path / "app.log").read_text().splitlines() if "severity" in line]
    traces = {line.get("logging.googleapis.com/trace") for line in lines}
    assert traces == {f"projects/p/traces/{'a' * 32}", f"projects/p/traces/{'b' * 32}", None}
    assert {line["severity"] for line in lines} <= {"INFO", "WARNING"}


def test_no_command_that_is_shown_sends_a_token_to_where_the_host_header_says(serve: Serve, library: Library) -> None:
    library.write("emma", chapters(9))
    client = serve(K_SERVICE="novelsync", NOVELSYNC_SCHEDULER_JOB="")
    client.post(NOVELS)
    library.write("emma", chapters(2))
    client.post(NOVELS)
    ours = "novelsync-x-ew.a.run.app"
    evil = (
        "evil.example",
        "evil.example:8080",
        "run.app.evil.example",
        "203.0.113.9",
        f"{ours}@evil.example",
        "a'b",
        "[::1",
    )
    for host in evil:
        for headers in ({"Host": host}, {"Host": ours, "X-Forwarded-Host": host, "Forwarded": f"host={host}"}):
            for accept in ({}, BROWSER):
                answer = client.get(STATUS, headers=headers | accept)
                assert "evil.example" not in answer.text
                assert "203.0.113.9" not in answer.text
    hint = client.get(STATUS, headers={"Host": ours}).json()["problems"][0]["hint"]
    assert re.search(rf"'https://{ours}{NOVELS}\?accept=emma%3D[0-9a-f]{{8}}'", hint)
    hint = client.get(STATUS, headers={"Host": "evil.example"}).json()["problems"][0]["hint"]
    assert re.search(rf"`POST {NOVELS}\?accept=emma%3D[0-9a-f]{{8}}` to the function sync", hint)


def test_on_a_laptop_only_names_that_nobody_else_can_have_are_answered(serve: Serve) -> None:
    client = serve()
    for host in ("evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b", "rebind.network"):
        for path in (STATUS, "/", "/api/v1/sync/scheduler/status"):
            answer = client.get(path, headers={"Host": host})
            assert answer.status_code in (400, 403), host
            assert "novels_in_storage" not in answer.text
        assert client.post(NOVELS, headers={"Host": host}).status_code in (400, 403)
    own = socket.gethostname()
    for host in (
        "127.0.0.1:8080",
        "localhost:8080",
        "LOCALHOST",
        "[::1]:8080",
        "192.168.1.7:80",
        "nas:8080",
        own,
        f"{own}.local",
    ):
        assert client.get(f"{STATUS}?check=strict", headers={"Host": host}).status_code in (200, 503), host
    # In the cloud it is not ours to judge: only its own names lead there, and a proxy's are its user's.
    cloud = serve("status", K_SERVICE="novelsync-status")
    assert cloud.get(STATUS, headers={"Host": "localhost:8080"}).status_code == 200


def test_a_body_is_bounded_however_it_is_sent(serve: Serve, tables: Tables) -> None:
    client = serve()

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 65_536

    for body in (b"x" * 6_553_600, pieces):
        for method, path in (("POST", NOVELS), ("GET", STATUS), ("POST", "/nowhere"), ("POST", f"{NOVELS}/background")):
            answer = client.request(method, path, content=body() if callable(body) else body)
            assert (answer.status_code, answer.json()["hint"]) == (413, "none is needed"), path
    assert tables.rows("select from novelsync.runs") == []
    odd = [
        {"content": b"{" * 60_000, "headers": {"Content-Type": "application/json"}},
        {"content": b'{"a":' * 9_000, "headers": {"Content-Type": "text/plain"}},
        {"content": b"\xff\xfe\x00", "headers": {"Content-Type": "application/json; charset=utf-16"}},
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"a=1&" * 5_000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ]
    for each in odd:
        assert client.post(f"{NOVELS}?dry_run=1", **each).status_code in (200, 400, 413), each


# Answers ----------------------------------------------------------------------------


def test_every_answer_says_what_a_browser_may_do_with_it(serve: Serve) -> None:
    client = serve()
    paths = {route.path for route in http.APP.routes} | {"/", "/nowhere", f"{STATUS}?check=1", f"{STATUS}?check=x"}
    answers: list[httpx.Response] = []
    for path in sorted(paths):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            answers += [client.request(method, path, headers=headers) for headers in ({}, BROWSER)]
    answers.append(client.get(STATUS, headers={"Host": "evil.example"} | BROWSER))
    answers.append(serve("sync", NOVELSYNC_WORKERS="many").post(NOVELS, headers=BROWSER))
    assert {answer.status_code for answer in answers} >= {200, 400, 403, 404, 405, 500}
    assert {answer.headers["Content-Type"].split(";")[0] for answer in answers} == {"application/json", "text/html"}
    for answer in answers:
        said = f"{answer.request.method} {answer.request.url} {answer.headers}"
        assert answer.headers["Cache-Control"] == "no-store", said
        assert answer.headers["X-Content-Type-Options"] == "nosniff", said
        assert "Access-Control-Allow-Origin" not in answer.headers, said
        assert "Set-Cookie" not in answer.headers, said
        # The server's name, which is its own; but of no version, ours or Python's.
        assert not re.search(r"\d", answer.headers.get("Server", "")), said
        if answer.headers["Content-Type"].startswith("text/html"):
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, said
            assert "frame-ancestors 'none'" in policy, said
            assert answer.headers["Referrer-Policy"] == "same-origin", said


def test_a_hostile_library_does_not_make_an_answer_or_a_log_line_of_megabytes(
    serve: Serve, library: Library, tmp_path: Path
) -> None:
    client = serve(NOVELSYNC_LOG_FORMAT="json")
    long = "\\x1b['\"<" * 60_000
    library.write("title", chapters(1), title=long, status=long, author=[long] * 2, description={"x": long})
    library.write("chapter-titles", [chapter(n, title=long[: 2_000 * n], url=long[:2_000]) for n in range(20)])
    wrong = chapter(1, title=[long[:1_000]], content={long[:1_000]: 1}, number=long[:900])
    library.write("wrong", [wrong] * 500)
    library.write("keys", chapters(1), TITLE=long, **{f"k{n}": long[:9_000] for n in range(100)})
    library.write_raw("numbers", b'{"title": ' + b"9" * 400_000 + b', "chapters": ' + b"8" * 400_000 + b"}")
    library.write_raw("digits", b'{"title": "d", "chapters": [{"number": "' + b"7" * 100_000 + b'"}]}')
    library.write_raw("open", b'{"title": "' + b"x" * 400_000)
    library.write_raw("list", b'{"title": "l", "chapters": [' + b"1," * 99_999 + b"1]}")
    for n in range(150):
        library.write_raw(f"{n:03}" + "é" * 120, b'{"title": [], "chapters": {}}')
    rehearsed = client.post(f"{NOVELS}?dry_run=1")
    first = client.post(NOVELS)
    assert first.json()["data"]["problems_total"] >= 150
    library.write("chapter-titles", [chapter(n, title=long[: 2_000 * n] + "!", url="x") for n in range(20)])
    second = client.post(f"{NOVELS}?dry_run=1&slug=chapter-titles")
    assert second.json()["data"]["changes"][0]["chapters"] != []
    for answer in (rehearsed, first, second, client.get(STATUS), client.get(STATUS, headers=BROWSER)):
        assert len(answer.content) < 300_000, answer.url
    for problem in client.get(STATUS).json()["problems"]:
        assert len(problem["message"]) < 5_000
        assert len(problem["title"] or "") <= 200
    assert max(len(line) for line in (tmp_path / "app.log").read_text().splitlines()) < 60_000


# What we stand on -------------------------------------------------------------------


def deployed() -> dict[str, str]:
    """All that requirements.txt brings, directly or not, with the versions that are installed here."""
    found: dict[str, str] = {}
    waiting = (ROOT / "requirements.txt").read_text().splitlines()
    while waiting:
        requirement = re.match(r"([\w.-]+)\s*(?:\[([\w,-]+)\])?", waiting.pop())
        if requirement is None or requirement[1].lower() in found:
            continue
        with suppress(metadata.PackageNotFoundError):  # for another platform, or an extra that nobody asked for
            package = metadata.distribution(requirement[1])
            found[requirement[1].lower()] = package.version
            extras = (requirement[2] or "").split(",")
            for each in package.requires or ():
                wanted = re.search(r"extra == ['\"]([\w-]+)['\"]", each)
                if wanted is None or wanted[1] in extras:
                    waiting.append(each)
    return found


def test_no_dependency_that_is_deployed_has_a_known_hole(tmp_path: Path) -> None:
    program = shutil.which("pip-audit", path=str(Path(sys.executable).parent)) or shutil.which("pip-audit")
    if program is None:
        pytest.skip("pip-audit is not installed; `pipx install pip-audit` brings it")
    pinned = tmp_path / "pinned.txt"
    pinned.write_text("".join(f"{name}=={version}\n" for name, version in sorted(deployed().items())))
    options = ("--no-deps", "--disable-pip", "--progress-spinner=off", "--timeout=10", "--format=json")
    try:
        command = [program, *options, "--requirement", str(pinned)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("the advisories could not be asked within two minutes")
    if not done.stdout.startswith("{"):
        pytest.skip(f"the advisories could not be asked: {(done.stderr.strip() or '?').splitlines()[-1][:200]}")
    answers = json.loads(done.stdout)["dependencies"]
    if all("skip_reason" in answer for answer in answers):
        pytest.skip(f"the advisories that can be asked here know none of them: {answers[0]['skip_reason'][:100]}")
    assert [answer for answer in answers if answer.get("vulns")] == []


def test_what_is_deployed_is_found_with_what_it_brings() -> None:
    found = deployed()
    assert {"functions-framework", "flask", "gunicorn", "supabase", "httpx", "psycopg-binary", "urllib3"} <= set(found)
    assert "pytest" not in found
