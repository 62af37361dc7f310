"""All that a database does."""

from typing import Protocol

from novelsync.contracts.cloud import Messages
from novelsync.contracts.desk import Desk, RemovedRows, StatusSource, TakedownRecord
from novelsync.contracts.notices import NoticeRecord, VerdictRecord
from novelsync.contracts.syncing import SyncDatabase
from novelsync.models.status import (
    ServerInfo,
)


class Database(SyncDatabase, StatusSource, Protocol):
    """
    The site's tables and NovelSync's bookkeeping, for every purpose.

    Every method, those of its parts included, raises `DatabaseUnavailable` if the database cannot be asked,
    `DatabaseNotReady` if it has not been migrated, and `ConfigurationError` if it refuses our credentials. Methods may
    be called from several threads at once.
    """

    @property
    def takedowns(self) -> TakedownRecord:
        """What people have taken down."""

    @property
    def desk(self) -> Desk:
        """What an operator looks up."""

    @property
    def removed_rows(self) -> RemovedRows:
        """What readers no longer see."""

    @property
    def messages(self) -> Messages:
        """What a run gives to other processes."""

    @property
    def verdicts(self) -> VerdictRecord:
        """Who has been told how things are."""

    @property
    def notices(self) -> NoticeRecord:
        """Who has been told what changed."""

    def server_info(self) -> ServerInfo:
        """
        What the database server is, whatever the version of its schema.

        Raises `DatabaseNotReady` if that version is too old to tell.
        """

    def close(self) -> None:
        """Closes every connection."""
