"""Nothing good is lost: removal, its guards, and what a person sees of them."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from novelsync.database.client import SqlClient
from novelsync.planning.guards.limits import Limits
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.bad_blocks import BadBlocks
from tests.support.hours import AT_ONCE, fill, hours_pass, messages, nonzero, published, synced
from tests.support.library import Library, chapter, chapters, text_of

# Removal -----------------------------------------------------------------------------


def test_a_missing_novel_waits_out_its_grace_and_keeps_its_text(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 20)
    synced(service)
    library.remove("novel-007")
    assert nonzero(synced(service)["novels"]) == {"unchanged": 19, "missing": 1}
    hours_pass(tables, 1)
    assert synced(service)["novels"]["removed"] == 0, "absent in two listings, but not for long enough"
    hours_pass(tables, 1)
    report = synced(service)
    assert nonzero(report["novels"]) == {"unchanged": 19, "removed": 1}
    assert "novel-007" not in published(tables)
    assert tables.rows(
        "select count(*), min(length(content)) > 100, count(c.removed_at)"
        " from chapters c join novels n on n.id = novel_id where slug = 'novel-007'"
    ) == [(2, True, 0)]
    assert nonzero(synced(service)["novels"]) == {"unchanged": 19}, "and then the hours are quiet again"


def test_after_a_removal_an_hour_without_changes_is_quiet(
    library: Library, prompt: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    fill(library, 20)
    synced(prompt)
    library.remove("novel-007")
    synced(prompt)
    synced(prompt)
    transport.calls.clear()
    synced(prompt)
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"]


def test_a_novel_that_is_gone_for_an_hour_never_leaves(library: Library, service: SyncService, tables: Tables) -> None:
    fill(library, 20)
    synced(service)
    before = tables.places()
    aside = library.folder.with_name("aside")
    (library.folder / "novel-007").rename(aside)
    synced(service)
    hours_pass(tables, 1)
    aside.rename(library.folder / "novel-007")
    assert nonzero(synced(service)["novels"]) == {"unchanged": 20}
    hours_pass(tables, 9)
    assert nonzero(synced(service)["novels"]) == {"unchanged": 20}
    assert tables.places() == before


def test_missing_novels_are_named_with_since_when_and_when_they_go(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    fill(library, 200)
    synced(service)
    for n in range(12):
        library.remove(f"novel-{n:03}")
    report = synced(service)
    assert [novel["slug"] for novel in report["missing"]] == [f"novel-{n:03}" for n in range(10)]
    assert report["novels"]["missing"] == 12
    hours_pass(tables, 1)
    library.remove("novel-100")
    status = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800, grace=5400).status()
    assert status.missing is not None
    longest = status.missing[0]
    assert longest.goes is not None
    assert (longest.slug, (longest.goes - longest.since).total_seconds()) == ("novel-000", 5400)
    assert 3590 < (datetime.now(UTC) - longest.since).total_seconds() < 3700
    everything = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800).status(named=1000)
    assert [novel.slug for novel in everything.missing or ()][-1] == "novel-100", "missing since just now"


def test_what_is_missing_and_held_goes_at_no_time(library: Library, service: SyncService, database: SqlClient) -> None:
    fill(library, 10)
    synced(service)
    half(library)
    for _ in range(2):  # the second is quiet
        report = synced(service, "partial")
        assert next((novel["slug"], novel["goes"]) for novel in report["missing"]) == ("novel-000", None)
    status = StatusService(LocalStorage(str(library.folder)), database, stale_after=7800)
    assert [novel.goes for novel in status.status().missing or ()] == [None] * 5
    (first, *_) = status.every_problem("missing")
    assert first.message.startswith("missing from storage since 20")
    assert "until the removal of all that is missing is accepted" in first.hint


def test_what_turns_up_at_the_last_look_stays(library: Library, database: SqlClient, tables: Tables) -> None:
    from novelsync.sync_service import SyncService

    class Late(LocalStorage):
        """A listing that does not have one novel yet."""

        def lines(self, *asked: Any) -> Any:
            return (line for line in super().lines(*asked) if not line.startswith("novel-007\0"))

    fill(library, 20)
    synced(make_service(library, database))
    before = tables.places()
    late = SyncService(Late(str(library.folder)), database, SyncConfig(workers=1, max_file_bytes=10**6, limits=AT_ONCE))
    assert nonzero(synced(late)["novels"]) == {"unchanged": 19, "missing": 1}
    assert tables.places() == before


def test_a_renamed_novel_stays_with_readers_until_its_new_folder_can_be_read(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    storage = BadBlocks(str(library.folder))
    prompt = SyncService(storage, database, SyncConfig(workers=1, max_file_bytes=10**6, limits=AT_ONCE))
    fill(library, 20)
    synced(prompt)
    ids = tables.ids("novel-007")
    (library.folder / "novel-007").rename(library.folder / "renamed")
    storage.slugs.add("renamed")
    for hours in (1, 9):
        assert nonzero(synced(prompt, "partial")["novels"]) == {"unchanged": 19, "missing": 1, "unavailable": 1}
        hours_pass(tables, hours)
    assert tables.ids("novel-007") == ids
    storage.slugs.clear()
    assert nonzero(synced(prompt)["novels"]) == {"unchanged": 19, "renamed": 1}
    assert tables.ids("renamed") == ids


def test_a_renamed_novel_stays_with_readers_while_the_site_has_a_row_of_its_own_under_the_new_slug(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    fill(library, 20)
    synced(prompt)
    ids = tables.ids("novel-007")
    tables.connection.execute("insert into novels (slug, title) values ('renamed', 'Mine')")
    (library.folder / "novel-007").rename(library.folder / "renamed")
    for _ in range(2):
        report = synced(prompt, "partial")
        assert [problem["kind"] for problem in report["problems"]] == ["refused"]
        assert tables.ids("novel-007") == ids
    tables.connection.execute("delete from novels where title = 'Mine'")
    synced(prompt)
    assert tables.ids("renamed") == ids


def test_a_removed_novel_that_comes_back_has_its_old_ids(library: Library, prompt: SyncService, tables: Tables) -> None:
    fill(library, 20)
    synced(prompt)
    ids = tables.ids("novel-007")
    aside = library.folder.with_name("aside")
    (library.folder / "novel-007").rename(aside)
    synced(prompt)
    aside.rename(library.folder / "novel-007")
    assert nonzero(synced(prompt)["novels"]) == {"unchanged": 19, "restored": 1}
    assert tables.ids("novel-007") == ids
    assert tables.rows("select count(*) from novels") == [(20,)]


def test_a_removed_novel_that_comes_back_edited_all_over_has_its_old_ids(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    fill(library, 20)
    own = {"title": "", "number": None}
    names = ["Storm", "Harbour", "Lantern", "Winter"]

    def write(mark: str) -> None:
        texts = [f"{text_of(name)} {mark}" for name in names]
        chapters_ = [chapter(f"{name}", content=text) | own for name, text in zip(names, texts, strict=True)]
        library.write("emma", chapters_)

    write("")
    synced(prompt)
    ids = tables.rows("select id from chapters where novel_id = (select id from novels where slug = 'emma') order by 1")
    library.remove("emma")
    synced(prompt)
    write("Read on at another site.")
    assert synced(prompt)["novels"]["restored"] == 1
    now = "select c.id from chapters c join novels n on n.id = novel_id where n.slug = 'emma' and n.removed_at is null"
    assert tables.rows(f"{now} and c.removed_at is null order by 1") == ids


def test_another_novel_under_a_removed_slug_is_a_new_one(library: Library, prompt: SyncService, tables: Tables) -> None:
    fill(library, 20)
    synced(prompt)
    old = set(tables.ids("novel-007").values())
    library.remove("novel-007")
    synced(prompt)
    library.write("novel-007", [chapter("something else")])
    assert nonzero(synced(prompt)["novels"]) == {"unchanged": 19, "created": 1}
    assert tables.titles("novel-007") == ["Chapter something else"]
    assert not old & {
        id_
        for (id_,) in tables.rows(
            "select c.id from chapters c join novels n on n.id = novel_id"
            " where n.slug = 'novel-007' and n.removed_at is null"
        )
    }


def test_a_removed_novel_that_comes_back_without_chapters_is_the_same_novel(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    fill(library, 20)
    synced(prompt)
    ids = tables.ids("novel-007")
    data = library.path("novel-007").read_bytes()
    library.remove("novel-007")
    synced(prompt)
    library.write("novel-007", [])
    assert synced(prompt, "partial")["novels"]["restored"] == 1
    library.write_raw("novel-007", data)
    synced(prompt)
    assert tables.ids("novel-007") == ids


def test_a_removed_novel_waits_for_its_slug_while_a_row_of_the_sites_own_has_it(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    fill(library, 20)
    library.write("emma", [chapter("old")])
    synced(prompt)
    ids = tables.ids("emma")
    library.remove("emma")
    synced(prompt)
    tables.connection.execute("insert into novels (slug, title) values ('emma', 'mine')")
    library.write("emma", [chapter("new")])
    synced(prompt, "partial")
    tables.connection.execute("delete from novels where title = 'mine'")
    library.write("emma", [chapter("old")])
    synced(prompt)
    assert tables.ids("emma") == ids


def test_a_chapter_that_is_gone_from_the_file_is_removed_and_comes_back_with_its_id(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(5))
    synced(service)
    ids = tables.ids("emma")
    library.write("emma", [chapter(1), chapter(2), chapter(4), chapter(5)])
    assert nonzero(synced(service)["chapters"]) == {"removed": 1, "moved": 2}
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 4", "Chapter 5"]
    library.write("emma", [chapter(5), chapter(3), chapter(1), chapter(2), chapter(4)])
    assert nonzero(synced(service)["chapters"]) == {"restored": 1, "moved": 4}
    assert tables.ids("emma") == {f"Chapter {n}": ids[f"Chapter {n}"] for n in (5, 3, 1, 2, 4)}


def test_syncing_one_novel_removes_none(library: Library, prompt: SyncService, tables: Tables) -> None:
    fill(library, 3)
    synced(prompt)
    library.remove("novel-001")
    assert prompt.sync_some_novels(["novel-001", "novel-000"], "cli").novels.removed == 0
    assert published(tables) == ["novel-000", "novel-001", "novel-002"]


# The library guard -------------------------------------------------------------------


def empty(library: Library) -> None:
    shutil.rmtree(library.folder)
    library.folder.mkdir()


def unmount(library: Library) -> None:
    library.folder.rename(library.folder.with_name("unmounted"))


def mistype(library: Library) -> None:
    empty(library)
    fill(Library(library.folder / "elsewhere"), 3)


def half(library: Library) -> None:
    for slug in sorted(path.name for path in library.folder.iterdir())[::2]:
        library.remove(slug)


@pytest.mark.parametrize(
    ("disaster", "gone"),
    [(empty, 40), (mistype, 40), (half, 20)],
    ids=["emptied", "mistyped", "halved"],
)
def test_a_storage_that_lost_much_takes_nothing_from_readers(
    library: Library, service: SyncService, tables: Tables, disaster: Callable[[Library], None], gone: int
) -> None:
    fill(library, 40)
    synced(service)
    before = tables.places()
    disaster(library)
    for _ in range(4):
        report = synced(service, "partial")
        assert report["novels"]["held"] == report["novels"]["missing"] == gone
        (problem,) = [problem for problem in report["problems"] if problem["kind"] == "held"]
        assert problem["message"].startswith(f"{gone} of 40 novels are no longer in storage")
        assert f"--accept-removals {gone}" in problem["hint"]
        hours_pass(tables, 1)
    assert tables.places() == before


def test_a_storage_that_is_unmounted_is_away_and_nothing_is_missing(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 40)
    synced(service)
    before = tables.places()
    unmount(library)
    for _ in range(2):
        report = service.sync_all_novels()
        assert (report.outcome, report.novels.missing) == ("failed", 0)
        assert "is not there" in report.problems[0].message
        hours_pass(tables, 1)
    assert tables.places() == before


def test_515_of_631_novels_are_listed_and_none_is_removed(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    slugs = fill(library, 631, length=1)
    synced(service)
    before = tables.places()
    for slug in slugs[515:]:
        library.remove(slug)
    for _ in range(3):
        hours_pass(tables, 1)
        report = synced(service, "partial")
    assert messages(report) == [
        "held 116 of 631 novels are no longer in storage, over the limit of 10%; none is removed"
    ]
    assert tables.places() == before
    transport.calls.clear()
    assert messages(synced(service, "partial")) == messages(report)
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"], (
        "it stands in quiet hours"
    )


def test_a_library_that_loses_nine_percent_every_hour_is_not_emptied(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 100, length=1)
    synced(prompt)
    left = iter(slugs)
    outcomes = []
    for _ in range(5):
        for _ in range(9):
            library.remove(next(left))
        outcomes.append(prompt.sync_all_novels().as_dict())
        hours_pass(tables, 1)
    assert [outcome["novels"]["removed"] for outcome in outcomes] == [9, 0, 0, 0, 0]
    assert messages(outcomes[1]) == [
        "held 9 of 91 novels are no longer in storage, after 9 that were removed in the last 24 hours, over the limit"
        " of 10%; none is removed"
    ]
    assert len(published(tables)) == 91


def test_what_was_held_for_what_went_before_may_go_a_day_later(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 100, length=1)
    synced(prompt)
    for part in (slugs[:9], slugs[9:18]):
        for slug in part:
            library.remove(slug)
        prompt.sync_all_novels()
    assert len(published(tables)) == 91
    hours_pass(tables, 25)
    assert synced(prompt)["novels"]["removed"] == 9


def test_while_removals_are_held_everything_else_goes_on(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 10)
    synced(service)
    half(library)
    library.write("novel-001", chapters(4))
    library.write("one-more", chapters(1))
    report = synced(service, "partial")
    assert nonzero(report["novels"]) == {"created": 1, "updated": 1, "unchanged": 4, "held": 5, "missing": 5}
    assert len(published(tables)) == 11


def test_held_removals_end_when_the_novels_are_back(library: Library, service: SyncService, tables: Tables) -> None:
    fill(library, 10)
    synced(service)
    before = tables.places()
    unmount(library)
    library.folder.mkdir()
    synced(service, "partial")
    library.folder.rmdir()
    library.folder.with_name("unmounted").rename(library.folder)
    assert nonzero(synced(service)["novels"]) == {"unchanged": 10}
    assert tables.places() == before


def test_a_higher_limit_lets_go_what_was_held(
    library: Library, database: SqlClient, prompt: SyncService, tables: Tables
) -> None:
    fill(library, 10)
    synced(prompt)
    half(library)
    synced(prompt, "partial")
    bolder = make_service(library, database, limits=Limits(removals=0.5, grace=0))
    assert synced(bolder)["novels"]["removed"] == 5


def test_removals_are_accepted_by_their_number_and_once(library: Library, service: SyncService, tables: Tables) -> None:
    slugs = fill(library, 40)
    synced(service)
    for slug in slugs[4:]:
        library.remove(slug)
    synced(service, "partial")
    report = synced(service, "partial", accept_removals=35)
    assert "warning 36 novels are missing, not 35, so no removal was accepted" in messages(report)
    assert len(published(tables)) == 40
    assert synced(service, accept_removals=36)["novels"]["removed"] == 36
    assert published(tables) == slugs[:4]
    library.remove(slugs[0])
    library.remove(slugs[1])
    assert messages(synced(service, "partial"))[0].startswith("held 2 of 4 novels")


def test_a_number_that_was_not_shown_does_not_switch_the_guard_off(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 100, length=1)
    synced(prompt)
    for slug in slugs[:9]:
        library.remove(slug)
    synced(prompt, accept_removals=5)
    for slug in slugs[9:18]:
        library.remove(slug)
    assert "after 9 that were removed" in messages(synced(prompt, "partial"))[0]


def test_where_novels_are_left_over_no_removal_is_accepted_and_the_hold_stands(
    library: Library, service: SyncService, database: SqlClient
) -> None:
    slugs = fill(library, 20)
    synced(service)
    for slug in slugs[:10]:
        library.remove(slug)
    synced(service, "partial")
    library.write("new", chapters(1))
    report = synced(make_service(library, database, time_budget=0), "partial", accept_removals=10)
    assert (report["novels"]["removed"], report["novels"]["held"]) == (0, 10)
    assert any("some novels were not read, so no removal was accepted" in message for message in messages(report))


def test_a_removal_whose_answer_was_lost_is_reported_when_asked_again(
    library: Library, prompt: SyncService, transport: RecordingTransport
) -> None:
    fill(library, 20)
    synced(prompt)
    library.remove("novel-005")

    def twice(function: str) -> None:
        if function == "novelsync_remove":
            transport.before = lambda function: None
            transport.call(*transport.calls[-1])

    transport.before = twice
    assert nonzero(synced(prompt)["novels"]) == {"removed": 1, "unchanged": 19}


def test_what_was_accepted_does_not_count_towards_the_guard(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 40)
    synced(prompt)
    for slug in slugs[:15]:
        library.remove(slug)
    synced(prompt, "partial")
    synced(prompt, accept_removals=15)
    library.remove(slugs[20])
    assert synced(prompt)["novels"]["removed"] == 1


def test_a_file_that_cannot_be_read_is_not_gone(library: Library, prompt: SyncService, tables: Tables) -> None:
    slugs = fill(library, 20)
    synced(prompt)
    before = tables.places()
    library.write_raw(slugs[0], b'{"title": "Cut", "chap')
    path = library.path(slugs[1])
    path.unlink()
    path.symlink_to("/nowhere")
    for _ in range(2):
        report = synced(prompt, "partial")
        assert nonzero(report["novels"]) == {"unchanged": 18, "refused": 2}
    assert tables.places() == before
