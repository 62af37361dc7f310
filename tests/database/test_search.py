"""The search for readers: what it finds, that it stays right, and that nobody finds what they may not read."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from novelsync.database.migrations import add_search, as_script, search_as_script, search_sql
from novelsync.errors import DatabaseNotReady
from novelsync.sync_service import SyncService
from tests.conftest import Run, Tables
from tests.support.library import Library, chapter, chapters
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary
from tests.support.waiting import wait_until

FIRST = "第一回 甄士隐梦幻识通灵\u3000贾雨村风尘怀闺秀"

Search = Callable[..., list[Any]]


@pytest.fixture
def searched(database_url: str) -> str:
    """A database that has the search."""
    add_search(database_url, "it")
    return database_url


@pytest.fixture
def search(searched: str) -> Iterator[Search]:
    """Searches as anon: the slugs that are found, each with the chapter's title if it was found by that."""
    with psycopg.connect(searched, autocommit=True) as connection:
        connection.execute("set role anon")

        def search(query: str | None, at_most: int = 20, skip: int = 0) -> list[Any]:
            rows = connection.execute(
                "select slug, chapter_title from search_novels(%s, %s, %s)", [query, at_most, skip]
            ).fetchall()
            return [slug if chapter is None else (slug, chapter) for slug, chapter in rows]

        yield search


def titled(*titles: str) -> list[dict[str, Any]]:
    return [chapter(n, title=title) for n, title in enumerate(titles, 1)]


@pytest.fixture
def shelf(library: Library, service: SyncService, searched: str) -> Library:
    two = titled("Chương 1: Số đào hoa", "Chương 2: Ngọc Hoàng")
    library.write("so-do", two, title="Số Đỏ", author="Vũ Trọng Phụng")
    library.write("hong-lou-meng", titled(FIRST), title="红楼梦", author="曹雪芹")
    library.write("neko", titled("第1章　猫とビール"), title="吾輩は猫である", author="夏目漱石")
    library.write("gongneo", titled("한 번째 이야기"), title="한국어공부", author="김")
    library.write("emma", titled("Chapter 1", "A ball at Weston's"), title="Emma", author="Jane Austen")
    library.write("tolstyi", titled("Ёлка"), title="Толстый и тонкий", author="Чехов")
    assert service.sync_all_novels().success
    return library


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("query", "found"),
    {
        "so do": ["so-do"],
        "SỐ ĐỎ": ["so-do"],
        "Sô\u0301 đo\u0309": ["so-do"],  # decomposed, as some keyboards type it
        "vu trong phung": ["so-do"],
        "phung so do": ["so-do"],
        "vu trong ph": ["so-do"],
        "so dao hoa": [("so-do", "Chương 1: Số đào hoa")],
        "ngoc  hoàng!": [("so-do", "Chương 2: Ngọc Hoàng")],
        "红楼": ["hong-lou-meng"],
        "楼梦": ["hong-lou-meng"],
        "梦": ["hong-lou-meng"],
        "楼红": [],
        "幻识通": [("hong-lou-meng", FIRST)],
        "输": [],
        "輩は": ["neko"],
        "ビール": [("neko", "第1章　猫とビール")],
        "ﾋﾞｰﾙ": [("neko", "第1章　猫とビール")],
        "ヒール": [],
        "국어": ["gongneo"],
        "이야": [("gongneo", "한 번째 이야기")],
        "EMM": ["emma"],
        "ball weston": [("emma", "A ball at Weston's")],
        "ТОЛСТЫЙ": ["tolstyi"],
        "SỐ ÐỎ": ["so-do"],  # with an Icelandic letter, as many texts have it
        "SỐ ƉỎ": ["so-do"],
        "елка": [("tolstyi", "Ёлка")],
        "zebra": [],
        "": [],
        " '!& | :*\\ ": [],
        "%": [],
        None: [],
    }.items(),
)
def test_it_finds_what_is_typed_without_marks_and_by_parts(search: Search, query: str | None, found: list[Any]) -> None:
    assert search(query) == found


def test_what_was_typed_as_it_stands_comes_first_and_titles_before_chapters(
    library: Library, service: SyncService, search: Search
) -> None:
    library.write("chapter", titled("The Sea"), title="Something")
    library.write("other", chapters(1), title="A Sea, The Wide One")
    library.write("longer", chapters(1), title="The Sea of Trees")
    library.write("exact", titled("The Sea"), title="The Sea")
    library.write("scattered", titled("Sea of the Dead"), title="Nothing")
    assert service.sync_all_novels().success
    expected = ["exact", "longer", ("chapter", "The Sea"), "other", ("scattered", "Sea of the Dead")]
    assert search("the sea") == expected
    assert [search("the sea", 1, skip) for skip in range(6)] == [*([found] for found in expected), []]
    assert search("the sea", 3, 2) == expected[2:]
    assert search("the sea", -1) == search("the sea", 20, 9) == []


@pytest.mark.usefixtures("shelf")
def test_it_follows_every_write_of_a_sync(library: Library, prompt: SyncService, search: Search) -> None:
    library.write("emma", titled("Chapter 1", "A picnic on Box Hill"), title="Emma, Revised", author="J. Austen")
    library.remove("neko")
    library.write("moby", titled("Loomings"), title="Moby Dick")
    prompt.sync_all_novels()
    assert search("weston") == search("jane") == search("漱石") == []
    assert search("box hill") == [("emma", "A picnic on Box Hill")]
    assert search("revised") == ["emma"]
    assert search("looming") == [("moby", "Loomings")]
    library.write("neko", titled("第1章　猫とビール"), title="吾輩は猫である", author="夏目漱石")
    prompt.sync_all_novels()
    assert search("漱石") == ["neko"]


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("hide", "query"),
    [
        ("update novels set removed_at = now() where slug = 'so-do'", "so do"),
        ("update novels set removed_at = now() where slug = 'so-do'", "dao hoa"),
        ("update novels set removed_at = 'infinity' where slug = 'so-do'", "vu trong phung"),
        ("update chapters set removed_at = now() where title like '%đào%'", "dao hoa"),
        # A policy of the site's own, which no index knows.
        ("create policy own on novels as restrictive for select to anon using (slug <> 'so-do')", "so do"),
        ("create policy own on novels as restrictive for select to anon using (slug <> 'so-do')", "dao hoa"),
        ("create policy own on chapters as restrictive for select to anon using (position > 1)", "dao hoa"),
    ],
)
def test_nobody_finds_what_readers_do_not_see(tables: Tables, search: Search, hide: str, query: str) -> None:
    assert search(query) != []
    tables.connection.execute(hide)
    assert search(query) == []


def test_a_chapter_that_is_hidden_does_not_hide_another_one(
    library: Library, service: SyncService, tables: Tables, search: Search
) -> None:
    library.write("sea", titled("Storm", "Storm again"))
    assert service.sync_all_novels().success
    assert search("storm") == [("sea", "Storm")]
    tables.connection.execute("create policy own on chapters as restrictive for select to anon using (position > 1)")
    assert search("storm") == [("sea", "Storm again")]


def test_hidden_novels_take_no_place_on_a_page(
    library: Library, service: SyncService, tables: Tables, search: Search
) -> None:
    for n in range(5):
        library.write(f"sea-{n}", titled("Chapter 1: Storm"), title="Sea")
    assert service.sync_all_novels().success
    tables.connection.execute(
        "create policy own on novels as restrictive for select to anon using (slug not in ('sea-0', 'sea-1', 'sea-2'))"
    )
    assert len(search("sea", 2)) == 2
    assert len(search("storm", 2)) == 2


@pytest.mark.usefixtures("shelf")
def test_who_may_not_read_novels_may_not_call_it(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(as_script("none").encode())
        connection.execute(search_as_script().encode())
        for role, may in (("anon", False), ("authenticated", False), ("service_role", True)):
            for function in (
                "public.search_novels(text, integer, integer)",
                "novelsync_search.in_novels(text)",
                "novelsync_search.in_chapters(text, boolean)",
            ):
                assert connection.execute(
                    "select has_function_privilege(%s, %s, 'execute')", [role, function]
                ).fetchone() == (may,)


def test_it_asks_the_indexes_and_reads_no_table_whole(searched: str, tables: Tables) -> None:
    tables.connection.execute(
        "insert into novels (slug, title) select 'n' || n, 'Novel ' || n from generate_series(1, 3000) n;"
        "insert into chapters (novel_id, position, title) select id, 1, 'Chapter of ' || id from novels; analyze"
    )

    def scans() -> dict[str, int]:
        indexes = "select indexrelname, idx_scan from pg_stat_user_indexes where relname in ('novels', 'chapters')"
        return dict(tables.rows(f"{indexes} union all select relname, seq_scan from pg_stat_user_tables"))

    before = scans()
    with psycopg.connect(searched, autocommit=True) as connection:  # which tells its counts when it ends
        connection.execute("set role anon")
        assert connection.execute("select slug, chapter_title from search_novels('chapter of 777')").fetchall() == [
            ("n777", "Chapter of 777")
        ]
    wait_until(lambda: scans()["novels_search"] == scans()["chapters_search"] == 1)
    assert {table: scans()[table] - before[table] for table in ("novels", "chapters")} == {"novels": 0, "chapters": 0}


ODD = ("á" * 3_000, "紅" * 3_000, "ﷺ" * 600, "a b " * 2_000, "\U0002f800" * 1_000, "\u0301" * 9)


@pytest.mark.parametrize("title", ODD, ids=lambda title: ascii(title[:2]))
def test_no_title_fails_a_write(library: Library, service: SyncService, search: Search, title: str) -> None:
    library.write("odd", titled(title), title="Odd", author=title)
    report = service.sync_all_novels()
    assert report.success, report.as_dict()
    assert search("odd") == ["odd"]
    search(title)


def test_it_can_be_added_again_pasted_and_taken_away(searched: str, tables: Tables) -> None:
    for _ in range(2):
        tables.connection.execute(search_as_script().encode())
    add_search(searched, "it")
    indexes = "select indexname from pg_indexes where indexname like %s order by 1"
    assert tables.rows(indexes, "%search") == [("chapters_search",), ("novels_search",)]
    (rid,) = [line for line in search_sql().splitlines() if line.startswith("-- To be rid of it:")]
    tables.connection.execute(rid.partition(": ")[2].encode())
    assert tables.rows(indexes, "%search") == []


def test_without_the_tables_it_changes_nothing_and_says_what_to_do(empty_database_url: str) -> None:
    with pytest.raises(DatabaseNotReady, match="there are no tables of NovelSync to search in") as refused:
        add_search(empty_database_url, "it")
    assert "novelsync migrate" in refused.value.hint
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select to_regnamespace('novelsync_search')").fetchone() == (None,)


def test_the_command_adds_it_and_prints_it(run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("migrate", "--search", "--print").out == search_as_script() + "\n"
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert "search_novels" not in run("migrate").out
    assert "whoever may read the novels may call search_novels" in run("migrate", "--search").out
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select * from search_novels('emma')").fetchall() == []
    refused = run("migrate", "--search", "--adopt")
    assert (refused.code, "two steps" in refused.err) == (2, True)


def test_an_older_postgres_has_it_too(older_server: str) -> None:
    with psycopg.connect(older_server, autocommit=True) as connection:
        connection.execute("create database searched template migrated")
    url = psycopg.conninfo.make_conninfo(older_server, dbname="searched")
    add_search(url, "it")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into novels (slug, title) values ('so-do', 'Số đỏ'), ('meng', '红楼梦')")
        connection.execute("insert into chapters (novel_id, position, title) values (1, 1, 'Chương 1: Đào hoa')")
        connection.execute("set role anon")
        for query, slug in (("so do", "so-do"), ("楼梦", "meng"), ("dao ho", "so-do")):
            assert connection.execute("select slug from search_novels(%s)", [query]).fetchall() == [(slug,)]


@pytest.mark.parametrize(("type_", "made"), [("uuid", "gen_random_uuid()"), ("text", "md5(random()::text)")])
def test_tables_that_were_taken_over_are_searched_whatever_their_ids(
    run: Run, library: Library, empty_database_url: str, monkeypatch: pytest.MonkeyPatch, type_: str, made: str
) -> None:
    monkeypatch.setenv("NOVELSYNC_STORAGE", str(library.folder))
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(
            f"create table stories (id {type_} primary key default {made}, title text not null);"
            f"create table story_chapters (id {type_} primary key default {made}, novel_id {type_} references stories,"
            " title text, content text, number int);".encode()
        )
        connection.execute("insert into stories (title) values ('Số đỏ')")
        library.write("so-do", titled("Chương 1: Đào hoa"), title="Số đỏ")
        assert run("migrate", "--adopt").code == 0
        assert run("migrate", "--search").code == 0
        assert run("sync").code == 0
        ids = connection.execute("select n.id, c.id from novels n join chapters c on c.novel_id = n.id").fetchone()
        found = connection.execute("select id, chapter_id from search_novels('dao hoa')").fetchone()
        assert found == ids


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
@pytest.mark.usefixtures("shelf")
def test_readers_call_it_over_the_api_and_reach_nothing_behind_it(searched: str, tables: Tables) -> None:
    tables.connection.execute("update novels set removed_at = now() where slug = 'emma'")
    with StandIn(searched) as api:
        headers = {"apikey": api.publishable_key}
        with httpx.Client(base_url=f"{api.url}/rest/v1/rpc/", headers=headers) as client:
            posted = client.post("search_novels", json={"query": "dao hoa", "at_most": 5})
            got = client.get("search_novels", params={"query": "so do", "select": "slug,title,chapter_count"})
            hidden = client.post("search_novels", json={"query": "emma"})
            behind = client.post("in_novels", json={"p_folded": "emma"})
    assert [(row["slug"], row["chapter_position"], row["chapter_title"]) for row in posted.json()] == [
        ("so-do", 1, "Chương 1: Số đào hoa")
    ]
    assert got.json() == [{"slug": "so-do", "title": "Số Đỏ", "chapter_count": 2}]
    assert hidden.json() == []
    assert behind.status_code == 404
