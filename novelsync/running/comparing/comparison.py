"""Compares some novels with their files, text by text, as a dry run does that rereads them. Changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from shlex import quote

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import SyncDatabase
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import Difference, RunContext
from novelsync.models.source import SourceFile
from novelsync.models.stored import KnownNovel, state_of
from novelsync.models.writing import NovelWrite
from novelsync.planning.diff import HELD, diff_of, difference_said
from novelsync.planning.guards import Limits
from novelsync.running.dry_run import DryRunDatabase
from novelsync.running.novels.novel_syncer import NovelSyncer

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
        difference. ``context``: of a run that rereads. Raises `DatabaseUnavailable`.
        """
        known = self._database.known_novels({novel.slug: None for novel in novels})
        settled = [novel for novel in novels if _is_settled(novel, known.get(novel.slug))]
        database = DryRunDatabase(self._database)
        syncer = NovelSyncer(self._storage, database, self._max_file_bytes, self._limits)
        revisions = {novel.slug: known[novel.slug].revision for novel in settled}
        found = Compared()
        for novel, result in zip(
            settled, syncer.sync_batch(settled, revisions, context, out_of_time) if settled else (), strict=True
        ):
            found.bytes_read += result.bytes_read
            write = database.write_of(novel.slug)
            if write is None or result.status not in _COMPARED or state_of(write.version) != novel.state:
                continue
            if said := _difference(known[novel.slug], write, result):
                found.differing.append(Difference(_problem(novel.slug, said), write.revision))
            else:
                found.equal.append(novel.slug)
        return found


def _is_settled(novel: SourceFile, known: KnownNovel | None) -> bool:
    """Whether the tables should have what the file has, but for what is held."""
    # A row that is hidden although the file is listed was hidden by hand, or taken down.
    if known is None or (known.withheld and known.withheld[0]) or known.state != novel.state:
        return False
    # By which rules it was judged stands there if it is held, and else if it is refused.
    return bool(known.held_id) or known.version == novel.state


def _difference(known: KnownNovel, write: NovelWrite, result: NovelResult) -> str:
    """What differs; empty: nothing, or only what is held."""
    change = diff_of(write)
    if change is None:
        return ""
    if change.mark != HELD:
        return difference_said(write)
    if known.held_id:
        return ""
    # Damage that kept the file's size and time.
    would = "refused" if result.status is NovelStatus.REFUSED else "held"
    return f"the file is not what was read, though its size and time are, and would be {would}: {change.said}"


def _problem(slug: str, said: str) -> Problem:
    hint = (
        f"`novelsync sync --slug {quote(slug)} --reread` makes the rows what the file has; texts of the site's own"
        " belong into columns or tables of its own, because a sync overwrites these"
    )
    return Problem(slug, ProblemKind.DIFFERS, said, hint)
