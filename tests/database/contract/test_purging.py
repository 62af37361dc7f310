"""Deleting and emptying for good, over each road."""

from novelsync.database.client import SqlClient
from novelsync.models.stored import PublishedChapter, Purged, PurgeSelection
from novelsync.sync_service import SyncService
from tests.conftest import Tables
from tests.support.library import Library, chapters


def test_chapters_that_are_named_are_shown_deleted_and_emptied(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    library.write("emma", chapters(5))
    service.sync_all_novels()
    library.write("emma", chapters(4))
    service.sync_all_novels()
    published, gone = str(tables.ids("emma")["Chapter 2"]), str(tables.rows("select max(id) from chapters")[0][0])
    named = PurgeSelection(chapters=[published, gone, "emma"])
    shown = database.removed_rows.count(named)
    assert (shown.novels, shown.chapters, shown.unknown) == (0, 2, ["emma"])
    assert shown.published == [PublishedChapter(published, "Chapter 2", "emma")]

    assert list(database.removed_rows.purge(named, shown.before)) == [Purged(0, 1)], "only what readers do not see"
    emptied = PurgeSelection(chapters=[published], blank=True)
    assert list(database.removed_rows.purge(emptied, shown.before, published=True)) == [Purged(0, 1)]
    assert tables.titles("emma") == ["Chapter 1", "Chapter 3", "Chapter 4"]
    assert tables.rows("select title, content, url from chapters where removed_at is not null") == [("", "", "")]
    assert database.removed_rows.count(emptied).chapters == 0
    assert database.removed_rows.count(PurgeSelection("emma")).chapters == 1


def test_a_chapter_that_is_being_brought_in_cannot_be_named(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    library.write("emma", chapters(1))
    service.sync_all_novels()
    ((staged,),) = tables.rows(
        "insert into chapters (novel_id, position, title, removed_at) select id, 2, 'Staged', 'infinity' from novels"
        " returning id::text"
    )
    selection = PurgeSelection(chapters=[staged])
    shown = database.removed_rows.count(selection)
    assert (shown.chapters, shown.unknown) == (0, [staged])
    assert list(database.removed_rows.purge(selection, shown.before, published=True)) == []
    assert tables.rows("select title from chapters order by position") == [("Chapter 1",), ("Staged",)]
