"""A folder of novels on this machine. Reads, and never writes anything but the empty folder itself."""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from novelsync.errors import BookRefused, ConfigurationError, StorageUnavailable
from novelsync.models.source import SourceFile

FILE = "book_info.json"

SETTLING_SECONDS = 2
"""A younger file may still be being written; crawlers flush a buffer far more often than that."""

LEADS_OUT = "it is a link that leads out of the storage folder"

# Not every platform has these; where they are missing, the checks around them still hold.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_SEPARATORS = re.escape(os.sep + (os.altsep or ""))

log = structlog.get_logger()


class LocalStorage:
    """A `novelsync.contracts.Storage` over ``<folder>/<slug>/book_info.json``."""

    def __init__(self, location: str, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.location = os.fsencode(location).decode("utf-8", "backslashreplace")
        self._root = Path(location)
        self._before_names = f"{self._root}{os.sep}"
        self._clock_ns = clock_ns

    def listing(self) -> Iterator[SourceFile]:
        before_names, lstat, is_plain, version_of = self._before_names, os.lstat, stat.S_ISREG, _version
        folders, unusual = self._folders()
        folders.sort()  # by code points, whose order is that of their UTF-8
        for folder in folders:
            slug = folder[:-1]
            # Almost all of 100,000 are plain files, so they are not handed around.
            try:
                status = lstat(before_names + folder + FILE)
                plain = is_plain(status.st_mode) and slug not in unusual
            except OSError:
                plain = False
            if plain:
                yield SourceFile(slug, version_of(status), status.st_size)
            elif novel := self._look_at(slug, *unusual.get(slug, (slug, False))):
                yield novel

    def find(self, slug: str) -> SourceFile | None:
        # Only a plain name: no slug reaches outside the folder, whoever asks for it.
        if not slug or slug.startswith(".") or re.search(rf"[{_SEPARATORS}\0\ud800-\udfff]", slug):
            return None
        return self._look_at(slug, slug, (self._root / slug).is_symlink())

    def read(self, novel: SourceFile) -> bytes | None:
        if novel.unreadable:
            raise BookRefused([f"{FILE} cannot be read: {novel.unreadable}"], "let it be a plain, readable file")
        try:
            descriptor = self._open(novel.slug)
            try:
                # The version has the inode in it, so this is the file that was looked at, wherever links lead by now.
                if _version(os.fstat(descriptor)) != novel.version:
                    return None
                data = _content(descriptor, novel.size)
                same = len(data) == novel.size and _version(os.fstat(descriptor)) == novel.version
                return data if same else None
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise BookRefused([f"{FILE} cannot be read: permission denied"], "make it readable") from error
        except OSError as error:
            raise StorageUnavailable(
                f"{novel.slug}/{FILE} could not be read: {error.strerror}", "is the disk well and mounted?"
            ) from error

    def slug_of(self, bucket: str, name: str) -> str | None:
        return None

    def settling(self, novel: SourceFile) -> bool:
        modified_ns = int(novel.version.rsplit("-", 2)[0], 16) if novel.version else 0
        return abs(self._clock_ns() - modified_ns) < SETTLING_SECONDS * 1_000_000_000

    def _open(self, slug: str) -> int:
        folder = self._before_names + slug
        try:
            descriptor = os.open(f"{folder}{os.sep}{FILE}", _OPEN_FLAGS)
        except OSError as error:
            if error.errno != errno.ELOOP:  # the file itself is a link
                raise
        else:
            if not stat.S_ISLNK(os.lstat(folder).st_mode):
                return descriptor
            os.close(descriptor)
        path = self._inside(self._root / slug / FILE)
        if path is None:
            raise BookRefused([f"{FILE} cannot be read: {LEADS_OUT}"], "let it be a plain, readable file")
        return os.open(path, _OPEN_FLAGS)

    def _folders(self) -> tuple[list[str], dict[str, tuple[str, bool]]]:
        """
        ``slug/`` of all that may be novels; and for the slugs of links and of names that are not UTF-8, which are other
        than their slugs: the name, and whether it is a link.
        """
        folders: list[str] = []
        unusual: dict[str, tuple[str, bool]] = {}
        undecodable: list[tuple[str, str, bool]] = []
        try:
            if self._root.is_symlink() and not self._root.exists():
                raise StorageUnavailable(f"the storage {self.location} is a link to nothing", "is the disk mounted?")
            if not self._root.exists():
                self._root.mkdir(parents=True)
                log.warning("storage_created", path=self.location, hint="it did not exist; put novels into it")
            with os.scandir(self._root) as entries:
                for entry in entries:
                    name, linked = entry.name, entry.is_symlink()
                    if name.startswith(".") or name == "lost+found":
                        continue
                    slug = name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
                    if slug != name:
                        undecodable.append((slug, name, linked))
                        continue
                    folders.append(f"{slug}/")
                    if linked:
                        unusual[slug] = name, True
        except (NotADirectoryError, FileExistsError) as error:
            raise ConfigurationError(
                f"the storage {self.location} is a file, not a folder",
                "set NOVELSYNC_STORAGE to the folder that holds <slug>/book_info.json",
            ) from error
        except OSError as error:
            raise StorageUnavailable(
                f"the storage {self.location} could not be listed: {error.strerror}", "is it mounted and readable?"
            ) from error

        # Should one name spell out another's escapes, the name that is UTF-8 has the slug.
        taken = set(folders) if undecodable else set()
        for slug, name, linked in undecodable:
            if f"{slug}/" not in taken:
                folders.append(f"{slug}/")
                taken.add(f"{slug}/")
                unusual[slug] = name, linked
        return folders, unusual

    def _look_at(self, slug: str, name: str, linked: bool) -> SourceFile | None:
        """The novel in the folder ``name``, None if there is none in it."""
        folder = self._before_names + name
        try:
            status = os.lstat(f"{folder}{os.sep}{FILE}")  # without Path: 100,000 times per listing
            if linked or stat.S_ISLNK(status.st_mode):
                if self._inside(Path(folder, FILE)) is None:
                    return SourceFile(slug, _version(status), status.st_size, unreadable=LEADS_OUT)
                status = Path(folder, FILE).stat()
        except (FileNotFoundError, NotADirectoryError):
            return self._dangling(slug, Path(folder, FILE))
        except PermissionError:
            return SourceFile(slug, "", 0, unreadable="permission denied")
        except OSError as error:
            if error.errno == errno.ELOOP:
                return SourceFile(slug, "", 0, unreadable="it is a link that leads round in a circle")
            raise StorageUnavailable(
                f"{slug}/{FILE} could not be looked at: {error.strerror}", "is the disk well and mounted?"
            ) from error
        if not stat.S_ISREG(status.st_mode):
            return None
        unreadable = "" if slug == name else "the folder's name is not UTF-8"
        return SourceFile(slug, _version(status), status.st_size, unreadable=unreadable)

    def _dangling(self, slug: str, path: Path) -> SourceFile | None:
        # A link to nowhere is a novel that cannot be read (a disk that is not mounted), not one that is gone.
        if path.is_symlink() or path.parent.is_symlink():
            return SourceFile(slug, "", 0, unreadable="it is a link to nothing")
        return None

    def _inside(self, path: Path) -> Path | None:
        """The path without links, None if it leads out of the folder."""
        real = Path(os.path.realpath(path, strict=True))  # Path.resolve raises a RuntimeError for links in a circle
        return real if real.is_relative_to(self._root.resolve()) else None


def _content(descriptor: int, size: int) -> bytes:
    """All there is; one byte more than ``size``, if it has grown."""
    data = os.read(descriptor, size + 1)
    while len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
        data += more  # file systems over a network, and files of more than 2 GB
    return data


def _version(status: os.stat_result) -> str:
    # With %, because it is faster by a third than f"{…:x}", and a listing does it 100,000 times.
    return "%x-%x-%x" % (status.st_mtime_ns, status.st_size, status.st_ino)  # noqa: UP031
