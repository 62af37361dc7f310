"""Deleting for good: only what was removed, only when asked, and never without showing what."""

import pytest

from novelsync.database import functions
from novelsync.sync_service import SyncService
from tests.conftest import Run, Tables, make_service
from tests.library import Library, chapter, chapters


@pytest.fixture
def removed(
    library: Library,
    database_url: str,
    database: functions.FunctionDatabase,
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
    assert (again.code, again.out) == (0, "nothing that was removed is left to delete\n")


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
    assert "bookmarks.chapter_id: 6 rows point there; they are deleted too" in purged.out
    assert "ratings.novel_id: 1 row point there; their reference becomes null" in purged.out
    assert removed.rows("select count(*) from bookmarks") == [(5,)]
    assert removed.rows("select count(*) filter (where novel_id is null), count(*) from ratings") == [(1, 3)]


def test_a_foreign_key_that_forbids_it_is_named(run: Run, removed: Tables) -> None:
    removed.connection.execute(
        "create table bookmarks (chapter_id bigint references chapters (id));"
        "insert into bookmarks select id from chapters where removed_at is not null"
    )
    refused = run("purge", "--yes")
    assert refused.code == 1
    assert "bookmarks.chapter_id: 2 rows point there; they forbid it" in refused.out
    assert "bookmarks_chapter_id_fkey" in refused.err
    assert left(removed) == {"emma": 5, "evelina": 2, "persuasion": 4}


def test_much_is_deleted_in_pieces(run: Run, removed: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "PURGED_CHAPTERS", 2)
    assert "deleted: 1 novel, 6 chapters" in run("purge", "--yes").out
    assert left(removed) == {"emma": 3, "evelina": 2}


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
