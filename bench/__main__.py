"""``make bench``: all measurements, or those that ARGS names."""

import sys
import tempfile
from pathlib import Path

from bench import against_plain, matching, runs
from novelsync.logs import configure_logs

MEASUREMENTS = {"matching": matching.main, "runs": runs.main, "against_plain": against_plain.main}

configure_logs("text", "stderr")
for name in sys.argv[1:] or MEASUREMENTS:
    if name not in MEASUREMENTS:
        raise SystemExit(f"there is no measurement {name!r}; there are: {', '.join(MEASUREMENTS)}")
    with tempfile.TemporaryDirectory(prefix="novelsync-bench-") as folder:
        MEASUREMENTS[name](Path(folder))
