"""The doors of the core, as Protocols that it owns: what a storage and a database promise, the failure first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from novelsync.models import KnownFile, KnownNovel, NovelWrite, Problem, StoredNovel


class Storage(Protocol):
    """Where crawlers keep ``<slug>/book_info.json``."""

    @property
    def location(self) -> str:
        """The setting as written, for people."""

    def listing(self) -> Iterator[StoredNovel]:
        """
        Every novel once, in the order of the bytes of ``slug + "/"``; no file is opened.

        Raises `StorageUnavailable` if anything stops the walk: what is missing
        from a complete listing may be taken for gone, so a partial one must
        never look complete. A file that is there but cannot be read is listed,
        with the reason.
        """

    def read(self, novel: StoredNovel) -> bytes | None:
        """
        The bytes of exactly the listed version.

        None if that version is no longer there: in flight, to be read next time.
        Raises `BookRefused` if the file is there and cannot be read,
        `StorageUnavailable` if the storage cannot be asked.
        """

    def settling(self, novel: StoredNovel) -> bool:
        """The file was written so recently that it may not be complete yet."""

    def find(self, slug: str) -> StoredNovel | None:
        """One novel as a listing would have it, None if there is none. Raises `StorageUnavailable`."""


class WriteOutcome(StrEnum):
    """What became of a `NovelWrite` that the database did not refuse."""

    WRITTEN = "written"
    STALE = "stale"
    """The novel has another revision than the write was planned on; nothing of it was done."""
    TAKEN = "taken"
    """A row of the site's own has the slug; nothing of it was done."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The problems that stand in the database."""

    counts: Mapping[str, int]
    """Novels per kind of problem."""
    problems: Sequence[Problem]
    """At most 100, the gravest first."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What the last run left for this one."""

    digest: str | None
    """Of the last complete listing, if everything in it was dealt with and nothing was written since."""
    resume_at: str | None
    """The slug where the last run ran out of time."""
    missing: int
    """Novels that the last complete listing did not have."""
    standing: Standing


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended, or was found dead."""

    outcome: str
    finished_at: datetime
    report: Mapping[str, Any] | None
    """As it was published; None if the run died before it could report."""


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What the database says of itself."""

    novels: int
    removed_novels: int
    chapters: int
    bytes: int
    running: tuple[str, str] | None
    """Who holds the lease, and since when (ISO 8601)."""
    last_runs: Sequence[FinishedRun]
    """The last two, the newest first."""
    metrics: Mapping[str, Any]
    """Of the runs that finished in the last 24 hours."""
    standing: Standing

    @property
    def last_report(self) -> Mapping[str, Any] | None:
        """Of the last run that lived to write one."""
        return next((run.report for run in self.last_runs if run.report), None)


class Database(Protocol):
    """
    The site's tables and NovelSync's bookkeeping.

    Every method raises `DatabaseUnavailable` if the database cannot be asked,
    `DatabaseNotReady` if it has not been migrated and `ConfigurationError` if
    it refuses who asks. Methods may be called from several threads at once.
    """

    @property
    def name(self) -> str:
        """Which database this is, for people, without secrets."""

    def begin(self, run_id: str, trigger: str, holder: str, seconds: int) -> Begun:
        """Takes the lease for so many seconds. Raises `RunInProgress` if somebody else has it."""

    def renew(self, run_id: str, seconds: int) -> bool:
        """Keeps the lease; False if it has passed on."""

    def finish(
        self,
        run_id: str,
        outcome: str,
        report: Mapping[str, Any],
        *,
        digest: str | None = None,
        quiet: bool = False,
        resume_at: str | None = None,
    ) -> None:
        """
        Stores the run's report and gives the lease back.

        ``digest``: of a listing all of which is dealt with; ``quiet``: it is the one that `begin` handed out.
        """

    def known_files(self) -> Iterator[KnownFile]:
        """The whole bookkeeping, in the order in which storages list."""

    def known_novels(self, checksums: Mapping[str, str | None]) -> Mapping[str, KnownNovel]:
        """
        What is known of these slugs; one that is unknown is left out.

        ``checksums``: of the files as read now; None for a novel of which only the revision is wanted.
        """

    def write(self, run_id: str | None, writes: Sequence[NovelWrite]) -> Sequence[WriteOutcome]:
        """
        Carries the writes out, each novel whole or not at all, in one transaction.

        Raises `WriteRejected` if the database refuses the data, and then none
        of them was carried out; `LeaseLost` if the run's lease has passed on.
        """

    def note_absence(
        self, run_id: str, missing: Sequence[str], returned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        """
        Remembers which stored novels a complete listing did not have, and which it has again.

        ``forgotten``: slugs of which nothing was ever stored; their bookkeeping goes.
        """

    def standing(self, slugs: Sequence[str] | None = None) -> Standing:
        """The problems that stand now, all or those of some novels."""

    def status(self) -> DatabaseStatus:
        """What a person wants to know."""

    def close(self) -> None:
        """Lets go of every connection."""
