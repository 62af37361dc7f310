"""The stand-in for Supabase's REST endpoint behaves as Supabase's does, and ends without a trace."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.conftest import Tables
from tests.support.postgrest import ABSENT, CUT, Answer, Request, StandIn, postgrest_binary

httpx = pytest.importorskip("httpx", reason="supabase-py, whose HTTP client this is, is not installed")
postgrest = pytest.importorskip("postgrest", reason="supabase-py, whose part this is, is not installed")
supabase = pytest.importorskip("supabase", reason="supabase-py is not installed")
pytestmark = pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)

STATUS = "/rest/v1/rpc/novelsync_status"


@pytest.fixture
def stand_in(database_url: str) -> Iterator[StandIn]:
    with StandIn(database_url) as stand_in:
        yield stand_in


def call(stand_in: StandIn, key: str, function: str = "novelsync_status", **request: Any) -> Any:
    """As our code will do it, with supabase-py."""
    with httpx.Client(http2=False) as http:
        client = supabase.create_client(stand_in.url, key, supabase.ClientOptions(httpx_client=http))
        return client.rpc(function, request).execute().data


def refusal(stand_in: StandIn, key: str) -> Any:
    with pytest.raises(postgrest.APIError) as error:
        call(stand_in, key)
    return error.value


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if child.name().startswith("postgrest")}


def test_a_secret_key_and_the_older_kind_are_the_service_role(stand_in: StandIn) -> None:
    for key in (stand_in.secret_key, stand_in.jwt("service_role")):
        assert call(stand_in, key)["novels"] == 0


def test_a_body_reaches_a_function_as_it_is_and_its_json_comes_back_as_it_is(stand_in: StandIn, tables: Tables) -> None:
    tables.connection.execute(
        "create function echo(json) returns json language plpgsql as"
        " $$ begin return json_build_array($1::text, current_user, current_setting('statement_timeout')); end $$"
    )
    stand_in.reload_schema()
    assert call(stand_in, stand_in.secret_key, "echo") == ["{}", "service_role", "8s"]
    assert call(stand_in, stand_in.publishable_key, "echo", json=1) == ['{"json":1}', "anon", "8s"]
    with httpx.Client(headers={"apikey": stand_in.secret_key}) as http:
        answer = http.post(f"{stand_in.url}/rest/v1/rpc/echo", content=b'{ "b": 1.0, "a": "\xc3\xa9", "b": 2 }')
    assert answer.json()[0] == '{ "b": 1.0, "a": "é", "b": 2 }'


def test_anon_cannot_call_our_functions(stand_in: StandIn) -> None:
    for key in (stand_in.publishable_key, stand_in.jwt("anon"), stand_in.jwt("authenticated")):
        assert refusal(stand_in, key).code == "42501"


def test_a_key_of_nobody_is_refused_by_the_gateway_and_an_expired_one_by_postgrest(stand_in: StandIn) -> None:
    assert refusal(stand_in, "sb_secret_of_another_project").message == "Invalid API key"
    assert refusal(stand_in, stand_in.jwt("service_role", expires_in=-1)).message == "JWT expired"
    assert refusal(stand_in, stand_in.jwt("service_role") + "x").code == "PGRST301"
    assert [request.status for request in stand_in.requests] == [401, 401, 401]


def test_the_gateway_wants_a_key_and_knows_one_route(stand_in: StandIn) -> None:
    answer = httpx.post(stand_in.url + STATUS, json={})
    assert answer.status_code == 401
    assert answer.json()["message"] == "No API key found in request"
    # Only where it repeats the apikey may a key of the newer kind be a bearer's.
    keys = {"apikey": stand_in.publishable_key, "Authorization": f"Bearer {stand_in.secret_key}"}
    assert httpx.post(stand_in.url + STATUS, json={}, headers=keys).json()["code"] == "PGRST301"
    assert httpx.get(f"{stand_in.url}/auth/v1/user", headers=keys).status_code == 404


def test_a_test_may_answer_in_its_place(stand_in: StandIn) -> None:
    stand_in.answer = lambda request: Answer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})
    assert refusal(stand_in, stand_in.secret_key).code == "502"
    stand_in.answer = lambda request: Answer(540, b'{"message": "Project paused"}')
    assert refusal(stand_in, stand_in.secret_key).message == "Project paused"
    stand_in.answer = lambda request: Answer(200, b"{", {"Content-Length": "1000"})
    with pytest.raises(httpx.RemoteProtocolError, match="received 1 bytes, expected 1000"):
        call(stand_in, stand_in.secret_key)


def test_an_answer_may_get_lost_after_the_work_was_done(stand_in: StandIn, tables: Tables) -> None:
    def lost(request: Request) -> Answer:
        assert stand_in.forward(request).status == 200
        return CUT

    stand_in.answer = lost
    run_id = "7b1f3a52-5d0e-4c57-9f0a-0c6a3f6f7d11"
    with pytest.raises(httpx.RemoteProtocolError):
        call(stand_in, stand_in.secret_key, "novelsync_begin", run_id=run_id, trigger="cli", holder="me", seconds=60)
    assert tables.rows("select run_id::text, holder from novelsync.lease") == [(run_id, "me")]
    (request,) = stand_in.requests
    assert (request.method, request.path, request.status) == ("POST", "/rest/v1/rpc/novelsync_begin", 0)
    assert json.loads(request.body)["run_id"] == run_id


def test_it_ends_at_once_whatever_is_under_way(database_url: str) -> None:
    before = children()
    with StandIn(database_url, delay=60) as stand_in, httpx.Client(headers={"apikey": stand_in.secret_key}) as http:
        with pytest.raises(httpx.ReadTimeout):
            http.post(stand_in.url + STATUS, json={}, timeout=0.1)
        stand_in.delay = 0
        assert http.post(stand_in.url + STATUS, json={}).status_code == 200
        assert stand_in.rss() > 1_000_000
        assert len(children() - before) == 1
    assert children() == before


def test_a_start_that_fails_says_why_and_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    monkeypatch.setattr("tests.support.postgrest.PATIENCE", 0.5)
    only_for_superusers = psycopg.conninfo.make_conninfo(database_url, options="-c role=postgres")
    with pytest.raises(TimeoutError, match="permission denied to set role"), StandIn(only_for_superusers):
        pass
    assert children() == before


def test_it_runs_in_a_process_of_its_own(database_url: str) -> None:
    before = children()
    command = [sys.executable, "-m", "tests.support.postgrest", "--conninfo", database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], **pipes) as process:
        info = json.loads(process.stdout.readline())
        assert httpx.post(info["url"] + STATUS, json={}, headers={"apikey": info["secret_key"]}).status_code == 200
        print(file=process.stdin, flush=True)
        counts = json.loads(process.stdout.readline())
        assert (counts["requests"], counts["bytes_in"]) == (1, 2)
        assert len(children() - before) == 1
        process.terminate()
        assert process.wait() == 0
    assert children() == before
