"""A small Cloud Scheduler for tests: its REST API for one job, with the refusals that the real one has."""

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.scheduler_v1 import CloudSchedulerClient
from google.cloud.scheduler_v1.services.cloud_scheduler.transports.rest import CloudSchedulerRestTransport

Answer = tuple[int, dict[str, Any]]
"""Status and body."""

JOB = "projects/p/locations/europe-west1/jobs/novelsync-hourly"

_NEEDED = {"pause": "ENABLED", "resume": "PAUSED", "run": "ENABLED"}
_NAMES = {"pause": "PauseJob", "resume": "ResumeJob", "run": "RunJob"}


class CloudJobs(AbstractContextManager["CloudJobs"]):
    """One job, called `JOB`."""

    def __init__(self) -> None:
        self.state = "ENABLED"
        self.runs = 0
        """So often it was run on demand."""
        self.requests: list[str] = []
        self.answer: Callable[[str], Answer | None] = lambda act: None
        """Asked first, with ``get``, ``pause``, ``resume`` or ``run``; None: answer as usual."""

    def client(self) -> CloudSchedulerClient:
        host = f"http://127.0.0.1:{self._server.server_port}"
        transport = CloudSchedulerRestTransport(host=host, credentials=AnonymousCredentials(), url_scheme="http")
        return CloudSchedulerClient(transport=transport)

    def __enter__(self) -> "CloudJobs":
        jobs = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer("GET")

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._answer("POST")

            def _answer(self, method: str) -> None:
                name, _, act = self.path.partition("?")[0].removeprefix("/v1/").partition(":")
                act = act if method == "POST" else "get"
                jobs.requests.append(act)
                status, answer = jobs.answer(act) or jobs.usual(name, act)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def usual(self, name: str, act: str) -> Answer:
        if name != JOB:
            return failure(404, "NOT_FOUND", "Job not found.")
        if act != "get":
            if self.state != _NEEDED[act]:
                said = f"Job.state must be {_NEEDED[act]} for {_NAMES[act]}."
                return failure(400, "FAILED_PRECONDITION", said)
            self.runs += act == "run"
            self.state = {"pause": "PAUSED", "resume": "ENABLED"}.get(act, self.state)
        job = {"name": JOB, "state": self.state, "schedule": "7 * * * *"}
        return 200, job | ({"scheduleTime": "2025-07-31T11:07:00.123456Z"} if self.state == "ENABLED" else {})


def failure(status: int, code: str, message: str) -> Answer:
    """As Google's APIs write one."""
    return status, {"error": {"code": status, "status": code, "message": message}}
