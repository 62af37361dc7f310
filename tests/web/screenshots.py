"""``make screenshots``: the pictures of all pages in docs/, of the sample library and a day that never was."""

import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import psycopg
from playwright.sync_api import Browser

from novelsync.database.embedded.shared import EmbeddedPostgres
from tests.support.browser import NAMES, chromium, find_browser
from tests.support.library import Library, chapter, chapters
from tests.support.serving import ROOT, served

DOCS = ROOT / "docs"
HELD, REFUSED = "the-clockmakers-daughter", "duong-ve-lang-cu"

WIDE = {"width": 1080, "height": 1180}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True},
}
PAGES = {
    "status": "/",
    "novels": "/api/v1/sync/novels/list",
    "novel": f"/api/v1/sync/novels/novel?slug={HELD}",
    "held": f"/api/v1/sync/novels/held?slug={HELD}",
    "run": "/api/v1/sync/runs/run?run_id={run_id}",
}


def main() -> None:
    path = find_browser()
    if path is None:
        sys.exit(f"none of {', '.join(NAMES)} is installed")
    with tempfile.TemporaryDirectory(prefix="novelsync-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        copytree(ROOT / "storage" / "novels", folder / "storage" / "novels")
        with (
            EmbeddedPostgres(folder / ".novelsync" / "postgres") as postgres,
            served("app", folder / "log", folder=folder, NOVELSYNC_DATABASE_LIMIT="50000000") as client,
            chromium(path) as browser,
        ):
            _live_a_day(Library(folder / "storage" / "novels"), client, postgres.start())
            newest = client.get("/api/v1/sync/runs").json()["runs"][0]["run_id"]
            for look, options in LOOKS.items():
                for page, path in PAGES.items():
                    address = str(client.base_url) + path.format(run_id=newest)
                    _take(browser, address, DOCS / f"{page}-{look}.png", options, whole=page == "status")


def _live_a_day(library: Library, client: Any, url: str) -> None:
    """Leaves one novel held, one refused, and two to come; and the runs of a day."""
    sync = "/api/v1/sync/novels"
    told = _told(library)
    library.write(HELD, told, title="The Clockmaker’s Daughter", author="Imogen Fairweather")
    library.write(REFUSED, chapters(8), title="Đường về làng cũ")
    client.post(sync)
    walled = [one | {"content": one["content"][:140]} if n in (2, 4) else one for n, one in enumerate(told[:7])]
    library.write(HELD, walled, title="The Clockmaker’s Daughter", author="Imogen Fairweather")
    library.write_raw(REFUSED, b'{"title": "\xc4\x90\xc6\xb0\xe1\xbb\x9dng v\xe1\xbb\x81", "chapters": [{"title": "Ch')
    client.post(sync)
    client.post("/api/v1/sync/scheduler/start")
    library.write("letters-from-the-salt-coast", chapters(12))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update novelsync.runs set finished_at = finished_at - interval '26 minutes'")
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for hours_ago in range(1, 24):
            ended = hour - timedelta(hours=hours_ago, seconds=-7)
            busy = hours_ago in (3, 9, 15, 16, 21)
            outcome = "failed" if hours_ago == 12 else "partial" if hours_ago in (11, 10) else "ok"
            novels = {"created": int(hours_ago == 16), "updated": hours_ago % 4 + 1 if busy else 0, "removed": 0}
            duration = round(0.03 + (hours_ago * 7 % 5) / 100 + (busy * (0.2 + hours_ago % 4 / 3)), 2)
            report = {"duration": duration, "novels_processed": 6, "novels_error": 0, "novels": novels}
            report |= {"chapters_processed": 0, "problems": []}
            connection.execute(
                "insert into novelsync.runs (run_id, trigger, started_at, finished_at, outcome, report)"
                " values (gen_random_uuid(), 'scheduler', %s, %s, %s, %s)",
                (ended - timedelta(seconds=duration), ended, outcome, json.dumps(report)),
            )


def _told(library: Library) -> list[dict[str, Any]]:
    """Chapters of prose: those of the sample novels in English, one after another."""
    books = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(library.folder.glob("*/book_info.json"))]
    texts = [one["content"] for book in books if book["title"].isascii() for one in book["chapters"] if one["content"]]
    return [chapter(n, title=f"Chapter {n}", content=text) for n, text in enumerate(texts, start=1)]


def _take(browser: Browser, address: str, file: Path, options: dict[str, Any], *, whole: bool) -> None:
    context = browser.new_context(timezone_id="Europe/Berlin", **options)
    page = context.new_page()
    page.goto(address)
    page.screenshot(path=file, full_page=whole)
    context.close()
    print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
