"""The status page in a real browser, served by functions-framework's own server."""

import re
import shlex
from itertools import pairwise
from typing import Any

import httpx
from playwright.sync_api import expect

from tests.conftest import Run, Tables
from tests.support.cloud_jobs import JOB
from tests.support.library import Library, chapter, chapters
from tests.support.serving import Serve
from tests.web.conftest import Look

NOVELS, STATUS = "/api/v1/sync/novels", "/api/v1/sync/novels/status"
HELD = "/api/v1/sync/novels/held"
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SCRIPT = "<script>alert(1)</script>"


def hold(library: Library, client: httpx.Client, slug: str = "emma", **fields: Any) -> None:
    """One novel whose chapters nearly all go."""
    library.write(slug, [chapter(n, title=f"{SCRIPT} {n}") for n in range(1, 10)], **fields)
    client.post(NOVELS)
    library.write(slug, [chapter(n, title=f"{SCRIPT} {n}") for n in range(1, 3)], **fields)
    client.post(NOVELS)


def test_what_comes_from_files_is_shown_and_never_run(serve: Serve, look: Look, library: Library) -> None:
    client, slug = serve(), "<img src=x onerror=alert(1)>"
    hold(library, client, slug, title=SCRIPT)
    library.write_raw("\u202eright-to-left<b>", b'{"title": "<b onclick=alert(1)>"')
    client.post(NOVELS)
    page = look(client)
    troubles = page.get_by_role("region", name="Waiting for you")
    expect(troubles.get_by_role("heading", name=SCRIPT)).to_be_visible()
    expect(troubles).to_contain_text(slug)
    expect(troubles).to_contain_text(f'the first: "{SCRIPT} 3"')
    expect(troubles).to_contain_text("right-to-left<b>")
    assert (page.locator("script").count(), page.locator("img").count(), troubles.locator("b").count()) == (
        1,
        0,
        0,
    )
    isolated = "names => names.every(name => getComputedStyle(name).unicodeBidi === 'isolate')"
    assert page.locator("bdi").evaluate_all(isolated)


def test_the_button_is_pressed_by_keyboard_and_its_answer_shown_in_place(
    serve: Serve, look: Look, library: Library, tables: Tables
) -> None:
    client = serve()
    page = look(client)
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is synced yet")
    library.write("emma", chapters(2))
    button = page.get_by_role("button", name="Sync now")
    for _ in range(page.get_by_role("navigation").get_by_role("link").count() + 1):
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    assert button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    answer = page.get_by_role("status")
    expect(answer).to_contain_text("Sync job completed. 1 novel: 1 created; ")
    assert answer.get_attribute("aria-live") == "polite"
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]
    expect(page.get_by_role("heading", level=1)).to_have_text("All is well")
    expect(page).to_have_title("All is well · NovelSync")
    expect(page.get_by_role("region", name="Storage and tables")).to_contain_text("1 novel, 2 chapters")
    expect(button).to_be_focused()

    page.keyboard.press("Space")
    expect(answer).to_contain_text("1 unchanged")


def test_a_run_that_goes_on_shows_how_far_it_is_until_it_ends(serve: Serve, look: Look, tables: Tables) -> None:
    tables.connection.execute(
        "update novelsync.lease set holder = 'laptop:<7>', acquired_at = now() - interval '1 minute',"
        " expires_at = now() + interval '1 hour', progress = json_build_object('done', 1000, 'total', 4000)"
        " where singleton"
    )
    page = look(serve())
    running = page.get_by_role("region", name="Running now")
    expect(running).to_contain_text("1,000 of 4,000 novels, about 3 min left")
    expect(running).to_contain_text("laptop:<7>, since")
    expect(running.get_by_role("progressbar")).to_have_attribute("value", "1000")
    expect(page.get_by_role("button", name="Sync now")).to_be_disabled()
    tables.connection.execute("update novelsync.lease set progress = json_build_object('done', 3000, 'total', 4000)")
    expect(running).to_contain_text("3,000 of 4,000 novels")
    tables.connection.execute("update novelsync.lease set expires_at = now()")
    expect(running).to_have_count(0)
    expect(page.get_by_role("button", name="Sync now")).to_be_enabled()


def test_without_javascript_a_button_has_its_answer_on_a_page(serve: Serve, look: Look, library: Library) -> None:
    library.write("emma", chapters(1))
    page = look(serve(), java_script_enabled=False)
    expect(page.locator("footer")).to_contain_text(re.compile(r"\d\d:\d\d UTC\. Times are in UTC\."))
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sync job completed")
    expect(page.get_by_role("main")).to_contain_text("1 novel: 1 created")
    page.get_by_role("link", name="Back to the status").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All is well")
    page.get_by_text("Run by run").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("1 new")


def test_times_are_in_the_readers_zone(serve: Serve, look: Look, library: Library, tables: Tables) -> None:
    client = serve()
    client.post(NOVELS)
    tables.connection.execute("update novelsync.runs set finished_at = date_trunc('hour', now()) - interval '20 hours'")
    ended = tables.rows("select to_char(finished_at at time zone 'Asia/Kolkata', 'HH24:MI') from novelsync.runs")[0][0]
    page = look(client, timezone_id="Asia/Kolkata")
    page.get_by_text("Run by run").click()
    expect(page.get_by_role("cell").first).to_contain_text(ended)
    assert ended.endswith(":30")
    expect(page.locator("footer")).to_contain_text("Times are in Asia/")


def test_what_is_held_or_refused_comes_with_the_command_that_works(
    serve: Serve, look: Look, settled: Library, run: Run, tables: Tables
) -> None:
    client = serve()
    hold(settled, client)
    settled.write_raw("cut", b"{")
    client.post(NOVELS)
    page = look(client)
    expect(page.get_by_role("heading", level=1)).to_have_text("Something waits for you")
    troubles = page.get_by_role("region", name="Waiting for you")
    expect(troubles.get_by_role("heading", name="refused cut")).to_be_visible()
    expect(troubles.get_by_role("heading", name="held Emma emma")).to_be_visible()
    page = look(serve("status"), f"{HELD}?slug=emma")
    command = page.locator("code", has_text="--accept").inner_text()
    python, module, program, *arguments = shlex.split(command)
    assert (python, module, program) == ("python", "-m", "novelsync")
    run(*arguments)
    assert len(tables.titles("emma")) == 2
    page = look(client)
    expect(page.get_by_role("region", name="Waiting for you")).not_to_contain_text("held")
    expect(page.get_by_text("Novels refused: 1")).to_be_visible()


def test_the_scheduler_is_started_and_stopped_from_the_page(serve: Serve, look: Look) -> None:
    page = look(serve())
    schedule = page.get_by_role("region", name="Schedule")
    expect(schedule).to_contain_text("Stopped")
    schedule.get_by_role("button", name="Start the hourly sync").press("Enter")
    expect(schedule).to_contain_text(re.compile(r"Runs every hour, next at (.+, )?\d\d:\d\d"))
    expect(page.get_by_role("status")).to_contain_text("Scheduler started successfully")
    stop = schedule.get_by_role("button", name="Stop the hourly sync")
    expect(stop).to_be_focused()
    stop.press("Enter")
    expect(schedule).to_contain_text("Stopped")


def test_a_function_that_only_shows_has_commands_and_no_button(serve: Serve, look: Look) -> None:
    page = look(serve("status"))
    expect(page.get_by_text(re.compile("Sync now: .*novelsync sync$"))).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    page = look(serve("status", K_SERVICE="novelsync-status", NOVELSYNC_SCHEDULER_JOB=JOB))
    expect(page.get_by_text(f"Sync now: gcloud scheduler jobs run {JOB}")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)


def test_a_screen_reader_finds_its_way(serve: Serve, look: Look, library: Library) -> None:
    client = serve()
    hold(library, client)
    page = look(client)
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    headings = page.get_by_role("heading").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert (headings[0], headings.count(1)) == (1, 1)
    assert all(after - before <= 1 for before, after in pairwise(headings)), "no level is left out"
    for button in page.get_by_role("button").all():
        expect(button).to_have_accessible_name(re.compile("Sync now|hourly sync"))
    day = page.get_by_role("region", name="The last day")
    expect(day).to_contain_text("2 runs: 1 ok, 1 with problems")
    expect(day.locator("svg a")).to_have_count(2)
    day.get_by_text("Run by run").press("Enter")
    expect(day.get_by_role("table", name="Runs of the last 24 hours")).to_be_visible()
    headers = day.get_by_role("columnheader").all_inner_texts()
    assert headers == ["Ended", "Outcome", "Novels", "Took"]


def test_on_a_phone_nothing_is_wider_than_the_screen(serve: Serve, look: Look, library: Library) -> None:
    client = serve()
    hold(library, client, "a-very-long-name-" * 12, title="Title" * 40)
    page = look(client, viewport={"width": 390, "height": 844}, is_mobile=True)
    page.get_by_text("Run by run").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    sizes = page.get_by_role("button").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert min(sizes) >= 44, "for a thumb"


# Relative luminance and contrast as WCAG 2 defines them, of every element that has a text of its own.
CONTRASTS = """() => {
  const numbers = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = c => c / 255 <= .03928 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
  };
  const texts = [...document.querySelectorAll('body *:not(script)')].filter(element => element.checkVisibility()
    && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return texts.map(element => {
    const [one, other] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    return [element.textContent.trim().slice(0, 40), (Math.max(one, other) + .05) / (Math.min(one, other) + .05)];
  });
}"""


def test_light_and_dark_differ_and_both_can_be_read(serve: Serve, look: Look, library: Library, tables: Tables) -> None:
    client = serve()
    hold(library, client)
    library.write_raw("cut", b"{")
    client.post(NOVELS)
    tables.connection.execute(
        "insert into novelsync.runs (run_id, trigger, finished_at, outcome)"
        " values (gen_random_uuid(), 'cli', now() - interval '1 hour', 'failed')"
    )
    papers = set()
    for scheme in ("light", "dark"):
        page = look(client, color_scheme=scheme)
        page.get_by_text("Run by run").click()
        papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 40
        assert [text for text in contrasts if text[1] < 4.5] == []
    assert len(papers) == 2


def test_who_wants_no_motion_has_none(serve: Serve, look: Look) -> None:
    client = serve()
    lasts = "getComputedStyle(document.querySelector('button')).transitionDuration"
    assert look(client, reduced_motion="reduce").evaluate(lasts) == "0s"
    assert look(client).evaluate(lasts) != "0s"


def test_errors_are_pages_that_say_what_to_do(serve: Serve, look: Look, empty_database_url: str) -> None:
    page = look(serve(DATABASE_URL="postgresql://u:canary@127.0.0.1:1/x"), answers=503)
    expect(page.get_by_role("heading", level=1)).to_have_text("Out of reach just now")
    expect(page.get_by_role("main")).to_contain_text("cannot be reached")
    expect(page.get_by_role("link", name="Try again")).to_be_visible()
    assert "canary" not in page.content()
    page = look(serve(DATABASE_URL=empty_database_url), answers=500)
    expect(page.locator("code", has_text="novelsync migrate").first).to_be_visible()
    page = look(serve(NOVELSYNC_WORKERS="many"), answers=500)
    expect(page.get_by_role("main")).to_contain_text("NOVELSYNC_WORKERS is 'many'")
    page = look(serve(), "/api/v1/sync/nothing", answers=404)
    page.get_by_role("link", name="Back to the status").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is synced yet")


def test_a_button_whose_database_went_away_says_so_in_place(serve: Serve, look: Look, tables: Tables) -> None:
    page = look(serve())
    tables.connection.execute("alter function novelsync_begin(json) rename to away")
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_role("status")).to_contain_text("Something needs fixing. ")
    expect(page.get_by_role("status")).to_contain_text("has not been migrated")


def test_who_does_not_ask_for_a_page_gets_json(serve: Serve, library: Library) -> None:
    client = serve()
    java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
    for accept in ("*/*", "application/json", "application/json, text/html", "text/plain, */*", "text/*", java, ""):
        answer = client.get(STATUS, headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8", accept
        assert answer.headers["Vary"] == "Accept"
    assert client.get(f"{STATUS}?check=1", headers=HTML).json()["verdict"] == "never_run"
    assert client.get(f"{STATUS}?check=yes", headers=HTML).json()["success"] is False
    assert client.get("/api/v1/sync/scheduler/status", headers=HTML).json()["success"] is True


def test_a_page_may_do_nothing_but_what_is_written_in_it(serve: Serve) -> None:
    client = serve()
    for path, status in (("/", 200), (STATUS, 200), (f"{STATUS}?nonsense=1", 400), ("/nowhere", 404)):
        answer = client.get(path, headers=HTML)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        for kind in ("style-src", "script-src"):
            assert re.fullmatch(r"'sha256-[\w+/]{43}='", policy.pop(kind))
        assert policy == {
            "default-src": "'none'",
            "img-src": "data:",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        said = {name: answer.headers[name] for name in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control")}
        assert said == {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        assert answer.headers["Vary"] == "Accept"
    assert client.head("/", headers=HTML).headers["Content-Type"] == "text/html; charset=utf-8"
