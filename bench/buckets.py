"""
What an hour without changes costs with a bucket: requests, bytes, and processor time on this side.

It says nothing about how long Cloud Storage takes to answer, because a small server takes its place.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from bench.results import Table
from novelsync.planning.listing import Listing
from novelsync.storage.gcs import GcsStorage
from tests.support.bucket import Answer, Bucket

SIZES = (1_000, 10_000, 100_000)
PAGE = 1_000


def main(_folder: Path) -> Iterator[Table]:
    columns = ["", "requests", "bytes received", "seconds of one processor"]
    rows = []
    for novels in SIZES:
        requests, received, busy = listing(novels)
        rows.append([f"{novels:,} novels", f"{requests:,}", f"{received:,}", f"{busy:.2f}"])
    yield Table("One listing of a bucket", columns, rows)


def listing(novels: int, texts: int = 0) -> tuple[int, int, float]:
    """Requests, bytes received, and seconds of one processor on this side. ``texts``: other files of each novel."""
    # The server in a process of its own, so that it does not share the interpreter's lock.
    processes = get_context("spawn")
    ours, its = processes.Pipe()
    server = processes.Process(target=serve, args=(novels, texts, its))
    server.start()
    client = storage.Client("a-project", AnonymousCredentials(), client_options={"api_endpoint": ours.recv()})  # type: ignore[no-untyped-call]
    busy = time.process_time()
    with_texts = {f"novel-{n:06d}" for n in range(novels)} if texts else ()
    found = len(Listing(GcsStorage("gs://novels/library", lambda: client).lines(with_texts)))
    busy = time.process_time() - busy
    ours.send("done")
    requests, received = ours.recv()
    server.join()
    if found != novels:
        raise SystemExit(f"{found} of {novels} novels were listed")
    return requests, received, busy


def reading(novels: int, texts: int, size: int, delay: float) -> tuple[float, int, float]:
    """
    Seconds, requests, and seconds of one processor on this side, for the texts of so many novels at once.

    ``size``: bytes of a text. ``delay``: seconds that each answer takes.
    """
    processes = get_context("spawn")
    ours, its = processes.Pipe()
    server = processes.Process(target=serve_slowly, args=(novels, texts, size, delay, its))
    server.start()
    client = storage.Client("a-project", AnonymousCredentials(), client_options={"api_endpoint": ours.recv()})  # type: ignore[no-untyped-call]
    bucket = GcsStorage("gs://novels/library", lambda: client)
    files = {slug: bucket.texts(slug) for slug in (f"novel-{n:06d}" for n in range(novels))}
    busy, start = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(novels) as pool:
        found = sum(pool.map(lambda slug: sum(len(data) for _, data in bucket.read_texts(slug, files[slug])), files))
    took, busy = time.perf_counter() - start, time.process_time() - busy
    ours.send("done")
    requests = ours.recv()
    server.join()
    if found != novels * texts * size:
        raise SystemExit(f"{found} of {novels * texts * size} bytes were read")
    return took, requests, busy


def serve_slowly(novels: int, texts: int, size: int, delay: float, connection: Connection) -> None:
    """Serves such a bucket in a process of its own, like `serve`; sends how many texts were asked for."""
    with Bucket() as bucket:
        for novel in range(novels):
            for text in range(texts):
                bucket.put(f"library/novel-{novel:06d}/{text}.html", b"x" * size)
        bucket.answer = lambda path, query: time.sleep(delay)
        connection.send(bucket.url)
        connection.recv()
        connection.send(sum("alt=media" in request for request in bucket.requests))


def serve(novels: int, texts: int, connection: Connection) -> None:
    """
    Serves a bucket of ``novels`` novels with ``texts`` other files each, in a process of its own.

    Sends the server's URL; once anything is received, sends the number of listing requests and the bytes of their
    answers, and ends.
    """
    with Bucket() as bucket:
        folder = [*sorted(f"{n}.html" for n in range(texts)), "book_info.json"]
        names = [f"library/novel-{n:06d}/{name}" for n in range(novels) for name in folder]
        bucket.objects = dict.fromkeys(names, (1_700_000_000_000_000, b"{}"))
        pages = {}
        for start in range(0, len(names), PAGE):
            page: dict[str, object] = {"items": [bucket._described(name) for name in names[start : start + PAGE]]}
            if start + PAGE < len(names):
                page["nextPageToken"] = str(start + PAGE)
            pages[str(start)] = json.dumps(page).encode()
        sent: list[int] = []

        def answer(path: str, query: dict[str, str]) -> Answer | None:
            if not path.endswith("/o"):
                return None  # Google's library asks for the bucket itself, too
            sent.append(len(pages[query.get("pageToken", "0")]))
            return 200, pages[query.get("pageToken", "0")]

        bucket.answer = answer
        connection.send(bucket.client()._connection.API_BASE_URL)
        connection.recv()
        connection.send((len(sent), sum(sent)))
