"""The commands: what the deployed functions do, and more, for a person. Every exit code is decided here."""

import io
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

import click

from novelsync import __version__
from novelsync.adoption.proposal import propose
from novelsync.adoption.site.columns import parse_names
from novelsync.adoption.site.looking import opened
from novelsync.adoption.takeover import adopt_tables
from novelsync.cli.doctor import examine
from novelsync.cli.living import Terminal
from novelsync.cli.output import (
    err,
    explain,
    out,
    print_adopted,
    print_changes,
    print_conversion,
    print_conversions,
    print_direction,
    print_finding,
    print_json,
    print_migrated,
    print_removed,
    print_validation,
    print_verdict,
)
from novelsync.cli.reports import (
    print_listed,
    print_missing,
    print_problems,
    print_report,
    print_status,
    print_verification,
)
from novelsync.cli.validate import Validation
from novelsync.cli.validate import schema as file_schema
from novelsync.cli.validate import validate as validate_path
from novelsync.cli.verification import verification_of
from novelsync.contracts import Storage
from novelsync.convert.registry import FORMATS, Result
from novelsync.convert.registry import convert as convert_novels
from novelsync.database import migrations
from novelsync.database.transports.sqlstates import NOT_READY_HINT
from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    LeaseLost,
    NovelSyncError,
    RunInProgress,
    Unavailable,
    WriteRejected,
)
from novelsync.models.report import NAMED_MISSING
from novelsync.models.results import Outcome
from novelsync.models.run import Progress, SyncOptions, accepted_twice, confirmed_removals
from novelsync.models.source import BOOK_FILE
from novelsync.models.status import Verdict
from novelsync.settings import Settings, load_file_settings, load_settings
from novelsync.status_service import LISTED_KINDS, MISSING
from novelsync.sync_service import SyncService
from novelsync.text.formatting import counted
from novelsync.text.logs import configure_logs
from novelsync.web import server
from novelsync.wiring import connected, make_default_storage, open_database, open_storage, postgres_url

OK, PROBLEMS, USAGE, UNAVAILABLE, SKIPPED = range(5)
"""Exit codes; 2 is also what click uses for a wrong command line."""

INTERRUPTED = 130
"""The exit code of a shell for what Ctrl-C ended."""


def main() -> NoReturn:
    """Runs the command line. An error ends in an exit code and at most two lines on stderr, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # On Windows, redirected output would be cp1252, which has no Vietnamese.
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
        explain(NovelSyncError(f"something went wrong that should not: {what}", "is the disk full? If not, report it"))
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


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Mirror a folder or bucket of web novels into a site's database."""


@cli.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--slug", "slugs", multiple=True, metavar="SLUG", help="Sync only this novel; can be repeated.")
@click.option("--reread", is_flag=True, help="Read every file and check every stored text, even if nothing changed.")
@click.option(
    "--accept",
    multiple=True,
    metavar="SLUG[=ID]",
    help="Apply what is held for this novel, as it was shown. =in-order keeps ids where the hint offers it.",
)
@click.option("--accept-removals", metavar="N[=ID]", help="Remove the missing novels that were shown: so many.")
@json_option
def sync(
    dry_run: bool, slugs: Sequence[str], reread: bool, accept: Sequence[str], accept_removals: str | None, as_json: bool
) -> int:
    """Make the tables equal to the storage."""
    options = _options(slugs, accept, accept_removals, reread=reread)
    settings = load_settings()
    terminal = _configure_logs(settings)
    if not dry_run:
        _make_default_storage(settings)
    with connected(settings) as parts:
        print_direction(parts.storage.location, parts.database.name)
        _check_slugs(parts.storage, [*slugs, *options.acceptances])
        service = parts.sync_service
        with _signals_stop(service), _bar(terminal) as progress:
            if dry_run:
                report = service.dry_run(slugs, "cli", progress, options)
            elif slugs:
                report = service.sync_some_novels(slugs, "cli", options)
            else:
                report = service.sync_all_novels("cli", progress, options)
        # Inside the block, because closing the database may fail.
        if as_json:
            print_json(report.as_dict())
        elif report.error is None:
            print_changes(report.changes or ())
            print_report(report, parts.storage.location)
        if report.error is not None:
            explain(report.error)
            return _exit_code(report.error)
    if report.interrupted:
        return INTERRUPTED
    if report.nothing_held:
        return USAGE
    return OK if report.outcome is Outcome.OK else PROBLEMS


def _configure_logs(settings: Settings) -> Terminal | None:
    """For a person at a terminal, its lines; else events are lines on stderr."""
    printed = ("run_ended", "novel_refused")
    if not err.is_terminal or settings.effective_log_format == "json":
        configure_logs(settings.effective_log_format, "stderr", printed=printed)
        return None
    terminal = Terminal()
    click.get_current_context().call_on_close(terminal.clear)
    configure_logs("text", "stderr", printed=printed, tell=terminal.event)
    return terminal


def _bar(terminal: Terminal | None) -> AbstractContextManager[Progress]:
    """The bar of a run; without a terminal, what it would show goes nowhere."""
    return terminal.bar() if terminal else nullcontext(lambda done, total: None)


def _make_default_storage(settings: Settings) -> None:
    """Does nothing for any other folder. Says so, because a person has to put novels there."""
    if make_default_storage(settings):
        err.print(f"made the folder {settings.storage}: put <slug>/{BOOK_FILE} there, or set NOVELSYNC_STORAGE")


def _options(slugs: Sequence[str], accept: Sequence[str], accept_removals: str | None, *, reread: bool) -> SyncOptions:
    """Raises `click.UsageError` for what cannot be meant."""
    if twice := accepted_twice(accept):
        raise click.UsageError(f"{twice!r} is to be accepted in two ways; give one of them.")
    if accept_removals is None:
        return SyncOptions(reread, frozenset(accept))
    if slugs:
        raise click.UsageError("--accept-removals cannot be used with --slug, because only a whole run removes novels.")
    confirmed = confirmed_removals(accept_removals)
    if confirmed is None:
        raise click.UsageError(f"--accept-removals is {accept_removals!r}; it takes what was shown, as in 36=4f1c2a0b.")
    return SyncOptions(reread, frozenset(accept), *confirmed)


def _check_slugs(storage: Storage, slugs: Sequence[str]) -> None:
    """Raises `click.UsageError` for a novel that is not there. Raises `StorageUnavailable`."""
    for slug in dict.fromkeys(slugs):
        if storage.find(slug) is None:
            raise click.UsageError(
                f"there is no {slug!r} in {storage.location}, so nothing was done; the folder's name is the slug."
            )


@contextmanager
def _signals_stop(service: SyncService) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run in good order, the second ends the process at once."""

    def stop(number: int, frame: object) -> None:
        for each in before:
            # Not KeyboardInterrupt, which would wait for threads that may be waiting for a silent network. What is
            # being written is either complete or absent, and the lease expires within a minute.
            signal.signal(each, lambda *_: os._exit(INTERRUPTED))
        service.stop()
        # Last, because whoever reads it may send the second signal at once.
        err.print("[dim]finishing what is being written, then stopping; Ctrl-C again stops at once[/]")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@cli.command()
@click.option("--kind", type=click.Choice(LISTED_KINDS), help="List every problem of this kind, each for itself.")
@click.option("--all", "everything", is_flag=True, help="List every problem and every missing novel.")
@json_option
def status(kind: str | None, everything: bool, as_json: bool) -> int:
    """Show whether all is well. Prints what is stored, what is pending and how the last run went."""
    settings = load_settings()
    _configure_logs(settings)
    kinds = [kind] if kind else list(LISTED_KINDS) if everything else []
    with connected(settings) as parts:
        service = parts.status_service
        stored = parts.database.status()
        parts.alert_service.look(stored)
        answer = service.status(stored=stored, named=sys.maxsize if MISSING in kinds else NAMED_MISSING)
        # What is missing is in the answer itself, unless the storage could not be looked at.
        apart = [] if answer.missing is None else [MISSING]
        listed = [problem for each in kinds if each not in apart for problem in service.every_problem(each)]
    if as_json:
        print_json(answer.as_dict() | ({"problems": listed} if kinds else {}))
    else:
        print_status(answer)
        if kinds:
            print_listed(listed)
        else:
            print_problems(answer.problems, answer.problems_total)
        if not kinds or MISSING in kinds:
            print_missing(answer.missing or (), answer.pending.missing if answer.pending else 0)
    if answer.storage_error:
        return _exit_code(answer.storage_error)
    return OK if answer.verdict is Verdict.OK else PROBLEMS


@cli.command()
@json_option
def verify(as_json: bool) -> int:
    """Compare storage and tables text by text. Lists every difference, and changes nothing."""
    settings = load_settings()
    terminal = _configure_logs(settings)
    with connected(settings) as parts:
        print_direction(parts.storage.location, parts.database.name)
        service = parts.sync_service
        with _signals_stop(service), _bar(terminal) as progress:
            report = service.dry_run(progress=progress, options=SyncOptions(reread=True))
        if report.error is not None:
            explain(report.error)
            return _exit_code(report.error)
    answer = verification_of(report)
    if as_json:
        print_json(answer)
    else:
        print_changes(report.changes or ())
        print_verification(answer)
    return OK if answer.equal else PROBLEMS


@cli.command()
@click.option("--slug", metavar="SLUG", help="Only this novel.")
@click.option(
    "--older-than",
    type=click.IntRange(0, 36_500),
    metavar="DAYS",
    help="Only what was removed at least this many days ago.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def purge(slug: str | None, older_than: int | None, yes: bool) -> int:
    """Delete removed rows for good; nothing else does."""
    settings = load_settings()
    _configure_logs(settings)
    with open_database(settings) as database:
        print_direction("removed rows", database.name)
        removed = database.removed(slug, older_than or 0)
        print_removed(removed)
        if not removed.novels and not removed.chapters:
            return OK
        if forbidding := [each for each in removed.references if each.forbids and each.rows]:
            keys = ", ".join(f"{each.table}.{each.columns}" for each in forbidding)
            raise WriteRejected(
                f"nothing was deleted, because foreign keys forbid it: {keys}", "delete those rows first"
            )
        if not yes and not sys.stdin.isatty():
            raise click.UsageError("Nothing was deleted: without a terminal to ask on, --yes is needed.")
        if not yes and not click.confirm("Delete them for good?", err=True):
            return OK
        novels = chapters = 0
        try:
            for piece in database.purge(slug, removed.before):
                novels, chapters = novels + piece.novels, chapters + piece.chapters
        finally:
            out.print(f"deleted: {counted(novels, 'novel')}, {counted(chapters, 'chapter')}")
    return OK


@cli.command()
@click.option("--print", "only_print", is_flag=True, help="Print the SQL, for psql or an SQL editor; change nothing.")
@click.option(
    "--readers",
    type=click.Choice(migrations.READERS),
    default="anon",
    show_default=True,
    help="Who may read new tables; anon includes authenticated. Existing policies stay as they are.",
)
@click.option("--adopt", is_flag=True, help="Take over tables that another sync filled; all ids stay.")
@click.option(
    "--adopt-columns",
    metavar="NAMES",
    default="",
    help="With --adopt: what the tables and columns are called, as novels=stories,chapters.number=chapter_no.",
)
@click.option("--dry-run", is_flag=True, help="With --adopt: show what would be done, and do nothing.")
def migrate(only_print: bool, readers: str, adopt: bool, adopt_columns: str, dry_run: bool) -> int:
    """Create or update the tables and functions."""
    if dry_run and not adopt:
        raise click.UsageError("--dry-run works only with --adopt; --print shows what a migration runs.")
    if adopt_columns and not adopt:
        raise click.UsageError("--adopt-columns works only with --adopt.")
    if adopt and only_print:
        raise click.UsageError("--adopt has no script, because it depends on the tables: use --adopt --dry-run.")
    if only_print:
        click.echo(migrations.as_script(readers))
        return OK
    names = parse_names(adopt_columns)
    settings = load_settings()
    if settings.supabase_url and not settings.database_url:
        raise ConfigurationError("SUPABASE_URL is set and DATABASE_URL is not: the API cannot migrate", NOT_READY_HINT)
    with postgres_url(settings) as (conninfo, name):
        if adopt:
            storage = open_storage(settings.storage)
            print_direction(storage.location, name)
            with opened(conninfo, name) as connection:
                proposal = propose(
                    connection, storage, names, max_file_bytes=settings.max_file_bytes, limits=settings.limits
                )
                remarks = adopt_tables(connection, proposal, readers, dry_run=dry_run)
            print_adopted(proposal, remarks, dry_run=dry_run)
            return OK
        applied = migrations.migrate(conninfo, name, readers)
    print_migrated(name, applied, readers)
    return OK


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), default=8080, show_default=True)
@click.option("--schedule/--no-schedule", default=True, show_default=True, help="Also sync every hour.")
def serve(host: str, port: int, schedule: bool) -> int:
    """Answer over HTTP, and sync every hour. Does what the deployed functions do, in one process."""
    settings = load_settings()
    job = settings.scheduler_job
    host = host.strip("[]")
    _check_port(host, port)
    _make_default_storage(settings)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    err.print(f"{url}/ — Ctrl-C ends it", markup=False)
    if job:
        err.print(f"Cloud Scheduler starts the hourly sync: {job}")
    elif schedule:
        err.print("syncs every hour, on the hour (--no-schedule: only when asked to)")
    server.serve(
        host,
        port,
        schedule=schedule and not job,
        watch_alerts=settings.alert_url is not None,
        say=lambda why: err.print(why, markup=False),
    )
    return OK


def _check_port(host: str, port: int) -> None:
    """Raises `ConfigurationError` at once, where the server would retry for a while and report it in its own words."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
        ) from error


@cli.command()
def doctor() -> int:
    """Check every part. Says what to do about each that does not work."""
    code = OK
    for finding in examine():
        print_finding(finding.part, finding.said, finding.hint, works=finding.error is None)
        if code in (OK, PROBLEMS) and finding.error:
            code = _exit_code(finding.error)
        elif finding.hint:
            code = code or PROBLEMS
    return code


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--schema", is_flag=True, help="Print the format as a JSON Schema, and look at nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print the summary alone.")
@json_option
def validate(paths: Sequence[Path], schema: bool, quiet: bool, as_json: bool) -> int:
    """
    Check novel files; needs no database.

    Takes files, novel folders or folders of novels, and says what would be refused or fixed and what looks doubtful.
    """
    if schema:
        print_json(file_schema())
        return OK
    settings = load_file_settings()
    if not paths and "://" in settings.storage:
        raise ConfigurationError(f"validate looks at files on this machine, not at {settings.storage}", "name a folder")
    summary = Validation()
    for path in paths or [Path(settings.storage)]:
        for verdict in validate_path(path, settings.max_file_bytes):
            summary.add(verdict)
            if not (verdict.is_fine or quiet or as_json):
                print_verdict(verdict)
    if as_json:
        print_json(summary)
    else:
        print_validation(summary)
    return PROBLEMS if summary.refused else OK


@cli.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.argument("dest", required=False)
@click.option("--formats", is_flag=True, help="List the formats that can be converted, and convert nothing.")
def convert(source: Path | None, dest: str | None, formats: bool) -> int:
    """
    Convert what other programs wrote; needs no database.

    SOURCE is one novel or a folder of many, DEST a folder of novels as a sync reads it. What has not changed since the
    last time is not written again, and folders in DEST that this command did not make stay as they are.
    """
    if formats:
        for each in FORMATS:
            out.print(f"{each.name}: {each.looks}", markup=False)
        return OK
    if source is None or dest is None:
        raise click.UsageError("SOURCE and DEST are needed; --formats shows what can be converted.")
    if "://" in dest:
        raise ConfigurationError(f"convert writes to a folder, not to {dest}", "name a folder, and copy it there")
    conversions = []
    for conversion in convert_novels(source, Path(dest), load_file_settings().max_file_bytes):
        print_conversion(conversion)
        conversions.append(conversion)
    print_conversions(conversions)
    return PROBLEMS if any(each.result is Result.REFUSED for each in conversions) else OK
