"""What every road to the database promises; each case runs over each road."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.models.source import UNSET, Book, BookChapter, SourceFile
from novelsync.models.writing import NovelWrite, WriteOutcome
from novelsync.planning.novel_plan import plan_novel
from novelsync.running.novels.request_ids import request_id
from tests.conftest import RecordingTransport, databases
from tests.support.library import text_of
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary

ONE, TWO, THREE = text_of("one"), text_of("two"), text_of("three")


@pytest.fixture(params=["embedded", "postgres", "supabase"])
def way(request: pytest.FixtureRequest) -> str:
    """Which road: the embedded Postgres 18, a Postgres 16 over TCP, or PostgREST."""
    if request.param == "supabase" and postgrest_binary() is None:
        pytest.skip(ABSENT)
    return str(request.param)


@pytest.fixture
def database_url(way: str, server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    if way == "postgres":
        server = request.getfixturevalue("older_server")
    with databases(server) as make:
        yield make("migrated")


@pytest.fixture
def transport(way: str, database_url: str) -> Iterator[RecordingTransport]:
    if way != "supabase":
        yield RecordingTransport(PostgresTransport(database_url))
        return
    with StandIn(database_url) as stand_in:
        yield RecordingTransport(SupabaseTransport(stand_in.url, stand_in.secret_key))


def begin(database: SqlClient, seconds: int = 60) -> str:
    run_id = str(uuid.uuid4())
    database.begin(run_id, "cli", "a test", seconds)
    return run_id


def plan(
    database: SqlClient, slug: str, chapters: Sequence[BookChapter], version: str = "1", **fields: Any
) -> NovelWrite:
    """The write that makes the tables equal to these chapters, planned on what is there now."""
    said = {"author": UNSET, "description": UNSET, "cover_url": UNSET, "status": UNSET, "warnings": ()} | fields
    book = Book(slug.title(), chapters=chapters, **said)
    known = database.known_novels({slug: "never seen"}).get(slug)
    return plan_novel(SourceFile(slug, version, 1), f"sum of {version}", book, known, request_id=request_id())


def put(database: SqlClient, slug: str, *chapters: BookChapter, version: str = "1", **fields: Any) -> None:
    outcomes = database.write(None, [plan(database, slug, chapters, version, **fields)])
    assert outcomes == [WriteOutcome.WRITTEN]
