"""What measurements stand on: a database of their own, Supabase's REST endpoint before it, a road that counts."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelsync.database.embedded import EmbeddedPostgres
from novelsync.database.functions import Road
from novelsync.database.migrations import migrate

ROOT = Path(__file__).parents[1]


@contextmanager
def database() -> Iterator[str]:
    """A migrated Postgres with nothing in it, as a connection string."""
    with tempfile.TemporaryDirectory(prefix="novelsync-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, Postgres runs as nobody, who must be able to enter
        with EmbeddedPostgres(Path(folder)) as postgres:
            conninfo = postgres.start()
            migrate(conninfo, "bench")
            yield conninfo


class CountingRoad:
    """Counts what goes over a road."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self.name = road.name
        self.close = road.close
        self.calls = 0
        self.texts = 0

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        self.calls += 1
        for part in ("created", "changed", "texts"):
            self.texts += sum("content" in chapter for chapter in request.get(part, ()))
        return self._road.call(function, request)


@dataclass
class Rest:
    """Supabase's REST endpoint, in a process of its own."""

    url: str
    key: str
    _process: "subprocess.Popen[str]"

    def passed(self) -> Mapping[str, int]:
        """Since the last time: ``requests``, ``bytes_in``, ``bytes_out``; and PostgREST's memory, ``rss``, in bytes."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer: Mapping[str, int] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def rest(conninfo: str, delay: float = 0.0) -> Iterator[Rest]:
    """``delay``: seconds added to each request, as a distance would."""
    command = [sys.executable, "-m", "tests.stand_in", "--conninfo", conninfo, "--delay", str(delay)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        said = json.loads(process.stdout.readline())
        yield Rest(said["url"], said["secret_key"], process)
        process.stdin.close()
