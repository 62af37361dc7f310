"""The receivers of notices that docs/tables.md shows: what NovelSync sends is what they take, and nobody else's."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from novelsync.errors import ReceiverUnavailable
from novelsync.notice_service import document
from novelsync.webhook import SignedWebhook
from tests.support.receiver import Receiver, receiving
from tests.support.serving import ROOT

SECRET = f"whsec_{b64encode(bytes(range(32))).decode()}"
OTHER = f"whsec_{b64encode(bytes(32)).decode()}"
PAGE = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"```\w+\n(?://|#) (\S+\.\w+)\n(.*?)```", PAGE, re.DOTALL))

# What Next.js has, as far as a route sees it: it prints which pages are to be made anew.
NEXT = {
    "package.json": '{"type": "module"}',
    "node_modules/next/package.json": '{"name": "next", "type": "module", "exports": {"./cache": "./cache.js"}}',
    "node_modules/next/cache.js": "export const revalidatePath = (path) => console.log(path)",
    "server.js": """
        import { createServer } from 'node:http'
        const { POST } = await import(process.argv[2])
        createServer(async (asked, answer) => {
          const chunks = []
          for await (const chunk of asked) chunks.push(chunk)
          const given = await POST(new Request('http://localhost/', {
            method: 'POST', headers: asked.headers, body: Buffer.concat(chunks) }))
          answer.writeHead(given.status).end(await given.text())
        }).listen(0, '127.0.0.1', function () { console.log(this.address().port) })""",
}
WSGI = """
import sys
from wsgiref.simple_server import make_server
from telegram import application
with make_server("127.0.0.1", 0, application) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""


def change(id_: int, kind: str = "added", title: str | None = "Emma", **more: Any) -> dict[str, Any]:
    novel = {"id": 1, "slug": "emma", "title": title}
    return {"id": id_, "kind": kind, "novel": novel, "former_slug": None, "chapter": None, "changed_at": "now", **more}


CHANGES = [
    change(1, chapter_count=2),
    change(2, chapter={"id": 391, "position": 12, "number": 12, "title": "Chapter 12"}),
    change(3, "changed", former_slug="emma-old"),
    change(4, "removed", title=None),
]


class Example:
    """A receiver of the docs that is running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout
        self.lines = process.stdout
        self.url = f"http://127.0.0.1:{int(self.lines.readline())}/"

    def told(self, secret: str = SECRET) -> None:
        SignedWebhook(self.url, [secret]).deliver("changes-1-4", document(CHANGES))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts one of `BLOCKS`."""
    for path, code in {**BLOCKS, **NEXT, "serve.py": WSGI}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code, encoding="utf-8")
    processes = []

    def start(*command: str, **settings: str) -> Example:
        environment = {**os.environ, "NOVELSYNC_NOTIFY_SECRET": SECRET, **settings}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return Example(process)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not there, which runs the examples in JavaScript")
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_the_examples_are_found() -> None:
    assert set(BLOCKS) == {
        "lib/novelsync.js",
        "app/api/novelsync/route.js",
        "app/api/discord/route.js",
        "telegram.py",
    }


def test_next_makes_the_pages_anew_that_show_what_changed(start: Any, node: str) -> None:
    route = start(node, "server.js", "./app/api/novelsync/route.js")
    route.told()
    pages = {route.lines.readline().strip() for _ in range(4)}
    assert pages == {"/", "/novels/emma", "/read/391", "/novels/emma-old"}


def test_discord_is_told_of_what_is_new(start: Any, node: str, receiver: Receiver) -> None:
    route = start(node, "server.js", "./app/api/discord/route.js", DISCORD_WEBHOOK=receiver.url)
    route.told()
    assert [message["content"] for message in receiver.told] == ["**Emma**: new\n**Emma**: Chapter 12"]
    receiver.trouble = lambda: 429
    with pytest.raises(ReceiverUnavailable, match="status 503"):
        route.told()


def test_telegram_is_told_of_what_is_new(start: Any) -> None:
    bodies: list[dict[str, list[str]]] = []

    class Telegram(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(200 if len(bodies) == 1 else 429)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Telegram) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        bot = start(sys.executable, "serve.py", TELEGRAM_URL=url, TELEGRAM_CHAT="42")
        bot.told()
        assert bodies == [{"chat_id": ["42"], "text": ["Emma: new\nEmma: Chapter 12"]}]
        with pytest.raises(ReceiverUnavailable, match="status 500"):
            bot.told()
        with pytest.raises(ReceiverUnavailable, match="status 401"):
            bot.told(OTHER)
        assert len(bodies) == 2
        server.shutdown()


@pytest.mark.parametrize("route", ["./app/api/novelsync/route.js", "./app/api/discord/route.js"])
def test_what_somebody_else_signed_is_not_taken(start: Any, node: str, receiver: Receiver, route: str) -> None:
    example = start(node, "server.js", route, DISCORD_WEBHOOK=receiver.url)
    with pytest.raises(ReceiverUnavailable, match="status 401"):
        example.told(OTHER)
    with pytest.raises(ReceiverUnavailable, match="status 401"):
        SignedWebhook(example.url, [SECRET], now=lambda: 1_700_000_000).deliver("changes-1-4", document(CHANGES))
    SignedWebhook(example.url, [OTHER, SECRET]).deliver("changes-1-4", json.loads(json.dumps(document(CHANGES))))


def test_the_message_that_the_page_shows_is_the_one_that_is_sent() -> None:
    shown = json.loads(re.findall(r"```json\n(\{\"type\".*?)```", PAGE, re.DOTALL)[0])
    (one,) = shown["data"]["changes"]
    assert shown == document([one])
