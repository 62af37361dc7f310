"""What a person sees on a terminal: one living line about what is retried, and no line of a log."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="this platform has no pseudo terminals")

from tests.support.library import Library, chapters  # noqa: E402 — after the skip
from tests.support.postgres_proxy import Fate, PostgresProxy  # noqa: E402

ROOT = Path(__file__).parents[2]


def on_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code, and all that the terminal was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "novelsync", *arguments],
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65_536):
            written += piece
    except OSError:  # Linux: the other side is closed
        pass
    os.close(ours)
    return process.wait(), written.decode()


def plain(written: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)


def test_what_is_retried_is_one_living_line_that_is_gone_in_the_end(settled: Library, database_url: str) -> None:
    settled.write("emma", chapters(2))
    cuts = 0

    def fate(request: bytes) -> Fate:
        nonlocal cuts
        if b"novelsync_known_files" in request and cuts < 2:
            cuts += 1
            return Fate.CUT
        return Fate.COMES

    with PostgresProxy(database_url) as proxy:
        proxy.fate = fate
        code, written = on_a_terminal("sync", DATABASE_URL=proxy.url)
    said = plain(written)
    assert (code, cuts) == (0, 2), said
    assert re.search(r"trying again, \d+ s of at most 30 s: ", said)
    assert "database_call" not in said
    assert "[warning" not in said
    assert "everything in storage is in the tables: 1 novel" in said
    # Each time the line is drawn anew, the terminal is told to go back to its beginning: it never scrolls.
    assert not re.search(r"trying again[^\r\x1b]*\n[^\x1b]*trying again", written)


def test_without_a_terminal_each_retry_is_a_line_of_the_log(settled: Library, database_url: str) -> None:
    settled.write("emma", chapters(2))
    cuts = iter([Fate.CUT])
    with PostgresProxy(database_url) as proxy:
        proxy.fate = lambda request: next(cuts, Fate.COMES) if b"novelsync_known_files" in request else Fate.COMES
        done = subprocess.run(
            [sys.executable, "-m", "novelsync", "sync"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": proxy.url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0
    assert done.stderr.count("database_call_repeated") == 1


def test_a_storage_that_is_away_has_no_line_of_a_log(settled: Library) -> None:
    code, written = on_a_terminal("sync", NOVELSYNC_STORAGE=str(settled.folder / "nowhere"))
    assert code == 3
    assert "is not there" in plain(written)
    assert not re.search(r"run_\w+", written)


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def test_colours_are_for_terminals_and_no_color_turns_them_off(settled: Library) -> None:
    settled.write("emma", chapters(2))
    _, coloured = on_a_terminal("sync")
    _, plain_ = on_a_terminal("sync", NO_COLOR="1")
    done = subprocess.run([sys.executable, "-m", "novelsync", "sync"], cwd=ROOT, capture_output=True, check=True)
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain_)
    assert b"\x1b" not in done.stdout + done.stderr
