"""
Everything that can go wrong, sorted by what to do next.

    NovelSyncError            message: what happened, with names and numbers; hint: what to do
    ├── ConfigurationError    a person must change a setting
    ├── Unavailable           try again later
    │   ├── StorageUnavailable
    │   ├── DatabaseUnavailable
    │   ├── SchedulerUnavailable
    │   └── PublisherUnavailable
    ├── RunInProgress         somebody else is syncing: skip
    ├── SchedulerStopped      it starts no run, not even when asked to: start it first
    ├── LeaseLost             this run was overtaken by another: stop, write nothing more
    ├── DatabaseNotReady      run the migration
    ├── TimeBudgetExceeded    this novel takes longer than the run has left: go on without it
    ├── WriteRejected         the database refused this data: isolate the novel, go on with the others
    │   └── PayloadTooLarge   the same data in smaller calls may pass
    └── BookRefused           this file only; carries every reason

No exception of another library leaves the adapter that met it.
"""

from collections.abc import Sequence

from novelsync.text.redaction import redacted


class NovelSyncError(Exception):
    """What happened (lower case, with names and numbers, never a secret) and what to do about it."""

    def __init__(self, message: str, hint: str = "", *, transient: bool = False, retry_after: float = 0) -> None:
        """
        ``transient``: the very same call may succeed in a few seconds. Only the adapter that made it can tell.

        ``retry_after``: seconds for which the other side asks not to be called again.
        """
        self.message = redacted(message)
        self.hint = redacted(hint)
        super().__init__(self.message)
        self.transient = transient
        self.retry_after = retry_after


class ConfigurationError(NovelSyncError):
    """A person must change a setting before this can work."""


class Unavailable(NovelSyncError):
    """Something outside is away; the same call may succeed later."""


class StorageUnavailable(Unavailable):
    """The storage could not be listed or read."""


class DatabaseUnavailable(Unavailable):
    """The database could not be reached, or went away."""


class SchedulerUnavailable(Unavailable):
    """The scheduler could not be asked."""


class PublisherUnavailable(Unavailable):
    """Messages could not be handed over for delivery."""


class RunInProgress(NovelSyncError):
    """Another run holds the lease."""


class SchedulerStopped(NovelSyncError):
    """The scheduler runs nothing before somebody starts it."""


class LeaseLost(NovelSyncError):
    """The lease passed on to another run while this one was still working."""


class DatabaseNotReady(NovelSyncError):
    """The database has not been migrated, or its tables are not ours."""


class TimeBudgetExceeded(NovelSyncError):
    """A large novel was broken off between two of its parts, and nothing of it is seen."""


class WriteRejected(NovelSyncError):
    """The database refused the data of a write (a constraint, a trigger of the site, a type)."""


class PayloadTooLarge(WriteRejected):
    """A write was too large, or took too long. Half of it may pass."""


class BookRefused(NovelSyncError):
    """A ``book_info.json`` cannot be accepted; ``reasons`` has every reason found in it."""

    SHOWN = 20

    def __init__(self, reasons: Sequence[str], hint: str = "") -> None:
        shown = "; ".join(reasons[: self.SHOWN])
        more = len(reasons) - self.SHOWN
        super().__init__(f"{shown}; and {more} more" if more > 0 else shown, hint)
        self.reasons = tuple(reasons)
