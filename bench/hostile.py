"""What reading a hostile file costs, one made to fill the memory or to take for ever; each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.parts import ROOT
from bench.results import Table
from tests.support.hostile import FILES
from tests.support.limited import memory

MEGABYTES = 50
LIMIT = 700_000_000  # bytes, ten times the file and 200 MB


def main(folder: Path) -> Iterator[Table]:
    rows = []
    for name in FILES:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.hostile", str(MEGABYTES), name],
            cwd=ROOT,
            check=True,
            capture_output=True,
            preexec_fn=memory(LIMIT),
        )
        file = json.loads(done.stdout)
        result = file["came"] if len(file["came"]) < 60 else f"{file['came'][:60].strip()} …"
        rows.append(
            [
                name,
                *(f"{value:,.1f}" for value in (file["size"] / 1e6, file["seconds"])),
                f"{file['taken'] / 1e6:,.0f}",
                result,
            ]
        )
    columns = ["", "the file, MB", "seconds", "besides the file, MB", "what it comes to"]
    note = f"No process may take more than {LIMIT / 1e6:.0f} MB (RLIMIT_DATA)."
    yield Table("Reading one hostile file", columns, rows, note)
