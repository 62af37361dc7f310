"""A bucket of Cloud Storage, or what is below a prefix in it. Reads, and never writes."""

import re
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from typing import Any, Final

import google_crc32c
from google.api_core import exceptions as api
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from novelsync.errors import BookRefused, ConfigurationError, StorageUnavailable
from novelsync.gcp.errors import AWAY, LOGIN_HINT, REFUSED_CREDENTIALS, credentials_needed
from novelsync.models.source import BOOK_FILE, SourceFile, TextFile, line_of, texts_digest
from novelsync.text.formatting import one_line

_FIELDS: Final = "items(name,generation,size,crc32c),nextPageToken"
"""All that a listing needs of each object, and the token, without which there would be no second page."""

_READS_AT_ONCE: Final = 16
"""Of texts, of all novels together: each request waits some 20 ms for its answer."""

_CONNECTIONS: Final = _READS_AT_ONCE + 10
"""
That are kept open. Google's client keeps ten, for listings and files enough; with more threads it would close and open
connections all the time, and warn of that.
"""

_BYTES_AHEAD: Final = 4_000_000
"""Of texts of one novel that were asked for and not taken yet; a larger one is read alone."""

_GLOB_CHARACTERS: Final = re.compile(r"([*?\[\]{}\\])")


class GcsStorage:
    """A `novelsync.contracts.storages.Storage` over ``gs://<bucket>/<prefix>/<slug>/book_info.json``."""

    def __init__(
        self, location: str, make_client: Callable[[], storage.Client] = storage.Client, patience: float = 120
    ) -> None:
        """
        ``location``: ``gs://bucket`` or ``gs://bucket/prefix``. ``make_client`` is called by the first request.

        ``patience``: seconds for which a failed request is retried; 120 is the default of Google's library.
        """
        self.location = location
        bucket, _, prefix = location.removeprefix("gs://").partition("/")
        if not location.startswith("gs://") or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", bucket):
            raise ConfigurationError(
                f"NOVELSYNC_STORAGE is {location}, and that names no bucket", "write it as gs://bucket/prefix"
            )
        self._bucket_name = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._make_client = make_client
        self._retry = DEFAULT_RETRY.with_timeout(patience)
        # One for all novels that are read at the same time. It starts its threads when they are needed.
        self._reads = ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="text")

    @cached_property
    def _bucket(self) -> storage.Bucket:
        with credentials_needed(self.location):
            client = self._make_client()
        for adapter in client._http.adapters.values():
            adapter.init_poolmanager(connections=_CONNECTIONS, maxsize=_CONNECTIONS)
        return client.bucket(self._bucket_name)

    def listing(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[SourceFile]:
        with self._translated_errors("listed"):
            # Without texts Cloud Storage sends only the files: a page for 1,000 novels, whatever else they have.
            glob = f"{_escaped(self._prefix)}*/{BOOK_FILE}"
            blobs = self._blobs(self._prefix) if with_texts else self._blobs(self._prefix, match_glob=glob)
            found = self._novels(blobs, with_texts, stray)
            if not found and not with_texts:
                # And so it hides everything in another layout. One page shows whether there is anything.
                self._novels(self._blobs(self._prefix, max_results=1_000), (), stray)
            if not found and self._prefix and not self._has_objects(self._prefix) and self._has_objects():
                raise ConfigurationError(
                    f"there is nothing under {self.location}, and the bucket has other objects",
                    "check the prefix in NOVELSYNC_STORAGE: below it are <slug>/book_info.json",
                )
        # Cloud Storage lists in this order too, but planning must not depend on that.
        yield from sorted(found, key=lambda novel: f"{novel.slug}/".encode())

    def lines(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[str]:
        return map(line_of, self.listing(with_texts, stray))

    def _novels(
        self, blobs: Iterable[storage.Blob], with_texts: Container[str], stray: Callable[[str, str], object]
    ) -> list[SourceFile]:
        found: list[SourceFile] = []
        for slug, folder in groupby(blobs, key=lambda blob: self._folder(blob.name)):
            objects = list(folder)
            novel = next((novel for blob in objects if (novel := self._novel(blob))), None)
            files = self._text_files(slug, objects)
            if novel and slug in with_texts:
                found.append(novel._replace(texts=texts_digest(files), text_bytes=sum(file.size for file in files)))
            elif novel:
                found.append(novel)
            elif files and not slug.startswith("."):
                stray(slug, min(files, key=lambda file: (not file.path.endswith(".json"), file.path)).path)
        return found

    def _blobs(self, prefix: str, **options: Any) -> Iterator[storage.Blob]:
        yield from self._bucket.list_blobs(prefix=prefix or None, fields=_FIELDS, retry=self._retry, **options)

    def _text_files(self, slug: str, blobs: Iterable[storage.Blob]) -> list[TextFile]:
        """All objects of a novel's folder but its file, hidden ones and those that stand for folders."""
        start = len(self._prefix) + len(slug) + 1
        names = ((blob.name[start:], blob) for blob in blobs)
        return [
            TextFile(path, str(blob.generation), int(blob.size))
            for path, blob in names
            if path and path != BOOK_FILE and not path.endswith("/") and not re.search(r"(?:\A|/)\.", path)
        ]

    def find(self, slug: str) -> SourceFile | None:
        # Slugs come from callers too, and none may reach outside the prefix.
        if not _is_slug(slug):
            return None
        with self._translated_errors("looked at"):
            blob = self._bucket.get_blob(self._name(slug), retry=self._retry)
            if blob is None:
                self._has_objects(self._prefix)  # where there is no bucket, nothing is missing from it
        return self._novel(blob) if blob else None

    def slug_of(self, bucket: str, name: str) -> str | None:
        slug = self._folder(name)
        return slug if bucket == self._bucket_name and name == self._name(slug) and _is_slug(slug) else None

    def folder_of(self, bucket: str, name: str) -> str | None:
        slug = self._folder(name)
        inside = name.startswith(f"{self._prefix}{slug}/")
        return slug if bucket == self._bucket_name and inside and _is_slug(slug) else None

    def _folder(self, name: str) -> str:
        return name.removeprefix(self._prefix).partition("/")[0]

    def texts(self, slug: str) -> list[TextFile]:
        with self._translated_errors("listed"):
            return self._text_files(slug, self._blobs(f"{self._prefix}{slug}/"))

    def read_texts(self, slug: str, files: Sequence[TextFile]) -> Iterator[tuple[TextFile, bytes | str]]:
        """A few at a time, because a request mostly waits; no faster than they are taken, so that few are in memory."""
        left = deque(files)
        reading: deque[tuple[int, Future[tuple[TextFile, bytes | str]]]] = deque()
        ahead = 0
        try:
            while left or reading:
                while left and len(reading) < _READS_AT_ONCE and not (reading and ahead + left[0].size > _BYTES_AHEAD):
                    file = left.popleft()
                    reading.append((file.size, self._reads.submit(self._read_text, slug, file)))
                    ahead += file.size
                size, read = reading.popleft()
                file, data = read.result()
                ahead -= size
                yield file, data
        finally:
            # Nobody takes them any more; those that have begun are waited for, so that none outlives its run.
            wait([read for _, read in reading if not read.cancel()])

    def _read_text(self, slug: str, file: TextFile) -> tuple[TextFile, bytes | str]:
        blob = self._bucket.blob(f"{self._prefix}{slug}/{file.path}")
        with self._translated_errors("read"):
            try:
                data: bytes = blob.download_as_bytes(
                    if_generation_match=int(file.version), raw_download=True, retry=self._retry
                )
            except (api.NotFound, api.PreconditionFailed):
                return file, "it changed while it was read"
            except api.Forbidden:
                return file, "permission denied"
        if len(data) != file.size:
            raise StorageUnavailable(
                f"{slug}/{file.path} did not arrive as it is stored: {len(data):,} of {file.size:,} bytes",
                "the next run tries again",
            )
        return file, data

    def read(self, novel: SourceFile) -> bytes | None:
        blob = self._bucket.blob(self._name(novel.slug))
        with self._translated_errors("read"):
            try:
                # The checksum is compared below, because the library does not check what it gets in several pieces.
                data: bytes = blob.download_as_bytes(
                    if_generation_match=int(novel.version), checksum=None, raw_download=True, retry=self._retry
                )
            except (api.NotFound, api.PreconditionFailed):
                return None
            except api.Forbidden as error:
                raise BookRefused([f"{BOOK_FILE} cannot be read: permission denied"], "make it readable") from error
        if _crc32c(data) != novel.checksum:
            raise StorageUnavailable(
                f"{novel.slug}/{BOOK_FILE} did not arrive as it is stored: {len(data):,} bytes with another checksum",
                "the next run tries again",
            )
        return data

    def settling(self, novel: SourceFile) -> bool:
        """Never: Cloud Storage shows an object once it is complete."""
        return False

    def _has_objects(self, prefix: str | None = None) -> bool:
        return any(self._bucket.list_blobs(prefix=prefix, max_results=1, fields=_FIELDS, retry=self._retry))

    def _name(self, slug: str) -> str:
        return f"{self._prefix}{slug}/{BOOK_FILE}"

    def _novel(self, blob: storage.Blob) -> SourceFile | None:
        slug = self.slug_of(self._bucket_name, blob.name)
        if slug is None:
            return None
        return SourceFile(slug, str(blob.generation), int(blob.size), f"crc32c:{blob.crc32c}")

    @contextmanager
    def _translated_errors(self, done: str) -> Iterator[None]:
        """Lets no exception of Google's libraries out. ``done``: what could not be done, for the message."""
        try:
            yield
        except api.NotFound as error:
            raise ConfigurationError(
                f"there is no bucket {self._bucket_name}", "set NOVELSYNC_STORAGE to gs://bucket/prefix"
            ) from error
        except api.Forbidden as error:
            raise ConfigurationError(
                f"{self.location} could not be {done}: permission denied",
                f"give the service account roles/storage.objectViewer on gs://{self._bucket_name}",
            ) from error
        except REFUSED_CREDENTIALS as error:
            raise ConfigurationError(
                f"{self.location} could not be {done}: the credentials are refused: {one_line(error)}", LOGIN_HINT
            ) from error
        except AWAY as error:
            raise StorageUnavailable(
                f"{self.location} could not be {done}: {one_line(error)}", "the next run tries again"
            ) from error


def _is_slug(slug: str) -> bool:
    return bool(slug) and not slug.startswith(".") and not re.search(r"[/\\\0]", slug)


def _escaped(prefix: str) -> str:
    return _GLOB_CHARACTERS.sub(r"\\\1", prefix)


def _crc32c(data: bytes) -> str:
    return f"crc32c:{b64encode(google_crc32c.Checksum(data).digest()).decode()}"  # type: ignore[no-untyped-call]
