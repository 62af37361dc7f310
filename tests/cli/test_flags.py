"""What every command takes: -q, -v, -n, where its settings come from; and how help and colours look."""

import json
from pathlib import Path

import pytest

from novelsync.cli.commands import cli
from tests.conftest import Run, Tables
from tests.support.library import Library, chapters

READING = (["sync", "-n"], ["status"], ["verify"], ["doctor"], ["novels"], ["history"], ["purge", "-n"])


def test_storage_and_database_are_given_on_the_command_line(run: Run, library: Library, database_url: str) -> None:
    library.write("emma", chapters(2))
    place = ("--storage", str(library.folder), "--database", database_url)
    assert run("sync", *place, SUPABASE_URL="https://x.supabase.co", SUPABASE_SECRET_KEY="sb_secret_x").code == 0
    for command in READING:
        result = run(*command, *place)
        assert result.code == 0, (command, result.err)
    # Only for the command that they are given to.
    assert "x.supabase.co" in run("status").err


def test_supabase_is_given_by_its_address(run: Run, settled: Library) -> None:
    refused = run("status", "--database", "https://x.supabase.co")
    assert (refused.code, "SUPABASE_URL is set and no key is" in refused.err) == (2, True)


def test_settings_are_read_from_another_file_in_place_of_env(
    run: Run, library: Library, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("NOVELSYNC_STORAGE=nowhere\n")
    other = tmp_path / "other.env"
    other.write_text(f"NOVELSYNC_STORAGE={library.folder}\nDATABASE_URL={database_url}\n")
    library.write("emma", chapters(1))
    assert run("sync", "--env-file", str(other)).code == 0
    other.write_text("NOVELSYNC_STORAGE\n")
    refused = run("sync", "--env-file", str(other))
    assert (refused.code, f"line 1 of {other} has no =" in refused.err) == (2, True)
    assert run("sync", "--env-file", str(tmp_path / "none")).code == 2


def test_quiet_says_nothing_if_all_is_well_and_what_is_wrong_if_not(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(2))
    for command in ("sync", "verify", "doctor"):
        result = run(command, "-q")
        assert (result.code, result.out, result.err) == (0, "", ""), command
    assert run("status", "-q").out == "ok\n"
    settled.write_raw("torn", b"{")
    wrong = run("sync", "-q")
    assert (wrong.code, "refused torn" in wrong.out, wrong.err) == (1, True, "")


def test_verbose_tells_every_event_on_stderr(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(2))
    told = run("sync", "-v")
    assert "run_started" in told.err
    assert "run_ended" in told.err
    assert "run_" not in told.out


def test_doctor_prints_json(run: Run, settled: Library) -> None:
    result = run("doctor", "--json")
    document = json.loads(result.out)
    storage = next(each for each in document["findings"] if each["part"] == "storage")
    assert (result.code, document["ok"], storage["works"]) == (1, False, True)
    assert "is NOVELSYNC_STORAGE right?" in storage["hint"]


def test_the_general_help_names_every_command_with_an_example(run: Run) -> None:
    shown = run("--help").out
    for title in ("Act:", "Look:", "Files, without a database:", "Set up:"):
        assert title in shown
    for name, command in cli.commands.items():
        assert f"\n  {name} " in shown
        assert f"novelsync {name} " in f"{shown} ".replace("\n", " ")
        assert f"Example:\n  {command.example}" in run(name, "--help").out  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_example_in_the_help_is_a_command_line_that_is_understood(name: str, tmp_path: Path) -> None:
    words = cli.commands[name].example.split(" > ")[0].split()  # type: ignore[attr-defined]
    assert words[:2] == ["novelsync", name]
    cli.commands[name].make_context(name, words[2:])


def test_every_command_takes_what_all_take(run: Run) -> None:
    for name, command in cli.commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"-q", "-v", "--storage", "--env-file"} <= options, name


def test_what_is_shown_by_dry_run_is_not_done(run: Run, settled: Library, tables: Tables) -> None:
    settled.write("emma", chapters(2))
    assert "+ emma, 2 chapters" in run("sync", "-n").out
    assert tables.titles("emma") == []


def test_what_readers_have_stays_by_command(run: Run, settled: Library, tables: Tables) -> None:
    settled.write("emma", chapters(9))
    run("sync")
    settled.write("emma", chapters(2))
    assert run("sync").code == 1
    for words in ("emma=in-order", "emma=in-order-4f1c2a0b"):
        refused = run("sync", "--keep", words)
        assert (refused.code, f"--keep is '{words}'; in-order is a way to accept" in refused.err) == (2, True)
    assert run("sync", "--keep", "emma").code == 0
    assert len(tables.titles("emma")) == 9
    assert run("sync", "--keep", "emma", "--accept", "emma").code == 2
