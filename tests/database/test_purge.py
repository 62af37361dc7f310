"""Deleting for good: only what was removed, only when asked, and never without showing what."""

import json
import threading

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.database.clients import removed_rows
from novelsync.models.stored import PurgeSelection
from novelsync.sync_service import SyncService
from tests.conftest import Run, Tables, make_service
from tests.support.library import Library, chapter, chapters
from tests.support.receiver import Receiver


@pytest.fixture
def removed(
    library: Library,
    database_url: str,
    database: SqlClient,
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
) -> Tables:
    """Emma lost two of five chapters three days ago, Persuasion is gone since a day, Evelina is as it was."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    service: SyncService = make_service(library, database)
    library.write("emma", chapters(5))
    library.write("evelina", chapters(2))
    library.write("persuasion", chapters(4))
    assert service.sync_all_novels().success
    library.write("emma", chapters(3))
    assert service.sync_all_novels().success
    tables.connection.execute("update chapters set removed_at = now() - interval '3 days' where removed_at is not null")
    tables.connection.execute("update novels set removed_at = now() - interval '1 day' where slug = 'persuasion'")
    return tables


def left(tables: Tables) -> dict[str, int]:
    return dict(
        tables.rows(
            "select n.slug, count(c.id) from novels n left join chapters c on c.novel_id = n.id group by n.slug"
        )
    )


def test_what_was_removed_is_deleted_and_nothing_else(run: Run, removed: Tables) -> None:
    purged = run("purge", "--yes")
    assert purged.code == 0, purged.err
    assert "removed: 1 novel, 6 chapters" in purged.out
    assert "deleted: 1 novel, 6 chapters" in purged.out
    assert left(removed) == {"emma": 3, "evelina": 2}
    again = run("purge", "--yes")
    assert (again.code, again.out) == (0, "there are no removed rows to delete\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--slug", "emma"], {"emma": 3, "evelina": 2, "persuasion": 4}),
        (["--slug", "persuasion"], {"emma": 5, "evelina": 2}),
        (["--slug", "evelina"], {"emma": 5, "evelina": 2, "persuasion": 4}),
        (["--older-than", "2"], {"emma": 3, "evelina": 2, "persuasion": 4}),
        (["--older-than", "5"], {"emma": 5, "evelina": 2, "persuasion": 4}),
        (["--older-than", "2", "--slug", "persuasion"], {"emma": 5, "evelina": 2, "persuasion": 4}),
    ],
    ids=" ".join,
)
def test_what_is_deleted_can_be_narrowed_down(
    run: Run, removed: Tables, arguments: list[str], expected: dict[str, int]
) -> None:
    assert run("purge", "--yes", *arguments).code == 0
    assert left(removed) == expected


def test_where_nobody_can_be_asked_nothing_is_deleted(run: Run, removed: Tables) -> None:
    refused = run("purge")
    assert (refused.code, "--yes is needed" in refused.err) == (2, True)
    assert "removed: 1 novel, 6 chapters" in refused.out, "but shown it is"
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_what_of_the_site_points_there_is_shown_with_what_becomes_of_it(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "create table bookmarks (id int primary key, chapter_id bigint references chapters (id) on delete cascade);"
        "create table ratings (novel_id bigint references novels (id) on delete set null);"
        "insert into bookmarks select id, id from chapters;"
        "insert into ratings select id from novels"
    )
    purged = run("purge", "--yes")
    assert "public.bookmarks.chapter_id: 6 referencing rows (id: 4, 5, 8, 9, 10, …); they are deleted too" in purged.out
    assert "ratings.novel_id: 1 referencing row (novel_id: 3); their reference becomes null" in purged.out
    assert removed.rows("select count(*) from bookmarks") == [(5,)]
    assert removed.rows("select count(*) filter (where novel_id is null), count(*) from ratings") == [(1, 3)]


def test_a_foreign_key_that_forbids_it_is_named(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "create table bookmarks (chapter_id bigint references chapters (id));"
        "insert into bookmarks select id from chapters where removed_at is not null"
    )
    refused = run("purge", "--yes")
    assert refused.code == 1
    assert "bookmarks.chapter_id: 2 referencing rows (chapter_id: 4, 5); they forbid it" in refused.out
    assert "foreign keys forbid it: public.bookmarks.chapter_id, 2 referencing rows (chapter_id: 4, 5)" in refused.err
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_a_slug_that_nobody_knows_is_wrong_usage_and_the_nearest_is_named(run: Run, removed: Tables) -> None:
    removed.connection.execute("update novelsync.files set removed_at = now() where slug = 'persuasion'")
    for slug, nearest in (("emmma", "emma"), ("eemma", "emma"), ("persuason", "persuasion"), ("veli", "evelina")):
        refused = run("purge", "--slug", slug, "--yes")
        assert (refused.code, f"there is no novel '{slug}'; did you mean {nearest}?" in refused.err) == (2, True)
    unlike = run("purge", "--slug", "zzz", "--blank", "--yes", "--json")
    assert (unlike.code, "there is no novel 'zzz'; `novelsync novels` lists all." in unlike.err) == (2, True)
    known = run("purge", "--slug", "evelina", "--yes")
    assert (known.code, known.out) == (0, "there are no removed rows to delete\n")
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_much_is_deleted_in_pieces(run: Run, removed: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removed_rows, "PURGED_CHAPTERS", 2)
    assert "deleted: 1 novel, 6 chapters" in run("purge", "--yes").out
    assert left(removed) == {"emma": 3, "evelina": 2}


def test_any_key_that_points_there_is_understood(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "alter table novels add unique (id, slug);"
        "create table shelf (novel bigint, name text, foreign key (novel, name) references novels (id, slug)"
        "  on delete cascade);"
        "insert into shelf select id, slug from novels;"
        "alter table chapters add next_id bigint references chapters on delete set null"
    )
    purged = run("purge", "--yes")
    assert purged.code == 0, purged.err
    assert "shelf.novel, name: 1 referencing row (novel, name: 3, persuasion); they are deleted too" in purged.out
    assert "chapters.next_id: 0 referencing rows" in purged.out


def test_what_comes_back_while_it_is_purged_stays(removed: Tables, database: SqlClient, database_url: str) -> None:
    answer = database.removed_rows.count(PurgeSelection("emma"))
    writer = psycopg.connect(database_url)
    writer.execute("select from novelsync.files where slug = 'emma' for update")
    writer.execute("update chapters set removed_at = null, position = position + 10 where removed_at is not null")
    purged: list[object] = []
    purging = threading.Thread(
        target=lambda: purged.extend(database.removed_rows.purge(PurgeSelection("emma"), answer.before))
    )
    purging.start()
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like $$%novelsync_purge%$$"
    while not removed.connection.execute(waiting).fetchone():
        assert purging.is_alive()
    writer.commit()
    writer.close()
    purging.join()
    assert purged == []
    assert left(removed)["emma"] == 5


def test_what_is_removed_after_it_was_shown_is_not_deleted(removed: Tables, database: SqlClient) -> None:
    shown = database.removed_rows.count(PurgeSelection())
    removed.connection.execute("update chapters set removed_at = now() where position = 1")
    pieces = list(database.removed_rows.purge(PurgeSelection(), shown.before))
    assert sum(piece.chapters for piece in pieces) == shown.chapters


def test_a_purged_novel_that_comes_back_is_a_new_one(
    run: Run, removed: Tables, library: Library, service: SyncService
) -> None:
    library.remove("persuasion")
    removed.connection.execute(
        "update novelsync.files set missing_since = now() - interval '1 day', removed_at = now()"
        " where slug = 'persuasion'"
    )
    run("purge", "--yes")
    library.write("persuasion", [chapter("another")])
    assert service.sync_all_novels().as_dict()["novels"]["created"] == 1
    assert left(removed) == {"emma": 3, "evelina": 2, "persuasion": 1}


# Chapters that are named -----------------------------------------------------------------------------------------


def one(tables: Tables, slug: str, title: str) -> str:
    """The id of a chapter."""
    ((id_,),) = tables.rows(
        "select c.id from chapters c join novels n on n.id = c.novel_id where n.slug = %s and c.title = %s", slug, title
    )
    return str(id_)


def test_a_removed_chapter_is_deleted_by_its_id_and_no_other(run: Run, removed: Tables) -> None:
    id_ = one(removed, "emma", "Chapter 4")
    purged = run("purge", "--chapter", id_, "--yes")
    assert (purged.code, "deleted: 0 novels, 1 chapter" in purged.out) == (0, True), purged.err
    assert left(removed) == {"emma": 4, "evelina": 2, "persuasion": 4}
    assert removed.rows("select from chapters where id = %s", int(id_)) == []


def test_a_published_chapter_is_shown_as_such_and_deleted_only_with_yes(
    run: Run, removed: Tables, library: Library, service: SyncService
) -> None:
    id_ = one(removed, "emma", "Chapter 2")
    refused = run("purge", "--chapter", id_)
    assert (refused.code, "readers still see 1 chapter of these" in refused.err) == (2, True)
    assert f'! readers see chapter {id_} "Chapter 2" of emma' in refused.out
    assert "it comes back as a new chapter the next time that the file changes" in refused.out
    assert removed.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]

    assert run("purge", "--chapter", id_, "--yes").code == 0
    assert removed.titles("emma") == ["Chapter 1", "Chapter 3"]
    shown = removed.rows(
        "select n.chapter_count, array_agg(c.position order by c.position) from novels n"
        " join chapters c on c.novel_id = n.id and c.removed_at is null where n.slug = 'emma' group by 1"
    )
    assert shown == [(2, [1, 2])], "the others close up"
    assert removed.rows(
        "select f.kind, f.fields from chapter_changes f join novels n on n.id = f.novel_id"
        " where n.slug = 'emma' order by f.id desc limit 1"
    ) == [("changed", ["order"])]

    service.sync_all_novels()
    assert removed.titles("emma") == ["Chapter 1", "Chapter 3"], "as long as the file is as it was"
    library.write("emma", [*chapters(3), chapter(6)])
    service.sync_all_novels()
    assert removed.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3", "Chapter 6"], "as it was said"
    assert one(removed, "emma", "Chapter 2") != id_


def test_a_published_chapter_that_is_emptied_is_told_of_at_once(run: Run, removed: Tables, notified: Receiver) -> None:
    id_ = one(removed, "emma", "Chapter 2")
    assert run("purge", "--chapter", id_, "--blank", "--yes").code == 0
    moved, gone = notified.changes
    assert (moved["kind"], moved["fields"], moved["chapter"]) == ("changed", ["order"], None)
    assert (gone["kind"], str(gone["chapter"]["id"])) == ("removed", id_)


def test_a_chapter_that_is_not_there_is_wrong_usage(run: Run, removed: Tables) -> None:
    for id_ in ("4711", "emma", "99999999999999999999999"):
        refused = run("purge", "--chapter", id_, "--chapter", one(removed, "emma", "Chapter 4"), "--yes")
        assert (refused.code, f"there is no chapter {id_}" in refused.err, refused.out.count("deleted")) == (2, True, 0)
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_what_cannot_be_meant_is_wrong_usage(run: Run, removed: Tables) -> None:
    assert "leave out --slug" in run("purge", "--chapter", "1", "--slug", "emma").err
    assert "add --slug or --chapter" in run("purge", "--blank", "--yes").err
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_only_rows_that_point_at_the_named_chapter_count(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "create table bookmarks (id int primary key, chapter_id bigint references chapters (id));"
        "insert into bookmarks select 10 * id, id from chapters"
    )
    refused = run("purge", "--chapter", one(removed, "emma", "Chapter 4"), "--yes")
    assert refused.code == 1
    assert "public.bookmarks.chapter_id, 1 referencing row (id: 40)" in refused.err
    assert "`novelsync purge --chapter 4 --blank`" in refused.err
    removed.connection.execute("delete from bookmarks where id = 40")
    assert run("purge", "--chapter", "4", "--yes").code == 0


# Emptied for good --------------------------------------------------------------------------------------------------


@pytest.fixture
def bookmarked(removed: Tables) -> Tables:
    """Every chapter and every novel has a bookmark that forbids to delete it."""
    removed.connection.execute(
        "create table bookmarks (chapter_id bigint references chapters (id), novel_id bigint references novels (id));"
        "insert into bookmarks select id, novel_id from chapters"
    )
    return removed


def contents(tables: Tables, slug: str) -> list[tuple[object, ...]]:
    return tables.rows(
        "select c.position, c.title, c.number::int, length(c.content), c.url, c.removed_at is not null"
        " from chapters c join novels n on n.id = c.novel_id where n.slug = %s order by c.id",
        slug,
    )


def test_where_deleting_is_forbidden_titles_and_texts_are_emptied_and_rows_stay(run: Run, bookmarked: Tables) -> None:
    shown = run("purge", "--slug", "emma", "--yes")
    assert (shown.code, "`novelsync purge --slug emma --blank`" in shown.err) == (1, True)
    before = contents(bookmarked, "emma")
    emptied = run("purge", "--slug", "emma", "--blank", "--yes")
    assert (emptied.code, "emptied, with the rows kept: 0 novels, 2 chapters" in emptied.out) == (0, True), emptied.err
    assert "they stay, and point at what is empty then" in emptied.out
    assert contents(bookmarked, "emma") == [*before[:3], (4, "", None, 0, "", True), (5, "", None, 0, "", True)]
    assert bookmarked.rows("select count(*) from bookmarks") == [(11,)]
    again = run("purge", "--slug", "emma", "--blank", "--yes")
    assert (again.code, again.out) == (0, "there are no removed rows with anything left to empty\n")


def test_what_was_emptied_is_not_filled_again_whatever_the_file_says(
    run: Run, bookmarked: Tables, library: Library, service: SyncService
) -> None:
    run("purge", "--slug", "emma", "--blank", "--yes")
    library.write("emma", [*chapters(3), chapter(6)])
    assert service.sync_all_novels().success
    assert contents(bookmarked, "emma")[3:5] == [(4, "", None, 0, "", True), (5, "", None, 0, "", True)]
    # If the file has them again, they are chapters like any new one, and the rows stay empty.
    library.write("emma", [*chapters(5), chapter(6)])
    assert service.sync_all_novels().success
    assert len(bookmarked.titles("emma")) == 6
    assert contents(bookmarked, "emma")[3:5] == [(4, "", None, 0, "", True), (5, "", None, 0, "", True)]
    assert service.dry_run().changes == []


def test_a_published_chapter_is_hidden_when_it_is_emptied(run: Run, bookmarked: Tables) -> None:
    id_ = one(bookmarked, "emma", "Chapter 2")
    assert run("purge", "--chapter", id_, "--blank").code == 2
    assert run("purge", "--chapter", id_, "--blank", "--yes").code == 0
    assert bookmarked.titles("emma") == ["Chapter 1", "Chapter 3"]
    assert bookmarked.rows("select content, content_hash = sha256('') from chapters where id = %s", int(id_)) == [
        ("", True)
    ]
    assert bookmarked.rows(
        "select f.kind, f.chapter_id, f.fields from chapter_changes f order by f.id desc limit 2"
    ) == [("removed", int(id_), []), ("changed", None, ["order"])]


def test_a_removed_novel_is_emptied_with_all_that_it_says(
    run: Run, bookmarked: Tables, library: Library, service: SyncService
) -> None:
    library.remove("persuasion")
    bookmarked.connection.execute(
        "update novelsync.files set missing_since = now() - interval '1 day', removed_at = now()"
        " where slug = 'persuasion'"
    )
    assert "1 novel, 4 chapters" in run("purge", "--slug", "persuasion", "--blank", "--yes").out
    assert bookmarked.rows("select title, author, chapter_count from novels where slug = 'persuasion'") == [
        ("", None, 0)
    ]
    service.sync_all_novels()
    assert bookmarked.rows("select title from novels where slug = 'persuasion'") == [("",)]
    again = run("purge", "--slug", "persuasion", "--blank", "--yes")
    assert (again.code, again.out) == (0, "there are no removed rows with anything left to empty\n")
    # It may come back only as what its file says then, and its old rows stay empty.
    library.write("persuasion", [chapter("another")])
    assert service.sync_all_novels().success
    assert bookmarked.titles("persuasion") == ["Chapter another"]
    assert len(contents(bookmarked, "persuasion")) == 5


@pytest.mark.parametrize("folder", ["persuasion", "elsewhere"])
@pytest.mark.parametrize("book", ["the same", "another"])
def test_an_emptied_novel_is_never_filled_again_whatever_its_folder_has_then(
    run: Run, bookmarked: Tables, library: Library, service: SyncService, book: str, folder: str
) -> None:
    file = library.folder / "persuasion" / "book_info.json"
    same = file.read_bytes()
    library.remove("persuasion")
    bookmarked.connection.execute(
        "update novelsync.files set missing_since = now() - interval '1 day', removed_at = now()"
        " where slug = 'persuasion'"
    )
    ((id_,),) = bookmarked.rows("select id from novels where slug = 'persuasion'")
    assert run("purge", "--slug", "persuasion", "--blank", "--yes").code == 0
    if book == "the same":
        library.write_raw(folder, same)
    else:
        library.write(folder, [chapter("another")], title="Another", author="Somebody else")
    report = service.sync_all_novels().as_dict()
    assert (report["success"], report["novels"]["created"], report["novels"]["restored"]) == (True, 1, 0)
    assert bookmarked.rows("select title, author, removed_at is null from novels where id = %s", id_) == [
        ("", None, False)
    ]
    assert bookmarked.rows("select count(*) from novels where slug = %s and removed_at is null", folder) == [(1,)]
    assert all(row[1:5] == ("", None, 0, "") for row in contents(bookmarked, "persuasion")[:4])
    assert service.sync_all_novels().as_dict()["novels"]["unchanged"] == 3


def test_what_was_emptied_can_still_be_deleted(run: Run, bookmarked: Tables) -> None:
    run("purge", "--slug", "emma", "--blank", "--yes")
    bookmarked.connection.execute("delete from bookmarks")
    assert "deleted: 0 novels, 2 chapters" in run("purge", "--slug", "emma", "--yes").out
    assert left(bookmarked)["emma"] == 3


# What is printed ---------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_and_does_nothing(run: Run, removed: Tables) -> None:
    shown = run("purge", "-n")
    assert (shown.code, "removed: 1 novel, 6 chapters" in shown.out, "deleted" in shown.out) == (0, True, False)
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_as_json_it_is_one_document_whether_it_was_done_or_not(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "create table bookmarks (chapter_id bigint references chapters (id));"
        "insert into bookmarks select id from chapters where removed_at is not null"
    )
    asked = run("purge", "--json")
    forbidden = run("purge", "--json", "--yes")
    removed.connection.execute("delete from bookmarks")
    done = run("purge", "--json", "--yes")
    assert (asked.code, forbidden.code, done.code) == (1, 1, 0)
    assert json.loads(document(asked.out))["references"] == [
        {
            "table": "public.bookmarks",
            "columns": "chapter_id",
            "rows": 2,
            "keys": "chapter_id",
            "first": ["4", "5"],
            "forbids": True,
            "then": "they forbid it",
        }
    ]
    assert json.loads(forbidden.out)["purged"] is None
    assert json.loads(done.out)["purged"] == {"novels": 1, "chapters": 6}


def document(out: str) -> str:
    """Without the lines of the log that the fixtures' own runs wrote."""
    return out[out.index("{\n") :]


def test_no_row_that_readers_see_is_read_to_find_those_that_they_do_not(removed: Tables) -> None:
    connection = removed.connection
    connection.execute(
        "insert into chapters (novel_id, position)"
        " select (select min(id) from novels), n from generate_series(100, 9000) n"
    )
    connection.execute("analyze chapters; analyze novels")
    purging = "novelsync_purge(json_build_object('before', now(), 'limit', 9))"
    for call in ("novelsync_removed('{}')", purging):
        with connection.transaction():
            before = rows_read(removed)
            connection.execute(f"select {call}")
            assert rows_read(removed) - before < 100, call


def rows_read(tables: Tables) -> int:
    """Of chapters, by this connection."""
    asked = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'chapters'"
    return int(tables.rows(asked)[0][0])
