"""What the core expects of a storage, a database, a publisher and a scheduler, as Protocols."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from novelsync.models.desk.novels import NovelDetail, NovelPage, NovelQuery
from novelsync.models.desk.runs import RunDetail, RunPage
from novelsync.models.desk.takedowns import (
    NamedNovel,
    Request,
    Takedown,
    TakedownKind,
    Taken,
    TakenRow,
    WithheldRecord,
)
from novelsync.models.problems import HeldRemovals, OpenProblems
from novelsync.models.report import Report
from novelsync.models.results import NovelResult
from novelsync.models.run import ComparingState, Difference, MessageState, NovelMessage, RunState
from novelsync.models.source import Fingerprint, SourceFile, TextFile
from novelsync.models.status import (
    Alert,
    DatabaseStatus,
    NoticeBatch,
    ProblemPage,
    Schedule,
    ServerInfo,
    Verdict,
)
from novelsync.models.stored import KnownChapter, KnownFile, KnownNovel, Purged, PurgeSelection, Removed
from novelsync.models.writing import NovelWrite, WriteOutcome


class Storage(Protocol):
    """Where crawlers keep ``<slug>/book_info.json``."""

    @property
    def location(self) -> str:
        """The setting as it was written, to be shown to people."""

    def listing(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[SourceFile]:
        """
        Every novel once, in the order of the bytes of ``slug + "/"``; no file is opened.

        ``with_texts``: novels of which all other files of the folder count too, because they may be its texts.
        ``stray``: called with each folder that has files and no ``book_info.json``, and the name of one of them; a
        bucket looks only at the objects it needs, and so may miss some.
        Raises `StorageUnavailable` if anything stops the listing: what a complete one lacks may be removed, so a
        partial one must never look complete. A file that is there but cannot be read is listed, with the reason.
        """

    def read(self, novel: SourceFile) -> bytes | None:
        """
        The bytes of exactly the listed version; None if that version is no longer there.

        Raises `BookRefused` if the file is there but cannot be read, `StorageUnavailable` if the storage cannot be
        asked.
        """

    def settling(self, novel: SourceFile) -> bool:
        """Whether the file was written so recently that it may not be complete yet."""

    def find(self, slug: str) -> SourceFile | None:
        """One novel as a listing would have it; None if there is none. Raises `StorageUnavailable`."""

    def slug_of(self, bucket: str, name: str) -> str | None:
        """The novel whose file that object of a bucket is; None if it is of no novel in here. Makes no call."""

    def folder_of(self, bucket: str, name: str) -> str | None:
        """The novel in whose folder that object of a bucket is, likewise."""

    def texts(self, slug: str) -> Sequence[TextFile]:
        """All other files in a novel's folder; none if there is no such folder. Raises `StorageUnavailable`."""

    def read_texts(self, slug: str, files: Sequence[TextFile]) -> Iterator[tuple[TextFile, bytes | str]]:
        """
        The bytes of exactly these versions, in any order; or why one cannot be read: it changed meanwhile, permissions.

        Raises `StorageUnavailable` if the storage cannot be asked.
        """


class Runs(Protocol):
    """The runs that the database knows of, and the lease, which one run at a time has."""

    def begin(self, run_id: str, trigger: str, holder: str, seconds: int) -> RunState:
        """Starts a run and takes the lease for so many seconds. Raises `RunInProgress` if another run has it."""

    def peek(self) -> RunState:
        """What `begin` would return, without the digest; changes nothing."""

    def renew(
        self, run_id: str, seconds: int, resume_at: str | None = None, progress: tuple[int, int] | None = None
    ) -> bool:
        """
        Extends the lease to so many seconds from now; False if another run has taken it.

        ``resume_at``: the slug at which the next run begins if this one is killed; None: as it was last said.
        ``progress``: how many novels are done, and of how many, for whoever looks at the status; None: likewise.
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

        ``digest``: that of the listing, if all of it is dealt with. ``quiet``: it is the one that `begin` returned.
        ``resume_at``: the slug at which the next run begins; None: the first of the listing.
        """


class Novels(Protocol):
    """The site's tables and what is remembered of the files they came from."""

    def with_texts(self) -> frozenset[str]:
        """Slugs of the novels whose texts are files of their own: a listing has to look at those files too."""

    def known_files(self) -> Iterator[KnownFile]:
        """All slugs that the bookkeeping has, in the order of `Storage.listing`."""

    def known_novels(
        self, checksums: Mapping[str, str | None], *, whole: Container[str] = (), verify: bool = False
    ) -> Mapping[str, KnownNovel]:
        """
        What is known of these slugs; unknown ones are left out.

        ``checksums``: slug to the checksum of the file as it was just read. None: only the revision is wanted.
        A novel comes with its fields and chapters if that checksum is not the known one, if the novel is removed, or
        if its slug is in ``whole``.
        ``verify``: the stored texts are hashed again; a chapter whose hash is not that of its text gets an empty one.
        """

    def texts(self, chapters: Iterable[KnownChapter]) -> Iterator[tuple[str, str]]:
        """The stored text of each of these rows, by its id; a row that is gone meanwhile is left out."""

    def novels_with(self, hashes: Sequence[bytes]) -> Mapping[bytes, frozenset[str]]:
        """Slugs of the published novels that have texts of these hashes; of a text that very many have, only some."""

    def find_renames(
        self, novels: Mapping[str, Fingerprint] | None, missing: Sequence[str] = (), *, taken_by: str | None = None
    ) -> Sequence[tuple[str, str]]:
        """
        Which novels may be stored under another slug: pairs of slug and former slug, the likeliest first.

        ``novels``: as read, and none of them is what is stored under its own slug; None: those that were stored lately,
        in a later run than one that is missing, and the former slugs are those of missing ones.
        ``missing``: slugs that count as missing besides those that are marked so. ``taken_by``: a run that hands its
        novels out (`Messages.hand_out`); the former slugs that it knows of belong to others.
        What was removed counts only if that was lately: `public.novelsync_find_renames` says how long ago. Empty if it
        would take too long.
        """

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        """
        Carries the writes out in one transaction, each novel whole or not at all.

        Raises `WriteRejected` if the database refuses the data, and then none of them was carried out; `LeaseLost` if
        another run has taken the lease; `TimeBudgetExceeded` if ``out_of_time`` says so between the parts of a large
        novel.
        """

    def takedowns_in_force(self) -> Sequence[Takedown]:
        """With their signs."""

    def withhold(self, run_id: str | None, records: Sequence[WithheldRecord]) -> None:
        """
        Records what takedowns keep back of some files, before their writes, and hides what is kept back as a whole.

        Nothing is recorded of a novel that has another revision by now. Raises `LeaseLost`.
        """

    def mark_missing(
        self, run_id: str, missing: Sequence[str], returned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        """
        Marks stored novels that a complete listing lacks as missing, and unmarks those that it has again.

        ``forgotten``: slugs under which no novel was ever stored; their bookkeeping is deleted.
        Novels that were written outside of runs after this one began are not marked: the listing may be older.
        """

    def remove(
        self, run_id: str, novels: Mapping[str, int], *, accepted: bool, held: HeldRemovals | None
    ) -> Sequence[str]:
        """
        Hides novels that are marked as missing from readers, and returns the slugs of those it hid; their rows stay.

        ``novels``: slug to revision; a novel that has another one by now is left alone.
        ``accepted``: somebody confirmed the removal. ``held``: the removals that are held from now on; None: none.
        """

    def note_compared(
        self, run_id: str, state: ComparingState, equal: Sequence[str], differing: Sequence[Difference], *, ended: bool
    ) -> bool:
        """
        Records how far the round is (``state``), and what was found; True: the open problems may be others now.

        ``differing``: nothing is recorded of a novel that has another revision by now. ``ended``: the round has come to
        its end, and the next one begins. Raises `LeaseLost`.
        """

    def open_problems(
        self, slugs: Sequence[str] | None = None, *, without: Sequence[str] = (), present: Sequence[str] = ()
    ) -> OpenProblems:
        """
        The open problems of all novels or of some, ``without`` those of others.

        Problems of missing novels do not count, except for slugs that are ``present`` after all.
        """


class SyncDatabase(Runs, Novels, Protocol):
    """All that a sync needs of a database."""

    @property
    def name(self) -> str:
        """Which database this is, to be shown to people; without secrets."""


class RemovedRows(Protocol):
    """Novels and chapters that readers no longer see, until somebody purges them."""

    def removed(self, selection: PurgeSelection) -> Removed:
        """What purging these rows would come to."""

    def purge(self, selection: PurgeSelection, before: str, *, published: bool = False) -> Iterator[Purged]:
        """
        Deletes (or empties) for good what `removed` counted, piece by piece; yields what each piece was.

        ``before``: `Removed.before`. ``published``: chapters that are named go even if readers see them. Raises
        `WriteRejected`; earlier pieces stay deleted.
        """


class TakedownRecord(Protocol):
    """What people have taken down."""

    def rows(self, kind: TakedownKind, target: str, host: str = "") -> tuple[NamedNovel | None, Sequence[TakenRow]]:
        """
        What a takedown would be of: the novel it names or that has the chapter, and chapters with copies of them.

        ``target``: a slug or the id of a chapter. ``host``: of kind ``url``; then those that have it in their urls.
        """

    def make(self, request: Request) -> Taken:
        """Makes it, hides what it names, and has the next run look at every file again."""

    def listed(self) -> Sequence[Takedown]:
        """All, the newest first, those that were lifted included; without their signs."""

    def lift(self, id_: int) -> int | None:
        """Ends one; how many files the next run looks at again because of it. None: there is none in force."""


class StatusSource(Protocol):
    """What a status needs of a database."""

    @property
    def name(self) -> str:
        """See `SyncDatabase`."""

    def known_files(self) -> Iterator[KnownFile]:
        """See `Novels`."""

    def with_texts(self) -> frozenset[str]:
        """See `Novels`."""

    def status(self) -> DatabaseStatus:
        """What the database says about itself."""

    def problems(self, kind: str, after: str | None, limit: int) -> ProblemPage:
        """
        All open problems of a kind, or the novels that are marked as ``missing``, by slug; a page of them.

        ``after``: the slug that the last page ended with; None: the first page.
        """


class Desk(Protocol):
    """What an operator looks up."""

    def novels(self, query: NovelQuery) -> NovelPage:
        """A page of novels."""

    def novel(self, slug: str, after: int = 0) -> NovelDetail | None:
        """One novel, with a page of its chapters: those after that position. None if nothing is known of it."""

    def runs(self, before: str | None, limit: int) -> RunPage:
        """So many finished runs, the newest first; ``before``: the `RunPage.next` of the page before."""

    def run(self, run_id: str) -> RunDetail | None:
        """One run by its UUID; None if there is none. Runs are kept for 30 days."""


class VerdictRecord(Protocol):
    """The changes of the verdict, as the database remembers them: each is told once, whoever looks."""

    def note_verdict(
        self, verdict: Verdict, reasons: Sequence[str], at: datetime, claim: str, seconds: int
    ) -> Alert | None:
        """
        Notes the verdict if it has changed, and claims the oldest change that has not been told; None: there is none.

        ``at``: `DatabaseStatus.at`. ``claim``: a UUID of this attempt; for so many ``seconds`` no other one gets it.
        """

    def alert_told(self, alert: Alert, claim: str, *, told: bool, pause: int = 0) -> None:
        """Records that it was told; or else that it may be claimed again after ``pause`` seconds."""


class AlertReceiver(Protocol):
    """Who is told of changes of the verdict."""

    @property
    def name(self) -> str:
        """Which one this is, to be shown to people; without secrets."""

    def send(self, document: Mapping[str, Any]) -> None:
        """Returns once it was taken, within seconds. Raises `ReceiverUnavailable`."""


class NoticeReceiver(Protocol):
    """Who is told of every change that readers see."""

    @property
    def name(self) -> str:
        """Which one this is, to be shown to people; without secrets."""

    @property
    def id(self) -> str:
        """The same for the same receiver, in every process; it betrays nothing."""

    def deliver(self, message_id: str, document: Mapping[str, Any]) -> None:
        """Returns once it was taken, within seconds. Raises `ReceiverUnavailable`. The same id: it is sent again."""


class NoticeRecord(Protocol):
    """How far the change feed has been delivered, as the database remembers it, to each receiver."""

    def take_notices(
        self, receiver: NoticeReceiver, claim: str, *, known_for: float, seconds: float, most: int
    ) -> NoticeBatch:
        """
        Claims the next changes that this receiver has not taken, in order; for so many ``seconds`` nobody else does.

        ``known_for``: seconds; a receiver that is new begins with what changed since then. ``most``: changes.
        """

    def notices_taken(self, receiver: NoticeReceiver, claim: str, upto: int, failure: str | None) -> None:
        """Records that the batch was taken; or else (``failure``) why not, and then it is claimed again, but later."""


class Messages(Protocol):
    """The messages by which a run gives novels to other processes, as the database remembers them."""

    def hand_out(self, run_id: str, slugs: Sequence[str], *, formers: Sequence[str] = (), close: bool = False) -> int:
        """
        Remembers a message for each of these novels; returns how many messages of the run have no answer yet.

        ``formers``: slugs that novels of this run had before; see `RunContext.by_message`.
        ``close``: withdraws those without an answer, so that nothing more is written for them.
        """

    def message_state(self, run_id: str, slug: str) -> MessageState:
        """What has become of one message."""

    def answer(self, run_id: str, result: NovelResult) -> None:
        """Answers a message, if it is open. A `NovelWrite` with a ``result`` does so in its own transaction."""

    def answers(self, run_id: str) -> Iterator[NovelResult]:
        """All answers to the run's messages."""


class Database(SyncDatabase, RemovedRows, StatusSource, VerdictRecord, NoticeRecord, Messages, Protocol):
    """
    The site's tables and NovelSync's bookkeeping, for every purpose.

    Every method, those of the Protocols above included, raises `DatabaseUnavailable` if the database cannot be asked,
    `DatabaseNotReady` if it has not been migrated, and `ConfigurationError` if it refuses our credentials. Methods may
    be called from several threads at once.
    """

    @property
    def takedowns(self) -> TakedownRecord:
        """What people have taken down."""

    @property
    def desk(self) -> Desk:
        """What an operator looks up."""

    def server_info(self) -> ServerInfo:
        """
        What the database server is, whatever the version of its schema.

        Raises `DatabaseNotReady` if that version is too old to tell.
        """

    def close(self) -> None:
        """Closes every connection."""


class Publisher(Protocol):
    """What delivers messages to the processes that sync novels: each at least once, in any order."""

    @property
    def name(self) -> str:
        """Which topic this is, to be shown to people."""

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        """
        Returns once all messages are accepted for delivery.

        Raises `PublisherUnavailable`, and `ConfigurationError` if the topic does not exist or refuses our credentials.
        Some messages may be delivered all the same.
        """


class Scheduler(Protocol):
    """
    What starts a run every hour.

    Every method raises `SchedulerUnavailable` if the scheduler cannot be asked, and `ConfigurationError` if it does not
    exist or refuses our credentials.
    """

    def start(self) -> None:
        """Starts a run every hour from now on. Does nothing if it is running already."""

    def stop(self) -> None:
        """Starts no more runs; one in progress goes on. Does nothing if it is stopped already."""

    def state(self) -> Schedule:
        """Whether the scheduler is running, and when the next run is due."""

    def run_now(self) -> None:
        """
        Starts an extra run, and returns without waiting for its end.

        Raises `SchedulerStopped` if this scheduler has to be started first, and `RunInProgress` or
        `DatabaseUnavailable` if it can tell that the run did not start because of it.
        """
