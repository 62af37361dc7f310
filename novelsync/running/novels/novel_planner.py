"""Plans what is to be written for some files that were read, with what the database has to be asked for that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import structlog

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import Novels
from novelsync.errors import BookRefused, StorageUnavailable
from novelsync.evidence.seen import TELLING_LETTERS, Seen, see
from novelsync.evidence.texts import rows_to_see
from novelsync.models.desk.takedowns import Withheld
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import RunContext
from novelsync.models.source import Book, BookChapter, SourceFile
from novelsync.models.stored import KnownChapter, KnownNovel, version_by
from novelsync.models.writing import NovelWrite
from novelsync.novel_reader import ReadFile
from novelsync.planning.acceptance import stays_held, why_not_accepted
from novelsync.planning.diff import result_of
from novelsync.planning.guards.limits import Limits
from novelsync.planning.novel_plan import as_held, base_of, plan_novel, plan_refusal, plan_same_bytes
from novelsync.running.novels.outcomes import in_flight, refused, unavailable
from novelsync.running.novels.renames import Moves, Renames
from novelsync.running.novels.request_ids import request_id

MOST_HASHES: Final = 5_000
"""Of texts that are looked for in other novels, at once: about 400 kB."""

log = structlog.get_logger()


class Looked(NamedTuple):
    """A file with all of its texts, and what is stored of its novel."""

    file: ReadFile
    known: KnownNovel | None
    withheld: Withheld


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be written for one file, and the result once it is written."""

    novel: SourceFile
    """As it was when it was read."""
    write: NovelWrite
    result: NovelResult
    known: KnownNovel | None
    is_book: bool
    """The file was looked into, and is one."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What stored texts say."""

    seen: Mapping[str, Seen]
    """By the rows' ids."""
    holders: Mapping[bytes, frozenset[str]]
    """By the texts' hashes, the slugs of the novels that have them."""


class NovelPlanner:
    """May be used from several threads at once."""

    def __init__(self, storage: Storage, database: Novels, renames: Renames, limits: Limits, rules: str) -> None:
        """``rules``: that files are judged by."""
        self._storage = storage
        self._database = database
        self._renames = renames
        self._limits = limits
        self._rules = rules

    def plan(self, looked: Sequence[Looked], context: RunContext) -> tuple[list[Planned], list[NovelResult]]:
        """What is to be written, and the results of those for which that cannot be told."""
        files = [(file, known) for file, known, withheld in looked if not withheld.whole]
        moves = self._renames.find(files, context)
        stored = self._look_at_stored(files, moves)
        planned: list[Planned] = []
        results: list[NovelResult] = []
        for file, known, withheld in looked:
            if trouble := moves.undecided.get(file.novel.slug):
                results.append(unavailable(file.novel, trouble.message, trouble.hint))
                continue
            try:
                plan = self._plan(file, known, moves, stored, context, withheld)
            except StorageUnavailable as error:
                plan = unavailable(file.novel, error.message, error.hint)
            if isinstance(plan, NovelResult):
                results.append(plan)
            else:
                planned.append(plan)
        return planned, results

    def _look_at_stored(self, files: Sequence[tuple[ReadFile, KnownNovel | None]], moves: Moves) -> _Stored:
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
        stored: _Stored,
        context: RunContext,
        withheld: Withheld,
    ) -> Planned | NovelResult:
        """What to write for one file; a result alone if that is nothing."""
        novel, revision, size = file.novel, known.revision if known else 0, file.bytes_read
        if file.book is None:
            write = plan_same_bytes(novel, file.checksum or "", known, request_id=request_id())
            result = NovelResult(novel.slug, NovelStatus.UNCHANGED, bytes_read=size)
        elif isinstance(file.book, BookRefused):
            if file.size and self._storage.settling(novel):
                return in_flight(novel)
            problem = Problem(novel.slug, ProblemKind.REFUSED, file.book.message, file.book.hint)
            log.warning("novel_refused", slug=novel.slug, reason=problem.message)
            # A version of another form says that the file is to be read again in any case, see `NovelReader.read`.
            version = version_by(novel.state, self._rules) if file.version == novel.state else file.version
            write = plan_refusal(novel, revision, problem, version, request_id=request_id())
            result = refused(novel.slug, problem, size, settled=bool(version))
        else:
            write, result = self._plan_book(file, file.book, known, moves, stored, context, withheld)
        return Planned(novel, with_result(write, result, context), result, known, isinstance(file.book, Book))

    def _plan_book(
        self,
        file: ReadFile,
        book: Book,
        known: KnownNovel | None,
        moves: Moves,
        stored: _Stored,
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
        acceptance = context.options.acceptances.get(slug)
        plan = as_held(plan, stays_held(former or known, acceptance, self._rules))
        write, remark, nothing_held = plan(), None, False
        if acceptance:
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


def with_result(write: NovelWrite, result: NovelResult, context: RunContext) -> NovelWrite:
    """A write that also answers the message that asked for it, if one did."""
    return replace(write, result=result) if context.by_message else write
