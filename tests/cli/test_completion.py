"""Completion for shells, tried in the shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.library import Library, chapters

ROOT = Path(__file__).parents[2]

BASH = shutil.which("bash") or ""

bash = pytest.mark.skipif(not BASH, reason="bash is not there")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it, and a command ``novelsync`` that is this clone's."""
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "novelsync"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.argv[0] = 'novelsync'\n"
        "from novelsync.cli.commands import main\nmain()\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return home


def completed(*words: str) -> list[str]:
    """What an interactive bash offers after these words; the last one is being typed."""
    script = (
        f"COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1};"
        " $(complete -p novelsync | sed 's/.*-F \\([^ ]*\\).*/\\1/') novelsync; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run([BASH, "-ic", script], capture_output=True, text=True, check=False)
    assert "no completion" not in done.stderr
    return done.stdout.split()


@bash
def test_once_installed_an_interactive_bash_completes_commands_options_and_slugs(
    run: Run, home: Path, settled: Library
) -> None:
    settled.write("emma", chapters(1))
    settled.write("evelina", chapters(1))
    for _ in range(2):
        assert run("completion", "bash", "--install").code == 0
    assert (home / ".bashrc").read_text().count("novelsync completion") == 1, "one line, however often"
    assert completed("novelsync", "st") == ["status"]
    assert completed("novelsync", "sync", "--dr") == ["--dry-run"]
    assert completed("novelsync", "status", "--kind", "h") == ["held"]
    assert completed("novelsync", "show", "em") == ["emma"]
    assert completed("novelsync", "sync", "--slug", "e") == ["emma", "evelina"]


@bash
def test_without_installing_it_the_script_is_printed(run: Run, home: Path) -> None:
    printed = run("completion", "bash")
    checked = subprocess.run([BASH, "-n"], input=printed.out, capture_output=True, text=True, check=False)
    assert (printed.code, checked.returncode, checked.stderr) == (0, 0, "")
    assert list(home.glob(".*")) == []


def test_zsh_reads_a_file_and_fish_finds_it(run: Run, home: Path) -> None:
    (home / ".zshrc").write_text("autoload -Uz compinit && compinit")
    assert run("completion", "zsh", "--install").code == 0
    assert (home / ".zshrc").read_text().splitlines()[0] == "autoload -Uz compinit && compinit"
    assert "#compdef novelsync" in (home / ".local/share/novelsync/completion.zsh").read_text()
    assert run("completion", "fish", "--install").code == 0
    assert "complete" in (home / ".config/fish/completions/novelsync.fish").read_text()


def test_another_shell_is_wrong_usage(run: Run) -> None:
    refused = run("completion", "tcsh")
    assert (refused.code, "'bash', 'zsh', 'fish'" in refused.err) == (2, True)
