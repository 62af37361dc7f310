"""A dry run says what the run then does, and writes nothing."""

import json
from typing import Any

import msgspec

from novelsync.database.client import SqlClient
from novelsync.models.report import Report
from novelsync.models.run import SyncOptions
from novelsync.planning.diff import diff_of
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables
from tests.support.hours import AT_ONCE, everything, fill, nonzero, synced
from tests.support.library import Library, chapter, chapters


def change_much(library: Library) -> None:
    """All that can happen to a library of `fill(library, 30, length=10)` within an hour."""
    book = json.loads(library.path("novel-001").read_bytes())["chapters"]
    library.write("novel-001", [chapter("in front"), *book[1:], chapter("at the end")], title="Retitled")
    library.write("novel-002", book[:2])
    library.write("novel-003", [{**c, "content": "Just a moment..."} for c in _chapters(library, "novel-003")])
    library.write("novel-004", [{**c, "title": "x"} for c in _chapters(library, "novel-004")[::-1]])
    library.write_raw("novel-005", b"{")
    (library.folder / "novel-006").rename(library.folder / "renamed")
    library.remove("novel-007")
    library.write("new", chapters(3))


def _chapters(library: Library, slug: str) -> list[dict[str, Any]]:
    chapters: list[dict[str, Any]] = json.loads(library.path(slug).read_bytes())["chapters"]
    return chapters


def test_a_dry_run_says_what_the_run_then_does_and_writes_nothing(
    library: Library, database: SqlClient, prompt: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    fill(library, 30, length=10)
    synced(prompt)
    change_much(library)
    before = everything(tables)
    rehearsed = prompt.dry_run()
    assert everything(tables) == before
    planned = rehearsed.as_dict()
    assert (planned["run_id"], planned["dry_run"], planned["outcome"]) == (None, True, "partial")

    recorded = []

    class Recording:
        """The database, with a look at what it is given."""

        def __getattr__(self, name: str) -> Any:
            return getattr(database, name)

        def write(self, run_id: str | None, writes: Any, out_of_time: Any) -> Any:
            recorded.extend(writes)
            return database.write(run_id, writes, out_of_time)

    service = SyncService(
        LocalStorage(str(library.folder)),
        Recording(),  # type: ignore[arg-type]
        SyncConfig(workers=1, max_file_bytes=10**8, limits=AT_ONCE),
    )
    done = synced(service, "partial")
    written = {change.slug: msgspec.to_builtins(change) for write in recorded if (change := diff_of(write))}
    rehearsal = {change["slug"]: change for change in planned["changes"]}
    assert rehearsal.pop("novel-007")["mark"] == "-"
    assert rehearsal == written
    for key in ("novels", "chapters", "problems", "problems_total", "novels_success", "novels_error"):
        assert planned[key] == done[key], key


def test_a_dry_run_of_one_novel_writes_nothing(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(3))
    library.write("persuasion", chapters(3))
    before = everything(tables)
    report = service.dry_run(["emma"]).as_dict()
    assert [change["slug"] for change in report["changes"]] == ["emma"]
    assert everything(tables) == before


def test_a_dry_run_needs_no_lease(library: Library, service: SyncService, other_database: SqlClient) -> None:
    fill(library, 2)
    other_database.begin("00000000-0000-0000-0000-000000000001", "cli", "somebody", 60)
    report: Report = service.dry_run()
    assert nonzero(report.as_dict()["novels"]) == {"created": 2}


def same_as_the_run(service: SyncService) -> None:
    planned, done = service.dry_run().as_dict(), service.sync_all_novels().as_dict()
    for key in ("outcome", "novels", "chapters", "problems", "problems_total", "novels_success", "novels_error"):
        assert planned[key] == done[key], key


def test_a_refused_file_that_is_gone_is_no_problem_of_a_dry_run_either(library: Library, service: SyncService) -> None:
    fill(library, 5)
    library.write_raw("bad", b"{")
    synced(service, "partial")
    library.remove("bad")
    same_as_the_run(service)


def test_what_is_held_of_a_novel_that_is_back_is_seen_by_a_dry_run(library: Library, service: SyncService) -> None:
    fill(library, 20)
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(3))
    synced(service, "partial")
    aside = library.folder.with_name("aside")
    (library.folder / "emma").rename(aside)
    synced(service)
    aside.rename(library.folder / "emma")
    same_as_the_run(service)


def test_a_dry_run_shows_as_many_problems_as_the_run(library: Library, service: SyncService) -> None:
    for n in range(150):
        library.write_raw(f"bad-{n:03}", b"{")
    library.write("good", chapters(2))
    synced(service, "partial")
    for n in range(60):
        library.write(f"bad-{n:03}", chapters(1))
    same_as_the_run(service)


def test_a_dry_run_of_removals_says_what_is_held_and_what_is_accepted(library: Library, service: SyncService) -> None:
    slugs = fill(library, 10)
    synced(service)
    for slug in slugs[:5]:
        library.remove(slug)
    same_as_the_run(service)
    same_as_the_run(service)
    planned = service.dry_run(options=SyncOptions(accept_removals=5)).as_dict()
    done = synced(service, accept_removals=5)
    assert planned["novels"] == done["novels"]
    assert [change["mark"] for change in planned["changes"]] == ["-"] * 5
