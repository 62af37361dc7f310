"""Real parts for tests: a Postgres of their own, a fresh database each, a folder of novels, the service over both."""

import itertools
import os
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from hypothesis import settings

from novelsync.cli.commands import main
from novelsync.database.client import SqlClient
from novelsync.database.embedded.shared import EmbeddedPostgres
from novelsync.database.migrations import migrate
from novelsync.database.transports import Transport
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.planning.guards.limits import Limits
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.support.library import Library
from tests.support.postgres_server import PostgresServer, older_programs
from tests.support.receiver import Receiver, receiving
from tests.support.serving import Serve, served

_numbers = itertools.count(1)

# For half an hour, with other examples: `pytest --hypothesis-profile=thorough tests/running/test_identity.py`.
settings.register_profile("thorough", deadline=None, print_blob=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``. A third of the time a worker waits for a server, a browser or a database."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("NOVELSYNC_", "SUPABASE_")) or name in ("DATABASE_URL", "K_SERVICE"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A Postgres for the whole session, as a connection string."""
    with tempfile.TemporaryDirectory(prefix="novelsync-test-") as folder:
        # As root, Postgres runs as nobody, who must be able to enter.
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder)) as postgres:
            yield from _served(postgres)


def _served(postgres: EmbeddedPostgres) -> Iterator[str]:
    conninfo = postgres.start()
    migrate(_named(conninfo, "postgres"), "the tests' template")
    with psycopg.connect(_named(conninfo, "postgres"), autocommit=True) as connection:
        connection.execute("create database migrated template postgres")
        # Hundreds of databases are made and dropped; none has to survive a power cut.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"alter system set {setting} = off")
        connection.execute("select pg_reload_conf()")
    yield conninfo


@pytest.fixture(scope="session")
def older_server() -> Iterator[str]:
    """A Postgres 16 over TCP, as DATABASE_URL might name it: the wheel of the embedded one has it too."""
    try:
        with PostgresServer(older_programs()) as server:
            migrate(server.url, "the tests' template")
            _command(server.url, "create database migrated template postgres")
            yield server.url
    except PermissionError:
        pytest.skip("Postgres must not run as root, and nobody cannot enter the folder of this clone")


def _named(conninfo: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(conninfo, dbname=database)


@pytest.fixture
def make_database(server: str) -> Iterator[Callable[[str], str]]:
    """Makes a database from a template, and gives its connection string."""
    with databases(server) as make:
        yield make


@contextmanager
def databases(server: str) -> Iterator[Callable[[str], str]]:
    """Databases for one test. A migrated one is used again, if the test left its tables and functions as they were."""
    made: list[tuple[str, str]] = []

    def make(template: str) -> str:
        idle = _idle.setdefault((server, template), [])
        name = idle.pop() if idle else _create(server, template)
        made.append((template, name))
        return _named(server, name)

    yield make
    for template, name in made:
        if template == "migrated" and _emptied(_named(server, name)):
            _idle[server, template].append(name)
        else:
            _command(server, f"drop database {name} with (force)")


_idle: dict[tuple[str, str], list[str]] = {}

# Any alteration of a table, a function, a policy or a trigger leaves another sum.
_SHAPE = """
    select (select sum(xmin::text::bigint) from pg_class where oid > 16000),
           (select sum(xmin::text::bigint) from pg_attribute where attrelid > 16000),
           (select sum(xmin::text::bigint) from pg_proc), (select sum(xmin::text::bigint) from pg_policy),
           (select sum(xmin::text::bigint) from pg_constraint), (select sum(xmin::text::bigint) from pg_trigger),
           (select count(*) from pg_class)"""
_shapes: dict[str, tuple[Any, ...]] = {}


def _create(server: str, template: str) -> str:
    name = f"test_{next(_numbers)}"
    _command(server, f"create database {name} template {template} strategy file_copy")  # twice as fast as the default
    if template == "migrated":
        with psycopg.connect(_named(server, name)) as connection:
            _shapes[_named(server, name)] = connection.execute(_SHAPE).fetchone() or ()
    return name


def _emptied(url: str) -> bool:
    """Whether the database is as it was made; if so, nothing is in it any more."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        if connection.execute(_SHAPE).fetchone() != _shapes[url]:
            return False
        connection.execute(
            "delete from chapters; delete from novels; delete from novelsync.files; delete from novelsync.runs;"
            " delete from novelsync.staging; delete from novelsync.messages; delete from novelsync.lease;"
            " delete from novelsync.alerts; delete from novelsync.receivers;"
            " delete from novelsync.message_renames; delete from novelsync.takedowns;"
            " delete from novelsync.withheld_chapters; delete from novelsync.comparing;"
            " alter sequence novels_id_seq restart; alter sequence chapters_id_seq restart;"
            " alter sequence chapter_changes_id_seq restart;"
            " insert into novelsync.lease (run_id) values ('00000000-0000-0000-0000-000000000000')"
        )
        # Restarting a sequence touches its row in the catalog.
        _shapes[url] = connection.execute(_SHAPE).fetchone() or ()
    return True


def _command(server: str, command: str) -> None:
    with psycopg.connect(_named(server, "template1"), autocommit=True) as connection:
        connection.execute(command)


@pytest.fixture
def database_url(make_database: Callable[[str], str]) -> str:
    """A migrated, empty database."""
    return make_database("migrated")


@pytest.fixture
def empty_database_url(make_database: Callable[[str], str]) -> str:
    """A database that was never migrated."""
    return make_database("template0")


class RecordingTransport:
    """A road that remembers what was called, and lets a test do something just before."""

    def __init__(self, transport: Transport) -> None:
        self._road = transport
        self.name = transport.name
        self.close = transport.close
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.before: Callable[[str], None] = lambda function: None

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        self.calls.append((function, request))
        self.before(function)
        return self._road.call(function, request)

    def texts_sent(self) -> list[str]:
        sent = [
            chapter["content"].chapter.text()
            for _, request in self.calls
            for part in ("created", "changed", "texts")
            for chapter in request.get(part, ())
            if "content" in chapter
        ]
        return [text for text in sent if text]


@pytest.fixture
def transport(database_url: str) -> RecordingTransport:
    return RecordingTransport(PostgresTransport(database_url, "the test's database"))


@pytest.fixture
def database(transport: RecordingTransport) -> Iterator[SqlClient]:
    database = SqlClient(transport)
    yield database
    database.close()


@pytest.fixture
def other_database(database_url: str) -> Iterator[SqlClient]:
    """The same database, as another process would have it."""
    database = SqlClient(PostgresTransport(database_url, "the test's database"))
    yield database
    database.close()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "novels")


@pytest.fixture
def service(library: Library, database: SqlClient) -> SyncService:
    return make_service(library, database)


@pytest.fixture
def prompt(library: Library, database: SqlClient) -> SyncService:
    """A service that waits for no grace to pass."""
    return make_service(library, database, limits=Limits(grace=0))


def make_service(library: Library, database: SqlClient, **options: Any) -> SyncService:
    """``options``: those of `SyncConfig`, and of `SyncService` itself."""
    own = {n: options.pop(n) for n in ("executor", "stopped", "monotonic", "after_run") if n in options}
    config = SyncConfig(**{"workers": 4, "max_file_bytes": 100_000_000} | options)
    return SyncService(LocalStorage(str(library.folder)), database, config, **own)


class Tables:
    """What readers would see, and which rows were touched."""

    def __init__(self, conninfo: str) -> None:
        self.connection = psycopg.connect(conninfo, autocommit=True)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, parameters).fetchall()

    def titles(self, slug: str) -> list[str]:
        """Titles of a novel's published chapters in their order."""
        return [
            title
            for (title,) in self.rows(
                "select c.title from chapters c join novels n on n.id = c.novel_id"
                " where n.slug = %s and n.removed_at is null and c.removed_at is null order by c.position",
                slug,
            )
        ]

    def ids(self, slug: str) -> dict[str, int]:
        """Title to id of a novel's published chapters."""
        return dict(
            self.rows(
                "select c.title, c.id from chapters c join novels n on n.id = c.novel_id"
                " where n.slug = %s and c.removed_at is null order by c.position",
                slug,
            )
        )

    def places(self) -> dict[str, set[tuple[Any, ...]]]:
        """Where each row of the readers' tables lies: any write of it, even of what it had, moves it."""
        return {table: set(self.rows(f"select id, ctid, xmin from {table}")) for table in ("novels", "chapters")}


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    tables = Tables(database_url)
    yield tables
    tables.connection.close()


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""

    def run(*arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["novelsync", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, library: Library, database_url: str) -> Library:
    """A library and a database that the commands find by their settings."""
    monkeypatch.setenv("NOVELSYNC_STORAGE", str(library.folder))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return library


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Whom the commands tell, by their settings, of what changed for readers."""
    with receiving() as receiver:
        monkeypatch.setenv("NOVELSYNC_NOTIFY_URL", receiver.url)
        monkeypatch.setenv("NOVELSYNC_NOTIFY_SECRET", f"whsec_{b64encode(bytes(32)).decode()}")
        yield receiver


@pytest.fixture
def serve(tmp_path: Path, library: Library, database_url: str) -> Iterator[Serve]:
    """Serves a target over the test's library and database until the test ends."""
    with ExitStack() as servers:

        def start(target: str = "app", **environment: str) -> httpx.Client:
            settings = {"NOVELSYNC_STORAGE": str(library.folder), "DATABASE_URL": database_url} | environment
            return servers.enter_context(served(target, tmp_path / f"{target}.log", **settings))

        yield start
