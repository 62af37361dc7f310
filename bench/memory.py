"""Peak memory of a whole process, by the size of a file and of a library, and under an enforced limit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import libraries
from bench.parts import ROOT, TRANSPORTS, database, rest
from bench.results import Table
from tests.support import limited as limits

LIMIT = 400_000_000  # bytes

# From /proc, because the kernel's account of a child's memory begins with its parent's.
SYNC_AND_TELL = """
import atexit, sys
from novelsync.cli.commands import main
atexit.register(lambda: print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))))
sys.argv = ["novelsync", "sync"]
main()
"""
TAKE_AS_MUCH = f"b'x' * {LIMIT}"


def main(folder: Path) -> Iterator[Table]:
    rows = []
    # Several, because what is left of a large novel may still be there when the next is read.
    shapes = {
        "2 novels of 1 MB": (2, 20, 50_000),
        "2 novels of 10 MB": (2, 200, 50_000),
        "2 novels of 100 MB": (2, 2_000, 50_000),
        "4 novels of 30 MB": (4, 5_000, 6_000),
        "60 novels of 2 MB": (60, 300, 6_000),
    }
    for name, (novels, chapters, size) in shapes.items():
        libraries.make(folder / name, novels, chapters, size)
        rows.append([name, *(f"{_peak(folder / name, kind):,.0f}" for kind in TRANSPORTS)])
    for novels in (100, 10_000, 100_000):
        library = folder / f"{novels}"
        libraries.make(library, novels=novels, chapters=1, size=200)
        rows.append([f"{novels:,} novels of 500 bytes", *(f"{_peak(library, kind):,.0f}" for kind in TRANSPORTS)])
    limited = [f"{_peak(folder / '2 novels of 100 MB', kind, limited=True):,.0f}" for kind in TRANSPORTS]
    rows.append([f"2 novels of 100 MB, with no more than {LIMIT / 1e6:.0f} MB to take", *limited])
    note = (
        f"The limit is the kernel's (RLIMIT_DATA), and enforced: a process that takes {LIMIT / 1e6:.0f} MB at once"
        f" {'ends with a MemoryError' if _refused() else 'IS NOT STOPPED'}."
    )
    yield Table("Peak memory of a first import, MB", ["", *TRANSPORTS], rows, note)


def _refused() -> bool:
    command = [sys.executable, "-c", TAKE_AS_MUCH]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limits.memory(LIMIT))
    return done.returncode != 0 and "MemoryError" in done.stderr


def _peak(library: Path, kind: str, *, limited: bool = False) -> float:
    with ExitStack() as stack:
        settings = {"DATABASE_URL": stack.enter_context(database()), "NOVELSYNC_STORAGE": str(library)}
        if kind == "PostgREST":
            api = stack.enter_context(rest(settings["DATABASE_URL"]))
            settings |= {"SUPABASE_URL": api.url, "SUPABASE_SECRET_KEY": api.secret_key}
        done = subprocess.run(
            [sys.executable, "-c", SYNC_AND_TELL],
            cwd=ROOT,
            env=os.environ | settings,
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=limits.memory(LIMIT) if limited else None,
        )
    return int(done.stdout.split()[-2]) * 1024 / 1e6
