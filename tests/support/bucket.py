"""A small Cloud Storage for tests: pages, generation conditions and failures, which the emulator does not have."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

Answer = tuple[int, bytes]
"""Status and body."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """Texts are read side by side; a connection that finds no room waits a second before it tries again."""


class Bucket(AbstractContextManager["Bucket"]):
    """One bucket called ``novels``, over HTTP, as the JSON API has it: listing, metadata, media."""

    name = "novels"

    def __init__(self, page_size: int = 1000) -> None:
        self.page_size = page_size
        self.objects: dict[str, tuple[int, bytes]] = {}
        """Name to generation and content."""
        self.requests: list[str] = []
        self.answer: Callable[[str, dict[str, str]], Answer | None] = lambda path, query: None
        """Asked first, with path and query; None: answer as usual."""
        self._generation = 1_000

    def put(self, name: str, data: bytes) -> int:
        """Its generation."""
        self._generation += 1
        self.objects[name] = self._generation, data
        return self._generation

    @property
    def url(self) -> str:
        """For ``STORAGE_EMULATOR_HOST``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def client(self) -> storage.Client:
        return storage.Client("a-project", AnonymousCredentials(), client_options={"api_endpoint": self.url})

    def __enter__(self) -> "Bucket":
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            # Connections stay open, as those of Cloud Storage do. An answer may be two writes, and the second must not
            # wait until the first is acknowledged, which takes 40 ms.
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                bucket.requests.append(self.path)
                status, body = bucket.answer(address.path, query) or bucket.usual(address.path, query)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def usual(self, path: str, query: dict[str, str]) -> Answer:
        if path == f"/storage/v1/b/{self.name}":
            # Google's library asks for its bucket in the background, once, and for ever if there is none.
            return 200, json.dumps({"name": self.name}).encode()
        if not path.startswith((f"/storage/v1/b/{self.name}/o", f"/download/storage/v1/b/{self.name}/o")):
            return failure(404, "The specified bucket does not exist.")
        name = unquote(path.partition("/o/")[2])
        if not name:
            return 200, json.dumps(self._page(query)).encode()
        if name not in self.objects:
            return failure(404, f"No such object: {self.name}/{name}")
        generation, data = self.objects[name]
        if query.get("ifGenerationMatch", str(generation)) != str(generation):
            return failure(412, "At least one of the pre-conditions you specified did not hold.")
        return 200, data if query.get("alt") == "media" else json.dumps(self._described(name)).encode()

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        """In the order of the names' UTF-8, as Cloud Storage lists."""
        names = sorted((name for name in self.objects if name.startswith(query.get("prefix", ""))), key=str.encode)
        start = int(query.get("pageToken", 0))
        end = start + self.page_size
        page: dict[str, Any] = {"items": [self._described(name) for name in names[start:end]]}
        return page | ({"nextPageToken": str(end)} if end < len(names) else {})

    def _described(self, name: str) -> dict[str, str]:
        generation, data = self.objects[name]
        checksum = b64encode(google_crc32c.Checksum(data).digest()).decode()
        return {"name": name, "generation": str(generation), "size": str(len(data)), "crc32c": checksum}


def failure(status: int, message: str) -> Answer:
    """As Cloud Storage writes one."""
    return status, json.dumps({"error": {"code": status, "message": message}}).encode()
