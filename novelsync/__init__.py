"""
NovelSync mirrors a folder or bucket of web novels into a site's Postgres tables.

A program that uses it as a library finds all it needs here by name. A module is not imported before one of its names is
used, because imports slow down every command and every cold start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from novelsync.alert_service import AlertService as AlertService
    from novelsync.contracts.cloud import Messages as Messages
    from novelsync.contracts.cloud import Publisher as Publisher
    from novelsync.contracts.cloud import Scheduler as Scheduler
    from novelsync.contracts.databases import Database as Database
    from novelsync.contracts.desk import Desk as Desk
    from novelsync.contracts.desk import RemovedRows as RemovedRows
    from novelsync.contracts.desk import StatusSource as StatusSource
    from novelsync.contracts.desk import TakedownRecord as TakedownRecord
    from novelsync.contracts.notices import AlertReceiver as AlertReceiver
    from novelsync.contracts.notices import NoticeReceiver as NoticeReceiver
    from novelsync.contracts.notices import NoticeRecord as NoticeRecord
    from novelsync.contracts.notices import VerdictRecord as VerdictRecord
    from novelsync.contracts.storages import Storage as Storage
    from novelsync.contracts.syncing import Novels as Novels
    from novelsync.contracts.syncing import Runs as Runs
    from novelsync.contracts.syncing import SyncDatabase as SyncDatabase
    from novelsync.errors import BookRefused as BookRefused
    from novelsync.errors import ConfigurationError as ConfigurationError
    from novelsync.errors import DatabaseNotReady as DatabaseNotReady
    from novelsync.errors import DatabaseUnavailable as DatabaseUnavailable
    from novelsync.errors import LeaseLost as LeaseLost
    from novelsync.errors import NovelSyncError as NovelSyncError
    from novelsync.errors import PayloadTooLarge as PayloadTooLarge
    from novelsync.errors import PublisherUnavailable as PublisherUnavailable
    from novelsync.errors import ReceiverUnavailable as ReceiverUnavailable
    from novelsync.errors import RunInProgress as RunInProgress
    from novelsync.errors import SchedulerStopped as SchedulerStopped
    from novelsync.errors import SchedulerUnavailable as SchedulerUnavailable
    from novelsync.errors import StorageUnavailable as StorageUnavailable
    from novelsync.errors import TakedownRefused as TakedownRefused
    from novelsync.errors import TimeBudgetExceeded as TimeBudgetExceeded
    from novelsync.errors import Unavailable as Unavailable
    from novelsync.errors import WriteRejected as WriteRejected
    from novelsync.models.report import Report as Report
    from novelsync.models.run import SyncOptions as SyncOptions
    from novelsync.notice_service import NoticeService as NoticeService
    from novelsync.running.whole_run import Executor as Executor
    from novelsync.scheduler_service import SchedulerService as SchedulerService
    from novelsync.settings.loading import load_settings as load_settings
    from novelsync.settings.model import Settings as Settings
    from novelsync.status_service import StatusService as StatusService
    from novelsync.sync_service import SyncConfig as SyncConfig
    from novelsync.sync_service import SyncService as SyncService
    from novelsync.wiring.parts import connected as connected

__version__ = "0.1.0"

_NAMES: Final = {
    "alert_service": ("AlertService",),
    "contracts.cloud": (
        "Messages",
        "Publisher",
        "Scheduler",
    ),
    "contracts.databases": ("Database",),
    "contracts.desk": (
        "Desk",
        "RemovedRows",
        "StatusSource",
        "TakedownRecord",
    ),
    "contracts.notices": (
        "AlertReceiver",
        "NoticeReceiver",
        "NoticeRecord",
        "VerdictRecord",
    ),
    "contracts.storages": ("Storage",),
    "contracts.syncing": (
        "Novels",
        "Runs",
        "SyncDatabase",
    ),
    "errors": (
        *("BookRefused", "ConfigurationError", "DatabaseNotReady", "DatabaseUnavailable", "LeaseLost"),
        *("NovelSyncError", "PayloadTooLarge", "PublisherUnavailable", "RunInProgress", "SchedulerStopped"),
        *("SchedulerUnavailable", "StorageUnavailable", "TimeBudgetExceeded", "Unavailable", "WriteRejected"),
        *("ReceiverUnavailable", "TakedownRefused"),
    ),
    "models.report": ("Report",),
    "models.run": ("SyncOptions",),
    "notice_service": ("NoticeService",),
    "running.whole_run": ("Executor",),
    "scheduler_service": ("SchedulerService",),
    "settings.loading": ("load_settings",),
    "settings.model": ("Settings",),
    "status_service": ("StatusService",),
    "sync_service": ("SyncConfig", "SyncService"),
    "wiring.parts": ("connected",),
}
"""The public names by module. The imports above tell type checkers the same."""

_MODULES: Final = {name: module for module, names in _NAMES.items() for name in names}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604 — all of them are strings


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
