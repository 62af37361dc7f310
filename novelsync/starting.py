"""
What `serve` leaves beside itself: starts the hourly sync as soon as the server answers.

The server's own process starts nothing by itself: gunicorn forks it, and may do so more than once.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException

PATIENCE = 600.0
"""Seconds for which a server that answers 503 is asked again: its database may be away for a while."""

PAUSE = 5.0
"""Seconds between two such questions."""

# The server is on this machine, and no proxy's to reach.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(url: str, server: int, patience: float = PATIENCE, pause: float = PAUSE) -> str:
    """Asks until there is an answer, or no ``server`` (a process id) any more. Empty, or why it was not started."""
    request = urllib.request.Request(f"{url}/api/v1/sync/scheduler/start", method="POST")  # noqa: S310 — http, our own
    deadline = time.monotonic() + patience
    while os.getppid() == server:
        try:
            _opener.open(request, timeout=60).close()
        except urllib.error.HTTPError as answer:
            if answer.code != 503 or time.monotonic() + pause > deadline:
                return _reason(answer)
            _sleep(pause, server)
        except (OSError, HTTPException):
            time.sleep(0.1)
        else:
            return ""
    return ""


def _reason(answer: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(answer)["message"])
    except (ValueError, LookupError, TypeError):
        return f"{answer.code} {answer.reason}"


def _sleep(seconds: float, server: int) -> None:
    """Not much longer than ``server`` lives."""
    end = time.monotonic() + seconds
    while os.getppid() == server and time.monotonic() < end:
        time.sleep(0.1)


if __name__ == "__main__":
    try:
        if reason := start(sys.argv[1], int(sys.argv[2])):
            print(f"the hourly sync was not started: {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
