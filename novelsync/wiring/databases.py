"""The database that the settings name, and the embedded server if they name none."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from novelsync.database.client import SqlClient
from novelsync.database.transports import Transport
from novelsync.settings.loading import load_settings
from novelsync.settings.model import Settings
from novelsync.text.redaction import register_secret


@contextmanager
def open_database(settings: Settings, stopped: threading.Event | None = None) -> Iterator[SqlClient]:
    """
    The database that the settings name: Supabase, ``DATABASE_URL``, or else the embedded one, which this migrates.

    ``stopped``: setting it ends every wait before a call is repeated.
    """
    with _open_transport(settings) as transport:
        client = SqlClient.patient(transport, stopped=stopped, time_budget=settings.effective_time_budget)
        with closing(client) as database:
            yield database


@contextmanager
def _open_transport(settings: Settings) -> Iterator[Transport]:
    if settings.supabase_url and settings.supabase_key:
        from novelsync.database.transports.supabase import SupabaseTransport

        key = settings.supabase_key.get_secret_value()
        register_secret(key)
        yield SupabaseTransport(settings.supabase_url, key)
        return
    with postgres_url(settings) as (conninfo, name):
        from novelsync.database.migrations import migrate
        from novelsync.database.transports.postgres import PostgresTransport

        if not settings.database_url:
            migrate(conninfo, name)
        yield PostgresTransport(conninfo, name)


@contextmanager
def postgres_url(settings: Settings) -> Iterator[tuple[str, str]]:
    """Connection string and name of the server: that of ``DATABASE_URL`` or the embedded one, which this starts."""
    if settings.database_url:
        from novelsync.database.transports.postgres import describe, password_in

        conninfo = settings.database_url.get_secret_value()
        register_secret(password_in(conninfo))
        yield conninfo, describe(conninfo)
        return
    from novelsync.database.embedded.shared import EmbeddedPostgres

    name = f"embedded Postgres in {settings.embedded_dir}"
    with EmbeddedPostgres(Path(settings.embedded_dir)) as server:
        conninfo = server.start()
        yield conninfo, name


def stop_embedded() -> None:
    """For ``make stop``: stops the embedded server if killed processes have left it running."""
    from novelsync.database.embedded.shared import stop

    folder = load_settings().embedded_dir
    print(f"{folder}: {'stopped' if stop(Path(folder)) else 'not running, or in use'}")
