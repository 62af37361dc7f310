"""Completion for shells. What they complete with is click's; this only puts it in its place."""

from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from novelsync.cli.groups.options import OK, Command
from novelsync.cli.output import out

VARIABLE: Final = "_NOVELSYNC_COMPLETE"

_START_FILES: Final = {"bash": ".bashrc", "zsh": ".zshrc"}


@click.command(cls=Command, section="Set up", example="novelsync completion bash --install", database=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--install", is_flag=True, help="Put it where the shell finds it, for you alone.")
def completion(shell: str, install: bool) -> int:
    """
    Complete commands, options and slugs with Tab.

    Prints the script for a shell. With --install it is a file in your home folder, which bash and zsh read because of a
    line added to .bashrc or .zshrc, once.
    """
    script = _script(shell)
    if not install:
        click.echo(script, nl=False)
        return OK
    home = Path.home()
    if shell == "fish":
        path = home / ".config" / "fish" / "completions" / "novelsync.fish"
    else:
        path = home / ".local" / "share" / "novelsync" / f"completion.{shell}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")
    out.print(f"wrote {path}", markup=False)
    if start := _START_FILES.get(shell):
        _read_by(home / start, path)
    out.print(f"{shell} completes novelsync from its next start on")
    return OK


def _script(shell: str) -> str:
    kind = get_completion_class(shell)
    assert kind  # noqa: S101 — click has all three
    source = kind.source_template % kind(click.Command("novelsync"), {}, "novelsync", VARIABLE).source_vars()
    return source.lstrip("\n")


def _read_by(start: Path, path: Path) -> None:
    """Adds one line to the file that a shell reads when it starts, unless it is there."""
    line = f'[ -r "{path}" ] && . "{path}"  # novelsync completion'
    lines = start.read_text(encoding="utf-8").splitlines() if start.exists() else []
    if line in lines:
        return
    with start.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")  # the last line there may have no end
    out.print(f"added a line to {start}", markup=False)
