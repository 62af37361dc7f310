"""
Syncs a few novels: reads their files, asks what the tables have, writes what differs.

One novel's trouble never stops another: it becomes that novel's result.
"""

import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import structlog

from novelsync.contracts import Novels, Storage
from novelsync.errors import BookRefused, StorageUnavailable, TimeBudgetExceeded, WriteRejected
from novelsync.evidence.seen import TELLING_LETTERS, Seen, see
from novelsync.evidence.texts import rows_to_see
from novelsync.models.desk.takedowns import Withheld, WithheldRecord
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import RunContext
from novelsync.models.source import Book, BookChapter, SourceFile
from novelsync.models.stored import KnownChapter, KnownNovel, version_by
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.novel_reader import NovelReader, ReadFile, TextFiles
from novelsync.planning.acceptance import why_not_accepted
from novelsync.planning.diff import result_of
from novelsync.planning.guards import Limits
from novelsync.planning.novel_plan import base_of, plan_novel, plan_refusal, plan_same_bytes
from novelsync.planning.run_plan import rules_of
from novelsync.planning.takedowns.withholding import Takedowns
from novelsync.running.renames import Moves, Renames
from novelsync.takedown_list import TakedownList

ATTEMPTS: Final = 3
"""How often a novel is planned, if somebody else writes it each time in between."""

LARGE: Final = 4_000_000
"""
Bytes of files, or of texts that are files of their own, that are read and written together; a novel of more is alone.

The executor sees to that for files; of the texts of a new novel, a listing does not know that they are there.
"""

MOST_HASHES: Final = 5_000
"""Of texts that are looked for in other novels, at once: about 400 kB."""

log = structlog.get_logger()

_random = random.Random()  # noqa: S311 — ids have to differ, and protect nothing
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def request_id() -> str:
    """
    A new id, different in every process. The database recognizes a repeated request by it.

    Not uuid4, which asks the system for its bytes and lets other threads run meanwhile: that takes a tenth of an import
    of small novels. Not the shared generator: a program that seeds it alike at each start would repeat the ids, and the
    database would take each novel for written already.
    """
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def _never() -> bool:
    return False


def _say_nothing(slug: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file that was read, with what is stored of its novel; texts that are files of their own are not read yet."""

    file: ReadFile
    known: KnownNovel | None
    texts: TextFiles
    for_takedowns: bool = False
    """Nothing else has it looked into."""


class _Looked(NamedTuple):
    """A file with all of its texts, and what is stored of its novel."""

    file: ReadFile
    known: KnownNovel | None
    withheld: Withheld


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is to be written for one file, and the result once it is written."""

    file: ReadFile
    write: NovelWrite
    result: NovelResult
    known: KnownNovel | None


@dataclass(frozen=True, slots=True)
class _Stored:
    """What stored texts say."""

    seen: Mapping[str, Seen]
    """By the rows' ids."""
    holders: Mapping[bytes, frozenset[str]]
    """By the texts' hashes, the slugs of the novels that have them."""


class NovelSyncer:
    """Syncs batches of novels from a storage to a database; may be used from several threads at once."""

    def __init__(self, storage: Storage, database: Novels, max_file_bytes: int, limits: Limits) -> None:
        self._storage = storage
        self._database = database
        self._reader = NovelReader(storage, max_file_bytes)
        self._renames = Renames(storage, database, self._reader)
        self._takedowns = TakedownList(database)
        self._limits = limits
        self._rules = rules_of(limits, max_file_bytes)
        self._large = threading.Lock()

    def sync_batch(
        self,
        novels: Sequence[SourceFile],
        revisions: Mapping[str, int],
        context: RunContext,
        out_of_time: Callable[[], bool] = _never,
        large: Callable[[str], object] = _say_nothing,
    ) -> list[NovelResult]:
        """
        Makes the tables equal to the files of these novels. One result for each, in their order.

        ``revisions``: of the stored novels, from before this call. A file is always read after the revision that its
        write is based on, so that older bytes never overwrite newer ones. ``out_of_time``: from when it is true, large
        novels are broken off. ``large``: called with the slug of a novel of more than `LARGE` bytes before it is read.
        Raises `DatabaseUnavailable` and `LeaseLost`.
        """
        results: dict[str, NovelResult] = {}
        waiting: list[tuple[SourceFile, int | None]] = [(novel, revisions.get(novel.slug)) for novel in novels]
        for attempt in range(ATTEMPTS):
            # Before the files are read, like their revisions.
            takedowns = self._takedowns.current(context, again=attempt > 0)
            files: list[tuple[ReadFile, int | None]] = []
            for novel, revision in waiting:
                if novel.size > LARGE:
                    large(novel.slug)
                read = self._read(novel)
                if isinstance(read, NovelResult):
                    results[novel.slug] = read
                else:
                    files.append((read, revision))
            stale, done = self._attempt(files, takedowns, context, out_of_time, large)
            results |= {result.slug: result for result in done}
            if not stale:
                break
            waiting = self._look_again(stale, results)
        for novel, _revision in waiting:
            results.setdefault(novel.slug, _unavailable(novel, f"others wrote it {ATTEMPTS} times meanwhile"))
        return [_with_remark(results[novel.slug], context) for novel in novels]

    def _read(self, novel: SourceFile) -> ReadFile | NovelResult:
        try:
            return self._reader.read(novel) or _in_flight(novel)
        except StorageUnavailable as error:
            return _unavailable(novel, error.message, error.hint)

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
                results[novel.slug] = _unavailable(novel, error.message, error.hint)
                continue
            if now is None:
                results[novel.slug] = _in_flight(novel)
                continue
            waiting.append((now, known[novel.slug].revision if novel.slug in known else None))
        return waiting

    def _attempt(
        self,
        files: list[tuple[ReadFile, int | None]],
        takedowns: Takedowns,
        context: RunContext,
        out_of_time: Callable[[], bool],
        large: Callable[[str], object],
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """
        Plans and writes these files once; returns the novels that somebody else wrote in between, and results.

        ``files``: each with the revision of its novel from before it was read; None: nothing was stored of it. They are
        taken out of the list, so that what was looked into does not stay in memory.
        """
        known = self._database.known_novels(
            {file.novel.slug: file.checksum for file, revision in files if revision is not None},
            whole=context.match_again,
            verify=context.options.reread,
        )
        stale: list[SourceFile] = []
        results: list[NovelResult] = []
        waiting: list[_Waiting] = []
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
                results.append(_unavailable(file.novel, error.message, error.hint))
        for some in _by_size(waiting):
            if any(each.texts.to_read for each in some) and out_of_time():
                results += [_not_begun(each.file.novel) for each in some]
                continue
            is_large = some[0].texts.bytes > LARGE
            if is_large:
                large(some[0].file.novel.slug)
            # One of those at a time: together they might not fit into memory.
            with self._large if is_large else nullcontext():
                more_stale, done = self._sync(some, takedowns, context, out_of_time)
            stale += more_stale
            results += done
        return stale, results

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
        file, texts = self._reader.look_for_texts(self._reader.parse(file), None if context.options.reread else known)
        return _Waiting(file, known, texts, for_takedowns=idle)

    def _sync(
        self,
        waiting: Sequence[_Waiting],
        takedowns: Takedowns,
        context: RunContext,
        out_of_time: Callable[[], bool],
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """Reads the texts, plans and writes; returns what `_attempt` does."""
        results: list[NovelResult] = []
        looked: list[_Looked] = []
        for each in waiting:
            try:
                file = self._reader.read_texts(each.file, each.texts)
                looked.append(self._withhold(file, each.known, takedowns, context, only=each.for_takedowns))
            except StorageUnavailable as error:
                results.append(_unavailable(each.file.novel, error.message, error.hint))
        files = [(file, known) for file, known, withheld in looked if not withheld.whole]
        moves = self._renames.find(files, context)
        stored = self._look_at_stored(files, moves)
        planned: list[_Planned] = []
        for file, known, withheld in looked:
            if trouble := moves.undecided.get(file.novel.slug):
                results.append(_unavailable(file.novel, trouble.message, trouble.hint))
                continue
            try:
                plan = self._plan(file, known, moves, stored, context, withheld)
            except StorageUnavailable as error:
                plan = _unavailable(file.novel, error.message, error.hint)
            if isinstance(plan, NovelResult):
                results.append(plan)
            else:
                planned.append(plan)
        self._record_withheld(planned, context)
        try:
            stale, written = self._write_planned(planned, context, out_of_time)
        except StorageUnavailable as error:
            return [], results + [_unavailable(plan.file.novel, error.message, error.hint) for plan in planned]
        return stale, results + written

    def _withhold(
        self, file: ReadFile, known: KnownNovel | None, takedowns: Takedowns, context: RunContext, *, only: bool
    ) -> _Looked:
        """
        With what takedowns keep back of the file. Raises `StorageUnavailable`.

        ``only``: it is looked into for nothing else, so that its bytes decide if nothing else is kept back than before.
        """
        if not isinstance(file.book, Book):
            return _Looked(file, known, Withheld())
        # What readers see was compared before, unless a takedown was made since.
        known_texts = known.chapters if known and known.version and not context.options.reread else ()
        judged = {row.content_hash for row in known_texts if not row.removed and not row.taken_down}
        withheld = takedowns.of_book(file.book, judged)
        if only and known is not None:
            if withheld.recorded == known.withheld:
                return _Looked(replace(file, book=None), known, Withheld())
            slug = file.novel.slug
            whole = self._database.known_novels({slug: file.checksum}, whole=(slug,)).get(slug)
            # The write stays one that was planned on the revision of before the file was read.
            known = replace(whole, revision=known.revision) if whole else known
        return _Looked(file, known, withheld)

    def _record_withheld(self, planned: Sequence[_Planned], context: RunContext) -> None:
        records = [
            WithheldRecord(write.slug, write.revision, write.withheld, write.withheld_rows)
            for write, known in ((each.write, each.known) for each in planned if isinstance(each.file.book, Book))
            if write.withheld_rows or write.hides or write.withheld.recorded != (known.withheld if known else None)
        ]
        if records:
            self._database.withhold(context.run_id, records)

    def _look_at_stored(self, files: Sequence[tuple[ReadFile, KnownNovel | None]], moves: Moves) -> "_Stored":
        """At the stored texts that have to be compared with those of these files."""
        rows: dict[str, KnownChapter] = {}
        hashes: set[bytes] = set()
        for file, known in files:
            if isinstance(file.book, Book):
                slug = file.novel.slug
                base = base_of(known, file.book, moves.former.get(slug), another=slug in moves.left)
                to_see = rows_to_see(base.chapters if base else (), file.book.chapters)
                rows |= {row.id: row for row in to_see}
                texts: list[KnownChapter | BookChapter] = [*to_see, *(file.book.chapters if to_see else ())]
                hashes.update(each.content_hash for each in texts if each.content_bytes >= TELLING_LETTERS)
        seen = {id_: see(text, rows[id_].title) for id_, text in self._database.texts(rows.values())}
        return _Stored(seen, self._database.novels_with(sorted(hashes)[:MOST_HASHES]) if hashes else {})

    def _plan(
        self,
        file: ReadFile,
        known: KnownNovel | None,
        moves: Moves,
        stored: "_Stored",
        context: RunContext,
        withheld: Withheld,
    ) -> _Planned | NovelResult:
        """What to write for one file; a result alone if that is nothing."""
        novel, revision, size = file.novel, known.revision if known else 0, file.bytes_read
        if file.book is None:
            write = plan_same_bytes(novel, file.checksum or "", known, request_id=request_id())
            result = NovelResult(novel.slug, NovelStatus.UNCHANGED, bytes_read=size)
        elif isinstance(file.book, BookRefused):
            if file.size and self._storage.settling(novel):
                return _in_flight(novel)
            problem = Problem(novel.slug, ProblemKind.REFUSED, file.book.message, file.book.hint)
            log.warning("novel_refused", slug=novel.slug, reason=problem.message)
            # A version of another form says that the file is to be read again in any case, see `NovelReader.read`.
            version = version_by(novel.state, self._rules) if file.version == novel.state else file.version
            write = plan_refusal(novel, revision, problem, version, request_id=request_id())
            result = _refused(novel.slug, problem, size, settled=bool(version))
        else:
            write, result = self._plan_book(file, file.book, known, moves, stored, context, withheld)
        return _Planned(file, _with_result(write, result, context), result, known)

    def _plan_book(
        self,
        file: ReadFile,
        book: Book,
        known: KnownNovel | None,
        moves: Moves,
        stored: "_Stored",
        context: RunContext,
        withheld: Withheld,
    ) -> tuple[NovelWrite, NovelResult]:
        """What to write for one book: with what is held of it, if that is what somebody was shown and accepts."""
        slug = file.novel.slug
        former = moves.former.get(slug)
        plan = partial(
            plan_novel,
            file.novel,
            file.checksum or "",
            book,
            known,
            request_id=request_id(),
            former=former,
            another=slug in moves.left,
            seen=stored.seen,
            holders=stored.holders,
            limits=self._limits,
            settled=bool(file.version),
            rules=self._rules,
            withheld=withheld,
        )
        write, remark, nothing_held = plan(), None, False
        if acceptance := context.options.acceptances.get(slug):
            nothing_held = not write.held_id
            remark = why_not_accepted(acceptance, former or known, write)
            if acceptance.keep:
                write = write if remark else plan(kept=True)
            else:
                write = write if remark else plan(accepted=True, in_order=acceptance.in_order)
            write = replace(write, told=True)
        result = replace(
            result_of(write, book),
            bytes_read=file.bytes_read,
            remark=remark,
            nothing_held=nothing_held,
            settled=bool(file.version) and slug not in moves.unsettled,
        )
        return write, result

    def _write_planned(
        self, planned: Sequence[_Planned], context: RunContext, out_of_time: Callable[[], bool]
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """Writes; returns the novels that somebody else wrote in between, and results."""
        stale: list[SourceFile] = []
        results: list[NovelResult] = []
        refusals: list[NovelWrite] = []
        by_slug = {each.write.slug: each for each in planned}
        for write, outcome in self.write([each.write for each in planned], context, out_of_time):
            novel, result = by_slug[write.slug].file.novel, by_slug[write.slug].result
            if isinstance(outcome, TimeBudgetExceeded):
                result = NovelResult(write.slug, NovelStatus.DEFERRED, bytes_read=result.bytes_read, settled=False)
            elif outcome is WriteOutcome.STALE:
                stale.append(novel)
                continue
            elif problem := _problem_of(write.slug, outcome):
                result = _refused(write.slug, problem, result.bytes_read, settled=False)
                refusal = plan_refusal(novel, write.revision, problem, "", request_id=request_id())
                refusals.append(_with_result(refusal, result, context))
            results.append(result)
        for _ in self.write(refusals, context, out_of_time):
            pass
        return stale, results

    def write(
        self, writes: Sequence[NovelWrite], context: RunContext, out_of_time: Callable[[], bool] = _never
    ) -> Iterator[tuple[NovelWrite, WriteOutcome | WriteRejected | TimeBudgetExceeded]]:
        """Writes what the database accepts: a rejected call is halved until the novel at fault is alone."""
        if not writes:
            return
        try:
            yield from zip(writes, self._database.write(context.run_id, writes, out_of_time), strict=True)
        except TimeBudgetExceeded as error:
            yield from ((write, error) for write in writes)
        except WriteRejected as error:
            if len(writes) == 1:
                yield writes[0], error
                return
            half = len(writes) // 2
            for part in (writes[:half], writes[half:]):
                if out_of_time():
                    yield from ((write, TimeBudgetExceeded(error.message)) for write in part)
                else:
                    yield from self.write(part, context, out_of_time)


def _by_size(waiting: Sequence[_Waiting]) -> Iterator[list[_Waiting]]:
    """As many together as have `LARGE` bytes of texts to be read; all of them, where texts are in the files."""
    some: list[_Waiting] = []
    size = 0
    for each in waiting:
        if some and each.texts.bytes and size + each.texts.bytes > LARGE:
            yield some
            some, size = [], 0
        some.append(each)
        size += each.texts.bytes
    if some:
        yield some


def _with_result(write: NovelWrite, result: NovelResult, context: RunContext) -> NovelWrite:
    return replace(write, result=result) if context.by_message else write


def _with_remark(result: NovelResult, context: RunContext) -> NovelResult:
    if result or result.slug not in context.options.acceptances:
        return result
    return replace(result, remark=Problem.remark(result.slug, "it was not synced, so nothing was accepted"))


def _problem_of(slug: str, outcome: WriteOutcome | WriteRejected) -> Problem | None:
    """Why the database did not accept a novel; None if it did."""
    if isinstance(outcome, WriteRejected):
        return Problem(slug, ProblemKind.REFUSED, outcome.message, outcome.hint)
    if outcome is WriteOutcome.TAKEN:
        message = "the table novels has a row with this slug that NovelSync did not create"
        return Problem(slug, ProblemKind.REFUSED, message, "give that row another slug, or delete it")
    return None


def _refused(slug: str, problem: Problem, bytes_read: int, *, settled: bool) -> NovelResult:
    return NovelResult(slug, NovelStatus.REFUSED, bytes_read=bytes_read, problem=problem, settled=settled)


def _not_begun(novel: SourceFile) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.NOT_BEGUN, settled=False)


def _in_flight(novel: SourceFile) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.IN_FLIGHT, settled=False)


def _unavailable(novel: SourceFile, message: str, hint: str = "the next run tries again") -> NovelResult:
    problem = Problem(novel.slug, ProblemKind.UNAVAILABLE, message, hint)
    return NovelResult(novel.slug, NovelStatus.UNAVAILABLE, problem=problem, settled=False)
