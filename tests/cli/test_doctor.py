"""What `doctor` finds: each part by itself, whatever is wrong with the others."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novelsync.cli.doctor import judge_clock, judge_key, judge_schema, judge_size
from novelsync.database.migrations import migrations
from novelsync.models.status import ServerInfo
from tests.conftest import Run, Tables
from tests.support.library import Library, chapters
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEWEST = max(migration.version for migration in migrations())
NOWHERE = "postgresql://u:canary@127.0.0.1:1/x"


def marks(out: str) -> dict[str, str]:
    """Part to mark, in the order in which they are printed."""
    return {line.split()[1]: line[0] for line in out.splitlines() if not line.startswith(" ")}


def test_all_parts_are_well_and_have_a_line_each(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(1))
    result = run("doctor", NOVELSYNC_DATABASE_LIMIT="500000000")
    parts = ["settings", "storage", "database", "schema", "size", "clock", "scheduler"]
    assert (result.code, marks(result.out)) == (0, dict.fromkeys(parts, "✓"))
    assert "NOVELSYNC_STORAGE, DATABASE_URL, NOVELSYNC_DATABASE_LIMIT set" in result.out
    assert f"{settled.folder}: 1 novel\n" in result.out
    assert re.search(r"Postgres at .*: Postgres \d+\.\d+, as postgres", result.out)
    assert f"up to date, {NEWEST}" in result.out
    assert re.search(r"size +[\d.]+ MB, \d+% of NOVELSYNC_DATABASE_LIMIT", result.out)
    assert "`novelsync serve` syncs every hour" in result.out


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_over_supabases_api_it_says_whose_rights_the_key_has(run: Run, library: Library, database_url: str) -> None:
    library.write("emma", chapters(1))
    settings = {"NOVELSYNC_STORAGE": str(library.folder)}
    with StandIn(database_url) as supabase:
        well = run("doctor", SUPABASE_URL=supabase.url, SUPABASE_SECRET_KEY=supabase.secret_key, **settings)
        anon = run("doctor", SUPABASE_SECRET_KEY=supabase.publishable_key)
    assert (well.code, set(marks(well.out).values())) == (0, {"✓"})
    assert "as service_role" in well.out
    assert (anon.code, marks(anon.out)["database"]) == (2, "✗")
    assert "use the secret key" in anon.out


def test_what_is_broken_does_not_keep_the_others_from_being_looked_at(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(
        "doctor",
        NOVELSYNC_STORAGE=str(tmp_path / "file"),
        DATABASE_URL=NOWHERE,
        GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none"),
        NOVELSYNC_SCHEDULER_JOB="projects/p/locations/l/jobs/j",
    )
    assert marks(result.out) == {"settings": "✓", "storage": "✗", "database": "✗", "scheduler": "✗"}
    assert result.code == 2, "the first that is broken: the storage's setting"
    assert "canary" not in result.out + result.err
    for said in ("is a file, not a folder", "cannot be reached", "there are no credentials for projects/p"):
        assert said in result.out


def test_a_database_that_is_away_is_3(run: Run, library: Library) -> None:
    library.write("emma", chapters(1))
    assert run("doctor", NOVELSYNC_STORAGE=str(library.folder), DATABASE_URL=NOWHERE).code == 3


def test_with_wrong_settings_the_storage_is_looked_at_all_the_same(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(1))
    result = run("doctor", NOVELSYNC_WORKERS="many")
    assert (result.code, marks(result.out)) == (2, {"settings": "✗", "storage": "✓"})
    nothing = run("doctor", NOVELSYNC_MAX_FILE_BYTES="-1")
    assert (nothing.code, marks(nothing.out)) == (2, {"settings": "✗"})


def test_an_empty_storage_wants_attention(run: Run, settled: Library) -> None:
    result = run("doctor")
    assert (result.code, marks(result.out)["storage"]) == (1, "!")


def test_a_database_that_was_never_migrated_answers_and_is_told_what_to_do(
    run: Run, library: Library, empty_database_url: str
) -> None:
    library.write("emma", chapters(1))
    result = run("doctor", NOVELSYNC_STORAGE=str(library.folder), DATABASE_URL=empty_database_url)
    assert (result.code, marks(result.out)["database"], marks(result.out)["schema"]) == (2, "✓", "✗")
    assert "novelsync migrate" in result.out


def test_a_database_of_an_older_version_answers_and_is_told_what_to_do(
    run: Run, settled: Library, tables: Tables
) -> None:
    settled.write("emma", chapters(1))
    tables.connection.execute("drop function public.novelsync_server_info(json)")
    result = run("doctor")
    assert (result.code, marks(result.out)["database"], marks(result.out)["schema"]) == (2, "✓", "✗")


def test_a_legacy_key_works_and_is_warned_of_and_a_readers_key_does_not_work() -> None:
    secret, legacy, readers = (judge_key(key) for key in ("sb_secret_canary", "eyJh.canary.x", "sb_publishable_canary"))
    assert (secret.hint, secret.error) == ("", None)
    assert (legacy.error, "anon and service_role together" in legacy.hint) == (None, True)
    assert "publishable" in str(readers.error)
    assert "canary" not in str((secret, legacy, readers))


def server_info(schema: str = NEWEST, size: int = 8_000_000) -> ServerInfo:
    return ServerInfo(schema, "17.4", "service_role", size, NOON)


def test_migrations_that_are_missing_are_named() -> None:
    older = sorted(migration.version for migration in migrations())[-2]
    assert judge_schema(server_info(older)).said == f"1 migration missing: {NEWEST}"
    assert judge_schema(server_info("99991231000000")).hint == "update the program"


def test_a_database_that_is_nearly_full_wants_attention() -> None:
    assert judge_size(server_info(size=450_000_000), 500_000_000).hint == ""
    nearly = judge_size(server_info(size=451_000_000), 500_000_000)
    assert nearly.said == "451 MB, 90% of NOVELSYNC_DATABASE_LIMIT"
    assert "novelsync purge" in nearly.hint


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s off the database's"),
        (59, "54 s off the database's"),
        (400, "this machine's is 395 s behind the database's"),
        (-400, "this machine's is 400 s ahead of the database's"),
    ],
)
def test_clocks_may_differ_by_the_time_of_a_call_and_little_more(seconds: int, said: str) -> None:
    database = NOON + timedelta(seconds=seconds)
    found = judge_clock(database, asked=NOON, answered=NOON + timedelta(seconds=5))
    assert (found.said, bool(found.hint)) == (said, abs(seconds) > 60)
