"""
The SQL functions of ``supabase/migrations`` as Python: models in and out, over any transport.

It knows nothing of connections.
"""

import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import msgspec

from novelsync.database import answers as answered
from novelsync.database.clients.desk import DeskClient
from novelsync.database.clients.messages import MessageClient
from novelsync.database.clients.notices import NoticeClient, VerdictClient
from novelsync.database.clients.removed_rows import RemovedRowsClient
from novelsync.database.clients.takedowns import TakedownClient
from novelsync.database.functions import (
    BEGIN,
    COMPARED,
    FIND_RENAMES,
    FINISH,
    KNOWN_FILES,
    KNOWN_NOVELS,
    MARK_MISSING,
    NOVELS_WITH,
    NOVELS_WITH_TEXTS,
    OPEN_PROBLEMS,
    PEEK,
    PROBLEMS,
    REMOVE,
    RENEW,
    SERVER_INFO,
    STATUS,
    TAKEDOWNS,
    TEXTS,
    WITHHOLD,
    WRITE,
    SqlFunction,
)
from novelsync.database.requests import write_request
from novelsync.database.staging import Staging
from novelsync.database.transports import Transport
from novelsync.database.transports.retrying import Patience, RetryingTransport
from novelsync.database.transports.sqlstates import NOT_READY_HINT
from novelsync.errors import (
    DatabaseNotReady,
    DatabaseUnavailable,
    PayloadTooLarge,
    RunInProgress,
)
from novelsync.models.desk.problems import ProblemPage
from novelsync.models.desk.takedowns import Takedown, WithheldRecord
from novelsync.models.problems import HeldRemovals, OpenProblems
from novelsync.models.report import Report, timestamp
from novelsync.models.run import ComparingState, Difference, RunState
from novelsync.models.source import Fingerprint
from novelsync.models.status import DatabaseStatus, ServerInfo
from novelsync.models.stored import KnownChapter, KnownFile, KnownNovel
from novelsync.models.writing import NovelWrite, WriteOutcome

SCHEMA: Final = "20261127101000"
"""The version of the newest migration, for which this client is written."""

CALL_BYTES: Final = 3_000_000
"""Bytes of text per call. PostgREST needs eight times a body in memory (50 MB: 415 MB), and we about five times."""

TEXT_BYTES_PER_PAGE: Final = 4_000_000
"""Bytes of stored texts per call."""

PAGE: Final = 20_000
"""Rows of the bookkeeping per call: about 1.5 MB."""

ASKED_NOVELS: Final = 100
"""Novels per search for renames: within the second that each may take, all of them are looked for."""


class SqlClient:
    """A `novelsync.contracts.databases.Database` over any transport."""

    def __init__(self, transport: Transport, patience: Patience | None = None) -> None:
        """``patience``: told when this client takes, renews and releases the lease."""
        self._transport = transport
        self._patience = patience or Patience()
        self.name = transport.name
        self.desk = DeskClient(self._call)
        self.messages = MessageClient(self._call)
        self.notices = NoticeClient(self._call)
        self.removed_rows = RemovedRowsClient(self._call)
        self.takedowns = TakedownClient(self._call)
        self.verdicts = VerdictClient(self._call)
        self.close = transport.close
        self._schema_checked = False

    @classmethod
    def patient(
        cls,
        transport: Transport,
        *,
        stopped: threading.Event | None = None,
        time_budget: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> "SqlClient":
        """
        A client that repeats calls after transient trouble.

        ``stopped``: ends all waiting once it is set. ``time_budget``: of a run, in seconds from its beginning.
        """
        patience = Patience(time_budget, clock)
        return cls(RetryingTransport(transport, patience, stopped=stopped), patience)

    def _call(self, function: SqlFunction, request: Mapping[str, Any]) -> Any:
        try:
            return self._transport.call(function.name, request)
        except PayloadTooLarge as error:
            if function.divisible:
                raise
            raise DatabaseUnavailable(
                f"{self.name} could not answer: {error.message}", "try again; its log may say more"
            ) from error

    def _checked(self, answer: Any) -> Any:
        """The same answer, which tells the schema. Raises `DatabaseNotReady` if that is older than `SCHEMA`."""
        if (found := answer.get("schema", "")) >= SCHEMA:
            self._schema_checked = True
            return answer
        raise DatabaseNotReady(
            f"{self.name} has the functions of an older NovelSync, {found or 'without a version'};"
            f" this one needs {SCHEMA}",
            NOT_READY_HINT,
        )

    # Runs ---------------------------------------------------------------------

    def begin(self, run_id: str, trigger: str, holder: str, seconds: int) -> RunState:
        request = {"run_id": run_id, "trigger": trigger, "holder": holder, "seconds": seconds, "schema": SCHEMA}
        asked = self._patience.now()
        answer = self._checked(self._call(BEGIN, request))
        if not answer["acquired"]:
            since = datetime.fromisoformat(answer["since"])
            raise RunInProgress(
                f"another run is in progress: {answer['holder']}, since {timestamp(since)}",
                "wait for it to end; if it was killed, its lease lapses within a minute",
            )
        self._patience.lease_taken(run_id, asked + seconds)
        return answered.run_state(answer["run_state"], answer["digest"])

    def peek(self) -> RunState:
        return answered.run_state(self._checked(self._call(PEEK, {})), None)

    def renew(
        self, run_id: str, seconds: int, resume_at: str | None = None, progress: tuple[int, int] | None = None
    ) -> bool:
        said = progress and {"done": progress[0], "total": progress[1]}
        request = {"run_id": run_id, "seconds": seconds, "resume_at": resume_at, "progress": said}
        asked = self._patience.now()
        renewed = bool(self._call(RENEW, request)["held"])
        if renewed:
            self._patience.lease_renewed(run_id, asked + seconds)
        return renewed

    def finish(
        self,
        run_id: str,
        report: Report,
        *,
        digest: str | None = None,
        quiet: bool = False,
        resume_at: str | None = None,
    ) -> None:
        request = {"run_id": run_id, "outcome": report.outcome, "report": report.as_dict()}
        try:
            self._call(FINISH, request | {"digest": digest, "quiet": quiet, "resume_at": resume_at})
        finally:
            self._patience.lease_released(run_id)

    # What is known --------------------------------------------------------------

    def known_files(self) -> Iterator[KnownFile]:
        after = ""
        while True:
            page = self._call(KNOWN_FILES, {"after": after, "limit": PAGE})
            yield from map(KnownFile._make, zip(*(page[column] for column in KnownFile._fields), strict=True))
            if len(page["slug"]) < PAGE:
                return
            after = f"{page['slug'][-1]}/"

    def with_texts(self) -> frozenset[str]:
        slugs: list[str] = []
        while page := self._call(NOVELS_WITH_TEXTS, {"after": slugs[-1] if slugs else "", "limit": PAGE}):
            slugs += page
        return frozenset(slugs)

    def known_novels(
        self, checksums: Mapping[str, str | None], *, whole: Container[str] = (), verify: bool = False
    ) -> Mapping[str, KnownNovel]:
        if not checksums:
            return {}
        if not self._schema_checked:
            self.peek()
        novels = [{"slug": slug, "checksum": checksum, "whole": slug in whole} for slug, checksum in checksums.items()]
        answers = self._call(KNOWN_NOVELS, {"novels": novels, "verify": verify})
        return {answer["slug"]: answered.known_novel(answer) for answer in answers}

    def texts(self, chapters: Iterable[KnownChapter]) -> Iterator[tuple[str, str]]:
        for page in _pages(chapters):
            yield from self._call(TEXTS, {"ids": page})

    def novels_with(self, hashes: Sequence[bytes]) -> Mapping[bytes, frozenset[str]]:
        found = self._call(NOVELS_WITH, {"hashes": [each.hex() for each in hashes]})
        return {bytes.fromhex(each): frozenset(slugs) for each, slugs in found}

    def find_renames(
        self, novels: Mapping[str, Fingerprint] | None, missing: Sequence[str] = (), *, taken_by: str | None = None
    ) -> Sequence[tuple[str, str]]:
        parts: list[list[dict[str, Any]] | None] = [None]  # all that were stored lately
        if novels is not None:
            given = [
                {
                    "slug": slug,
                    "checksum": novel.checksum,
                    "texts": [text.hex() for text in novel.texts],
                    "title": novel.title,
                }
                for slug, novel in novels.items()
            ]
            parts = [given[n : n + ASKED_NOVELS] for n in range(0, len(given), ASKED_NOVELS)]
        asked = {"missing": missing, "taken_by": taken_by}
        found = [self._call(FIND_RENAMES, {"novels": part, **asked}) for part in parts]
        return [(pair["slug"], pair["former"]) for pairs in found for pair in pairs]

    def open_problems(
        self, slugs: Sequence[str] | None = None, *, without: Sequence[str] = (), present: Sequence[str] = ()
    ) -> OpenProblems:
        request = {"slugs": slugs, "without": without, "present": present}
        return answered.open_problems(self._call(OPEN_PROBLEMS, request))

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
        found = [
            {"slug": problem.slug, "revision": revision, "message": problem.message, "hint": problem.hint}
            for problem, revision in differing
        ]
        request: dict[str, Any] = {"run_id": run_id, "round": state.round, "after": state.after}
        request |= {"compared": state.compared, "ended": ended, "trouble": trouble, "equal": equal, "differing": found}
        return bool(self._call(COMPARED, request)["told"])

    def status(self) -> DatabaseStatus:
        return answered.database_status(self._checked(self._call(STATUS, {})))

    def problems(self, kind: str, after: str | None, limit: int) -> ProblemPage:
        answer = self._call(PROBLEMS, {"kind": kind, "after": after, "limit": limit})
        return answered.problem_page(answer, kind, limit)

    def server_info(self) -> ServerInfo:
        return answered.server_info(self._call(SERVER_INFO, {}))

    # Takedowns --------------------------------------------------------------------

    def takedowns_in_force(self) -> Sequence[Takedown]:
        return msgspec.convert(self._call(TAKEDOWNS, {"signs": True}), list[Takedown])

    def withhold(self, run_id: str | None, records: Sequence[WithheldRecord]) -> None:
        novels = [
            {
                "slug": slug,
                "revision": revision,
                "whole": withheld.whole,
                "chapters": len(withheld.chapters),
                "takedowns": withheld.takedowns,
                "ids": ids,
            }
            for slug, revision, withheld, ids in records
        ]
        self._call(WITHHOLD, {"run_id": run_id, "novels": novels})

    # Writing --------------------------------------------------------------------

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        if len(writes) != 1:
            return self._write(run_id, writes)
        write = self.stage(run_id, writes[0], out_of_time)
        if isinstance(write, WriteOutcome):
            return [write]
        try:
            return self._write(run_id, [write])
        except PayloadTooLarge:
            if write.staged or not write.chapters.text_bytes:
                raise
        staged = self._stage(run_id, write, out_of_time)
        return [staged] if isinstance(staged, WriteOutcome) else self._write(run_id, [staged])

    def _write(self, run_id: str | None, writes: Sequence[NovelWrite]) -> list[WriteOutcome]:
        answer = self._call(WRITE, write_request(run_id, writes))
        return [WriteOutcome(outcome) for outcome in answer]

    def stage(
        self, run_id: str | None, write: NovelWrite, out_of_time: Callable[[], bool] = lambda: False
    ) -> NovelWrite | WriteOutcome:
        is_small = write.staged or write.chapters.text_bytes <= CALL_BYTES
        return write if is_small else self._stage(run_id, write, out_of_time)

    def _stage(
        self, run_id: str | None, write: NovelWrite, out_of_time: Callable[[], bool]
    ) -> NovelWrite | WriteOutcome:
        part_bytes = min(CALL_BYTES, write.chapters.text_bytes // 2)
        parts = Staging(self._call, out_of_time).stage(run_id, write, part_bytes)
        return parts if isinstance(parts, WriteOutcome) else write.staged_in(parts)

    def mark_missing(
        self, run_id: str, missing: Sequence[str], returned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        request = {"run_id": run_id, "missing": missing, "returned": returned, "forgotten": forgotten}
        self._call(MARK_MISSING, request)

    def remove(
        self, run_id: str, novels: Mapping[str, int], *, accepted: bool, held: HeldRemovals | None
    ) -> Sequence[str]:
        held_removals = held and asdict(held)
        request = {"run_id": run_id, "slugs": list(novels), "revisions": list(novels.values())}
        answer = self._call(REMOVE, request | {"accepted": accepted, "held_removals": held_removals})
        return [str(slug) for slug in answer["removed"]]


def _pages(chapters: Iterable[KnownChapter]) -> Iterator[list[str]]:
    """Their ids, in lists whose texts have about `TEXT_BYTES_PER_PAGE` together."""
    page: list[str] = []
    size = 0
    for chapter in chapters:
        if page and size + chapter.content_bytes > TEXT_BYTES_PER_PAGE:
            yield page
            page, size = [], 0
        page.append(chapter.id)
        size += chapter.content_bytes
    if page:
        yield page
