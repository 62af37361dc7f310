"""
The SQL functions of ``supabase/migrations`` as Python: models in and out, over any transport.

It knows the JSON of every function's answer, and nothing of connections.
"""

import threading
import time
from base64 import b64decode
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, Final

import msgspec

from novelsync.contracts import NoticeReceiver
from novelsync.database.desk import DeskClient, run_summary
from novelsync.database.functions import (
    ALERT_TOLD,
    ANSWER,
    ANSWERS,
    BEGIN,
    FIND_RENAMES,
    FINISH,
    HAND_OUT,
    KNOWN_FILES,
    KNOWN_NOVELS,
    MARK_MISSING,
    NOTE_VERDICT,
    NOTICES_TAKEN,
    NOVELS_WITH,
    NOVELS_WITH_TEXTS,
    OPEN_PROBLEMS,
    PEEK,
    PROBLEMS,
    PURGE,
    REMOVE,
    REMOVED,
    RENEW,
    SERVER_INFO,
    STAGE,
    STATUS,
    TAKE_NOTICES,
    TEXTS,
    WRITE,
    SqlFunction,
)
from novelsync.database.requests import KEPT, halves, stage_requests, write_request
from novelsync.database.transports import Transport
from novelsync.database.transports.retrying import Patience, RetryingTransport
from novelsync.database.transports.sqlstates import NOT_READY_HINT
from novelsync.errors import (
    DatabaseNotReady,
    DatabaseUnavailable,
    PayloadTooLarge,
    RunInProgress,
    TimeBudgetExceeded,
)
from novelsync.models.problems import HeldRemovals, OpenProblems, Problem, ProblemKind
from novelsync.models.report import Report, whole_seconds
from novelsync.models.results import NovelResult, Outcome
from novelsync.models.run import MessageState, RunState
from novelsync.models.source import Fingerprint, NovelFields
from novelsync.models.status import (
    Alert,
    DatabaseStatus,
    FinishedRun,
    ListedProblem,
    Metrics,
    NoticeBatch,
    ProblemPage,
    RunInFlight,
    ServerInfo,
    Verdict,
)
from novelsync.models.stored import KnownChapter, KnownFile, KnownNovel, MissingFile, Purged, PurgeSelection, Removed
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.text.formatting import counted

SCHEMA: Final = "20261127101000"
"""The version of the newest migration, for which this client is written."""

CALL_BYTES: Final = 3_000_000
"""Bytes of text per call. PostgREST needs eight times a body in memory (50 MB: 415 MB), and we about five times."""

PARTS_AT_ONCE: Final = 2
"""Parts of one large novel that are sent at once: the database compresses one while it receives the next."""

SPARE_PARTS: Final = 1_000_000
"""The first number for the halves of a part that was too large: no novel has so many parts."""

TEXT_BYTES_PER_PAGE: Final = 4_000_000
"""Bytes of stored texts per call."""

PURGED_CHAPTERS: Final = 2_000
"""Chapters per call: deleting a text takes about a tenth of a millisecond per page."""

PAGE: Final = 20_000
"""Rows of the bookkeeping per call: about 1.5 MB."""

ASKED_NOVELS: Final = 100
"""Novels per search for renames: within the second that each may take, all of them are looked for."""

ANSWERS_PER_PAGE: Final = 5_000
"""Answers to a run's messages per call: about 1.5 MB."""


class SqlClient:
    """A `novelsync.contracts.Database` over any transport."""

    def __init__(self, transport: Transport, patience: Patience | None = None) -> None:
        """``patience``: told when this client takes, renews and releases the lease."""
        self._transport = transport
        self._patience = patience or Patience()
        self.name = transport.name
        self.desk = DeskClient(self._call)
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
            raise RunInProgress(
                f"another run is in progress: {answer['holder']}, since {answer['since']}",
                "wait for it to end; if it was killed, its lease lapses within a minute",
            )
        self._patience.lease_taken(run_id, asked + seconds)
        return _run_state(answer["run_state"], answer["digest"])

    def peek(self) -> RunState:
        return _run_state(self._checked(self._call(PEEK, {})), None)

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
            self._patience.lease_released()

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
        return {answer["slug"]: _known_novel(answer) for answer in answers}

    def texts(self, chapters: Iterable[KnownChapter]) -> Iterator[tuple[str, str]]:
        for page in _pages(chapters):
            yield from self._call(TEXTS, {"ids": page})

    def novels_with(self, hashes: Sequence[bytes]) -> Mapping[bytes, frozenset[str]]:
        found = self._call(NOVELS_WITH, {"hashes": [each.hex() for each in hashes]})
        return {bytes.fromhex(each): frozenset(slugs) for each, slugs in found}

    def find_renames(
        self, novels: Mapping[str, Fingerprint] | None, missing: Sequence[str] = (), *, taken_by: str | None = None
    ) -> Sequence[tuple[str, str]]:
        given = novels and [
            {"slug": slug, "checksum": novel.checksum, "texts": [text.hex() for text in novel.texts]}
            for slug, novel in novels.items()
        ]
        parts = [given[n : n + ASKED_NOVELS] for n in range(0, len(given), ASKED_NOVELS)] if given else [None]
        asked = {"missing": missing, "taken_by": taken_by}
        found = [self._call(FIND_RENAMES, {"novels": part, **asked}) for part in parts]
        return [(pair["slug"], pair["former"]) for pairs in found for pair in pairs]

    def open_problems(
        self, slugs: Sequence[str] | None = None, *, without: Sequence[str] = (), present: Sequence[str] = ()
    ) -> OpenProblems:
        return _open_problems(self._call(OPEN_PROBLEMS, {"slugs": slugs, "without": without, "present": present}))

    def status(self) -> DatabaseStatus:
        return _database_status(self._checked(self._call(STATUS, {})))

    def problems(self, kind: str, after: str | None, limit: int) -> ProblemPage:
        answer = self._call(PROBLEMS, {"kind": kind, "after": after, "limit": limit})
        problems = [
            ListedProblem(
                p["slug"] or None,
                kind,
                p["message"],
                p["hint"],
                p["title"],
                whole_seconds(datetime.fromisoformat(p["since"])) if p["since"] else None,
            )
            for p in answer["problems"]
        ]
        return ProblemPage(kind, answer["total"], problems, problems[-1].slug if len(problems) == limit else None)

    def server_info(self) -> ServerInfo:
        answer = self._call(SERVER_INFO, {})
        now = datetime.fromisoformat(answer["now"])
        return ServerInfo(answer["schema"], answer["server"], answer["role"], answer["bytes"], now)

    # Alerts -----------------------------------------------------------------------

    def note_verdict(
        self, verdict: Verdict, reasons: Sequence[str], at: datetime, claim: str, seconds: int
    ) -> Alert | None:
        request = {"verdict": verdict, "reasons": reasons, "at": at, "claim": claim, "seconds": seconds}
        return msgspec.convert(self._call(NOTE_VERDICT, request)["alert"], Alert | None)

    def alert_told(self, alert: Alert, claim: str, *, told: bool, pause: int = 0) -> None:
        self._call(ALERT_TOLD, {"id": alert.id, "claim": claim, "told": told, "pause": pause})

    # Notices ----------------------------------------------------------------------

    def take_notices(
        self, receiver: NoticeReceiver, claim: str, *, known_for: float, seconds: float, most: int
    ) -> NoticeBatch:
        request: dict[str, Any] = {"receiver": receiver.id, "name": receiver.name, "claim": claim}
        request |= {"known_for": known_for, "seconds": seconds, "most": most}
        return msgspec.convert(self._call(TAKE_NOTICES, request), NoticeBatch)

    def notices_taken(self, receiver: NoticeReceiver, claim: str, upto: int, failure: str | None) -> None:
        self._call(NOTICES_TAKEN, {"receiver": receiver.id, "claim": claim, "upto": upto, "failure": failure})

    # Writing --------------------------------------------------------------------

    def write(
        self, run_id: str | None, writes: Sequence[NovelWrite], out_of_time: Callable[[], bool] = lambda: False
    ) -> Sequence[WriteOutcome]:
        if len(writes) != 1:
            return self._write(run_id, writes, 0)
        size = writes[0].chapters.text_bytes
        if size <= CALL_BYTES:
            try:
                return self._write(run_id, writes, 0)
            except PayloadTooLarge:
                if not size:
                    raise
        parts = self._stage(run_id, writes[0], out_of_time)
        return [WriteOutcome.STALE] if parts is None else self._write(run_id, writes, parts)

    def _write(self, run_id: str | None, writes: Sequence[NovelWrite], staged: int) -> list[WriteOutcome]:
        """``staged``: in how many parts the text went ahead; 0: it is sent here."""
        answer = self._call(WRITE, write_request(run_id, writes, staged))
        return [WriteOutcome(outcome) for outcome in answer]

    def _stage(
        self, run_id: str | None, write: NovelWrite, out_of_time: Callable[[], bool] = lambda: False
    ) -> int | None:
        """
        Sends a large novel's text ahead, unseen by readers. Returns in how many parts; None if the write is stale.

        Raises `TimeBudgetExceeded` once ``out_of_time`` says so.
        """
        requests = stage_requests(run_id, write, min(CALL_BYTES, write.chapters.text_bytes // 2))
        spare = count(SPARE_PARTS)
        # Alone, because it opens the staging.
        staged = [self._stage_part(next(requests), spare, out_of_time)]
        under_way: set[Future[int]] = set()
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part") as pool:
            for request in requests if all(staged) else ():
                if out_of_time():
                    raise TimeBudgetExceeded(f"{write.slug} was broken off after {counted(sum(staged), 'part')}")
                try:
                    under_way.add(pool.submit(self._stage_part, request, spare, out_of_time))
                except RuntimeError:
                    # A process that is ending starts no more threads, but finishes this novel.
                    staged.append(self._stage_part(request, spare, out_of_time))
                if len(under_way) == PARTS_AT_ONCE:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    staged += [future.result() for future in done]
                if not all(staged):
                    break
        staged += [future.result() for future in under_way]
        return sum(staged) if all(staged) else None

    def _stage_part(self, part: Mapping[str, Any], spare: Iterator[int], out_of_time: Callable[[], bool]) -> int:
        """
        Sends one part, halved until it passes. Returns in how many parts it went; 0 if the write is stale.

        ``spare``: part numbers for halves.
        """
        try:
            return int(self._call(STAGE, part)["outcome"] == "staged")
        except PayloadTooLarge as error:
            if not (smaller := halves(part)):
                raise
            if out_of_time():
                raise TimeBudgetExceeded(error.message) from error
        staged = []
        for n, half in enumerate(smaller):
            # Numbers of their own: had the whole part gone in after all, the write would find one part too many, and be
            # stale. But the first part opens the staging, and must be number 1.
            number = 1 if part["part"] == 1 and n == 0 else next(spare)
            staged.append(self._stage_part({**half, "part": number}, spare, out_of_time))
            if not staged[-1]:
                return 0
        return sum(staged)

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

    def removed(self, selection: PurgeSelection) -> Removed:
        return msgspec.convert(self._call(REMOVED, asdict(selection)), Removed)

    def purge(self, selection: PurgeSelection, before: str, *, published: bool = False) -> Iterator[Purged]:
        request = asdict(selection) | {"before": before, "published": published, "limit": PURGED_CHAPTERS}
        while any(piece := Purged(**self._call(PURGE, request))):
            yield piece

    # Messages ---------------------------------------------------------------------

    def hand_out(self, run_id: str, slugs: Sequence[str], *, formers: Sequence[str] = (), close: bool = False) -> int:
        request = {"run_id": run_id, "slugs": slugs, "formers": formers, "close": close}
        return int(self._call(HAND_OUT, request)["open"])

    def message_state(self, run_id: str, slug: str) -> MessageState:
        return MessageState(self._call(ANSWER, {"run_id": run_id, "slug": slug})["state"])

    def answer(self, run_id: str, result: NovelResult) -> None:
        self._call(ANSWER, {"run_id": run_id, "slug": result.slug, "result": result})

    def answers(self, run_id: str) -> Iterator[NovelResult]:
        after = ""
        while page := self._call(ANSWERS, {"run_id": run_id, "after": after, "limit": ANSWERS_PER_PAGE}):
            yield from (msgspec.convert(entry["result"], NovelResult) for entry in page)
            after = page[-1]["slug"]


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


def _known_novel(answer: Mapping[str, Any]) -> KnownNovel:
    fields = answer["novel"] and NovelFields(**answer["novel"])
    chapters = [] if answer["chapters"] is None else list(_known_chapters(answer["chapters"]))
    return KnownNovel(
        answer["slug"],
        answer["revision"],
        bool(answer["same"]),
        fields,
        chapters,
        chapter_count=answer["chapter_count"],
        shown_as=answer["shown_as"],
        version=answer["version"],
        removed=answer["removed"],
        held_id=answer["held"].removesuffix(KEPT),
        kept=answer["held"].endswith(KEPT),
        held_changed=answer["held_changed"],
        held_in_a_row=answer["held_in_a_row"],
        has_texts=answer["has_texts"],
    )


def _known_chapters(answer: Mapping[str, Any]) -> Iterator[KnownChapter]:
    removed_lately = frozenset(answer["removed_lately"])
    columns = ("id", "volume", "position", "number", "title", "url_hash", "content_hash", "content_bytes")
    rows = zip(*(answer[column] for column in columns), strict=True)
    fresh = frozenset(answer["fresh"])
    for k, (id_, volume, position, number, title, url, content_hash, size) in enumerate(rows):
        file, file_version = answer["files"].get(id_, ("", ""))
        yield KnownChapter(
            id=id_,
            position=position,
            number=None if number is None else Decimal(number),
            title=title,
            url_hash=url,
            content_hash=b64decode(f"{content_hash}=") if content_hash else b"",
            content_bytes=size,
            removed=k >= answer["published"],
            volume=volume,
            file=file,
            file_version=file_version,
            removed_lately=id_ in removed_lately,
            peak_letters=answer["peaks"].get(id_, 0),
            fresh=id_ in fresh,
        )


def _open_problems(answer: Mapping[str, Any]) -> OpenProblems:
    problems = [
        Problem(p["slug"], ProblemKind(p["kind"]), p["message"], p["hint"], p["alike"]) for p in answer["problems"]
    ]
    return OpenProblems(answer["counts"], problems, answer["held"], answer["blank"])


def _run_state(left: Mapping[str, Any], digest: str | None) -> RunState:
    held = left["held_removals"] and HeldRemovals(**left["held_removals"])
    open_problems = _open_problems(left["open_problems"])
    return RunState(
        digest,
        left["resume_at"],
        left["missing"],
        left["removed_lately"],
        held,
        open_problems,
        any_texts=left["any_texts"],
        missing_longest=[MissingFile(*file) for file in left["missing_longest"]],
    )


def _database_status(answer: Mapping[str, Any]) -> DatabaseStatus:
    running = None
    if run := answer["running"]:
        since = whole_seconds(datetime.fromisoformat(run["since"]))
        running = RunInFlight(run["holder"], since, run["open_messages"], run["run_id"], run["done"], run["total"])
    return DatabaseStatus(
        novels=answer["novels"],
        removed_novels=answer["removed_novels"],
        chapters=answer["chapters"],
        bytes=answer["bytes"],
        running=running,
        last_runs=[_finished_run(run) for run in answer["last_runs"]],
        metrics=msgspec.convert(answer["metrics"], Metrics),
        open_problems=_open_problems(answer["open_problems"]),
        runs=[run_summary(run) for run in answer["runs"]],
        titles=answer["titles"],
        killed_at=whole_seconds(datetime.fromisoformat(killed)) if (killed := answer["killed_at"]) else None,
        at=datetime.fromisoformat(answer["at"]),
    )


def _finished_run(run: Mapping[str, Any]) -> FinishedRun:
    report = run["report"] and Report.from_dict(run["report"])
    return FinishedRun(Outcome(run["outcome"]), datetime.fromisoformat(run["finished_at"]), report)
