"""deploy.sh against a stand-in for gcloud that writes down what is called, and its commands against gcloud's parser."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from novelsync.settings import Settings
from tests.support.library import Library, chapters
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary

ROOT = Path(__file__).parents[2]
KEY, OTHER_KEY = "sb_secret_canary-1", "sb_secret_canary-2"
FLAGS = ("--project", "my-project", "--region", "europe-west1", "--bucket", "my-novels")
BASH, GCLOUD = shutil.which("bash") or "", shutil.which("gcloud")
NEWEST = max(path.name for path in (ROOT / "supabase" / "migrations").glob("*.sql")).partition("_")[0]
STAND_IN = f'#!/bin/sh\nexec "{sys.executable}" -I -S "{ROOT}/tests/support/gcloud.py" "$(dirname "$0")/.." "$@"\n'

pytestmark = pytest.mark.skipif(
    not BASH or not shutil.which("curl"), reason="deploy.sh needs bash and curl, and one of them is not there"
)
needs_gcloud = pytest.mark.skipif(not GCLOUD, reason="gcloud is not installed")


class Database:
    """Supabase's REST endpoint, as far as deploy.sh asks it: how the last runs went, to who has the key."""

    def __init__(self) -> None:
        self.keys = {KEY, OTHER_KEY}
        self.status = 200
        self.schema: str | None = NEWEST
        self.outcome = "ok"
        self.problem = {"slug": "kiếm hiệp"}
        self.runs_when = lambda: False
        database = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                status, body = database._answer(self.path, self.headers["apikey"], self.headers["Authorization"])
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def _answer(self, path: str, key: str, bearer: str) -> tuple[int, bytes]:
        if path != "/rest/v1/rpc/novelsync_status" or key not in self.keys or bearer != f"Bearer {key}":
            return 401, b"{}"
        report = {"outcome": self.outcome, "novels_processed": 3, "problems": [self.problem]}
        run = {"outcome": self.outcome, "finished_at": "2026-11-23T10:00:00Z", "report": report}
        server_info: dict[str, Any] = {"last_runs": [run] if self.runs_when() else [], "running": None}
        return self.status, json.dumps(server_info | ({"schema": self.schema} if self.schema else {})).encode()


@contextmanager
def served() -> Iterator[Database]:
    database = Database()
    yield database
    database.server.shutdown()
    database.server.server_close()


@pytest.fixture
def database() -> Iterator[Database]:
    with served() as database:
        yield database


class Cloud:
    """A project in which nothing is yet, and deploy.sh to be called in it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        tools = folder / "bin"
        tools.mkdir(parents=True)
        self._write(tools / "gcloud", STAND_IN)
        self._write(tools / "sleep", "#!/bin/sh\n")
        record = f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{folder}/curls"\nexec "{shutil.which("curl")}" "$@"\n'
        self._write(tools / "curl", record)
        (tools / "python3").symlink_to(sys.executable)
        self.state: dict[str, Any] = {
            "things": [], "versions": [], "faults": [], "deleted_roles": [], "run": None, "job_state": "ENABLED",
            "notifications": [], "made": 0, "storage_agent": "service-42@gs-project-accounts.iam.gserviceaccount.com",
            "version": "528.0.0\t2025.06.20", "account": "ann@example.com", "billing": "True",
        }  # fmt: skip
        self.change()

    def _write(self, path: Path, script: str) -> None:
        path.write_text(script)
        path.chmod(0o755)

    def change(self, **state: Any) -> None:
        """What there is from now on, whoever made it."""
        if (self.folder / "state.json").exists():
            self.state = json.loads((self.folder / "state.json").read_text())
        self.state |= state
        (self.folder / "state.json").write_text(json.dumps(self.state))

    def fail(self, call: str, error: str, times: int = 1000) -> None:
        self.change(faults=[{"call": call, "error": error, "times": times}])

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.folder), "SUPABASE_URL": self.url, "SUPABASE_SECRET_KEY": KEY} | more

    def deploy(self, *flags: str, **environment: str) -> "Deployed":
        """Calls deploy.sh; flags that it always needs are there, unless one of them is given."""
        (self.folder / "calls.jsonl").write_text("")
        command = [BASH, str(ROOT / "deploy.sh"), *(() if flags and flags[0] == "--project" else FLAGS), *flags]
        ended = subprocess.run(
            command, env=self.environment(**environment), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        return Deployed(self, ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def deploy_on_a_terminal(self, answers: Mapping[str, str], *flags: str, **environment: str) -> tuple[int, str]:
        """Likewise, for a person who answers what is asked; gives the exit code and all that the terminal shows."""
        ours, theirs = os.openpty()
        command, shown = [BASH, str(ROOT / "deploy.sh"), *FLAGS, *flags], b""
        settings = self.environment(**environment)
        with subprocess.Popen(command, env=settings, stdin=theirs, stdout=theirs, stderr=theirs) as deploying:
            os.close(theirs)
            with suppress(OSError):  # on Linux that is how the other side's end is told
                while said := os.read(ours, 1024):
                    shown += said
                    for question, answer in answers.items():
                        if question.encode() in said:
                            os.write(ours, f"{answer}\n".encode())
        os.close(ours)
        return deploying.returncode, shown.decode()


class Deployed:
    def __init__(self, cloud: Cloud, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.url = cloud.url
        self.curls = (cloud.folder / "curls").read_text() if (cloud.folder / "curls").exists() else ""
        self.state: dict[str, Any] = json.loads((cloud.folder / "state.json").read_text())
        lines = (cloud.folder / "calls.jsonl").read_text().splitlines()
        self.calls: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.commands: list[list[str]] = [call["argv"] for call in self.calls]

    def called(self, pattern: str) -> list[str]:
        return [line for line in map(" ".join, self.commands) if re.search(pattern, line)]

    def changes(self) -> list[str]:
        """What it did, without what it looked at."""
        looking = r"^\S*( \S+)* (describe|list|list-configs|access)( |$)|^version|^auth list"
        return [line for line in map(" ".join, self.commands) if not re.match(looking, line)]


def cloud_with(database: Database, folder: Path) -> Cloud:
    """Running the schedule there leaves a report in the database."""
    cloud = Cloud(folder, database.url)
    database.runs_when = lambda: '"scheduler", "jobs", "run"' in (folder / "calls.jsonl").read_text()
    return cloud


@pytest.fixture
def cloud(tmp_path: Path, database: Database) -> Cloud:
    return cloud_with(database, tmp_path / "cloud")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> "Deployed":
    """A first deployment, with an alert; for tests that only look at it."""
    with served() as database:
        cloud = cloud_with(database, tmp_path_factory.mktemp("first") / "cloud")
        deployed = cloud.deploy("--alert", "ann@example.com")
    assert deployed.code == 0, deployed.err
    return deployed


@pytest.fixture
def deployed_cloud(cloud: Cloud, first: "Deployed") -> Cloud:
    """What the first deployment left."""
    cloud.change(things=first.state["things"], versions=first.state["versions"])
    return cloud


def flag(command: list[str], name: str) -> str:
    return next(word.partition("=")[2] for word in command if word.startswith(f"--{name}="))


# A first time, and again -----------------------------------------------------------


def test_a_first_deployment_makes_everything_runs_once_and_prints_the_report(first: Deployed) -> None:
    assert {thing for thing in first.state["things"] if not thing.startswith("monitoring ")} == {
        "storage buckets gs://my-novels",
        "secrets novelsync-supabase-key",
        "iam roles novelsync_sync",
        "iam roles novelsync_status",
        "functions novelsync-sync",
        "functions novelsync-status",
        "scheduler jobs novelsync-hourly",
        *(f"iam service-accounts novelsync-{who}" for who in ("sync", "status", "caller", "build")),
    }
    assert json.loads(first.out)["problems"] == [{"slug": "kiếm hiệp"}]
    assert "ok: everything in storage is in the tables" in first.err
    assert "\nDeployed: gs://my-novels/novels → " in first.err
    assert "Nothing was done" not in first.err
    assert "gcloud storage rsync --recursive storage/novels gs://my-novels/novels" in first.err
    assert "gcloud run services proxy novelsync-status --region=europe-west1 --project=my-project" in first.err
    assert "https://novelsync-status-abc.a.run.app/api/v1/sync/novels/status" in first.err


def test_the_functions_are_private_pinned_to_a_key_and_find_their_settings(first: Deployed) -> None:
    sync, status = (command for command in first.commands if command[:2] == ["functions", "deploy"])
    for command, name in ((sync, "sync"), (status, "status")):
        assert command[2] == f"novelsync-{name}"
        assert {"--gen2", "--trigger-http", "--no-allow-unauthenticated"} <= set(command)
        assert (flag(command, "concurrency"), flag(command, "max-instances")) == ("1", "3")
        assert flag(command, "entry-point") == name
        assert flag(command, "runtime") == "python313"
        assert flag(command, "service-account") == f"novelsync-{name}@my-project.iam.gserviceaccount.com"
        assert flag(command, "set-secrets") == "SUPABASE_SECRET_KEY=novelsync-supabase-key:1"
        assert dict(pair.split("=", 1) for pair in flag(command, "set-env-vars").removeprefix("^|^").split("|")) == {
            "NOVELSYNC_STORAGE": "gs://my-novels/novels",
            "SUPABASE_URL": first.url,
            "NOVELSYNC_SCHEDULER_JOB": "projects/my-project/locations/europe-west1/jobs/novelsync-hourly",
            "GOOGLE_CLOUD_PROJECT": "my-project",
        }
    assert (flag(sync, "timeout"), flag(sync, "memory")) == ("1800s", "1Gi")
    assert (flag(status, "timeout"), flag(status, "memory")) == ("180s", "512Mi")


def test_the_schedule_calls_with_a_token_and_waits_as_long_as_it_may(first: Deployed) -> None:
    (job,) = (command for command in first.commands if command[:3] == ["scheduler", "jobs", "create"])
    assert flag(job, "schedule") == "0 * * * *"
    assert flag(job, "uri") == "https://novelsync-sync-abc.a.run.app/api/v1/sync/novels"
    assert flag(job, "oidc-token-audience") == "https://novelsync-sync-abc.a.run.app"
    assert flag(job, "oidc-service-account-email") == "novelsync-caller@my-project.iam.gserviceaccount.com"
    assert (flag(job, "attempt-deadline"), flag(job, "max-retry-attempts")) == ("1800s", "2")


def test_each_account_may_do_its_own_work_and_nothing_else(first: Deployed) -> None:
    granted = {
        (
            " ".join(command[:2]),
            flag(command, "member").partition("@")[0].rpartition("novelsync-")[2],
            flag(command, "role"),
        )
        for command in first.commands
        if "add-iam-policy-binding" in command
    }
    assert granted == {
        ("projects add-iam-policy-binding", "sync", "projects/my-project/roles/novelsync_sync"),
        ("projects add-iam-policy-binding", "status", "projects/my-project/roles/novelsync_status"),
        ("projects add-iam-policy-binding", "build", "roles/cloudbuild.builds.builder"),
        ("storage buckets", "sync", "roles/storage.objectViewer"),
        ("storage buckets", "status", "roles/storage.objectViewer"),
        ("secrets add-iam-policy-binding", "sync", "roles/secretmanager.secretAccessor"),
        ("secrets add-iam-policy-binding", "status", "roles/secretmanager.secretAccessor"),
        ("run services", "caller", "roles/run.invoker"),
        ("run services", "serviceAccount:service-42", "roles/run.invoker"),
    }
    roles = {
        command[3]: flag(command, "permissions")
        for command in first.commands
        if command[:3] == ["iam", "roles", "create"]
    }
    assert roles == {
        "novelsync_sync": ",".join(f"cloudscheduler.jobs.{act}" for act in ("get", "run", "pause", "enable")),
        "novelsync_status": "cloudscheduler.jobs.get",
    }


def test_a_repeated_deployment_makes_nothing_twice(deployed_cloud: Cloud) -> None:
    again = deployed_cloud.deploy("--alert", "ann@example.com")
    assert again.code == 0, again.err
    assert again.called(" create| add ") == []
    assert len(again.called("^functions deploy")) == 2
    assert len(again.called("^scheduler jobs update http")) == 1


def test_a_cut_deployment_goes_on_where_it_stopped(cloud: Cloud) -> None:
    cloud.fail("^functions deploy novelsync-status", "quota exceeded")
    cut = cloud.deploy()
    assert cut.code == 1
    assert "quota exceeded" in cut.err
    assert "gcloud could not do this: gcloud functions deploy novelsync-status" in cut.err
    assert "functions novelsync-sync" in cut.state["things"]
    assert cut.called("^scheduler jobs (create|run)") == []
    cloud.change(faults=[])
    finished = cloud.deploy()
    assert finished.code == 0, finished.err
    made = set(finished.state["things"]) - set(cut.state["things"])
    assert made == {"functions novelsync-status", "scheduler jobs novelsync-hourly"}
    assert [line.split()[:4] for line in finished.called(" create | add ")] == [["scheduler", "jobs", "create", "http"]]
    assert finished.state["versions"] == [[KEY, True]]
    assert finished.changes()[-1].startswith("scheduler jobs run novelsync-hourly ")
    assert json.loads(finished.out)["outcome"] == "ok"


def test_what_was_just_made_is_waited_for(cloud: Cloud) -> None:
    cloud.fail("projects add-iam-policy-binding", "Service account novelsync-sync does not exist.", times=3)
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert len(deployed.called("projects add-iam-policy-binding.*novelsync_sync")) == 4


def test_a_build_that_fails_is_not_repeated_for_half_an_hour(deployed_cloud: Cloud) -> None:
    deployed_cloud.fail("^functions deploy", "Build failed: module not found")
    refused = deployed_cloud.deploy()
    assert (refused.code, len(refused.called("^functions deploy"))) == (1, 3)
    assert "module not found" in refused.err


def test_a_role_that_was_deleted_lately_is_brought_back(cloud: Cloud) -> None:
    cloud.change(things=["iam roles novelsync_sync"], deleted_roles=["novelsync_sync"])
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert deployed.called("^iam roles") == [
        "iam roles describe novelsync_sync --format=value(deleted) --project=my-project",
        "iam roles undelete novelsync_sync --project=my-project",
        *deployed.called("^iam roles update novelsync_sync"),
        *deployed.called("^iam roles .* novelsync_status"),
    ]


def test_flags_and_the_environment_say_more(cloud: Cloud) -> None:
    deployed = cloud.deploy(
        *("--set", "NOVELSYNC_STALE_AFTER=9000", "--set=NOVELSYNC_WORKERS=2", "--prefix", "", "--name", "staging"),
        DEPLOY_SCHEDULE="30 * * * *",
        DEPLOY_MEMORY="2Gi",
        DEPLOY_VIEWER="user:ann@example.com\ngroup:all@example.com",
    )
    assert deployed.code == 0, deployed.err
    sync = next(command for command in deployed.commands if command[:3] == ["functions", "deploy", "staging-sync"])
    assert "NOVELSYNC_STORAGE=gs://my-novels|" in flag(sync, "set-env-vars")
    assert flag(sync, "set-env-vars").endswith("|NOVELSYNC_STALE_AFTER=9000|NOVELSYNC_WORKERS=2")
    assert flag(sync, "memory") == "2Gi"
    assert deployed.called("scheduler jobs create http staging-hourly .*--schedule=30 ")
    assert (
        len(deployed.called("staging-status --member=(user:ann|group:all)@example.com --role=roles/run.invoker")) == 2
    )


def test_a_schedule_that_somebody_stopped_stays_stopped(cloud: Cloud) -> None:
    cloud.change(job_state="PAUSED")
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert deployed.called("jobs (run|resume)") == []
    assert "gcloud scheduler jobs resume novelsync-hourly" in deployed.err


# Checks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "says", "do"),
    [
        ({"version": "380.0.0"}, "gcloud is too old: 380.0.0", "gcloud components update"),
        ({"account": ""}, "nobody is logged in", "gcloud auth login"),
        ({"billing": "False"}, "has no billing account", "gcloud billing projects link my-project"),
    ],
)
def test_a_project_that_is_not_ready_is_refused_before_anything_is_touched(
    cloud: Cloud, state: Mapping[str, Any], says: str, do: str
) -> None:
    cloud.change(**state)
    refused = cloud.deploy()
    assert refused.code == 1
    assert says in refused.err
    assert do in refused.err
    assert refused.changes() == []


@pytest.mark.parametrize(
    ("call", "error", "says", "do"),
    [
        ("^projects describe", "does not have permission", "there is no project my-project, or ann@", "projects list"),
        ("^storage buckets describe", "HTTPError 403: no access", "a bucket gs://my-novels, and ann@", "take another"),
    ],
)
def test_what_belongs_to_others_is_refused_before_anything_is_touched(
    cloud: Cloud, call: str, error: str, says: str, do: str
) -> None:
    cloud.fail(call, error)
    refused = cloud.deploy()
    assert refused.code == 1
    assert error in refused.err
    assert says in refused.err
    assert do in refused.err
    assert refused.changes() == []


@pytest.mark.parametrize(
    ("status", "says", "do"),
    [
        (404, "has not been migrated", "novelsync migrate --print"),
        (540, "is paused", "restore it"),
        (500, "answers with status 500", "dashboard"),
    ],
)
def test_a_database_that_is_not_ready_is_refused_before_anything_is_touched(
    cloud: Cloud, database: Database, status: int, says: str, do: str
) -> None:
    database.status = status
    refused = cloud.deploy()
    assert refused.code == 1
    assert says in refused.err
    assert do in refused.err
    assert refused.changes() == []


@pytest.mark.parametrize(("schema", "named"), [("20261127100000", "20261127100000"), (None, "none that says so")])
def test_an_older_schema_is_refused_before_anything_is_touched(
    deployed_cloud: Cloud, database: Database, schema: str | None, named: str
) -> None:
    database.schema = schema
    refused = deployed_cloud.deploy()
    assert (refused.code, refused.changes()) == (1, [])
    assert f"its newest migration is {named}, and {NEWEST} is needed" in refused.err
    assert "novelsync migrate --print" in refused.err


def test_a_newer_schema_is_none_of_its_business(deployed_cloud: Cloud, database: Database) -> None:
    database.schema = "29991231235959"
    assert deployed_cloud.deploy().code == 0


def test_a_wrong_key_and_a_wrong_address_are_refused_and_not_shown(cloud: Cloud, database: Database) -> None:
    database.keys = set()
    wrong_key = cloud.deploy()
    gone = cloud.deploy(SUPABASE_URL="http://127.0.0.1:1")
    mixed_up = cloud.deploy(SUPABASE_URL=KEY)
    broken = cloud.deploy(SUPABASE_SECRET_KEY=f"{KEY} and more")
    assert "does not accept the key (401)" in wrong_key.err
    assert "cannot be reached at http://127.0.0.1:1" in gone.err
    assert "SUPABASE_URL is not an address" in mixed_up.err
    assert "characters that no key has" in broken.err
    for refused in (wrong_key, gone, mixed_up, broken):
        assert (refused.code, refused.changes()) == (1, [])
        assert KEY not in refused.out + refused.err


@pytest.mark.parametrize("url", ["http://ref.supabase.co", "http://localhost.example.com", "http://127.0.0.100:1"])
def test_an_address_that_would_show_the_key_to_the_network_is_not_called(cloud: Cloud, url: str) -> None:
    refused = cloud.deploy(SUPABASE_URL=url)
    assert (refused.code, refused.changes(), refused.curls) == (1, [], "")
    assert "SUPABASE_URL is not https" in refused.err


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1/"])
def test_this_machine_may_be_asked_without_https(cloud: Cloud, url: str) -> None:
    assert f"cannot be reached at {url.rstrip('/')}" in cloud.deploy(SUPABASE_URL=url).err


def test_billing_that_may_not_be_seen_is_no_reason_to_stop(cloud: Cloud) -> None:
    cloud.fail("^billing", "PERMISSION_DENIED")
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert "whether billing is enabled could not be seen" in deployed.err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--project", "p"), "not said: --region --bucket"),
        (("--region",), "--region needs a value"),
        (("--region", "Europe"), "a region is meant"),
        (("--bucket", "gs://my-novels/novels"), "the folder in it is --prefix"),
        (("--viewer", "allUsers"), "not for all the world"),
        (("--alert", "ann"), "an email address is meant"),
        (("--instances", "many"), "a number from 1 to 100 is meant"),
        (("--instances", "0"), "a number from 1 to 100 is meant"),
        (("--instances", "101"), "a number from 1 to 100 is meant"),
        (("--set", "NOVELSYNC_STAEL_AFTER=1"), "there is no such setting"),
        (("--set", "NOVELSYNC_STORAGE=x"), "deploy.sh sets it"),
        (("--set", "NOVELSYNC_FANOUT_TOPIC=x"), "deploy.sh sets it"),
        (("--set", ".*=x"), "there is no such setting"),
        (("--set", "json=1"), "there is no such setting"),
        (("--set", ".env=1"), "there is no such setting"),
        (("--set", "K_SERVICE=x"), "there is no such setting"),
        (("--set", "NOVELSYNC_TIME_BUDGE.=1"), "there is no such setting"),
        (("--set", "NOVELSYNC_TIME_BUDGET=1701"), "seconds, from 1 to 1700"),
        (("--set", "NOVELSYNC_TIME_BUDGET=1e9"), "seconds, from 1 to 1700"),
        (("--set", "NOVELSYNC_TIME_BUDGET=99999999999999999999"), "seconds, from 1 to 1700"),
        (("--prefix", "x|NOVELSYNC_WORKERS=1"), "--prefix cannot have"),
        (("--prefix", "a\tb"), "--prefix cannot have"),
        (("--set", "NOVELSYNC_WORKERS"), "has no value"),
        (("--name", "-"), "small letters"),
        (("--project", "x\nmy-project", *FLAGS[2:]), "more than one line"),
        (("--speed", "fast"), "there is no --speed"),
        (("--supabase-key", KEY), "a key is no flag"),
        ((KEY,), "a value stands alone"),
        (("--set", f"SUPABASE_SECRET_KEY={KEY}"), "deploy.sh sets it"),
    ],
)
def test_wrong_usage_is_explained_and_exits_with_2(cloud: Cloud, flags: tuple[str, ...], says: str) -> None:
    refused = cloud.deploy(*flags)
    assert (refused.code, refused.commands) == (2, [])
    assert says in refused.err
    assert KEY not in refused.err


def test_a_prefix_of_several_lines_is_refused(cloud: Cloud) -> None:
    refused = cloud.deploy(DEPLOY_PREFIX="a\nb")
    assert (refused.code, refused.commands) == (2, [])
    assert "--prefix cannot have" in refused.err


def test_commands_that_a_person_is_told_can_be_pasted_whatever_the_prefix_is(cloud: Cloud) -> None:
    deployed = cloud.deploy("--prefix", "my novels/$HOME")
    assert deployed.code == 0, deployed.err
    told = "gcloud storage rsync --recursive storage/novels 'gs://my-novels/my novels/$HOME'"
    assert deployed.err.count(told) == deployed.err.count("rsync") == 2


def test_help_names_every_flag(cloud: Cloud) -> None:
    helped = cloud.deploy("--help")
    assert helped.code == 0
    known = set(re.findall(r"^\s+(--[a-z-]+)\)", (ROOT / "deploy" / "flags.sh").read_text(), re.MULTILINE))
    assert known <= set(re.findall(r"--[a-z-]+", helped.out))
    assert len(known) > 10


def test_the_docs_say_what_to_do_about_what_it_really_says() -> None:
    scripts = "".join(path.read_text() for path in (ROOT / "deploy.sh", *(ROOT / "deploy").glob("*.sh")))
    said = re.sub(r"\$\{?[a-z_]+(:-[^}]*)?\}?", "…", scripts.replace("DELETE_REQUESTED", "…"))
    docs = (ROOT / "docs" / "deploy.md").read_text().partition("## What deploy.sh says")[2].partition("\n## ")[0]
    quoted = re.findall("`(.+?)`", "\n".join(row.split("|")[1] for row in re.findall(r"^\| `.*", docs, re.MULTILINE)))
    assert len(quoted) > 15
    for words in quoted:
        for part in words.replace("DELETE_REQUESTED", "…").replace("'failed'", "'…'").split("…"):
            assert part.strip() in said, words


def test_every_setting_can_be_set(cloud: Cloud) -> None:
    ours = {"NOVELSYNC_STORAGE", "NOVELSYNC_SCHEDULER_JOB", "NOVELSYNC_FANOUT_TOPIC"}
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    settings = [f"--set={name}=1" for name in sorted(names) if name.startswith("NOVELSYNC_") and name not in ours]
    assert cloud.deploy(*settings, "--dry-run").code == 0


# The key ---------------------------------------------------------------------------


def test_the_key_is_on_no_command_line_in_no_environment_and_never_printed(first: Deployed) -> None:
    assert "rpc/novelsync_status" in first.curls
    (added,) = (call for call in first.calls if call["argv"][:3] == ["secrets", "versions", "add"])
    assert added["stdin"] == KEY
    for call in first.calls:
        assert KEY not in json.dumps([call["argv"], call["environment"]])
    assert KEY not in first.out + first.err + first.curls


def test_a_key_that_is_not_set_is_asked_for_without_an_echo(cloud: Cloud) -> None:
    code, shown = cloud.deploy_on_a_terminal({"is not shown): ": KEY}, SUPABASE_SECRET_KEY="")
    assert code == 0, shown
    assert "SUPABASE_SECRET_KEY (sb_secret_…, is not shown): " in shown
    assert KEY not in shown
    cloud.change()
    assert cloud.state["versions"] == [[KEY, True]]


def test_without_a_key_and_a_terminal_it_says_where_the_key_goes(cloud: Cloud) -> None:
    refused = cloud.deploy(SUPABASE_SECRET_KEY="")
    assert (refused.code, refused.changes()) == (1, [])
    assert "SUPABASE_SECRET_KEY is not set" in refused.err


def test_a_stored_key_that_may_not_be_read_stays_in_use_until_it_is_rotated(cloud: Cloud) -> None:
    cloud.fail("^secrets versions access", "PERMISSION_DENIED")
    assert "may not be read" not in cloud.deploy().err
    again = cloud.deploy(SUPABASE_SECRET_KEY=OTHER_KEY)
    assert again.code == 0, again.err
    assert "the stored key, version 1, may not be read by ann@example.com: it stays in use" in again.err
    assert len(again.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:1 ")) == 2
    assert again.state["versions"] == [[KEY, True]]
    rotated = cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 0, rotated.err
    assert rotated.state["versions"] == [[KEY, False], [OTHER_KEY, True]]


def test_a_repeated_deployment_needs_no_key(deployed_cloud: Cloud) -> None:
    again = deployed_cloud.deploy(SUPABASE_SECRET_KEY="")
    assert again.code == 0, again.err
    assert len(again.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:1 ")) == 2


def test_a_rotated_key_replaces_the_old_one_once_it_has_worked(deployed_cloud: Cloud) -> None:
    rotated = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 0, rotated.err
    assert len(rotated.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:2 ")) == 2
    assert rotated.state["versions"] == [[KEY, False], [OTHER_KEY, True]]
    assert rotated.changes()[-1].startswith("secrets versions disable 1 ")
    assert "delete the old key in Supabase's settings" in rotated.err


def test_an_old_key_stays_as_long_as_the_new_one_has_not_worked(deployed_cloud: Cloud, database: Database) -> None:
    database.outcome = "failed"
    rotated = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 1
    assert "the old key is not disabled" in rotated.err
    deployed_cloud.change(job_state="PAUSED")
    database.outcome = "ok"
    stopped = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=KEY)
    assert stopped.code == 1
    assert "no run has shown that it works" in stopped.err
    assert rotated.called("disable") == stopped.called("disable") == []


@pytest.mark.parametrize("cut", ["^functions deploy", "^scheduler jobs update", "^secrets versions disable"])
def test_a_rotation_that_was_cut_is_finished_by_the_same_call(deployed_cloud: Cloud, cut: str) -> None:
    deployed_cloud.fail(cut, "quota exceeded")
    assert deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY).code == 1
    deployed_cloud.change(faults=[])
    finished = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert finished.code == 0, finished.err
    assert finished.state["versions"] == [[KEY, False], [OTHER_KEY, True]]
    assert len(finished.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:2 ")) == 2


def test_a_rotation_that_goes_on_while_the_schedule_is_stopped_names_the_old_version(deployed_cloud: Cloud) -> None:
    deployed_cloud.change(versions=[[KEY, True], [OTHER_KEY, True]], job_state="PAUSED")
    stopped = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert stopped.code == 1
    assert "gcloud secrets versions disable 1 --secret=novelsync-supabase-key --project=my-project\n" in stopped.err


def test_the_key_in_use_is_no_new_one(deployed_cloud: Cloud) -> None:
    refused = deployed_cloud.deploy("--rotate-key")
    assert (refused.code, refused.changes()) == (1, [])
    assert "this is the key that is in use" in refused.err


# The first run ---------------------------------------------------------------------


def test_a_run_that_failed_is_shown_and_exits_with_1(cloud: Cloud, database: Database) -> None:
    database.outcome = "failed"
    deployed = cloud.deploy()
    assert deployed.code == 1
    assert json.loads(deployed.out)["outcome"] == "failed"
    assert "the run ended as 'failed'" in deployed.err
    assert "https://novelsync-status-abc.a.run.app/api/v1/sync/novels/status" in deployed.err
    assert deployed.err.splitlines()[-1] == (
        "  → fix it; then: gcloud scheduler jobs run novelsync-hourly --location=europe-west1 --project=my-project"
    )


def test_where_the_bucket_has_no_novels_yet_it_says_how_to_bring_them(cloud: Cloud, database: Database) -> None:
    cloud.change(things=["storage buckets gs://my-novels"])
    database.outcome = "failed"
    database.problem = {"message": "there is nothing under gs://my-novels/novels, and the bucket has other objects"}
    deployed = cloud.deploy()
    assert deployed.code == 1
    assert deployed.err.splitlines()[-1] == (
        "  → bring the novels there: gcloud storage rsync --recursive storage/novels gs://my-novels/novels; "
        "then: gcloud scheduler jobs run novelsync-hourly --location=europe-west1 --project=my-project"
    )


def test_a_run_that_never_shows_is_not_waited_for_without_end(cloud: Cloud, database: Database) -> None:
    database.runs_when = lambda: False
    deployed = cloud.deploy()
    assert deployed.code == 1
    assert "no run has come to its end" in deployed.err
    assert "gcloud run services proxy novelsync-status" in deployed.err
    assert "gcloud functions logs read novelsync-sync --gen2 --region=europe-west1 --project=my-project" in deployed.err


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_the_report_is_that_of_a_real_run_over_the_real_api(
    tmp_path: Path, library: Library, database_url: str, empty_database_url: str
) -> None:
    library.write("emma", chapters(2))
    with StandIn(database_url) as supabase, StandIn(empty_database_url) as bare:
        cloud = Cloud(tmp_path / "cloud", supabase.url)
        keys = {"SUPABASE_URL": supabase.url, "SUPABASE_SECRET_KEY": supabase.secret_key}
        environment = {"PYTHONPATH": str(ROOT), "NOVELSYNC_STORAGE": str(library.folder), **keys}
        cloud.change(run={"args": [sys.executable, "-m", "novelsync", "sync"], "env": environment})
        deployed = cloud.deploy(**keys)
        assert deployed.code == 0, deployed.err
        assert json.loads(deployed.out)["novels"]["created"] == 1
        wrong = {"SUPABASE_URL": supabase.url, "SUPABASE_SECRET_KEY": supabase.publishable_key}
        assert "does not accept the key" in cloud.deploy(**wrong).err
        unmigrated = cloud.deploy(SUPABASE_URL=bare.url, SUPABASE_SECRET_KEY=bare.secret_key)
        assert "has not been migrated" in unmigrated.err
        assert unmigrated.changes() == []


# Viewers and alerts ----------------------------------------------------------------


def test_a_viewer_may_open_the_status_and_nothing_else(cloud: Cloud) -> None:
    deployed = cloud.deploy("--viewer", "user:ann@example.com")
    granted = [(line.split()[3], line.split()[5]) for line in deployed.called("--member=user:ann@example.com")]
    assert granted == [
        ("novelsync-status", "--role=roles/run.invoker"),
        ("novelsync-status", "--role=roles/run.viewer"),
    ]


def test_an_alert_without_alpha_commands_is_refused_before_anything_is_touched(cloud: Cloud) -> None:
    cloud.change(version="528.0.0")
    refused = cloud.deploy("--alert", "ann@example.com")
    assert (refused.code, refused.changes()) == (1, [])
    assert "gcloud components install alpha" in refused.err
    assert cloud.deploy().code == 0


def test_an_alert_checks_the_status_with_a_token_and_tells_by_mail(first: Deployed) -> None:
    (check,) = (command for command in first.commands if command[:3] == ["monitoring", "uptime", "create"])
    assert flag(check, "resource-labels") == "host=novelsync-status-abc.a.run.app,project_id=my-project"
    assert flag(check, "path") == "/api/v1/sync/novels/status?check=1"
    assert flag(check, "service-agent-auth") == "oidc-token"
    assert first.called("novelsync-status --member=serviceAccount:service-42@gcp-sa-monitoring-notification.iam")
    (channel,) = (command for command in first.commands if command[:4] == ["alpha", "monitoring", "channels", "create"])
    assert flag(channel, "channel-labels") == "email_address=ann@example.com"
    (created,) = (command for command in first.commands if command[:4] == ["alpha", "monitoring", "policies", "create"])
    policy = json.loads(flag(created, "policy"))
    assert policy["notificationChannels"] == ["google/novelsync status in europe-west1"]
    (condition,) = policy["conditions"]
    assert 'check_id="google/novelsync status in europe-west1"' in condition["conditionThreshold"]["filter"]


# Events and fan-out ----------------------------------------------------------------

TOPIC = "projects/my-project/topics/novelsync-novels"
OTHERS = ["7", "//pubsub.googleapis.com/projects/my-project/topics/others", "novels/"]
PARTS = {
    "functions novelsync-events",
    "pubsub topics novelsync-novels",
    "pubsub topics novelsync-novels-dead",
    "pubsub subscriptions novelsync-novels-push",
    "pubsub subscriptions novelsync-novels-dead",
}


@pytest.fixture(scope="module")
def first_with_events(tmp_path_factory: pytest.TempPathFactory) -> "Deployed":
    """A first deployment with events and fan-out, into a bucket that others are told about, too."""
    with served() as database:
        cloud = cloud_with(database, tmp_path_factory.mktemp("events") / "cloud")
        cloud.change(notifications=[OTHERS])
        deployed = cloud.deploy("--events", "--fanout")
    assert deployed.code == 0, deployed.err
    return deployed


@pytest.fixture
def cloud_with_events(cloud: Cloud, first_with_events: "Deployed") -> Cloud:
    """What that left."""
    cloud.change(**{name: first_with_events.state[name] for name in ("things", "versions", "notifications", "made")})
    return cloud


def settings_of(command: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in flag(command, "set-env-vars").removeprefix("^|^").split("|"))


def test_events_and_fan_out_are_one_function_between_two_topics(first_with_events: Deployed) -> None:
    made = {thing for thing in first_with_events.state["things"] if thing.startswith(("pubsub", "functions"))}
    assert made == PARTS | {"functions novelsync-sync", "functions novelsync-status"}
    events, sync, status = (line for line in first_with_events.commands if line[:2] == ["functions", "deploy"])
    assert (events[2], flag(events, "entry-point")) == ("novelsync-events", "novel_changed")
    assert {"--gen2", "--trigger-http", "--no-allow-unauthenticated"} <= set(events)
    assert (flag(events, "concurrency"), flag(events, "max-instances")) == ("1", "10")
    assert (flag(events, "timeout"), flag(events, "memory")) == ("540s", "1Gi")
    assert flag(events, "service-account") == "novelsync-events@my-project.iam.gserviceaccount.com"
    assert flag(events, "set-secrets") == "SUPABASE_SECRET_KEY=novelsync-supabase-key:1"
    assert settings_of(events) == settings_of(status)
    assert settings_of(sync) == settings_of(status) | {"NOVELSYNC_FANOUT_TOPIC": TOPIC}
    assert first_with_events.called("^services enable .*pubsub.googleapis.com")
    assert "gcloud functions logs read novelsync-events " in first_with_events.err


def test_messages_are_pushed_with_a_token_and_what_cannot_be_delivered_is_kept(first_with_events: Deployed) -> None:
    dead, push = (line for line in first_with_events.commands if line[:3] == ["pubsub", "subscriptions", "create"])
    assert push[3:] == [
        "novelsync-novels-push",
        "--topic=novelsync-novels",
        "--push-endpoint=https://novelsync-events-abc.a.run.app/",
        "--push-auth-service-account=novelsync-caller@my-project.iam.gserviceaccount.com",
        "--push-auth-token-audience=https://novelsync-events-abc.a.run.app",
        "--ack-deadline=600",
        "--min-retry-delay=10s",
        "--max-retry-delay=120s",
        "--message-retention-duration=1d",
        "--dead-letter-topic=novelsync-novels-dead",
        "--max-delivery-attempts=50",
        "--expiration-period=never",
        "--project=my-project",
    ]
    assert dead[3:] == [
        "novelsync-novels-dead",
        "--topic=novelsync-novels-dead",
        "--message-retention-duration=7d",
        "--expiration-period=never",
        "--project=my-project",
    ]


def test_a_bucket_tells_of_files_that_were_written_under_the_prefix(first_with_events: Deployed) -> None:
    (create,) = (
        line for line in first_with_events.commands if line[:4] == "storage buckets notifications create".split()
    )
    assert create[4:] == [
        "gs://my-novels",
        f"--topic={TOPIC}",
        "--event-types=OBJECT_FINALIZE",
        "--object-prefix=novels/",
        "--payload-format=json",
        "--project=my-project",
    ]


def test_of_a_whole_bucket_every_object_is_told(cloud: Cloud) -> None:
    deployed = cloud.deploy("--events", "--prefix", "")
    assert deployed.code == 0, deployed.err
    assert "prefix" not in "".join(deployed.called("notifications create"))
    assert cloud.deploy("--events", "--prefix", "").called("notifications (create|delete)") == []


@pytest.mark.parametrize(
    ("flags", "publishers", "topics"),
    [
        (("--events",), ["service-42@gs-project-accounts"], []),
        (("--fanout",), ["novelsync-sync@my-project"], [TOPIC]),
        (("--events", "--fanout"), ["novelsync-sync@my-project", "service-42@gs-project-accounts"], [TOPIC]),
    ],
)
def test_only_who_has_to_may_fill_the_topic(
    cloud: Cloud, flags: tuple[str, ...], publishers: list[str], topics: list[str]
) -> None:
    deployed = cloud.deploy(*flags)
    assert deployed.code == 0, deployed.err
    granted = set()
    for command in deployed.commands:
        if "add-iam-policy-binding" in command and (command[0] == "pubsub" or "novelsync-events" in " ".join(command)):
            verb = command.index("add-iam-policy-binding")
            account = flag(command, "member").removeprefix("serviceAccount:").removesuffix(".iam.gserviceaccount.com")
            granted.add(
                (" ".join([*command[:verb], command[verb + 1]]), account, flag(command, "role").partition("/")[2])
            )
    assert granted == {
        *(("pubsub topics novelsync-novels", publisher, "pubsub.publisher") for publisher in publishers),
        ("pubsub topics novelsync-novels-dead", "service-42@gcp-sa-pubsub", "pubsub.publisher"),
        ("pubsub subscriptions novelsync-novels-push", "service-42@gcp-sa-pubsub", "pubsub.subscriber"),
        ("run services novelsync-events", "novelsync-caller@my-project", "run.invoker"),
        ("storage buckets gs://my-novels", "novelsync-events@my-project", "storage.objectViewer"),
        ("secrets novelsync-supabase-key", "novelsync-events@my-project", "secretmanager.secretAccessor"),
    }
    assert len(deployed.state["notifications"]) == ("--events" in flags)
    (sync,) = (command for command in deployed.commands if command[:3] == ["functions", "deploy", "novelsync-sync"])
    assert [value for name, value in settings_of(sync).items() if name == "NOVELSYNC_FANOUT_TOPIC"] == topics


def test_a_sync_gives_novels_out_only_when_all_is_there_that_takes_them(first_with_events: Deployed) -> None:
    changes = first_with_events.changes()
    sync = next(number for number, line in enumerate(changes) if line.startswith("functions deploy novelsync-sync "))
    takers = [number for number, line in enumerate(changes) if line.startswith("pubsub ") or "novelsync-events" in line]
    assert len(takers) > 8
    assert max(takers) < sync


def test_events_that_are_deployed_again_are_not_made_twice(cloud_with_events: Cloud) -> None:
    again = cloud_with_events.deploy("--events", "--fanout", "--instances", "3")
    assert again.code == 0, again.err
    assert again.called(" create| add | delete ") == []
    assert len(again.called("^pubsub subscriptions update ")) == 2
    assert len(again.called("^functions deploy novelsync-events .*--max-instances=3 ")) == 1
    assert len(again.called("^functions deploy .*--max-instances=3 ")) == 3


def test_of_several_notifications_the_right_one_is_left(cloud_with_events: Cloud) -> None:
    ours = f"//pubsub.googleapis.com/{TOPIC}"
    cloud_with_events.change(
        notifications=[["8", ours, "old/"], OTHERS, ["9", ours, "novels/"], ["10", ours, "novels/"]]
    )
    again = cloud_with_events.deploy("--events")
    assert again.code == 0, again.err
    assert again.state["notifications"] == [OTHERS, ["9", ours, "novels/"]]
    moved = cloud_with_events.deploy("--events", "--prefix", "my novels")
    assert moved.code == 0, moved.err
    assert [notification[2] for notification in moved.state["notifications"]] == ["novels/", "my novels/"]


def test_what_a_call_does_not_ask_for_goes(cloud_with_events: Cloud) -> None:
    only_fan_out = cloud_with_events.deploy("--fanout")
    assert only_fan_out.code == 0, only_fan_out.err
    assert only_fan_out.state["notifications"] == [OTHERS]
    assert set(only_fan_out.state["things"]) > PARTS
    neither = cloud_with_events.deploy()
    assert neither.code == 0, neither.err
    assert set(neither.state["things"]) & PARTS == set()
    assert "gone: the function novelsync-events" in neither.err
    assert neither.called("deploy .*FANOUT") == []
    assert neither.called("enable .*pubsub") == []
    # The sync has stopped writing into the topic before that goes.
    changes = neither.changes()
    gone = [number for number, line in enumerate(changes) if " delete " in line]
    assert min(gone) > next(number for number, line in enumerate(changes) if "deploy novelsync-sync" in line)
    assert cloud_with_events.deploy().called("pubsub|notifications") == []


@pytest.mark.parametrize("cut", ["topics create novelsync-novels ", "notifications create"])
def test_events_that_were_cut_while_they_were_made_are_finished_or_taken_away(cloud: Cloud, cut: str) -> None:
    cloud.fail(cut, "quota exceeded")
    assert cloud.deploy("--events").code == 1
    cloud.change(faults=[])
    left = dict(cloud.state)
    finished = cloud.deploy("--events")
    assert (finished.code, len(finished.state["notifications"])) == (0, 1), finished.err
    assert set(finished.state["things"]) > PARTS
    cloud.change(things=left["things"], notifications=left["notifications"])
    away = cloud.deploy()
    assert (away.code, away.state["notifications"], set(away.state["things"]) & PARTS) == (0, [], set()), away.err


@pytest.mark.parametrize("cut", ["notifications delete", "functions delete"])
def test_events_that_were_cut_while_they_were_taken_away_go_all_the_same(cloud_with_events: Cloud, cut: str) -> None:
    cloud_with_events.fail(cut, "quota exceeded", times=1)
    assert cloud_with_events.deploy().code == 1
    away = cloud_with_events.deploy()
    assert away.code == 0, away.err
    assert (away.state["notifications"], set(away.state["things"]) & PARTS) == ([OTHERS], set())


def test_a_rotated_key_reaches_the_function_of_events(cloud_with_events: Cloud) -> None:
    rotated = cloud_with_events.deploy("--events", "--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 0, rotated.err
    assert len(rotated.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:2 ")) == 3


def test_a_bucket_whose_notifications_may_not_be_seen_gets_none(cloud: Cloud) -> None:
    cloud.fail("notifications list", "HTTPError 403: ann@example.com does not have storage.buckets.get access")
    refused = cloud.deploy("--events")
    assert refused.code == 1
    assert "does not have storage.buckets.get access" in refused.err
    assert "gcloud could not do this: gcloud storage buckets notifications list gs://my-novels " in refused.err
    assert refused.called("notifications create|deploy novelsync-sync") == []


@pytest.mark.parametrize("agent", ["", "none"])
def test_a_cloud_storage_that_does_not_say_who_it_is_is_given_no_rights(cloud: Cloud, agent: str) -> None:
    cloud.change(storage_agent=agent)
    refused = cloud.deploy("--events")
    assert refused.code == 1
    assert "Cloud Storage does not say which account it announces new objects with" in refused.err
    assert "gcloud storage service-agent --project=my-project should print an address" in refused.err
    assert refused.called("notifications create|novelsync-novels --member") == []


@pytest.mark.parametrize("named", [FLAGS, FLAGS[:4]])
def test_deleting_takes_events_down_with_the_bucket_named_or_not(
    cloud_with_events: Cloud, named: tuple[str, ...]
) -> None:
    unanswered = cloud_with_events.deploy(*named, "--delete")
    assert unanswered.changes() == []
    for listed in (
        "the notification projects/_/buckets/my-novels/notificationConfigs/1",
        "the topic novelsync-novels-dead",
    ):
        assert f"  {listed}\n" in unanswered.err
    deleted = cloud_with_events.deploy(*named, "--delete", "--yes")
    assert deleted.code == 0, deleted.err
    assert deleted.called("storage buckets (?!notifications)") == []
    assert deleted.state["notifications"] == [OTHERS]
    assert sorted(deleted.state["things"]) == [
        "iam roles novelsync_status",
        "iam roles novelsync_sync",
        "storage buckets gs://my-novels",
    ]
    assert deleted.called("^(scheduler|functions|pubsub|storage).* delete ")[0].startswith("scheduler jobs delete")


# Taking down -----------------------------------------------------------------------


def test_deleting_lists_what_there_is_asks_and_leaves_bucket_and_database(deployed_cloud: Cloud) -> None:
    unanswered = deployed_cloud.deploy("--delete")
    assert unanswered.code == 1
    assert "add --yes, if it is meant" in unanswered.err
    assert unanswered.changes() == []
    for listed in ("the schedule novelsync-hourly", "the function novelsync-sync", "the alert policy", "the secret"):
        assert listed in unanswered.err
    deleted = deployed_cloud.deploy("--delete", "--yes", SUPABASE_URL="", SUPABASE_SECRET_KEY="")
    assert deleted.code == 0, deleted.err
    assert deleted.called("storage|bucket") == []
    assert sorted(deleted.state["things"]) == [
        "iam roles novelsync_status",
        "iam roles novelsync_sync",
        "storage buckets gs://my-novels",
    ]
    nothing = deployed_cloud.deploy("--delete", "--yes")
    assert (nothing.code, nothing.changes()) == (0, [])
    assert "nothing" in nothing.err


@pytest.mark.parametrize(("answer", "code", "left"), [("no", 1, 14), ("yes", 0, 3)])
def test_only_a_yes_deletes(deployed_cloud: Cloud, answer: str, code: int, left: int) -> None:
    ended, shown = deployed_cloud.deploy_on_a_terminal({"Take down what is listed? (yes/no) ": answer}, "--delete")
    assert ended == code, shown
    deployed_cloud.change()
    assert len(deployed_cloud.state["things"]) == left, shown


def test_deleting_without_alpha_commands_leaves_alerts_and_says_so(deployed_cloud: Cloud) -> None:
    deployed_cloud.change(version="528.0.0")
    deleted = deployed_cloud.deploy("--delete", "--yes")
    assert deleted.code == 0, deleted.err
    assert deleted.called("^alpha |^monitoring ") == []
    assert "what --alert makes is not looked for, and stays" in deleted.err
    assert "functions novelsync-sync" not in deleted.state["things"]


def test_what_was_deleted_can_be_deployed_again(cloud: Cloud) -> None:
    cloud.change(things=["iam roles novelsync_status", "iam roles novelsync_sync", "storage buckets gs://my-novels"])
    again = cloud.deploy()
    assert again.code == 0, again.err
    assert again.called("storage buckets create|iam roles create") == []


# Dry runs, and what gcloud thinks of the commands ----------------------------------

LATER = {
    "SUPABASE_URL": "https://ref.supabase.co",
    "SUPABASE_SECRET_KEY": KEY,
    "KEY_VERSION": "1",
    "OLD_KEY_VERSION": "1",
    "PROJECT_NUMBER": "42",
    "SYNC_URL": "https://novelsync-sync-abc.a.run.app",
    "STATUS_URL": "https://novelsync-status-abc.a.run.app",
    "STATUS_HOST": "novelsync-status-abc.a.run.app",
    "EVENTS_URL": "https://novelsync-events-abc.a.run.app",
    "NOTIFICATION": "projects/_/buckets/my-novels/notificationConfigs/1",
    "STORAGE_AGENT": "service-42@gs-project-accounts.iam.gserviceaccount.com",
    "CHANNEL": "projects/my-project/notificationChannels/7",
    "UPTIME_CHECK": "novelsync-status-7",
    "POLICY": "projects/my-project/alertPolicies/7",
}


def commands_of(lines: str, cloud: Cloud) -> list[list[str]]:
    """What a shell makes of the lines that a dry run prints."""
    (cloud.folder / "calls.jsonl").write_text("")
    cloud.change(faults=[{"call": "", "error": "only written down", "times": 100_000}])
    script = cloud.folder / "dry_run.sh"
    script.write_text(lines)
    subprocess.run([BASH, script], env=cloud.environment(**LATER), check=False, capture_output=True)
    cloud.change(faults=[])
    return Deployed(cloud, 0, "", "").commands


def test_a_dry_run_needs_no_login_no_network_and_no_key_and_calls_nothing(cloud: Cloud) -> None:
    everything = (
        "--alert",
        "ann@example.com",
        "--viewer",
        "user:a@example.com",
        "--rotate-key",
        "--events",
        "--fanout",
    )
    for flags in (everything, ("--delete",)):
        dry = cloud.deploy(*flags, "--dry-run", SUPABASE_URL="", SUPABASE_SECRET_KEY=KEY)
        assert (dry.code, dry.commands) == (0, [])
        assert dry.curls == ""
        assert dry.err.splitlines()[-1].startswith("Nothing was done: this was a dry run")
        assert not re.search("^(Deployed:|  it is new and empty|Readers keep)", dry.err, re.MULTILINE)
        assert KEY not in dry.out + dry.err
        assert all(line.startswith("gcloud ") for line in dry.out.splitlines())
        assert len(dry.out.splitlines()) == len(commands_of(dry.out, cloud))
    assert '< <(printf %s "$SUPABASE_SECRET_KEY")' in cloud.deploy("--dry-run").out


def test_a_deployment_does_what_a_dry_run_shows(cloud: Cloud, database: Database) -> None:
    flags = ("--viewer", "user:ann@example.com", "--set", 'NOVELSYNC_LOG_FORMAT=it\'s $5, "spaced"')
    for events, times in ((("--events", "--fanout"), 2), ((), 1)):
        shown = commands_of(cloud.deploy(*flags, *events, "--dry-run").out, cloud)
        for _ in range(times):
            deployed = cloud.deploy(*flags, *events)
            assert deployed.code == 0, deployed.err
            assert [command for command in deployed.commands if command not in shown and command[0] != "version"] == []


class Parser:
    """gcloud itself, with nobody logged in: it reads a command to its end, and then says that nobody is."""

    def __init__(self, folder: Path) -> None:
        settings = {"DISABLE_PROMPTS": "1", "CHECK_GCE_METADATA": "false", "DISABLE_USAGE_REPORTING": "true"}
        self._environment = {f"CLOUDSDK_CORE_{name}": value for name, value in settings.items()}
        self._environment |= {"PATH": os.environ["PATH"], "HOME": str(folder), "CLOUDSDK_CONFIG": str(folder)}

    def complaint(self, command: list[str]) -> str:
        """What gcloud has against a command; empty if only a login is missing."""
        ended = subprocess.run(
            [GCLOUD or "", *command],
            env=self._environment,
            input=KEY,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        understood = ended.returncode == 1 and "do not currently have an active account" in ended.stderr
        needs_no_login = ended.returncode == 0 and command[0] in ("version", "auth")
        return "" if understood or needs_no_login else f"{command}: {ended.returncode}, {ended.stderr}"

    def complaints(self, commands: list[list[str]]) -> list[str]:
        self.complaint(["version"])  # makes its folder, which two at once would both do
        with ThreadPoolExecutor(2) as pool:
            return [said for said in pool.map(self.complaint, commands) if said]


@needs_gcloud
def test_gcloud_understands_every_command(cloud: Cloud, tmp_path: Path) -> None:
    optional = [("--viewer", "user:ann@example.com"), ("--alert", "ann@example.com"), ("--rotate-key",)]
    together = [sum(chosen, ()) for chosen in product(*[((), flags) for flags in optional])]
    together += [("--events",), ("--fanout",), ("--events", "--fanout")]
    other = (
        "--prefix",
        "",
        "--events",
        "--instances",
        "3",
        "--memory",
        "2Gi",
        "--schedule",
        "5 4 * * *",
        "--set",
        "NOVELSYNC_LOG_FORMAT=json",
    )
    dry_runs = [cloud.deploy(*flags, "--dry-run") for flags in (*together, other, ("--delete",))]
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
    assert len(distinct) > 60
    assert Parser(tmp_path / "config").complaints([list(command) for command in distinct]) == []


@needs_gcloud
@pytest.mark.parametrize(
    "wrong",
    [
        "storage buckets create gs://my-novels --locaton=europe-west1 --project=my-project",
        "functions deploy x --gen2 --region=r --project=my-project --ingress-settings=some --trigger-http --source=.",
        "scheduler jobs create http x --location=r --uri=https://example.com --project=my-project",
        "secrets versions deactivate 1 --secret=x --project=my-project",
    ],
)
def test_a_wrong_command_would_be_noticed(tmp_path: Path, wrong: str) -> None:
    assert Parser(tmp_path / "config").complaints([wrong.split()]) != []


@needs_gcloud
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
