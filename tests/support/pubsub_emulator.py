"""The Pub/Sub emulator that comes with gcloud: topics, push subscriptions with retries and dead letters, over REST."""

import shutil
import socket
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.waiting import wait_until

ABSENT: Final = (
    "the Pub/Sub emulator is not there: `gcloud components install pubsub-emulator` brings it; it needs Java"
)

PROJECT: Final = "projects/a-project"


def emulator_program() -> Path | None:
    """None where gcloud does not have it, or there is no Java."""
    gcloud = shutil.which("gcloud")
    if not gcloud or not shutil.which("java"):
        return None
    program = Path(gcloud).resolve().parents[1] / "platform" / "pubsub-emulator" / "bin" / "cloud-pubsub-emulator"
    return program if program.exists() else None


class PubSubEmulator:
    """A Pub/Sub of its own; whatever was published is gone when it ends."""

    def __enter__(self) -> "PubSubEmulator":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        command = [str(emulator_program()), "--host=127.0.0.1", f"--port={self.host.split(':')[1]}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._http = httpx.Client(base_url=f"http://{self.host}/v1/", timeout=30)
        wait_until(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait()

    def topic(self, name: str) -> str:
        """Makes a topic, and gives its full name."""
        self._ask("PUT", f"{PROJECT}/topics/{name}", {})
        return f"{PROJECT}/topics/{name}"

    def push(self, topic: str, endpoint: str, name: str = "pushes", **more: Any) -> str:
        """A subscription that posts each message to ``endpoint``; ``more``: as in the API."""
        self._ask(
            "PUT", f"{PROJECT}/subscriptions/{name}", {"topic": topic, "pushConfig": {"pushEndpoint": endpoint}, **more}
        )
        return f"{PROJECT}/subscriptions/{name}"

    def pull(self, topic: str, name: str) -> str:
        """A subscription whose messages wait to be fetched."""
        self._ask("PUT", f"{PROJECT}/subscriptions/{name}", {"topic": topic})
        return f"{PROJECT}/subscriptions/{name}"

    def fetched(self, subscription: str) -> list[Mapping[str, Any]]:
        """Messages that wait there; they are acknowledged."""
        answer = self._ask("POST", f"{subscription}:pull", {"maxMessages": 100, "returnImmediately": True})
        received = answer.get("receivedMessages", [])
        if received:
            self._ask("POST", f"{subscription}:acknowledge", {"ackIds": [each["ackId"] for each in received]})
        return [each["message"] for each in received]

    def publish(self, topic: str, data: bytes, **attributes: str) -> None:
        message = {"data": b64encode(data).decode(), "attributes": attributes}
        self._ask("POST", f"{topic}:publish", {"messages": [message]})

    def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        response = self._http.request(method, path, json=body)
        response.raise_for_status()
        answer: Mapping[str, Any] = response.json()
        return answer

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the Pub/Sub emulator ended"
        with suppress(httpx.TransportError):
            return self._http.get(f"{PROJECT}/topics").status_code == 200
        return False
