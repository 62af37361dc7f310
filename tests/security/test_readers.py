"""
What a reader's key can reach, over the real PostgREST: what is published, and nothing else.

The rest of SECURITY.md is in test_security_secrets.py (no secret is ever shown) and test_security_inputs.py (what
comes from outside, and what answers carry).
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from novelsync.database.migrations import migrate
from tests.conftest import databases
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary

pytestmark = pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)

READERS_TABLES = ("novels", "chapters", "chapter_changes")
"""All that readers may select from. Any other table of NovelSync's is closed to them, whatever it is called."""

PUBLISHED, HIDDEN = "The published text", "The hidden text"

# As every Supabase project has them: what a migration makes is everybody's, unless it says otherwise.
_GRANTED_BY_DEFAULT = """
    do $$ declare v_role text; begin
      foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
        if not exists (select from pg_roles where rolname = v_role) then
          execute format('create role %I nologin', v_role);
        end if;
      end loop;
    end $$;
    grant usage on schema public to anon, authenticated, service_role;
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
    alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;"""

# One novel that readers see, with a chapter that was removed; one that was removed; one that is being brought in.
_CONTENTS = f"""
    insert into novels (slug, title, removed_at) values
      ('here', '{PUBLISHED}', null), ('gone', '{HIDDEN}', now()), ('coming', '{HIDDEN}', 'infinity');
    insert into chapters (novel_id, position, title, content, url, content_hash, removed_at)
      select n.id, c.position, c.title, c.title, '', '', c.removed_at from novels n join (values
        ('here', 1, '{PUBLISHED}', null), ('here', 2, '{HIDDEN}', now()), ('here', 3, '{HIDDEN}', 'infinity'),
        ('gone', 1, '{HIDDEN}', null), ('gone', 2, '{HIDDEN}', now()), ('coming', 1, '{HIDDEN}', null)
      ) c(slug, position, title, removed_at) on c.slug = n.slug;
    insert into novelsync.files (slug, novel_id) select slug, id from novels;
    insert into novelsync.problems (slug, kind, message) values ('here', 'refused', '{HIDDEN}');
    insert into novelsync.runs (run_id, trigger, outcome, finished_at, report)
      values (gen_random_uuid(), 'cli', 'ok', now(), '{{"message": "{HIDDEN}"}}');"""

SEARCHES = (
    "novels?select=*",
    "novels?select=*,chapters(*)",
    "novels?select=title,chapters!inner(content)&chapters.content=like.*hidden*",
    "novels?removed_at=not.is.null",
    "novels?order=removed_at.desc.nullslast",
    "novels?slug=in.(gone,coming)&select=slug,title",
    "chapters?select=*",
    "chapters?select=*,novels(*)",
    "chapters?select=title,novel:novels!inner(title)&novel.removed_at=not.is.null",
    "chapters?content=like.*hidden*",
    "chapters?content=ilike.*HIDDEN*&select=content",
    "chapters?or=(content.like.*hidden*,removed_at.not.is.null)",
    "chapters?not.and=(removed_at.is.null)",
    "chapters?removed_at=eq.infinity",
    "chapters?removed_at=gt.2000-01-01&order=content.desc",
    "chapters?order=content.desc,removed_at.asc&limit=5",
)


class Site:
    """What a site's reader can ask, with whatever key."""

    def __init__(self, stand_in: StandIn, database_url: str) -> None:
        self.stand_in = stand_in
        self.http = httpx.Client(base_url=f"{stand_in.url}/rest/v1")
        self.keys = {"anon": stand_in.publishable_key, "authenticated": stand_in.jwt("authenticated")}
        self._connection = psycopg.connect(database_url, autocommit=True)

    def ask(self, key: str, path: str, method: str = "GET", body: Any = None, **headers: str) -> httpx.Response:
        said = {"apikey": key} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, path, json=body, headers=said)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def close(self) -> None:
        self.http.close()
        self._connection.close()


@contextmanager
def opened(server: str, readers: str) -> Iterator[Site]:
    """A Supabase project with that library, migrated for these readers."""
    with databases(server) as make:
        url = make("template0")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_GRANTED_BY_DEFAULT)
            migrate(url, "the test's", readers)
            connection.execute(_CONTENTS)
        # One connection, so that every role meets the plans that another role's requests have left on it.
        with StandIn(url, pool=1) as stand_in:
            site = Site(stand_in, url)
            try:
                yield site
            finally:
                site.close()


@pytest.fixture(scope="module")
def site(server: str) -> Iterator[Site]:
    """
    Nothing in it changes: every test is about what cannot be done.

    The secret key has asked everything so often that Postgres has planned it for good.
    """
    with opened(server, "anon") as site:
        for path in SEARCHES:
            for _ in range(7):
                assert HIDDEN in site.ask(site.stand_in.secret_key, path).text, path
        for _ in range(7):
            assert site.ask(site.stand_in.secret_key, "rpc/novelsync_status", "POST", {}).status_code == 200
        yield site


@pytest.fixture(params=["anon", "authenticated"])
def key(request: pytest.FixtureRequest, site: Site) -> str:
    return site.keys[request.param]


def places(site: Site) -> Sequence[Any]:
    return [site.rows(f"select id, ctid, xmin from {table} order by id") for table in READERS_TABLES]


def is_denied(answer: httpx.Response) -> bool:
    return answer.status_code in (401, 403) and answer.json()["code"] == "42501"


def token(claims: Mapping[str, Any], *, alg: str = "HS256", secret: str = "") -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": alg, "typ": "JWT"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(secret.encode(), signed, hashlib.sha256) if secret else b""
    return b".".join((signed, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


# What they read ---------------------------------------------------------------------


def test_a_reader_sees_what_is_published(site: Site, key: str) -> None:
    assert [novel["slug"] for novel in site.ask(key, "novels?select=slug").json()] == ["here"]
    assert site.ask(key, "novels?select=title,chapters(content)").json() == [
        {"title": PUBLISHED, "chapters": [{"content": PUBLISHED}]}
    ]


def test_no_search_finds_what_was_removed_or_is_being_brought_in(site: Site, key: str) -> None:
    for path in SEARCHES:
        answer = site.ask(key, path)
        assert answer.status_code == 200, path
        assert HIDDEN not in answer.text, path
        assert HIDDEN not in site.ask(key, path, Accept="text/csv").text, path


def test_counting_tells_nothing_of_what_is_hidden(site: Site, key: str) -> None:
    for path, whole in (("novels", "0-2/3"), ("chapters", "0-5/6")):
        counted = site.ask(site.stand_in.secret_key, path, Prefer="count=exact")
        assert counted.headers["Content-Range"] == whole
        assert site.ask(key, path, Prefer="count=exact").headers["Content-Range"] == "0-0/1"
    hidden = site.ask(key, "chapters?content=like.*hidden*", "HEAD", Prefer="count=exact")
    assert hidden.headers["Content-Range"] == "*/0"


# What they do -----------------------------------------------------------------------


@pytest.mark.parametrize("table", READERS_TABLES)
def test_a_reader_writes_nothing(site: Site, key: str, table: str) -> None:
    before = places(site)
    text = "kind" if table == "chapter_changes" else "title"
    row = {"id": 1, text: "x"}
    attempts = [
        site.ask(key, table, "POST", row),
        site.ask(key, table, "POST", [row], Prefer="resolution=merge-duplicates"),
        site.ask(key, table, "POST", [row], Prefer="resolution=ignore-duplicates,missing=default"),
        site.ask(key, f"{table}?columns={text}", "POST", [row]),
        site.ask(
            key, f"{table}?id=gt.0", "PATCH", {text: "x", "novel_id": 1} if text == "kind" else {"removed_at": None}
        ),
        site.ask(key, f"{table}?id=gt.0", "PATCH", {text: "x"}, Prefer="return=representation"),
        site.ask(key, f"{table}?id=gt.0", "DELETE"),
    ]
    assert [answer.text for answer in attempts if not is_denied(answer)] == []
    assert site.ask(key, f"{table}?id=eq.1", "PUT", row).status_code in (400, 401, 403, 405)
    assert places(site) == before


def test_a_reader_calls_no_function_of_ours_not_even_one_that_is_added_later(site: Site, key: str) -> None:
    functions = site.rows(
        "select proname, proargtypes[0]::regtype::text from pg_proc"
        " where pronamespace = 'public'::regnamespace order by 1"
    )
    assert len(functions) >= 16
    kinds = {"json": "application/json", "bytea": "application/octet-stream"}
    for name, taken in functions:
        assert name.startswith("novelsync_")
        for body in ({}, {"slug": "here"}):
            for path in (f"rpc/{name}", f"rpc/{name}?columns=body"):
                assert is_denied(site.ask(key, path, "POST", body, Content_Type=kinds[taken])), name
        # Functions of one unnamed parameter cannot even be named by a GET.
        assert site.ask(key, f"rpc/{name}").status_code in (401, 403, 404), name


def test_the_bookkeeping_cannot_be_named(site: Site, key: str) -> None:
    names = site.rows(
        "select relname from pg_class where relnamespace = 'novelsync'::regnamespace and relkind in ('r', 'v')"
        " union select proname from pg_proc where pronamespace = 'novelsync'::regnamespace"
    )
    assert len(names) >= 9
    for (name,) in names:
        for path in (name, f"rpc/{name}"):
            profiled = site.ask(key, path, Accept_Profile="novelsync")
            assert (profiled.status_code, profiled.json()["code"]) == (406, "PGRST106")
            assert site.ask(key, path, "POST", {}, Content_Profile="novelsync").status_code == 406
            assert site.ask(key, path).status_code == 404
        assert HIDDEN not in site.ask(key, f"novels?select=*,{name}(*)").text
    # A sequence is shown as a table is, and tells how many rows there have ever been.
    for path in ("novels_id_seq", "chapters_id_seq"):
        assert is_denied(site.ask(key, path))
    for path in ("rpc/setval", "rpc/nextval", "rpc/currval"):
        assert site.ask(key, path, "POST", {}).status_code == 404
    # Nor does what the API says about itself speak of it.
    assert "novelsync." not in site.ask(key, "").text


# Who they are -----------------------------------------------------------------------


def test_a_forged_or_expired_token_opens_nothing(site: Site) -> None:
    claims = {"role": "service_role", "exp": int(time.time()) + 3600}
    signed = site.stand_in.jwt("authenticated")
    head, _, signature = signed.split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    forged = {
        "alg none": token(claims, alg="none"),
        "alg None": token(claims, alg="None"),
        "no signature": token(claims),
        "another secret": token(claims, secret="x" * 64),
        "an empty secret": token(claims, secret="\0"),
        "another's signature": f"{head}.{payload}.{signature}",
        "expired": site.stand_in.jwt("service_role", expires_in=-3600),
    }
    for what, each in forged.items():
        for answer in (site.ask(each, "novels"), site.ask(each, "rpc/novelsync_status", "POST", {})):
            assert answer.status_code == 401, what
            assert answer.json()["code"].startswith("PGRST3"), what
        # Nor beside a key that is good.
        beside = site.ask(site.keys["anon"], "novels", Authorization=f"Bearer {each}")
        assert beside.status_code == 401, what


def test_a_token_of_another_role_is_not_the_service_role(site: Site) -> None:
    for role in ("postgres", "authenticator", "novelsync", "service_role; set role postgres", ""):
        answer = site.ask(site.stand_in.jwt(role), "novels")
        assert HIDDEN not in answer.text
        assert site.ask(site.stand_in.jwt(role), "rpc/novelsync_status", "POST", {}).status_code >= 400


@pytest.mark.parametrize(("readers", "seeing"), [("authenticated", ["authenticated"]), ("none", [])])
def test_only_those_read_who_were_named_to_the_migration(server: str, readers: str, seeing: list[str]) -> None:
    with opened(server, readers) as site:
        for who, key in site.keys.items():
            for path in ("novels?select=title", "chapters?select=title"):
                answer = site.ask(key, path)
                if who in seeing:
                    assert answer.json() == [{"title": PUBLISHED}]
                else:
                    assert is_denied(answer), (who, path)


# What the catalog says, of whatever is there ----------------------------------------


def test_every_table_of_ours_has_row_level_security_and_readers_may_select_from_theirs_alone(site: Site) -> None:
    relations = site.rows(
        "select relname, relrowsecurity from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') order by 1"
    )
    assert [name for name, secured in relations if not secured] == []
    assert {name for name, _ in relations} >= set(READERS_TABLES)
    granted = site.rows(
        "select distinct c.relname, a.privilege_type from pg_class c, aclexplode(c.relacl) a"
        " where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relnamespace in ('public'::regnamespace,"
        " 'novelsync'::regnamespace) and a.grantee in (0, 'anon'::regrole, 'authenticated'::regrole)"
    )
    assert set(granted) == {(table, "SELECT") for table in READERS_TABLES}
    columns = "select attname from pg_class c join pg_attribute a on a.attrelid = c.oid where a.attacl is not null"
    assert site.rows(f"{columns} and c.relnamespace in ('public'::regnamespace, 'novelsync'::regnamespace)") == []


def test_every_policy_for_readers_is_for_select_and_on_their_tables(site: Site) -> None:
    policies = site.rows(
        "select tablename, cmd from pg_policies where roles && array['public', 'anon', 'authenticated']::name[]"
    )
    assert set(policies) == {(table, "SELECT") for table in READERS_TABLES}


def test_nobody_but_the_service_role_may_execute_a_function_of_ours_whatever_was_granted_by_default(
    site: Site,
) -> None:
    functions = site.rows(
        "select p.oid::regprocedure::text, p.prosecdef, has_function_privilege('anon', p.oid, 'execute'),"
        " has_function_privilege('authenticated', p.oid, 'execute'),"
        " has_function_privilege('service_role', p.oid, 'execute') from pg_proc p"
        " where p.pronamespace in ('public'::regnamespace, 'novelsync'::regnamespace)"
    )
    assert len(functions) >= 19
    # Nor does one run with its owner's rights.
    assert [name for name, *rights in functions if rights != [False, False, False, True]] == []


def test_readers_may_not_even_enter_the_schema_of_the_bookkeeping(site: Site) -> None:
    asked = "select has_schema_privilege(role, 'novelsync', right_) from unnest(array['anon', 'authenticated']) role,"
    assert set(site.rows(f"{asked} unnest(array['usage', 'create']) right_")) == {(False,)}
    assert (
        site.rows(
            "select c.relname from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'novelsync'::regnamespace"
            " and a.grantee in (0, 'anon'::regrole, 'authenticated'::regrole)"
        )
        == []
    )
