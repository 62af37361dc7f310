"""What nobody would notice is found within a week: rows edited by hand, files edited with the same size and time."""

import json
import os
import shlex
from itertools import pairwise
from typing import Any

import pytest

from novelsync.database.client import SqlClient
from novelsync.errors import StorageUnavailable
from novelsync.models.desk.takedowns import TakedownKind
from novelsync.models.run import SyncOptions
from novelsync.models.source import SourceFile
from novelsync.models.status import Status, Verdict
from novelsync.running.comparing.rounds import Pace
from novelsync.status_service import StatusService
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from novelsync.takedown_service import TakedownService
from tests.conftest import RecordingTransport, Run, Tables, make_service
from tests.running.test_sync import opened_files
from tests.support.hours import accepting, fill, hours_pass, messages, synced
from tests.support.library import Library, chapter, chapters, text_of

WEEK = 7 * 24


def hourly(service: SyncService, tables: Tables, hours: int) -> list[dict[str, Any]]:
    """So many hours, a run at the end of each."""
    reports = []
    for _ in range(hours):
        hours_pass(tables, 1)
        reports.append(synced(service))
    return reports


def edit(tables: Tables, slug: str, change: str = "content = content || ' '", position: int = 1) -> None:
    """As somebody at the site would, by hand."""
    tables.connection.execute(
        f"update chapters set {change} where position = {position}"  # type: ignore[arg-type]
        f" and novel_id = (select id from novels where slug = '{slug}')"
    )


def status(library: Library, database: SqlClient, **options: Any) -> Status:
    return StatusService(LocalStorage(str(library.folder)), database, stale_after=7800, **options).status()


def far(tables: Tables) -> tuple[Any, ...]:
    """The last novel that the round has come to, and how many those are."""
    (row,) = tables.rows("select after, compared from novelsync.comparing")
    return row


def test_a_row_edited_by_hand_is_found_within_a_week_told_once_and_repaired_by_the_hinted_command(
    settled: Library, service: SyncService, database: SqlClient, tables: Tables, run: Run
) -> None:
    fill(settled, 30)
    synced(service)
    edit(tables, "novel-017")
    (id_,) = (id_ for title, id_ in tables.ids("novel-017").items() if title.endswith(" 0"))
    reports = hourly(service, tables, WEEK)
    found = [hour for hour, report in enumerate(reports) if messages(report)]
    assert found == list(range(found[0], WEEK)), "from then on it stands in every report"
    (problem,) = reports[-1]["problems"]
    assert (problem["kind"], problem["slug"]) == ("differs", "novel-017")
    assert problem["message"] == f'rows are not what the file has: "Chapter novel-017 0" (number 0, id {id_}): content'
    assert reports[-1]["novels"]["differing"] == 1
    assert reports[-1]["outcome"] == "ok"
    said = status(settled, database)
    assert (said.verdict, said.reasons) == (Verdict.ATTENTION, ["novels that differ from their files: 1"])
    assert [each.slug for each in database.problems("differs", None, 10).problems] == ["novel-017"]

    command = shlex.split(problem["hint"].split("`")[1])
    assert run(*command[1:]).code == 0
    assert run("verify").code == 0
    assert messages(synced(service)) == []
    assert status(settled, database).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("update chapters set content_hash = '' where position = 2", '"Chapter 2" (number 2, id {}): content'),
        ("update chapters set url = 'x', volume = 'I' where position = 2",
         '"Chapter 2" (number 2, id {}): volume, url'),
        ("update chapters set number = null where position = 2", '"Chapter 2" (number 2, id {}): number'),
        ("update chapters set removed_at = now() where position = 2", '"Chapter 2" (number 2, id {}): removed_at'),
        ("update chapters set position = 7 where position = 2", '"Chapter 2" (number 2, id {}): position'),
        ("delete from chapters where position = 2", '"Chapter 2" (number 2): no row'),
        ("insert into chapters (id, novel_id, position, title) select 99, id, 9, 'More' from novels",
         '"More" (id 99): not in the file'),
        ("update chapters set title = 'x'",
         '"Chapter 1" (number 1, id {0}): title; "Chapter 2" (number 2, id {}): title;'
         ' "Chapter 3" (number 3, id {2}): title; and 2 more'),
        ("update novels set author = 'x', title = 'x'", "the novel: title, author"),
        ("update novels set chapter_count = 99", "the novel: chapter_count or slug"),
        ("update novels set slug = 'zzz'", "the novel: chapter_count or slug"),
        ("update novels set removed_at = now()", "the novel: slug or removed_at"),
    ],
)  # fmt: skip
def test_what_differs_is_named_by_its_rows_and_columns_and_mended_by_rereading(
    library: Library, service: SyncService, tables: Tables, damage: str, said: str
) -> None:
    library.write("emma", chapters(5))
    synced(service)
    ids = list(tables.ids("emma").values())
    tables.connection.execute(damage)  # type: ignore[arg-type]
    hours_pass(tables, WEEK)
    before = tables.places()
    named = said.replace("{}", str(ids[1])).replace("{0}", str(ids[0])).replace("{2}", str(ids[2]))
    assert messages(synced(service)) == [f"differs rows are not what the file has: {named}"]
    assert tables.places() == before
    assert service.sync_novel_to_db("emma", SyncOptions(reread=True))
    assert messages(synced(service)) == []
    assert service.dry_run(options=SyncOptions(reread=True)).changes == []


def test_every_novel_is_compared_once_a_round_and_evenly(
    library: Library, service: SyncService, database: SqlClient, tables: Tables
) -> None:
    fill(library, 30)
    synced(service)
    came_to = []
    for _ in range(WEEK):
        hours_pass(tables, 1)
        synced(service)
        came_to.append(far(tables)[1])
    assert came_to[83] == 15, "half of them in half a week"
    assert max(after - before for before, after in pairwise(came_to)) == 1
    assert far(tables) == ("", 0), "the next round begins"
    said = status(library, database).comparing
    assert said is not None
    assert said.whole_since is not None
    assert said.whole_since < said.round_began


def test_a_file_edited_in_place_with_the_same_size_and_time_is_found(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(2))
    synced(service)
    file = library.folder / "emma" / "book_info.json"
    before, times = file.read_bytes(), file.stat()
    with file.open("r+b") as opened:
        opened.write(before.replace(b'"Chapter 1"', b'"Chapter I"'))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert messages(synced(service)) == [], "nothing tells it from the file that it was"
    hours_pass(tables, WEEK)
    (id_, _) = tables.ids("emma").values()
    assert messages(synced(service)) == [
        f'differs rows are not what the file has: "Chapter I" (number 1, id {id_}): title'
    ]
    assert service.sync_novel_to_db("emma", SyncOptions(reread=True))
    assert tables.titles("emma") == ["Chapter I", "Chapter 2"]
    assert messages(synced(service)) == []


def test_a_file_damaged_in_place_is_found(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", chapters(3))
    synced(service)
    file = library.folder / "emma" / "book_info.json"
    size, times = len(file.read_bytes()), file.stat()
    with file.open("r+b") as opened:
        opened.write(b"\0" * size)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    hours_pass(tables, WEEK)
    for _ in range(2):
        (said,) = messages(synced(service))
        assert said.startswith(
            "differs the file is not what was read, though its size and time are, and would be refused:"
        )


def test_of_a_row_that_the_file_may_not_replace_it_is_said_what_the_command_does(
    settled: Library, service: SyncService, database: SqlClient, tables: Tables, run: Run
) -> None:
    settled.write("emma", chapters(3))
    synced(service)
    edit(tables, "emma", "content = repeat(content || ' more', 30)")
    hours_pass(tables, WEEK)
    (problem,) = synced(service)["problems"]
    assert problem["message"].startswith("rows are not what the file has, and making them so would be held: ")
    command = shlex.split(problem["hint"].split("`")[1])
    assert run(*command[1:]).code == 1, "it is held"
    (held,) = database.open_problems().problems
    assert shlex.split(held.hint.split("`")[1])[:3] == ["novelsync", "sync", "--accept"]
    done = run("sync", "--reread", "--accept", accepting(held.hint))
    assert done.code == 0, (done.out, done.err)
    assert run("verify").code == 0


def test_a_novel_that_is_renamed_while_its_difference_is_looked_at_breaks_no_run(
    settled: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    settled.write("emma", chapters(3))
    synced(service)
    edit(tables, "emma", "content = repeat(content || ' more', 30)")
    hours_pass(tables, WEEK)
    looks = []

    def rename(function: str) -> None:
        looks.extend([function] if function == "novelsync_known_novels" else [])
        if len(looks) == 3:  # what is known before, what is planned on, and what is told
            transport.before = lambda function: None
            tables.connection.execute("update novelsync.files set slug = 'anna' where slug = 'emma'")

    transport.before = rename
    assert messages(synced(service)) == []
    assert len(looks) == 3


def test_a_hold_that_has_lost_its_reason_is_nobodys_edit(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(20))
    synced(service)
    library.write("emma", chapters(16))
    synced(service)
    library.write("emma", chapters(13))
    assert [p["kind"] for p in synced(service, "partial")["problems"]] == ["held"]
    hours_pass(tables, WEEK)
    assert [p["kind"] for p in synced(service, "partial")["problems"]] == ["held"]


def test_a_round_in_which_the_storage_failed_is_no_whole_one_and_passes_over_one_novel_a_run(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    fill(library, 3)
    synced(make_service(library, database))

    class Failing(LocalStorage):
        reads = 0

        def read(self, novel: SourceFile) -> bytes | None:
            self.reads += 1
            raise StorageUnavailable(f"{novel.slug} could not be read: a cable", "try again")

    storage = Failing(str(library.folder))
    config = SyncConfig(workers=1, max_file_bytes=10**6, comparing=Pace(seconds=0))
    service = SyncService(storage, database, config)
    hours_pass(tables, WEEK)
    for run_ in range(1, 4):
        assert synced(service)["outcome"] == "ok"
        assert storage.reads == run_
    assert tables.rows("select round, whole_since from novelsync.comparing") == [(2, None)]
    hours_pass(tables, WEEK)
    synced(make_service(library, database))
    assert tables.rows("select round, whole_since is null from novelsync.comparing") == [(3, False)]


def test_an_hour_with_nothing_due_reads_no_file_and_makes_two_requests(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    fill(library, 2)
    synced(service)
    hours_pass(tables, 83)
    transport.calls.clear()
    with opened_files(library.folder) as opened:
        synced(service)
    assert opened == []
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"]


def test_an_hour_with_a_novel_due_reads_that_alone_and_touches_no_row_of_the_readers(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    fill(library, 2)
    synced(service)
    hours_pass(tables, 84)
    before = tables.places()
    transport.calls.clear()
    with opened_files(library.folder) as opened:
        report = synced(service)
    assert [os.path.relpath(path, library.folder) for path in opened] == ["novel-000/book_info.json"]
    assert tables.places() == before
    assert report["novels"]["unchanged"] == 2
    called = [function for function, _ in transport.calls]
    assert (called[0], called[-2:]) == ("novelsync_begin", ["novelsync_compared", "novelsync_finish"])
    assert far(tables) == ("novel-000", 1)


def test_a_slice_ends_with_its_time_and_the_next_run_goes_on_there(
    library: Library, database: SqlClient, tables: Tables
) -> None:
    service = make_service(library, database, comparing=Pace(seconds=0))
    for n in range(3):
        library.write(f"large-{n}", [chapter(f"{k}", content=text_of(f"{n} {k}") * 3_000) for k in range(2)])
    synced(service)
    hours_pass(tables, WEEK)
    come_to = []
    for _ in range(4):
        synced(service)
        come_to.append(far(tables))
    assert come_to == [("large-0", 1), ("large-1", 2), ("", 0), ("", 0)]


def test_a_run_whose_time_is_over_compares_nothing(library: Library, database: SqlClient, tables: Tables) -> None:
    fill(library, 3)
    synced(make_service(library, database))
    hours_pass(tables, WEEK)
    synced(make_service(library, database, time_budget=0.0))
    assert far(tables) == ("", 0)
    assert tables.rows("select whole_since from novelsync.comparing") == [(None,)]


def test_it_can_be_switched_off_and_no_digest_depends_on_it(
    library: Library, database: SqlClient, transport: RecordingTransport, tables: Tables
) -> None:
    fill(library, 3)
    synced(make_service(library, database))
    edit(tables, "novel-001")
    hours_pass(tables, WEEK)
    transport.calls.clear()
    assert messages(synced(make_service(library, database, comparing=Pace(every=0)))) == []
    assert [function for function, _ in transport.calls] == ["novelsync_begin", "novelsync_finish"]
    assert status(library, database, compares=False).comparing is None
    assert len(messages(synced(make_service(library, database)))) == 1


@pytest.mark.parametrize("change", ["content = content || ' '", "title = 'Mine'"])
def test_what_is_written_since_is_compared_again_by_the_next_run(
    library: Library, service: SyncService, tables: Tables, change: str
) -> None:
    library.write("emma", chapters(3))
    synced(service)
    edit(tables, "emma", change)
    hours_pass(tables, WEEK)
    assert len(messages(synced(service))) == 1
    # A chapter is added, and the edited row is none of what the file says is new.
    library.write("emma", chapters(4))
    assert messages(synced(service)) == []
    still = change.startswith("content")
    for _ in range(2):
        assert len(messages(synced(service))) == still, "a title is mended by any write, a text is not"
    assert tables.rows("select count(*) from novelsync.differing") == [(int(still),)]


def test_what_somebody_mends_by_hand_is_gone_with_the_next_round(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(3))
    synced(service)
    edit(tables, "emma", "title = 'Mine'")
    hours_pass(tables, WEEK)
    assert len(messages(synced(service))) == 1
    edit(tables, "emma", "title = 'Chapter 1'")
    hours_pass(tables, WEEK)
    assert messages(synced(service)) == []


def test_what_is_held_refused_missing_or_taken_down_is_no_difference(
    library: Library, prompt: SyncService, database: SqlClient, tables: Tables
) -> None:
    slugs = ("held", "refused", "missing", "others", "taken-down")
    for slug in slugs:
        library.write(slug, [chapter(f"{slug} {n}", number=n) for n in range(9)])
    synced(prompt)
    TakedownService(database).take_down(TakedownKind.NOVEL, "taken-down")
    library.write("held", [chapter(f"held {n}", number=n) for n in range(2)])
    library.write_raw("refused", b"{")
    synced(prompt, "partial")
    library.remove("missing")
    for _ in range(2):
        hours_pass(tables, WEEK)
        assert [p["kind"] for p in synced(prompt, "partial")["problems"]] == ["held", "refused"]


def test_a_novel_that_changes_while_it_is_compared_is_no_difference(
    library: Library, service: SyncService, transport: RecordingTransport, tables: Tables
) -> None:
    for slug in ("changing", "going", "staying"):
        library.write(slug, chapters(3))
    synced(service)
    hours_pass(tables, WEEK)

    def changes(function: str) -> None:
        if function == "novelsync_known_novels":
            transport.before = lambda function: None
            library.write("changing", chapters(4))
            library.remove("going")

    transport.before = changes
    assert messages(synced(service)) == []
    assert tables.titles("changing") == ["Chapter 1", "Chapter 2", "Chapter 3"], "that is the next run's"


def test_a_dry_run_a_single_novel_and_a_whole_rereading_leave_the_round_where_it_is(
    library: Library, service: SyncService, tables: Tables
) -> None:
    fill(library, 3)
    synced(service)
    hours_pass(tables, WEEK / 2)
    service.dry_run()
    service.sync_some_novels(["novel-000"], "cli")
    synced(service, reread=True)
    assert far(tables) == ("", 0)
    synced(service)
    assert far(tables) == ("novel-000", 1)


def test_novels_that_went_while_a_round_went_on_do_not_stop_it(
    library: Library, prompt: SyncService, tables: Tables
) -> None:
    slugs = fill(library, 20)
    synced(prompt)
    hours_pass(tables, WEEK * 0.75)
    synced(prompt)
    assert far(tables) == ("novel-014", 15)
    for slug in slugs[:12]:
        library.remove(slug)
    synced(prompt, "partial")
    prompt.sync_all_novels(options=SyncOptions(accept_removals=12))
    hours_pass(tables, WEEK / 2)
    synced(prompt)
    assert far(tables) == ("", 0)
    assert tables.rows("select whole_since is not null from novelsync.comparing") == [(True,)]


def test_texts_in_files_of_their_own_are_compared_too(library: Library, service: SyncService, tables: Tables) -> None:
    library.write("emma", [{"title": f"{n}", "number": n, "filename": f"{n}.txt"} for n in range(3)])
    for n in range(3):
        (library.folder / "emma" / f"{n}.txt").write_text(text_of(f"emma {n}"), encoding="utf-8")
    synced(service)
    edit(tables, "emma", position=2)
    file = library.folder / "emma" / "2.txt"
    times = file.stat()
    file.write_text(file.read_text(encoding="utf-8").swapcase(), encoding="utf-8")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    hours_pass(tables, WEEK)
    (said,) = messages(synced(service))
    assert said.count(": content") == 2
    # New bytes of a text wait for the next run, and are no difference.
    assert service.sync_novel_to_db("emma", SyncOptions(reread=True))
    synced(service)
    hours_pass(tables, WEEK)
    assert messages(synced(service)) == []


def test_the_status_says_when_every_novel_was_compared(settled: Library, run: Run, tables: Tables) -> None:
    fill(settled, 3)
    run("sync")
    assert "compared  0 of 3 novels with their files since " in run("status").out
    hours_pass(tables, WEEK / 2)
    run("sync")
    assert "compared  1 of 3 novels with their files since " in run("status").out
    hours_pass(tables, WEEK)
    run("sync")
    assert "compared  every novel with its file since " in run("status").out
    assert json.loads(run("status", "--json").out)["comparing"]["novels"] == 0
    assert "compared " not in run("status", NOVELSYNC_CHECK_EVERY="0").out


def test_the_last_line_of_a_sync_is_no_green_one_over_rows_that_differ(
    settled: Library, run: Run, tables: Tables
) -> None:
    fill(settled, 3)
    run("sync")
    edit(tables, "novel-001")
    hours_pass(tables, WEEK)
    result = run("sync")
    assert result.code == 0
    assert "✓" not in result.out
    assert "! done, but rows of 1 novel are not what the files have" in result.out
    assert "of these, 1 differing" in result.out
