"""What crawlers really did wrong: files as they were, step by step, and what readers have afterwards."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from novelsync.sync_service import SyncService
from tests.conftest import Tables
from tests.support.library import REAL_NOVELS, Library, chapters

CASES = REAL_NOVELS.parent / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the cases are not there: {CASES}")


@dataclass(frozen=True)
class Row:
    id: int
    number: int | None
    title: str
    text: str


@dataclass(frozen=True)
class Step:
    """What readers have after one run, and what the run said."""

    rows: Sequence[Row]
    novel: tuple[str | None, ...]
    """Title, author, description, cover and status."""
    problems: Mapping[str, str]
    """By kind, all messages."""

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]

    @property
    def texts(self) -> list[str]:
        return [row.text for row in self.rows]

    @property
    def by_number(self) -> dict[int | None, int]:
        return {row.number: row.id for row in self.rows}


Live = Callable[[str], list[Step]]


@pytest.fixture
def live(library: Library, service: SyncService, tables: Tables) -> Live:
    """Syncs each step of a case with one novel."""

    def step(folder: Path) -> Step:
        library.write_raw("novel", (folder / "book_info.json").read_bytes())
        report = service.sync_all_novels()
        rows = tables.rows(
            "select c.id, c.number::int, c.title, c.content from chapters c join novels n on n.id = c.novel_id"
            " where c.removed_at is null and n.removed_at is null order by c.position"
        )
        (novel,) = tables.rows("select title, author, description, cover_url, status from novels")
        problems: dict[str, str] = {}
        for problem in report.problems:
            problems[problem.kind] = f"{problems.get(problem.kind, '')}{problem.message}\n"
        return Step([Row(*row) for row in rows], novel, problems)

    return lambda case: [step(folder) for folder in sorted((CASES / case).glob("step*"))]


def test_texts_that_show_nothing_replace_none(live: Live) -> None:
    before, after = live("blank-markup-short")
    assert after.rows == before.rows
    assert min(len(text) for text in after.texts) > 400


@pytest.mark.parametrize("case", ["cf-first-then-text", "login-page-first"])
def test_a_stored_page_that_is_no_chapter_does_not_defend_itself(live: Live, case: str) -> None:
    before, after = live(case)
    assert after.ids == before.ids
    assert after.texts[0].startswith("[s-1] ship stone")
    assert "held" not in after.problems


def test_a_file_that_lost_its_chapters_takes_no_field_along(live: Live) -> None:
    before, after = live("cf-novel-title")
    assert after.novel == before.novel == ("Kiếm Lai", "A. Nguyen", None, None, "Đang ra")
    assert after.rows == before.rows
    assert "held" in after.problems


def test_fields_of_a_wrong_type_take_nothing_away(live: Live) -> None:
    before, after = live("desc-list")
    _, author, description, cover, status = after.novel
    assert author == before.novel[1]
    assert description in (before.novel[2], "Một thiếu niên\n\nđi xa")
    assert (cover, status) == before.novel[3:]


def test_a_list_that_was_doubled_is_put_right_without_a_person(live: Live) -> None:
    once, twice, again = live("doubled")
    assert len(twice.rows) == 12
    assert again.rows == once.rows
    assert "held" not in again.problems


def test_chapters_lost_little_by_little_within_a_day_are_held(live: Live) -> None:
    counts = [len(step.rows) for step in live("gradual-loss")]
    assert counts == [20, 14, 14, 14, 14]


def test_a_site_that_moved_keeps_ids_where_only_order_and_texts_as_seen_stay(live: Live) -> None:
    before, after = live("migrate-nonum")
    assert after.ids == before.ids
    assert [row.title for row in after.rows][:2] == ["1. Storm", "2. Harbour"]
    assert "held" not in after.problems


def test_a_text_that_cannot_be_read_replaces_none(live: Live) -> None:
    before, after = live("mojibake")
    assert after.rows == before.rows
    assert "U+FFFD" in after.problems["held"]


def test_chapters_within_volumes_come_in(live: Live) -> None:
    (only,) = live("nested-volumes")
    assert len(only.rows) > 0
    assert all(only.texts)


def test_a_notice_brings_no_removed_chapter_back(live: Live) -> None:
    first, _, last = live("notice-revives")
    assert last.ids[:2] == first.ids[:2]
    assert last.ids[2] not in first.ids


def test_labels_that_agree_beat_a_single_text(live: Live) -> None:
    before, after = live("offbyone-then-fixed")
    assert after.by_number == before.by_number
    assert [text[:5] for text in after.texts] == ["[s-1]", "[s-2]", "[s-3]", "[s-4]"]


def test_a_preview_replaces_no_text(live: Live) -> None:
    before, after = live("preview-25")
    assert after.rows == before.rows


def test_a_text_is_not_taken_away_in_two_steps(live: Live) -> None:
    *_, last = live("preview-then-stub")
    assert len(last.texts[0]) >= 420


def test_a_notice_that_wanders_takes_no_id_along(live: Live) -> None:
    steps = live("rolling-locked")
    for before, after in pairwise(steps):
        assert before.by_number.items() <= after.by_number.items()
    assert [text[:5] for text in steps[-1].texts[:3]] == ["[s-1]", "[s-2]", "[s-3]"]


@pytest.mark.parametrize("case", ["same-page-everywhere", "stub-buy"])
def test_one_page_in_place_of_several_texts_replaces_none(live: Live, case: str) -> None:
    before, after = live(case)
    assert after.rows == before.rows
    assert "2 chapters" in after.problems["held"] or "3 chapters" in after.problems["held"]


@pytest.mark.parametrize("case", ["wm-insert-no-url", "wm-insert-pos-url"])
def test_marks_that_nobody_sees_hide_no_chapter(live: Live, case: str) -> None:
    before, after = live(case)
    assert after.ids[1:] == before.ids
    assert after.ids[0] not in before.ids
    assert [text[:9] for text in after.texts][:2] == ["[s-Prolog", "[s-Storm]"]


def test_another_novels_contents_replace_nothing(live: Live) -> None:
    before, after = live("wrong-novel")
    assert (after.rows, after.novel) == (before.rows, before.novel)
    assert "another novel" in after.problems["held"]


def test_a_notice_that_two_novels_share_renames_none(library: Library, service: SyncService, tables: Tables) -> None:
    for n in range(12):
        library.write(f"other-{n}", [c | {"content": f"{n} {c['content']}"} for c in chapters(3)])
    shutil.copytree(CASES / "novel-takeover/step1", library.folder, dirs_exist_ok=True)
    service.sync_all_novels()
    ids = dict(tables.rows("select slug, id from novels"))
    library.remove("nov-a")
    shutil.copytree(CASES / "novel-takeover/step2", library.folder, dirs_exist_ok=True)
    report = service.sync_all_novels()
    after = dict(tables.rows("select slug, id from novels where removed_at is null"))
    assert after["nov-a"] == ids["nov-a"]
    assert after["nov-b"] not in ids.values()
    assert (report.novels.renamed, report.novels.missing) == (0, 1)
