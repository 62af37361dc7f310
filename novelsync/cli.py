"""The commands: the same acts as the functions, for a person. Every exit code is decided here."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from novelsync.database import migrations
from novelsync.database.sqlstates import NOT_READY_HINT
from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    LeaseLost,
    NovelSyncError,
    RunInProgress,
    Unavailable,
)
from novelsync.logs import configure_logs
from novelsync.printing import (
    err,
    explain,
    out,
    print_direction,
    print_json,
    print_migrated,
    print_report,
    print_status,
    print_verdict,
    progress_bar,
)
from novelsync.report import Outcome, Report
from novelsync.settings import load_settings
from novelsync.sync_service import SyncService
from novelsync.validation import schema as file_schema
from novelsync.validation import validate as validate_path
from novelsync.wiring import connected, postgres_url

OK, PROBLEMS, USAGE, UNAVAILABLE, SKIPPED = range(5)
"""Exit codes; 2 is also what click uses for a wrong command line."""

INTERRUPTED = 130
"""As a shell has it for Ctrl-C."""


def main() -> NoReturn:
    """Runs the command line; whatever happens ends in an exit code and at most two lines, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Redirected on Windows they would be cp1252, which knows no Vietnamese.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
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
        sys.exit(_exit_code(error))
    except Exception as error:  # noqa: BLE001 — the outermost boundary
        what = f"{type(error).__name__}: {error}"
        explain(NovelSyncError(f"something went wrong that should not: {what}", "is it a full disk? If not, report it"))
        sys.exit(PROBLEMS)


def _exit_code(error: NovelSyncError) -> int:
    match error:
        case ConfigurationError() | DatabaseNotReady():
            return USAGE
        case RunInProgress() | LeaseLost():
            return SKIPPED
        case Unavailable():
            return UNAVAILABLE
        case _:
            return PROBLEMS


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, and nothing else there.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Mirror a folder of web novels into a site's database."""


@cli.command()
@click.option("--slug", "slugs", multiple=True, metavar="SLUG", help="Only this novel; may be given several times.")
@as_json
def sync(slugs: Sequence[str], as_json: bool) -> int:
    """Make the tables equal to the storage."""
    settings = load_settings()
    configure_logs(settings.effective_log_format, "stderr", printed=("run_ended", "novel_refused"))
    with connected(settings) as parts:
        print_direction(parts.storage.location, parts.database.name)
        service = parts.sync_service
        report = service.sync_some_novels(slugs, "cli") if slugs else _sync_all(service)
        # Before the database is closed, which may have trouble of its own.
        if as_json:
            print_json(report.as_dict())
        elif report.error is None:
            print_report(report.as_dict())
        if report.error is not None:
            explain(report.error)
            return _exit_code(report.error)
    return OK if report.outcome is Outcome.OK else PROBLEMS


def _sync_all(service: SyncService) -> Report:
    with _signals_stop(service), progress_bar() as progress:
        return service.sync_all_novels("cli", progress)


@contextmanager
def _signals_stop(service: SyncService) -> Iterator[None]:
    """The first signal ends the run in good order, the second at once."""

    def stop(number: int, frame: object) -> None:
        for number_ in before:
            # Not KeyboardInterrupt, which would wait for threads that may be waiting for a silent network. What is
            # being written is whole or not there, and the lease lapses within a minute.
            signal.signal(number_, lambda *_: os._exit(INTERRUPTED))
        service.stop()
        # Last, because whoever reads it may send the second at once.
        err.print("[dim]stopping when what is being written is written; once more stops at once[/]")

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        restore()


@cli.command()
@as_json
def status(as_json: bool) -> int:
    """Show whether all is well: what is stored, what is pending, how the last run went."""
    settings = load_settings()
    configure_logs(settings.effective_log_format, "stderr", printed=("run_ended", "novel_refused"))
    with connected(settings) as parts:
        answer = parts.status_service.status()
    if as_json:
        print_json(answer)
    else:
        print_status(answer)
    return OK if answer["verdict"] == "ok" else PROBLEMS


@cli.command()
@click.option("--print", "only_print", is_flag=True, help="Print the SQL, for psql or an SQL editor; change nothing.")
@click.option(
    "--readers",
    type=click.Choice(migrations.READERS),
    default="anon",
    show_default=True,
    help="Who may read new tables; anon includes authenticated. Policies that exist stay as they are.",
)
def migrate(only_print: bool, readers: str) -> int:
    """Make the tables and functions in the database, or bring them up to date."""
    if only_print:
        click.echo(migrations.as_script(readers))
        return OK
    settings = load_settings()
    if settings.supabase_url and not settings.database_url:
        raise ConfigurationError("SUPABASE_URL is set and DATABASE_URL is not: the API cannot migrate", NOT_READY_HINT)
    with postgres_url(settings) as (conninfo, name):
        applied = migrations.migrate(conninfo, name, readers)
    print_migrated(name, applied, readers)
    return OK


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True)
def serve(host: str, port: int) -> int:
    """Answer over HTTP as the deployed functions do, both in one process."""
    source = Path(__file__).parents[1] / "main.py"
    command = [sys.executable, "-m", "functions_framework", "--target", "app", "--source", str(source)]
    command += ["--host", host, "--port", str(port)]
    err.print(f"http://{host}:{port}/ — Ctrl-C ends it")
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 — signals then reach the server itself
    return subprocess.run(command, check=False).returncode  # noqa: S603


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--schema", is_flag=True, help="Print the format as a JSON Schema, and look at nothing.")
def validate(paths: Sequence[Path], schema: bool) -> int:
    """Say what would be refused or mended, and what is doubtful: of files, novels' folders, or folders of novels."""
    if schema:
        print_json(file_schema())
        return OK
    files = refused = doubtful = 0
    settings = load_settings()
    for path in paths or [Path(settings.storage)]:
        for verdict in validate_path(path, settings.max_file_bytes):
            files += 1
            refused += bool(verdict.refused)
            doubtful += bool(verdict.doubts)
            print_verdict(verdict)
    out.print(f"{files} files, {refused} would be refused, {doubtful} doubtful")
    return PROBLEMS if refused else OK
