"""
Bringing a few novels over: read their files, ask what the tables have, write what differs.

One novel's trouble never stops another: it ends as that novel's result.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import msgspec
import structlog

from novelsync.books.reader import check_size, read_book
from novelsync.contracts import Database, Storage
from novelsync.errors import BookRefused, StorageUnavailable, TimeBudgetExceeded, WriteRejected
from novelsync.models.book import Book
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.run import (
    DEFAULT_OPTIONS,
    ChapterCounts,
    Everything,
    NovelMessage,
    NovelResult,
    NovelStatus,
    SyncOptions,
)
from novelsync.models.source import SourceFile
from novelsync.models.stored import KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.guards import Limits
from novelsync.planning.matching import fingerprint
from novelsync.planning.novel_plan import plan_novel, plan_refusal, plan_same_bytes, shares_text

BATCH_BYTES = 4_000_000
"""Of files read together and written in one call."""

BATCH_NOVELS = 500

REPLANS = 3
"""How often a novel is planned anew because somebody else wrote it in between."""

Progress = Callable[[int, int], None]
"""Called with the novels dealt with and the novels to deal with."""

log = structlog.get_logger()


def batches(novels: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    """Several small novels together, a large one alone."""
    batch: list[SourceFile] = []
    size = 0
    for novel in novels:
        if batch and (size + novel.size > BATCH_BYTES or len(batch) == BATCH_NOVELS):
            yield batch
            batch, size = [], 0
        batch.append(novel)
        size += novel.size
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class RunContext:
    """On whose behalf, and to what end, novels are carried over."""

    run_id: str | None = None
    """None: not part of a run, and so not under its lease."""
    options: SyncOptions = DEFAULT_OPTIONS
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Slugs to what their novels were called before, as far as that was seen before any file was read."""
    missing: bool = False
    """There are novels that storage lost, and a new one may be one of them."""
    out_of_time: Callable[[], bool] = lambda: False
    """Whether what can be broken off should be."""
    taken: frozenset[str] = frozenset()
    """Former names that are other novels' in the same run."""
    answering: bool = False
    """It came by a message, and what became of each novel is written with it."""

    def message(self, slug: str) -> NovelMessage:
        """The same errand about one novel, for somebody else. Only what is part of a run is handed on."""
        return NovelMessage(
            self.run_id or "",
            slug,
            reread=self.options.reread,
            accept=slug in self.options.accept,
            former=self.renamed.get(slug, ""),
            missing=self.missing,
            taken=tuple(sorted(self.renamed.values())),
        )

    @classmethod
    def of(cls, message: NovelMessage) -> "RunContext":
        """What whoever gets a message has to do."""
        accept = frozenset({message.slug} if message.accept else ())
        return cls(
            message.run_id,
            SyncOptions(reread=message.reread, accept=accept),
            {message.slug: message.former} if message.former else {},
            missing=message.missing,
            taken=frozenset(message.taken),
            answering=True,
        )

    @property
    def again(self) -> Container[str]:
        """Slugs whose chapters are compared though their files' bytes have not changed."""
        return Everything() if self.options.reread else self.options.accept | self.renamed.keys()


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was read, or why it cannot be."""

    novel: SourceFile
    revision: int | None
    """Of the novel in the database, from before the file was read; None: nothing was known of it."""
    data: bytes = b""
    checksum: str | None = None
    """Of ``data``; None if there is none, so that the database is asked for the revision alone."""
    book: Book | BookRefused | None = None
    """None: not looked into, because the bytes are those that are stored."""
    refused_version: str = ""
    """What to remember of a refused file: see `novelsync.planning.novel_plan.plan_refusal`."""


class NovelSyncer:
    """Carries batches of novels from a storage to a database; may be used from several threads at once."""

    def __init__(self, storage: Storage, database: Database, max_file_bytes: int, limits: Limits) -> None:
        self._storage = storage
        self._database = database
        self._max_file_bytes = max_file_bytes
        self._limits = limits

    def sync_batch(
        self, novels: Sequence[SourceFile], known: Mapping[str, int], context: RunContext
    ) -> list[NovelResult]:
        """
        Makes the tables equal to the files of these novels, and says for each, in their order, what became of it.

        ``known``: the revisions the database had of them before this was called. A file is always read after the
        revision it is written on, so that older bytes never follow newer ones.
        Raises `DatabaseUnavailable` and `LeaseLost`.
        """
        results: dict[str, NovelResult] = {}
        waiting: list[tuple[SourceFile, int | None]] = [(novel, known.get(novel.slug)) for novel in novels]
        for _ in range(REPLANS):
            files: list[_File] = []
            for novel, revision in waiting:
                read = self._read(novel, revision)
                if isinstance(read, NovelResult):
                    results[novel.slug] = read
                else:
                    files.append(read)
            stale, done = self._attempt(files, context)
            results |= {result.slug: result for result in done}
            if not stale:
                break
            waiting = self._look_again(stale, results)
        for novel, _revision in waiting:
            results.setdefault(novel.slug, _unavailable(novel, f"others wrote it {REPLANS} times meanwhile"))
        return [results[novel.slug] for novel in novels]

    def _look_again(
        self, novels: Sequence[SourceFile], results: dict[str, NovelResult]
    ) -> list[tuple[SourceFile, int | None]]:
        """What somebody else wrote meanwhile, with its revision, and then its file, as they are now."""
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

    def write(
        self, writes: Sequence[NovelWrite], context: RunContext
    ) -> Iterator[tuple[NovelWrite, WriteOutcome | WriteRejected | TimeBudgetExceeded]]:
        """Carries out all the database accepts: a refused call is halved until the novel at fault is alone."""
        if not writes:
            return
        try:
            yield from zip(writes, self._database.write(context.run_id, writes, context.out_of_time), strict=True)
        except TimeBudgetExceeded as error:
            yield from ((write, error) for write in writes)
        except WriteRejected as error:
            if len(writes) == 1:
                yield writes[0], error
                return
            half = len(writes) // 2
            for part in (writes[:half], writes[half:]):
                if context.out_of_time():
                    yield from ((write, TimeBudgetExceeded(error.message)) for write in part)
                else:
                    yield from self.write(part, context)

    def _read(self, novel: SourceFile, revision: int | None) -> _File | NovelResult:
        try:
            check_size(novel.size, self._max_file_bytes)
            data = self._storage.read(novel)
        except BookRefused as refusal:
            # Size limit and what the listing says against a file are part of its digest, so a quiet hour may rely on
            # them. But permissions may change without the file's version changing.
            listed = novel.unreadable or novel.size > self._max_file_bytes
            return _File(novel, revision, book=refusal, refused_version=f"refused {novel.version}" if listed else "")
        except StorageUnavailable as error:
            return _unavailable(novel, error.message, error.hint)
        if data is None:
            return _in_flight(novel)
        checksum = f"sha256:{sha256(data).hexdigest()}"
        return _File(novel, revision, data, checksum, refused_version=novel.version)

    def _attempt(self, files: Sequence[_File], context: RunContext) -> tuple[list[SourceFile], list[NovelResult]]:
        """Plans and writes these files once; returns what somebody else wrote in between, and what is done."""
        known = self._database.known_novels(
            {file.novel.slug: file.checksum for file in files if file.revision is not None},
            whole=context.again,
            verify=context.options.reread,
        )
        stale, current = [], []
        for file in files:
            if file.revision == _revision(known.get(file.novel.slug)):
                current.append(self._looked_into(file, known.get(file.novel.slug), context))
            else:
                stale.append(file.novel)
        former = self._former(current, known, context)
        planned: dict[str, tuple[_File, NovelResult]] = {}
        writes: list[NovelWrite] = []
        results: list[NovelResult] = []
        for file in current:
            slug = file.novel.slug
            write, result = self._plan(file, known.get(slug), former.get(slug), context.options)
            if write is None:
                results.append(result)
                continue
            planned[slug] = file, result
            writes.append(_with_answer(write, result, context))

        refused: list[NovelWrite] = []
        for write, outcome in self.write(writes, context):
            file, result = planned[write.slug]
            if isinstance(outcome, TimeBudgetExceeded):
                results.append(
                    NovelResult(write.slug, NovelStatus.DEFERRED, bytes_read=result.bytes_read, settled=False)
                )
                continue
            problem = _why_not(write.slug, outcome)
            if outcome is WriteOutcome.STALE:
                stale.append(file.novel)
            elif problem:
                result = _refused(write.slug, problem, result.bytes_read, settled=False)
                refused.append(_with_answer(plan_refusal(file.novel, write.revision, problem, ""), result, context))
                results.append(result)
            else:
                results.append(result)
        for _ in self.write(refused, context):
            pass
        return stale, results

    def _looked_into(self, file: _File, known: KnownNovel | None, context: RunContext) -> _File:
        """With its book, or why it has none, where one is needed."""
        same = known is not None and known.same and not known.removed
        if file.book or (same and file.novel.slug not in context.again):
            return file
        try:
            return replace(file, book=read_book(file.data))
        except BookRefused as refusal:
            return replace(file, book=refusal)

    def _former(
        self, files: Sequence[_File], known: Mapping[str, KnownNovel], context: RunContext
    ) -> Mapping[str, KnownNovel]:
        """What is stored of these novels under the names their folders had before."""
        slugs = {file.novel.slug for file in files}
        names = {slug: name for slug, name in context.renamed.items() if slug in slugs}
        new = {
            file.novel.slug: fingerprint(file.checksum or "", file.book)
            for file in (files if context.missing else ())
            if isinstance(file.book, Book) and _may_be_renamed(known.get(file.novel.slug), file.book)
        }
        if new:
            taken = context.taken | set(context.renamed.values())
            names |= {slug: name for slug, name in self._database.find_renames(new).items() if name not in taken}
        # Only what is gone from its old place goes on in the new one; a listing may have missed it.
        names = {slug: name for slug, name in names.items() if self._storage.find(name) is None}
        stored = self._database.known_novels(dict.fromkeys(names.values()), whole=frozenset(names.values()))
        return {slug: stored[name] for slug, name in names.items() if name in stored and stored[name].fields}

    def _plan(
        self, file: _File, known: KnownNovel | None, former: KnownNovel | None, options: SyncOptions
    ) -> tuple[NovelWrite | None, NovelResult]:
        """The write for one file, and what it comes to once it is carried out."""
        novel, revision, size = file.novel, file.revision or 0, len(file.data)
        if file.book is None:
            write = plan_same_bytes(novel, file.checksum or "", revision)
            return write, NovelResult(novel.slug, NovelStatus.UNCHANGED, bytes_read=size)
        if isinstance(file.book, BookRefused):
            if file.data and self._storage.settling(novel):
                return None, _in_flight(novel)
            problem = Problem(novel.slug, ProblemKind.REFUSED, file.book.message, file.book.hint)
            log.warning("novel_refused", slug=novel.slug, reason=problem.message)
            write = plan_refusal(novel, revision, problem, file.refused_version)
            return write, _refused(novel.slug, problem, size, settled=bool(file.refused_version))
        accept = novel.slug in options.accept
        remark = _why_not_accepted(known) if accept else ""
        write = plan_novel(
            novel,
            file.checksum or "",
            file.book,
            known,
            former=former,
            limits=self._limits,
            accepted=accept and not remark,
        )
        return write, _result(write, file.book, size, remark)


def _with_answer(write: NovelWrite, result: NovelResult, context: RunContext) -> NovelWrite:
    return replace(write, answer=msgspec.to_builtins(result)) if context.answering else write


def _revision(known: KnownNovel | None) -> int | None:
    return known.revision if known else None


def _why_not_accepted(known: KnownNovel | None) -> str:
    if known is None or not known.held:
        return "nothing was held of it, so nothing was accepted"
    return "" if known.same else "its file has changed since it was shown, so nothing was accepted"


def _may_be_renamed(known: KnownNovel | None, book: Book) -> bool:
    """It has nothing that readers see; and if it had once, then no text of that."""
    return known is None or known.fields is None or (known.removed and not shares_text(known, book))


def _result(write: NovelWrite, book: Book, bytes_read: int, remark: str) -> NovelResult:
    counts = ChapterCounts(
        processed=len(book.chapters),
        created=len(write.created),
        updated=sum(not change.row.removed for change in write.changed),
        moved=len(write.moved),
        removed=len(write.removed),
        restored=sum(change.row.removed for change in write.changed),
        held=len(write.held_chapters) + len(write.held_texts),
        without_text=sum(not chapter.fetched for chapter in book.chapters),
    )
    former = write.former.slug if write.former else ""
    return NovelResult(write.slug, _status(write), counts, bytes_read, former=former, remark=remark)


def _status(write: NovelWrite) -> NovelStatus:
    if not write.visible:
        return NovelStatus.UNCHANGED
    if write.former:
        return NovelStatus.RENAMED
    if write.restored:
        return NovelStatus.RESTORED
    return NovelStatus.CREATED if write.is_new else NovelStatus.UPDATED


def _why_not(slug: str, outcome: WriteOutcome | WriteRejected) -> Problem | None:
    """What stands against a novel that the database did not take."""
    if isinstance(outcome, WriteRejected):
        return Problem(slug, ProblemKind.REFUSED, outcome.message, outcome.hint)
    if outcome is WriteOutcome.TAKEN:
        message = "the table novels has a row with this slug that NovelSync did not make"
        return Problem(slug, ProblemKind.REFUSED, message, "give that row another slug, or take it away")
    return None


def _refused(slug: str, problem: Problem, bytes_read: int, *, settled: bool) -> NovelResult:
    return NovelResult(slug, NovelStatus.REFUSED, bytes_read=bytes_read, problem=problem, settled=settled)


def _in_flight(novel: SourceFile) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.IN_FLIGHT, settled=False)


def _unavailable(novel: SourceFile, message: str, hint: str = "it is tried again by the next run") -> NovelResult:
    problem = Problem(novel.slug, ProblemKind.UNAVAILABLE, message, hint)
    return NovelResult(novel.slug, NovelStatus.UNAVAILABLE, problem=problem, settled=False)
