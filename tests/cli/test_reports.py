"""What `sync` and `status` print: short however much is wrong, complete when asked for, and adding up."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Run, Tables
from tests.support.library import Library, chapter, chapters

ROOT = Path(__file__).parents[2]


def fill_with_trouble(library: Library, run: Run, refused: int = 150) -> None:
    """A novel that is held, many that are cut off, and some that are gone."""
    library.write("held", chapters(20))
    for n in range(30):
        library.write(f"novel-{n:02}", chapters(1))
    run("sync")
    library.write("held", chapters(2))
    for n in range(refused):
        library.write_raw(f"cut-{n:03}", b'{"title": "' + b"x" * n)
    library.remove("novel-07")
    library.remove("novel-08")


def test_1000_alike_are_told_as_one_and_the_one_that_is_held_comes_first(run: Run, settled: Library) -> None:
    fill_with_trouble(settled, run)
    for result in (run("sync"), run("status")):
        lines = result.out.splitlines()
        assert len(lines) < 25, result.out
        problems = [line for line in lines if line.startswith(("held", "refused"))]
        assert problems[0].startswith("held held: ")
        assert re.match(
            r"refused 150 novels: the file is cut off.*, for instance cut-000, cut-001, cut-002", problems[1]
        )
        assert "more problem" not in result.out, "all of them are told"


def test_all_of_a_kind_and_all_there_is_can_be_listed(run: Run, settled: Library) -> None:
    fill_with_trouble(settled, run)
    run("sync")
    held = run("status", "--kind", "held").out
    assert "held held: 18 of 20 chapters" in held
    assert "refused cut" not in held
    refused = run("status", "--kind", "refused").out
    assert sum(line.startswith("refused cut-") for line in refused.splitlines()) == 150
    everything = run("status", "--all").out
    assert sum(line.startswith(("refused cut-", "held held")) for line in everything.splitlines()) == 151
    assert "novel-08, since 20" in everything
    assert len(json.loads(run("status", "--all", "--json").out)["problems"]) == 151
    assert run("status", "--kind", "unavailable").code == 2


def test_what_differs_is_cut_at_ten_of_a_kind_and_the_rest_is_counted(
    run: Run, settled: Library, tables: Tables
) -> None:
    tables.connection.execute("insert into novelsync.files (slug) select 'novel-' || n from generate_series(10, 24) n")
    tables.connection.execute(
        "insert into novelsync.problems select slug, 'warning', 'odd in its way ' || chr(87 + right(slug, 2)::integer)"
        " from novelsync.files"
    )
    said = run("status").out
    assert sum(line.startswith("warning novel-") for line in said.splitlines()) == 10
    assert "and 5 more problems: `novelsync status --all` lists all" in said


def test_missing_novels_are_named_with_since_when_and_when_they_go(run: Run, settled: Library) -> None:
    for n in range(200):
        settled.write(f"novel-{n:03}", chapters(1))
    run("sync")
    for n in range(12):
        settled.remove(f"novel-{n:03}")
    gone = r"    novel-000, since \S+Z; the first run after \S+Z hides it from readers"
    for result in (run("sync"), run("sync"), run("status"), run("sync", "--dry-run")):
        assert "missing   12 novels that readers see and the storage no longer has" in result.out
        assert re.search(gone, result.out)
        assert "    and 2 more: `novelsync status --all` names all" in result.out
    assert "novel-011, since" in run("status", "--all").out
    assert "novel-011, since" in run("status", "--kind", "missing").out
    away = settled.folder.rename(settled.folder.with_name("away"))
    assert "novel-011: missing from storage since 20" in run("status", "--kind", "missing").out
    away.rename(settled.folder)


def test_each_novel_is_counted_once_and_what_is_missing_stands_apart(run: Run, settled: Library) -> None:
    fill_with_trouble(settled, run, refused=3)
    settled.write("new", [chapter("new"), chapter("newer")])
    result = run("sync")
    assert "novels    33 in storage: 1 created, 29 unchanged, 3 refused; of these, 1 held\n" in result.out
    assert "          2 no longer in storage: 2 missing\n" in result.out
    assert "chapters  2 created, 18 held\n" in result.out
    report = json.loads(run("sync", "--json").out)
    fates = (
        "created",
        "updated",
        "renamed",
        "restored",
        "unchanged",
        "refused",
        "unavailable",
        "deferred",
        "in_flight",
    )
    assert sum(report["novels"][fate] for fate in fates) == report["novels_processed"] == 33


def test_no_word_is_cut_in_a_narrow_pipe(run: Run, settled: Library) -> None:
    fill_with_trouble(settled, run, refused=3)
    settled.write("new", [chapter("new"), chapter("newer")])
    command = [sys.executable, "-m", "novelsync", "sync"]
    narrow = os.environ | {"COLUMNS": "30"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=narrow)
    assert "33 in storage: 1 created, 29 unchanged, 3 refused; of these, 1 held\n" in done.stdout
    assert "…" not in done.stdout
