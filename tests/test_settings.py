"""Settings: defaults, contradictions, all wrong values in one error."""

from pathlib import Path

import pytest

from novelsync.errors import ConfigurationError
from novelsync.settings import Settings, load_settings

README = Path(__file__).parents[1] / "README.md"


def refused(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert error.value.__suppress_context__, "pydantic's error shows values"
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
