"""The adapters that the settings name, but for the database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from novelsync.contracts.cloud import Messages, Scheduler
from novelsync.contracts.notices import AlertReceiver, NoticeReceiver
from novelsync.contracts.storages import Storage
from novelsync.errors import ConfigurationError, StorageUnavailable
from novelsync.running.pubsub_executor import PubSubExecutor
from novelsync.running.whole_run import Executor
from novelsync.settings.model import DEFAULT_STORAGE, Settings
from novelsync.sync_service import SyncService
from novelsync.text.redaction import register_secret


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
