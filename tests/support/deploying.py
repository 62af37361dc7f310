"""deploy.sh, called in a project of its own, with stand-ins for gcloud and for the database that says how runs went."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.gcloud import BASH, Gcloud

ROOT = Path(__file__).parents[2]
KEY, OTHER_KEY = "sb_secret_canary-1", "sb_secret_canary-2"
FLAGS = ("--project", "my-project", "--region", "europe-west1", "--bucket", "my-novels")
NEWEST = max(path.name for path in (ROOT / "supabase" / "migrations").glob("*.sql")).partition("_")[0]
OTHERS = ["7", "//pubsub.googleapis.com/projects/my-project/topics/others", "novels/"]
"""A notification of the bucket that is none of ours."""


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

    def _answer(self, path: str, key: str, bearer: str | None) -> tuple[int, bytes]:
        # As the gateway does: a new key is no token.
        token = None if key.startswith("sb_") else f"Bearer {key}"
        if path != "/rest/v1/rpc/novelsync_status" or key not in self.keys or bearer != token:
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


class Cloud:
    """A project in which nothing is yet, and deploy.sh to be called in it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.gcloud = Gcloud()
        tools = folder / "bin"
        tools.mkdir(parents=True)
        self._write(tools / "gcloud", self.gcloud.script)
        self._write(tools / "sleep", "#!/bin/sh\n")
        record = f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{folder}/curls"\nexec "{shutil.which("curl")}" "$@"\n'
        self._write(tools / "curl", record)
        (tools / "python3").symlink_to(sys.executable)

    def _write(self, path: Path, script: str) -> None:
        path.write_text(script)
        path.chmod(0o755)

    @property
    def state(self) -> dict[str, Any]:
        return self.gcloud.state

    def change(self, **state: Any) -> None:
        """What there is from now on, whoever made it."""
        self.gcloud.state |= deepcopy(state)

    def fail(self, call: str, error: str, times: int = 1000) -> None:
        self.change(faults=[{"call": call, "error": error, "times": times}])

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.folder), "SUPABASE_URL": self.url, "SUPABASE_SECRET_KEY": KEY} | more

    def deploy(self, *flags: str, **environment: str) -> "Deployed":
        """Calls deploy.sh; flags that it always needs are there, unless one of them is given."""
        self.gcloud.calls.clear()
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
    """What came of a call, and how everything was just after it."""

    def __init__(self, cloud: Cloud, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.url = cloud.url
        self.curls = (cloud.folder / "curls").read_text() if (cloud.folder / "curls").exists() else ""
        self.state: dict[str, Any] = deepcopy(cloud.state)
        self.calls = list(cloud.gcloud.calls)
        self.commands: list[list[str]] = [call["argv"] for call in self.calls]

    def called(self, pattern: str) -> list[str]:
        return [line for line in map(" ".join, self.commands) if re.search(pattern, line)]

    def changes(self) -> list[str]:
        """What it did, without what it looked at."""
        looking = r"^\S*( \S+)* (describe|list|list-configs|access)( |$)|^version|^auth list"
        return [line for line in map(" ".join, self.commands) if not re.match(looking, line)]


@contextmanager
def cloud_with(database: Database, folder: Path) -> Iterator[Cloud]:
    """Running the schedule there leaves a report in the database."""
    cloud = Cloud(folder, database.url)
    database.runs_when = lambda: cloud.gcloud.has_called("scheduler", "jobs", "run")
    yield cloud
    cloud.gcloud.close()


def flag(command: list[str], name: str) -> str:
    return next(word.partition("=")[2] for word in command if word.startswith(f"--{name}="))


def settings_of(command: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in flag(command, "set-env-vars").removeprefix("^|^").split("|"))


LATER = {
    "SUPABASE_URL": "https://ref.supabase.co",
    "SUPABASE_SECRET_KEY": KEY,
    "KEY_VERSION": "1",
    "OLD_KEY_VERSION": "1",
    "ALERT_VERSION": "1",
    "NOTIFY_URL_VERSION": "1",
    "NOTIFY_SECRET_VERSION": "1",
    "NOVELSYNC_NOTIFY_URL": "https://site.example/canary",
    "NOVELSYNC_NOTIFY_SECRET": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
    "NOVELSYNC_ALERT_URL": "https://hooks.example.com/canary",
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
    cloud.gcloud.calls.clear()
    cloud.change(faults=[{"call": "", "error": "only written down", "times": 100_000}])
    script = cloud.folder / "dry_run.sh"
    script.write_text(lines)
    subprocess.run([BASH, script], env=cloud.environment(**LATER), check=False, capture_output=True)
    cloud.change(faults=[])
    return Deployed(cloud, 0, "", "").commands
