"""What people are shown of a database, and what they decide."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from novelsync.models.desk.novels import NovelDetail, NovelPage, NovelQuery
from novelsync.models.desk.problems import ProblemPage
from novelsync.models.desk.runs import RunDetail, RunPage
from novelsync.models.desk.takedowns import (
    NamedNovel,
    Request,
    Takedown,
    TakedownKind,
    Taken,
    TakenRow,
)
from novelsync.models.status import DatabaseStatus
from novelsync.models.stored import KnownFile, Purged, PurgeSelection, Removed


class RemovedRows(Protocol):
    """Novels and chapters that readers no longer see, until somebody purges them."""

    def count(self, selection: PurgeSelection) -> Removed:
        """What purging these rows would come to."""

    def purge(self, selection: PurgeSelection, before: str, *, published: bool = False) -> Iterator[Purged]:
        """
        Deletes (or empties) for good what `count` counted, piece by piece; yields what each piece was.

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
