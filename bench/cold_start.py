"""What a function instance does before its first answer."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.parts import ROOT, database, rest
from bench.results import Table, rounds

TIMES = 7


def main(folder: Path) -> Iterator[Table]:
    # Compiled files are kept, as on Google Cloud, where the build compiles everything once.
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _python("import main")
    bare, ours = [], []
    for _ in range(TIMES):
        bare.append(_seconds(lambda: _python("import functions_framework")))
        ours.append(_seconds(lambda: _python("import main")))
    beyond = [one - other for one, other in zip(ours, bare, strict=True)]
    rows = [
        ["import of functions-framework", rounds(bare, ".2f")],
        ["import of main, which imports it", rounds(ours, ".2f")],
        ["beyond it", rounds(beyond, ".2f")],
    ]
    with database() as conninfo, rest(conninfo) as api:
        storage = {"NOVELSYNC_STORAGE": str(ROOT / "storage" / "novels")}
        environment = os.environ | storage | {"SUPABASE_URL": api.url, "SUPABASE_SECRET_KEY": api.secret_key}
        answers = [_first_answer(environment) for _ in range(3)]
    rows.append(["from nothing to the first answer of `status`, over PostgREST", rounds(answers, ".2f")])
    yield Table("Cold start, seconds", ["", "median (all)"], rows)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def _first_answer(environment: dict[str, str]) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.perf_counter()
    command = [sys.executable, "-m", "functions_framework", "--target", "status", "--port", f"{port}"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            while True:
                with suppress(urllib.error.URLError, ConnectionError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/sync/novels/status").close()
                    return time.perf_counter() - start
                if server.poll() is not None:
                    raise SystemExit(f"the server ended with {server.returncode}")
                time.sleep(0.005)
        finally:
            server.terminate()
