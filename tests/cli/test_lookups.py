"""``novels``, ``show`` and ``history``: what there is, found without SQL."""

import json
import re

import pytest

from tests.conftest import Run, Tables
from tests.support.library import Library, chapter, chapters


@pytest.fixture
def known(run: Run, settled: Library) -> Library:
    """Emma, of which a file is held; Evelina; Persuasion without any text; and a file that is refused."""
    settled.write("emma", chapters(9), author="Jane Austen")
    settled.write("evelina", [*chapters(2), chapter(3, content="")], author="Frances Burney")
    settled.write("persuasion", [chapter(1, content=""), chapter(2, content="")], author="Jane Austen")
    settled.write_raw("torn", b'{"title": ')
    run("sync", "-q")
    settled.write("emma", chapters(2), author="Jane Austen")
    run("sync", "-q")
    return settled


def test_novels_are_listed_searched_and_filtered(run: Run, known: Library) -> None:
    listed = run("novels", "--sort", "title")
    assert listed.code == 0
    lines = [line.split()[:2] for line in listed.out.splitlines()]
    assert lines == [["emma", "9"], ["evelina", "3"], ["persuasion", "2"]]
    assert "held" in listed.out.splitlines()[0]
    assert run("novels", "-q", "--search", "austen", "--sort", "title").out.split() == ["emma", "persuasion"]
    assert run("novels", "-q", "--kind", "held").out.split() == ["emma"]
    assert run("novels", "-q", "--kind", "refused").out.split() == ["torn"]
    assert "not stored" in run("novels", "--kind", "refused").out
    none = run("novels", "--kind", "missing")
    assert (none.code, none.out, "there are none" in none.err) == (0, "", True)
    document = json.loads(run("novels", "--json", "--kind", "held").out)
    assert (document["total"], document["novels"][0]["slug"], document["next"]) == (1, "emma", None)
    assert document["counts"]["all"] == 3


def test_more_than_a_page_is_counted_and_listed_with_all(run: Run, settled: Library) -> None:
    for n in range(60):
        settled.write(f"novel-{n:02}", [chapter(n)])
    run("sync", "-q")
    cut = run("novels", "--search", "novel")
    assert len(cut.out.splitlines()) == 51
    assert "50 of 60 novels" in cut.out
    assert "novels --search novel --all` lists all" in cut.out
    assert len(run("novels", "--all").out.splitlines()) == 60
    assert len(json.loads(run("novels", "--all", "--json").out)["novels"]) == 60


def test_a_novel_is_shown_with_what_is_wrong_and_what_has_no_text(run: Run, known: Library, tables: Tables) -> None:
    shown = run("show", "evelina")
    assert shown.code == 0
    assert "author    Frances Burney" in shown.out
    assert "chapters  3: 2 with text, 1 without; 0 removed" in shown.out
    assert 'without text: 3 "Chapter 3"' in shown.out
    assert "chapters 3 added; novel: added" in shown.out
    held = run("show", "emma").out
    assert "7 of 9 chapters are no longer in the file" in held
    assert "sync --accept emma=" in held
    every = run("show", "emma", "--all").out
    assert f"id {tables.ids('emma')['Chapter 9']}" in every
    assert "nothing is stored" in run("show", "torn").out


def test_of_a_long_novel_every_chapter_is_listed(run: Run, settled: Library) -> None:
    settled.write("long", [*chapters(450), chapter(451, content="")])
    run("sync", "-q")
    assert 'without text: 451 "Chapter 451"' in run("show", "long").out
    assert len(json.loads(run("show", "long", "--json").out)["chapters"]) == 451


def test_a_slug_that_is_not_there_is_wrong_usage_and_similar_ones_are_named(run: Run, known: Library) -> None:
    refused = run("show", "velin")
    assert (refused.code, "there is no novel 'velin'; did you mean evelina?" in refused.err) == (2, True)
    assert run("history", "nope").code == 2


def test_the_history_has_the_runs_or_one_novels_changes(run: Run, known: Library) -> None:
    runs = run("history").out.splitlines()
    assert len(runs) == 2
    assert "4 novels: 3 new" in runs[1]
    assert "partial" in runs[0]
    assert len(json.loads(run("history", "--json").out)["runs"]) == 2
    known.write("evelina", [*chapters(2), chapter(3)], author="Frances Burney")
    run("sync", "-q", "--slug", "evelina")
    changes = run("history", "evelina").out.splitlines()
    assert 'chapters 1 changed ("Chapter 3") (outside of runs)' in changes[0]
    assert json.loads(run("history", "evelina", "--json").out)["changes"][0]["titles"] == ["Chapter 3"]
    (id_,) = re.findall(r"id (\S+)", run("show", "evelina", "--all").out)[:1]
    run("purge", "--chapter", id_, "--blank", "--yes")
    assert "chapters 1 removed" in (purged := run("history", "evelina").out.splitlines()[0])
    assert purged.endswith("(outside of runs)")


def test_before_the_first_run_there_is_nothing_and_it_says_so(run: Run, settled: Library) -> None:
    for command, said in (("novels", "there are none"), ("history", "there has been no run yet")):
        result = run(command)
        assert (result.code, result.out, said in result.err) == (0, "", True)
