"""A database that is only read. What a run would write to it is remembered as a list of changes."""

import threading
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from novelsync.contracts.syncing import SyncDatabase
from novelsync.models.desk.takedowns import Takedown, WithheldRecord
from novelsync.models.problems import HeldRemovals, OpenProblems, Problem, ProblemKind, most_urgent
from novelsync.models.report import NovelDiff, Report
from novelsync.models.run import ComparingState, Difference, RunState
from novelsync.models.source import Fingerprint
from novelsync.models.stored import KnownChapter, KnownFile, KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.diff import HELD, REMOVED, diff_of


class DryRunDatabase:
    """
    A `novelsync.contracts.syncing.SyncDatabase` in front of another, so that a dry run is the same code as a run.

    What is written stays here, and later answers take it into account, as far as a run asks.
    """

    def __init__(self, database: SyncDatabase) -> None:
        self._database = database
        self.name = database.name
        self._lock = threading.Lock()
        self._changes: dict[str, NovelDiff] = {}
        self._written: dict[str, NovelWrite] = {}
        self._renamed_from: set[str] = set()
        self._marked_before: set[str] = set()
        self._missing: list[str] = []
        self._returned: set[str] = set()
        self._forgotten: list[str] = []
        self._held_before: HeldRemovals | None = None
        self._held: HeldRemovals | None = None

    def changes(self) -> Sequence[NovelDiff]:
        """What would be done to each novel, sorted by slug."""
        waiting = {
            slug: NovelDiff(HELD, slug, "missing from storage; stays for now")
            for slug in self._marked_before.union(self._missing) - self._returned - self._renamed_from
        }
        return [change for _, change in sorted((waiting | self._changes).items())]

    def write_of(self, slug: str) -> NovelWrite | None:
        """What would be written for that novel; None if nothing would."""
        return self._written.get(slug)

    # What is read ---------------------------------------------------------------

    def begin(self, run_id: str, trigger: str, holder: str, seconds: int) -> RunState:
        state = self._database.peek()
        self._held_before = self._held = state.held_removals
        return state

    def peek(self) -> RunState:
        return self._database.peek()

    def known_files(self) -> Iterator[KnownFile]:
        for file in self._database.known_files():
            if file.stored and file.missing_for is not None:
                self._marked_before.add(file.slug)
            yield file

    def with_texts(self) -> frozenset[str]:
        return self._database.with_texts()

    def known_novels(
        self, checksums: Mapping[str, str | None], *, whole: Container[str] = (), verify: bool = False
    ) -> Mapping[str, KnownNovel]:
        # A novel that was renamed is no longer known by its former slug.
        left = {slug: checksum for slug, checksum in checksums.items() if slug not in self._renamed_from}
        return self._database.known_novels(left, whole=whole, verify=verify)

    def texts(self, chapters: Iterable[KnownChapter]) -> Iterator[tuple[str, str]]:
        return self._database.texts(chapters)

    def novels_with(self, hashes: Sequence[bytes]) -> Mapping[bytes, frozenset[str]]:
        return self._database.novels_with(hashes)

    def takedowns_in_force(self) -> Sequence[Takedown]:
        return self._database.takedowns_in_force()

    def find_renames(
        self, novels: Mapping[str, Fingerprint] | None, missing: Sequence[str] = (), *, taken_by: str | None = None
    ) -> Sequence[tuple[str, str]]:
        found = self._database.find_renames(novels, [*self._missing, *missing], taken_by=taken_by)
        with self._lock:
            gone = self._renamed_from if novels is not None else self._renamed_from | self._returned
            return [(slug, name) for slug, name in found if name not in gone]

    def open_problems(
        self, slugs: Sequence[str] | None = None, *, without: Sequence[str] = (), present: Sequence[str] = ()
    ) -> OpenProblems:
        writes = [write for write in self._written.values() if write.problems is not None]
        replaced = {write.slug for write in writes}
        replaced.update(self._missing, self._forgotten, self._renamed_from, without)
        before = self._database.open_problems(slugs, without=list(replaced), present=[*self._returned, *present])
        old = [problem for problem in before.problems if problem.slug]
        new = [problem for write in writes for problem in write.problems or ()]
        counts, held = Counter(before.counts), before.held
        if slugs is None:
            counts.subtract([ProblemKind.HELD.value] if self._held_before else [])
            held += (self._held.novels if self._held else 0) - (self._held_before.novels if self._held_before else 0)
            new += [Problem("", ProblemKind.HELD, self._held.message, self._held.hint)] if self._held else []
        counts.update(problem.kind.value for problem in new)
        held += sum(bool(problem.slug) and problem.kind is ProblemKind.HELD for problem in new)
        shown = most_urgent(sorted(_recounted(old, new), key=lambda problem: problem.slug.encode()))
        blank = before.blank + sum(bool(write.blank) for write in writes)
        novels, chapters = before.taken_down
        taken_down = (
            novels + sum(write.withheld.whole for write in writes),
            chapters + sum(len(write.withheld.chapters) for write in writes),
        )
        return OpenProblems({kind: count for kind, count in counts.items() if count}, shown, held, blank, taken_down)

    # What would be written ------------------------------------------------------

    def renew(
        self, run_id: str, seconds: int, resume_at: str | None = None, progress: tuple[int, int] | None = None
    ) -> bool:
        return True

    def finish(
        self,
        run_id: str,
        report: Report,
        *,
        digest: str | None = None,
        quiet: bool = False,
        resume_at: str | None = None,
    ) -> None:
        pass

    def stage(
        self, run_id: str | None, write: NovelWrite, out_of_time: Callable[[], bool] = lambda: False
    ) -> NovelWrite | WriteOutcome:
        return write

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        return [self._write(write) for write in writes]

    def _write(self, write: NovelWrite) -> WriteOutcome:
        with self._lock:
            if write.rename:
                if write.rename.slug in self._renamed_from:
                    return WriteOutcome.STALE
                self._renamed_from.add(write.rename.slug)
            self._written[write.slug] = write
            if change := diff_of(write):
                self._changes[write.slug] = change
        return WriteOutcome.WRITTEN

    def withhold(self, run_id: str | None, records: Sequence[WithheldRecord]) -> None:
        pass  # the writes say it too

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
        return False

    def mark_missing(
        self, run_id: str, missing: Sequence[str], returned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        self._missing += missing
        self._returned.update(returned)
        self._forgotten += forgotten

    def remove(
        self, run_id: str, novels: Mapping[str, int], *, accepted: bool, held: HeldRemovals | None
    ) -> Sequence[str]:
        self._held = held
        self._changes |= {slug: NovelDiff(REMOVED, slug, "missing from storage") for slug in novels}
        return list(novels)


def _recounted(old: Sequence[Problem], new: Sequence[Problem]) -> list[Problem]:
    """All of them, each with how many are alike. ``old``: as the database counted them."""
    alike = Counter({problem.pattern: problem.alike for problem in old})
    alike.update(problem.pattern for problem in new)
    return [replace(problem, alike=alike[problem.pattern]) for problem in (*old, *new)]
