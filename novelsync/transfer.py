"""
Bringing a few novels over: read their files, ask what the tables have, write what differs.

One novel's trouble never stops another: it ends as that novel's result.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog

from novelsync.changes import plan_novel, plan_refusal, plan_same_bytes
from novelsync.contracts import Database, Storage, WriteOutcome
from novelsync.errors import BookRefused, StorageUnavailable, WriteRejected
from novelsync.models import Book, KnownNovel, NovelWrite, Problem, ProblemKind, StoredNovel
from novelsync.reader import read_book
from novelsync.report import ChapterCounts, NovelResult, NovelStatus

BATCH_BYTES = 4_000_000
"""Of files read together and written in one call."""

BATCH_NOVELS = 500

REPLANS = 3
"""How often a novel is planned anew because somebody else wrote it in between."""

log = structlog.get_logger()


def batches(novels: Iterable[StoredNovel]) -> Iterator[list[StoredNovel]]:
    """Several small novels together, a large one alone."""
    batch: list[StoredNovel] = []
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
class _File:
    """A file that was read, or why it cannot be."""

    novel: StoredNovel
    data: bytes = b""
    checksum: str | None = None
    """Of ``data``; None if there is none, so that the database is asked for the revision alone."""
    refusal: BookRefused | None = None
    settled: bool = True


class Transfer:
    """Carries batches of novels from a storage to a database; may be used from several threads at once."""

    def __init__(self, storage: Storage, database: Database, max_file_bytes: int) -> None:
        self._storage = storage
        self._database = database
        self._max_file_bytes = max_file_bytes

    def carry(self, novels: Sequence[StoredNovel], known: Container[str], run_id: str | None) -> list[NovelResult]:
        """
        Makes the tables equal to the files of these novels, and says for each, in their order, what became of it.

        ``known``: slugs the database has to be asked about, because it may have something of them.
        Raises `DatabaseUnavailable` and `LeaseLost`.
        """
        results: dict[str, NovelResult] = {}
        files: list[_File] = []
        for novel in novels:
            read = self._read(novel)
            if isinstance(read, NovelResult):
                results[novel.slug] = read
            else:
                files.append(read)
        ask = {file.novel.slug for file in files if file.novel.slug in known}
        for _ in range(REPLANS):
            files, done = self._attempt(files, ask, run_id)
            results |= {result.slug: result for result in done}
            ask = {file.novel.slug for file in files}
        for file in files:
            results[file.novel.slug] = _unavailable(file.novel, f"it was written by somebody else {REPLANS} times")
        return [results[novel.slug] for novel in novels]

    def write(
        self, writes: Sequence[NovelWrite], run_id: str | None
    ) -> Iterator[tuple[NovelWrite, WriteOutcome | WriteRejected]]:
        """Carries out all the database accepts: a refused call is halved until the novel at fault is alone."""
        if not writes:
            return
        try:
            yield from zip(writes, self._database.write(run_id, writes), strict=True)
        except WriteRejected as error:
            if len(writes) == 1:
                yield writes[0], error
                return
            half = len(writes) // 2
            yield from self.write(writes[:half], run_id)
            yield from self.write(writes[half:], run_id)

    def _read(self, novel: StoredNovel) -> _File | NovelResult:
        if novel.size > self._max_file_bytes:
            reason = f"the file has {novel.size:,} bytes, over the limit of {self._max_file_bytes:,}"
            # The limit is part of the listing's digest, so a quiet hour may rely on this.
            return _File(novel, refusal=BookRefused([reason], "raise NOVELSYNC_MAX_FILE_BYTES, or split the novel"))
        try:
            data = self._storage.read(novel)
        except BookRefused as refusal:
            # Permissions may change without the file's version changing.
            return _File(novel, refusal=refusal, settled=False)
        except StorageUnavailable as error:
            return _unavailable(novel, error.message, error.hint)
        if data is None:
            return _in_flight(novel)
        return _File(novel, data, f"sha256:{sha256(data).hexdigest()}")

    def _attempt(
        self, files: Sequence[_File], ask: Container[str], run_id: str | None
    ) -> tuple[list[_File], list[NovelResult]]:
        """Plans and writes these files once; returns those that somebody else wrote in between, and what is done."""
        known = self._database.known_novels({f.novel.slug: f.checksum for f in files if f.novel.slug in ask})
        by_slug: dict[str, _File] = {}
        expected: dict[str, NovelResult] = {}
        writes: list[NovelWrite] = []
        results: list[NovelResult] = []
        for file in files:
            write, result = self._plan(file, known.get(file.novel.slug))
            if write is None:
                results.append(result)
                continue
            by_slug[write.slug], expected[write.slug] = file, result
            writes.append(write)

        stale: list[_File] = []
        rejected: list[NovelWrite] = []
        for write, outcome in self.write(writes, run_id):
            if isinstance(outcome, WriteRejected):
                problem = Problem(write.slug, ProblemKind.REFUSED, outcome.message, outcome.hint)
                rejected.append(plan_refusal(by_slug[write.slug].novel, write.revision, problem, final=False))
                results.append(_refused(write.slug, problem, expected[write.slug].bytes_read, settled=False))
            elif outcome is WriteOutcome.STALE:
                stale.append(by_slug[write.slug])
            else:
                results.append(expected[write.slug])
        for _ in self.write(rejected, run_id):
            pass
        return stale, results

    def _plan(self, file: _File, known: KnownNovel | None) -> tuple[NovelWrite | None, NovelResult]:
        """The write for one file, and what it comes to once it is carried out."""
        novel = file.novel
        if known and known.same and file.checksum:
            write = plan_same_bytes(novel, file.checksum, known)
            return write, NovelResult(novel.slug, NovelStatus.UNCHANGED, bytes_read=len(file.data))
        try:
            if file.refusal:
                raise file.refusal
            book = read_book(file.data)
        except BookRefused as refusal:
            if file.data and self._storage.settling(novel):
                return None, _in_flight(novel)
            problem = Problem(novel.slug, ProblemKind.REFUSED, refusal.message, refusal.hint)
            log.warning("novel_refused", slug=novel.slug, reason=refusal.message)
            write = plan_refusal(novel, known.revision if known else 0, problem, final=file.refusal is None)
            return write, _refused(novel.slug, problem, len(file.data), settled=file.settled)
        write = plan_novel(novel, file.checksum or "", book, known)
        return write, _result(write, book, len(file.data))


def _result(write: NovelWrite, book: Book, bytes_read: int) -> NovelResult:
    counts = ChapterCounts(
        processed=len(book.chapters),
        created=len(write.created),
        updated=len(write.changed),
        moved=len(write.moved),
        held=write.kept,
        without_text=sum(not chapter.fetched for chapter in book.chapters),
    )
    changed = NovelStatus.CREATED if write.is_new else NovelStatus.UPDATED
    return NovelResult(write.slug, changed if write.visible else NovelStatus.UNCHANGED, counts, bytes_read)


def _refused(slug: str, problem: Problem, bytes_read: int, *, settled: bool) -> NovelResult:
    return NovelResult(slug, NovelStatus.REFUSED, bytes_read=bytes_read, problem=problem, settled=settled)


def _in_flight(novel: StoredNovel) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.IN_FLIGHT, settled=False)


def _unavailable(novel: StoredNovel, message: str, hint: str = "it is tried again by the next run") -> NovelResult:
    problem = Problem(novel.slug, ProblemKind.UNAVAILABLE, message, hint)
    return NovelResult(novel.slug, NovelStatus.UNAVAILABLE, problem=problem, settled=False)
