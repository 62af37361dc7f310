"""One fault on trial: planted in a copy of the tree, and the tests that run there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.mutants.planted_faults import ROOT, Fault

LINKED: Final = (".venv", ".tools")
# What is compiled goes along, because times are kept: else each trial would compile all of it anew.
_LEFT_OUT: Final = shutil.ignore_patterns(".git", ".*_cache", ".hypothesis", "dist", ".novelsync", *LINKED)

BLIND: Final = (
    "tests/database/test_migrations.py::test_a_migration_that_was_released_is_never_changed_and_new_ones_come_behind_it",
    "tests/mutants",
)
"""Tests that notice every change, whatever it means."""

FAST_FIRST: Final = (
    *("tests/evidence", "tests/planning", "tests/text", "tests/books", "tests/storage", "tests/test_webhook.py"),
    *("tests/test_settings.py", "tests/test_alert_service.py", "tests/test_notice_service.py", "tests/schedulers"),
    *("tests/database/contract", "tests/web", "tests/cli", "tests/running", "tests/security", "tests/database"),
)
"""The order in which the rest of the suite is asked; what is not named here comes last."""

COLLECTING: Final = "collecting the tests"

LONGEST: Final = 7200.0
"""Seconds for everything together, should something hang outside of tests."""

GIVES_UP: Final = 5.0
"""Seconds that servers have to end once they were told to."""

_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (tests/\S+?\.py(?:::[^\s\[]+)?)", re.MULTILINE)
_STARTED: Final = re.compile(r"^(tests/\S+\.py::[^\s\[]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that noticed something."""

    test: str
    timed_out: bool = False
    """It did not fail, but did not end either."""


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """A copy to spoil, with the installed packages and tools of this one."""
    with tempfile.TemporaryDirectory(prefix="nsm-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, Postgres runs as nobody, who must be able to enter
        tree = Path(folder) / "t"
        shutil.copytree(ROOT, tree, symlinks=True, ignore=_LEFT_OUT)
        for name in LINKED:
            if (ROOT / name).exists():
                (tree / name).symlink_to((ROOT / name).resolve())
        (Path(folder) / "tmp").mkdir(mode=0o1777)
        yield tree


def plant(fault: Fault, tree: Path) -> None:
    path = tree / fault.file
    path.write_text(fault.planted_in(path.read_text(encoding="utf-8")), encoding="utf-8")


def ask(tree: Path, tests: Sequence[str], seconds: float, *, all_of_them: bool = False) -> list[Failure]:
    """
    Runs these tests in the copy until one fails, or all of them. A test that takes more than so many seconds hangs.

    Raises `RuntimeError` if there was nothing to run.
    """
    temporary = tree.parent / "tmp"
    options = ["-vv", "-rfE", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", *(() if all_of_them else ["-x"])]
    limits = [f"--override-ini=faulthandler_timeout={seconds}", "--override-ini=faulthandler_exit_on_timeout=true"]
    deselected = [f"--deselect={test}" for test in BLIND]
    environment = {"PYTHONPATH": str(tree), "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", "COLUMNS": "400"}
    log = tree.parent / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *limits, *deselected, *tests],
            cwd=tree,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            code = None  # not even the tests were found
        finally:
            _stop(process)
            _stop_what_is_left_in(temporary)
    said = log.read_text(encoding="utf-8", errors="replace")
    failed = [Failure(_function(test)) for test in _FAILED.findall(said)]
    if code is None or (code == 1 and not failed):
        started = _STARTED.findall(said)
        return [Failure(_function(started[-1]) if started else COLLECTING, timed_out=True)]
    if code == 0 or (code in (1, 2) and failed):
        return failed
    raise RuntimeError(f"pytest ended with {code}: {said[-2000:]}")


def _function(test: str) -> str:
    """Without its parameters."""
    return test.partition("[")[0]


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stop_what_is_left_in(folder: Path) -> None:
    """Databases and servers of tests that were broken off: they have paths of this folder in their command lines."""
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in process.info["cmdline"] or ())
    ]
    for process in left:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT)  # on which Postgres leaves nothing behind
    for process in psutil.wait_procs(left, GIVES_UP)[1]:
        with suppress(psutil.Error):
            process.kill()


def rest_of(suite: Path, own: Sequence[str]) -> list[str]:
    """All other tests, the fast ones first."""
    files = [str(path.relative_to(suite)) for path in sorted((suite / "tests").rglob("test_*.py"))]

    def place(file: str) -> int:
        return next((n for n, folder in enumerate(FAST_FIRST) if _is_in(file, folder)), len(FAST_FIRST))

    left = [file for file in files if not any(_is_in(file, path) for path in (*own, *BLIND))]
    return sorted(left, key=lambda file: (place(file), file))


def _is_in(file: str, path: str) -> bool:
    return file == path or file.startswith(f"{path}/")
