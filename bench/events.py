"""
The time from an object's upload to the row that readers see, with emulators of Cloud Storage and Pub/Sub, the function
``novel_changed`` and PostgREST.

The bench itself publishes the notification of each upload, because the emulator of Cloud Storage does not.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import httpx
from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from bench.parts import Rest, database, rest
from bench.results import Table
from tests.support.pubsub_emulator import PubSubEmulator
from tests.support.serving import ROOT, served

TIMES = 100
TEXT = "It was so, and nothing else was. " * 180


def main(folder: Path) -> Iterator[Table]:
    with database() as conninfo, rest(conninfo) as api, _bucket() as (url, bucket), PubSubEmulator() as pubsub:
        settings = {
            "NOVELSYNC_STORAGE": "gs://novels/library",
            "STORAGE_EMULATOR_HOST": url,
            "SUPABASE_URL": api.url,
            "SUPABASE_SECRET_KEY": api.secret_key,
        }
        with served("novel_changed", folder / "log", folder=ROOT, **settings) as function:
            topic = pubsub.topic("novels")
            pubsub.push(topic, f"{function.base_url}/")
            times = [_until_it_is_read(bucket, pubsub, topic, api, n) for n in range(TIMES + 1)][1:]
    rows = [[f"{TIMES} uploads of a novel of 20 chapters", f"{median(times):,.0f}", f"{max(times):,.0f}"]]
    columns = ["", "median, ms", "worst, ms"]
    yield Table("From an upload to the new chapter over the API, with the publishable key", columns, rows)


def _until_it_is_read(bucket: storage.Bucket, pubsub: PubSubEmulator, topic: str, api: Rest, n: int) -> float:
    """Milliseconds from uploading edition ``n`` of one of ten novels until its new chapter can be read."""
    slug = f"novel-{n % 10}"
    chapters = [{"title": f"{slug}, {k}", "number": k, "content": f"{slug}, {k}: {TEXT}"} for k in range(19)]
    chapters.append({"title": f"edition {n}", "number": 20, "content": f"{slug}, edition {n}: {TEXT}"})
    data = json.dumps({"title": slug, "chapters": chapters})
    blob = bucket.blob(f"library/{slug}/book_info.json")
    with httpx.Client(base_url=api.url, headers={"apikey": api.publishable_key}) as reader:
        start = time.perf_counter()
        blob.upload_from_string(data)
        attributes = {"bucketId": "novels", "objectId": blob.name, "objectGeneration": str(blob.generation)}
        pubsub.publish(topic, b"{}", eventType="OBJECT_FINALIZE", payloadFormat="JSON_API_V1", **attributes)
        query = {"title": f"eq.edition {n}", "select": "content"}
        while not reader.get("/rest/v1/chapters", params=query).json():
            if time.perf_counter() - start > 60:
                raise SystemExit(f"edition {n} of {slug} did not arrive within a minute")
            time.sleep(0.002)
        return (time.perf_counter() - start) * 1000


@contextmanager
def _bucket() -> Iterator[tuple[str, storage.Bucket]]:
    """The emulator's address, and a bucket in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # In a process of its own, so that it does not share the interpreter's lock.
    server = get_context("spawn").Process(target=_emulate, args=(port,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port}"
    client = storage.Client("a-project", AnonymousCredentials(), client_options={"api_endpoint": url})  # type: ignore[no-untyped-call]
    try:
        yield url, client.create_bucket("novels")
    finally:
        client.close()
        server.terminate()
        server.join()


def _emulate(port: int) -> None:
    create_server("127.0.0.1", port, in_memory=True).run()
