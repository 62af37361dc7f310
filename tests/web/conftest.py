"""A browser that looks at the pages, and misses nothing that goes wrong in them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import NAMES, chromium, find_browser

Look = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with chromium(path) as browser:
        yield browser


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens a page; whatever goes wrong in it, or leaves its origin, fails the test when it ends."""
    wrong: list[str] = []
    with ExitStack() as contexts:

        def open_page(client: httpx.Client, path: str = "/", *, answers: int = 200, **options: Any) -> Page:
            ours = str(client.base_url)
            context = browser.new_context(**options)
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
            page.on("pageerror", lambda error: wrong.append(f"error {error}"))
            # Chromium writes a violation of the Content-Security-Policy there, and that an answer was no 200.
            page.on("console", lambda said: "Failed to load" in said.text or wrong.append(f"console {said.text}"))
            page.on("request", lambda asked: asked.url.startswith((ours, "data:")) or wrong.append(asked.url))
            answer = page.goto(ours + path)
            assert answer is not None
            assert answer.status == answers
            return page

        yield open_page
    assert wrong == []
