"""
Ids stay with their chapters and novels, whatever is done to the files: what is promised, and what nobody can decide.

These tests know which chapter is which, because they make the edits; NovelSync sees the files alone. Each chapter must
have the id it was first seen with, for ever, but for those that are undecidable by the rules below;
`tests.support.telling` applies them.

**A chapter** is told, between one sync and the next,

1. by its text, if that has 200 letters or more, stayed as it was, and is and was no other chapter's. Then its title,
   number, url and place may all change, and its folder's name, for all chapters at once, whatever else happens;
2. else by the first of these that it has kept and that no chapter has or had that is not told yet: the url; number and
   title together; the text of which there are as many copies as before, by their order; the title; the number.
   A label waits for rule 4 if both neighbours (or the only one) that their text told have one now that moved on;
3. else by its place: between the same two that are told, in the same company, in the same order;
4. else by a label after all.

What is held stays as it was, its labels included, and says nothing of ids: a text that is much shorter than the one it
would replace or stands in several chapters, and everything but texts in a file that lacks too much.

A chapter that was removed is told by its text as any other; else among what no published one is, by its url before
rule 3, by the rest after rule 4, and never by its place.

Undecidable is, and may have another id then:

- **A sign went from one chapter to another**: the text of one that lost it in the same hour; or the url, title or
  number of one whose text does not tell it, removed ones included. Who has the sign now gets the id, so that a new
  "Chapter 7" is the removed "Chapter 7", come back with another text.
- **Copies of one text** changed their order, or how many they are, and their labels as well.
- **Nothing tells it**: text and labels changed all at once (or were never there), and beside it others came, went or
  changed places of which the same is true. As many as there were get the ids in their order; else they are new.
- **Strangers**: chapters of which nothing but the place is as it was, where the novel guard would hold their going (5
  and more than 30 %, or all), or holds others already. They are new, and the stored ones are held.
- What stands beside one that was taken for another, if only its place tells it; copies of its text; what is like it in
  everything.

**A novel** is told by its slug. Under a new slug it goes on if the old one went missing, and the bytes are the same, or
more than half of the different texts of 200 bytes or more are there, or, under the same title, most chapters with their
urls. If it was removed, its slug brings it back if it shares any text with it, or number and title, or most urls.
A copy has ids of its own, and the original's once that is gone.
Undecidable is what fits two of these; one of them goes on.
"""

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelsync.sync_service import SyncService
from tests.conftest import Tables, databases
from tests.support.editing import OF_CHAPTERS, OF_NOVELS, OF_TEXTS, Edit, Novel, Shelf
from tests.support.hour_by_hour import Hours
from tests.support.in_memory import Table
from tests.support.ledger import Ledger
from tests.support.library import REAL_NOVELS, Library, chapters

LEAVING_TEXTS = sorted(OF_CHAPTERS.keys() - OF_TEXTS)

Hour: TypeAlias = tuple[Sequence[Edit], bool]
"""Edits, and whether a person accepts what is held."""


def examples(usual: int, thorough: int) -> settings:
    """The same ones each time; in the profile "thorough" (see `tests.conftest`) more, and others each time."""
    if settings.get_current_profile_name() == "thorough":
        return settings(max_examples=thorough)
    return settings(max_examples=usual, deadline=None, derandomize=True, print_blob=True)


def hours_of(kinds: Collection[str]) -> st.SearchStrategy[list[Hour]]:
    edit = st.builds(Edit, st.sampled_from(sorted(kinds)), st.integers(0, 5), st.integers(0, 12), st.integers(0, 7))
    return st.lists(st.tuples(st.lists(edit, max_size=5), st.booleans()), min_size=1, max_size=8)


def lived(shelf: Shelf, novel: Novel, hours: Sequence[Hour]) -> Counter[str]:
    """What became of a novel's ids; in memory, because that takes a thousandth of a second an hour."""
    table, ledger = Table(), Ledger()
    held, file = False, None
    for edits, accept in [((), False), *hours]:
        for edit in edits:
            shelf.apply(edit)
        ledger.tally["edits"] += len(edits)
        same = file == novel.chapters
        if same and not accept:
            continue  # nobody reads it again
        accepted = accept and held and same
        before, file = table.rows, list(novel.chapters)
        table.sync(file, accepted)
        held = ledger.check(1, before, table.rows, file, accepted)
    return ledger.tally


def undecidable(tally: Counter[str]) -> int:
    return tally["undecidable, kept"] + tally["undecidable, lost"]


@examples(60, 5_000)
@given(hours_of(OF_CHAPTERS.keys() | OF_NOVELS.keys()), st.sampled_from([0, 5400]))
def test_ids_stay_whatever_is_done_to_a_library(server: str, hours: list[Hour], grace: float) -> None:
    with tempfile.TemporaryDirectory() as folder, databases(server) as make:
        library = Hours(Path(folder) / "novels", make("migrated"), (1, 4, 8, 12), grace)
        try:
            for edits, accept in hours:
                library.pass_by(edits, accept)
        finally:
            library.close()


@examples(300, 100_000)
@given(st.sampled_from([1, 3, 6, 12, 20]), hours_of(OF_CHAPTERS))
def test_ids_stay_whatever_is_done_to_a_novel(size: int, hours: list[Hour]) -> None:
    shelf = Shelf((size,))
    (novel,) = shelf.folders.values()
    lived(shelf, novel, hours)


@examples(150, 20_000)
@given(st.sampled_from([1, 3, 6, 12, 20]), hours_of(OF_CHAPTERS), st.booleans())
@example(3, [([Edit("repeat text", amount=1), Edit("edit every text")], False)], False)
def test_what_is_held_stays_the_same_while_its_file_is(size: int, hours: list[Hour], within_a_day: bool) -> None:
    shelf = Shelf((size,))
    (novel,) = shelf.folders.values()
    table = Table(within_a_day=within_a_day)
    for edits, _ in [((), False), *hours]:
        for edit in edits:
            shelf.apply(edit)
        first = table.sync(novel.chapters)
        for _ in range(2 if first.held_id else 0):
            again = table.sync(novel.chapters)
            # Or, once the rest is taken, it is plain what was doubtful: which takes nothing from readers.
            assert again.held_id in (first.held_id, "")
            theirs = {row.id for row in [*first.chapters.held, *first.chapters.held_texts]}
            assert theirs.isdisjoint([row.id for row in again.chapters.removed])
            assert theirs.isdisjoint([change.row.id for change in again.chapters.changed])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], [Edit("delete many"), Edit("append"), Edit("delete many"), Edit("append")]),
        (
            [Edit("append"), Edit("append"), Edit("delete"), Edit("delete")],
            [Edit("rotate", place=1), Edit("insert"), Edit("delete many", place=9)],
        ),
    ],
    ids=["its rows change places", "a stranger stands in a row's place"],
)
def test_chapters_that_are_held_by_other_rules_too_are_what_was_shown(before: list[Edit], now: list[Edit]) -> None:
    shelf = Shelf((12,))
    (novel,) = shelf.folders.values()
    table = Table(within_a_day=True)
    held = []
    for edits, rules in (([], "rules"), (before, "rules"), (now, "rules"), ([], "others")):
        for edit in edits:
            shelf.apply(edit)
        held.append(table.sync(novel.chapters, rules=rules).held_id)
    assert held[2]
    assert held[3] == held[2]


@examples(100, 20_000)
@given(st.sampled_from([1, 6, 12]), hours_of(LEAVING_TEXTS))
def test_nothing_is_undecidable_while_its_text_stays(size: int, hours: list[Hour]) -> None:
    shelf = Shelf((size,))
    (novel,) = shelf.folders.values()
    assert undecidable(lived(shelf, novel, hours)) == 0


@pytest.mark.parametrize("kind", sorted(OF_CHAPTERS))
def test_no_edit_alone_leaves_anything_undecidable(kind: str) -> None:
    for place in range(6):
        for amount in range(8):
            shelf = Shelf((7,))
            (novel,) = shelf.folders.values()
            edits = [Edit("delete", place=6), Edit(kind, place=place, amount=amount)]
            assert undecidable(lived(shelf, novel, [([edit], False) for edit in edits])) == 0


@pytest.mark.skipif(not REAL_NOVELS.exists(), reason=f"the real novels are not in {REAL_NOVELS}")
@pytest.mark.parametrize(
    ("kinds", "of_a_thousand"),
    [(sorted(OF_CHAPTERS), 5), (LEAVING_TEXTS, 0)],
    ids=["any edits", "edits that leave the texts"],
)
def test_ids_stay_whatever_is_done_to_real_novels(kinds: Sequence[str], of_a_thousand: int) -> None:
    tally: Counter[str] = Counter()
    for path in sorted(REAL_NOVELS.glob("*/book_info.json")):
        dice = random.Random(path.parent.name)  # noqa: S311 — the same edits every time
        shelf = Shelf()
        novel = shelf.put(json.loads(path.read_bytes()))

        def edits(dice: random.Random = dice) -> list[Edit]:
            return [
                Edit(dice.choice(kinds), 0, dice.randrange(140), dice.randrange(8)) for _ in range(dice.randint(1, 3))
            ]

        hours = [(edits(), dice.random() < 0.3) for _ in range(26)]
        tally += lived(shelf, novel, hours)
    ids = tally["kept"] + undecidable(tally)
    said = f"{tally['edits']:,} edits; of {ids:,} ids {ids - tally['undecidable, lost']:,} kept: {dict(tally)}"
    assert tally["edits"] > 1_000, said
    assert undecidable(tally) * 1_000 <= ids * of_a_thousand, said
    assert tally["held"] > 0, said


def test_a_copy_made_in_the_hour_of_a_rename_has_the_ids_once_it_is_all_that_is_left(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(3))
    library.write("other", [])
    service.sync_all_novels("cli")
    ids = tables.ids("emma")
    (library.folder / "emma").rename(library.folder / "anna")
    shutil.copytree(library.folder / "anna", library.folder / "berta")
    service.sync_all_novels("cli")
    assert tables.ids("anna") == ids
    library.remove("anna")
    assert service.sync_all_novels("cli").as_dict()["novels"]["renamed"] == 1
    assert tables.rows(
        "select c.id from chapters c join novels n on n.id = novel_id"
        " where n.slug = 'berta' and n.removed_at is null order by position"
    ) == [(id_,) for id_ in ids.values()]
