"""What a sync needs of a database."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from novelsync.models.desk.takedowns import (
    Takedown,
    WithheldRecord,
)
from novelsync.models.problems import HeldRemovals, OpenProblems
from novelsync.models.report import Report
from novelsync.models.run import ComparingState, Difference, RunState
from novelsync.models.source import Fingerprint
from novelsync.models.stored import KnownChapter, KnownFile, KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome


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
        A novel comes with its fields and chapters if that checksum is not the known one, if the novel is removed, has
        texts in files of their own or something that is held, or if its slug is in ``whole``.
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

    def stage(
        self, run_id: str | None, write: NovelWrite, out_of_time: Callable[[], bool] = lambda: False
    ) -> NovelWrite | WriteOutcome:
        """
        Sends the texts of a large novel ahead, unseen by readers, and returns the write that publishes them.

        That has no texts any more. Of a novel that is not large, the same write is returned. An outcome: they
        are not wanted, because the write would have that outcome. Raises what `write` does.
        """

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        """
        Carries the writes out in one transaction, each novel whole or not at all. A large one is staged before.

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
        self,
        run_id: str,
        state: ComparingState,
        equal: Sequence[str],
        differing: Sequence[Difference],
        *,
        ended: bool,
        trouble: bool = False,
    ) -> bool:
        """
        Records how far the round is (``state``), and what was found; True: the open problems may be others now.

        ``differing``: nothing is recorded of a novel that has another revision by now. ``ended``: the round has come to
        its end, and the next one begins. ``trouble``: something failed, so that not all of the round are compared.
        Raises `LeaseLost`.
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
