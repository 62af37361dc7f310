"""
Syncs a few novels: reads their files, asks what the tables have, writes what differs.

One novel's trouble never stops another: it becomes that novel's result.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Final

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import Novels
from novelsync.errors import StorageUnavailable
from novelsync.models.desk.takedowns import Withheld, WithheldRecord
from novelsync.models.problems import Problem
from novelsync.models.results import NovelResult
from novelsync.models.run import DEFAULT_TURN, RunContext, Turn
from novelsync.models.source import Book, SourceFile
from novelsync.models.stored import KnownNovel, version_by
from novelsync.novel_reader import NovelReader, ReadFile, TextFiles
from novelsync.planning.guards.limits import Limits
from novelsync.planning.run_plan import rules_of
from novelsync.planning.takedowns.withholding import Takedowns
from novelsync.running.novels.novel_planner import Looked, NovelPlanner, Planned
from novelsync.running.novels.novel_writer import NovelWriter
from novelsync.running.novels.outcomes import in_flight, not_begun, unavailable
from novelsync.running.novels.renames import Renames
from novelsync.takedown_list import TakedownList

ATTEMPTS: Final = 3
"""How often a novel is planned, if somebody else writes it each time in between."""

LARGE: Final = 4_000_000
"""
Bytes of a file, or of texts that are files of their own; more than that are read and written alone.

The executor has a large file alone in its batch. Of the texts of a new novel, a listing does not know that they exist.
"""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file that was read, with what is stored of its novel; texts that are files of their own are not read yet."""

    file: ReadFile
    known: KnownNovel | None
    texts: TextFiles
    for_takedowns: bool = False
    """Nothing else has it looked into."""


class NovelSyncer:
    """Syncs batches of novels from a storage to a database; may be used from several threads at once."""

    def __init__(self, storage: Storage, database: Novels, max_file_bytes: int, limits: Limits) -> None:
        self._storage = storage
        self._database = database
        self._reader = NovelReader(storage, max_file_bytes)
        self._rules = rules_of(limits, max_file_bytes)
        renames = Renames(storage, database, self._reader)
        self._planner = NovelPlanner(storage, database, renames, limits, self._rules)
        self._writer = NovelWriter(database)
        self._takedowns = TakedownList(database)
        self._large = threading.Lock()
        # Python runs one thread at a time. Those that wait here do not keep asking for their turn, which costs a tenth.
        self._parsing = threading.Lock()

    def sync_batch(
        self,
        novels: Sequence[SourceFile],
        revisions: Mapping[str, int],
        context: RunContext,
        turn: Turn = DEFAULT_TURN,
    ) -> list[NovelResult]:
        """
        Makes the tables equal to the files of these novels. One result for each, in their order.

        ``revisions``: of the stored novels, from before this call. A file is always read after the revision that its
        write is based on, so that older bytes never overwrite newer ones. Raises `DatabaseUnavailable` and `LeaseLost`.
        """
        if len(novels) > 1:  # the others' files stay in memory
            turn = Turn(turn.out_of_time, turn.large)
        results: dict[str, NovelResult] = {}
        waiting: list[tuple[SourceFile, int | None]] = [(novel, revisions.get(novel.slug)) for novel in novels]
        for attempt in range(ATTEMPTS):
            # Before the files are read, like their revisions.
            takedowns = self._takedowns.current(context, again=attempt > 0)
            files = self._read_all(waiting, results, turn)
            stale, done = self._attempt(files, takedowns, context, turn)
            results |= {result.slug: result for result in done}
            if not stale:
                break
            waiting = self._look_again(stale, results)
        for novel, _revision in waiting:
            results.setdefault(novel.slug, unavailable(novel, f"others wrote it {ATTEMPTS} times meanwhile"))
        return [_with_remark(results[novel.slug], context) for novel in novels]

    def _read_all(
        self, waiting: Sequence[tuple[SourceFile, int | None]], results: dict[str, NovelResult], turn: Turn
    ) -> list[tuple[ReadFile, int | None]]:
        """The files of these novels, not looked into; what is none goes into ``results``."""
        files: list[tuple[ReadFile, int | None]] = []
        for novel, revision in waiting:
            if (files or results) and turn.out_of_time():
                results[novel.slug] = not_begun(novel)
                continue
            if novel.size > LARGE:
                turn.large(novel.slug)
            read = self._read(novel)
            if isinstance(read, NovelResult):
                results[novel.slug] = read
            else:
                files.append((read, revision))
        return files

    def _read(self, novel: SourceFile) -> ReadFile | NovelResult:
        try:
            return self._reader.read(novel) or in_flight(novel)
        except StorageUnavailable as error:
            return unavailable(novel, error.message, error.hint)

    def _look_again(
        self, novels: Sequence[SourceFile], results: dict[str, NovelResult]
    ) -> list[tuple[SourceFile, int | None]]:
        """
        These novels, which somebody else has written, with their present files and revisions.

        Revisions are asked first: see `sync_batch`. If a file is gone or cannot be asked for, the result goes into
        ``results``.
        """
        known = self._database.known_novels({novel.slug: None for novel in novels})
        waiting = []
        for novel in novels:
            try:
                now = self._storage.find(novel.slug)
            except StorageUnavailable as error:
                results[novel.slug] = unavailable(novel, error.message, error.hint)
                continue
            if now is None:
                results[novel.slug] = in_flight(novel)
                continue
            waiting.append((now, known[novel.slug].revision if novel.slug in known else None))
        return waiting

    def _attempt(
        self, files: list[tuple[ReadFile, int | None]], takedowns: Takedowns, context: RunContext, turn: Turn
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """
        Plans and writes these files once; returns the novels that somebody else wrote in between, and results.

        ``files``: each with the revision of its novel from before it was read; None: nothing was stored of it. They are
        taken out of this list, and so on, so that of what is dealt with nothing stays in memory.
        """
        waiting, stale, results = self._look_into_all(files, takedowns, context)
        for some in _by_size(waiting):
            if any(each.texts.to_read for each in some) and turn.out_of_time():
                results += [not_begun(each.file.novel) for each in some]
                continue
            is_large = some[0].texts.bytes > LARGE
            if is_large:
                turn.large(some[0].file.novel.slug)
            # One of those at a time: together they might not fit into memory.
            with self._large if is_large else nullcontext():
                planned, undecided = self._plan(some, takedowns, context)
                more_stale, written = self._writer.write(planned, context, turn)
            stale += more_stale
            results += undecided + written
        return stale, results

    def _look_into_all(
        self, files: list[tuple[ReadFile, int | None]], takedowns: Takedowns, context: RunContext
    ) -> tuple[list[_Waiting], list[SourceFile], list[NovelResult]]:
        """What is to be planned, those that are stale already, and the results of those that could not be read."""
        known = self._database.known_novels(
            {file.novel.slug: file.checksum for file, revision in files if revision is not None},
            whole=context.match_again,
            verify=context.options.reread,
        )
        waiting: list[_Waiting] = []
        stale: list[SourceFile] = []
        results: list[NovelResult] = []
        files.reverse()
        while files:
            file, revision = files.pop()
            stored = known.get(file.novel.slug)
            if revision != (stored.revision if stored else None):
                stale.append(file.novel)
                continue
            try:
                waiting.append(self._look_into(file, stored, takedowns, context))
            except StorageUnavailable as error:
                results.append(unavailable(file.novel, error.message, error.hint))
        return waiting, stale, results

    def _look_into(
        self, file: ReadFile, known: KnownNovel | None, takedowns: Takedowns, context: RunContext
    ) -> _Waiting:
        """With its book, or why it has none, where one is needed. Raises `StorageUnavailable`."""
        same = known is not None and known.same and not known.removed and not known.has_texts
        # What is held is judged again once the rules are others.
        judged = known is not None and (
            not known.held_id or known.kept or known.version == version_by(known.state, self._rules)
        )
        idle = same and judged and not file.book and file.novel.slug not in context.match_again
        # Whoever takes something down has all files read again.
        unjudged = known is not None and not known.version and bool(takedowns or known.withheld)
        if idle and not unjudged:
            return _Waiting(file, known, TextFiles())
        with self._parsing:
            file = self._reader.parse(file)
        file, texts = self._reader.look_for_texts(file, None if context.options.reread else known)
        return _Waiting(file, known, texts, for_takedowns=idle)

    def _plan(
        self, waiting: list[_Waiting], takedowns: Takedowns, context: RunContext
    ) -> tuple[list[Planned], list[NovelResult]]:
        """Reads the texts and plans; returns what is to be written, and the results of the others."""
        results: list[NovelResult] = []
        looked: list[Looked] = []
        for each in waiting:
            try:
                file = self._reader.read_texts(each.file, each.texts)
                looked.append(self._withhold(file, each.known, takedowns, context, only=each.for_takedowns))
            except StorageUnavailable as error:
                results.append(unavailable(each.file.novel, error.message, error.hint))
        waiting.clear()
        planned, undecided = self._planner.plan(looked, context)
        self._record_withheld(planned, context)
        return planned, results + undecided

    def _withhold(
        self, file: ReadFile, known: KnownNovel | None, takedowns: Takedowns, context: RunContext, *, only: bool
    ) -> Looked:
        """
        With what takedowns keep back of the file. Raises `StorageUnavailable`.

        ``only``: it is looked into for nothing else, so that its bytes decide if nothing else is kept back than before.
        """
        if not isinstance(file.book, Book):
            return Looked(file, known, Withheld())
        # What readers see was compared before, unless a takedown was made since.
        known_texts = known.chapters if known and known.version and not context.options.reread else ()
        judged = {row.content_hash for row in known_texts if not row.removed and not row.taken_down}
        withheld = takedowns.of_book(file.book, judged)
        if only and known is not None:
            if withheld.recorded == known.withheld:
                return Looked(replace(file, book=None), known, Withheld())
            slug = file.novel.slug
            whole = self._database.known_novels({slug: file.checksum}, whole=(slug,)).get(slug)
            # The write stays one that was planned on the revision of before the file was read.
            known = replace(whole, revision=known.revision) if whole else known
        return Looked(file, known, withheld)

    def _record_withheld(self, planned: Sequence[Planned], context: RunContext) -> None:
        records = [
            WithheldRecord(write.slug, write.revision, write.withheld, write.withheld_rows)
            for write, known in ((each.write, each.known) for each in planned if each.is_book)
            if write.withheld_rows or write.hides or write.withheld.recorded != (known.withheld if known else None)
        ]
        if records:
            self._database.withhold(context.run_id, records)


def _by_size(waiting: list[_Waiting]) -> Iterator[list[_Waiting]]:
    """As many together as have `LARGE` bytes of texts to be read; all of them, where texts are in the files."""
    waiting.reverse()
    while waiting:
        some = [waiting.pop()]
        size = some[0].texts.bytes
        while waiting and (not waiting[-1].texts.bytes or size + waiting[-1].texts.bytes <= LARGE):
            size += waiting[-1].texts.bytes
            some.append(waiting.pop())
        yield some


def _with_remark(result: NovelResult, context: RunContext) -> NovelResult:
    if result or result.slug not in context.options.acceptances:
        return result
    return replace(result, remark=Problem.remark(result.slug, "it was not synced, so nothing was accepted"))
