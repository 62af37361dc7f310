"""What starts the hourly sync beside `serve`, against servers that answer this and that."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from novelsync.starting import start

Answering = tuple[int, bytes]

AWAY = (503, b'{"success": false, "message": "the database is away"}')


@contextmanager
def answering(answer: Callable[[int], Answering]) -> Iterator[str]:
    """A server that gives the answer for its first request, its second, and so on; its address."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            code, body = answer(len(asked))
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
    assert set(asked) <= {"/api/v1/sync/scheduler/start"}


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda n: (502, b"<html>")) as proxy, answering(lambda n: (200, b"{}")) as url:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert start(url, os.getppid()) == ""


def test_a_server_whose_database_is_away_for_a_moment_is_asked_again() -> None:
    with answering(lambda n: AWAY if n < 4 else (200, b"{}")) as url:
        assert start(url, os.getppid(), pause=0.01) == ""
    with answering(lambda n: AWAY) as url:
        assert start(url, os.getppid(), patience=0.05, pause=0.01) == "the database is away"


def test_the_reason_is_said_whatever_the_answer_looks_like() -> None:
    with answering(lambda n: (500, b'{"message": "no scheduler here"}')) as url:
        assert start(url, os.getppid()) == "no scheduler here"
    for body in (b"<html>", b"[]", b"{}", b"\xff"):
        with answering(lambda n, body=body: (502, body)) as url:  # type: ignore[misc]
            assert start(url, os.getppid()) == "502 Bad Gateway"
