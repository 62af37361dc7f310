"""The doors of the core, as Protocols that it owns: what storage, database and scheduler promise, the failure first."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from novelsync.models.problems import HeldRemovals, OpenProblems
from novelsync.models.report import Report
from novelsync.models.results import NovelResult
from novelsync.models.run import MessageState, NovelMessage, RunState
from novelsync.models.source import Fingerprint, SourceFile
from novelsync.models.status import DatabaseStatus, Removed, Schedule, ServerInfo
from novelsync.models.stored import KnownFile, KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome


class Storage(Protocol):
    """Where crawlers keep ``<slug>/book_info.json``."""

    @property
    def location(self) -> str:
        """The setting as written, for people."""

    def listing(self) -> Iterator[SourceFile]:
        """
        Every novel once, in the order of the bytes of ``slug + "/"``; no file is opened.

        Raises `StorageUnavailable` if anything stops the walk: what is missing
        from a complete listing may be taken for gone, so a partial one must
        never look complete. A file that is there but cannot be read is listed,
        with the reason.
        """

    def read(self, novel: SourceFile) -> bytes | None:
        """
        The bytes of exactly the listed version.

        None if that version is no longer there: in flight, to be read next time.
        Raises `BookRefused` if the file is there and cannot be read,
        `StorageUnavailable` if the storage cannot be asked.
        """

    def settling(self, novel: SourceFile) -> bool:
        """The file was written so recently that it may not be complete yet."""

    def find(self, slug: str) -> SourceFile | None:
        """One novel as a listing would have it, None if there is none. Raises `StorageUnavailable`."""

    def slug_of(self, bucket: str, name: str) -> str | None:
        """Which novel an object of a bucket is the file of; None: of none in here. Asks nobody."""


class Runs(Protocol):
    """The runs that the database knows of, and the lease, which one of them at a time has."""

    def begin(self, run_id: str, trigger: str, holder: str, seconds: int) -> RunState:
        """Takes the lease for so many seconds. Raises `RunInProgress` if somebody else has it."""

    def peek(self) -> RunState:
        """What `begin` would answer, without its digest; takes and changes nothing."""

    def renew(self, run_id: str, seconds: int, resume_at: str | None = None) -> bool:
        """
        Keeps the lease; False if it has passed on.

        ``resume_at``: where the next run begins, should this one die; None: as was said before.
        """

    def finish(
        self,
        run_id: str,
        report: Report,
        *,
        digest: str | None = None,
        quiet: bool = False,
        resume_at: str | None = None,
    ) -> None:
        """
        Stores the run's report and gives the lease back.

        ``digest``: of a listing all of which is dealt with; ``quiet``: it is the one that `begin` handed out.
        """


class Novels(Protocol):
    """The site's tables and what is remembered of the files they came from."""

    def known_files(self) -> Iterator[KnownFile]:
        """The whole bookkeeping, in the order in which storages list."""

    def known_novels(
        self, checksums: Mapping[str, str | None], *, whole: Container[str] = (), verify: bool = False
    ) -> Mapping[str, KnownNovel]:
        """
        What is known of these slugs; one that is unknown is left out.

        ``checksums``: of the files as read now; None for a novel of which only the revision is wanted.
        A novel comes with its fields and chapters if its checksum is another now, if it is removed, or if it is in
        ``whole``. ``verify``: the texts themselves are hashed; a row whose hash is not its text's has an empty one.
        """

    def find_renames(self, novels: Mapping[str, Fingerprint] | None, missing: Sequence[str] = ()) -> Mapping[str, str]:
        """
        Which of these novels is one that went missing under another slug: slug to former slug, each at most once.

        ``novels``: new ones, as read; None: stored ones, seen first of late and later than what they may be.
        ``missing``: slugs besides those that are marked so, and were removed of late if at all. How long ago that may
        be, `public.novelsync_find_renames` says.
        """

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        """
        Carries the writes out, each novel whole or not at all, in one transaction.

        Raises `WriteRejected` if the database refuses the data, and then none
        of them was carried out; `LeaseLost` if the run's lease has passed on;
        `TimeBudgetExceeded` if ``out_of_time`` says so between the parts of a
        large novel.
        """

    def mark_missing(
        self, run_id: str, missing: Sequence[str], returned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        """
        Remembers which stored novels a complete listing did not have, and which it has again.

        ``forgotten``: slugs of which nothing was ever stored; their bookkeeping goes.
        What was written outside of runs after this one began is not marked.
        """

    def remove(
        self, run_id: str, novels: Mapping[str, int], *, accepted: bool, held: HeldRemovals | None
    ) -> Sequence[str]:
        """
        Hides novels that are marked as missing from readers, and returns their slugs; their rows stay.

        ``novels``: slug to revision; one that was written since is left. ``accepted``: somebody asked for it.
        ``held``: what is held from now on; None: nothing.
        """

    def open_problems(
        self, slugs: Sequence[str] | None = None, *, without: Sequence[str] = (), present: Sequence[str] = ()
    ) -> OpenProblems:
        """
        All open problems, or those of some novels, ``without`` those of others.

        What is missing has none, unless it is said to be ``present``.
        """


class SyncDatabase(Runs, Novels, Protocol):
    """All that a sync needs of a database."""

    @property
    def name(self) -> str:
        """Which database this is, for people, without secrets."""


class RemovedRows(Protocol):
    """What readers no longer see."""

    def removed(self, slug: str | None, days: int) -> Removed:
        """What readers have not seen for so many days, of one novel or of all."""

    def purge(self, slug: str | None, before: str) -> Iterator[Removed]:
        """
        Deletes for good what `removed` counted, piece by piece; yields what each piece was.

        ``before``: as it was answered. Raises `WriteRejected`; the pieces before stay deleted.
        """


class StatusSource(Protocol):
    """What a status is made of."""

    @property
    def name(self) -> str:
        """See `SyncDatabase`."""

    def known_files(self) -> Iterator[KnownFile]:
        """See `Novels`."""

    def status(self) -> DatabaseStatus:
        """What the database says of itself."""


class Messages(Protocol):
    """What the database remembers of the messages by which a run spreads its work."""

    def hand_out(self, run_id: str, slugs: Sequence[str], *, close: bool = False) -> int:
        """
        Remembers that these novels are given to others; returns how many of the run's have no answer yet.

        ``close``: what has none now is no longer wanted, and whoever is at it writes nothing more.
        """

    def message_state(self, run_id: str, slug: str) -> MessageState:
        """The state of one message."""

    def answer(self, run_id: str, result: NovelResult) -> None:
        """Answers one that is open. A `NovelWrite` can carry the answer too, in its own transaction."""

    def answers(self, run_id: str) -> Iterator[NovelResult]:
        """All there are."""


class Database(SyncDatabase, RemovedRows, StatusSource, Messages, Protocol):
    """
    The site's tables and NovelSync's bookkeeping, for every purpose.

    Every method of it and of its parts raises `DatabaseUnavailable` if the
    database cannot be asked, `DatabaseNotReady` if it has not been migrated and
    `ConfigurationError` if it refuses who asks. Methods may be called from
    several threads at once.
    """

    def server_info(self) -> ServerInfo:
        """
        What it is.

        `DatabaseNotReady` is also raised where an older version of NovelSync did the last migration.
        """

    def close(self) -> None:
        """Lets go of every connection."""


class Publisher(Protocol):
    """What hands messages to whoever carries novels over, each at least once, in any order."""

    @property
    def name(self) -> str:
        """Which topic this is, for people."""

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        """
        Returns once all are accepted.

        Raises `PublisherUnavailable`, and `ConfigurationError` if the topic is not there or refuses who asks; some may
        be on their way then.
        """


class Scheduler(Protocol):
    """
    What starts a run every hour.

    Every method raises `SchedulerUnavailable` if it cannot be asked, and
    `ConfigurationError` if it is not there or refuses who asks.
    """

    def start(self) -> None:
        """From now on there is a run every hour. Nothing happens if it is so already."""

    def stop(self) -> None:
        """No run is started any more; one that goes on goes on. Nothing happens if it is so already."""

    def state(self) -> Schedule:
        """Whether it is running, and when the next run is due."""

    def run_now(self) -> None:
        """
        Has a run started besides, and returns without waiting for its end.

        Raises `SchedulerStopped` if this scheduler has to be started for it, and `RunInProgress` or
        `DatabaseUnavailable` if it can tell that this kept the run from starting.
        """
