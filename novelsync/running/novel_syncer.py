"""
Syncs a few novels: reads their files, asks what the tables have, writes what differs.

One novel's trouble never stops another: it becomes that novel's result.
"""

import os
import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import structlog

from novelsync.books.reader import check_size, read_book
from novelsync.contracts import Novels, Storage
from novelsync.errors import BookRefused, StorageUnavailable, TimeBudgetExceeded, WriteRejected
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import RunContext
from novelsync.models.source import Book, SourceFile
from novelsync.models.stored import KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.diff import result_of
from novelsync.planning.guards import Limits
from novelsync.planning.matching import fingerprint
from novelsync.planning.novel_plan import plan_novel, plan_refusal, plan_same_bytes, shares_text

ATTEMPTS: Final = 3
"""How often a novel is planned, if somebody else writes it each time in between."""

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


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was read, or why it cannot be."""

    novel: SourceFile
    revision: int | None
    """The stored novel's, from before the file was read; None: the database did not know the novel."""
    data: bytes = b""
    checksum: str | None = None
    """Of ``data``; None if there is no data, so that the database is asked for the revision alone."""
    book: Book | BookRefused | None = None
    """Why it is refused, if it is; None: not parsed, because the bytes are those that were stored last."""
    refused_version: str = ""
    """What to remember of a refused file: see `novelsync.planning.novel_plan.plan_refusal`."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is to be written for one file, and the result once it is written."""

    file: _File
    write: NovelWrite
    result: NovelResult


class NovelSyncer:
    """Syncs batches of novels from a storage to a database; may be used from several threads at once."""

    def __init__(self, storage: Storage, database: Novels, max_file_bytes: int, limits: Limits) -> None:
        self._storage = storage
        self._database = database
        self._max_file_bytes = max_file_bytes
        self._limits = limits

    def sync_batch(
        self,
        novels: Sequence[SourceFile],
        revisions: Mapping[str, int],
        context: RunContext,
        out_of_time: Callable[[], bool] = _never,
    ) -> list[NovelResult]:
        """
        Makes the tables equal to the files of these novels. One result for each, in their order.

        ``revisions``: of the stored novels, from before this call. A file is always read after the revision that its
        write is based on, so that older bytes never overwrite newer ones. ``out_of_time``: from when it is true, large
        novels are broken off. Raises `DatabaseUnavailable` and `LeaseLost`.
        """
        results: dict[str, NovelResult] = {}
        waiting: list[tuple[SourceFile, int | None]] = [(novel, revisions.get(novel.slug)) for novel in novels]
        for _ in range(ATTEMPTS):
            files: list[_File] = []
            for novel, revision in waiting:
                read = self._read(novel, revision)
                if isinstance(read, NovelResult):
                    results[novel.slug] = read
                else:
                    files.append(read)
            stale, done = self._attempt(files, context, out_of_time)
            results |= {result.slug: result for result in done}
            if not stale:
                break
            waiting = self._look_again(stale, results)
        for novel, _revision in waiting:
            results.setdefault(novel.slug, _unavailable(novel, f"others wrote it {ATTEMPTS} times meanwhile"))
        return [results[novel.slug] for novel in novels]

    def _read(self, novel: SourceFile, revision: int | None) -> _File | NovelResult:
        try:
            check_size(novel.size, self._max_file_bytes)
            data = self._storage.read(novel)
        except BookRefused as refusal:
            # What the listing shows (the size, why a file is unreadable) is part of its digest, as is the limit, so the
            # refusal may be relied on. Permissions can change while the file's version stays the same.
            listed = novel.unreadable or novel.size > self._max_file_bytes
            return _File(novel, revision, book=refusal, refused_version=f"refused {novel.version}" if listed else "")
        except StorageUnavailable as error:
            return _unavailable(novel, error.message, error.hint)
        if data is None:
            return _in_flight(novel)
        checksum = f"sha256:{sha256(data).hexdigest()}"
        return _File(novel, revision, data, checksum, refused_version=novel.version)

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
        self, files: Sequence[_File], context: RunContext, out_of_time: Callable[[], bool]
    ) -> tuple[list[SourceFile], list[NovelResult]]:
        """Plans and writes these files once; returns the novels that somebody else wrote in between, and results."""
        known = self._database.known_novels(
            {file.novel.slug: file.checksum for file in files if file.revision is not None},
            whole=context.match_again,
            verify=context.options.reread,
        )
        stale: list[SourceFile] = []
        current: list[_File] = []
        for file in files:
            stored = known.get(file.novel.slug)
            if file.revision == (stored.revision if stored else None):
                current.append(_parsed(file, stored, context))
            else:
                stale.append(file.novel)
        former = self._former(current, known, context)
        planned: list[_Planned] = []
        results: list[NovelResult] = []
        for file in current:
            plan = self._plan(file, known.get(file.novel.slug), former.get(file.novel.slug), context)
            if isinstance(plan, NovelResult):
                results.append(plan)
            else:
                planned.append(plan)
        more_stale, written = self._write_planned(planned, context, out_of_time)
        return stale + more_stale, results + written

    def _former(
        self, files: Sequence[_File], known: Mapping[str, KnownNovel], context: RunContext
    ) -> Mapping[str, KnownNovel]:
        """What is stored of these novels under their former slugs: slug to stored novel."""
        slugs = {file.novel.slug for file in files}
        names = {slug: name for slug, name in context.renames.items() if slug in slugs}
        new = {
            file.novel.slug: fingerprint(file.checksum or "", file.book)
            for file in (files if context.any_missing else ())
            if isinstance(file.book, Book) and _may_be_renamed(known.get(file.novel.slug), file.book)
        }
        if new:
            taken = context.taken | set(context.renames.values())
            names |= {slug: name for slug, name in self._database.find_renames(new).items() if name not in taken}
        # What is still in its old folder was not renamed, even if a listing missed it.
        names = {slug: name for slug, name in names.items() if self._storage.find(name) is None}
        stored = self._database.known_novels(dict.fromkeys(names.values()), whole=frozenset(names.values()))
        return {slug: stored[name] for slug, name in names.items() if name in stored and stored[name].fields}

    def _plan(
        self, file: _File, known: KnownNovel | None, former: KnownNovel | None, context: RunContext
    ) -> _Planned | NovelResult:
        """What to write for one file; a result alone if that is nothing."""
        novel, revision, size = file.novel, file.revision or 0, len(file.data)
        if file.book is None:
            write = plan_same_bytes(novel, file.checksum or "", revision, request_id=request_id())
            result = NovelResult(novel.slug, NovelStatus.UNCHANGED, bytes_read=size)
        elif isinstance(file.book, BookRefused):
            if file.data and self._storage.settling(novel):
                return _in_flight(novel)
            problem = Problem(novel.slug, ProblemKind.REFUSED, file.book.message, file.book.hint)
            log.warning("novel_refused", slug=novel.slug, reason=problem.message)
            write = plan_refusal(novel, revision, problem, file.refused_version, request_id=request_id())
            result = _refused(novel.slug, problem, size, settled=bool(file.refused_version))
        else:
            accept = novel.slug in context.options.accept
            remark = _why_not_accepted(known) if accept else ""
            write = plan_novel(
                novel,
                file.checksum or "",
                file.book,
                known,
                request_id=request_id(),
                former=former,
                limits=self._limits,
                accepted=accept and not remark,
            )
            result = replace(result_of(write, file.book), bytes_read=size, remark=remark)
        return _Planned(file, _with_result(write, result, context), result)

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


def _parsed(file: _File, known: KnownNovel | None, context: RunContext) -> _File:
    """With its book or why that is refused, unless the bytes are stored already and need no parsing."""
    same = known is not None and known.same and not known.removed
    if file.book or (same and file.novel.slug not in context.match_again):
        return file
    try:
        return replace(file, book=read_book(file.data))
    except BookRefused as refusal:
        return replace(file, book=refusal)


def _with_result(write: NovelWrite, result: NovelResult, context: RunContext) -> NovelWrite:
    return replace(write, result=result) if context.by_message else write


def _why_not_accepted(known: KnownNovel | None) -> str:
    if known is None or not known.held:
        return "nothing was held of it, so nothing was accepted"
    return "" if known.same else "its file has changed since it was shown, so nothing was accepted"


def _may_be_renamed(known: KnownNovel | None, book: Book) -> bool:
    """Readers see no novel under its slug, and none that was removed there shares a text with it."""
    return known is None or known.fields is None or (known.removed and not shares_text(known, book))


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


def _in_flight(novel: SourceFile) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.IN_FLIGHT, settled=False)


def _unavailable(novel: SourceFile, message: str, hint: str = "the next run tries again") -> NovelResult:
    problem = Problem(novel.slug, ProblemKind.UNAVAILABLE, message, hint)
    return NovelResult(novel.slug, NovelStatus.UNAVAILABLE, problem=problem, settled=False)
