"""``sync --watch``: a novel is in as soon as its file is renamed into place, and Ctrl-C ends it cleanly."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Run, Tables
from tests.support.library import Library, chapter, chapters
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]

pytest.importorskip("watchfiles", reason="the extra watch is not installed")


@contextmanager
def watching(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, once it watches; what it prints is in ``log``."""
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "novelsync", "sync", "--watch", *arguments],
            cwd=log.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", "")},
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until(lambda: "watching " in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.kill()


def test_what_is_renamed_into_place_is_synced_and_ctrl_c_ends_it_with_130(
    settled: Library, tables: Tables, tmp_path: Path
) -> None:
    settled.write("emma", chapters(2))
    log = tmp_path / "log"
    with watching(log) as process:
        assert tables.titles("emma") == ["Chapter 1", "Chapter 2"], "it begins with a whole run"
        settled.write("emma", chapters(3))
        wait_until(lambda: len(tables.titles("emma")) == 3)
        settled.write("persuasion", [chapter("one")])
        wait_until(lambda: tables.titles("persuasion") == ["Chapter one"])
        settled.write_raw("evelina", b"{")
        wait_until(lambda: "refused evelina" in log.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    said = log.read_text()
    assert "updated emma: chapters 3 processed" not in said
    assert "updated emma: chapters 1 created" in said
    assert "created persuasion: chapters 1 created" in said
    assert "Traceback" not in said


def test_a_novel_whose_texts_are_files_of_their_own_is_synced_when_one_of_them_changes(
    settled: Library, tables: Tables, tmp_path: Path
) -> None:
    settled.write("emma", [{"title": "One", "filename": "1.html"}])
    text = settled.folder / "emma" / "1.html"
    text.write_text("<p>It was first.</p>" * 20)
    with watching(tmp_path / "log"):
        fresh = text.with_suffix(".new")
        fresh.write_text("<p>It was second.</p>" * 20)
        fresh.rename(text)
        asked = "select count(*) from chapters where content like '%%second%%'"
        wait_until(lambda: tables.rows(asked) == [(1,)])


def test_what_a_sync_of_one_novel_changed_is_told_at_once(
    settled: Library, tables: Tables, tmp_path: Path, notified: Receiver
) -> None:
    settled.write("emma", chapters(2))
    with watching(tmp_path / "log"):
        settled.write("persuasion", [chapter("one")])
        wait_until(lambda: [each["novel"]["slug"] for each in notified.changes] == ["emma", "persuasion"])


def test_what_is_gone_is_left_to_a_whole_run(settled: Library, tables: Tables, tmp_path: Path) -> None:
    settled.write("emma", chapters(2))
    settled.write("persuasion", chapters(2))
    with watching(tmp_path / "log"):
        settled.remove("emma")
        settled.write("persuasion", chapters(3))
        wait_until(lambda: len(tables.titles("persuasion")) == 3)
        assert len(tables.titles("emma")) == 2
        assert tables.rows("select missing_since from novelsync.files where slug = 'emma'") == [(None,)]


def test_many_changes_while_another_run_holds_the_lease_are_not_lost(
    settled: Library, tables: Tables, tmp_path: Path
) -> None:
    settled.write("emma", chapters(1))
    log = tmp_path / "log"
    with watching(log):
        tables.connection.execute(
            "update novelsync.lease"
            " set run_id = gen_random_uuid(), expires_at = now() + interval '1 hour', holder = 'me'"
        )
        for number in range(110):
            fresh = tmp_path / f"novel-{number:03}"
            fresh.mkdir()
            (fresh / "book_info.json").write_bytes(settled.path("emma").read_bytes())
        for number in range(110):  # each whole, and all within one gathering
            (tmp_path / f"novel-{number:03}").rename(settled.folder / f"novel-{number:03}")
        wait_until(lambda: "another run" in log.read_text())
        tables.connection.execute("update novelsync.lease set expires_at = now()")
        wait_until(lambda: tables.rows("select count(*) from novels where removed_at is null") == [(111,)])


@pytest.mark.parametrize("how", ["copied", "a link that is switched"])
def test_a_folder_that_takes_the_place_of_the_watched_one_is_read_and_watched(
    settled: Library, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    settled.write("emma", chapters(2))
    folder, old, link = settled.folder, tmp_path / "old", tmp_path / "link"
    if how != "copied":
        link.symlink_to(folder)
        monkeypatch.setenv("NOVELSYNC_STORAGE", str(link))
    with watching(tmp_path / "log"):
        other = tmp_path / "other"
        shutil.copytree(folder, other)
        (other / "evelina").mkdir()
        (other / "evelina" / "book_info.json").write_bytes(settled.path("emma").read_bytes())
        if how == "copied":
            folder.rename(old)
            other.rename(folder)
        else:
            (tmp_path / "switched").symlink_to(other)
            (tmp_path / "switched").rename(link)
        wait_until(lambda: len(tables.titles("evelina")) == 2)
        now = Library(folder if how == "copied" else other)
        now.write("emma", chapters(3))
        wait_until(lambda: len(tables.titles("emma")) == 3)


def test_a_folder_that_is_deleted_and_made_again_is_watched_again(
    settled: Library, tables: Tables, tmp_path: Path
) -> None:
    settled.write("emma", chapters(2))
    with watching(tmp_path / "log"):
        shutil.rmtree(settled.folder)
        settled.folder.mkdir()
        settled.write("emma", chapters(3))
        wait_until(lambda: len(tables.titles("emma")) == 3)
        settled.write("emma", chapters(4))
        wait_until(lambda: len(tables.titles("emma")) == 4)


@pytest.mark.parametrize("blank", ["\u3000", "\u00a0"], ids=ascii)
def test_a_name_with_any_kind_of_blank_in_it_is_watched(
    settled: Library, tables: Tables, tmp_path: Path, blank: str
) -> None:
    slug = f"全集{blank}1"
    with watching(tmp_path / "log"):
        settled.write(slug, chapters(2))
        wait_until(lambda: len(tables.titles(slug)) == 2)


def test_a_bucket_cannot_be_watched(run: Run, settled: Library) -> None:
    refused = run("sync", "--watch", NOVELSYNC_STORAGE="gs://bucket/novels")
    assert (refused.code, "gs://bucket/novels is a bucket" in refused.err) == (2, True)
    assert "deploy.sh --events" in refused.err


def test_a_folder_that_is_not_there_is_a_storage_that_is_away(run: Run, settled: Library) -> None:
    refused = run("sync", "--watch", NOVELSYNC_STORAGE=str(settled.folder / "nowhere"))
    assert (refused.code, "is not there" in refused.err) == (3, True)


@pytest.mark.parametrize("words", [["--json"], ["-n"], ["--slug", "emma"], ["--reread"]], ids=" ".join)
def test_it_is_given_alone(run: Run, settled: Library, words: list[str]) -> None:
    settled.write("emma", chapters(1))
    refused = run("sync", "--watch", *words)
    assert (refused.code, "give it alone" in refused.err) == (2, True)


def test_without_its_library_it_says_how_to_get_it(settled: Library, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "watchfiles.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [sys.executable, "-m", "novelsync", "sync", "--watch"],
        env=os.environ | {"PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "pip install '.[watch]'" in done.stderr) == (2, True), done.stderr
