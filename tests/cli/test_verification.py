"""Whether the tables are the storage, text by text."""

import pytest

from tests.conftest import Run, Tables
from tests.support.library import Library, chapters


def test_equal_tables_are_verified_as_equal(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(3))
    run("sync")
    verified = run("verify")
    assert verified.code == 0
    assert "equal; compared text by text: 1 novel, 3 chapters" in verified.out


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("update chapters set content = content || ' ' where position = 2", "~ 2"),
        ("update chapters set content_hash = '' where position = 2", "~ 2"),
        ("update chapters set title = 'x' where position = 2", 'title: "x" → "Chapter 2"'),
        ("update chapters set url = 'x' where position = 2", "url"),
        ("update chapters set number = null where position = 2", "number: none given → 2"),
        ("update chapters set removed_at = now() where position = 2", "is back"),
        ("update chapters set position = 7 where position = 2", "> 2"),
        ("delete from chapters where position = 2", "+ 2"),
        ("update novels set author = null", "author: nothing → "),
        ("update novels set chapter_count = 99", "~ emma"),
        ("update novels set slug = 'zzz'", "~ emma"),
        ("insert into chapters (novel_id, position, title) select id, 9, 'more' from novels", '- "more"'),
        ("update novels set removed_at = now()", "is back"),
    ],
)
def test_every_difference_is_found_and_mended_by_rereading(
    run: Run, settled: Library, tables: Tables, damage: str, said: str
) -> None:
    settled.write("emma", chapters(3))
    run("sync")
    tables.connection.execute(damage)  # type: ignore[arg-type]
    before = tables.places()
    different = run("verify")
    assert (different.code, said in different.out) == (1, True), different.out
    assert tables.places() == before
    assert run("sync", "--reread").code == 0
    assert run("verify").code == 0


def test_what_is_held_refused_or_missing_is_counted_and_not_equal(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(9))
    settled.write("persuasion", chapters(2))
    settled.write("evelina", chapters(2))
    settled.write("other", chapters(2))
    run("sync")
    settled.write("emma", chapters(2))
    settled.write_raw("evelina", b"{")
    run("sync")
    settled.remove("persuasion")
    verified = run("verify")
    assert verified.code == 1
    assert "1 held, 1 missing from storage, 1 refused" in verified.out
    assert "different" not in verified.out
