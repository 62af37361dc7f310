"""Settings: defaults, contradictions, all wrong values in one error."""

from pathlib import Path

import pytest

from novelsync.errors import ConfigurationError
from novelsync.settings.loading import load_file_settings, load_settings
from novelsync.settings.model import Settings

README = Path(__file__).parents[1] / "README.md"


def refused(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert error.value.__context__ is None, "pydantic's error shows values"
    return error.value.message + error.value.hint


def test_without_any_setting_a_folder_is_synced_into_the_embedded_database() -> None:
    settings = load_settings()
    assert (settings.storage, settings.embedded_dir, settings.workers) == ("storage/novels", ".novelsync/postgres", 4)
    assert (settings.database_url, settings.supabase_url) == (None, None)
    assert (settings.effective_time_budget, settings.effective_log_format) == (None, "text")


def test_an_env_file_is_read_and_the_environment_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("NOVELSYNC_WORKERS=2\nNOVELSYNC_STORAGE=/from/file\nUNKNOWN=1\n")
    monkeypatch.setenv("NOVELSYNC_STORAGE", "/from/environment")
    settings = load_settings()
    assert (settings.workers, settings.storage) == (2, "/from/environment")


def test_an_env_file_that_is_not_utf8_is_said_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=canary\xe9")
    with pytest.raises(ConfigurationError, match=r"\.env cannot be read: byte 19 is not UTF-8") as error:
        load_settings()
    assert "canary" not in error.value.message + error.value.hint


def test_an_empty_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("NOVELSYNC_TIME_BUDGET", "")
    assert load_settings().database_url is None


def test_all_wrong_values_are_named_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(
        monkeypatch,
        NOVELSYNC_WORKERS="many",
        NOVELSYNC_TIME_BUDGET="-3",
        NOVELSYNC_LOG_FORMAT="xml",
        SUPABASE_URL="https://x.supabase.co",
    )
    for words in ("NOVELSYNC_WORKERS is 'many'", "NOVELSYNC_TIME_BUDGET is '-3'", "NOVELSYNC_LOG_FORMAT is 'xml'"):
        assert words in said
    assert "SUPABASE_SECRET_KEY: SUPABASE_URL is set and no key is" in said


@pytest.mark.parametrize("name", ["SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"])
def test_a_key_without_a_url_is_an_error_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    said = refused(monkeypatch, **{name: "canary"})
    assert "a key is set and SUPABASE_URL is not" in said
    assert "canary" not in said


@pytest.mark.parametrize(
    "url", ["canary", "sb_secret_canary", "https://[canary", "http://canary:999999", "ftp://canary"]
)
def test_a_url_that_is_none_is_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    said = refused(monkeypatch, SUPABASE_URL=url, SUPABASE_SECRET_KEY="sb_secret_x")
    assert "SUPABASE_URL: it must be an address" in said
    assert "canary" not in said


def test_a_key_is_stripped_and_must_be_sendable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://x.supabase.co")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", " sb_secret_x\n")
    key = load_settings().supabase_key
    assert key is not None
    assert key.get_secret_value() == "sb_secret_x"
    assert "canary" not in refused(monkeypatch, SUPABASE_SECRET_KEY="canary\né")


@pytest.mark.parametrize(
    "job", ["novelsync-hourly", "projects/p/jobs/j", "projects/p/locations/l/jobs/j/x", "projects/p/locations/l/jobs/"]
)
def test_a_scheduler_job_is_named_in_full(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    assert f"NOVELSYNC_SCHEDULER_JOB is {job!r}: it must be" in refused(monkeypatch, NOVELSYNC_SCHEDULER_JOB=job)
    monkeypatch.setenv("NOVELSYNC_SCHEDULER_JOB", "projects/a:b.c-1/locations/europe-west1/jobs/novel_sync-1")
    assert load_settings().scheduler_job


def test_in_cloud_run_there_is_no_embedded_database(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the embedded database would vanish" in refused(monkeypatch, K_SERVICE="novelsync-sync")


def test_in_cloud_run_a_run_ends_before_the_scheduler_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "novelsync-sync")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    settings = load_settings()
    assert (settings.effective_time_budget, settings.effective_log_format) == (1500, "json")


def test_secrets_do_not_show_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary@h/d")
    monkeypatch.setenv("SUPABASE_URL", "https://x.supabase.co")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "canary")
    assert "canary" not in repr(load_settings())


def test_the_readme_lists_every_setting_with_its_default() -> None:
    section = README.read_text(encoding="utf-8").split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    listed = {row[1].strip().strip("`"): row[2].strip().strip("`") for row in rows}
    expected = {}
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        names = [alias] if isinstance(alias, str) else [str(choice) for choice in getattr(alias, "choices", [])]
        for name in names:
            expected[name] = "" if field.default is None else str(field.default)
    del expected["K_SERVICE"]
    assert listed == expected


@pytest.mark.parametrize(
    ("name", "written", "means"),
    [
        ("NOVELSYNC_TIME_BUDGET", "5m", 300),
        ("NOVELSYNC_TIME_BUDGET", "300", 300),
        ("NOVELSYNC_STALE_AFTER", "2h10m", 7800),
        ("NOVELSYNC_REMOVAL_GRACE", "1.5 hours", 5400),
        ("NOVELSYNC_REMOVAL_GRACE", "0", 0),
        ("NOVELSYNC_MAX_FILE_BYTES", "256MB", 256_000_000),
        ("NOVELSYNC_MAX_FILE_BYTES", "256 MiB", 268_435_456),
        ("NOVELSYNC_DATABASE_LIMIT", "500000000", 500_000_000),
        ("NOVELSYNC_REMOVAL_LIMIT", "10%", 0.1),
        ("NOVELSYNC_CHAPTER_REMOVAL_LIMIT", "0.25", 0.25),
    ],
)
def test_durations_sizes_and_shares_are_read_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, means: float
) -> None:
    monkeypatch.setenv(name, written)
    settings = load_settings()
    assert getattr(settings, name.removeprefix("NOVELSYNC_").lower()) == means


@pytest.mark.parametrize(
    ("name", "written", "words"),
    [
        ("NOVELSYNC_WORKERS", "many", "it must be a whole number above 0"),
        ("NOVELSYNC_WORKERS", "0", "it must be a whole number above 0"),
        ("NOVELSYNC_TIME_BUDGET", "5 minuets", "it must be above 0: seconds, or a time like 90s, 5m, 1h30m or 2d"),
        ("NOVELSYNC_STALE_AFTER", "0", "it must be above 0: seconds"),
        ("NOVELSYNC_REMOVAL_GRACE", "0.5", "it must be seconds, or a time like"),
        ("NOVELSYNC_MAX_FILE_BYTES", "big", "it must be above 0: bytes, or a size like 256MB"),
        ("NOVELSYNC_DATABASE_LIMIT", "-5", "it must be above 0: bytes"),
        ("NOVELSYNC_REMOVAL_LIMIT", "110%", "it must be a share from 0 to 1, or from 0% to 100%"),
        ("NOVELSYNC_REMOVAL_LIMIT", "nan", "it must be a share from 0 to 1"),
        ("NOVELSYNC_LOG_FORMAT", "xml", "it must be json or text"),
        ("NOVELSYNC_STORAGE", "  ", "it is blank"),
    ],
)
def test_what_a_value_has_to_be_is_said_in_our_own_words(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, words: str
) -> None:
    assert f"{name} is {written!r}: " in (said := refused(monkeypatch, **{name: written}))
    assert words in said


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("NOVELSYNC_WORKER", "NOVELSYNC_WORKERS"),
        ("NOVELSYNC_STROAGE", "NOVELSYNC_STORAGE"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("SUPABASE_SECRETKEY", "SUPABASE_SECRET_KEY"),
    ],
)
def test_a_misspelled_setting_is_an_error_with_the_name_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, near: str
) -> None:
    assert f"{name} is no setting, did you mean {near}?" in refused(monkeypatch, **{name: "canary"})
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=canary\n")
    assert f"{name} is no setting, did you mean {near}?" in (said := refused(monkeypatch))
    assert "canary" not in said


def test_names_of_other_programs_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_USER", "TEST_DATABASE_URL", "SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_URL", "K_SERVICES"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    monkeypatch.setenv("DATABASE_URI", "what DATABASE_URL is set beside is somebody else's")
    assert load_settings().database_url


def test_a_line_of_the_env_file_without_an_equals_sign_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("# settings\nNOVELSYNC_WORKERS=2\nNOVELSYNC_STORAGE canary\ncanary\n\n")
    said = refused(monkeypatch, NOVELSYNC_WORKER="3", NOVELSYNC_LOG_FORMAT="xml")
    assert "line 3 of .env has no =" in said
    assert "line 4 of .env has no =" in said
    assert "did you mean NOVELSYNC_WORKERS?" in said
    assert "NOVELSYNC_LOG_FORMAT is 'xml'" in said, "all in one error"
    assert "canary" not in said


def test_where_only_files_are_looked_at_only_their_settings_have_to_be_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVELSYNC_WORKER", "3")
    assert load_file_settings().storage == "storage/novels"
    monkeypatch.setenv("NOVELSYNC_STORAG", "elsewhere")
    with pytest.raises(ConfigurationError, match="did you mean NOVELSYNC_STORAGE"):
        load_file_settings()
