"""A database that is only read: what a run would write to it is remembered, as a list of changes."""

import threading
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from novelsync.contracts import Database
from novelsync.errors import NovelSyncError
from novelsync.models.book import Fingerprint
from novelsync.models.problems import SHOWN_PROBLEMS, HeldRemovals, OpenProblems, Problem, ProblemKind
from novelsync.models.run import RunState
from novelsync.models.status import DatabaseStatus, Removed, ServerInfo
from novelsync.models.stored import KnownFile, KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.diff import HELD, REMOVED, NovelDiff, diff_of


class DryRunDatabase:
    """
    A `novelsync.contracts.Database` in front of another, so that a dry run is the run itself.

    It answers as the other would after what was written here, as far as a run asks.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = database.name
        self._guard = threading.Lock()
        self._changes: dict[str, NovelDiff] = {}
        self._written: dict[str, Sequence[Problem] | None] = {}
        self._formers: set[str] = set()
        self._marked: set[str] = set()
        self._missing: list[str] = []
        self._returned: set[str] = set()
        self._forgotten: list[str] = []
        self._stood: HeldRemovals | None = None
        self._held: HeldRemovals | None = None

    def changes(self) -> Sequence[NovelDiff]:
        """What would be done, novel by novel in the order of their slugs."""
        waiting = {
            slug: NovelDiff(HELD, slug, "missing from storage; stays for now")
            for slug in self._marked.union(self._missing) - self._returned - self._formers
        }
        return [change for _, change in sorted((waiting | self._changes).items())]

    # What is read ---------------------------------------------------------------

    def begin(self, run_id: str, trigger: str, holder: str, seconds: int) -> RunState:
        begun = self._database.peek()
        self._stood = self._hold = begun.hold
        return begun

    def peek(self) -> RunState:
        return self._database.peek()

    def known_files(self) -> Iterator[KnownFile]:
        for file in self._database.known_files():
            if file.stored and file.missing_for is not None:
                self._marked.add(file.slug)
            yield file

    def known_novels(
        self, checksums: Mapping[str, str | None], *, whole: Container[str] = (), verify: bool = False
    ) -> Mapping[str, KnownNovel]:
        # What goes on under another name is no longer known under this one.
        left = {slug: checksum for slug, checksum in checksums.items() if slug not in self._formers}
        return self._database.known_novels(left, whole=whole, verify=verify)

    def find_renames(self, novels: Mapping[str, Fingerprint] | None, missing: Sequence[str] = ()) -> Mapping[str, str]:
        former = self._database.find_renames(novels, [*self._missing, *missing])
        with self._guard:
            return {slug: name for slug, name in former.items() if name not in self._formers | self._returned}

    def open_problems(
        self, slugs: Sequence[str] | None = None, *, without: Sequence[str] = (), present: Sequence[str] = ()
    ) -> OpenProblems:
        answered = {slug for slug, problems in self._written.items() if problems is not None}
        answered.update(self._missing, self._forgotten, self._formers, without)
        stood = self._database.open_problems(slugs, without=list(answered), present=[*self._returned, *present])
        old = [problem for problem in stood.problems if problem.slug]
        new = [problem for problems in self._written.values() for problem in problems or ()]
        counts, held = Counter(stood.counts), stood.held
        if slugs is None:
            counts.subtract([ProblemKind.HELD.value] if self._stood else [])
            held += (self._hold.novels if self._hold else 0) - (self._stood.novels if self._stood else 0)
            new += [Problem("", ProblemKind.HELD, self._hold.message, self._hold.hint)] if self._hold else []
        counts.update(problem.kind.value for problem in new)
        held += sum(bool(problem.slug) and problem.kind is ProblemKind.HELD for problem in new)
        kinds = list(ProblemKind)
        shown = sorted([*old, *new], key=lambda problem: (kinds.index(problem.kind), problem.slug.encode()))
        return OpenProblems({kind: count for kind, count in counts.items() if count}, shown[:SHOWN_PROBLEMS], held)

    def status(self) -> DatabaseStatus:
        return self._database.status()

    def server_info(self) -> ServerInfo:
        return self._database.server_info()

    def removed(self, slug: str | None, days: int) -> Removed:
        return self._database.removed(slug, days)

    # What would be written ------------------------------------------------------

    def renew(self, run_id: str, seconds: int, resume_at: str | None = None) -> bool:
        return True

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
        pass

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        return [self._write(write) for write in writes]

    def _write(self, write: NovelWrite) -> WriteOutcome:
        with self._guard:
            if write.former:
                if write.former.slug in self._formers:
                    return WriteOutcome.STALE
                self._formers.add(write.former.slug)
            self._written[write.slug] = write.problems
            if change := diff_of(write):
                self._changes[write.slug] = change
        return WriteOutcome.WRITTEN

    def mark_missing(
        self, run_id: str, missing: Sequence[str], returned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        self._missing += missing
        self._returned.update(returned)
        self._forgotten += forgotten

    def remove(
        self, run_id: str, novels: Mapping[str, int], *, accepted: bool, held: HeldRemovals | None
    ) -> Sequence[str]:
        self._hold = held
        self._changes |= {slug: NovelDiff(REMOVED, slug, "missing from storage") for slug in novels}
        return list(novels)

    def purge(self, slug: str | None, before: str) -> Iterator[Removed]:
        raise NovelSyncError("a rehearsal purges nothing")

    def close(self) -> None:
        pass
