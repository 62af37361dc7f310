"""TCP in front of a Postgres, for tests of a network that loses or garbles answers, or goes silent and stays open."""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from socketserver import BaseRequestHandler, ThreadingTCPServer

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_READY = b"Z\x00\x00\x00\x05I"
"""The end of an answer: whatever was asked is committed."""


class Fate(Enum):
    """What becomes of the answer to a request."""

    COMES = "comes"
    CUT = "cut"
    """The connection is cut before the request has reached the server."""
    LOST = "lost"
    """The work is done, and then the connection is cut."""
    HALF = "half"
    """The connection is cut in the middle of the answer."""
    GARBLED = "garbled"
    """The work is done, and of the answer no byte is what it was."""
    SILENT = "silent"
    """The work is done, and nothing more is heard; the connection stays."""


class PostgresProxy(ThreadingTCPServer):
    """Its ``fate`` is asked for each piece of what clients send; it runs in the connection's thread."""

    daemon_threads = True

    def __init__(self, conninfo: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.parts = conninfo_to_dict(conninfo)
        host, port = self.server_address[:2]
        self.url = make_conninfo(conninfo, host=str(host), port=port, sslmode="disable", gssencmode="disable")
        self.fate: Callable[[bytes], Fate] = lambda request: Fate.COMES
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # either side may leave when it likes


class _Handler(BaseRequestHandler):
    server: PostgresProxy

    def handle(self) -> None:
        fate, answer = Fate.COMES, b""
        with self._connected() as behind:
            while True:
                readable, _, _ = select.select([self.request, behind], [], [])
                if self.request in readable:
                    if not (data := self.request.recv(65_536)):
                        return
                    told = self.server.fate(data)
                    if told is Fate.CUT:
                        return
                    fate, answer = (fate if told is Fate.COMES else told), b""
                    behind.sendall(data)
                    continue
                if not (data := behind.recv(65_536)):
                    return
                if fate is Fate.COMES:
                    self.request.sendall(data)
                elif fate is Fate.HALF:
                    self.request.sendall(data[: len(data) // 2])
                    return
                elif fate is Fate.GARBLED:
                    self.request.sendall(bytes(255 - byte for byte in data))
                elif fate is Fate.LOST:
                    answer += data
                    if answer.endswith(_READY):
                        return

    def _connected(self) -> socket.socket:
        host, port = str(self.server.parts["host"]), self.server.parts.get("port", 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        connection = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            connection.connect(f"{host}/.s.PGSQL.{port}")
        return connection
