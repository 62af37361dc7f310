"""A server that is told of alerts or of changes, and may be in trouble."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Document = Mapping[str, Any]


class Receiver:
    """Takes what it is told, unless ``trouble`` says otherwise."""

    def __init__(self) -> None:
        self.told: list[Document] = []
        """What it took, in order."""
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        """Path and headers of each request."""
        self.bodies: list[bytes] = []
        """As they came."""
        self.trouble: Callable[[], int | None] = lambda: 200
        """The status of the next answer; None: the connection is cut. Asked once for each request."""
        self.location = ""
        """Where a redirect leads."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                document = json.loads(body)
                receiver.bodies.append(body)
                receiver.requests.append((self.path, dict(self.headers)))
                status = receiver.trouble()
                if status is None:
                    self.close_connection = True
                    return
                if status < 300:
                    receiver.told.append(document)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{self.root}/services/T0/B0/canary-path?key=canary-query"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def verdicts(self) -> list[str]:
        return [document["verdict"] for document in self.told]

    @property
    def changes(self) -> list[Document]:
        """Of the feed, in order."""
        return [change for document in self.told for change in document["data"]["changes"]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
