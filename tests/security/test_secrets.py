"""
No secret is ever shown: planted ones, whatever fails, looked for in everything that is said and stored.

What deploy.sh does with the key is in tests/deploy/test_key.py, what settings say of it in test_settings.py.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import quote

import psutil
import pytest

from tests.conftest import Tables
from tests.support.library import Library, chapters
from tests.support.postgrest import ABSENT, Answer, Request, StandIn, postgrest_binary
from tests.support.serving import ROOT, served

TELLTALE = "cAnArY"
KEY = f"sb_secret_{TELLTALE}+/=%&~{TELLTALE}"
PASSWORD = f"p/w?{TELLTALE}@+%:{TELLTALE}"

NOVELS, STATUS = "/api/v1/sync/novels", "/api/v1/sync/novels/status"

Body = tuple[int, str, bytes]
"""Status, content type, body."""


def spellings(secret: str) -> Sequence[str]:
    """As it is, as it is written in addresses, and as base64, wherever in it the secret stands."""
    encoded = []
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + secret.encode() + b"x" * 3).decode()
        encoded.append(whole[4:-8])
    return [
        TELLTALE,
        secret,
        quote(secret, safe=""),
        *encoded,
        *(each.translate({43: "-", 47: "_"}) for each in encoded),
    ]


def leaks(said: str) -> list[str]:
    """Every place at which a secret stands, with what is around it."""
    found = [(said.find(form), form) for secret in (KEY, PASSWORD) for form in spellings(secret)]
    return [said[max(place - 100, 0) : place + len(form) + 20] for place, form in found if place >= 0]


def echoes(secret: str) -> list[Body]:
    """What an API, a gateway or a proxy answers that repeats what it was sent."""
    as_base64 = base64.b64encode(f"user:{secret}".encode()).decode()
    said = f"{secret} {quote(secret, safe='')} {as_base64}"
    page = f"<html>{'.' * 270}{said}</html>".encode()
    bodies: list[Body] = [
        (status, "application/json", json.dumps({"message": f"no: {said}", "code": code, "hint": said}).encode())
        for status, code in (
            *(
                (400, "42501"),
                (400, "23514"),
                (400, "42883"),
                (401, "PGRST301"),
                (401, ""),
                (403, ""),
                (404, "PGRST202"),
            ),
            *(
                (404, ""),
                (409, "PT409"),
                (413, ""),
                (418, "x"),
                (429, ""),
                (500, "XX000"),
                (503, "PGRST001"),
                (540, ""),
            ),
        )
    ]
    bodies += [(status, "text/html", page) for status in (200, 401, 403, 404, 500, 502, 530)]
    bodies += [
        # Answers that make us stumble over the secret ourselves: with a traceback.
        (200, "application/json", json.dumps({"novels": said, "last_runs": said, "counts": said}).encode()),
        (200, "application/json", json.dumps([said]).encode()),
        (200, "application/json", json.dumps({said: said}).encode()),
        (200, "application/json", b'{"' + said.encode()),
        (500, "application/json", json.dumps(said).encode()),
        (302, "text/html", b""),
    ]
    return bodies


class Gateway(ThreadingHTTPServer):
    """Answers everything with ``body``, and repeats the key in its headers as well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.body: Body = (500, "text/html", b"")
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, kind, body = self.server.body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("X-Received", str(self.headers.get("apikey")))
        self.send_header("Location", f"{self.server.url}/login?key={quote(KEY, safe='')}")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Blabber(ThreadingTCPServer):
    """A Postgres that asks for the password in clear, and says it back."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Blabbing)
        password, port = quote(PASSWORD, safe=""), self.server_address[1]
        self.url = f"postgresql://ann:{password}@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Blabbing(BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(b"R\0\0\0\x08\0\0\0\x03")
        password = self.request.recv(4096)[5:-1]
        fields = b"SFATAL\0C28P01\0Mpassword authentication failed: it is not %s\0\0" % password
        self.request.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


Commands = Callable[..., Sequence[str]]

# One process for several commands, because most of what a command takes is its start.
_DRIVER = """
import json, os, sys
from novelsync.text import redaction as masking
from novelsync.cli.commands import main
before = dict(os.environ)
for arguments, environment in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(before | environment)
    masking._hidden.clear()
    sys.argv = ["novelsync", *arguments]
    try:
        main()
    except SystemExit as end:
        sys.stderr.flush()
        print(f"exit {end.code}\\0", flush=True)
"""


@pytest.fixture
def commands(library: Library) -> Commands:
    """All that each of these commands says, with these settings."""

    def run(*calls: tuple[Sequence[str], Mapping[str, str]], **settings: str) -> Sequence[str]:
        done = subprocess.run(
            [sys.executable, "-c", _DRIVER],
            check=True,
            cwd=ROOT,
            env=os.environ | {"NOVELSYNC_STORAGE": str(library.folder)} | settings,
            input=json.dumps(calls),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        said = done.stdout.split("\0")[:-1]
        assert len(said) == len(calls), done.stdout
        return said

    return run


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_an_api_repeats_of_the_key_is_in_no_answer_and_no_log(
    gateway: Gateway, library: Library, tmp_path: Path, log_format: str
) -> None:
    log = tmp_path / "log"
    settings = {"SUPABASE_URL": gateway.url, "SUPABASE_SECRET_KEY": KEY, "NOVELSYNC_LOG_FORMAT": log_format}
    with served("app", log, NOVELSYNC_STORAGE=str(library.folder), **settings) as client:
        lines = [child.cmdline() for child in psutil.Process().children(recursive=True)]
        assert any("forkserver" in word for line in lines for word in line)
        assert leaks(str(lines)) == []
        codes = set()
        for body in echoes(KEY):
            gateway.body = body
            for page in ("*/*", "text/html,application/xhtml+xml"):
                answer = client.get(STATUS, headers={"Accept": page, "Authorization": f"Bearer {KEY}"})
                codes.add(answer.status_code)
                assert leaks(f"{answer.headers} {answer.text}") == [], body
        assert codes == {500, 503}
        gateway.body = echoes(KEY)[0]
        for path in (NOVELS, f"{NOVELS}?slug=a", f"{NOVELS}?dry_run=1", f"{NOVELS}/background"):
            answer = client.post(path)
            assert answer.status_code == 500, path
            assert leaks(f"{answer.headers} {answer.text}") == []
    said = log.read_text()
    assert "Traceback" in said  # the answers over which we stumble were among them
    assert "[secret]" in said
    assert leaks(said) == []


def test_what_an_api_repeats_of_the_key_is_in_nothing_a_command_says(gateway: Gateway, commands: Commands) -> None:
    supabase = {"SUPABASE_URL": gateway.url, "SUPABASE_SECRET_KEY": KEY, "NOVELSYNC_LOG_FORMAT": "json"}
    bodies = echoes(KEY)
    stumbling = next(body for body in bodies if body[0] == 200 and b"last_runs" in body[2])
    names = ("sync", "sync --json", "status --json", "verify", "doctor", "purge --yes")
    for gateway.body in (bodies[0], stumbling):
        for said in commands(*((name.split(), {}) for name in names), **supabase):
            assert "exit 0" not in said
            assert leaks(said) == []


def test_what_a_server_repeats_of_the_password_is_in_nothing_a_command_says(commands: Commands) -> None:
    names = ("sync --json", "status", "verify", "doctor", "migrate", "migrate --adopt", "purge --yes")
    with Blabber() as server:
        said = commands(*((name.split(), {}) for name in names), DATABASE_URL=server.url)
    for one in said:
        assert "it is not [secret]" in one
        assert leaks(one) == []


def test_wrong_settings_and_addresses_show_no_secret(commands: Commands) -> None:
    cases = (
        {"SUPABASE_SECRET_KEY": KEY},
        {"SUPABASE_URL": KEY, "SUPABASE_SECRET_KEY": KEY},
        {"SUPABASE_URL": f"https://x:{KEY}@x.supabase.co", "SUPABASE_SECRET_KEY": KEY, "NOVELSYNC_WORKERS": "many"},
        {"SUPABASE_URL": "https://no-such-project.invalid", "SUPABASE_SECRET_KEY": KEY},
        {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SECRET_KEY": f"{KEY} é"},
        {"DATABASE_URL": f"postgresql://ann:{PASSWORD}@127.0.0.1:1/x"},
        {"DATABASE_URL": f"postgresql://ann:{quote(PASSWORD, safe='')}@127.0.0.1:1/x"},
        {"DATABASE_URL": f"host=127.0.0.1 port=1 password={TELLTALE}{TELLTALE} connect_timeout=x"},
    )
    for said in commands(*((name.split(), each) for each in cases for name in ("doctor", "status --json"))):
        assert said.rstrip().endswith(("exit 2", "exit 3")), said
        assert leaks(said) == []


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_what_the_database_repeats_of_the_key_is_not_stored(
    database_url: str, library: Library, commands: Commands, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    with StandIn(database_url) as stand_in:
        key = stand_in.secret_key

        def refuse(request: Request) -> Answer | None:
            if not request.path.startswith("/rest/v1/rpc/novelsync_write"):
                return None
            if b'"refused"' in request.body:  # the report of the first refusal, which is to go through
                return None
            told = {"message": f"row is bad for {request.headers['apikey']}", "code": "23514"}
            return Answer(400, json.dumps(told).encode())

        stand_in.answer = refuse
        supabase = {"SUPABASE_URL": stand_in.url, "SUPABASE_SECRET_KEY": key}
        said = "".join(commands((["sync", "--json"], {}), (["status", "--json"], {}), **supabase))
    assert "row is bad for [secret]" in said
    assert key not in said
    names = tables.rows(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('public', 'novelsync')"
    )
    stored = [str(tables.rows(f"select t::text from {name} t")) for (name,) in names]
    assert any("row is bad for [secret]" in each for each in stored)
    assert [each for each in stored if key in each] == []
