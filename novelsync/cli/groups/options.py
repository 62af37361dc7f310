"""What all commands share: exit codes, options, how their help looks, and what they do with their settings first."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import click

from novelsync.cli.living import Terminal
from novelsync.cli.output import err, notes
from novelsync.contracts.desk import Desk
from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    LeaseLost,
    NovelSyncError,
    RunInProgress,
    TakedownRefused,
    Unavailable,
)
from novelsync.models.desk.novels import NovelQuery, Show
from novelsync.models.run import Progress
from novelsync.models.source import BOOK_FILE
from novelsync.settings.loading import Overrides, override
from novelsync.settings.model import Settings
from novelsync.text.hints import as_command_line
from novelsync.text.logs import configure_logs
from novelsync.text.spelling import meant
from novelsync.wiring.opening import make_default_storage

OK, PROBLEMS, USAGE, UNAVAILABLE, SKIPPED = range(5)
"""Exit codes; 2 is also what click uses for a wrong command line."""

INTERRUPTED: Final = 130
"""The exit code of a shell for what Ctrl-C ended."""


def exit_code(error: NovelSyncError) -> int:
    """Of a command that this error ended."""
    match error:
        case ConfigurationError() | DatabaseNotReady() | TakedownRefused():
            return USAGE
        case RunInProgress() | LeaseLost():
            return SKIPPED
        case Unavailable():
            return UNAVAILABLE
        case _:
            return PROBLEMS


_META: Final = "novelsync"


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta[f"{_META}.{parameter.name}"] = value


def _shared(*, database: bool) -> list[click.Option]:
    """``database``: the command needs one."""
    options = [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            callback=_remember,
            expose_value=False,
            help="Print only what needs attention.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            callback=_remember,
            expose_value=False,
            help="Print every event as a line on stderr.",
        ),
        click.Option(
            ["--storage"],
            metavar="PLACE",
            callback=_remember,
            expose_value=False,
            help="In place of NOVELSYNC_STORAGE: a folder, or gs://bucket/prefix.",
        ),
        click.Option(
            ["--database"],
            metavar="URL",
            callback=_remember,
            expose_value=False,
            help="In place of DATABASE_URL or, with https://, of SUPABASE_URL. Other users of the machine may see"
            " it: leave a password to PGPASSWORD.",
        ),
        click.Option(
            ["--env-file"],
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            callback=_remember,
            expose_value=False,
            help="Read the settings from this file in place of .env.",
        ),
    ]
    return [option for option in options if database or option.name != "database"]


class Command(click.Command):
    """A command with the options that all have, and an example in its help."""

    def __init__(self, *args: Any, section: str, example: str, database: bool = True, **kwargs: Any) -> None:
        """``section``: of the general help. ``example``: a command line. ``database``: it may be told which one."""
        super().__init__(*args, **kwargs)
        self.section = section
        self.example = example
        self._own = len(self.params)
        self.params += _shared(database=database)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own, shared = self.params[: self._own], self.params[self._own :]
        for title, options in (("Options", own), ("As with every command", [*shared, self.get_help_option(ctx)])):
            if records := [record for each in options if each and (record := each.get_help_record(ctx))]:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\nExample:\n  {self.example}\n")

    def invoke(self, ctx: click.Context) -> Any:
        given = {name: ctx.meta.get(f"{_META}.{name}") for name in ("storage", "database", "env_file")}
        override(Overrides(**given))
        notes.quiet = is_quiet()
        return super().invoke(ctx)


def is_quiet() -> bool:
    """Whether the command that runs is to print only what needs attention."""
    return bool(click.get_current_context().meta.get(f"{_META}.quiet"))


def is_verbose() -> bool:
    return bool(click.get_current_context().meta.get(f"{_META}.verbose"))


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)


def dry_run_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--dry-run`` with these words."""
    return click.option("-n", "--dry-run", is_flag=True, help=inspect.cleandoc(help_))


def start_logs(settings: Settings) -> Terminal | None:
    """For a person at a terminal, its lines; else events are lines on stderr."""
    printed = () if is_verbose() else ("run_ended", "novel_refused")
    if is_verbose() or not err.is_terminal or settings.effective_log_format == "json":
        configure_logs(settings.effective_log_format, "stderr", printed=printed, every=is_verbose())
        return None
    terminal = Terminal()
    click.get_current_context().call_on_close(terminal.clear)
    configure_logs("text", "stderr", printed=printed, tell=terminal.event)
    return terminal


def bar(terminal: Terminal | None) -> AbstractContextManager[Progress]:
    """The bar of a run; without a terminal, what it would show goes nowhere."""
    return terminal.bar() if terminal and not is_quiet() else nullcontext(lambda done, total: None)


def make_storage(settings: Settings) -> None:
    """Does nothing for any folder but the default one. Says so, because a person has to put novels there."""
    if make_default_storage(settings):
        notes.print(f"made the folder {settings.storage}: put <slug>/{BOOK_FILE} there, or set NOVELSYNC_STORAGE")


_PART: Final = 3
"""Letters at either end of a misspelled slug, one of which is right if the other is not."""


def unknown_novel(desk: Desk, slug: str) -> click.UsageError:
    """Says that there is none, and names those that have a similar slug."""

    def with_(words: str, limit: int) -> list[str]:
        shown = (Show.ALL, Show.REMOVED)
        return [row.slug for show in shown for row in desk.novels(NovelQuery(show, words, limit=limit)).novels]

    similar = list(dict.fromkeys(with_(slug, 3)))[:3]
    if not similar:
        nearest = meant(slug, [*with_(slug[:_PART], 500), *with_(slug[-_PART:], 500)])
        similar = [nearest] if nearest else []
    hint = f"; did you mean {' or '.join(similar)}?" if similar else "; `novelsync novels` lists all."
    return click.UsageError(f"there is no novel {slug!r}{as_command_line(hint)}")


def complete_slug(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """For a shell's completion: the folders of a storage on this machine. Any other has none to offer."""
    from novelsync.settings.loading import load_file_settings  # noqa: PLC0415 — only where a shell asks

    try:
        override(
            Overrides(storage=context.meta.get(f"{_META}.storage"), env_file=context.meta.get(f"{_META}.env_file"))
        )
        folder = Path(load_file_settings().storage)
        return sorted(each.name for each in folder.iterdir() if each.name.startswith(begun) and each.is_dir())[:500]
    except (NovelSyncError, OSError):
        return []
