"""The state of the sync: what storage, database and scheduler say, and the verdict on it. Writes nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from novelsync.contracts.desk import StatusSource
from novelsync.contracts.storages import Storage
from novelsync.errors import ConfigurationError, NovelSyncError, SchedulerUnavailable, StorageUnavailable
from novelsync.models.desk.problems import ListedProblem, ProblemPage
from novelsync.models.desk.schedule import SchedulerStatus
from novelsync.models.problems import SHOWN_PROBLEMS, ProblemKind
from novelsync.models.report import NAMED_MISSING, MissingNovel, ReportedProblem, timestamp, whole_seconds
from novelsync.models.status import DatabaseStatus, Pending, Status, StatusProblem, StorageLook
from novelsync.planning.guards.limits import DEFAULT_LIMITS
from novelsync.planning.listing import Listing
from novelsync.planning.run_plan import make_plan, missing_longest
from novelsync.scheduler_service import SchedulerService
from novelsync.verdict import age, judge, nothing_in

CACHE_SECONDS: Final = 60
"""How long a look at the storage is reused, so that reloading the page costs storage and database next to nothing."""

MISSING: Final = "missing"
"""Beside the kinds of problems: novels that the storage no longer has and that readers still see."""


LISTED_KINDS: Final = (*(kind.value for kind in ProblemKind if kind is not ProblemKind.UNAVAILABLE), MISSING)
"""What `StatusService.problems` lists: all but what passes by itself, which is not kept."""


class StatusService:
    """Makes the published STATUS."""

    def __init__(
        self,
        storage: Storage,
        database: StatusSource,
        scheduler: SchedulerService | None = None,
        *,
        stale_after: int,
        database_limit: int | None = None,
        grace: float = DEFAULT_LIMITS.grace,
        compares: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        ``scheduler``: None if the status is to say nothing of one.

        ``stale_after``: seconds without a finished run until the verdict is ``stale``. ``database_limit``: in bytes.
        ``grace``: seconds that a novel has to be missing before it is removed. ``compares``: runs compare every novel
        with its file.
        """
        self._storage = storage
        self._database = database
        self._scheduler = scheduler
        self._stale_after = stale_after
        self._database_limit = database_limit
        self._grace = grace
        self._compares = compares
        self._now = now
        self._monotonic = monotonic
        self._look: StorageLook | None = None
        self._look_expires = 0.0
        self._lock = threading.Lock()

    def status(
        self, *, look_at_storage: bool = True, named: int = NAMED_MISSING, stored: DatabaseStatus | None = None
    ) -> Status:
        """
        If the storage or the scheduler is unavailable, the reason is part of it. Raises `DatabaseUnavailable`.

        ``look_at_storage``: False for a monitor that calls every minute; then the scheduler is not asked either, unless
        the last run is so old that its answer decides the verdict. ``named``: how many missing novels to name.
        ``stored``: what the database says, if the caller has asked it already.
        """
        stored, now = stored or self._database.status(), self._now()
        ask = look_at_storage or age(stored, now) > self._stale_after
        schedule, no_schedule = self._ask_scheduler() if ask else (None, [])
        look, error = self._try_to_look(stored) if look_at_storage else (None, None)
        judgement = judge(
            stored,
            stale_after=self._stale_after,
            now=now,
            stopped=schedule is not None and not schedule.is_running,
            database_limit=self._database_limit,
            unreadable=error,
            empty=nothing_in(self._storage.location) if look and not look.novels else "",
        )
        return Status(
            novels_in_storage=look and look.novels,
            last_check=look and whole_seconds(look.at),
            storage_path=self._storage.location,
            database=self._database.name,
            database_bytes=stored.bytes,
            database_limit=self._database_limit,
            novels_in_database=stored.novels,
            chapters_in_database=stored.chapters,
            removed_novels=stored.removed_novels,
            pending=look and look.pending,
            verdict=judgement.verdict,
            reasons=[*judgement.reasons, *no_schedule],
            scheduler=schedule,
            last_run=stored.last_report,
            metrics=stored.metrics,
            problems=[
                StatusProblem.of(ReportedProblem.of(problem), stored.titles.get(problem.slug))
                for problem in stored.open_problems.problems
            ],
            problems_total=stored.open_problems.total,
            problems_by_kind=stored.open_problems.counts,
            missing=look and self._missing(look, stored, named),
            running=stored.running,
            comparing=stored.comparing if self._compares else None,
            runs=stored.runs,
            cause=judgement.cause,
            storage_error=error,
        )

    def problems(self, kind: str, after: str | None = None, limit: int = SHOWN_PROBLEMS) -> ProblemPage:
        """
        A page of all the problems of a kind, or of the novels that are ``missing``; see `StatusSource.problems`.

        Raises `DatabaseUnavailable`.
        """
        page = self._database.problems(kind, after, limit)
        if kind != MISSING:
            return page
        # What is held of the library as a whole has no slug, and so comes first.
        held = any(not each.slug for each in self._database.problems(ProblemKind.HELD, None, 1).problems)
        said = [_said_of_missing(each, self._grace, held=held) for each in page.problems]
        return msgspec.structs.replace(page, problems=said)

    def every_problem(self, kind: str) -> Iterator[ListedProblem]:
        """The same on all pages."""
        after = None
        while True:
            page = self.problems(kind, after)
            yield from page.problems
            if page.next is None:
                return
            after = page.next

    def _missing(self, look: StorageLook, stored: DatabaseStatus, named: int) -> list[MissingNovel]:
        held = any(not problem.slug and problem.kind is ProblemKind.HELD for problem in stored.open_problems.problems)
        return [MissingNovel.of(file, look.at, self._grace, held=held) for file in look.missing[:named]]

    def _ask_scheduler(self) -> tuple[SchedulerStatus | None, list[str]]:
        """What it says, and if it says nothing, why."""
        if self._scheduler is None:
            return None, []
        try:
            return self._scheduler.get_scheduler_status(), []
        except (SchedulerUnavailable, ConfigurationError) as error:
            return None, [error.message]

    def _try_to_look(self, stored: DatabaseStatus) -> tuple[StorageLook | None, NovelSyncError | None]:
        """What the storage has; or why it could not be looked at."""
        try:
            return self._look_at_storage(stored), None
        except (StorageUnavailable, ConfigurationError) as error:
            return None, error

    def _look_at_storage(self, stored: DatabaseStatus) -> StorageLook:
        with self._lock:
            look = self._look
            # A run that has finished since then has seen a newer listing, and has changed what is pending.
            if (
                look is None
                or self._monotonic() >= self._look_expires
                or any(run.finished_at > look.at for run in stored.last_runs)
            ):
                at, listing = self._now(), Listing(self._storage.lines(self._database.with_texts()))
                plan = make_plan(listing, self._database.known_files())
                changed = len(plan.revisions)
                pending = Pending(len(plan.to_read) - changed, changed, len(plan.missing))
                missing = missing_longest(plan.missing, len(plan.missing))
                look = self._look = StorageLook(at, len(listing), pending, missing)
                self._look_expires = self._monotonic() + CACHE_SECONDS
            return look


def _said_of_missing(novel: ListedProblem, grace: float, *, held: bool) -> ListedProblem:
    if novel.since is None:
        return novel
    hint = "it stays until the removal of all that is missing is accepted, or its file is back"
    if not held:
        goes = timestamp(novel.since + timedelta(seconds=grace))
        hint = f"the first run after {goes} hides it from readers, unless its file is back"
    return msgspec.structs.replace(novel, message=f"missing from storage since {timestamp(novel.since)}", hint=hint)
