"""Compares some novels with their files, text by text, as a dry run does that rereads them. Changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from shlex import quote

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import SyncDatabase
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import Difference, RunContext, Turn
from novelsync.models.source import SourceFile
from novelsync.models.stored import KnownNovel, state_of
from novelsync.models.writing import NovelWrite
from novelsync.planning.diff import HELD, diff_of, difference_said
from novelsync.planning.guards.limits import Limits
from novelsync.running.dry_run import DryRunDatabase
from novelsync.running.novels.novel_syncer import NovelSyncer

_REPAIRS = (
    "makes the rows what the file has; texts of the site's own belong into columns or tables of its own, because a sync"
    " overwrites these"
)
_DAMAGED = "the file is not what was read, though its size and time are, and would be"

_COMPARED = frozenset(NovelStatus) - {
    NovelStatus.IN_FLIGHT,
    NovelStatus.UNAVAILABLE,
    NovelStatus.DEFERRED,
    NovelStatus.NOT_BEGUN,
}


@dataclass(slots=True)
class Compared:
    """What comparing some novels has found; what is in neither list could not be compared."""

    equal: list[str] = field(default_factory=list)
    differing: list[Difference] = field(default_factory=list)
    bytes_read: int = 0
    come_to: int = 0
    """The first so many of the novels; time was over before the rest."""
    trouble: bool = False
    """The storage failed with one of them."""


class Comparison:
    """See `compare`."""

    def __init__(self, storage: Storage, database: SyncDatabase, max_file_bytes: int, limits: Limits) -> None:
        self._storage = storage
        self._database = database
        self._max_file_bytes = max_file_bytes
        self._limits = limits

    def compare(
        self, novels: Sequence[SourceFile], context: RunContext, out_of_time: Callable[[], bool] = lambda: False
    ) -> Compared:
        """
        Compares those of these novels that were dealt with as they are listed now.

        What waits for the next run, is refused or taken down, or changes meanwhile, is passed over. What is held is no
        difference. ``context``: of a run that rereads. ``out_of_time``: from when it is true, no novel is begun but the
        first. Raises `DatabaseUnavailable`.
        """
        known = self._database.known_novels({novel.slug: None for novel in novels})
        settled = [novel for novel in novels if _is_settled(novel, known.get(novel.slug))]
        database = DryRunDatabase(self._database)
        syncer = NovelSyncer(self._storage, database, self._max_file_bytes, self._limits)
        revisions = {novel.slug: known[novel.slug].revision for novel in settled}
        found = Compared()
        results = syncer.sync_batch(settled, revisions, context, Turn(out_of_time)) if settled else []
        not_begun = {result.slug for result in results if result.status is NovelStatus.NOT_BEGUN}
        begun = next((n for n, novel in enumerate(novels) if novel.slug in not_begun), len(novels))
        # The first is passed over even if there was no time for its texts: else no run would ever come to the next.
        found.come_to = max(1, begun)
        found.trouble = not begun or any(result.status is NovelStatus.UNAVAILABLE for result in results)
        for novel, result in zip(settled, results, strict=True):
            found.bytes_read += result.bytes_read
            write = database.write_of(novel.slug)
            if write is None or result.status not in _COMPARED or state_of(write.version) != novel.state:
                continue
            if problem := self._difference(known[novel.slug], write, result):
                found.differing.append(Difference(problem, write.revision))
            else:
                found.equal.append(novel.slug)
        return found

    def _difference(self, known: KnownNovel, write: NovelWrite, result: NovelResult) -> Problem | None:
        """What differs, and what to do about it; None: nothing, or only what is held."""
        slug, change = write.slug, diff_of(write)
        # A hold whose reason is gone, as a day's losses are after a day, is nobody's edit. It stands until it is ended.
        if change is None or (known.held_id and (change.mark == HELD or not write.held_id)):
            return None
        reread = f"`novelsync sync --slug {quote(slug)} --reread`"
        if change.mark != HELD:
            return Problem(slug, ProblemKind.DIFFERS, difference_said(write), f"{reread} {_REPAIRS}")
        if result.status is NovelStatus.REFUSED:
            hint = "write the file anew; until then readers keep what they have"
            return Problem(slug, ProblemKind.DIFFERS, f"{_DAMAGED} refused: {change.said}", hint)
        now = self._database.known_novels({slug: write.checksum}).get(slug)
        if now is None:
            return None  # it has another name since
        if now.same:
            said = f"rows are not what the file has, and making them so would be held: {change.said}"
            return Problem(
                slug, ProblemKind.DIFFERS, said, f"{reread} has it held; whoever accepts that has to say --reread too"
            )
        hint = f"look at the file; if it is right, {reread} has it held; whoever accepts that has to say --reread too"
        return Problem(slug, ProblemKind.DIFFERS, f"{_DAMAGED} held: {change.said}", hint)


def _is_settled(novel: SourceFile, known: KnownNovel | None) -> bool:
    """Whether the tables should have what the file has, but for what is held."""
    # A row that is hidden although the file is listed was hidden by hand, or taken down.
    if known is None or (known.withheld and known.withheld[0]) or known.state != novel.state:
        return False
    # By which rules it was judged stands there if it is held, and else if it is refused.
    return bool(known.held_id) or known.version == novel.state
