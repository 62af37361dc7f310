"""The commands of deploy.sh as gcloud itself sees them: its parser, and what it would upload."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deploying import OTHER_KEY, ROOT, Cloud, commands_of
from tests.support.gcloud_parser import GCLOUD, complaints

pytestmark = pytest.mark.skipif(not GCLOUD, reason="gcloud is not installed")


def test_gcloud_understands_every_command(cloud: Cloud, tmp_path: Path) -> None:
    # Each flag has a step of its own: with none of them, and with all, every line is seen.
    more = ("--viewer", "user:ann@example.com", "--alert", "ann@example.com", "--rotate-key")
    other = ("--prefix", "", "--events", "--instances", "3", "--memory", "2Gi", "--schedule", "5 4 * * *")
    other += ("--set", "NOVELSYNC_LOG_FORMAT=json")
    calls = ((), more, ("--events",), ("--fanout",), ("--events", "--fanout"), other, ("--delete",))
    dry_runs = [cloud.deploy(*flags, "--dry-run") for flags in calls]
    dry_runs.append(cloud.deploy("--dry-run", NOVELSYNC_ALERT_URL="https://hooks.example.com/x"))
    lines = sorted({line for dry_run in dry_runs for line in dry_run.out.splitlines()})
    commands = commands_of("\n".join(lines), cloud)
    assert len(commands) == len(lines)
    # Those that a person is told to call; within a curl, the one in $(…).
    for told in re.findall(r"^ +(gcloud .*)|\$\((gcloud .*?)\)", "".join(run.err for run in dry_runs), re.MULTILINE):
        commands.append("".join(told).split()[1:])
    # And those that are called as things turn out.
    cloud.deploy("--alert", "ann@example.com")
    for flags in (("--alert", "bob@example.com"), ("--rotate-key",), ("--delete", "--yes")):
        commands += cloud.deploy(*flags, SUPABASE_SECRET_KEY=OTHER_KEY).commands
    distinct = sorted({tuple(command) for command in commands})
    print(f"{len(distinct)} distinct commands")
    print(f"{len(distinct)} distinct commands")
    assert len(distinct) > 60
    assert complaints([list(command) for command in distinct], tmp_path / "config") == []


def test_a_wrong_command_would_be_noticed(tmp_path: Path) -> None:
    wrong = [
        "storage buckets create gs://my-novels --locaton=europe-west1 --project=my-project",
        "functions deploy x --gen2 --region=r --project=my-project --ingress-settings=some --trigger-http --source=.",
        "scheduler jobs create http x --location=r --uri=https://example.com --project=my-project",
        "secrets versions deactivate 1 --secret=x --project=my-project",
    ]
    said = complaints([command.split() for command in wrong], tmp_path / "config")
    assert len(said) == len(wrong), said


def test_what_is_uploaded_is_what_the_functions_need(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".venv", ".tools", ".git", ".*_cache", ".novelsync"))
    for stray in (".env", "notes.txt", ".venv/lib/x.py", "novels/emma/book_info.json", "novelsync/__pycache__/x.pyc"):
        (clone / stray).parent.mkdir(parents=True, exist_ok=True)
        (clone / stray).write_text("x")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path / "config")}
    listed = subprocess.run(
        [GCLOUD or "", "meta", "list-files-for-upload", str(clone)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = {Path(line) for line in listed.stdout.splitlines()}
    package = {path.relative_to(clone) for path in (clone / "novelsync").rglob("*") if path.is_file()}
    needed = {path for path in package if "__pycache__" not in path.parts}
    assert files == {Path("main.py"), Path("requirements.txt")} | needed
    for file in files:
        (tmp_path / "function" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clone / file, tmp_path / "function" / file)
    subprocess.run([sys.executable, "-c", "import main"], cwd=tmp_path / "function", check=True)
