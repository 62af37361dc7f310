"""``takedown``: by slug, id, url and text; listed, and lifted."""

import json

import pytest

from tests.conftest import Run, Tables
from tests.support.hours import published
from tests.support.library import Library, chapters
from tests.support.receiver import Receiver


@pytest.fixture
def known(run: Run, settled: Library) -> Library:
    settled.write("emma", chapters(3))
    run("sync", "-q")
    return settled


def test_a_novel_is_taken_down_listed_counted_and_lifted(run: Run, known: Library, tables: Tables) -> None:
    made = run("takedown", "emma", "--reason", "a letter")
    assert (made.code, "hidden from readers: 1 novel, 3 chapters" in made.out) == (0, True)
    assert published(tables) == []
    synced = run("sync")
    assert (synced.code, "taken down  1 novel, 3 chapters of files" in synced.out) == (0, True)
    verified = run("verify")
    assert (verified.code, "taken down, and no difference: 1 novel, 3 chapters" in verified.out) == (0, True)
    assert json.loads(run("verify", "--json").out)["taken_down"] == {"novels": 1, "chapters": 3}
    listed = run("takedown", "list").out
    assert "novel emma Emma" in listed
    assert "a letter" in listed
    (entry,) = json.loads(run("takedown", "list", "--json").out)
    assert (entry["kind"], entry["target"], entry["lifted_at"], "signs" in entry) == ("novel", "emma", None, False)
    assert run("takedown", "lift", str(entry["id"])).code == 0
    run("sync", "-q")
    assert published(tables) == ["emma"]
    assert "lifted" in run("takedown", "list").out


def test_what_is_taken_down_is_told_at_once(run: Run, known: Library, notified: Receiver) -> None:
    assert run("takedown", "emma").code == 0
    (change,) = notified.changes
    assert (change["kind"], change["novel"]["slug"], change["chapter"]) == ("removed", "emma", None)


def test_a_chapter_its_text_and_its_page_are_named_by_id_and_url(run: Run, known: Library, tables: Tables) -> None:
    ids = tables.ids("emma")
    assert json.loads(run("takedown", "--chapter", str(ids["Chapter 1"]), "--json").out)["chapters"] == 1
    assert json.loads(run("takedown", "--text-of", str(ids["Chapter 2"]), "--json").out)["chapters"] == 1
    assert json.loads(run("takedown", "--url", "example.com/3", "--json").out)["chapters"] == 1
    run("sync", "-q")
    assert published(tables) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name one thing"),
        (["emma", "--chapter", "1"], "Name one thing"),
        (["list", "--reason", "none"], "Name one thing"),
        (["lift"], "there is no novel 'lift'"),
        (["lift", "emma"], "'emma' is not the number of a takedown"),
        (["lift", "7"], "there is no takedown 7 in force"),
        (["nope"], "there is no novel 'nope' in the tables"),
        (["--chapter", "nope"], "there is no chapter 'nope' in the tables"),
        (["--url", "nope"], "is no beginning of a url"),
    ],
)
def test_what_cannot_be_done_is_wrong_usage_and_said(run: Run, known: Library, words: list[str], said: str) -> None:
    refused = run("takedown", *words)
    assert (refused.code, said in refused.err, "Traceback" in refused.err) == (2, True, False), refused.err
