"""Settings to parts. The only file that names every adapter; what is not used is not imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from novelsync.contracts import Database, Storage
from novelsync.database.functions import FunctionDatabase
from novelsync.errors import ConfigurationError
from novelsync.settings import Settings, load_settings
from novelsync.sync_service import SyncService


@dataclass(frozen=True, slots=True)
class Parts:
    """What an entry point works with."""

    settings: Settings
    storage: Storage
    database: Database
    sync_service: SyncService


@contextmanager
def connected(settings: Settings) -> Iterator[Parts]:
    """The parts that the settings ask for; connections end, and an embedded server may, when the block is left."""
    storage = open_storage(settings.storage)
    with open_database(settings) as database:
        service = SyncService(
            storage,
            database,
            workers=settings.workers,
            max_file_bytes=settings.max_file_bytes,
            time_budget=settings.effective_time_budget,
        )
        yield Parts(settings, storage, database, service)


def open_storage(location: str) -> Storage:
    """The storage at ``location``; nothing is looked at yet."""
    if "://" in location:
        raise ConfigurationError(
            f"NOVELSYNC_STORAGE is {location}, and this version reads folders only", "set it to a folder"
        )
    from novelsync.storage.local import LocalStorage

    return LocalStorage(location)


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database the settings name: ``DATABASE_URL``, or else the embedded one, which is migrated by itself."""
    if settings.supabase_url:
        raise ConfigurationError(
            "SUPABASE_URL is set, and this version talks to Postgres itself",
            "unset it, and set DATABASE_URL to the project's session pooler",
        )
    with postgres_url(settings) as (conninfo, name):
        from novelsync.database.postgres import PostgresRoad

        database = FunctionDatabase(PostgresRoad(conninfo, name))
        try:
            yield database
        finally:
            database.close()


@contextmanager
def postgres_url(settings: Settings) -> Iterator[tuple[str, str]]:
    """How to connect to Postgres itself, and what to call it: for a sync, or for a migration."""
    if settings.database_url:
        from novelsync.database.postgres import describe

        conninfo = settings.database_url.get_secret_value()
        yield conninfo, describe(conninfo)
        return
    from novelsync.database.embedded import EmbeddedPostgres
    from novelsync.database.migrations import migrate

    name = f"embedded Postgres in {settings.embedded_dir}"
    with EmbeddedPostgres(Path(settings.embedded_dir)) as server:
        conninfo = server.start()
        migrate(conninfo, name)
        yield conninfo, name


def stop_embedded() -> None:
    """For ``make stop``: stops the embedded server, should killed processes have left it running."""
    from novelsync.database.embedded import stop

    folder = load_settings().embedded_dir
    print(f"{folder}: {'stopped' if stop(Path(folder)) else 'not running, or in use'}")
