"""The system's Chromium, without a window, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.support.postgres_server import AS_ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser() -> str | None:
    """Its path, if the machine has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # As root, Chromium's sandbox does not start.
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=not AS_ROOT)
        yield browser
        browser.close()
