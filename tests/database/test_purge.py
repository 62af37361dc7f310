"""Deleting for good: only what was removed, only when asked, and never without showing what."""

import threading

import psycopg
import pytest

from novelsync.database import client as functions
from novelsync.sync_service import SyncService
from tests.conftest import Run, Tables, make_service
from tests.support.library import Library, chapter, chapters


@pytest.fixture
def removed(
    library: Library,
    database_url: str,
    database: functions.SqlClient,
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
        "create table bookmarks (id int, chapter_id bigint references chapters (id) on delete cascade);"
        "create table ratings (novel_id bigint references novels (id) on delete set null);"
        "insert into bookmarks select 1, id from chapters;"
        "insert into ratings select id from novels"
    )
    purged = run("purge", "--yes")
    assert "bookmarks.chapter_id: 6 referencing rows; they are deleted too" in purged.out
    assert "ratings.novel_id: 1 referencing row; their reference becomes null" in purged.out
    assert removed.rows("select count(*) from bookmarks") == [(5,)]
    assert removed.rows("select count(*) filter (where novel_id is null), count(*) from ratings") == [(1, 3)]


def test_a_foreign_key_that_forbids_it_is_named(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "create table bookmarks (chapter_id bigint references chapters (id));"
        "insert into bookmarks select id from chapters where removed_at is not null"
    )
    refused = run("purge", "--yes")
    assert refused.code == 1
    assert "bookmarks.chapter_id: 2 referencing rows; they forbid it" in refused.out
    assert "nothing was deleted, because foreign keys forbid it: public.bookmarks.chapter_id" in refused.err
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_much_is_deleted_in_pieces(run: Run, removed: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "PURGED_CHAPTERS", 2)
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
    assert "shelf.novel, name: 1 referencing row; they are deleted too" in purged.out
    assert "chapters.next_id: 0 referencing rows" in purged.out


def test_what_comes_back_while_it_is_purged_stays(
    removed: Tables, database: functions.SqlClient, database_url: str
) -> None:
    answer = database.removed("emma", 0)
    writer = psycopg.connect(database_url)
    writer.execute("select from novelsync.files where slug = 'emma' for update")
    writer.execute("update chapters set removed_at = null, position = position + 10 where removed_at is not null")
    purged: list[object] = []
    purging = threading.Thread(target=lambda: purged.extend(database.purge("emma", answer.before)))
    purging.start()
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like $$%novelsync_purge%$$"
    while not removed.connection.execute(waiting).fetchone():
        assert purging.is_alive()
    writer.commit()
    writer.close()
    purging.join()
    assert purged == []
    assert left(removed)["emma"] == 5


def test_what_is_removed_after_it_was_shown_is_not_deleted(removed: Tables, database: functions.SqlClient) -> None:
    shown = database.removed(None, 0)
    removed.connection.execute("update chapters set removed_at = now() where position = 1")
    pieces = list(database.purge(None, shown.before))
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
