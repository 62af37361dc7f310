"""All that an entry point works with, made and connected."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from novelsync.alert_service import AlertService
from novelsync.contracts.databases import Database
from novelsync.contracts.storages import Storage
from novelsync.held_service import HeldService
from novelsync.notice_service import RUN_SECONDS, NoticeService
from novelsync.process import set_memory_up
from novelsync.running.comparing.rounds import Pace
from novelsync.scheduler_service import SchedulerService
from novelsync.settings.model import Settings
from novelsync.status_service import StatusService
from novelsync.sync_service import SyncConfig, SyncService
from novelsync.takedown_service import TakedownService
from novelsync.wiring.databases import open_database
from novelsync.wiring.opening import open_executor, open_notice_receivers, open_receiver, open_scheduler, open_storage


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
