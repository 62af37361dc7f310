"""What a batch's sync draws at random, and what it keeps in memory."""

import random

import pytest

from novelsync.database import client
from novelsync.database.client import SqlClient
from novelsync.models.run import RunContext, Turn
from novelsync.models.source import SourceFile
from novelsync.planning.guards.limits import DEFAULT_LIMITS
from novelsync.running.novels.novel_syncer import NovelSyncer
from novelsync.running.novels.request_ids import request_id
from novelsync.storage.local import LocalStorage
from tests.support.library import Library, chapter


def test_request_ids_differ_whoever_seeds_the_shared_random_numbers() -> None:
    ids = []
    for _ in range(2):
        random.seed(1)
        ids += [request_id(), request_id()]
    assert len(set(ids)) == 4


def test_a_large_novels_file_is_no_longer_in_memory_when_its_texts_are_with_the_database(
    library: Library, other_database: SqlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_BYTES", 1_000)
    library.write("emma", [chapter(n, content=f"Chapter {n}. " * 150_000) for n in range(1, 4)])
    happened: list[str] = []

    class Data(bytes):
        def __del__(self) -> None:
            happened.append("gone")

    class Storage(LocalStorage):
        def read(self, novel: SourceFile) -> bytes | None:
            return Data(super().read(novel) or b"")

    storage = Storage(str(library.folder))
    syncer = NovelSyncer(storage, other_database, 10**8, DEFAULT_LIMITS)
    turn = Turn(sent=lambda: happened.append("sent"))
    (result,) = syncer.sync_batch(list(storage.listing()), {}, RunContext(), turn)
    assert (result.status, happened) == ("created", ["gone", "sent"])
