"""What is taken down stays down, whatever the crawler writes; and comes back when it is lifted."""

import html
import unicodedata
from typing import Any

import pytest

from novelsync.database.client import SqlClient
from novelsync.errors import TakedownRefused
from novelsync.models.desk.takedowns import TakedownKind
from novelsync.models.results import NovelStatus
from novelsync.models.stored import PurgeSelection
from novelsync.sync_service import SyncService
from novelsync.takedown_service import TakedownService
from tests.conftest import RecordingTransport, Tables
from tests.support.hours import hours_pass, nonzero, published, synced
from tests.support.library import Library

WORDS = (
    "the house by river where nobody had lived since old man left a letter on table and walked away at night".split()
)


def prose(seed: str, words: int = 300) -> str:
    """A text that has nothing in common with that of another seed."""
    return " ".join(f"{WORDS[n % len(WORDS)]}{seed}{n * 7919 % 997}" for n in range(words))


def chapter(novel: str, n: int, **changes: Any) -> dict[str, Any]:
    said = {
        "title": f"Chapter {n}",
        "number": n,
        "content": prose(f"{novel}{n}"),
        "url": f"https://a.example/{novel}/{n}",
    }
    return said | changes


def chapters(novel: str, count: int = 6) -> list[dict[str, Any]]:
    return [chapter(novel, n) for n in range(1, count + 1)]


@pytest.fixture
def takedowns(database: SqlClient) -> TakedownService:
    return TakedownService(database)


@pytest.fixture
def shelf(library: Library, service: SyncService) -> Library:
    for slug in ("emma", "persuasion", "lady-susan"):
        library.write(slug, chapters(slug))
    synced(service)
    return library


def feed(tables: Tables) -> list[tuple[Any, ...]]:
    return tables.rows(
        "select n.slug, c.title, f.kind from chapter_changes f join novels n on n.id = f.novel_id"
        " left join chapters c on c.id = f.chapter_id order by f.id"
    )


def readable(tables: Tables, words: str) -> int:
    """How many chapters that readers see have these words."""
    return int(
        tables.rows(
            "select count(*) from chapters c join novels n on n.id = novel_id"
            " where c.removed_at is null and n.removed_at is null and position(%s in c.content) > 0",
            words,
        )[0][0]
    )


def test_a_novel_is_hidden_at_once_and_no_run_brings_it_back(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables, transport: RecordingTransport
) -> None:
    taken = takedowns.take_down(TakedownKind.NOVEL, "emma", "a letter")
    assert (taken.novels, taken.chapters) == (1, 6)
    assert published(tables) == ["lady-susan", "persuasion"]
    assert feed(tables)[-1] == ("emma", None, "removed")
    report = synced(service)
    assert nonzero(report["novels"]) == {"unchanged": 3, "taken_down": 1}
    assert report["chapters"]["taken_down"] == 6
    assert published(tables) == ["lady-susan", "persuasion"]
    transport.calls.clear()
    report = synced(service)
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"], "a quiet hour"
    assert report["novels"]["taken_down"] == 1
    shelf.write("emma", [*chapters("emma"), chapter("emma", 7)])
    synced(service)
    assert published(tables) == ["lady-susan", "persuasion"]


def test_a_copy_and_a_rename_are_withheld_too(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    fresh = [
        chapter("emma", n, url=f"https://b.example/{n + 100}", number=n + 100, title=f"{n + 100}") for n in range(1, 7)
    ]
    shelf.write("a-copy", fresh, title="Another title")
    (shelf.folder / "emma").rename(shelf.folder / "emma-2")
    report = synced(service)
    assert published(tables) == ["lady-susan", "persuasion"]
    assert tables.rows("select slug from novels order by slug") == [("emma",), ("lady-susan",), ("persuasion",)]
    assert report["novels"]["taken_down"] == 3
    hours_pass(tables, 3)
    assert nonzero(synced(service)["novels"]) == {"unchanged": 4, "taken_down": 3}, "nothing is missing"


def test_a_copy_that_readers_see_already_is_found_by_the_next_run(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    marked = [
        chapter("emma", n, content=chapter("emma", n)["content"] + " Read at b.example!", url="") for n in range(1, 7)
    ]
    shelf.write("a-copy", marked)
    synced(service)
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    assert published(tables) == ["a-copy", "lady-susan", "persuasion"]
    synced(service)
    assert published(tables) == ["lady-susan", "persuasion"]
    assert feed(tables)[-1] == ("a-copy", None, "removed")


EDITS = {
    "a watermark in each line": lambda text: " ".join(
        f"{word} (b.example)" if n % 40 == 39 else word for n, word in enumerate(text.split())
    ),
    "markup": lambda text: "<p>" + "</p><p>".join(text.split(" house")) + "</p>",
    "entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "another Unicode form": lambda text: unicodedata.normalize("NFD", text),
    "escaped": lambda text: html.escape(f"<b>{text}</b>"),
    "its end cut away": lambda text: text[: len(text) * 9 // 10],
    "more in front": lambda text: f"{prose('own', 200)} {text}",
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_chapter_stays_hidden_under_new_labels_and_with_an_edited_text(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables, edit: str
) -> None:
    named = str(tables.ids("emma")["Chapter 3"])
    takedowns.take_down(TakedownKind.CHAPTER, named)
    assert tables.titles("emma") == [f"Chapter {n}" for n in (1, 2, 4, 5, 6)]
    assert [
        position
        for (position,) in tables.rows(
            "select position from chapters c join novels n on n.id = novel_id"
            " where slug = 'emma' and c.removed_at is null order by 1"
        )
    ] == [1, 2, 3, 4, 5]
    text = EDITS[edit](chapter("emma", 3)["content"])
    new = chapter("emma", 3, content=text, url="https://b.example/3000", title="A new title", number=30)
    shelf.write("emma", [*chapters("emma")[:2], new, *chapters("emma")[3:]])
    shelf.write("lady-susan", [*chapters("lady-susan"), new])
    report = synced(service)
    assert tables.titles("emma") == [f"Chapter {n}" for n in (1, 2, 4, 5, 6)]
    assert tables.titles("lady-susan") == [f"Chapter {n}" for n in range(1, 7)]
    assert (report["novels"]["taken_down"], report["chapters"]["taken_down"]) == (0, 2)
    assert report["novels"]["held"] == 0, "what is taken down is no loss"


def test_a_page_without_its_text_does_not_bring_the_row_back(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    takedowns.take_down(TakedownKind.CHAPTER, str(tables.ids("emma")["Chapter 3"]))
    bare = chapter("emma", 3, content="", url="https://b.example/3")
    shelf.write("emma", [*chapters("emma")[:2], bare, *chapters("emma")[3:]])
    synced(service)
    assert readable(tables, chapter("emma", 3)["content"][:60]) == 0


def test_lifting_brings_back_what_files_have_with_the_old_ids(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    before = tables.ids("emma"), tables.ids("persuasion")
    novel = takedowns.take_down(TakedownKind.NOVEL, "emma")
    page = takedowns.take_down(TakedownKind.CHAPTER, str(before[1]["Chapter 2"]))
    synced(service)
    assert takedowns.lift(novel.id) == 1
    assert nonzero(synced(service)["novels"]) == {"restored": 1, "unchanged": 2}
    assert takedowns.lift(page.id) == 1
    report = synced(service)
    assert (tables.ids("emma"), tables.ids("persuasion")) == before
    assert nonzero(report["chapters"]) == {"processed": 6, "restored": 1} or report["chapters"]["restored"] == 1
    assert report["chapters"]["taken_down"] == 0
    with pytest.raises(TakedownRefused, match=f"there is no takedown {page.id} in force"):
        takedowns.lift(page.id)


def test_what_is_purged_or_comes_back_with_a_backup_stays_hidden(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables, database: SqlClient
) -> None:
    third = tables.ids("persuasion")["Chapter 3"]
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    takedowns.take_down(TakedownKind.CHAPTER, str(third))
    synced(service)
    tables.connection.execute("update novels set removed_at = null where slug = 'emma'")
    tables.connection.execute("update chapters set removed_at = null, position = 100 where id = %s", [third])
    synced(service)
    assert published(tables) == ["lady-susan", "persuasion"]
    assert tables.titles("persuasion") == [f"Chapter {n}" for n in (1, 2, 4, 5, 6)]
    removed = database.removed_rows.count(PurgeSelection())
    assert [tuple(piece) for piece in database.removed_rows.purge(PurgeSelection(), removed.before)] == [(0, 7), (1, 0)]
    shelf.write("emma", chapters("emma"), description="again")
    shelf.write("persuasion", chapters("persuasion"), description="again")
    synced(service)
    assert published(tables) == ["lady-susan", "persuasion"]
    assert tables.titles("persuasion") == [f"Chapter {n}" for n in (1, 2, 4, 5, 6)]


def test_a_url_takes_all_pages_under_it_and_no_others(
    library: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    urls = ("https://www.a.example/n/12/1", "http://a.example/n/12/2?utm_source=x", "https://a.example/n/123/3")
    library.write("emma", [chapter("emma", n, url=url) for n, url in enumerate(urls, start=1)])
    synced(service)
    assert takedowns.take_down(TakedownKind.URL, "https://a.example/n/12").chapters == 2
    assert tables.titles("emma") == ["Chapter 3"]
    library.write("other", [chapter("other", 1, url="https://m.a.example/n/12/9#top"), chapter("other", 2)])
    synced(service)
    assert tables.titles("other") == ["Chapter 2"]


def test_a_text_is_hidden_in_every_novel_that_has_it(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    shelf.write("lady-susan", [*chapters("lady-susan"), chapter("emma", 3, title="Borrowed", url="")])
    synced(service)
    assert takedowns.take_down(TakedownKind.TEXT, str(tables.ids("emma")["Chapter 3"])).chapters == 2
    assert "Borrowed" not in tables.titles("lady-susan")
    synced(service)
    assert "Borrowed" not in tables.titles("lady-susan")


def test_honest_work_is_not_blocked(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    quotation = chapter("emma", 3)["content"][:600]
    shelf.write("emma-again", chapters("another"), title="Emma")
    shelf.write("a-review", [chapter("review", 1, content=f"{prose('review', 600)} {quotation} {prose('end')}")])
    synced(service)
    assert published(tables) == ["a-review", "emma-again", "lady-susan", "persuasion"]


def test_a_notice_is_no_sign(
    library: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    notice = "Failed to download chapter body"
    library.write("emma", [chapter("emma", 1), chapter("emma", 2, content=notice, url="")])
    library.write("other", [chapter("other", 1), chapter("other", 2, content=notice, url="")])
    synced(service)
    with pytest.raises(TakedownRefused, match="nothing could tell 'Chapter 2' of 'Emma' from others"):
        takedowns.take_down(TakedownKind.TEXT, str(tables.ids("emma")["Chapter 2"]))
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    synced(service)
    assert tables.titles("other") == ["Chapter 1", "Chapter 2"]


def test_an_event_brings_nothing_back(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    shelf.write("emma", chapters("emma", 7))
    shelf.write("copy", chapters("emma", 7))
    assert service.sync_novel_to_db("emma").status is NovelStatus.UNCHANGED
    assert service.sync_novel_to_db("copy").status is NovelStatus.UNCHANGED
    assert published(tables) == ["lady-susan", "persuasion"]


def test_a_takedown_that_is_made_while_a_run_plans_holds(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables, transport: RecordingTransport
) -> None:
    shelf.write("emma", chapters("emma", 7))
    shelf.write("copy", chapters("emma", 6), title="Copied", author="Nobody")
    call = transport.call
    made: list[int] = []

    def and_take_down(function: str, request: Any) -> Any:
        if function == "novelsync_write" and not made:
            made.append(0)
            made[0] = takedowns.take_down(TakedownKind.NOVEL, "emma").id
        return call(function, request)

    transport.call = and_take_down  # type: ignore[method-assign]
    service.sync_all_novels()
    assert "emma" not in published(tables)
    synced(service)
    assert published(tables) == ["lady-susan", "persuasion"]


def test_a_dry_run_tells_it_and_does_nothing(
    shelf: Library, service: SyncService, takedowns: TakedownService, tables: Tables
) -> None:
    shelf.write("copy", [chapter("emma", n, content=chapter("emma", n)["content"] + " !") for n in range(1, 7)])
    synced(service)
    takedowns.take_down(TakedownKind.NOVEL, "emma")
    report = service.dry_run()
    assert [(change.mark, change.slug, change.said) for change in report.changes or ()] == [("-", "copy", "taken down")]
    assert (report.novels.taken_down, report.chapters.taken_down) == (2, 12)
    assert "copy" in published(tables)
