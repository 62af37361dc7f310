"""Tables, functions and who may use them; the ledger; databases that are not ours."""

import re
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from novelsync.database.client import SCHEMA, SqlClient
from novelsync.database.functions import BY_NAME
from novelsync.database.migrations import READERS, as_script, migrate, migrations
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.errors import ConfigurationError, DatabaseNotReady, DatabaseUnavailable
from novelsync.models.problems import SHOWN_PROBLEMS
from novelsync.sync_service import SyncService
from tests.conftest import Tables, make_service
from tests.support.library import Library, chapters

NAMES = [migration.name for migration in migrations()]

RELEASED = {
    "20261127100000": "e264f2f4678f67d9",
    "20261127100100": "b449881f49164f34",
    "20261127100200": "1a41675992dc85fd",
    "20261127100300": "64db4754fc3495c1",
    "20261127100400": "ab41db060cb0cf45",
    "20261127100500": "d3568ff07995c66c",
    "20261127100600": "edc073b590f217da",
    "20261127100700": "957426529aa32554",
    "20261127100800": "4b9d29987ff0107e",
    "20261127100900": "3aceb245c098530b",
    "20261127100920": "b0f422345e35b432",
    "20261127100950": "9e693fcd9fd08aef",
    "20261127100960": "11c058f055143e62",
    "20261127100970": "2f4181d7820f84c7",
    "20261127100980": "ff0f16fb3d560a17",
    "20261127101000": "582e77152e474100",
}
"""
First digits of the SHA-256 of each migration that databases have: of the first release, the baseline.

None of them changes any more. What is to change goes into a new file, behind them, and is added here once released.
"""


@contextmanager
def acting_as(role: str, database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"set role {role}")
        yield connection


def select(role: str, database_url: str, query: str) -> list[tuple[Any, ...]]:
    with acting_as(role, database_url) as connection:
        return list(connection.execute(query).fetchall())


def test_a_database_is_migrated_once_and_the_ledger_says_so(empty_database_url: str) -> None:
    assert migrate(empty_database_url, "it") == NAMES
    assert migrate(empty_database_url, "it") == []
    with psycopg.connect(empty_database_url) as connection:
        ledger = connection.execute(
            "select version, name from supabase_migrations.schema_migrations order by 1"
        ).fetchall()
    assert ledger == [(migration.version, migration.name) for migration in migrations()]


def test_the_newest_migration_defines_the_version_that_the_database_tells(database: SqlClient) -> None:
    assert database.server_info().schema == max(migration.version for migration in migrations())


def test_the_printed_script_can_be_pasted_twice_and_mixed_with_the_command(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(as_script())  # type: ignore[arg-type]
    assert migrate(empty_database_url, "it") == []


def test_a_policy_the_site_took_away_does_not_come_back(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('drop policy "readers see published novels" on novels')
        connection.execute(as_script())  # type: ignore[arg-type]
        policies = connection.execute("select policyname from pg_policies where tablename = 'novels'").fetchall()
    assert policies == [("novelsync writes",)]


@pytest.mark.parametrize("table", ["novels", "chapters", "chapter_changes"])
def test_tables_that_are_not_ours_are_left_as_they_are(empty_database_url: str, table: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"create table {table} (id int, mine text)")
    with pytest.raises(DatabaseNotReady, match="not made by NovelSync; nothing was changed") as refused:
        migrate(empty_database_url, "it")
    assert "rename" in refused.value.hint
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select to_regnamespace('novelsync')").fetchall() == [(None,)]


def test_a_database_that_was_not_migrated_names_all_three_ways(empty_database_url: str) -> None:
    transport = PostgresTransport(empty_database_url)
    with pytest.raises(DatabaseNotReady, match="has not been migrated") as error:
        transport.call("novelsync_begin", {})
    transport.close()
    for way in ("novelsync migrate", "supabase db push", "migrate --print", "session pooler"):
        assert way in error.value.hint


def test_sites_may_add_columns_and_triggers(library: Library, service: SyncService, tables: Tables) -> None:
    tables.connection.execute("alter table chapters add column likes int not null default 7")
    tables.connection.execute("alter table novels add column slogan text")
    tables.connection.execute("create table bookmarks (chapter_id bigint references chapters (id))")
    library.write("emma", chapters(2))
    assert service.sync_all_novels().success
    assert tables.rows("select likes from chapters") == [(7,), (7,)]


# Who may ---------------------------------------------------------------------------


@pytest.fixture
def published(library: Library, service: SyncService, tables: Tables) -> None:
    """Two novels of two chapters; a chapter of the one, and the whole other, are taken away again."""
    library.write("here", chapters(2))
    library.write("gone", chapters(2))
    assert service.sync_all_novels().success
    tables.connection.execute("update novels set removed_at = now() where slug = 'gone'")
    tables.connection.execute("update chapters set removed_at = now() where title = 'Chapter 2'")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_readers_see_what_is_published_and_nothing_else(database_url: str, role: str) -> None:
    assert select(role, database_url, "select slug from novels") == [("here",)]
    assert select(role, database_url, "select title from chapters") == [("Chapter 1",)]


FUNCTIONS = (
    "select p.oid::regprocedure::text, p.proname, l.lanname, p.prosecdef, p.proretset, p.prorettype::regtype::text,"
    " p.pronamespace = 'public'::regnamespace as public, p.proconfig, p.oid"
    " from pg_proc p join pg_language l on l.oid = p.prolang"
    " where p.pronamespace in ('public'::regnamespace, 'novelsync'::regnamespace) order by 1"
)

FORBIDDEN = (
    "insert into novels (slug, title) values ('x', 'x')",
    "update novels set title = 'x'",
    "delete from chapters",
    "select * from novelsync.files",
    "select novelsync.version()",
    "insert into chapter_changes (novel_id, kind) values (1, 'added')",
    "update chapter_changes set kind = 'added'",
    "delete from chapter_changes",
)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_readers_may_do_nothing_else(database_url: str, tables: Tables, role: str) -> None:
    calls = [f"select public.{name}('{{}}')" for _, name, *_, public, _, _ in tables.rows(FUNCTIONS) if public]
    with acting_as(role, database_url) as connection:
        for statement in (*FORBIDDEN, *calls):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_every_function_is_for_service_role_alone(tables: Tables) -> None:
    for function, *_, oid in tables.rows(FUNCTIONS):
        rights = tables.rows(
            "select role from unnest(array['public', 'anon', 'authenticated', 'service_role']) role"
            " where has_function_privilege(role, %s::oid, 'execute')",
            oid,
        )
        assert rights == [("service_role",)], function


def test_the_program_calls_every_function_of_the_api_and_no_other(tables: Tables) -> None:
    assert set(BY_NAME) == {name for _, name, *_, public, _, _ in tables.rows(FUNCTIONS) if public}


def test_the_program_and_the_newest_migration_name_one_version() -> None:
    assert max(migration.version for migration in migrations()) == SCHEMA


def test_the_database_answers_as_many_problems_as_a_report_shows(database: SqlClient, tables: Tables) -> None:
    tables.connection.execute(
        "insert into novelsync.files (slug) select 'novel-' || n from generate_series(0, %s) n", [SHOWN_PROBLEMS]
    )
    tables.connection.execute("insert into novelsync.problems select slug, 'refused', 'no title' from novelsync.files")
    answer = database.open_problems()
    assert (len(answer.problems), answer.counts) == (SHOWN_PROBLEMS, {"refused": SHOWN_PROBLEMS + 1})


def test_a_migration_that_was_released_is_never_changed_and_new_ones_come_behind_it() -> None:
    hashes = {migration.version: sha256(migration.sql.encode()).hexdigest()[:16] for migration in migrations()}
    assert dict(list(hashes.items())[: len(RELEASED)]) == RELEASED


@pytest.mark.parametrize("older", ["select '20261127100000'", "select ''"])
def test_functions_of_an_older_novelsync_are_told_with_what_to_do(
    library: Library, service: SyncService, tables: Tables, older: str
) -> None:
    library.write("emma", chapters(2))
    version = f"create or replace function novelsync.version() returns text language sql as $${older}$$"
    tables.connection.execute(version)
    report = service.sync_all_novels()
    assert isinstance(report.error, DatabaseNotReady)
    assert tables.rows("select count(*) from novelsync.runs") == [(0,)], "it was not even begun"
    with pytest.raises(DatabaseNotReady):
        service.sync_novel_to_db("emma")
    assert re.search(f"has the functions of an older NovelSync, .+; this one needs {SCHEMA}", report.error.message)
    assert "novelsync migrate" in report.error.hint
    assert tables.titles("emma") == []


def test_a_member_of_service_role_can_sync(library: Library, database_url: str, tables: Tables) -> None:

    library.write("emma", chapters(2))
    database = SqlClient(
        PostgresTransport(psycopg.conninfo.make_conninfo(database_url, options="-c role=service_role"))
    )
    report = make_service(library, database).sync_all_novels()
    database.close()
    assert report.success, report.as_dict()
    assert tables.titles("emma") == ["Chapter 1", "Chapter 2"]


@pytest.mark.parametrize(
    ("readers", "roles"),
    list(zip(READERS, [{"anon", "authenticated"}, {"authenticated"}, set()], strict=True)),
)
def test_who_reads_new_tables_is_chosen_at_the_migration(
    empty_database_url: str, readers: str, roles: set[str]
) -> None:
    migrate(empty_database_url, "it", readers)
    with psycopg.connect(empty_database_url) as connection:
        granted = connection.execute(
            "select role from unnest(array['anon', 'authenticated']) role"
            " where has_table_privilege(role, 'novels', 'select') and has_table_privilege(role, 'chapters', 'select')"
        ).fetchall()
        policies = connection.execute(
            "select distinct unnest(roles)::text from pg_policies where policyname like 'readers%'"
        ).fetchall()
    assert {role for (role,) in granted} == {role for (role,) in policies} == roles


def test_no_other_choice_of_readers_is_taken_for_one_of_these(empty_database_url: str) -> None:
    with pytest.raises(DatabaseNotReady) as refused:
        migrate(empty_database_url, "it", "everybody")
    assert refused.value.message.endswith(f"must be {', '.join(READERS[:-1])} or {READERS[-1]}")


def test_every_function_has_its_safeguards(tables: Tables) -> None:
    rows = tables.rows(FUNCTIONS)
    assert rows
    for function, name, language, definer, returns_set, returned, public, config, _ in rows:
        assert (language, definer, returns_set) == ("plpgsql", False, False), function
        assert 'search_path=""' in config, function
        if public:
            taken = "bytea" if BY_NAME[name].takes_texts else "json"
            assert function == f"{name}({taken})", "an overload would be called in its place"
            assert (returned, "statement_timeout=55s" in config) == ("json", True), function
            assert "jit=off" in config, function


def test_no_function_raises_what_the_rest_api_would_retry_for_ever() -> None:
    for migration in migrations():
        assert not re.search("40001|serialization_failure", re.sub("--.*", "", migration.sql)), migration.name


def test_nothing_is_updated_or_deleted_without_a_where() -> None:
    """Supabase refuses it, and no Postgres here would."""
    found = 0
    for migration in migrations():
        sql = re.sub("--.*", "", migration.sql)
        for statement in re.findall(r"\b(?:update (?:novelsync|public)\.|delete from )[^;]*", sql):
            found += 1
            assert re.search(r"\bwhere\b", statement), statement
    assert found > 15


# Wrong addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"dbname": "nowhere"}, ConfigurationError, "does not exist"),
        ({"user": "nobody_known"}, ConfigurationError, "does not exist"),
        ({"host": "127.0.0.1", "port": 1}, DatabaseUnavailable, "cannot be reached"),
        ({"host": "no-such-host.invalid"}, DatabaseUnavailable, "cannot be reached"),
    ],
)
def test_a_wrong_address_is_one_clear_message(
    server: str, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    transport = PostgresTransport(psycopg.conninfo.make_conninfo(server, **change, password="canary"))
    with pytest.raises(error, match=message) as caught:
        transport.call("novelsync_status", {})
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value) + getattr(caught.value, "hint", "")


def test_a_wrong_password_is_a_wrong_setting_and_not_shown(database_url: str, tables: Tables) -> None:
    tables.connection.execute("create role locked login password 'right'")
    ((hba_file,),) = tables.rows("show hba_file")
    path = Path(hba_file)
    path.write_text("local all locked scram-sha-256\n" + path.read_text())
    tables.connection.execute("select pg_reload_conf()")
    transport = PostgresTransport(psycopg.conninfo.make_conninfo(database_url, user="locked", password="canary"))
    with pytest.raises(ConfigurationError, match="password authentication failed") as error:
        transport.call("novelsync_status", {})
    assert "canary" not in error.value.message + error.value.hint
    tables.connection.execute("drop role locked")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql//user:canary@host/x",
        "postgresql://user:can/ary@host:5432/x",
        "postgresql://user:can@ary@host:5432/x",
        "postgresql://user:canary/@host/x",
        "host=h port=canary",
    ],
)
def test_an_address_that_cannot_be_read_is_not_shown(address: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL cannot be read") as error:
        PostgresTransport(address)
    assert "ary" not in error.value.message + error.value.hint.replace("password", "")
    assert "canary" not in error.value.message + error.value.hint
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
