"""Sites as they are: taken over without a line of SQL by hand, and right for those who read them afterwards."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.adoption.sites import BOOKS, PRISMA, REPLACED, STORIES
from tests.conftest import Run, Tables
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary

COVER = "https://example.com/1.jpg"
USER = "11111111-1111-1111-1111-111111111111"


class Shelf:
    """A novel as the service that NovelSync replaces keeps it: each text is a file of its own."""

    def __init__(self, library: Library, title: str, count: int) -> None:
        self._library, self._title = library, title
        self._chapters: list[dict[str, Any]] = []
        for n in range(1, count + 1):
            self.add(n)

    def add(self, number: float, text: str | None = None) -> None:
        filename = f"{number}.html"
        self._chapters.append({"title": f"Chương {number}", "number": number, "filename": filename, "word_count": 7})
        self.put(filename, f"<p>{text or text_of(f'chapter {number}')}</p>")

    def remove(self, number: float) -> None:
        self._chapters = [chapter for chapter in self._chapters if chapter["number"] != number]
        self.put(None, None)

    def put(self, filename: str | None, text: str | None) -> None:
        book = {
            "title": self._title,
            "author": "Mạc Mặc",
            "cover_url": "https://example.com/1.jpg",
            "status": "ongoing",
        }
        path = self._library.write_raw(self._title, json.dumps(book | {"chapters": self._chapters}).encode())
        if filename and text:
            file = path.with_name(filename)
            file.write_text(text, encoding="utf-8")
            a_minute_ago = time.time() - 60
            os.utime(file, (a_minute_ago, a_minute_ago))


@pytest.fixture(params=["postgres", "postgrest"])
def sync(request: pytest.FixtureRequest, run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str) -> Any:
    """Syncs over the road of this test, and returns what the command printed."""
    if request.param == "postgres":
        yield lambda *arguments: _ok(run, *(arguments or ("sync",)))
        return
    if postgrest_binary() is None:
        pytest.skip(ABSENT)
    with StandIn(empty_database_url) as stand_in:

        def over_api(*arguments: str) -> str:
            stand_in.reload_schema()
            with monkeypatch.context() as settings:
                settings.delenv("DATABASE_URL")
                settings.setenv("SUPABASE_URL", stand_in.url)
                settings.setenv("SUPABASE_SECRET_KEY", stand_in.secret_key)
                return _ok(run, *(arguments or ("sync",)))

        yield over_api


def _ok(run: Run, *arguments: str) -> str:
    done = run(*arguments)
    assert done.code == 0, done.out + done.err
    return done.out


def replaced(site: Tables, count: int) -> None:
    """The tables of the service that NovelSync replaces, with one novel that somebody has read."""
    site.connection.execute(REPLACED)
    site.connection.execute("insert into auth.users (id) values (%s)", [USER])
    site.connection.execute(
        "insert into novels (title, author, cover_image, description, updated_at)"
        " values ('Võ Luyện Đỉnh Phong', 'Mạc Mặc', 'https://example.com/1.jpg', '', '2024-01-01')"
    )
    # Out of order, as a crawler that works with several connections writes them.
    site.connection.execute(
        "insert into chapters (novel_id, chapter_number, title, content_file, word_count, updated_at)"
        " select 1, n, 'Chương ' || n, n || '.html', 7, '2024-01-01' from generate_series(%s, 1, -1) n",
        [count],
    )
    site.connection.execute(
        "insert into reading_progress (user_id, novel_id, chapter_id, chapter_number)"
        " select %s, 1, id, chapter_number from chapters where chapter_number = 7",
        [USER],
    )
    site.connection.execute("insert into bookshelf (user_id, novel_id) values (%s, 1)", [USER])
    site.connection.execute("alter table novels disable trigger update_novels_updated_at")
    site.connection.execute("update novels set updated_at = '2024-01-01'")
    site.connection.execute("alter table novels enable trigger update_novels_updated_at")


RIGHTS = (
    "select oid::regclass::text, relacl::text from pg_class where relnamespace = 'public'::regnamespace and"
    " relname in ('novels', 'chapters', 'reading_progress', 'bookshelf') order by 1"
)
PROGRESS = "select user_id::text, novel_id, chapter_id, chapter_number from reading_progress"
SHOWN = (
    "select chapter_number::float, title, content_file, word_count > 7 from chapters"
    " where novel_id = 1 and removed_at is null order by chapter_number"
)


def as_anon(site: Tables, query: str) -> list[tuple[Any, ...]]:
    with site.connection.transaction():
        site.connection.execute("set local role anon")
        return site.rows(query)


def test_the_service_that_novelsync_replaces_is_taken_over_with_ids_progress_and_columns(
    run: Run, site: Tables, library: Library, sync: Callable[..., str]
) -> None:
    replaced(site, 20)
    shelf = Shelf(library, "Võ Luyện Đỉnh Phong", 20)
    ids = site.rows("select id, chapter_number, title from chapters order by id")
    progress, updated = site.rows(PROGRESS), site.rows("select id, updated_at from chapters order by id")
    triggers = site.rows("select tgname::text, tgenabled::text from pg_trigger where not tgisinternal order by 1")

    rights = site.rows(RIGHTS)
    policies = set(site.rows("select polname, pg_get_expr(polqual, polrelid) from pg_policy"))

    told = _ok(run, "migrate", "--adopt", "--dry-run")
    assert "alter function update_novel_chapter_count() set search_path = public;" in told
    assert "update_novel_chapter_count() names chapters, novels without a schema" in told
    assert "these columns of chapters stay, and are kept equal to ours: chapter_number = number" in told
    assert "20 chapters matched, 0 new" in told
    assert site.rows("select to_regnamespace('novelsync')") == [(None,)]
    assert site.rows("select proconfig from pg_proc where proname = 'update_novel_chapter_count'") == [(None,)]

    _ok(run, "migrate", "--adopt")
    assert site.rows("select id, updated_at from chapters order by id") == updated
    assert site.rows("select updated_at = '2024-01-01' from novels") == [(True,)]
    assert "up to date" in _ok(run, "migrate")
    assert site.rows(RIGHTS) == rights
    assert policies < set(site.rows("select polname, pg_get_expr(polqual, polrelid) from pg_policy"))
    now = site.rows(
        "select tgname::text, tgenabled::text from pg_trigger where not tgisinternal"
        " and tgname not like '0%%' and tgname <> 'mirror_files' and tgname not like 'novelsync%%' order by 1"
    )
    assert now == triggers

    sync()
    assert site.rows("select id, chapter_number, title from chapters order by id") == ids
    assert site.rows("select count(*) from chapters where content <> '' and content_hash <> sha256('')") == [(20,)]
    shown = site.rows(SHOWN)
    assert shown == [(float(n), f"Chương {n}", f"{n}.html", True) for n in range(1, 21)]
    assert "equal" in sync("verify")

    shelf.add(21)
    shelf.add(10.5, "một hai ba bốn<br>năm sáu 第一章 bảy")
    sync()
    assert (21.0, "Chương 21", "21.html", True) in site.rows(SHOWN)
    assert site.rows("select word_count from chapters where chapter_number = 10.5") == [(10,)]
    assert site.rows("select total_chapters, chapter_count from novels") == [(22, 22)]

    shelf.put("3.html", "<p>" + text_of("another text, much longer") + "</p>")
    sync()
    assert site.rows("select content like '%%another text%%' from chapters where chapter_number = 3") == [(True,)]
    assert site.rows("select total_chapters from novels") == [(22,)]

    shelf.remove(5)
    shelf.add(22)
    sync()
    assert site.rows("select total_chapters, chapter_count from novels") == [(22, 22)]
    assert [number for number, *_ in as_anon(site, SHOWN)] == [1, 2, 3, 4, *range(6, 11), 10.5, *range(11, 23)]
    assert site.rows(PROGRESS) == progress
    assert site.rows("select count(*) from bookshelf") == [(1,)]
    assert "equal" in sync("verify")

    # The site goes on by itself: an administrator adds a chapter, and the site's trigger counts it.
    site.connection.execute(
        "insert into chapters (novel_id, chapter_number, title, content_file) values (1, 99, 'By hand', '99.html')"
    )
    assert site.rows("select number::int, position from chapters where title = 'By hand'") == [(99, 23)]
    assert site.rows("select total_chapters > 22 from novels") == [(True,)]
    site.connection.execute("select update_reading_progress(%s, 1, id) from chapters where number = 10.5", [USER])
    assert site.rows("select chapter_number::float from reading_progress") == [(10.5,)]


def stories(site: Tables) -> None:
    site.connection.execute(STORIES)
    site.connection.execute(
        "insert into stories (name, slug, author_name, adult, tags, chapters_count)"
        " values ('Emma', 'emma-the-story', 'Somebody', false, '{a}', 3)"
    )
    for n in range(1, 4):
        site.connection.execute(
            "insert into story_chapters (story_id, chapter_no, name, body)"
            " select id, %s, 'Chapter ' || %s::text, %s from stories",
            [n, n, text_of(f"chapter {n}")],
        )
    site.connection.execute("insert into bookmarks select 'me', id from story_chapters where chapter_no = 2")


NAMED = (
    "novels=stories,chapters=story_chapters,chapters.number=chapter_no,chapters.content=body,novels.title=name,"
    "chapters.word_count=words"
)


def test_tables_with_other_names_go_on_under_these_as_views(
    run: Run, site: Tables, library: Library, sync: Callable[..., str]
) -> None:
    stories(site)
    library.write("emma", [chapter(0), *chapters(3), chapter("end")], title="Emma", cover_url="https://x.y/c")
    before = site.rows("select id, name from story_chapters")
    bookmark = site.rows("select * from bookmarks")
    found = _ok(run, "migrate", "--adopt", "--dry-run")
    assert found == _ok(run, "migrate", "--adopt", "--dry-run", "--adopt-columns", NAMED)
    assert site.rows("select to_regclass('public.novels')") == [(None,)]
    told = _ok(run, "migrate", "--adopt")
    assert "stories becomes novels, and a view has its former name" in told
    assert "novels.adult is required and NovelSync does not fill it: new rows get false" in told
    assert "story_chapters_story_id_chapter_no_key keeps story_id, chapter_no of chapters unique" in told
    sync()
    assert set(before) <= set(site.rows("select id, name from story_chapters"))
    # How many words there are in what was there is the site's own business.
    assert site.rows("select chapter_no::int, name, words > 20 from story_chapters order by 1") == [
        *((n, f"Chapter {n}", n == 0) for n in range(4)),
        (5, "Chapter end", True),
    ]
    assert site.rows("select name, slug, cover, chapters_count from stories") == [("Emma", "emma", "https://x.y/c", 5)]
    assert site.rows("select * from bookmarks") == bookmark
    assert "equal" in sync("verify")

    # The site writes as before, by its own names, and readers see through the view what they may see.
    site.connection.execute("update story_chapters set name = 'The First' where chapter_no = 1")
    assert site.rows("select title from chapters where number = 1") == [("The First",)]
    with site.connection.transaction():
        site.connection.execute(
            "set local role authenticated;"
            "insert into stories (name, author_name, adult, tags) values ('Mine', 'me', false, '{}');"
            "insert into story_chapters (story_id, chapter_no, name, body)"
            " select id, 1, 'One', 'a text' from stories where name = 'Mine'"
        )
    assert site.rows(
        "select n.title, c.position, c.content, c.content_hash = sha256('a text') from chapters c"
        " join novels n on n.id = c.novel_id where n.title = 'Mine'"
    ) == [("Mine", 1, "a text", True)]
    with site.connection.transaction():
        site.connection.execute("set local role authenticated; delete from stories where name = 'Mine'")
    assert site.rows("select count(*) from novels") == [(1,)]
    library.write("emma", chapters(3), title="Emma")
    sync()
    assert [name for (name,) in as_anon(site, "select name from story_chapters order by chapter_no")] == [
        "Chapter 1",
        "Chapter 2",
        "Chapter 3",
    ]
    assert len(site.rows("select name from story_chapters")) == 5
    assert "up to date" in _ok(run, "migrate")


def books(site: Tables) -> None:
    site.connection.execute(BOOKS)
    site.connection.execute("insert into books (title, cover_image_url) values ('Emma', '')")
    for n in range(3):
        site.connection.execute(
            "insert into book_chapters (book_id, sort_order, title, content)"
            " select id, %s, 'Chapter ' || %s::text, %s from books",
            [n, n + 1, text_of(f"chapter {n + 1}")],
        )
    site.connection.execute("truncate log")


def test_an_order_of_the_sites_own_follows_ours_and_triggers_keep_their_states(
    run: Run, site: Tables, library: Library
) -> None:
    books(site)
    before = site.rows("select id, title from book_chapters")
    volumes = [{"title": "One", "chapters": chapters(3)}]
    library.write("emma", title="Emma", volumes=volumes)
    site.connection.execute("grant all on log to service_role")
    _ok(run, "migrate", "--adopt")
    assert site.rows("select * from log") == []
    assert site.rows("select tgname::text, tgenabled::text from pg_trigger where tgname like 'a__%%' order by 1") == [
        ("aa_noted", "O"),
        ("ab_silent", "D"),
        ("ac_always", "A"),
    ]
    library.write("emma", title="Emma", volumes=[{"title": "One", "chapters": [chapter(0), *chapters(3)]}])
    _ok(run, "sync")
    assert site.rows("select sort_order, title, volume_name from book_chapters order by 1") == [
        (n + 1, f"Chapter {n}", "One") for n in range(4)
    ]
    assert set(before) <= set(site.rows("select id, title from book_chapters"))
    assert site.rows("select count(*) from log where what = 'INSERT Chapter 0'") == [(1,)]
    assert "equal" in _ok(run, "verify")


def test_tables_that_a_program_made_are_taken_over_without_keys_defaults_and_names_of_ours(
    run: Run, site: Tables, library: Library
) -> None:
    site.connection.execute(PRISMA)
    site.connection.execute("""insert into "Novel" values ('n1', '  EMMA ', null, null, '2020-01-01', '2020-01-01')""")
    for n in (2, 1, 3):
        site.connection.execute(
            """insert into "Chapter" values ('c' || %s::text, 'n1', 'Chapter ' || %s::text, %s, %s, null)""",
            [n, n, n, text_of(f"chapter {n}")],
        )
    library.write("emma", [*chapters(3), chapter("extra")], title="Emma")
    told = _ok(run, "migrate", "--adopt")
    assert "novels.thumbnail keeps its limit, because of rule _RETURN on view latest" in told
    _ok(run, "sync")
    assert site.rows("""select id, text from "Chapter" where id like 'c_' order by "chapterNum\"""") == [
        (f"c{n}", text_of(f"chapter {n}")) for n in (1, 2, 3)
    ]
    assert site.rows("""select count(*) from "Chapter" where "sourceUrl" like 'https:%%' and "novelId" = 'n1'""") == [
        (4,)
    ]
    assert site.rows("""select name, "createdAt" = '2020-01-01Z', "updatedAt" > '2024-01-01' from "Novel\"""") == [
        ("Emma", True, True)
    ]
    site.connection.execute("""update "Chapter" set text = 'by hand' where id = 'c1'""")
    assert site.rows("select content, content_hash = sha256('by hand') from chapters where id = 'c1'") == [
        ("by hand", True)
    ]
    assert run("verify").code == 1
    _ok(run, "sync", "--reread")
    assert "equal" in _ok(run, "verify")
