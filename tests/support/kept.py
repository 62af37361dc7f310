"""A storage of each kind, and how a crawler writes into it."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage as google

from novelsync.contracts.storages import Storage
from novelsync.storage.gcs import GcsStorage
from novelsync.storage.local import LocalStorage
from tests.support.bucket import Bucket
from tests.support.library import Library

KINDS = ("folder", "bucket", "emulator")


@dataclass
class Kept:
    """A storage, and how a crawler writes into it."""

    storage: Storage
    put: Callable[[str, bytes], Any]
    """Writes a file: its path from the storage on, and what is in it."""
    remove: Callable[[str], Any]
    """Removes a file."""

    def write(self, slug: str, data: bytes) -> None:
        """Writes a novel's file."""
        self.put(f"{slug}/book_info.json", data)


@contextmanager
def kept_in(kind: str, library: Library, page_size: int = 2) -> Iterator[Kept]:
    """``kind``: one of `KINDS`; the folder is the library's. ``page_size``: of a bucket's listings."""
    if kind == "folder":

        def put(path: str, data: bytes) -> None:
            file = library.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            # Under another name first, as a careful crawler does, and a minute ago.
            fresh = file.with_name(f".{file.name}")
            fresh.write_bytes(data)
            a_minute_ago = time.time_ns() - 60 * 1_000_000_000
            os.utime(fresh, ns=(a_minute_ago, a_minute_ago))
            fresh.rename(file)

        yield Kept(LocalStorage(str(library.folder)), put, lambda path: (library.folder / path).unlink())
    elif kind == "bucket":
        with Bucket(page_size=page_size) as bucket:
            yield Kept(
                GcsStorage("gs://novels/library", bucket.client),
                lambda path, data: bucket.put(f"library/{path}", data),
                lambda path: bucket.objects.pop(f"library/{path}"),
            )
    else:
        with emulated() as bucket:
            yield Kept(
                GcsStorage("gs://novels/library", lambda: bucket.client),
                lambda path, data: bucket.blob(f"library/{path}").upload_from_string(data),
                lambda path: bucket.blob(f"library/{path}").delete(),
            )


@contextmanager
def emulated() -> Iterator[Any]:
    """A bucket called novels of gcp-storage-emulator."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    client = google.Client(
        "a-project", AnonymousCredentials(), client_options={"api_endpoint": f"http://127.0.0.1:{port}"}
    )
    try:
        yield client.create_bucket("novels")
    finally:
        client.close()
        server.stop()
