"""Checks the set-up: one finding for each part, whatever is wrong with the others. Changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from novelsync.adoption.alterations import alterations
from novelsync.adoption.site.columns import Names
from novelsync.adoption.site.looking import is_ours, look, opened, site_triggers, sites_tables
from novelsync.database.migrations import migrations
from novelsync.database.transports.sqlstates import NOT_READY_HINT
from novelsync.errors import ConfigurationError, DatabaseNotReady, NovelSyncError
from novelsync.models.report import timestamp
from novelsync.models.status import ServerInfo
from novelsync.settings.loading import load_file_settings, load_settings
from novelsync.settings.model import Settings
from novelsync.settings.shown import given_settings
from novelsync.text.formatting import counted, size
from novelsync.verdict import FULL
from novelsync.wiring.databases import open_database, postgres_url
from novelsync.wiring.opening import open_scheduler, open_storage

CLOCK_SECONDS: Final = 60
"""A clock that is off by more makes runs look old, or files look as if they were still being written."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one part."""

    part: str
    said: str
    hint: str = ""
    """What to do; empty if nothing has to be done."""
    error: NovelSyncError | None = None
    """Why the part does not work. A part without an error but with a hint works and needs attention."""

    @classmethod
    def broken(cls, part: str, error: NovelSyncError) -> "Finding":
        """Of a part that does not work."""
        return cls(part, error.message, error.hint, error)


def examine() -> Iterator[Finding]:
    """Yields each finding as soon as it is known."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield Finding.broken("settings", error)
        yield from _storage_alone()
        return
    yield Finding("settings", f"{', '.join(given_settings(settings)) or 'none'} set; the others have their defaults")
    yield _storage(settings.storage)
    if settings.supabase_key:
        yield judge_key(settings.supabase_key.get_secret_value())
    yield from _database(settings)
    yield _scheduler(settings)


def _storage_alone() -> Iterator[Finding]:
    """The storage can be checked even if other settings are wrong."""
    try:
        location = load_file_settings().storage
    except ConfigurationError:
        return
    yield _storage(location)


def _storage(location: str) -> Finding:
    try:
        novels = sum(1 for _ in open_storage(location).listing())
    except NovelSyncError as error:
        return Finding.broken("storage", error)
    hint = "" if novels else "is NOVELSYNC_STORAGE right? It has to contain <slug>/book_info.json"
    return Finding("storage", f"{location}: {counted(novels, 'novel')}", hint)


def _database(settings: Settings) -> Iterator[Finding]:
    name = "it"
    try:
        with open_database(settings) as database:
            name = database.name
            asked = datetime.now(UTC)
            info = database.server_info()
            answered = datetime.now(UTC)
    except DatabaseNotReady as error:
        yield Finding("database", f"{name} answers")
        yield Finding.broken("schema", error)
        yield from _tables_of_the_site(settings)
        return
    except NovelSyncError as error:
        yield Finding.broken("database", error)
        return
    yield Finding("database", f"{name}: Postgres {info.server}, as {info.role}")
    yield judge_schema(info)
    yield judge_size(info, settings.database_limit)
    yield judge_clock(info.now, asked, answered)
    yield from _triggers_of_the_site(settings)


def _tables_of_the_site(settings: Settings) -> Iterator[Finding]:
    """Whether tables that another sync filled can be taken over, and what a person should know before that."""
    if not settings.database_url:
        return
    try:
        with postgres_url(settings) as (conninfo, name), opened(conninfo, name) as connection:
            if is_ours(connection) or not all(sites_tables(connection).values()):
                return
            remarks = alterations(look(connection, Names())).remarks
    except NovelSyncError as error:
        yield Finding.broken("tables", error)
        return
    yield Finding(
        "tables", "another sync filled them, and they can be taken over", "`novelsync migrate --adopt --dry-run`"
    )
    for remark in remarks:
        yield Finding("tables", remark)


def _triggers_of_the_site(settings: Settings) -> Iterator[Finding]:
    """Triggers that would fail when a sync writes, because it has no search_path."""
    if not settings.database_url:
        return
    try:
        with postgres_url(settings) as (conninfo, name), opened(conninfo, name) as connection:
            found = [trigger for table in ("novels", "chapters") for trigger in site_triggers(connection, table)]
    except NovelSyncError as error:
        yield Finding.broken("triggers", error)
        return
    for trigger in found:
        if trigger.unqualified and trigger.state != "D":
            names = ", ".join(trigger.unqualified)
            said = f"{trigger.name} calls {trigger.function}, which names {names} without a schema"
            yield Finding("triggers", said, f"alter function {trigger.function} set search_path = public")


def judge_key(key: str) -> Finding:
    """What kind of key it is; whether it is the right one, the database says."""
    if key.startswith("sb_publishable_"):
        message = "SUPABASE_SECRET_KEY has the publishable key, which is for readers"
        return Finding.broken("key", ConfigurationError(message, "set it to the secret key (sb_secret_…)"))
    if key.startswith("eyJ"):
        hint = (
            "Supabase switches legacy keys off, anon and service_role together: make a secret key (sb_secret_…) in the"
            " project's settings, and give the site a publishable one"
        )
        return Finding("key", "a legacy key (service_role)", hint)
    return Finding("key", "a secret key, sent as apikey and never as a token")


def judge_schema(info: ServerInfo) -> Finding:
    versions = [migration.version for migration in migrations()]
    if info.schema > versions[-1]:
        return Finding("schema", f"{info.schema}, newer than this program", "update the program")
    if missing := [version for version in versions if version > info.schema]:
        message = f"{counted(len(missing), 'migration')} missing: {', '.join(missing)}"
        return Finding.broken("schema", DatabaseNotReady(message, NOT_READY_HINT))
    return Finding("schema", f"up to date, {info.schema}")


def judge_size(info: ServerInfo, limit: int | None) -> Finding:
    said = size(info.bytes)
    if limit is None:
        return Finding("size", f"{said}; NOVELSYNC_DATABASE_LIMIT is not set")
    hint = "make room (`novelsync purge`), or raise NOVELSYNC_DATABASE_LIMIT" if info.bytes > FULL * limit else ""
    return Finding("size", f"{said}, {info.bytes / limit:.0%} of NOVELSYNC_DATABASE_LIMIT", hint)


def judge_clock(now: datetime, asked: datetime, answered: datetime) -> Finding:
    """``now``: by the database's clock, at some time between the other two, which are by this machine's."""
    ahead = max((now - answered).total_seconds(), 0) + min((now - asked).total_seconds(), 0)
    if abs(ahead) <= CLOCK_SECONDS:
        return Finding("clock", f"{abs(ahead):.0f} s off the database's")
    way = "behind" if ahead > 0 else "ahead of"
    return Finding("clock", f"this machine's is {abs(ahead):.0f} s {way} the database's", "set this machine's clock")


def _scheduler(settings: Settings) -> Finding:
    try:
        with open_scheduler(settings, None) as scheduler:
            if scheduler is None:
                return Finding("scheduler", "NOVELSYNC_SCHEDULER_JOB is not set; `novelsync serve` syncs every hour")
            state = scheduler.state()
    except NovelSyncError as error:
        return Finding.broken("scheduler", error)
    if not state.is_running:
        hint = f"if that is not meant: `gcloud scheduler jobs resume {settings.scheduler_job}`"
        return Finding("scheduler", f"{settings.scheduler_job} is stopped", hint)
    next_ = f", next at {timestamp(state.next_run)}" if state.next_run else ""
    return Finding("scheduler", f"{settings.scheduler_job} runs{next_}")
