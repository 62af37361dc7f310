"""Supabase's road: the real novels over PostgREST, and everything a gateway may answer instead."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from novelsync.database.client import SqlClient
from novelsync.database.migrations import migrate
from novelsync.database.transports import Transport
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.database.transports.supabase import SupabaseTransport
from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    DatabaseUnavailable,
    NovelSyncError,
    PayloadTooLarge,
    WriteRejected,
)
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService
from tests.conftest import RecordingTransport, Tables, databases, make_service
from tests.running.test_sync import assert_equal_to_files, needs_real_novels, opened_files
from tests.support.hours import synced
from tests.support.library import REAL_NOVELS, Library, chapter, chapters
from tests.support.postgrest import ABSENT, CUT, Answer, Request, StandIn, postgrest_binary

pytestmark = pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)

SAMPLES = Path(__file__).parents[2] / "storage" / "novels"


@pytest.fixture
def supabase(database_url: str) -> Iterator[StandIn]:
    with StandIn(database_url) as stand_in:
        yield stand_in


@pytest.fixture
def transport(supabase: StandIn) -> RecordingTransport:
    return RecordingTransport(SupabaseTransport(supabase.url, supabase.secret_key))


def real_service(database: SqlClient) -> SyncService:
    return SyncService(LocalStorage(str(REAL_NOVELS)), database, SyncConfig(workers=4, max_file_bytes=100_000_000))


@needs_real_novels
def test_the_real_novels_are_stored_byte_for_byte_and_a_second_run_touches_nothing(
    database: SqlClient, supabase: StandIn, tables: Tables
) -> None:
    first = real_service(database).sync_all_novels()
    assert first.success, first.as_dict()
    assert_equal_to_files(tables, REAL_NOVELS)
    assert tables.rows("select count(*) from chapters") == [(713,)]
    before = tables.places()
    supabase.requests.clear()
    with opened_files(REAL_NOVELS) as opened:
        second = real_service(database).sync_all_novels()
    assert second.as_dict()["novels"]["unchanged"] == 20
    assert tables.places() == before
    assert opened == []
    assert len(supabase.requests) <= 3
    assert sum(len(request.body) + request.bytes_out for request in supabase.requests) < 4_000


def test_the_same_library_over_every_road_gives_identical_tables(
    server: str, older_server: str, database: SqlClient, tables: Tables
) -> None:
    query = (
        "select n.id, slug, n.title, author, description, cover_url, status, chapter_count,"
        " c.id, position, number, c.title, content, url, content_hash"
        " from novels n join chapters c on c.novel_id = n.id order by n.id, c.id"
    )
    make_service_over(database).sync_all_novels()
    expected = tables.rows(query)
    assert len(expected) == 19
    for other in (server, older_server):
        with databases(other) as make:
            url = make("template0")
            migrate(url, "it")
            transport = PostgresTransport(url)
            make_service_over(SqlClient(transport)).sync_all_novels()
            transport.close()
            with psycopg.connect(url) as connection:
                assert connection.execute(query).fetchall() == expected


def make_service_over(database: SqlClient) -> SyncService:
    # One worker, so that ids are given out in one order.
    return SyncService(LocalStorage(str(SAMPLES)), database, SyncConfig(workers=1, max_file_bytes=1_000_000))


def test_either_kind_of_key_opens(supabase: StandIn) -> None:
    for key in (supabase.secret_key, supabase.jwt("service_role")):
        transport = SupabaseTransport(supabase.url, key)
        assert SqlClient(transport).status().novels == 0
        transport.close()


# What may go wrong ------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    answer: Answer
    error: type[NovelSyncError]
    words: str
    hint: str = ""
    transient: bool = False


def html(status: int) -> Answer:
    return Answer(status, b"<html><body>Something</body></html>", {"Content-Type": "text/html"})


def error(status: int, code: str, message: str = "it says so") -> Answer:
    return Answer(status, b'{"code": "%b", "message": "%b"}' % (code.encode(), message.encode()))


ANSWERS = {
    "a connection that is cut": Case(CUT, DatabaseUnavailable, "cannot be reached", "network", transient=True),
    "an answer that is cut": Case(
        Answer(200, b"{", {"Content-Length": "9"}), DatabaseUnavailable, "cannot be reached", transient=True
    ),
    "a gateway's page": Case(html(502), DatabaseUnavailable, "Bad Gateway (502)", "try again", transient=True),
    "a gateway's JSON without a code": Case(
        Answer(500, b'{"error": "x"}'), DatabaseUnavailable, "(500)", "try again", transient=True
    ),
    "too many requests": Case(html(429), DatabaseUnavailable, "asks for fewer calls", "later", transient=True),
    "a paused project": Case(html(540), DatabaseUnavailable, "the project is paused", "dashboard"),
    "a gateway's time-out": Case(html(544), DatabaseUnavailable, "(544)", "try again", transient=True),
    "a page where the API should be": Case(
        html(200), ConfigurationError, "does not answer as Supabase", "SUPABASE_URL"
    ),
    "an answer that was garbled on the way": Case(
        Answer(200, b'{"novels": 1, "rem\x00'), DatabaseUnavailable, "not JSON", "try again", transient=True
    ),
    "an answer of which no byte is what it was": Case(
        Answer(200, bytes(255 - byte for byte in b'{"novels": 1}')),
        DatabaseUnavailable,
        "not JSON",
        "try again",
        transient=True,
    ),
    "a page that is not UTF-8": Case(
        Answer(200, "<html>Störung</html>".encode("latin-1"), {"Content-Type": "text/html"}),
        ConfigurationError,
        "does not answer as Supabase",
        "SUPABASE_URL",
    ),
    "a redirect": Case(Answer(301, b"", {"Location": "/x"}), ConfigurationError, "does not answer as", "SUPABASE_URL"),
    "another service": Case(html(404), ConfigurationError, "does not answer as Supabase does", "SUPABASE_URL"),
    "no pool": Case(
        error(504, "PGRST003"), DatabaseUnavailable, "no connection to its Postgres", "try again", transient=True
    ),
    "a Postgres that crashed in the middle": Case(
        Answer(400, b'{"code":"","details":null,"hint":null,"message":""}'),
        DatabaseUnavailable,
        "lost its Postgres",
        "try again",
        transient=True,
    ),
    "a key that is no token": Case(error(401, "PGRST301"), ConfigurationError, "does not accept the key", "SECRET_KEY"),
    "a token from the future": Case(
        Answer(401, b'{"code":"PGRST303","details":null,"hint":null,"message":"JWT issued at future"}'),
        DatabaseUnavailable,
        "the token of its own gateway",
        "try again",
        transient=True,
    ),
    "a deadlock": Case(error(500, "40P01"), WriteRejected, "(40P01)", transient=True),
    "a read-only project": Case(error(405, "25006"), DatabaseUnavailable, "is read-only", "disk full"),
    "a full disk": Case(error(503, "53100"), DatabaseUnavailable, "(53100)", "try again"),
    "a restart": Case(error(503, "57P01"), DatabaseUnavailable, "(57P01)", "try again", transient=True),
    "a statement that took too long": Case(error(500, "57014"), PayloadTooLarge, "(57014)", "a slow trigger"),
    "a body that is too large": Case(html(413), PayloadTooLarge, "too large", "halved"),
    "a constraint": Case(error(409, "23505"), WriteRejected, "(23505)", "constraints"),
    "a function that is not there": Case(error(404, "PGRST202"), DatabaseNotReady, "not been migrated", "notify pgrst"),
}


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_what_comes_instead_of_an_answer_is_one_clear_message(
    supabase: StandIn, transport: RecordingTransport, case: Case
) -> None:
    supabase.answer = lambda request: case.answer
    with pytest.raises(case.error) as caught:
        transport.call("novelsync_status", {})
    assert type(caught.value) is case.error
    assert case.words in caught.value.message
    assert case.hint in caught.value.hint
    assert caught.value.transient is case.transient
    assert supabase.secret_key not in caught.value.message + caught.value.hint
    assert "\n" not in caught.value.message
    supabase.answer = lambda request: None
    assert transport.call("novelsync_status", {})["novels"] == 0, "the next call is a new one"
    transport.close()


def refusal(url: str, key: str) -> NovelSyncError:
    transport = SupabaseTransport(url, key)
    try:
        with pytest.raises(NovelSyncError) as caught:
            transport.call("novelsync_status", {})
    finally:
        transport.close()
    assert key not in caught.value.message + caught.value.hint
    return caught.value


@pytest.mark.parametrize("kind", ["unknown", "publishable", "anon", "authenticated", "expired", "nonsense"])
def test_a_wrong_key_is_a_wrong_setting_and_not_shown(supabase: StandIn, kind: str) -> None:
    key = {
        "unknown": "sb_secret_canary",
        "publishable": supabase.publishable_key,
        "anon": supabase.jwt("anon"),
        "authenticated": supabase.jwt("authenticated"),
        "expired": supabase.jwt("service_role", expires_in=-3600),
        "nonsense": "canary-canary",
    }[kind]
    error = refusal(supabase.url, key)
    assert type(error) is ConfigurationError
    assert "secret key" in error.hint


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("nonsense", ConfigurationError),
        ("ftp://x.supabase.co", ConfigurationError),
        ("http://127.0.0.1:1", DatabaseUnavailable),
        ("https://no-such-project.invalid", DatabaseUnavailable),
    ],
)
def test_a_wrong_url_is_said(url: str, kind: type[NovelSyncError]) -> None:
    error = refusal(url, "canary-canary")
    assert type(error) is kind
    assert "SUPABASE_URL is https://<ref>.supabase.co" in error.hint


def test_a_url_of_something_else_is_said(supabase: StandIn) -> None:
    error = refusal(f"{supabase.url}/elsewhere", supabase.secret_key)
    assert "does not answer as Supabase does" in error.message


def test_a_project_that_was_not_migrated_names_all_the_ways(empty_database_url: str) -> None:
    with StandIn(empty_database_url) as bare:
        error = refusal(bare.url, bare.secret_key)
    assert type(error) is DatabaseNotReady
    for way in ("novelsync migrate", "supabase db push", "notify pgrst, 'reload schema'"):
        assert way in error.hint


def test_a_write_whose_answer_was_lost_is_repeated_without_harm(
    supabase: StandIn, database: SqlClient, library: Library, tables: Tables
) -> None:
    library.write("emma", chapters(3))
    lost: list[Request] = []

    def lose_the_first_write(request: Request) -> Answer | None:
        if "novelsync_write" in request.path and not lost:
            lost.append(request)
            supabase.forward(request)
            return CUT
        return None

    supabase.answer = lose_the_first_write
    assert make_service(library, database).sync_all_novels().outcome == "failed"
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2", "Chapter 3"], "it went through"
    before = tables.places()
    report = make_service(library, database).sync_all_novels()
    assert (report.outcome, len(lost)) == ("ok", 1)
    assert tables.places() == before


def test_a_body_that_is_too_large_is_halved_until_it_passes(
    supabase: StandIn, database: SqlClient, library: Library, tables: Tables
) -> None:
    for n in range(8):
        library.write(f"novel-{n}", [chapter(c, content="x" * 10_000) for c in range(5)])
    supabase.answer = lambda request: html(413) if len(request.body) > 150_000 else None
    report: dict[str, Any] = make_service(library, database).sync_all_novels().as_dict()
    assert (report["outcome"], report["novels"]["created"]) == ("ok", 8)
    assert tables.rows("select count(*) from chapters") == [(40,)]


def test_a_novel_that_is_too_large_for_a_call_comes_in_smaller_parts(
    supabase: StandIn, database: SqlClient, library: Library, tables: Tables
) -> None:
    old = [chapter(n, content=f"{n:010d}" * 10_000) for n in range(1, 61)]
    library.write("small", old[:20])
    library.write("large", old)
    supabase.answer = lambda request: html(413) if len(request.body) > 400_000 else None
    assert synced(make_service(library, database))["novels"]["created"] == 2
    new = [*old, *(chapter(n, content=f"{n:010d}" * 10_000) for n in range(61, 81))]
    edited = [one | {"content": one["content"] + "."} if n % 2 else one for n, one in enumerate(new)]
    library.write("large", edited)
    assert synced(make_service(library, database))["chapters"]["updated"] == 30
    query = "select content from chapters c join novels n on n.id = c.novel_id where slug = %s order by position"
    assert tables.rows(query, "large") == [(one["content"],) for one in edited]
    assert tables.rows(query, "small") == [(one["content"],) for one in old[:20]]


def test_a_text_that_is_too_large_for_any_call_is_named_and_stops_nobody(
    supabase: StandIn, database: SqlClient, library: Library, tables: Tables
) -> None:
    library.write("a", chapters(3))
    library.write("b", [*chapters(3), chapter(4, content="x" * 500_000)])
    library.write("c", chapters(3))
    supabase.answer = lambda request: html(413) if len(request.body) > 400_000 else None
    report = synced(make_service(library, database), "partial")
    assert (report["novels"]["created"], report["novels"]["refused"]) == (2, 1)
    [problem] = report["problems"]
    assert problem["slug"] == "b"
    assert "too large (413)" in problem["message"]
    assert tables.titles("b") == []


def test_no_request_is_much_larger_than_four_megabytes(
    supabase: StandIn, database: SqlClient, library: Library
) -> None:
    library.write("large", [chapter(n, content=f'"{n:07d}"\n' * 10_000) for n in range(120)])
    assert make_service(library, database).sync_all_novels().success
    assert max(len(request.body) for request in supabase.requests) < 8_000_000
    assert sum(len(request.body) for request in supabase.requests) > 12_000_000


def test_roads_are_closed_with_their_connections(supabase: StandIn) -> None:
    transport: Transport = SupabaseTransport(supabase.url, supabase.secret_key)
    transport.call("novelsync_status", {})
    transport.close()
    transport.close()
