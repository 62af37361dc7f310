"""
Everything that can go wrong, sorted by what to do next.

    NovelSyncError            message: what happened, with names and numbers; hint: what to do
    ├── ConfigurationError    a person must change a setting
    ├── Unavailable           something outside is away: try again later
    │   ├── StorageUnavailable
    │   ├── DatabaseUnavailable
    │   ├── SchedulerUnavailable
    │   ├── PublisherUnavailable
    │   └── ReceiverUnavailable
    ├── RunInProgress         another run has the lease: skip this one
    ├── SchedulerStopped      a stopped scheduler starts no run, even if asked to: start it first
    ├── LeaseLost             another run has taken the lease: stop, and write nothing more
    ├── DatabaseNotReady      run the migration
    ├── TimeBudgetExceeded    the novel takes longer than the run has left: go on without it
    ├── WriteRejected         the database refused the data: find the novel at fault, go on with the others
    │   └── PayloadTooLarge   send the same data in smaller calls
    ├── TakedownRefused       name something that is there, and that can be recognised
    └── BookRefused           one file cannot be accepted: go on with the others

No exception of another library leaves the adapter that met it.
"""

from collections.abc import Sequence

from novelsync.text.redaction import redacted


class NovelSyncError(Exception):
    """What happened (lower case, with names and numbers, never a secret) and what to do about it."""

    def __init__(self, message: str, hint: str = "", *, transient: bool = False, retry_after: float = 0) -> None:
        """
        ``transient``: the same call may succeed in a few seconds, which only the adapter that made it can tell.

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


class ReceiverUnavailable(Unavailable):
    """Whoever is to be told of a change, of the verdict or of the tables, did not take it."""


class RunInProgress(NovelSyncError):
    """Another run has the lease."""


class SchedulerStopped(NovelSyncError):
    """The scheduler is stopped, and starts no run until it is started itself."""


class LeaseLost(NovelSyncError):
    """Another run took the lease while this one was still working."""


class DatabaseNotReady(NovelSyncError):
    """The database has not been migrated, or its tables are not NovelSync's."""


class TimeBudgetExceeded(NovelSyncError):
    """A large novel was broken off between two of its parts. Readers see none of them."""


class WriteRejected(NovelSyncError):
    """The database refused the data of a write: because of a constraint, a type or a trigger of the site."""


class PayloadTooLarge(WriteRejected):
    """A write was too large or took too long. Half of it may succeed."""


class TakedownRefused(NovelSyncError):
    """There is no such thing to take down or to lift, or nothing to recognise it by. Nothing was done."""


class BookRefused(NovelSyncError):
    """A ``book_info.json`` cannot be accepted. ``reasons`` has every reason; the message shows the first 20."""

    SHOWN = 20

    def __init__(self, reasons: Sequence[str], hint: str = "") -> None:
        shown = "; ".join(reasons[: self.SHOWN])
        more = len(reasons) - self.SHOWN
        super().__init__(f"{shown}; and {more} more" if more > 0 else shown, hint)
        self.reasons = tuple(reasons)
