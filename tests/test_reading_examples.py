"""The feed and the catalogue in docs/examples are what their specifications ask for, over the tables of a sync."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from novelsync.database.migrations import add_search
from novelsync.sync_service import SyncService
from tests.conftest import Tables
from tests.support.library import Library, chapter, chapters
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary
from tests.support.serving import ROOT

pytestmark = pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)

ATOM = "{http://www.w3.org/2005/Atom}"

Example = Callable[..., str]


@pytest.fixture
def example(database_url: str) -> Iterator[Example]:
    """Runs one of the examples, and gives what it prints."""
    add_search(database_url, "it")
    with StandIn(database_url) as api:
        settings = {
            "SUPABASE_URL": api.url,
            "SUPABASE_PUBLISHABLE_KEY": api.publishable_key,
            "SITE_URL": "https://example.com/",
            "PYTHONIOENCODING": "utf-8",
        }

        def run(name: str, *arguments: str) -> str:
            command = [sys.executable, str(ROOT / "docs" / "examples" / name), *arguments]
            done = subprocess.run(command, env=os.environ | settings, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            return done.stdout.decode()

        yield run


def is_iri(text: str | None) -> bool:
    parts = urlsplit(text or "")
    return bool(parts.scheme and parts.netloc)


def required(element: ET.Element) -> None:
    """What RFC 4287 asks of a feed and of an entry alike: exactly one of each."""
    for name in ("id", "title", "updated"):
        assert len(element.findall(f"{ATOM}{name}")) == 1, name
    assert is_iri(element.findtext(f"{ATOM}id"))
    updated = datetime.fromisoformat(element.findtext(f"{ATOM}updated", ""))
    assert updated.tzinfo is not None


def test_the_atom_feed_has_what_is_required_and_the_latest_chapters_first(
    library: Library, service: SyncService, tables: Tables, example: Example
) -> None:
    empty = ET.fromstring(example("atom_feed.py"))  # noqa: S314 — our own
    required(empty)
    assert empty.findall(f"{ATOM}entry") == []
    library.write("emma", chapters(2), title="Emma & <Friends>", author=None)
    library.write("gone", chapters(1))
    assert service.sync_all_novels().success
    library.write("emma", [*chapters(3), chapter(4, title="Four\u0001th")], title="Emma & <Friends>", author=None)
    library.write("gone", chapters(2))
    assert service.sync_all_novels().success
    tables.connection.execute("update novels set removed_at = now() where slug = 'gone'")
    feed = ET.fromstring(example("atom_feed.py"))  # noqa: S314
    assert feed.tag == f"{ATOM}feed"
    required(feed)
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        "Emma & <Friends>: Fourth",
        "Emma & <Friends>: Chapter 3",
    ]
    for entry in entries:
        required(entry)
        # Without content an entry must link to its page; without an author of the feed it must have its own.
        (link,) = entry.findall(f"{ATOM}link")
        assert (link.get("rel"), is_iri(link.get("href"))) == ("alternate", True)
        assert [bool(author.findtext(f"{ATOM}name")) for author in entry.findall(f"{ATOM}author")] == [True]
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)


def catalogue(text: str) -> list[dict[str, Any]]:
    """The publications of a feed, after what OPDS 2.0 requires of it and of each of them."""
    feed = json.loads(text)
    assert feed["metadata"]["title"]
    assert any(role in feed for role in ("navigation", "publications", "groups"))
    assert [link["rel"] for link in feed["links"]].count("self") == 1
    for link in feed["links"]:
        assert is_iri(link["href"])
        assert link["type"] == "application/opds+json"
    (search,) = (link for link in feed["links"] if link["rel"] == "search")
    assert (search["templated"], "query" in search["href"]) == (True, True)
    for publication in feed["publications"]:
        assert publication["metadata"]["title"]
        rels = [link["rel"] for link in publication["links"]]
        assert "self" in rels
        assert any(rel.startswith("http://opds-spec.org/acquisition") for rel in rels)
        assert all(is_iri(link["href"]) and link["type"] for link in publication["links"])
        images = publication["images"]
        assert {image["type"] for image in images} & {"image/jpeg", "image/png", "image/gif", "image/avif"}
        assert all(is_iri(image["href"]) for image in images)
    publications: list[dict[str, Any]] = feed["publications"]
    return publications


def test_the_catalogue_has_what_is_required_and_can_be_searched(
    library: Library, service: SyncService, tables: Tables, example: Example
) -> None:
    assert catalogue(example("opds_catalogue.py")) == []
    library.write("emma", chapters(2), title="Emma", author="Jane Austen", cover_url="https://example.com/emma.png?s=1")
    library.write("số đỏ", chapters(2), title="Số đỏ", author=None, cover_url=None)
    library.write("gone", chapters(2))
    assert service.sync_all_novels().success
    tables.connection.execute("update novels set removed_at = now() where slug = 'gone'")
    every = {each["metadata"]["title"]: each for each in catalogue(example("opds_catalogue.py"))}
    assert set(every) == {"Emma", "Số đỏ"}
    assert every["Emma"]["images"] == [{"href": "https://example.com/emma.png?s=1", "type": "image/png"}]
    assert every["Emma"]["metadata"]["author"] == "Jane Austen"
    assert [each["metadata"]["title"] for each in catalogue(example("opds_catalogue.py", "--search", "so do"))] == [
        "Số đỏ"
    ]
    assert catalogue(example("opds_catalogue.py", "2")) == []


def test_a_full_page_of_the_catalogue_names_the_next_one(tables: Tables, example: Example) -> None:
    tables.connection.execute("insert into novels (slug, title) select n, 'Novel ' || n from generate_series(1, 51) n")
    first, second = (json.loads(example("opds_catalogue.py", page)) for page in ("1", "2"))
    assert [len(page["publications"]) for page in (first, second)] == [50, 1]
    nexts = [[link["href"] for link in page["links"] if link["rel"] == "next"] for page in (first, second)]
    assert nexts == [["https://example.com/opds.json?page=2"], []]
