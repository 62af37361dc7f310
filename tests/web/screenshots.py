"""``make screenshots``: the pictures of the status page in docs/, of the sample library and a day that never was."""

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
from tests.support.library import Library, chapters
from tests.support.serving import ROOT, served

DOCS = ROOT / "docs"
HELD, REFUSED = "the-clockmakers-daughter", "duong-ve-lang-cu"

WIDE = {"width": 1080, "height": 1180}
PICTURES: dict[str, dict[str, Any]] = {
    "status-light": {"viewport": WIDE, "color_scheme": "light"},
    "status-dark": {"viewport": WIDE, "color_scheme": "dark"},
    "status-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True},
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
            for picture, options in PICTURES.items():
                _take(browser, str(client.base_url), DOCS / f"{picture}.png", options)


def _live_a_day(library: Library, client: Any, url: str) -> None:
    """Leaves one novel held, one refused, and two to come; and the runs of a day."""
    sync = "/api/v1/sync/novels"
    library.write(HELD, chapters(61), title="The Clockmaker’s Daughter")
    library.write(REFUSED, chapters(8), title="Đường về làng cũ")
    client.post(sync)
    library.write(HELD, chapters(10), title="The Clockmaker’s Daughter")
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


def _take(browser: Browser, address: str, file: Path, options: dict[str, Any]) -> None:
    context = browser.new_context(timezone_id="Europe/Berlin", **options)
    page = context.new_page()
    page.goto(address)
    page.screenshot(path=file, full_page=True)
    context.close()
    print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
