"""Setting it up and keeping it running: tables, and the server."""

import socket

import click

from novelsync.adoption.proposal import propose
from novelsync.adoption.site.columns import parse_names
from novelsync.adoption.site.looking import opened
from novelsync.adoption.takeover import adopt_tables
from novelsync.cli.groups.options import OK, Command, dry_run_option, is_quiet, make_storage
from novelsync.cli.output import err, notes, print_adopted, print_direction, print_migrated
from novelsync.database import migrations
from novelsync.database.transports.sqlstates import NOT_READY_HINT
from novelsync.errors import ConfigurationError
from novelsync.settings.loading import load_settings
from novelsync.web import server
from novelsync.wiring.databases import postgres_url
from novelsync.wiring.opening import open_storage


@click.command(cls=Command, section="Set up", example="novelsync migrate --print > novelsync.sql")
@click.option("--print", "only_print", is_flag=True, help="Print the SQL, for psql or an SQL editor; change nothing.")
@click.option(
    "--readers",
    type=click.Choice(migrations.READERS),
    default="anon",
    show_default=True,
    help="Who may read new tables; anon includes authenticated. Existing policies stay as they are.",
)
@click.option("--search", is_flag=True, help="Also add search_novels, which readers call; with --print only that.")
@click.option("--adopt", is_flag=True, help="Take over tables that another sync filled; all ids stay.")
@click.option(
    "--adopt-columns",
    metavar="NAMES",
    default="",
    help="With --adopt: what the tables and columns are called, as novels=stories,chapters.number=chapter_no.",
)
@dry_run_option("With --adopt: show what would be done, and do nothing.")
def migrate(only_print: bool, readers: str, search: bool, adopt: bool, adopt_columns: str, dry_run: bool) -> int:
    """Create or update the tables and functions."""
    if dry_run and not adopt:
        raise click.UsageError("--dry-run works only with --adopt; --print shows what a migration runs.")
    if adopt_columns and not adopt:
        raise click.UsageError("--adopt-columns works only with --adopt.")
    if adopt and only_print:
        raise click.UsageError("--adopt has no script, because it depends on the tables: use --adopt --dry-run.")
    if adopt and search:
        raise click.UsageError("--adopt and --search are two steps: take the tables over, then add the search.")
    if only_print:
        click.echo(migrations.search_as_script() if search else migrations.as_script(readers))
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
        if search:
            migrations.add_search(conninfo, name)
    if applied or not is_quiet():
        print_migrated(name, applied, readers, search=search)
    return OK


@click.command(cls=Command, section="Set up", example="novelsync serve --port 8081")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), default=8080, show_default=True)
@click.option("--schedule/--no-schedule", default=True, show_default=True, help="Also sync every hour.")
def serve(host: str, port: int, schedule: bool) -> int:
    """Answer over HTTP, and sync every hour. Does what the deployed functions do, in one process."""
    settings = load_settings()
    job = settings.scheduler_job
    host = host.strip("[]")
    _check_port(host, port)
    make_storage(settings)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    notes.print(f"{url}/ — Ctrl-C ends it", markup=False)
    if job:
        notes.print(f"Cloud Scheduler starts the hourly sync: {job}")
    elif schedule:
        notes.print("syncs every hour, on the hour (--no-schedule: only when asked to)")
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
