"""The command line: all commands, their general help, and how each ends."""

import io
import sys
from itertools import groupby
from typing import Final, NoReturn

import click

from novelsync import __version__
from novelsync.cli.groups import completion, files, looking, purging, setup, syncing
from novelsync.cli.groups.options import INTERRUPTED, OK, PROBLEMS, Command, exit_code
from novelsync.cli.output import explain
from novelsync.errors import NovelSyncError
from novelsync.settings.loading import Overrides, override


def main() -> NoReturn:
    """Runs the command line. An error ends in an exit code and at most two lines on stderr, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # On Windows, redirected output would be cp1252, which has no Vietnamese.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    override(Overrides())
    try:
        code = cli.main(prog_name="novelsync", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else OK)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except NovelSyncError as error:
        explain(error)
        sys.exit(exit_code(error))
    except Exception as error:  # noqa: BLE001 — the outermost boundary
        what = f"{type(error).__name__}: {error}"
        explain(NovelSyncError(f"something went wrong that should not: {what}", "is the disk full? If not, report it"))
        sys.exit(PROBLEMS)


WIDTH: Final = 12
"""Of the column with the commands' names."""


class Commands(click.Group):
    """Lists its commands by purpose."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [each for each in self.commands.values() if isinstance(each, Command)]
        for section, members in groupby(commands, key=lambda command: command.section):
            with formatter.section(section):
                for each in members:
                    formatter.write(f"  {each.name:<{WIDTH}}{each.get_short_help_str(100)}\n")
                    formatter.write(f"  {'':<{WIDTH}}  {each.example}\n")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Mirror a folder or bucket of web novels into a site's database."""


for command in (
    syncing.sync,
    purging.purge,
    purging.takedown,
    looking.status,
    looking.novels,
    looking.show,
    looking.history,
    looking.verify,
    looking.doctor,
    files.validate,
    files.convert,
    setup.serve,
    setup.migrate,
    completion.completion,
):
    cli.add_command(command)
