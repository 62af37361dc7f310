"""What passes from one hour to the next: a library that is filled, runs, and time."""

import shlex
from typing import Any

from novelsync.models.run import SyncOptions
from novelsync.planning.guards.limits import Limits
from novelsync.sync_service import SyncService
from tests.conftest import Tables
from tests.support.library import Library, chapter

AT_ONCE = Limits(grace=0)


def synced(service: SyncService, outcome: str = "ok", **options: Any) -> dict[str, Any]:
    report = service.sync_all_novels("cli", options=SyncOptions(**options)).as_dict()
    assert report["outcome"] == outcome, report
    return report


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {word: count for word, count in counts.items() if count}


def messages(report: dict[str, Any]) -> list[str]:
    return [f"{problem['kind']} {problem['message']}" for problem in report["problems"]]


def accepting(hint: str) -> str:
    """What follows ``--accept`` or ``--accept-removals`` in a hint."""
    _, _, command = hint.partition("`novelsync sync ")
    return shlex.split(command.partition("`")[0])[1]


def published(tables: Tables) -> list[str]:
    return [slug for (slug,) in tables.rows("select slug from novels where removed_at is null order by slug")]


def hours_pass(tables: Tables, hours: float) -> None:
    """As if everything that was remembered had been so for that much longer."""
    tables.connection.execute(
        "update novelsync.files set missing_since = missing_since - t, removed_at = removed_at - t,"
        " first_seen = first_seen - t from (select make_interval(mins => %s)) as passed(t)",
        [int(hours * 60)],
    )
    tables.connection.execute(
        "update chapters set removed_at = removed_at - make_interval(mins => %s) where removed_at < 'infinity'",
        [int(hours * 60)],
    )
    tables.connection.execute(
        "update novelsync.comparing set began_at = began_at - t, whole_since = whole_since - t"
        " from (select make_interval(mins => %s)) as passed(t)",
        [int(hours * 60)],
    )
    tables.connection.execute(
        "update novelsync.shrunk set since = since - make_interval(mins => %s)", [int(hours * 60)]
    )


def fill(library: Library, count: int, length: int = 2) -> list[str]:
    slugs = [f"novel-{n:03}" for n in range(count)]
    for slug in slugs:
        library.write(slug, [chapter(f"{slug} {n}", number=n) for n in range(length)])
    return slugs


def everything(tables: Tables) -> dict[str, set[tuple[Any, ...]]]:
    """Where every row of every table lies."""
    names = tables.rows(
        "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace::regnamespace::text"
        " in ('public', 'novelsync', 'supabase_migrations')"
    )
    return {name: set(tables.rows(f"select ctid::text, xmin::text from {name}")) for (name,) in names}
