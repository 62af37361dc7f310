"""From settings to the parts of the program. Only this file names every adapter, and imports just those in use."""

import atexit
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from novelsync.alert_service import AlertService
from novelsync.contracts.cloud import Messages, Scheduler
from novelsync.contracts.databases import Database
from novelsync.contracts.notices import AlertReceiver, NoticeReceiver
from novelsync.contracts.storages import Storage
from novelsync.database.client import SqlClient
from novelsync.database.transports import Transport
from novelsync.errors import ConfigurationError, StorageUnavailable
from novelsync.held_service import HeldService
from novelsync.notice_service import RUN_SECONDS, NoticeService
from novelsync.process import set_memory_up
from novelsync.running.comparing.rounds import Pace
from novelsync.running.pubsub_executor import PubSubExecutor
from novelsync.running.whole_run import Executor
from novelsync.scheduler_service import SchedulerService
from novelsync.settings.loading import load_settings
from novelsync.settings.model import DEFAULT_STORAGE, Settings
from novelsync.status_service import StatusService
from novelsync.sync_service import SyncConfig, SyncService
from novelsync.takedown_service import TakedownService
from novelsync.text.logs import configure_logs
from novelsync.text.redaction import register_secret


@dataclass(frozen=True, slots=True)
class Parts:
    """What an entry point works with."""

    settings: Settings
    storage: Storage
    database: Database
    sync_service: SyncService
    status_service: StatusService
    scheduler_service: SchedulerService
    alert_service: AlertService
    held_service: HeldService
    takedown_service: TakedownService
    notice_service: NoticeService


@contextmanager
def connected(settings: Settings, *, serving: bool = False) -> Iterator[Parts]:
    """
    The parts that the settings ask for.

    Leaving the block closes the connections, and stops the embedded server if no other process uses it.
    ``serving``: this process goes on running, so it can itself be the scheduler that starts a run every hour.
    """
    set_memory_up()
    storage = open_storage(settings.storage)
    stopped = threading.Event()
    with open_database(settings, stopped) as database:
        notices = NoticeService(database.notices, open_notice_receivers(settings), stopped=stopped)

        def after_run() -> None:
            alerts.look()
            notices.send(RUN_SECONDS)

        service = SyncService(
            storage,
            database,
            SyncConfig(
                settings.workers,
                settings.max_file_bytes,
                settings.limits,
                settings.effective_time_budget,
                comparing=Pace(settings.check_every),
            ),
            executor=open_executor(settings, database.messages),
            stopped=stopped,
            after_run=after_run,
        )
        with open_scheduler(settings, service if serving else None) as scheduler:
            schedule = SchedulerService(scheduler, database)
            status = StatusService(
                # A storage of its own, with less patience, because somebody is waiting for the status.
                open_storage(settings.storage, patience=15),
                database,
                schedule if scheduler else None,
                stale_after=settings.stale_after,
                database_limit=settings.database_limit,
                grace=settings.removal_grace,
                compares=settings.check_every > 0,
            )
            alerts = AlertService(status, database, open_receiver(settings), storage=storage.location)
            held = HeldService(storage, database, settings.max_file_bytes, settings.limits)
            takedowns = TakedownService(database)
            yield Parts(settings, storage, database, service, status, schedule, alerts, held, takedowns, notices)


_of_this_process: Parts | None = None
_opened = ExitStack()
_stopping = threading.Event()
_lock = threading.Lock()


def parts_of_this_process(*, acts: bool) -> Parts:
    """
    The parts for a server, made by the first request and kept until the process ends.

    They are not made at import, because gunicorn imports before it forks. If making them fails, the next request tries
    again. ``acts``: this server does more than show the status, so it can itself be the scheduler; see `connected`.
    """
    global _of_this_process  # noqa: PLW0603 — one for the whole process
    with _lock:
        if _of_this_process is None:
            settings = load_settings()
            configure_logs(settings.effective_log_format, "stdout")
            _of_this_process = _opened.enter_context(connected(settings, serving=acts))
            atexit.register(close_parts)
            if _stopping.is_set():
                _of_this_process.sync_service.stop()
        return _of_this_process


def stop_runs() -> None:
    """Ends this process's runs soon and in good order, later ones too. Takes no lock: a signal handler calls it."""
    _stopping.set()
    if _of_this_process:
        _of_this_process.sync_service.stop()


def stopping(seconds: float) -> bool:
    """Waits up to so many seconds for `stop_runs`; returns whether it was called."""
    return _stopping.wait(seconds)


def close_parts() -> None:
    """Waits for runs in the background, and closes what `parts_of_this_process` made."""
    with _lock:
        _opened.close()


def make_default_storage(settings: Settings) -> bool:
    """
    Makes `DEFAULT_STORAGE` if that is the storage and is not there, so that a first try needs no preparation.

    Any other folder that is not there is mistyped, or its disk is not mounted. Returns whether it was made.
    """
    folder = Path(settings.storage)
    if settings.storage != DEFAULT_STORAGE or folder.exists() or folder.is_symlink():
        return False
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageUnavailable(
            f"the storage {settings.storage} could not be made: {error.strerror}", "make it, or set NOVELSYNC_STORAGE"
        ) from error
    return True


def open_storage(location: str, *, patience: float = 120) -> Storage:
    """
    The storage at ``location``, without looking at it yet.

    ``patience``: seconds for which failing calls to a bucket are repeated.
    """
    if location.startswith("gs://"):
        from novelsync.storage.gcs import GcsStorage

        return GcsStorage(location, patience=patience)
    if "://" in location:
        raise ConfigurationError(
            f"NOVELSYNC_STORAGE is {location}, which is neither a folder nor a bucket",
            "set it to a folder, or to gs://bucket/prefix",
        )
    from novelsync.storage.local import LocalStorage

    return LocalStorage(location)


def open_receiver(settings: Settings) -> AlertReceiver | None:
    """Who is told of changes of the verdict; None: nobody."""
    if not settings.alert_url:
        return None
    from novelsync.webhook import Webhook

    return Webhook(_registered(settings.alert_url.get_secret_value()))


def open_notice_receivers(settings: Settings) -> list[NoticeReceiver]:
    """Who is told of every change that readers see."""
    if not settings.notify_urls:
        return []
    from novelsync.webhook import SignedWebhook

    for secret in settings.notify_secrets:
        register_secret(secret)
        register_secret(secret.removeprefix("whsec_"))
    return [SignedWebhook(_registered(url), settings.notify_secrets) for url in settings.notify_urls]


def _registered(url: str) -> str:
    """The same, after all of it that is a secret was registered."""
    for secret in (url, urlsplit(url).path, urlsplit(url).query):
        register_secret(secret)
    return url


def open_executor(settings: Settings, messages: Messages) -> Executor | None:
    """What has other processes sync a run's novels; None if this process does so itself."""
    if not settings.fanout_topic:
        return None
    from novelsync.gcp.pubsub import PubSubPublisher

    return PubSubExecutor(PubSubPublisher(settings.fanout_topic), messages)


@contextmanager
def open_scheduler(settings: Settings, service: SyncService | None) -> Iterator[Scheduler | None]:
    """
    The scheduler that the settings name; without one, this process itself if ``service`` is given, else None.

    In Cloud Run it is never this process, which gets no processor time between requests.
    """
    if settings.scheduler_job:
        from novelsync.schedulers.cloud import CloudScheduler

        yield CloudScheduler(settings.scheduler_job)
    elif service and not settings.in_cloud:
        from novelsync.schedulers.in_process import InProcessScheduler

        scheduler = InProcessScheduler(service.sync_all_novels)
        with closing(scheduler):
            yield scheduler
    else:
        yield None


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
