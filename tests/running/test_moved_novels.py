"""Novels that change places: readers find each under the slug that its file has now, whoever reads which file first."""

import shutil
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.errors import StorageUnavailable
from novelsync.models.source import SourceFile
from novelsync.running import local_executor
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.hours import AT_ONCE, fill, hours_pass, messages, nonzero, published, synced
from tests.support.library import Library, chapter, text_of
from tests.support.waiting import wait_until

Ids = dict[str, int]


def write(library: Library, slug: str, novel: str, length: int = 5) -> None:
    """Puts the book that is called ``novel`` into the folder ``slug``."""
    book = [
        chapter(n, content=text_of(f"{novel} {n}"), url=f"https://{novel}.example/{n}") for n in range(1, length + 1)
    ]
    library.write(slug, book, title=novel)


def ids(tables: Tables, slug: str) -> Ids:
    """Title to id of what readers see under the slug, with the novel's own."""
    rows = tables.rows(
        "select c.title, c.id from chapters c join novels n on n.id = c.novel_id"
        " where n.slug = %s and n.removed_at is null and c.removed_at is null order by position",
        slug,
    )
    novels = tables.rows("select title, id from novels where slug = %s and removed_at is null", slug)
    return dict(rows) | dict(novels)


def whole_run(service: SyncService, slugs: Sequence[str]) -> None:
    synced(service)


def events(service: SyncService, slugs: Sequence[str]) -> None:
    for slug in slugs:
        assert service.sync_novel_to_db(slug)


@pytest.fixture
def service(library: Library, database: SqlClient) -> SyncService:
    return make_service(library, database, workers=1)


def follow(service: SyncService, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Brings the files in, and then whatever is left in any case by a whole run.

    ``way``: a run reads the files together, or each in a call of its own; or events come for these slugs in this order.
    """
    if way == "one by one":
        monkeypatch.setattr(local_executor, "BATCH_NOVELS", 1)
    elif way != "together":
        events(service, list(way))
    synced(service)
    assert nonzero(synced(service)["novels"]).keys() == {"unchanged"}


@pytest.mark.parametrize("way", ["together", "one by one", "ab", "ba"])
def test_novels_that_change_places_keep_their_ids(
    library: Library, service: SyncService, tables: Tables, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, 12)
    write(library, "a", "Emma")
    write(library, "b", "Ulysses", 7)
    synced(service)
    emma, ulysses = ids(tables, "a"), ids(tables, "b")
    write(library, "a", "Ulysses", 7)
    write(library, "b", "Emma")
    follow(service, way, monkeypatch)
    assert (ids(tables, "b"), ids(tables, "a")) == (emma, ulysses)
    assert len(published(tables)) == 14


@pytest.mark.parametrize("way", ["together", "one by one", "bc", "cb"])
def test_novels_that_each_take_the_next_ones_place_keep_their_ids(
    library: Library, service: SyncService, tables: Tables, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, 12)
    write(library, "a", "Emma")
    write(library, "b", "Ulysses", 7)
    synced(service)
    emma, ulysses = ids(tables, "a"), ids(tables, "b")
    (library.folder / "b").rename(library.folder / "c")
    (library.folder / "a").rename(library.folder / "b")
    follow(service, way, monkeypatch)
    assert (ids(tables, "b"), ids(tables, "c")) == (emma, ulysses)
    assert len(published(tables)) == 14


@pytest.mark.parametrize("way", ["together", "one by one", "abc", "cab"])
def test_three_novels_that_go_round_in_a_circle_keep_their_ids(
    library: Library, service: SyncService, tables: Tables, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, 12)
    names = {"a": "Emma", "b": "Ulysses", "c": "Dracula"}
    for slug, name in names.items():
        write(library, slug, name)
    synced(service)
    before = {name: ids(tables, slug) for slug, name in names.items()}
    after = {"b": "Emma", "c": "Ulysses", "a": "Dracula"}
    for slug, name in after.items():
        write(library, slug, name)
    follow(service, way, monkeypatch)
    assert {name: ids(tables, slug) for slug, name in after.items()} == before


@pytest.mark.parametrize("way", ["together", "ca"])
def test_a_slug_that_another_book_has_now_does_not_keep_the_one_that_moved_on(
    library: Library, service: SyncService, tables: Tables, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, 12)
    write(library, "a", "Emma")
    synced(service)
    emma = ids(tables, "a")
    (library.folder / "a").rename(library.folder / "c")
    write(library, "a", "Ulysses", 7)
    follow(service, way, monkeypatch)
    assert ids(tables, "c") == emma
    assert tables.titles("a") == [f"Chapter {n}" for n in range(1, 8)]
    assert not set(ids(tables, "a").values()) & set(emma.values())


def test_a_swap_is_followed_although_both_novels_have_grown_and_have_one_title(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 12)

    def put(slug: str, translation: str, length: int) -> None:
        chapters = [chapter(n, content=text_of(f"{translation} {n}"), url="") for n in range(1, length)]
        library.write(slug, chapters, title="War and Peace")

    put("a", "Garnett", 6)
    put("b", "Maude", 8)
    synced(service)
    garnett, maude = tables.ids("a"), tables.ids("b")
    put("a", "Maude", 9)
    put("b", "Garnett", 7)
    synced(service)
    assert garnett.items() < ids(tables, "b").items()
    assert maude.items() < ids(tables, "a").items()


def test_a_dry_run_foresees_a_swap(library: Library, service: SyncService) -> None:
    fill(library, 12)
    write(library, "a", "Emma")
    write(library, "b", "Ulysses")
    synced(service)
    write(library, "a", "Ulysses")
    write(library, "b", "Emma")
    planned = service.dry_run().as_dict()
    assert planned["novels"]["renamed"] == synced(service)["novels"]["renamed"] == 2


def test_what_lost_its_slug_to_another_novel_stays_for_its_grace(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    fill(library, 12)
    write(library, "a", "Emma")
    write(library, "b", "Ulysses")
    synced(service)
    emma, ulysses = ids(tables, "a"), ids(tables, "b")
    library.remove("b")
    (library.folder / "a").rename(library.folder / "b")
    report = synced(service)
    assert nonzero(report["novels"]) == {"unchanged": 12, "renamed": 1}
    assert ids(tables, "b") == emma
    (waiting,) = (slug for slug in published(tables) if "/" in slug)
    assert ids(tables, waiting) == ulysses
    assert nonzero(synced(service)["novels"]) == {"unchanged": 13, "missing": 1}
    hours_pass(tables, 2)
    assert synced(service)["novels"]["removed"] == 1
    assert waiting not in published(tables)
    write(library, "c", "Ulysses")
    assert synced(service)["novels"]["renamed"] == 1
    assert ids(tables, "c") == ulysses, "it is found again"


def test_what_is_held_of_a_novel_travels_along_while_another_has_its_slug(
    library: Library, service: SyncService, tables: Tables
) -> None:
    write(library, "a", "emma", length=20)
    write(library, "c", "persuasion")
    synced(service)
    before = ids(tables, "a")
    write(library, "a", "emma", length=12)
    assert synced(service, "partial")["novels"]["held"] == 1
    cut = library.path("a").read_bytes()
    library.path("c").replace(library.path("a"))
    library.remove("c")
    synced(service)
    library.write_raw("b", cut)
    assert synced(service, "partial")["novels"]["held"] == 1
    assert ids(tables, "b") == before
    synced(service, accept=frozenset({"b"}))
    assert ids(tables, "b").items() < before.items()


def test_a_novel_whose_slug_was_given_away_while_it_was_removed_is_found_under_another(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    service = make_service(library, database, limits=AT_ONCE)
    fill(library, 12)
    write(library, "a", "Emma")
    synced(service)
    emma = ids(tables, "a")
    library.remove("a")
    assert synced(service)["novels"]["removed"] == 1
    write(library, "a", "Ulysses")
    assert synced(service)["novels"]["created"] == 1
    write(library, "c", "Emma")
    assert synced(service)["novels"]["renamed"] == 1
    assert ids(tables, "c") == emma
    assert tables.titles("a") == tables.titles("c")


@pytest.mark.parametrize("first", [whole_run, events])
@pytest.mark.parametrize("removed", [True, False])
def test_a_novel_under_another_name_keeps_its_ids_whoever_reads_it_first(
    library: Library,
    database: SqlClient,
    tables: Tables,
    first: Callable[[SyncService, Sequence[str]], None],
    removed: bool,
) -> None:
    service = make_service(library, database, limits=AT_ONCE)
    fill(library, 12)
    write(library, "a", "Emma")
    synced(service)
    emma = ids(tables, "a")
    aside = library.folder.with_name("aside")
    (library.folder / "a").rename(aside)
    if removed:
        assert synced(service)["novels"]["removed"] == 1
    aside.rename(library.folder / "again")
    first(service, ["again"])
    assert ids(tables, "again") == emma
    synced(service)
    assert ids(tables, "again") == emma
    assert len(published(tables)) == 13


@pytest.mark.parametrize(
    ("old", "new"), [("emma", "Emma"), (unicodedata.normalize("NFC", "mộng"), unicodedata.normalize("NFD", "mộng"))]
)
@pytest.mark.parametrize("blind", [False, True], ids=["exact", "a file system that tells neither apart"])
def test_a_name_that_is_only_spelled_otherwise_keeps_every_id(
    library: Library, database: SqlClient, tables: Tables, old: str, new: str, blind: bool
) -> None:
    class Blind(LocalStorage):
        def find(self, slug: str) -> SourceFile | None:
            there = new if slug == old and (library.folder / new).exists() else slug
            found = super().find(there)
            return found and found._replace(slug=slug)

    storage = (Blind if blind else LocalStorage)(str(library.folder))
    service = SyncService(storage, database, SyncConfig(workers=1, max_file_bytes=10**6))
    fill(library, 12)
    write(library, old, "Emma")
    synced(service)
    emma = ids(tables, old)
    (library.folder / old).rename(library.folder / new)
    assert nonzero(synced(service)["novels"]) == {"unchanged": 12, "renamed": 1}
    assert ids(tables, new) == emma


def test_a_changed_novel_and_a_copy_of_what_it_was_are_two(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 12)
    write(library, "a", "Emma")
    synced(service)
    emma = ids(tables, "a")
    shutil.copytree(library.folder / "a", library.folder / "old-a")
    again = [chapter(n, content=text_of(f"anew {n}"), url=f"https://Emma.example/{n}") for n in range(1, 6)]
    library.write("a", again, title="Emma")
    synced(service)
    assert ids(tables, "a") == emma, "a translation anew, at the same addresses"


@pytest.mark.parametrize("alike", ["a known placeholder", "a notice in every chapter", "one long preface"])
def test_what_two_novels_have_in_common_makes_no_rename(
    library: Library, service: SyncService, tables: Tables, alike: str
) -> None:
    fill(library, 12)
    text = "Chương này đã bị khóa" if alike == "a known placeholder" else text_of("read it on our site")
    count = 1 if alike == "one long preface" else 3
    for slug, n in (("nov-a", count), ("nov-b", count)):
        book = [chapter(k, content=text, url=f"https://{slug}.example/{k}") for k in range(n)]
        if slug == "nov-b":
            library.remove("nov-a")
        library.write(slug, book)
        report = synced(service)
    counts = {what: count for what, count in nonzero(report["novels"]).items() if what != "without_text"}
    assert counts == {"unchanged": 12, "created": 1, "missing": 1}
    assert not set(ids(tables, "nov-a").values()) & set(ids(tables, "nov-b").values())
    assert len(ids(tables, "nov-a")) == count + 1


def test_where_the_search_would_take_too_long_it_is_undecided_and_the_run_goes_on(
    library: Library, database: SqlClient, transport: RecordingTransport, tables: Tables, database_url: str
) -> None:
    service = make_service(library, database, workers=1)
    fill(library, 12)
    write(library, "a", "Emma")
    synced(service)
    emma = ids(tables, "a")
    (library.folder / "a").rename(library.folder / "b")
    with psycopg.connect(database_url) as busy:

        def lock(function: str) -> None:
            busy.rollback()
            if function == "novelsync_find_renames":
                busy.execute("lock table chapters in access exclusive mode")

        transport.before = lock
        assert nonzero(synced(service)["novels"]) == {"unchanged": 12, "created": 1, "missing": 1}
        transport.before = lambda function: None
    assert synced(service)["novels"]["renamed"] == 1
    assert ids(tables, "b") == emma


def test_while_its_old_place_cannot_be_looked_at_a_novel_waits(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    class Away(LocalStorage):
        def find(self, slug: str) -> SourceFile | None:
            if slug == "a":
                raise StorageUnavailable("the disk is away", "mount it")
            return super().find(slug)

    config = SyncConfig(workers=1, max_file_bytes=10**6)
    fill(library, 12)
    write(library, "a", "Emma")
    service = SyncService(LocalStorage(str(library.folder)), database, config)
    synced(service)
    emma = ids(tables, "a")
    (library.folder / "a").rename(library.folder / "b")
    report = SyncService(Away(str(library.folder)), database, config).sync_all_novels().as_dict()
    assert any("the disk is away" in message for message in messages(report))
    assert ids(tables, "a") == emma
    assert synced(service)["novels"]["renamed"] == 1
    assert ids(tables, "b") == emma


def test_a_write_that_waited_while_its_novel_moved_on_is_planned_anew(
    library: Library, database: SqlClient, tables: Tables, transport: RecordingTransport, database_url: str
) -> None:
    service = make_service(library, database, workers=1)
    fill(library, 12)
    write(library, "a", "Emma")
    synced(service)
    emma = ids(tables, "a")
    write(library, "a", "Emma", 7)
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        # What the move of a novel to another slug does to the row of its old one.
        other.execute("update novelsync.files set slug = 'b' where slug = 'a'")
        result = pool.submit(service.sync_novel_to_db, "a")
        wait_until(
            lambda: tables.rows("select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'write'")
        )
        other.commit()
        assert result.result().status == "renamed"
    assert [function for function, _ in transport.calls].count("novelsync_write") == 3, "the run's, and then two"
    assert emma.items() < ids(tables, "a").items()
