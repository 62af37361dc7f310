"""
What `serve` leaves beside the server that it becomes: starts the hourly sync as soon as the server answers.

The server's own process starts nothing by itself: gunicorn forks it, and may do so more than once.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def start(url: str, server: int) -> str:
    """Asks until there is an answer, or no ``server`` (a process id) any more. Empty, or why it was not started."""
    request = urllib.request.Request(f"{url}/api/v1/sync/scheduler/start", method="POST")  # noqa: S310 — http, our own
    while os.getppid() == server:
        try:
            urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
        except urllib.error.HTTPError as answer:
            return str(json.load(answer)["message"])
        except OSError:
            time.sleep(0.1)
        else:
            return ""
    return ""


if __name__ == "__main__":
    try:
        if reason := start(sys.argv[1], int(sys.argv[2])):
            print(f"the hourly sync was not started: {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
