"""functions-framework's own server, in a process of its own."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
import psutil

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]

Serve = Callable[..., httpx.Client]
"""Serves a target over the test's library and database until the test ends."""

# What a server imports takes half a second each time: one process has it all, and forks every server.
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(
    [
        __name__,
        "functions_framework._cli",
        "functions_framework._http.gunicorn",
        "gunicorn.workers.gthread",
        "novelsync.database.transports.postgres",
        "novelsync.database.transports.supabase",
        "novelsync.web.events",
        "novelsync.web.routes",
    ]
)


@contextmanager
def served(target: str, log: Path, *, folder: Path = ROOT, **environment: str) -> Iterator[httpx.Client]:
    """functions-framework serving ``target``; what it prints is in ``log``. ``folder``: where it is started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--target", target, "--source", str(ROOT / "main.py"), "--host", "127.0.0.1", "--port", str(port)]
    started = (arguments, log, folder, os.environ | environment)
    process = _forking.Process(target=_serve, name=f"serving {target}", args=started, daemon=True)
    process.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        try:
            wait_until(lambda: not process.is_alive() or _answers(client))
            assert process.is_alive(), log.read_text()
            yield client
        finally:
            _end(process)


def _serve(arguments: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """In the new process: as ``functions-framework`` with these arguments, there and in that environment."""
    from functions_framework._cli import _cli

    with log.open("wb") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["functions-framework", *arguments]
    _cli()


def _end(process: ForkServerProcess) -> None:
    """At once, gunicorn's workers as well. How a server ends by itself is tested with `serve`."""
    server = psutil.Process(process.pid)
    for one in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.join()
    process.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/is-it-there").status_code in (404, 405)  # 405: it takes events
    except httpx.TransportError:
        return False
