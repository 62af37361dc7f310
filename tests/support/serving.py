"""functions-framework's own server, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]

Serve = Callable[..., httpx.Client]
"""Serves a target over the test's library and database until the test ends."""


@contextmanager
def served(target: str, log: Path, folder: Path = ROOT, **environment: str) -> Iterator[httpx.Client]:
    """functions-framework serving ``target``; what it prints is in ``log``. ``folder``: where it is started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "functions_framework",
        "--target",
        target,
        "--source",
        str(ROOT / "main.py"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=output, stderr=output) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        try:
            wait_until(lambda: process.poll() is not None or _answers(client))
            assert process.poll() is None, log.read_text()
            yield client
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """By gunicorn's quick end; but a worker may hang in its handler of that, and gunicorn waits for it for 30 s."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        for worker in psutil.Process(process.pid).children():
            worker.kill()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/is-it-there").status_code in (404, 405)  # 405: it takes events
    except httpx.TransportError:
        return False
