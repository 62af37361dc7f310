"""What a person accepts is what they were shown, and nothing stays held once its reason is gone."""

from collections.abc import Callable
from typing import Any

import pytest

from novelsync.database import client
from novelsync.database.client import SqlClient
from novelsync.held_service import HeldService
from novelsync.models.desk.held import HeldChange
from novelsync.models.run import SyncOptions
from novelsync.planning import run_plan
from novelsync.planning.guards.limits import Limits
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncService
from tests.conftest import RecordingTransport, Tables, make_service
from tests.support.hours import accepting, everything, fill, hours_pass, messages, nonzero, published, synced
from tests.support.library import Library, chapter, chapters, text_of


def shown(report: dict[str, Any]) -> str:
    """What to accept, as the hint of the only thing that is held says it."""
    (hint,) = [problem["hint"] for problem in report["problems"] if problem["kind"] == "held"]
    return accepting(hint)


def id_in(problem: dict[str, Any]) -> str:
    return accepting(problem["hint"]).rpartition("=")[2]


def held_of(service: HeldService) -> HeldChange | None:
    look = service.look("emma")
    assert look is not None
    assert look.why == ""
    return look.held


def accept(service: SyncService, words: str, outcome: str = "ok") -> dict[str, Any]:
    return synced(service, outcome, accept=frozenset([words]))


def accept_removals(service: SyncService, words: str, outcome: str = "ok") -> dict[str, Any]:
    number, _, id_ = words.partition("=")
    return synced(service, outcome, accept_removals=int(number), removals_shown=id_)


@pytest.fixture
def held(library: Library, service: SyncService) -> dict[str, Any]:
    """Of ten chapters, seven are held."""
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(3))
    return synced(service, "partial")


# A novel -----------------------------------------------------------------------------


def test_what_was_shown_is_accepted_by_its_id(service: SyncService, tables: Tables, held: dict[str, Any]) -> None:
    assert nonzero(accept(service, shown(held))["chapters"]) == {"removed": 7}
    assert len(tables.titles("emma")) == 3


@pytest.mark.parametrize("by", ["the id", "the slug"])
@pytest.mark.parametrize("recorded_by", ["an event", "a run"])
def test_another_hold_that_took_its_place_is_not_what_was_shown(
    library: Library, service: SyncService, tables: Tables, held: dict[str, Any], by: str, recorded_by: str
) -> None:
    library.write("emma", [])
    if recorded_by == "a run":
        synced(service, "partial")
    else:
        service.sync_changed_novel("emma", 7)
    words = shown(held) if by == "the id" else "emma"
    report = accept(service, words, "partial")
    assert len(tables.titles("emma")) == 10
    hold, remark = report["problems"]
    assert remark["message"].startswith(
        "what is held of it is not what was shown, so nothing was accepted; now 10 of 10 chapters"
    )
    assert accepting(remark["hint"]) == accepting(hold["hint"]) != shown(held)
    accept(service, shown(report))
    assert tables.titles("emma") == []


def test_whoever_was_told_what_is_held_now_may_accept_it_by_the_slug(
    library: Library, service: SyncService, tables: Tables, held: dict[str, Any]
) -> None:
    library.write("emma", chapters(2))
    synced(service, "partial")
    accept(service, "emma", "partial")
    accept(service, "emma")
    assert len(tables.titles("emma")) == 2


def test_a_file_that_was_refused_in_between_does_not_make_another_hold_the_one_that_was_shown(
    library: Library, service: SyncService, tables: Tables, held: dict[str, Any]
) -> None:
    library.write_raw("emma", b"{")
    report = accept(service, shown(held), "partial")
    assert "warning it was not synced, so nothing was accepted" in messages(report)
    library.write("emma", chapters(2))
    synced(service, "partial")
    accept(service, "emma", "partial")
    assert len(tables.titles("emma")) == 10


def test_what_nobody_was_shown_is_not_accepted(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(3))
    report = accept(service, "emma", "partial")
    _, remark = messages(report)
    assert remark.startswith("warning nothing was held of it before, so nothing was accepted; now 7 of 10")
    assert len(tables.titles("emma")) == 10


def test_what_a_rehearsal_has_shown_is_accepted_by_its_id(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(3))
    words = shown(service.dry_run().as_dict())
    for slugs in ([], ["emma"]):
        rehearsed = service.dry_run(slugs, options=SyncOptions(accept=frozenset([words])))
        assert (rehearsed.chapters.removed, rehearsed.success) == (7, True)
    assert len(tables.titles("emma")) == 10
    accepted = service.sync_some_novels([], "cli", SyncOptions(accept=frozenset([words])))
    assert (accepted.chapters.removed, len(tables.titles("emma"))) == (7, 3)


def test_texts_that_are_worse_are_accepted_as_they_were_shown(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    synced(service)
    library.write("emma", [chapter(1), chapter(2, content="A postcard.")])
    words = shown(synced(service, "partial"))
    library.write("emma", [chapter(1), chapter(2, content="A letter.")])
    other = accept(service, words, "partial")
    assert shown(other) != words
    accept(service, shown(other))
    assert tables.rows("select content from chapters where position = 2") == [("A letter.",)]


@pytest.mark.parametrize("slug", ["a=b", "a=in-order", "a=4f1c2a0b", "=", "tiếng việt & more"])
def test_a_slug_may_look_like_anything(library: Library, service: SyncService, tables: Tables, slug: str) -> None:
    library.write(slug, chapters(10))
    synced(service)
    library.write(slug, chapters(3))
    accept(service, shown(synced(service, "partial")))
    assert len(tables.titles(slug)) == 3


# A site that moved -------------------------------------------------------------------


def moved(count: int) -> list[dict[str, Any]]:
    """As many chapters under new titles and urls, with other texts and no numbers."""
    return [
        chapter(n, title=f"{n}. Moved", number=None, url=f"https://b.example/{n}.html", content=text_of(f"moved {n}"))
        for n in range(1, count + 1)
    ]


def test_chapters_that_moved_in_order_keep_their_ids_if_a_person_says_so(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", [chapter(n, number=None) for n in range(1, 7)])
    synced(service)
    ids = list(tables.ids("emma").values())
    library.write("emma", moved(6))
    problem = synced(service, "partial")["problems"][0]
    assert "drops 6 ids that bookmarks may point at" in problem["hint"]
    assert f"`novelsync sync --accept emma=in-order-{id_in(problem)}` keeps their ids" in problem["hint"]
    accept(service, f"emma=in-order-{id_in(problem)}")
    assert tables.ids("emma") == dict(zip([f"{n}. Moved" for n in range(1, 7)], ids, strict=True))
    assert tables.rows("select content from chapters where position = 6 and removed_at is null") == [
        (text_of("moved 6"),)
    ]
    assert nonzero(synced(service)["novels"]) == {"unchanged": 1}


def test_chapters_that_moved_in_order_keep_their_ids_although_the_folder_was_renamed_and_came_in_by_parts(
    library: Library, service: SyncService, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("emma", [chapter(n, number=None) for n in range(1, 7)])
    synced(service)
    ids = list(tables.ids("emma").values())
    library.write("emma", moved(6))
    monkeypatch.setattr(client, "CALL_BYTES", 2_000)
    synced(service, "partial")
    assert len(tables.titles("emma")) == 12
    library.path("emma").parent.rename(library.folder / "emma-2")
    assert "--accept emma-2=in-order-" in synced(service, "partial")["problems"][0]["hint"]
    accept(service, "emma-2=in-order")
    assert list(tables.ids("emma-2").values()) == ids


@pytest.mark.parametrize("count", [5, 7])
def test_chapters_are_not_taken_in_order_if_there_are_more_of_them_or_fewer(
    library: Library, service: SyncService, tables: Tables, count: int
) -> None:
    library.write("emma", [chapter(n, number=None) for n in range(1, 7)])
    synced(service)
    library.write("emma", moved(count))
    problem = synced(service, "partial")["problems"][0]
    assert "in-order" not in problem["hint"]
    report = accept(service, "emma=in-order", "partial")
    assert "so they cannot be taken in order, and nothing was accepted" in messages(report)[1]
    assert len(tables.titles("emma")) == 6 + count


# Novels that are missing -------------------------------------------------------------


@pytest.mark.parametrize("by", ["the id", "the number"])
def test_only_the_removals_that_were_shown_are_accepted(
    library: Library, prompt: SyncService, tables: Tables, by: str
) -> None:
    slugs = fill(library, 10)
    synced(prompt)
    data = {slug: library.path(slug).read_bytes() for slug in slugs}
    for slug in slugs[:3]:
        library.remove(slug)
    words = shown(synced(prompt, "partial"))
    for slug in slugs[:3]:
        library.write_raw(slug, data[slug])
    for slug in slugs[7:]:
        library.remove(slug)
    report = accept_removals(prompt, words if by == "the id" else "3", "partial")
    assert published(tables) == slugs
    hold, told = report["problems"]
    assert told["message"] == (
        "the missing novels are others than those that were shown, so no removal was accepted;"
        " now novel-007, novel-008, novel-009"
    )
    assert accepting(told["hint"]) == accepting(hold["hint"]) != words
    assert accept_removals(prompt, shown(report))["novels"]["removed"] == 3
    assert published(tables) == slugs[:7]


def test_removals_are_accepted_by_their_number_while_no_others_were_held_in_between(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 10)
    synced(prompt)
    data = {slug: library.path(slug).read_bytes() for slug in slugs}
    for slug in slugs[:3]:
        library.remove(slug)
    synced(prompt, "partial")
    library.remove(slugs[3])
    synced(prompt, "partial")
    library.write_raw(slugs[3], data[slugs[3]])
    synced(prompt, "partial")
    report = accept_removals(prompt, "3", "partial")
    assert "so no removal was accepted; now novel-000, novel-001, novel-002" in messages(report)[-1]
    assert accept_removals(prompt, "3")["novels"]["removed"] == 3, "once it was said which"


def test_missing_novels_that_are_not_held_wait_out_their_grace_whatever_is_accepted(
    library: Library, service: SyncService
) -> None:
    slugs = fill(library, 20)
    synced(service)
    library.remove(slugs[0])
    report = accept_removals(service, "1")
    assert (report["novels"]["removed"], report["novels"]["missing"]) == (0, 1)
    assert messages(report) == [
        "warning 1 novel is missing and none is held, so no removal was accepted;"
        " what stays missing is removed by itself"
    ]


# The reason is gone ------------------------------------------------------------------


def test_removals_are_judged_by_how_many_novels_there_are_after_the_runs_own_additions(
    library: Library, service: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 3)
    synced(service)
    for slug in slugs:
        library.remove(slug)
    for n in range(50):
        library.write(f"new-{n}", [chapter(f"new {n}")])
    assert nonzero(synced(service)["novels"]) == {"created": 50, "missing": 3}
    hours_pass(tables, 2)
    assert synced(service)["novels"]["removed"] == 3


def test_removals_that_are_held_go_once_there_are_enough_others(
    library: Library, service: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 3)
    synced(service)
    for slug in slugs:
        library.remove(slug)
    synced(service, "partial")
    for n in range(50):
        library.write(f"new-{n}", [chapter(f"new {n}")])
        service.sync_novel_to_db(f"new-{n}")
    hours_pass(tables, 2)
    assert synced(service)["novels"]["removed"] == 3


def test_an_hour_with_something_held_is_quiet(
    library: Library, service: SyncService, transport: RecordingTransport, held: dict[str, Any]
) -> None:
    library.write_raw("broken", b"{")
    synced(service, "partial")
    transport.calls.clear()
    report = synced(service, "partial")
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"]
    assert (report["novels"]["held"], report["novels"]["refused"], report["bytes_read"]) == (1, 1, 0)
    library.write("persuasion", chapters(1))
    size = library.path("persuasion").stat().st_size
    assert synced(service, "partial")["bytes_read"] == size, "what is held and refused is not read with the others"


def test_a_higher_limit_lets_go_what_was_held_of_a_novel(
    library: Library, service: SyncService, database: SqlClient, tables: Tables, held: dict[str, Any]
) -> None:
    bolder = make_service(library, database, limits=Limits(chapter_removals=0.8))
    assert nonzero(synced(bolder)["chapters"]) == {"removed": 7}
    assert nonzero(synced(bolder)["novels"]) == {"unchanged": 1}


def test_other_rules_judge_what_is_held_and_refused_again(
    library: Library,
    service: SyncService,
    database: SqlClient,
    held: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library.write("persuasion", chapters(1))
    library.write_raw("broken", b"{")
    synced(service, "partial")
    monkeypatch.setattr(run_plan, "RULES", run_plan.RULES + 1)
    judged = make_service(library, database)
    sizes = [library.path(slug).stat().st_size for slug in ("emma", "broken")]
    assert synced(judged, "partial")["bytes_read"] == sum(sizes), "and nothing else"
    assert synced(judged, "partial")["bytes_read"] == 0


def test_being_judged_again_is_no_reason_to_let_go(
    library: Library, database: SqlClient, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", [chapter(n) for n in range(7, 107)])
    report = synced(service, "partial")
    for limit in (0.31, 0.32, 0.33):
        again = synced(make_service(library, database, limits=Limits(chapter_removals=limit)), "partial")
        assert shown(again) == shown(report)
    assert len(tables.titles("emma")) == 106
    accept(service, "emma")
    assert len(tables.titles("emma")) == 100


def test_a_file_that_was_only_touched_stays_held_and_is_the_same_hold(
    library: Library, service: SyncService, held: dict[str, Any]
) -> None:
    for _ in range(3):
        library.write_raw("emma", library.path("emma").read_bytes())
        again = synced(service, "partial")
        assert again["problems"] == held["problems"]
    assert synced(service, "partial")["bytes_read"] == 0
    accept(service, "emma")


# The other way -----------------------------------------------------------------------


def test_what_readers_have_stays_for_good_if_that_is_decided_until_the_file_changes(
    library: Library, service: SyncService, tables: Tables, held: dict[str, Any]
) -> None:
    report = synced(service, keep=frozenset([shown(held)]))
    (remark,) = report["problems"]
    assert remark["kind"] == "warning"
    assert remark["message"].startswith("what readers have stays until the file changes, as was decided: 7 of 10 chap")
    assert len(tables.titles("emma")) == 10
    assert synced(service)["novels"]["held"] == 0
    library.write("emma", chapters(3))  # the same bytes, as another file
    assert synced(service)["novels"]["held"] == 0
    assert synced(service, reread=True)["novels"]["held"] == 0
    assert len(tables.titles("emma")) == 10
    library.write("emma", chapters(2))
    assert synced(service, "partial")["novels"]["held"] == 1


def readers_see(tables: Tables) -> list[Any]:
    return tables.rows("select title, content from chapters where removed_at is null order by position")


def lose_chapters(library: Library, service: SyncService) -> dict[str, Any]:
    """By and by, so that what is held is only too much together with what went within a day."""
    library.write("emma", chapters(10))
    synced(service)
    library.write("emma", chapters(8))
    synced(service)
    library.write("emma", chapters(5))
    return synced(service, "partial")


def lose_chapters_and_edit(library: Library, service: SyncService) -> dict[str, Any]:
    """The same, and of what is left one chapter has another title and another text."""
    lose_chapters(library, service)
    edited = chapter(1, title="Another title", content=f"{text_of('chapter 1')} And an edit.")
    library.write("emma", [edited, *chapters(5)[1:]])
    return synced(service, "partial")


def lose_text(library: Library, service: SyncService) -> dict[str, Any]:
    """The same of a text that says less and less."""
    for words, outcome in ((500, "ok"), (250, "ok"), (100, "partial")):
        text = " ".join(f"word{n}of{words}" for n in range(words))
        library.write("emma", [chapter(1), chapter(2, content=text)])
        report = synced(service, outcome)
    return report


@pytest.mark.parametrize("lose", [lose_chapters, lose_chapters_and_edit, lose_text])
def test_what_is_decided_to_stay_does_although_its_reason_passed_before_the_decision(
    library: Library, service: SyncService, tables: Tables, lose: Callable[[Library, SyncService], dict[str, Any]]
) -> None:
    words = shown(lose(library, service))
    before = readers_see(tables)
    hours_pass(tables, 25)
    report = synced(service, keep=frozenset([words]))
    (remark,) = messages(report)
    assert remark.startswith("warning what readers have stays until the file changes, as was decided: ")
    library.write_raw("emma", library.path("emma").read_bytes())
    for options in ({}, {"reread": True}):
        assert messages(synced(service, **options)) == [remark]
    assert readers_see(tables) == before
    accept(service, words)
    assert readers_see(tables) != before


def test_what_was_decided_to_stay_does_when_its_reason_passes(
    library: Library, service: SyncService, tables: Tables
) -> None:
    synced(service, keep=frozenset([shown(lose_chapters(library, service))]))
    hours_pass(tables, 25)
    synced(service, reread=True)
    assert len(tables.titles("emma")) == 8
    library.write("emma", chapters(4))
    assert nonzero(synced(service)["chapters"]) == {"removed": 4}


@pytest.mark.parametrize("words", ["emma=00000000", "emma"])
def test_what_nobody_was_shown_is_not_decided_to_stay_because_something_else_was_held(
    library: Library, service: SyncService, tables: Tables, words: str
) -> None:
    lose_chapters(library, service)
    hours_pass(tables, 25)
    library.write("emma", chapters(6))
    report = synced(service, keep=frozenset([words]))
    assert messages(report) == ["warning nothing was held of it, so nothing was decided"]


@pytest.mark.parametrize("lose", [lose_chapters, lose_chapters_and_edit, lose_text])
def test_what_is_held_stays_when_its_reason_passes_until_the_file_changes(
    library: Library, service: SyncService, tables: Tables, lose: Callable[[Library, SyncService], dict[str, Any]]
) -> None:
    words = shown(lose(library, service))
    before = readers_see(tables)
    hours_pass(tables, 25)
    for options in ({}, {"reread": True}):
        library.write_raw("emma", library.path("emma").read_bytes())
        assert shown(synced(service, "partial", **options)) == words
    assert readers_see(tables) == before
    accept(service, words)
    assert readers_see(tables) != before


def test_other_rules_may_let_go_what_was_held(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    lose_chapters(library, service)
    generous = make_service(library, database, limits=Limits(chapter_removals=0.9))
    assert synced(generous)["chapters"]["removed"] == 3


def test_whoever_decided_so_may_still_accept_it(service: SyncService, tables: Tables, held: dict[str, Any]) -> None:
    synced(service, keep=frozenset([shown(held)]))
    accept(service, shown(held))
    assert len(tables.titles("emma")) == 3


def test_only_what_was_shown_is_kept(library: Library, service: SyncService, held: dict[str, Any]) -> None:
    library.write("emma", chapters(2))
    report = synced(service, "partial", keep=frozenset([shown(held)]))
    hold, remark = report["problems"]
    assert hold["kind"] == "held"
    assert "so nothing was decided; now 8 of 10 chapters" in remark["message"]


def test_what_accepting_would_do_is_shown_first_and_nothing_is_written(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    texts = [text_of(f"text {n}") for n in range(10)]
    library.write("emma", [chapter(n, content=text) for n, text in enumerate(texts, 1)])
    synced(service)
    worse = [chapter(n, content=text) for n, text in enumerate(texts[:4], 1)]
    worse[1]["content"] = texts[1][:60]
    library.write("emma", [*worse, chapter(11)])
    synced(service, "partial")
    before = everything(tables)
    held_service = HeldService(LocalStorage(str(library.folder)), database, 1_000_000)
    look = held_of(held_service)
    assert look is not None
    assert everything(tables) == before
    assert (look.chapters_before, look.chapters_after, look.created) == (11, 5, 0)
    assert [row.position for row in look.gone] == [5, 6, 7, 8, 9, 10]
    assert look.gone[0].beginning == texts[4][:160]
    (text,) = look.texts
    assert (text.old, text.new) == (texts[1][:400], texts[1][:60])
    assert look.id in look.hint
    accept(service, f"emma={look.id}")
    assert len(tables.titles("emma")) == look.chapters_after
    assert held_of(held_service) is None


def test_what_is_kept_stays_whatever_the_limits_are_and_whatever_the_folder_is_called(
    library: Library, service: SyncService, database: SqlClient, tables: Tables, held: dict[str, Any]
) -> None:
    synced(service, keep=frozenset([shown(held)]))
    generous = make_service(library, database, limits=Limits(chapter_removals=0.9))
    assert synced(generous)["chapters"]["removed"] == 0
    library.write("emma", chapters(3))  # the same bytes, as another file
    assert synced(generous)["chapters"]["removed"] == 0
    (library.folder / "emma").rename(library.folder / "emma-2")
    report = synced(service)
    assert (report["novels"]["renamed"], report["novels"]["held"]) == (1, 0)
    assert len(tables.titles("emma-2")) == 10


@pytest.mark.parametrize("decision", ["accept", "keep"])
def test_texts_in_files_of_their_own_are_part_of_what_was_shown(
    library: Library, service: SyncService, tables: Tables, decision: str
) -> None:
    library.write("emma", chapters(6))
    synced(service)
    other = [{"title": f"Other {n}", "url": f"https://other/{n}", "filename": f"{n}.txt"} for n in range(6)]
    library.write("emma", other, title="Another", author="Else")
    for n in range(6):
        library.path("emma").with_name(f"{n}.txt").write_text(text_of(f"strange {n}"))
    report = synced(service, "partial")
    for n in range(6):
        library.path("emma").with_name(f"{n}.txt").write_text(text_of(f"stranger still {n}"))
    report = synced(service, "partial", **{decision: frozenset([shown(report)])})
    assert report["problems"][0]["kind"] == "held"
    assert list(tables.titles("emma")) == [f"Chapter {n}" for n in range(1, 7)]


def test_the_same_order_is_accepted_of_the_file_that_was_shown(
    library: Library, service: SyncService, tables: Tables
) -> None:
    def moved(name: str) -> None:
        labels = [{"title": f"{name} {n}", "number": None, "url": f"https://new/{name}/{n}"} for n in range(8)]
        library.write("emma", [chapter(n, content=text_of(f"{name} {n}"), **own) for n, own in enumerate(labels)])

    library.write("emma", chapters(8))
    synced(service)
    moved("Aaa")
    words = shown(synced(service, "partial")).replace("=", "=in-order-")
    moved("Zzz")
    report = synced(service, "partial")
    accept(service, "emma=00000000", "partial")
    accept(service, words, "partial")
    assert list(tables.titles("emma"))[:1] == ["Chapter 1"]
    accept(service, shown(report).replace("=", "=in-order-"))
    assert list(tables.titles("emma"))[:1] == ["Zzz 0"]
