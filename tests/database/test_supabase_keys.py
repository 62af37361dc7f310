"""In which headers a key travels, seen from the other end of the wire."""

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from novelsync.database.transports.supabase import SupabaseTransport

LEGACY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"


class Wire:
    """An API that answers every call with an empty list, and keeps the headers."""

    def __init__(self) -> None:
        self.headers: list[Mapping[str, str]] = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                wire.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"[]")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.server.shutdown()
    wire.server.server_close()


@pytest.mark.parametrize(
    ("key", "token"),
    [("sb_secret_abc-123", None), ("sb_publishable_abc-123", None), (LEGACY, f"Bearer {LEGACY}")],
)
def test_a_new_key_is_sent_as_apikey_alone_and_a_legacy_one_also_as_a_token(
    wire: Wire, key: str, token: str | None
) -> None:
    transport = SupabaseTransport(wire.url, key)
    assert [transport.call("novelsync_answers", {}) for _ in range(2)] == [[], []]
    transport.close()
    assert [(sent.get("apikey"), sent.get("authorization")) for sent in wire.headers] == [(key, token)] * 2
