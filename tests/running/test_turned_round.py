"""A file whose chapters stand the other way round: it goes in, and it is said."""

from pathlib import Path

from novelsync.sync_service import SyncService
from tests.conftest import Run, Tables
from tests.support.hours import messages, synced
from tests.support.library import Library, chapter, chapters


def test_a_novel_that_is_turned_round_keeps_its_ids_and_is_warned_about(
    library: Library, service: SyncService, tables: Tables
) -> None:
    library.write("emma", chapters(300))
    synced(service)
    ids = tables.ids("emma")
    library.write("emma", chapters(300)[::-1])
    (message,) = messages(report := synced(service))
    assert message.startswith("warning the order of its chapters is turned round: 300 of 300 stand the other way")
    assert (report["chapters"]["moved"], report["chapters"]["created"]) == (300, 0)
    assert tables.ids("emma") == ids
    assert tables.titles("emma")[0] == "Chapter 300"
    assert messages(synced(service)) == [message], "until its file changes"
    library.write("emma", chapters(301))
    assert "turned round" in messages(synced(service))[0]
    library.write("emma", chapters(302))
    assert messages(synced(service)) == []


def test_a_chapter_that_moves_and_a_volume_that_is_put_first_are_no_reversal(
    library: Library, service: SyncService
) -> None:
    library.write("emma", chapters(30))
    synced(service)
    for order in (chapters(30)[10:] + chapters(30)[:10], [chapter("new"), *chapters(30)], chapters(2)[::-1]):
        library.write("emma", order)
        synced(service) if len(order) > 20 else service.sync_all_novels()
        assert not any("turned round" in message for message in messages(service.sync_all_novels().as_dict()))


def test_a_number_that_a_file_no_longer_has_is_said_as_that(run: Run, settled: Library, tmp_path: Path) -> None:
    settled.write("emma", [chapter(61)])
    run("sync")
    settled.write("emma", [chapter(61, number=None)])
    assert "number: 61 → none given" in run("sync", "--dry-run").out
