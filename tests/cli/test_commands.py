"""The commands as a person meets them: what is printed, exit codes, and never a traceback."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import Run, Tables
from tests.running.test_sync import assert_equal_to_files, needs_real_novels
from tests.support.library import REAL_NOVELS, Library, chapter, chapters
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "storage" / "novels"


def test_without_its_packages_it_says_how_to_get_them() -> None:
    command = [sys.executable, "-S", "-m", "novelsync", "status"]  # -S: without what is installed
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not installed" in done.stderr
    assert "make sync" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sample_library_goes_into_the_embedded_database_with_no_setting_at_all(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "novels").symlink_to(SAMPLES)
    first, second, status = run("sync"), run("sync", "--json"), run("status")
    assert (first.code, second.code, status.code) == (0, 0, 0)
    assert "storage/novels → embedded Postgres in .novelsync/postgres" in first.err
    assert "everything in storage is in the tables: 4 novels" in first.out
    assert json.loads(second.out)["novels"]["unchanged"] == 4
    assert status.out.startswith("ok\n")
    assert "4 novels, 19 chapters" in status.out
    if (data := tmp_path / ".novelsync" / "postgres" / "data").is_symlink():
        shutil.rmtree(data.resolve().parent)  # as root, in a place of its own


@needs_real_novels
def test_the_real_novels_are_the_same_over_a_database_url(run: Run, database_url: str, tables: Tables) -> None:
    result = run("sync", "--json", NOVELSYNC_STORAGE=str(REAL_NOVELS), DATABASE_URL=database_url)
    assert (result.code, json.loads(result.out)["chapters"]["created"]) == (0, 713)
    assert_equal_to_files(tables, REAL_NOVELS)


def test_json_is_one_document_with_the_published_keys(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(2))
    result = run("sync", "--json")
    report = json.loads(result.out)
    assert list(report) == [
        *("run_id", "trigger", "database", "dry_run", "outcome", "success", "novels_processed", "novels_success"),
        *("novels_error", "chapters_processed", "novels", "chapters", "problems", "problems_total", "bytes_read"),
        *("duration", "start_time", "end_time", "interrupted", "missing"),
    ]
    assert (report["trigger"], report["outcome"], report["chapters_processed"]) == ("cli", "ok", 2)


def test_what_is_refused_is_explained_and_exits_with_1(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(2))
    settled.write_raw("cut", b'{"title": "Cut')
    result = run("sync")
    assert result.code == 1
    assert "refused cut: the file is cut off" in result.out
    assert "done, but something waits for a person or for the next run: 2 novels" in result.out
    status = run("status")
    assert status.code == 1
    assert status.out.startswith("attention\n    novels refused: 1\n")


def test_text_from_files_is_shown_as_it_is_and_never_as_markup(run: Run, settled: Library) -> None:
    settled.write("[bold]", title="")
    assert "refused [bold]: " in run("sync").out


def test_nothing_in_a_folders_name_reaches_the_terminal_as_a_command(run: Run, settled: Library) -> None:
    settled.write("e\x1b[31mvil", chapters(9))
    settled.write_raw("w\x1b[31morse", b"{")
    outputs = [run("sync"), run("sync", "--dry-run"), run("status"), run("verify"), run("validate")]
    outputs.append(run("sync", "--slug", "\x1b[31m"))
    settled.write("e\x1b[31mvil", chapters(2))
    outputs += [run("sync"), run("sync", "--dry-run")]
    assert not any("\x1b" in result.out + result.err for result in outputs)


def test_one_slug_is_synced_alone(run: Run, settled: Library, tables: Tables) -> None:
    settled.write("emma", chapters(2))
    settled.write("other", chapters(2))
    assert run("sync", "--slug", "emma").code == 0
    assert tables.rows("select slug from novels") == [("emma",)]
    nobody = run("sync", "--slug", "nobody")
    assert (nobody.code, "there is no 'nobody' in" in nobody.err) == (2, True)


def test_status_before_the_first_run_says_so(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(2))
    result = run("status", "--json")
    status = json.loads(result.out)
    assert result.code == 1
    assert (status["verdict"], status["last_run"]) == ("never_run", None)
    assert status["pending"] == {"new": 1, "changed": 0, "missing": 0}
    assert status["metrics"]["sync_success_rate"] is None


def test_status_tells_what_is_pending_and_how_runs_went(run: Run, settled: Library) -> None:
    for slug in ("a", "b"):
        settled.write(slug, chapters(3))
    run("sync")
    settled.write("a", chapters(4))
    settled.remove("b")
    settled.write("c", chapters(1))
    status = json.loads(run("status", "--json").out)
    assert status["pending"] == {"new": 1, "changed": 1, "missing": 1}
    assert (status["novels_in_storage"], status["novels_in_database"], status["chapters_in_database"]) == (2, 2, 6)
    assert (status["metrics"]["runs"], status["metrics"]["sync_success_rate"]) == (1, 1)
    assert status["last_run"]["chapters"]["created"] == 6


def test_a_running_sync_is_skipped_with_4(run: Run, settled: Library, tables: Tables) -> None:
    tables.connection.execute(
        "update novelsync.lease set run_id = gen_random_uuid(), acquired_at = now(),"
        " expires_at = now() + interval '1 minute', holder = 'me'"
    )
    result = run("sync")
    assert result.code == 4
    assert re.search(
        r"another run is in progress: me, since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", result.err, re.MULTILINE
    )


def test_the_first_signal_ends_a_run_in_good_order(run: Run, settled: Library, tables: Tables) -> None:
    for n in range(40):
        settled.write(f"novel-{n}", [chapter(c, content=f"{c:08d}" * 12_500) for c in range(40)])
    command = [sys.executable, "-m", "novelsync", "sync", "--json"]
    environment = os.environ | {"NOVELSYNC_WORKERS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: tables.rows("select from novels") or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    report = json.loads(out)
    assert process.returncode == 130, err
    assert (report["outcome"], report["interrupted"]) == ("partial", True)
    assert (left := report["novels"]["deferred"]) > 0
    assert report["novels"]["created"] + report["novels"]["deferred"] == 40
    assert tables.rows("select from novelsync.lease where expires_at > now()") == []
    status = run("status")
    assert status.code == 1
    assert status.out.startswith(f"attention\n    the last run was interrupted; {left} novel")


def test_the_second_signal_ends_a_run_at_once(settled: Library, tables: Tables) -> None:
    settled.write("emma", chapters(1))
    with tables.connection.transaction():
        tables.connection.execute("lock table novels in exclusive mode")  # it would wait for ever
        process = subprocess.Popen(
            [sys.executable, "-m", "novelsync", "sync"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: tables.rows("select from pg_locks where not granted and relation = 'novels'::regclass"))
        process.send_signal(signal.SIGINT)
        assert process.stderr
        while "Ctrl-C again stops at once" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        process.stderr.close()


def test_output_is_utf8_whatever_the_console_is(settled: Library) -> None:
    settled.write_raw("số-đỏ", b"{")
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    for options in ([], ["--json"]):
        command = [sys.executable, "-m", "novelsync", "sync", *options]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        assert (done.returncode, "số-đỏ" in done.stdout.decode()) == (1, True), done.stderr


@contextmanager
def serving(*options: str, host: str = "127.0.0.1") -> Iterator[str]:
    """`serve` in a process of its own, once it has begun; its address."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "novelsync", "serve", "--host", host, "--port", str(port), *options]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline() == f"{url}/ — Ctrl-C ends it\n"
        try:
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def scheduler_status(url: str) -> dict[str, Any] | None:
    """None while nobody answers."""
    try:
        return dict(httpx.get(f"{url}/api/v1/sync/scheduler/status").json()["data"])
    except httpx.TransportError:
        return None


@pytest.mark.usefixtures("settled")
def test_serve_syncs_every_hour_by_itself_and_its_port_is_its_own(run: Run) -> None:
    with serving() as url:
        status = wait_until(lambda: (status := scheduler_status(url)) and status["is_running"] and status)
        second = run("serve", "--port", url.rpartition(":")[2])
    assert status
    assert status["jobs_count"] == 1
    assert second.code == 2
    assert "cannot listen on" in second.err


@pytest.mark.usefixtures("settled")
def test_serve_can_be_told_not_to() -> None:
    with serving("--no-schedule") as url:
        status = wait_until(lambda: scheduler_status(url))
        assert status == {"is_running": False, "next_job": None, "jobs_count": 0}


@pytest.mark.usefixtures("settled")
def test_serve_can_be_reached_over_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(host="::1") as url:
        assert wait_until(lambda: (status := scheduler_status(url)) and status["is_running"])


def test_readers_are_chosen_for_the_embedded_database_too(run: Run, tmp_path: Path) -> None:
    embedded = str(tmp_path / "postgres")
    said = run("migrate", "--readers", "none", NOVELSYNC_EMBEDDED_DIR=embedded).out
    assert "readers of new tables: nobody yet" in said
    if (data := Path(embedded, "data")).is_symlink():
        shutil.rmtree(data.resolve().parent)


def test_a_migration_says_what_it_did(run: Run, empty_database_url: str) -> None:
    first = run("migrate", "--readers", "authenticated", DATABASE_URL=empty_database_url)
    assert "applied novelsync_foundation, novelsync_tables, " in first.out
    assert "users who are logged in (authenticated)" in first.out
    assert "up to date" in run("migrate").out


def test_the_migration_can_be_printed_without_a_database(run: Run, empty_database_url: str) -> None:
    script = run("migrate", "--print", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing").out
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(script)  # type: ignore[arg-type]
    assert "up to date" in run("migrate", DATABASE_URL=empty_database_url).out


def test_validate_says_what_would_be_refused_and_mended(run: Run, library: Library, tmp_path: Path) -> None:
    library.write("good", chapters(2))
    library.write("odd", [chapter(1, number="chapter-12")])
    library.write("bad", [chapter(1, content=5)], title="")
    result = run("validate", str(library.folder))
    assert result.code == 1
    assert "3 files, 1 would be refused" in result.out
    assert "chapter-12" in result.out
    assert run("validate", str(library.path("good"))).code == 0
    assert run("validate", str(library.folder / "bad")).code == 1
    assert run("validate", NOVELSYNC_STORAGE=str(library.folder)).code == 1
    assert run("validate", str(SAMPLES)).code == 0


BAD = {
    "a storage that is a file": ({"NOVELSYNC_STORAGE": __file__}, ["sync"], 2, "is a file, not a folder"),
    "a storage of a kind there is not": ({"NOVELSYNC_STORAGE": "ftp://x"}, ["sync"], 2, "ftp://x"),
    "a setting that is no number": ({"NOVELSYNC_WORKERS": "x"}, ["sync"], 2, "NOVELSYNC_WORKERS is 'x'"),
    "a url without a key": ({"SUPABASE_URL": "https://x"}, ["sync"], 2, "SUPABASE_SECRET_KEY"),
    "a url that is none": ({"SUPABASE_URL": "x", "SUPABASE_SECRET_KEY": "k"}, ["sync"], 2, "SUPABASE_URL: it must"),
    "a storage without a name": ({"NOVELSYNC_STORAGE": "  "}, ["sync"], 2, "NOVELSYNC_STORAGE is '  '"),
    "a migration over the API": (
        {"SUPABASE_URL": "https://x", "SUPABASE_SECRET_KEY": "k", "DATABASE_URL": ""},
        *(["migrate"], 2, "DATABASE_URL is not"),
    ),
    "an address that cannot be read": ({"DATABASE_URL": "nonsense"}, ["sync"], 2, "DATABASE_URL cannot be read"),
    "a database that is not there": ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, ["sync"], 3, "cannot be reached"),
    "status without a database": ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, ["status"], 3, "cannot be reached"),
    "a migration without a database": ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, ["migrate"], 3, "cannot be"),
    "an unknown command": ({}, ["snyc"], 2, "No such command"),
    "an unknown option": ({}, ["sync", "--faster"], 2, "No such option"),
    "a port that cannot be": ({}, ["serve", "--port", "99999"], 2, "99999 is not in the range"),
    "a host that is none": ({}, ["serve", "--host", "::nowhere"], 2, "cannot listen on"),
    "nothing to validate": ({}, ["validate", "/nowhere"], 2, "there is no /nowhere"),
}


@pytest.mark.parametrize(("environment", "arguments", "code", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_in_one_message(
    run: Run, settled: Library, environment: dict[str, str], arguments: list[str], code: int, message: str
) -> None:
    result = run(*arguments, **environment)
    assert result.code == code
    assert message in result.err
    assert result.out == ""


def test_a_database_that_was_not_migrated_exits_with_2(run: Run, settled: Library, empty_database_url: str) -> None:
    for command in ("sync", "status"):
        result = run(command, DATABASE_URL=empty_database_url)
        assert result.code == 2
        assert "has not been migrated" in result.err
        assert "novelsync migrate" in result.err


def test_a_failed_run_prints_its_report_as_json(run: Run, settled: Library) -> None:
    result = run("sync", "--json", DATABASE_URL="postgresql://127.0.0.1:1/x")
    report: dict[str, Any] = json.loads(result.out)
    assert (result.code, report["outcome"], report["success"]) == (3, "failed", False)
    assert "cannot be reached" in report["problems"][0]["message"]


def test_a_dry_run_is_a_diff_that_a_person_can_read(run: Run, settled: Library) -> None:
    book = [chapter(n) for n in range(1, 31)]
    for slug in ("changed", "gone", "kept", "refused", "renamed"):
        settled.write(slug, [chapter(f"{slug} {n}", number=n) for n in range(1, 31)])
    run("sync")
    changed = [chapter(f"changed {n}", number=n) for n in range(1, 31)]
    settled.write(
        "changed", [chapter("new", title="[b]Brand new"), {**changed[0], "title": "\x1b[31mRed"}, *changed[2:]]
    )
    settled.write("kept", [chapter("kept 1", number=1)])
    settled.write("new", book)
    settled.write_raw("refused", b"{")
    settled.path("renamed").parent.rename(settled.folder / "better")
    settled.remove("gone")
    shown = run("sync", "--dry-run")
    assert shown.code == 1
    lines = shown.out.splitlines()
    assert lines[0].startswith("> better: was renamed")
    assert lines[1] == "~ changed"
    assert lines[2:5] == [
        '    + 1 "[b]Brand new"',
        '    ~ 2 " [31mRed": was 1, title: "Chapter changed 1" → " [31mRed"',
        '    - "Chapter changed 2"',
    ]
    assert "! gone: missing from storage; stays for now" in lines
    assert any(line.startswith("! kept: 29 of 30 chapters are no longer in the file") for line in lines)
    assert '    ! "Chapter kept 2" … "Chapter kept 30", 29 chapters' in lines
    assert "+ new, 30 chapters" in lines
    assert any(line.startswith("! refused: the file is cut off") for line in lines)
    assert lines[-1].startswith("a dry run: nothing was written: 5 novels")
    document = json.loads(run("sync", "--dry-run", "--json").out)
    assert [change["mark"] for change in document["changes"]] == [">", "~", "!", "!", "+", "!"]


def test_many_changed_chapters_are_counted_and_not_all_listed(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(30))
    run("sync")
    settled.write("emma", [{**each, "title": "x"} for each in chapters(30)])
    shown = run("sync", "--dry-run").out
    assert "    ~ … and 20 more; --json has them all" in shown.splitlines()
    assert len(json.loads(run("sync", "--dry-run", "--json").out)["changes"][0]["chapters"]) == 30


def test_what_is_held_is_accepted_on_the_command_line(run: Run, settled: Library, tables: Tables) -> None:
    settled.write("emma", chapters(9))
    run("sync")
    settled.write("emma", chapters(2))
    held = run("sync")
    (shown,) = re.findall("`novelsync sync --accept (emma=[0-9a-f]{8})`", held.out)
    assert held.code == 1
    assert run("sync", "--accept", shown).code == 0
    assert len(tables.titles("emma")) == 2
    settled.remove("emma")
    held = run("sync")
    (shown,) = re.findall("`novelsync sync --accept-removals (1=[0-9a-f]{8})`", held.out)
    assert held.code == 1
    assert run("sync", "--accept-removals", shown).code == 0
    assert tables.titles("emma") == []


def test_what_is_not_there_to_be_synced_or_accepted_is_wrong_usage(run: Run, settled: Library, tables: Tables) -> None:
    settled.write("emma", chapters(2))
    for words in (("--slug", "nope"), ("--accept", "nope"), ("--accept", "nope=4f1c2a0b")):
        refused = run("sync", *words)
        assert (refused.code, "there is no 'nope' in" in refused.err, refused.out.count("\n")) == (2, True, 0)
    assert tables.titles("emma") == [], "nothing was done"
    run("sync")
    for accept in ("emma", "emma=4f1c2a0b", "emma=in-order"):
        refused = run("sync", "--accept", accept)
        assert (refused.code, "nothing was held of it, so nothing was accepted" in refused.out) == (2, True)
    for words in (("--accept", "emma"), ("--keep", "emma"), ("--accept-removals", "3"), ("-q", "--keep", "emma")):
        refused = run("sync", *words)
        said = "! done, but nothing was held where something was to be accepted or kept: 1 novel"
        assert (refused.code, refused.out.splitlines()[-1].startswith(said), "✓" in refused.out) == (2, True, False)
    refused = run("sync", "--accept-removals", "3")
    assert (refused.code, "no novel is missing from the storage" in refused.out) == (2, True)
    assert run("sync", "--accept-removals", "three").code == 2
    assert run("sync", "--accept", "emma", "--accept", "emma=in-order").code == 2


def test_removals_are_not_accepted_for_single_novels(run: Run, settled: Library) -> None:
    refused = run("sync", "--slug", "emma", "--accept-removals", "1")
    assert (refused.code, "only a whole run removes" in refused.err) == (2, True)


def test_what_is_being_written_is_not_said_to_be_in(run: Run, settled: Library) -> None:
    settled.write("emma", chapters(2))
    just_now = time.time() + 1.9  # a file is young for two seconds, and the clock of who writes may be ahead
    os.utime(settled.write_raw("cut", b'{"title": "Cut'), (just_now, just_now))
    result = run("sync")
    assert result.code == 0
    assert "✓ everything in storage is in the tables, but 1 novel is being written: 2 novels" in result.out


def test_what_is_no_longer_in_storage_and_still_shown_is_not_passed_over(run: Run, settled: Library) -> None:
    def last_line() -> str:
        result = run("sync")
        assert result.code == 0
        return result.out.splitlines()[-1]

    for n in range(30):
        settled.write(f"novel-{n}", chapters(2))
    assert last_line().startswith("✓ everything in storage is in the tables: 30 novels")
    settled.remove("novel-1")
    said = (
        "✓ everything in storage is in the tables, but 1 novel that is no longer in storage is still shown: 29 novels"
    )
    assert last_line().startswith(said)
    assert last_line().startswith(said), "of a run that reads nothing, too"
    settled.remove("novel-2")
    assert "in the tables, but 2 novels that are no longer in storage are still shown: 28 novels" in last_line()
    just_now = time.time() + 1.9
    os.utime(settled.write_raw("cut", b'{"title": "Cut'), (just_now, just_now))
    assert (
        "in the tables, but 1 novel is being written, and 2 novels that are no longer in storage are still shown: 29"
    ) in last_line()
    for n in range(3, 20):
        settled.remove(f"novel-{n}")
    held = run("sync")
    assert (held.code, held.out.splitlines()[-1].startswith("! done, but something waits for a person")) == (1, True)
