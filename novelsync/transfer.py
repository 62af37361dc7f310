"""
Bringing a few novels over: read their files, ask what the tables have, write what differs.

One novel's trouble never stops another: it ends as that novel's result.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog

from novelsync.changes import plan_novel, plan_refusal, plan_same_bytes
from novelsync.contracts import Database, Storage, WriteOutcome
from novelsync.errors import BookRefused, StorageUnavailable, WriteRejected
from novelsync.models import Book, KnownNovel, NovelWrite, Problem, ProblemKind, StoredNovel
from novelsync.reader import check_size, read_book
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
    revision: int | None
    """Of the novel in the database, from before the file was read; None: nothing was known of it."""
    data: bytes = b""
    checksum: str | None = None
    """Of ``data``; None if there is none, so that the database is asked for the revision alone."""
    refusal: BookRefused | None = None
    refused_version: str = ""
    """What to remember of a refused file: see `novelsync.changes.plan_refusal`."""


class Transfer:
    """Carries batches of novels from a storage to a database; may be used from several threads at once."""

    def __init__(self, storage: Storage, database: Database, max_file_bytes: int) -> None:
        self._storage = storage
        self._database = database
        self._max_file_bytes = max_file_bytes

    def carry(self, novels: Sequence[StoredNovel], known: Mapping[str, int], run_id: str | None) -> list[NovelResult]:
        """
        Makes the tables equal to the files of these novels, and says for each, in their order, what became of it.

        ``known``: the revisions the database had of them before this was called. A file is always read after the
        revision it is written on, so that older bytes never follow newer ones.
        Raises `DatabaseUnavailable` and `LeaseLost`.
        """
        results: dict[str, NovelResult] = {}
        waiting: list[tuple[StoredNovel, int | None]] = [(novel, known.get(novel.slug)) for novel in novels]
        for _ in range(REPLANS):
            files: list[_File] = []
            for novel, revision in waiting:
                read = self._read(novel, revision)
                if isinstance(read, NovelResult):
                    results[novel.slug] = read
                else:
                    files.append(read)
            stale, done = self._attempt(files, run_id)
            results |= {result.slug: result for result in done}
            if not stale:
                break
            waiting = self._look_again(stale, results)
        for novel, _revision in waiting:
            results.setdefault(novel.slug, _unavailable(novel, f"others wrote it {REPLANS} times meanwhile"))
        return [results[novel.slug] for novel in novels]

    def _look_again(
        self, novels: Sequence[StoredNovel], results: dict[str, NovelResult]
    ) -> list[tuple[StoredNovel, int | None]]:
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

    def _read(self, novel: StoredNovel, revision: int | None) -> _File | NovelResult:
        try:
            check_size(novel.size, self._max_file_bytes)
            data = self._storage.read(novel)
        except BookRefused as refusal:
            # Size limit and what the listing says against a file are part of its digest, so a quiet hour may rely on
            # them. But permissions may change without the file's version changing.
            listed = novel.unreadable or novel.size > self._max_file_bytes
            return _File(novel, revision, refusal=refusal, refused_version=f"refused {novel.version}" if listed else "")
        except StorageUnavailable as error:
            return _unavailable(novel, error.message, error.hint)
        if data is None:
            return _in_flight(novel)
        checksum = f"sha256:{sha256(data).hexdigest()}"
        return _File(novel, revision, data, checksum, refused_version=novel.version)

    def _attempt(self, files: Sequence[_File], run_id: str | None) -> tuple[list[StoredNovel], list[NovelResult]]:
        """Plans and writes these files once; returns what somebody else wrote in between, and what is done."""
        known = self._database.known_novels({f.novel.slug: f.checksum for f in files if f.revision is not None})
        planned: dict[str, tuple[_File, NovelResult]] = {}
        writes: list[NovelWrite] = []
        results: list[NovelResult] = []
        stale: list[StoredNovel] = []
        for file in files:
            slug = file.novel.slug
            if file.revision is not None and (slug not in known or known[slug].revision != file.revision):
                stale.append(file.novel)
                continue
            write, result = self._plan(file, known.get(slug))
            if write is None:
                results.append(result)
                continue
            planned[slug] = file, result
            writes.append(write)

        refused: list[NovelWrite] = []
        for write, outcome in self.write(writes, run_id):
            file, result = planned[write.slug]
            problem = _why_not(write.slug, outcome)
            if outcome is WriteOutcome.STALE:
                stale.append(file.novel)
            elif problem:
                refused.append(plan_refusal(file.novel, write.revision, problem, ""))
                results.append(_refused(write.slug, problem, result.bytes_read, settled=False))
            else:
                results.append(result)
        for _ in self.write(refused, run_id):
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
            write = plan_refusal(novel, file.revision or 0, problem, file.refused_version)
            return write, _refused(novel.slug, problem, len(file.data), settled=bool(file.refused_version))
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


def _in_flight(novel: StoredNovel) -> NovelResult:
    return NovelResult(novel.slug, NovelStatus.IN_FLIGHT, settled=False)


def _unavailable(novel: StoredNovel, message: str, hint: str = "it is tried again by the next run") -> NovelResult:
    problem = Problem(novel.slug, ProblemKind.UNAVAILABLE, message, hint)
    return NovelResult(novel.slug, NovelStatus.UNAVAILABLE, problem=problem, settled=False)
