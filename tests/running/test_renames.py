"""A novel whose folder gets another name keeps every id."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from novelsync.database.client import SqlClient
from novelsync.errors import DatabaseUnavailable
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.hours import AT_ONCE, fill, hours_pass, messages, nonzero, published, synced
from tests.support.library import Library, chapter, chapters, text_of


def test_a_renamed_folder_keeps_every_id(library: Library, service: SyncService, tables: Tables) -> None:
    fill(library, 3)
    synced(service)
    (novel_id,) = tables.rows("select id from novels where slug = 'novel-001'")
    ids = tables.ids("novel-001")
    (library.folder / "novel-001").rename(library.folder / "a-better-name")
    assert nonzero(synced(service)["novels"]) == {"unchanged": 2, "renamed": 1}
    assert tables.rows("select id from novels where slug = 'a-better-name'") == [novel_id]
    assert tables.ids("a-better-name") == ids
    assert published(tables) == ["a-better-name", "novel-000", "novel-002"]
    assert nonzero(synced(service)["novels"]) == {"unchanged": 3}


def test_a_folder_that_was_renamed_and_changed_keeps_its_ids(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(5))
    library.write("other", chapters(0))
    synced(service)
    ids = tables.ids("emma")
    library.remove("emma")
    library.write("emma-by-jane", [*(chapter(n, title=f"New {n}", url="") for n in (3, 1, 2)), chapter(9)], title="New")
    assert synced(service)["novels"]["renamed"] == 1
    new = tables.ids("emma-by-jane")
    assert [new[f"New {n}"] for n in (3, 1, 2)] == [ids[f"Chapter {n}"] for n in (3, 1, 2)]
    assert tables.rows("select title from novels where slug = 'emma-by-jane'") == [("New",)]


def test_a_folder_that_was_copied_and_deleted_an_hour_later_keeps_the_older_ids(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 3)
    synced(service)
    ids = tables.ids("novel-001")
    shutil.copytree(library.folder / "novel-001", library.folder / "copy")
    assert synced(service)["novels"]["created"] == 1
    assert tables.ids("copy") != ids
    library.remove("novel-001")
    assert nonzero(synced(service)["novels"]) == {"unchanged": 2, "renamed": 1}
    assert tables.rows(
        "select c.title, c.id from chapters c join novels n on n.id = novel_id"
        " where n.slug = 'copy' and n.removed_at is null order by position"
    ) == list(ids.items())
    assert published(tables) == ["copy", "novel-000", "novel-002"]


def test_a_folder_that_was_deleted_and_copied_an_hour_later_keeps_its_ids(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    fill(library, 20)
    synced(prompt)
    ids = tables.ids("novel-001")
    aside = library.folder.with_name("aside")
    (library.folder / "novel-001").rename(aside)
    assert synced(prompt)["novels"]["removed"] == 1
    aside.rename(library.folder / "again")
    assert nonzero(synced(prompt)["novels"]) == {"unchanged": 19, "renamed": 1}
    assert tables.ids("again") == ids


@pytest.mark.parametrize(("days", "outcome"), [(6, "renamed"), (8, "created")])
def test_a_folder_that_comes_back_under_another_name_keeps_its_ids_for_a_week(
    library: Library, prompt: SyncService, tables: Tables, days: int, outcome: str
) -> None:
    fill(library, 20)
    synced(prompt)
    aside = library.folder.with_name("aside")
    (library.folder / "novel-001").rename(aside)
    assert synced(prompt)["novels"]["removed"] == 1
    hours_pass(tables, 24 * days)
    aside.rename(library.folder / "again")
    assert synced(prompt)["novels"][outcome] == 1


def test_a_copy_of_which_the_original_stays_is_a_novel_of_its_own(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 3)
    synced(service)
    library.remove("novel-002")
    shutil.copytree(library.folder / "novel-001", library.folder / "copy")
    report = synced(service)
    assert nonzero(report["novels"]) == {"unchanged": 2, "created": 1, "missing": 1}


def test_of_two_twins_that_came_together_one_may_go(library: Library, prompt: SyncService, tables: Tables) -> None:
    fill(library, 20)
    shutil.copytree(library.folder / "novel-001", library.folder / "twin")
    synced(prompt)
    ids = tables.ids("twin")
    library.remove("novel-001")
    assert synced(prompt)["novels"]["removed"] == 1
    assert tables.ids("twin") == ids


@pytest.mark.parametrize("edit", ["Translated by Foo.", "\u200b", ""])
def test_a_folder_that_is_renamed_while_every_text_is_edited_keeps_its_ids(
    library: Library, prompt: SyncService, tables: Tables, edit: str
) -> None:
    slugs = [f"novel-{n}" for n in range(6)]
    for slug in slugs:
        library.write(slug, [chapter(f"{slug} {n}", url=f"https://example.com/{slug}/{n}") for n in range(4)])
    synced(prompt)
    before = {slug: tables.ids(slug) for slug in slugs}
    for slug in slugs:
        book = json.loads(library.path(slug).read_bytes())
        library.remove(slug)
        for each in book["chapters"]:
            each["content"] = f"{each['content']}\n{edit}" if edit else "This chapter is locked."
        library.write(f"new-{slug}", book["chapters"], title=book["title"])
    report = synced(prompt, "ok" if edit else "partial")
    assert report["novels"]["renamed"] == 6
    assert {slug: tables.ids(f"new-{slug}") for slug in slugs} == before


@pytest.mark.parametrize(
    ("urls", "author"), [("/chapter-", "Somebody"), ("https://example.com/", "Another"), ("https://other/", "Somebody")]
)
def test_another_novel_of_the_same_title_takes_no_id_of_one_that_goes(
    library: Library, prompt: SyncService, tables: Tables, urls: str, author: str
) -> None:
    fill(library, 20)
    names = ["Prologue", "Interlude", "Epilogue", "Afterword"]
    old = [chapter(f"old {n}", title=name, url=f"{urls[:1]}{n}") for n, name in enumerate(names)]
    old = [each | {"url": f"{'https://example.com/' if 'http' in urls else urls}{n}"} for n, each in enumerate(old)]
    library.write("old", old, title="Rebirth")
    synced(prompt)
    ids = set(tables.ids("old").values())
    library.remove("old")
    new = [chapter(f"new {n}", title=name, url=f"{urls}{n}") for n, name in enumerate(names)]
    library.write("new", new, title="Rebirth", author=author)
    report = synced(prompt)
    assert (report["novels"]["renamed"], report["novels"]["created"]) == (0, 1)
    assert ids.isdisjoint(tables.ids("new").values())


def test_renames_do_not_count_towards_the_guard(library: Library, service: SyncService, tables: Tables) -> None:
    slugs = fill(library, 10)
    synced(service)
    before = {slug: tables.ids(slug) for slug in slugs}
    for slug in slugs:
        (library.folder / slug).rename(library.folder / f"new-{slug}")
    assert nonzero(synced(service)["novels"]) == {"renamed": 10}
    assert {slug: tables.ids(f"new-{slug}") for slug in slugs} == before


def ids_of(tables: Tables, slug: str) -> dict[str, int]:
    """Title to id of what readers see under the slug."""
    return dict(
        tables.rows(
            "select c.title, c.id from chapters c join novels n on n.id = c.novel_id"
            " where n.slug = %s and n.removed_at is null and c.removed_at is null order by position",
            slug,
        )
    )


def copied(library: Library, old: str, new: str) -> None:
    shutil.copytree(library.folder / old, library.folder / new)


def test_a_copy_that_came_in_by_itself_is_recognised_too(library: Library, prompt: SyncService, tables: Tables) -> None:
    fill(library, 20)
    synced(prompt)
    library.write("emma", chapters(3))
    assert prompt.sync_novel_to_db("emma")
    ids = ids_of(tables, "emma")
    copied(library, "emma", "emma-by-jane")
    assert prompt.sync_novel_to_db("emma-by-jane")
    library.remove("emma")
    assert synced(prompt)["novels"]["renamed"] == 1
    assert ids_of(tables, "emma-by-jane") == ids


@pytest.mark.parametrize("trouble", ["time ran out", "it was killed", "others came first"])
def test_renames_are_found_in_a_later_run_if_the_first_could_not(
    library: Library,
    service: SyncService,
    database: SqlClient,
    transport: RecordingTransport,
    tables: Tables,
    trouble: str,
) -> None:
    slugs = fill(library, 10)[:3]
    synced(service)
    ids = {slug: ids_of(tables, slug) for slug in slugs}
    if trouble != "others came first":
        for slug in slugs:
            copied(library, slug, f"new-{slug}")
        synced(service)
    aside = library.folder.with_name("aside")
    aside.mkdir()
    for slug in slugs:
        (library.folder / slug).rename(aside / slug)
    if trouble == "time ran out":
        synced(make_service(library, database, time_budget=0), "partial")
    elif trouble == "it was killed":

        def cut(function: str) -> None:
            if function == "novelsync_find_renames":
                raise DatabaseUnavailable("it is away")

        transport.before = cut
        synced(service, "failed")
        transport.before = lambda function: None
    else:
        assert "3 of 10 novels are no longer in storage" in messages(synced(service, "partial"))[0]
        for slug in slugs:
            (aside / slug).rename(library.folder / f"new-{slug}")
            service.sync_novel_to_db(f"new-{slug}")
    hours_pass(tables, 3)
    assert synced(service)["novels"]["renamed"] == (0 if trouble == "others came first" else 3)
    assert {slug: ids_of(tables, f"new-{slug}") for slug in slugs} == ids


def test_what_a_listing_missed_does_not_go_on_in_its_copy(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    class Late(LocalStorage):
        def lines(self, *asked: Any) -> Iterator[str]:
            return (line for line in super().lines(*asked) if not line.startswith("novel-007\0"))

    fill(library, 20)
    synced(service)
    ids = ids_of(tables, "novel-007")
    copied(library, "novel-007", "second-edition")
    synced(service)
    synced(SyncService(Late(str(library.folder)), database, SyncConfig(workers=1, max_file_bytes=10**6)))
    assert ids_of(tables, "novel-007") == ids
    assert nonzero(synced(service)["novels"]) == {"unchanged": 21}


@pytest.mark.parametrize("way", ["renamed", "copied, and deleted an hour later"])
def test_a_folder_that_takes_the_name_of_a_removed_novel_keeps_its_own_ids(
    library: Library, prompt: SyncService, tables: Tables, way: str
) -> None:
    fill(library, 20)
    for slug in ("old", "emma"):
        library.write(slug, [chapter(n, content=text_of(f"{slug} {n}"), url="") for n in range(1, 6)])
    synced(prompt)
    ids = ids_of(tables, "emma")
    library.remove("old")
    synced(prompt)
    hours_pass(tables, 24 * 300)
    if way == "renamed":
        (library.folder / "emma").rename(library.folder / "old")
    else:
        tables.connection.execute("delete from novelsync.files where slug = 'old'")
        copied(library, "emma", "old")
        synced(prompt)
        library.remove("emma")
    assert synced(prompt)["novels"]["renamed"] == 1
    assert ids_of(tables, "old") == ids


def test_a_shared_preface_makes_no_rename(library: Library, prompt: SyncService) -> None:
    fill(library, 20)
    preface = chapter("preface", content=text_of("about the author"), url="")
    library.write("poems-1", [preface, *(chapter(n, content=f"a short poem {n}", url="") for n in range(20))])
    synced(prompt)
    library.remove("poems-1")
    library.write("poems-2", [preface, *(chapter(n, content=f"another poem {n}", url="") for n in range(30))])
    assert nonzero(synced(prompt)["novels"]) == {"created": 1, "removed": 1, "unchanged": 20}


def test_of_two_new_names_the_older_gets_the_ids_and_a_dry_run_says_so(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    service = make_service(library, database, limits=AT_ONCE, workers=1)
    fill(library, 20)
    synced(service)
    ids = ids_of(tables, "novel-001")
    copied(library, "novel-001", "b")
    synced(service)
    copied(library, "novel-001", "a")
    library.remove("novel-001")
    planned = service.dry_run().as_dict()
    done = synced(service)
    assert planned["novels"] == done["novels"]
    assert ids_of(tables, "b") == ids, "readers know it already"
    assert not set(ids_of(tables, "a").values()) & set(ids.values())
