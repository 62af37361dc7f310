"""Nothing good is lost inside a novel: the guards of its chapters and texts, and reading again."""

from collections.abc import Sequence

import pytest

from novelsync.sync_service import SyncService
from tests.conftest import Tables
from tests.support.hours import fill, hours_pass, messages, nonzero, synced
from tests.support.library import Library, chapter, chapters, text_of

# The novel guard ---------------------------------------------------------------------


@pytest.mark.parametrize("left", [[], [1, 2, 3, 4, 5], [11, 12]], ids=["none", "half", "only new ones"])
def test_a_file_that_lost_much_takes_no_chapter_from_readers(
    library: Library, service: SyncService, tables: Tables, left: Sequence[int]
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    ids = tables.ids("emma")
    library.write("emma", [chapter(n, title=f"Titled {n}") for n in left])
    for _ in range(2):
        report = synced(service, "partial")
        assert report["novels"]["held"] == 1
        problem = report["problems"][0]
        assert "chapters are no longer in the file" in problem["message"]
        assert "--accept emma" in problem["hint"]
    after = tables.ids("emma")
    assert set(ids.values()) <= set(after.values())
    positions = tables.rows("select position from chapters where removed_at is null order by 1")
    assert positions == [(n,) for n in range(1, len(after) + 1)]
    assert tables.rows("select chapter_count from novels") == [(len(after),)]


@pytest.mark.parametrize(("hours", "outcome", "left"), [(23, "partial", 17), (25, "ok", 13)])
def test_what_a_novel_lost_counts_towards_its_guard_for_a_day(
    library: Library, service: SyncService, tables: Tables, hours: int, outcome: str, left: int
) -> None:
    for count, then in ((20, "ok"), (17, "ok"), (13, outcome)):
        library.write("emma", chapters(count))
        synced(service, then)
        hours_pass(tables, hours)
    assert len(tables.titles("emma")) == left


@pytest.mark.parametrize(("hours", "outcome"), [(11, "partial"), (13, "ok")])
def test_a_text_is_compared_with_the_most_that_it_showed_for_a_day_and_no_longer(
    library: Library, service: SyncService, tables: Tables, hours: int, outcome: str
) -> None:
    words = [f"{a}{b}{c}d" for a in "abcdefg" for b in "abcdefg" for c in "abcdefg"]
    for count, then in ((250, "ok"), (150, "ok"), (90, "ok"), (54, outcome)):
        library.write("emma", [chapter(1, content=" ".join(words[-count:]))])
        synced(service, then)
        hours_pass(tables, hours)


def test_held_chapters_stay_behind_what_they_stood_behind(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(9))
    synced(service)
    library.write("emma", [chapter(n) for n in (2, 9, 1, 10)])
    synced(service, "partial")
    expected = [2, 3, 4, 5, 6, 7, 8, 9, 1, 10]
    assert tables.titles("emma") == [f"Chapter {n}" for n in expected]


def test_what_was_held_is_accepted_once_and_as_it_was_shown(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(3))
    synced(service, "partial")
    report = synced(service, accept=frozenset(["emma"]))
    assert nonzero(report["chapters"]) == {"removed": 7}
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"]
    again = synced(service, accept=frozenset(["emma"]))
    assert messages(again) == ["warning nothing was held of it, so nothing was accepted"]
    assert nonzero(synced(service)["novels"]) == {"unchanged": 1}


def test_what_was_held_is_not_accepted_after_the_file_changed(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(3))
    synced(service, "partial")
    library.write("emma", chapters(2))
    report = synced(service, "partial", accept=frozenset(["emma"]))
    held, remark = messages(report)
    assert held.startswith("held 8 of 10 chapters")
    assert "what is held of it is not what was shown, so nothing was accepted" in remark
    assert len(tables.titles("emma")) == 10
    synced(service, accept=frozenset(["emma"]))
    assert len(tables.titles("emma")) == 2


def test_what_was_held_can_be_accepted_though_the_file_was_touched(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    data = library.write("emma", chapters(3)).read_bytes()
    synced(service, "partial")
    library.write_raw("emma", data)
    synced(service, "partial")
    synced(service, accept=frozenset(["emma"]))
    assert len(tables.titles("emma")) == 3


def test_accepting_a_novel_that_is_not_there_says_so(library: Library, service: SyncService) -> None:
    fill(library, 2)
    synced(service)
    report = synced(service, accept=frozenset(["emma"]))
    assert "there is no 'emma'" in messages(report)[0]


def test_three_files_in_a_row_without_the_old_chapters_bring_a_hint_to_the_crawler(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    hints = []
    for n in (11, 12, 13):
        library.write("emma", [chapter(n)])
        hints.append(synced(service, "partial")["problems"][0]["hint"])
    assert ["must write all of them" in hint for hint in hints] == [False, False, True]
    assert len(tables.titles("emma")) == 13
    library.write("emma", chapters(13))
    synced(service)
    library.write("emma", [chapter(14)])
    assert "must write" not in synced(service, "partial")["problems"][0]["hint"]


# The text guard ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "worse",
    ["Failed to download chapter body", "本章暂缺", "Just a moment...", "too short", "<p>" + "x" * 99 + "</p>"],
)
def test_a_text_that_is_worse_does_not_replace_one_that_is_good(
    library: Library, service: SyncService, tables: Tables, worse: str
) -> None:
    library.write("emma", chapters(4))
    synced(service)
    ids = tables.ids("emma")
    library.write("emma", [chapter(1), chapter(2, title="Second", content=worse), chapter(3), chapter(4)])
    for _ in range(2):
        report = synced(service, "partial")
        assert report["novels"]["held"] == 1
        assert '"Chapter 2"' in report["problems"][0]["message"]
    (row,) = tables.rows("select id, title, content from chapters where position = 2")
    assert row == (ids["Chapter 2"], "Chapter 2", text_of("chapter 2")), "what came with the text stays away with it"
    library.write("emma", [chapter(n, content=text_of(f"edited {n}")) for n in range(1, 5)])
    synced(service)
    assert tables.rows("select count(*) from chapters where left(content, 6) = 'edited'") == [(4,)]


def test_a_worse_text_is_taken_once_it_is_accepted(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(2))
    synced(service)
    library.write("emma", [chapter(1), chapter(2, content="A postcard.")])
    synced(service, "partial")
    synced(service, accept=frozenset(["emma"]))
    assert tables.rows("select content from chapters where position = 2") == [("A postcard.",)]
    assert nonzero(synced(service)["novels"]) == {"unchanged": 1}


def test_a_large_edit_that_keeps_most_of_a_text_replaces_it(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", [chapter(1, content="a" * 10_000)])
    synced(service)
    library.write("emma", [chapter(1, content="b" * 3_000)])
    synced(service)
    assert tables.rows("select left(content, 3), length(content) from chapters") == [("bbb", 3_000)]


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [("a" * 99, "a", "ok"), ("字" * 33, "字", "ok"), ("字" * 34, "字", "partial")]
    + [(letter * 1_000, letter * 299, "partial") for letter in "a字"]
    + [(letter * 1_000, f"<p>{letter * 300}</p>", "ok") for letter in "a字"],
)
def test_texts_of_a_hundred_letters_are_worth_keeping_and_a_chinese_character_counts_three(
    library: Library, service: SyncService, old: str, new: str, outcome: str
) -> None:
    library.write("emma", [chapter(1, content=old)])
    synced(service)
    library.write("emma", [chapter(1, content=new)])
    synced(service, outcome)


def test_a_blank_text_is_not_fetched_yet_and_no_problem(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(2))
    synced(service)
    library.write("emma", [chapter(1), chapter(2, content=" \n ")])
    report = synced(service)
    assert (report["problems"], report["chapters"]["without_text"]) == ([], 1)
    assert tables.rows("select content from chapters where position = 2") == [(text_of("chapter 2"),)]


def test_a_text_of_any_length_replaces_a_stored_placeholder(library: Library, service: SyncService) -> None:
    page = f"<html><head><title>Just a moment...</title></head><body>{'<p></p>' * 150}</body></html>"
    library.write("emma", [chapter(1), chapter(2, content=page)])
    synced(service)
    library.write("emma", [chapter(1), chapter(2, content="A true, short chapter.")])
    synced(service)


def test_a_placeholder_of_a_new_chapter_is_stored_and_another_may_replace_it(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", [chapter(1), chapter(2, content="Failed to download chapter body")])
    synced(service)
    assert len(tables.titles("emma")) == 2
    library.write("emma", [chapter(1), chapter(2, content="Just a moment...")])
    synced(service)
    library.write("emma", chapters(2))
    synced(service)
    assert tables.rows("select content from chapters where position = 2") == [(text_of("chapter 2"),)]


@pytest.mark.parametrize("content", ["", "short, but real"])
def test_no_chapter_is_shown_with_the_text_of_a_removed_one_that_had_its_number(
    library: Library, service: SyncService, tables: Tables, content: str
) -> None:
    library.write("emma", [*chapters(3), chapter(4, title="Hiatus notice", content=text_of("notice"))])
    synced(service)
    library.write("emma", chapters(3))
    synced(service)
    library.write("emma", [*chapters(3), chapter(4, title="The Return", content=content, url="/4")])
    synced(service)
    assert tables.rows("select content from chapters where title = 'The Return'") == [(content,)]


def test_no_chapter_is_shown_with_the_text_of_a_stranger_in_whose_place_it_stands(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", [*chapters(3), chapter("notice", title="Hiatus notice")])
    synced(service)
    library.write("emma", [*chapters(3), chapter(4, content="")])
    synced(service)
    assert tables.rows("select content from chapters where title = 'Chapter 4'") == [("",)]


@pytest.mark.parametrize("first", [[], [1, 2, 3]], ids=["all at once", "after some were held"])
def test_strangers_in_the_place_of_chapters_do_not_overwrite_them(
    library: Library, service: SyncService, tables: Tables, first: list[int]
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    if first:
        library.write("emma", [chapter(n) for n in first])
        synced(service, "partial")
    library.write("emma", [chapter(n) for n in [*first, *range(11, 21 - len(first))]])
    synced(service, "partial")
    for n in range(1, 11):
        assert tables.rows("select title from chapters where content = %s", text_of(f"chapter {n}")) == [
            (f"Chapter {n}",)
        ]


# Reading again -----------------------------------------------------------------------


def test_rereading_mends_what_was_changed_by_hand(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(3))
    library.write("persuasion", chapters(2))
    synced(service)
    ids = tables.ids("emma")
    tables.connection.execute("update chapters set content = 'mine' where title = 'Chapter 2'")
    tables.connection.execute("update chapters set title = 'Mine' where title = 'Chapter 3'")
    tables.connection.execute("update novels set author = 'me', chapter_count = 7")
    assert nonzero(synced(service)["novels"]) == {"unchanged": 2}
    assert nonzero(synced(service, reread=True)["novels"]) == {"updated": 2}
    assert tables.ids("emma") == ids
    assert tables.rows("select author, chapter_count from novels order by slug") == [("Somebody", 3), ("Somebody", 2)]
    assert tables.rows("select count(*) from chapters where content = 'mine'") == [(0,)]
    before = tables.places()
    assert nonzero(synced(service, reread=True)["novels"]) == {"unchanged": 2}
    assert tables.places() == before
