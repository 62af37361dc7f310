"""A folder of novels on this machine. Reads, and writes nothing."""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Container, Iterator, Sequence

from novelsync.errors import BookRefused
from novelsync.models.source import BOOK_FILE, SourceFile, TextFile, novel_of
from novelsync.storage import local_texts
from novelsync.storage.local_files import OPEN_FLAGS, disk_failure, read_version
from novelsync.storage.local_listing import LEADS_OUT, LocalFolder

SETTLING_SECONDS = 2
"""A file younger than this may not be complete yet; crawlers flush their buffers far more often."""

_SEPARATORS = re.escape(os.sep + (os.altsep or ""))


class LocalStorage:
    """A `novelsync.contracts.storages.Storage` over ``<folder>/<slug>/book_info.json``."""

    def __init__(self, location: str, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = LocalFolder(location)
        self.location = self._folder.location
        self._clock_ns = clock_ns

    def listing(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[SourceFile]:
        return map(novel_of, self.lines(with_texts, stray))

    def lines(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[str]:
        return self._folder.lines(with_texts, stray)

    def find(self, slug: str) -> SourceFile | None:
        # Slugs come from callers too, and none may reach outside the folder.
        if not slug or slug.startswith(".") or re.search(rf"[{_SEPARATORS}\0\ud800-\udfff]", slug):
            return None
        return self._folder.find(slug)

    def read(self, novel: SourceFile) -> bytes | None:
        if novel.unreadable:
            raise BookRefused(
                [f"{BOOK_FILE} cannot be read: {novel.unreadable}"], "replace it with a plain, readable file"
            )
        try:
            return read_version(self._open(novel.slug), novel.version, novel.size)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise BookRefused([f"{BOOK_FILE} cannot be read: permission denied"], "make it readable") from error
        except OSError as error:
            raise disk_failure(novel.slug, BOOK_FILE, error) from error

    def texts(self, slug: str) -> list[TextFile]:
        return [TextFile(*file) for file in sorted(self._folder.files_beside(slug))]

    def read_texts(self, slug: str, files: Sequence[TextFile]) -> Iterator[tuple[TextFile, bytes | str]]:
        try:
            yield from local_texts.read(self._folder.prefix + slug, files)
        except OSError as error:
            raise disk_failure(slug, "a text", error) from error

    def slug_of(self, bucket: str, name: str) -> str | None:
        return None

    def folder_of(self, bucket: str, name: str) -> str | None:
        return None

    def settling(self, novel: SourceFile) -> bool:
        modified_ns = int(novel.version.rsplit("-", 2)[0], 16) if novel.version else 0
        return abs(self._clock_ns() - modified_ns) < SETTLING_SECONDS * 1_000_000_000

    def _open(self, slug: str) -> int:
        """
        Opens the file and returns its descriptor. Links are followed only inside the storage folder.

        Raises `BookRefused` if one leads out, and `OSError`.
        """
        folder = self._folder.prefix + slug
        try:
            descriptor = os.open(f"{folder}{os.sep}{BOOK_FILE}", OPEN_FLAGS)
        except OSError as error:
            if error.errno != errno.ELOOP:  # O_NOFOLLOW: the file itself is a link
                raise
        else:
            if not stat.S_ISLNK(os.lstat(folder).st_mode):
                return descriptor
            os.close(descriptor)
        path = self._folder.inside(self._folder.root / slug / BOOK_FILE)
        if path is None:
            raise BookRefused([f"{BOOK_FILE} cannot be read: {LEADS_OUT}"], "replace it with a plain, readable file")
        return os.open(path, OPEN_FLAGS)
