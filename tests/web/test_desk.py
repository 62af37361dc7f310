"""The operator's desk in a real browser: novels, one novel, runs, and what is held, on which somebody decides."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Tables
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.serving import ROOT, Serve
from tests.web.conftest import Look

SYNC, STATUS = "/api/v1/sync/novels", "/api/v1/sync/novels/status"
LIST, NOVEL, HELD = f"{SYNC}/list", f"{SYNC}/novel", f"{SYNC}/held"
RUNS, RUN = "/api/v1/sync/runs", "/api/v1/sync/runs/run"
AXE = ROOT / ".tools" / "node_modules" / "axe-core" / "axe.min.js"
SCRIPT = "<script>alert(1)</script>"


def texts(count: int) -> list[dict[str, Any]]:
    return [chapter(n, content=text_of(f"text {n}")) for n in range(1, count + 1)]


def held_novel(library: Library, client: httpx.Client) -> None:
    """Of twelve chapters five go, and two of the others lose most of their text."""
    before = texts(12)
    library.write("emma", before, title="Emma")
    client.post(SYNC)
    after = before[:7]
    for n in (1, 4):
        after[n] = after[n] | {"content": before[n]["content"][:40]}
    library.write("emma", after, title="Emma")
    client.post(SYNC)


def lengths(tables: Tables) -> list[int]:
    return [
        n for (n,) in tables.rows("select length(content) from chapters where removed_at is null order by position")
    ]


def decide(look: Look, client: httpx.Client) -> Page:
    page = look(client)
    page.get_by_role("link", name="See what would change, and decide").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Emma: what is held")
    return page


def test_what_is_held_is_shown_chapter_by_chapter_and_text_beside_text_and_then_accepted(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve()
    held_novel(library, client)
    page = decide(look, client)
    expect(page.get_by_role("main")).to_contain_text("5 chapters would go; 2 texts would be replaced; 12 chapters now")
    gone = page.get_by_role("region", name="What would go")
    expect(gone.get_by_role("rowheader")).to_have_count(5)
    expect(gone.get_by_role("row", name="Chapter 8")).to_contain_text("text 8: It was text 8")
    text = page.get_by_role("article", name="Chapter 2")
    expect(text).to_contain_text("What the file has, 40 characters")
    page.get_by_role("button", name="Take the file as it is").click()
    expect(page.get_by_role("status")).to_contain_text("Sync job completed")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is held")
    assert [n < 100 for n in lengths(tables)] == [False, True, False, False, True, False, False]


def test_what_readers_have_is_kept_and_nobody_is_asked_again_until_the_file_changes(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve()
    held_novel(library, client)
    page = decide(look, client)
    page.get_by_role("button", name="Keep what readers have").press("Enter")
    expect(page.get_by_role("main")).to_contain_text("It was decided that what readers have stays")
    expect(page.get_by_role("button", name="Keep what readers have")).to_have_count(0)
    assert client.post(SYNC).json()["data"]["outcome"] == "ok"
    assert client.get(STATUS).json()["verdict"] == "ok"
    assert len(lengths(tables)) == 12
    page = look(client, f"{NOVEL}?slug=emma")
    expect(page.get_by_role("main")).to_contain_text("What readers have was kept, and differs from its file.")
    page.get_by_role("link", name="See what differs").click()
    expect(page.get_by_role("button", name="Take the file as it is")).to_be_visible()
    library.write("emma", texts(3), title="Emma")
    assert client.post(SYNC).json()["data"]["outcome"] == "partial"


def test_the_same_chapters_in_another_guise_keep_their_ids(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve()
    library.write("emma", texts(8), title="Emma")
    client.post(SYNC)
    ids = tables.rows("select id from chapters order by position")
    moved = [
        chapter(n, title=f"New {n}", number=None, url=f"https://new/{n}", content=text_of(f"another {n}"))
        for n in range(8)
    ]
    library.write("emma", moved, title="Emma")
    client.post(SYNC)
    page = decide(look, client)
    page.get_by_role("button", name="They are the same chapters, in the same order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is held")
    assert tables.rows("select id from chapters where removed_at is null order by position") == ids
    assert next(iter(tables.titles("emma"))) == "New 0"


def test_the_button_does_what_was_shown_or_nothing(serve: Serve, look: Look, library: Library, tables: Tables) -> None:
    client = serve()
    held_novel(library, client)
    page = decide(look, client)
    library.write("emma", texts(2), title="Emma")
    page.get_by_role("button", name="Take the file as it is").click()
    expect(page.get_by_role("status")).to_contain_text("Sync job completed with problems")
    expect(page.get_by_role("main")).to_contain_text("10 chapters would go")
    assert len(lengths(tables)) == 12
    page.get_by_role("button", name="Take the file as it is").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is held")
    assert len(lengths(tables)) == 2


def test_of_a_file_that_is_cut_or_gone_it_is_said_why_nothing_can_be_told(
    serve: Serve, look: Look, library: Library
) -> None:
    client = serve()
    held_novel(library, client)
    library.write_raw("emma", b"{")
    page = look(client, f"{HELD}?slug=emma")
    expect(page.get_by_role("main")).to_contain_text(
        "its file cannot be taken at all: the file is cut off", ignore_case=True
    )
    library.remove("emma")
    assert "has no file of it" in client.get(f"{HELD}?slug=emma").json()["why"]


def test_the_page_of_a_run_shows_all_of_it_once_it_has_ended(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve()
    library.write("emma", chapters(3))
    client.post(SYNC)
    run_id = client.get(RUNS).json()["runs"][0]["run_id"]
    tables.connection.execute(
        "with ended as (update novelsync.runs set finished_at = null, outcome = null, report = null"
        " returning *) select 1 from ended"
    )
    page = look(client, f"{RUN}?run_id={run_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("It is going on")
    report = client.post(f"{SYNC}?dry_run=1").json()["data"]
    tables.connection.execute(
        "update novelsync.runs set finished_at = now(), outcome = 'ok', report = %s", [json.dumps(report)]
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("All went well")
    expect(page.get_by_role("region", name="What it found")).to_contain_text("1 unchanged")


def test_held_removals_are_accepted_on_the_first_page(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve(NOVELSYNC_REMOVAL_GRACE="0")
    for slug in ("emma", "persuasion"):
        library.write(slug, chapters(1))
    client.post(SYNC)
    for slug in ("emma", "persuasion"):
        library.remove(slug)
    library.write("new", chapters(1))
    client.post(SYNC)
    page = look(client)
    page.get_by_role("button", name="Take all of them from the readers").click()
    expect(page.get_by_role("status")).to_contain_text("2 removed")
    assert tables.rows("select slug from novels where removed_at is null") == [("new",)]


def test_a_function_that_only_shows_gives_the_commands(serve: Serve, look: Look, library: Library) -> None:
    held_novel(library, serve())
    page = look(serve("status"), f"{HELD}?slug=emma")
    choices = page.get_by_role("region", name="Decide")
    expect(choices.get_by_role("button")).to_have_count(0)
    expect(choices.locator("code").first).to_have_text(re.compile(r"novelsync sync --slug emma --accept emma=\w{8}$"))
    page = look(serve("status", K_SERVICE="novelsync-status"), f"{HELD}?slug=emma")
    expect(page.locator("code").first).to_have_text(re.compile(r"^POST /api/v1/sync/novels\?slug=emma&accept=emma%3D"))


def test_novels_are_found_filtered_sorted_and_paged(serve: Serve, look: Look, library: Library) -> None:
    client = serve()
    for n in range(60):
        library.write(f"novel-{n:02}", chapters(1), title=f"Novel {n:02}", author="Jane" if n == 7 else "Somebody")
    library.write_raw("cut", b"{")
    client.post(SYNC)
    page = look(client)
    page.get_by_role("link", name="Novels").click()
    expect(page.get_by_role("main")).to_contain_text("60 novels")
    rows = page.get_by_role("table").get_by_role("rowheader")
    expect(rows).to_have_count(50)
    page.get_by_label("Order").select_option("by title")
    page.get_by_role("button", name="Show").click()
    expect(rows.first).to_contain_text("Novel 00")
    page.get_by_role("link", name="Next page").click()
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("Novel 50")
    page.get_by_role("link", name="First page").click()
    expect(rows.first).to_contain_text("Novel 00")
    page.get_by_label("Title, author or folder").fill("jane")
    page.keyboard.press("Enter")
    expect(rows).to_have_text([re.compile("Novel 07")])
    page.get_by_role("navigation", name="Which novels").get_by_role("link", name="Refused 1").click()
    expect(page.get_by_role("main")).to_contain_text("No novel is like that.")
    page.get_by_label("Title, author or folder").fill("")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row", name="cut")).to_contain_text("refused")


def test_from_a_bar_to_its_run_and_from_there_to_the_novel_and_back(serve: Serve, look: Look, library: Library) -> None:
    client = serve()
    library.write("emma", [*texts(2), chapter(3, content="")], title="Emma", description="A match-maker.")
    client.post(SYNC)
    library.write("emma", texts(4), title="Emma", description="A match-maker.", author="Jane Austen")
    client.post(SYNC)
    page = look(client)
    page.locator("svg.chart a").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All went well")
    expect(page.get_by_role("region", name="What it found")).to_contain_text("1 updated")
    changed = page.get_by_role("region", name="What it changed")
    expect(changed.get_by_role("row", name="Emma")).to_contain_text("1 added, 1 changed")
    changed.get_by_role("link", name="Emma").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Emma")
    expect(page.get_by_role("region", name="The novel")).to_contain_text("Jane Austen")
    expect(page.get_by_role("region", name="Chapters")).to_contain_text("4 chapters, all with text")
    changes = page.get_by_role("region", name="What changed")
    expect(changes).to_contain_text("Author changed, 1 added, 1 changed: Chapter")
    expect(changes).to_contain_text("Came in with 3 chapters")
    changes.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All went well")
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("table").get_by_role("link")).to_have_count(2)


def test_settings_in_force_are_shown_and_no_secret_among_them(serve: Serve, look: Look) -> None:
    page = look(serve(NOVELSYNC_WORKERS="3", NOVELSYNC_ALERT_URL="http://localhost:1/canary"))
    settings = page.get_by_role("region", name="Settings")
    settings.locator("summary").click()
    expect(settings.get_by_role("row", name="NOVELSYNC_WORKERS")).to_contain_text(re.compile("3.*set"))
    expect(settings.get_by_role("row", name="NOVELSYNC_REMOVAL_LIMIT")).to_contain_text(re.compile("0.1.*default"))
    expect(settings.get_by_role("row", name="NOVELSYNC_ALERT_URL")).to_contain_text("set, and not shown")
    assert "canary" not in page.content()


@pytest.fixture
def desk(serve: Serve, library: Library) -> tuple[httpx.Client, list[str]]:
    """The addresses of all pages, with names from hostile files in each."""
    client = serve()
    before = [one | {"title": f"{SCRIPT} {n}"} for n, one in enumerate(texts(9))]
    slug = "<img src=x onerror=alert(1)>"
    library.write(slug, before, title=SCRIPT, author=SCRIPT, description=SCRIPT * 3, status=SCRIPT)
    client.post(SYNC)
    after = before[:4]
    after[1] = after[1] | {"content": f"{SCRIPT} \u202e"}
    library.write(slug, after, title=SCRIPT, author=SCRIPT)
    library.write_raw("\u202eright-to-left<b>", b'{"title": "<b onclick=alert(1)>"')
    library.write("a-very-long-name-" * 12, chapters(2), title="Title" * 60)
    client.post(SYNC)
    run_id = client.get(RUNS).json()["runs"][0]["run_id"]
    pages = [
        "/",
        LIST,
        f"{LIST}?show=refused",
        str(httpx.URL(NOVEL, params={"slug": slug})),
        str(httpx.URL(HELD, params={"slug": slug})),
        RUNS,
        f"{RUN}?run_id={run_id}",
        f"{LIST}?show=nonsense",
    ]
    return client, pages


def test_on_every_page_what_comes_from_files_is_shown_and_never_run(
    look: Look, desk: tuple[httpx.Client, list[str]]
) -> None:
    client, pages = desk
    shown = 0
    for address in pages[:-1]:
        page = look(client, address)
        assert (page.locator("script").count(), page.locator("img").count()) == (1, 0), address
        shown += page.locator("main bdi", has_text=SCRIPT).count()
        isolated = "names => names.every(name => getComputedStyle(name).unicodeBidi === 'isolate')"
        assert page.locator("bdi").evaluate_all(isolated)
    assert shown > 20


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not in .tools: npm could not fetch it")
@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
    ],
    ids=["light", "dark", "phone"],
)
def test_everybody_can_use_every_page(
    look: Look, desk: tuple[httpx.Client, list[str]], options: dict[str, Any]
) -> None:
    client, pages = desk
    axe = Path(AXE).read_text(encoding="utf-8")
    for address in pages:
        page = look(client, address, answers=400 if "nonsense" in address else 200, **options)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        page.evaluate(axe)
        found = page.evaluate("async () => (await axe.run()).violations.map(v => [v.id, v.nodes.map(n => n.html)])")
        assert found == [], address
        if "viewport" in options:
            assert page.evaluate("document.documentElement.scrollWidth") == 390, address


def test_whoever_asks_for_no_page_gets_the_same_as_json(serve: Serve, library: Library) -> None:
    client = serve()
    held_novel(library, client)
    assert [novel["slug"] for novel in client.get(LIST).json()["novels"]] == ["emma"]
    assert client.get(f"{NOVEL}?slug=emma&after=10").json()["chapters"][0]["position"] == 11
    held = client.get(f"{HELD}?slug=emma").json()["held"]
    assert (len(held["gone"]), held["texts_total"], held["kept"]) == (5, 2, False)
    (newest, _) = client.get(RUNS).json()["runs"]
    run = client.get(f"{RUN}?run_id={newest['run_id']}").json()
    assert run["report"]["outcome"] == newest["outcome"] == "partial"
    assert len(client.get(f"{RUNS}?before={newest['run_id']}").json()["runs"]) == 1


REFUSED = [
    (f"{LIST}?show=x", 400, "show is 'x'"),
    (f"{LIST}?sort=x", 400, "sort is 'x'"),
    (f"{LIST}?search={'x' * 201}", 400, "search is too long"),
    (NOVEL, 400, "slug is missing"),
    (f"{NOVEL}?slug=nobody", 404, "there is no novel 'nobody'"),
    (f"{NOVEL}?slug=x&after=-1", 400, "after is '-1'"),
    (HELD, 400, "slug is missing"),
    (f"{RUN}?run_id=7", 400, "run_id is '7'"),
    (f"{RUN}?run_id={'0' * 32}", 404, "there is no run 00000000-"),
    (f"{RUNS}?before=yesterday", 400, "before is 'yesterday'"),
    (f"{HELD}?slug=nobody", 404, "there is no novel 'nobody'"),
]


def test_bad_parameters_are_refused_in_words(serve: Serve) -> None:
    client = serve()
    for address, status, message in REFUSED:
        answer = client.get(address)
        assert (answer.status_code, message in answer.json()["message"]) == (status, True), address
        assert answer.json()["hint"]


def test_a_novel_is_taken_down_by_a_button_listed_and_lifted(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve()
    library.write("emma", texts(3), title=f"Emma {SCRIPT}")
    client.post(SYNC)
    page = look(client, f"{NOVEL}?slug=emma")
    page.get_by_text("Take it down").click()
    page.get_by_role("button", name="Hide this novel from readers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Taken down")
    assert tables.rows("select count(*) from novels where removed_at is null") == [(0,)]
    page = look(client, "/api/v1/sync/takedowns")
    expect(page.get_by_role("row", name="Novel emma")).to_contain_text("1 novel, 3 chapters")
    page.get_by_role("button", name="Lift").click()
    expect(page.get_by_role("status")).to_contain_text("Takedown lifted.")
    expect(page.get_by_role("button", name="Lift")).to_have_count(0)
    client.post(SYNC)
    assert tables.rows("select slug from novels where removed_at is null") == [("emma",)]
