"""Commands in messages work where they are read."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from novelsync.planning.acceptance import accept_hint, removals_id
from novelsync.planning.guards.limits import guard_removals
from novelsync.text.hints import as_command_line, as_request, said

ID = "4f1c2a0b"
ROOT, PATH = "https://sync.example.run.app", "/api/v1/sync/novels"


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this Python's programs, on the PATH; this process was started by ``python -m novelsync``."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", ["/somewhere/novelsync/__main__.py"])
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "novelsync").touch(0o755)


def test_on_a_laptop_it_is_a_command_line(scripts: Path) -> None:
    assert "`python -m novelsync sync --accept emma=4f1c2a0b`" in as_command_line(accept_hint("emma", ID))
    install(scripts)
    assert "`novelsync sync --accept emma=4f1c2a0b`" in as_command_line(accept_hint("emma", ID))


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("program", ["/somewhere/bin/novelsync", r"novelsync.exe"])
def test_who_called_novelsync_is_told_to_call_novelsync(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert as_command_line("`novelsync sync`") == "`novelsync sync`"


def test_another_installation_on_the_path_is_not_meant(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(scripts / "other")
    monkeypatch.setenv("PATH", str(scripts / "other"))
    assert as_command_line("`novelsync sync`") == "`python -m novelsync sync`"


@pytest.mark.parametrize(
    ("hint", "query"),
    [
        (accept_hint("emma", ID), "?accept=emma%3D4f1c2a0b"),
        (accept_hint("sách truyện & more", ID), "?accept=s%C3%A1ch+truy%E1%BB%87n+%26+more%3D4f1c2a0b"),
        (
            getattr(guard_removals("abc", 10, 0, 0.1), "hint", ""),
            f"?accept_removals=3%3D{removals_id('abc')}",
        ),
        ("`novelsync sync --dry-run --slug a`", "?dry_run=1&slug=a"),
        ("`novelsync sync`", ""),
    ],
)
def test_in_the_cloud_it_is_a_request(hint: str, query: str) -> None:
    shown = as_request(PATH, ROOT)(hint)
    words = shlex.split(shown.split("`")[1])
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[-1] == f"{ROOT}{PATH}{query}"


def test_in_the_cloud_what_no_route_does_stays_a_command() -> None:
    assert as_request(PATH, ROOT)("`novelsync migrate --adopt`, or wait") == "`novelsync migrate --adopt`, or wait"


@pytest.mark.usefixtures("scripts")
def test_every_hint_in_a_document_is_written_so_and_nothing_else() -> None:
    document = {"hint": "`novelsync sync`", "problems": [{"hint": "`novelsync sync`", "message": "`novelsync sync`"}]}
    assert said(document, as_command_line) == {
        "hint": "`python -m novelsync sync`",
        "problems": [{"hint": "`python -m novelsync sync`", "message": "`novelsync sync`"}],
    }


def test_where_the_function_that_does_it_is_not_known_it_is_named() -> None:
    hint = as_request(PATH)(accept_hint("emma", ID))
    assert "`POST /api/v1/sync/novels?accept=emma%3D4f1c2a0b` to the function sync" in hint
    assert "`POST /api/v1/sync/novels?keep=emma%3D4f1c2a0b` to the function sync" in hint


@pytest.mark.parametrize("slug", ["t`k", "t``novelsync  `k"])
def test_a_slug_with_a_backtick_leaves_the_hint_as_it_is(slug: str) -> None:
    hint = accept_hint(slug, ID)
    assert as_request(PATH, ROOT)(hint) == hint


def test_the_job_that_calls_the_function_tells_a_shell_where_it_is(tmp_path: Path) -> None:
    job = "projects/p/locations/r/jobs/j"
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f'#!/bin/sh\n[ "$4" = {job} ] && echo {ROOT}/ || echo token\n')
    gcloud.chmod(0o755)
    held = accept_hint("sách & more", ID)
    for hint, query in ((held, f"?accept=s%C3%A1ch+%26+more%3D{ID}"), ("`novelsync sync`", "")):
        command = as_request(PATH, job=job)(hint).split("`")[1]
        script = f'PATH="{tmp_path}:$PATH"; printf "%s\\n" {command}'
        words = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S607
        assert words == ["curl", "-X", "POST", "-H", "Authorization: Bearer token", f"{ROOT}/{query}"]
