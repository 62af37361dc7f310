"""The smallest write that makes the tables equal to the file."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from novelsync.evidence.texts import rows_to_see
from novelsync.models.source import UNSET, Book, BookChapter, NovelFields, SourceFile
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.models.writing import NovelWrite
from novelsync.planning import novel_plan
from tests.support.library import found, known, seen, text_of

ONE, TWO, THREE = text_of("one"), text_of("two"), text_of("three")
NOVEL = SourceFile("emma", "v2", 100)
FIELDS = NovelFields("Emma", "Jane Austen", "A novel", "https://example.com/emma.jpg", "ongoing")


def plan_novel(
    novel: SourceFile, checksum: str, book: Book, known: KnownNovel | None, *, accepted: bool = False
) -> NovelWrite:
    rows = rows_to_see(known.chapters if known else (), book.chapters)
    return novel_plan.plan_novel(
        novel, checksum, book, known, request_id="a request's", seen=seen(rows), accepted=accepted
    )


def book(*chapters: BookChapter, **fields: str | None) -> Book:
    said = {"author": UNSET, "description": UNSET, "cover_url": UNSET, "status": UNSET} | fields
    return Book("Emma", chapters=chapters, **said)  # type: ignore[arg-type]


def stored(*chapters: KnownChapter) -> KnownNovel:
    published = sum(not chapter.removed for chapter in chapters)
    return KnownNovel("emma", 7, same=False, fields=FIELDS, chapters=chapters, chapter_count=published)


def test_an_equal_file_moves_only_the_bookkeeping() -> None:
    write = plan_novel(NOVEL, "sum", book(found("One", 1, "/1", ONE)), stored(known("1", "One", 1, "/1", ONE)))
    assert not write.visible
    assert (write.version, write.checksum, write.revision) == ("v2", "sum", 7)
    assert (write.fields, write.chapters.created, write.chapters.changed, write.chapters.moved) == (None, [], [], [])


def test_everything_of_a_new_novel_is_created() -> None:
    write = plan_novel(NOVEL, "sum", book(found("One"), found("Two"), author="Jane"), None)
    assert (write.is_new, write.visible, write.chapter_count) == (True, True, 2)
    assert write.fields == NovelFields("Emma", author="Jane")
    assert [created.position for created in write.chapters.created] == [1, 2]


def test_a_chapter_in_front_moves_the_others_and_sends_one_text() -> None:
    write = plan_novel(
        NOVEL,
        "sum",
        book(found("Zero", content=THREE), found("One", content=ONE), found("Two", content=TWO)),
        stored(known("1", "One", content=ONE, position=1), known("2", "Two", content=TWO, position=2)),
    )
    assert [(created.position, created.chapter.title) for created in write.chapters.created] == [(1, "Zero")]
    assert [(moved.row.id, moved.position) for moved in write.chapters.moved] == [("1", 2), ("2", 3)]
    assert write.chapters.text_bytes == len(THREE)


def test_a_new_title_sends_no_text() -> None:
    write = plan_novel(NOVEL, "sum", book(found("First", content=ONE)), stored(known("1", "One", content=ONE)))
    assert [(changed.row.id, changed.new_text) for changed in write.chapters.changed] == [("1", False)]
    assert write.chapters.text_bytes == 0


def test_a_chapter_that_is_not_fetched_yet_keeps_its_text() -> None:
    write = plan_novel(NOVEL, "sum", book(found("One", url="/1")), stored(known("1", "One", url="/1", content=ONE)))
    assert not write.visible


def test_a_number_written_another_way_is_the_same_number() -> None:
    chapter = BookChapter("One", Decimal("10.50"), "", b"", 0, lambda: b'""')
    row = KnownChapter("1", 1, Decimal("10.5"), "One", "", b"", 0)
    assert not plan_novel(NOVEL, "sum", book(chapter), stored(row)).visible


def test_a_key_the_file_does_not_have_keeps_the_column_and_null_clears_it() -> None:
    write = plan_novel(NOVEL, "sum", book(author=None, status="completed"), stored())
    assert write.fields == NovelFields("Emma", None, "A novel", "https://example.com/emma.jpg", "completed")


def test_what_is_kept_though_the_file_no_longer_has_it_stays_behind_what_it_stood_behind() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n)), position=n) for n in range(1, 9)]
    file = [found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in (8, 2, 9)]
    write = plan_novel(NOVEL, "sum", book(*file), stored(*rows))
    # 1 stood first, 3 to 7 behind 2; the new order is 1, 8, 2, 3, 4, 5, 6, 7, 9.
    moved = [(moved.row.id, moved.position) for moved in write.chapters.moved]
    assert moved == [("8", 2), ("2", 3), ("3", 4), ("4", 5), ("5", 6), ("6", 7), ("7", 8)]
    assert [created.position for created in write.chapters.created] == [9]
    assert ([row.id for row in write.chapters.held], write.chapters.removed, write.chapter_count) == (
        list("134567"),
        [],
        9,
    )
    assert [problem.kind for problem in write.problems or ()] == ["held", "warning"]


def test_other_chapters_in_the_place_of_all_that_are_stored_overwrite_none_of_them() -> None:
    # As a crawler does that writes the chapters' list page by page: as many as before, and none of them.
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n)), position=n) for n in range(1, 11)]
    file = [found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in range(11, 21)]
    write = plan_novel(NOVEL, "sum", book(*file), stored(*rows))
    assert (len(write.chapters.held), len(write.chapters.created), write.chapters.changed, write.chapters.removed) == (
        10,
        10,
        [],
        [],
    )
    accepted = plan_novel(NOVEL, "sum", book(*file), stored(*rows), accepted=True)
    assert (len(accepted.chapters.removed), len(accepted.chapters.created), accepted.chapters.changed) == (10, 10, [])


def test_other_chapters_in_the_place_of_many_overwrite_none_of_them() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n)), position=n) for n in range(1, 11)]
    file = [found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in (1, 2, 3, 4, 5, 16, 17, 18, 19, 20)]
    write = plan_novel(NOVEL, "sum", book(*file), stored(*rows))
    assert ([row.id for row in write.chapters.held], len(write.chapters.created), write.chapters.changed) == (
        ["6", "7", "8", "9", "10"],
        5,
        [],
    )


def test_a_few_chapters_that_changed_in_everything_but_their_place_keep_their_ids() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n)), position=n) for n in range(1, 11)]
    file = [found(f"Part {n}", n + 100, f"/new/{n}", text_of(str(n))) for n in range(1, 11)]
    file[4:8] = [found(f"Part {n}", n + 100, f"/new/{n}", text_of(f"edited {n}")) for n in range(5, 9)]
    write = plan_novel(NOVEL, "sum", book(*file), stored(*rows))
    assert [change.row.id for change in write.chapters.changed] == [str(n) for n in range(1, 11)]
    assert (write.chapters.created, write.chapters.held, write.chapters.removed) == ([], [], [])


def test_untitled_chapters_that_are_edited_keep_their_ids_however_many_they_are() -> None:
    rows = [known(str(n), content=text_of(str(n)), position=n) for n in range(1, 11)]
    write = plan_novel(NOVEL, "sum", book(*(found(content=text_of(f"new {n}")) for n in range(10))), stored(*rows))
    assert [change.row.id for change in write.chapters.changed] == [str(n) for n in range(1, 11)]


def test_what_is_held_is_not_overwritten_by_what_comes_to_its_place() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n)), position=n) for n in range(1, 21)]
    held = replace(stored(*rows), held_id="4f1c2a0b", held_in_a_row=1)
    had = [found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in (*range(1, 9), *range(14, 21))]
    # Of the held 9 to 13 an hour ago; all of them but one are back, and another chapter stands where that one did.
    had[8:8] = [found("A note", 900, "/note", text_of("note"))]
    had[9:9] = [found(f"Chapter {n}", n, f"/{n}", text_of(str(n))) for n in range(10, 14)]
    write = plan_novel(NOVEL, "sum", book(*had), held)
    assert [created.chapter.title for created in write.chapters.created] == ["A note"]
    assert ([row.id for row in write.chapters.removed], write.chapters.changed) == (["9"], [])


def test_what_the_file_no_longer_has_is_removed() -> None:
    rows = [known(str(n), f"Chapter {n}", n, f"/{n}", text_of(str(n)), position=n) for n in range(1, 6)]
    write = plan_novel(NOVEL, "sum", book(found("Chapter 5", 5, "/5", text_of("5"))), stored(*rows))
    assert [row.id for row in write.chapters.removed] == ["1", "2", "3", "4"]
    assert [(moved.row.id, moved.position) for moved in write.chapters.moved] == [("5", 1)]
    assert (write.chapters.held, write.chapter_count) == ([], 1)
    assert [problem.kind for problem in write.problems or ()] == ["warning"]


def test_a_chapter_comes_back_under_its_old_id() -> None:
    rows = [known("1", "One", content=ONE), known("2", "Two", content=TWO, removed=True)]
    write = plan_novel(NOVEL, "sum", book(found("One", content=ONE), found("Two", content=TWO)), stored(*rows))
    assert [(changed.row.id, changed.position, changed.new_text) for changed in write.chapters.changed] == [
        ("2", 2, False)
    ]
    assert write.chapters.created == []


def volumes(count: int, fetched: int, *, edited: bool = False) -> list[BookChapter]:
    """Of four chapters each, whose titles and numbers begin again; texts there are in the first of them."""
    said = "edited " if edited else ""
    return [
        found(f"Chapter {n}", n, content=text_of(f"{said}{volume} {n}") if volume <= fetched else "")
        for volume in range(1, count + 1)
        for n in range(1, 5)
    ]


def as_stored(file: list[BookChapter]) -> KnownNovel:
    return stored(
        *(
            known(str(n), chapter.title, int(chapter.number or 0), content=chapter.text(), position=n)
            for n, chapter in enumerate(file, start=1)
        )
    )


def test_a_volume_whose_texts_arrive_keeps_its_ids_while_the_next_is_listed() -> None:
    write = plan_novel(NOVEL, "sum", book(*volumes(3, fetched=2)), as_stored(volumes(2, fetched=1)))
    assert [changed.row.id for changed in write.chapters.changed] == ["5", "6", "7", "8"]
    assert [created.position for created in write.chapters.created] == [9, 10, 11, 12]
    assert (write.chapters.moved, write.chapters.removed, write.chapters.held) == ([], [], [])


def test_all_texts_of_volumes_may_arrive_or_change_while_a_chapter_is_added() -> None:
    for before, after in ((volumes(3, fetched=0), volumes(3, fetched=3)), (volumes(3, 3), volumes(3, 3, edited=True))):
        write = plan_novel(NOVEL, "sum", book(*after, found("Chapter 5", 5, content=ONE)), as_stored(before))
        assert [changed.row.id for changed in write.chapters.changed] == [str(n) for n in range(1, 13)]
        assert [created.position for created in write.chapters.created] == [13]
        assert write.chapters.held == []


def test_rows_without_a_text_are_nothing_to_be_held() -> None:
    before = [found(f"C{n}", content="") for n in range(10)]
    rows = stored(*(known(str(n), f"C{n}", position=n + 1) for n in range(10)))
    after = [found(f"Chapter {n}", content=text_of(str(n))) for n, _ in enumerate(before)]
    write = plan_novel(NOVEL, "sum", book(*after), rows)
    assert (len(write.chapters.changed), write.chapters.held, write.chapters.created) == (10, [], [])


@pytest.mark.parametrize(("before", "now"), [(1, 1), (2, 2), (4, 4), (4, 2)])
def test_new_chapters_alone_replace_no_others_however_few_there_are(before: int, now: int) -> None:
    def said(n: int) -> dict[str, Any]:
        return {"title": f"Word {'abcdefghi'[n]}", "number": n, "url": f"/{n}", "content": text_of(f"{n}")}

    rows = stored(*(known(f"{n}", position=n, **said(n)) for n in range(1, before + 1)))
    write = plan_novel(NOVEL, "sum", book(*(found(**said(before + n)) for n in range(1, now + 1))), rows)
    assert [row.id for row in write.chapters.held] == [f"{n}" for n in range(1, before + 1)]
    assert (len(write.chapters.created), write.chapters.changed) == (now, [])


def test_a_novel_that_is_called_like_an_error_page_may_be_called_so() -> None:
    rows = replace(stored(known("1", "One", 1, content=ONE)), fields=NovelFields("Error"))
    write = plan_novel(NOVEL, "sum", replace(book(found("One", 1, content=ONE)), title="Error"), rows)
    assert not write.held_id
    rows = replace(rows, fields=NovelFields("<Kingdom>"))
    assert not plan_novel(NOVEL, "sum", replace(book(found("One", 1, content=ONE)), title="<Kingdom>"), rows).held_id
    assert plan_novel(NOVEL, "sum", replace(book(found("One", 1, content=ONE)), title="Error"), rows).held_id
    assert plan_novel(NOVEL, "sum", replace(book(found("One", 1, content=ONE)), title="\u200b"), rows).held_id


def test_a_chapter_in_front_takes_no_id_from_the_last_one_that_was_rewritten() -> None:
    rows = stored(*(known(f"{n}", f"Chapter {n}", n, content=text_of(f"{n}"), position=n) for n in range(1, 6)))
    moved = [found(f"Chapter {n + 1}", n + 1, content=text_of(f"{n}")) for n in range(1, 5)]
    write = plan_novel(
        NOVEL, "sum", book(found("Chapter 1", 1, content=ONE), *moved, found("Chapter 6", 6, content=TWO)), rows
    )
    assert [change.row.id for change in write.chapters.changed][-1] == "5"
    assert len(write.chapters.created) == 1


def test_what_a_file_has_in_place_of_texts_is_told_where_others_are_stored() -> None:
    overlooked = replace(book(found("One", 1), found("Two", 2)), overlooked="chapters have body")
    write = plan_novel(NOVEL, "sum", overlooked, stored(known("1", "One", 1, content=ONE)))
    assert [problem.message for problem in write.problems or ()] == ["chapters have body"]


def test_a_novel_of_few_chapters_may_be_revised_in_all_it_has() -> None:
    rows = stored(known("1", "The tale", content=ONE))
    write = plan_novel(NOVEL, "sum", book(found("The Tale (revised)", content=TWO)), rows)
    assert [(changed.row.id, changed.new_text) for changed in write.chapters.changed] == [("1", True)]
    assert (write.chapters.held, write.chapters.created) == ([], [])
