"""A storage that is not there, or has nothing: never a success, and never made by a command that only looks."""

import json
from pathlib import Path

import httpx
import pytest

from tests.conftest import Run
from tests.support.library import Library, chapters
from tests.support.serving import Serve

READING = (["status"], ["verify"], ["doctor"], ["sync", "--dry-run"])


@pytest.mark.parametrize("command", [["sync"], ["sync", "--slug", "emma"], *READING], ids=" ".join)
def test_a_mistyped_path_is_a_storage_that_is_away(
    run: Run, settled: Library, tmp_path: Path, command: list[str]
) -> None:
    result = run(*command, NOVELSYNC_STORAGE=str(tmp_path / "mnt" / "novls"))
    said = " ".join((result.out + result.err).split())
    assert result.code == 3, said
    assert "novls is not there" in said
    assert "correct NOVELSYNC_STORAGE" in said
    assert "✓ everything" not in said
    assert not (tmp_path / "mnt").exists()


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_only_looks_does_not_even_make_the_default_folder(
    run: Run, settled: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.delenv("NOVELSYNC_STORAGE")
    assert run(*command).code == 3
    assert not (tmp_path / "storage").exists()


def test_sync_makes_the_default_folder_and_says_what_is_expected_there(
    run: Run, settled: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NOVELSYNC_STORAGE")
    result = run("sync")
    assert (tmp_path / "storage" / "novels").is_dir()
    assert "made the folder storage/novels: put <slug>/book_info.json there" in result.err
    assert "! 0 novels in storage/novels, which should have <slug>/book_info.json" in result.out
    assert "✓" not in result.out


def test_an_empty_storage_is_nothing_to_be_content_with(run: Run, settled: Library) -> None:
    run("sync")
    result = run("status")
    assert result.code == 1
    assert result.out.startswith(f"attention\n    0 novels in {settled.folder}, which should have <slug>/book_info")
    settled.write("emma", chapters(1))
    run("sync")
    assert run("status").out.startswith("ok\n")


def test_over_http_a_storage_that_is_not_there_is_503(serve: Serve, tmp_path: Path) -> None:
    client: httpx.Client = serve(NOVELSYNC_STORAGE=str(tmp_path / "novls"))
    answer = client.post("/api/v1/sync/novels")
    assert answer.status_code == 503
    assert "is not there" in answer.json()["data"]["problems"][0]["message"]
    assert "correct NOVELSYNC_STORAGE" in answer.json()["data"]["problems"][0]["hint"]
    status = json.loads(client.get("/api/v1/sync/novels/status").text)
    assert (status["novels_in_storage"], status["verdict"]) == (None, "attention")
    assert not (tmp_path / "novls").exists()
