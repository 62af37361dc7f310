"""What a novel's source consists of: a folder, or a zip. Only reads, never more than it may, and follows no link."""

import codecs
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeVar

import msgspec

from novelsync.errors import BookRefused
from novelsync.storage.local_files import OPEN_FLAGS, content
from novelsync.text.formatting import one_line

T = TypeVar("T")

LINK_HINT: Final = "links are not followed; put the file itself in its place, or name the link's target as SOURCE"
_AGAIN: Final = "get the file again from where it came from, and try to open it with another program"

_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises for what is not a zip, or was damaged."""

_PIECE: Final = 1 << 20

_DIRECTORY_BYTES: Final = 32 << 20
"""Of a zip's list of files, which is read whole: more than 100,000 chapters need."""


class Budget:
    """How many bytes may still be read of one novel, unpacked."""

    def __init__(self, limit: int) -> None:
        self._limit = self.left = limit

    def take(self, size: int) -> None:
        """Raises `BookRefused` once it is all used up."""
        self.left -= size
        if self.left < 0:
            reason = f"there are more than {self._limit:,} bytes to read, unpacked"
            raise BookRefused([reason], "raise NOVELSYNC_MAX_FILE_BYTES if you trust where it comes from")


class Files(Protocol):
    """Names are paths with slashes, inside the folder or the zip."""

    path: Path
    budget: Budget

    def names(self) -> set[str]:
        """Of the files at the top."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if it is not there. Raises `BookRefused` for what may not or cannot be read."""


class Folder:
    """See `Files`."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.budget = Budget(limit)
        self._root = os.path.realpath(path)

    def names(self) -> set[str]:
        with translated_errors(self.path.name), os.scandir(self._root) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}

    def read(self, name: str) -> bytes | None:
        with translated_errors(name):
            return self._read(name)

    def _read(self, name: str) -> bytes | None:
        path = os.path.join(self._root, *name.split("/"))  # noqa: PTH118 — realpath gives strings
        if os.path.realpath(path) != path:
            raise BookRefused([f"{name} is a link, or leads out of the folder"], LINK_HINT)
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            self.budget.take(status.st_size)
            return content(descriptor, status.st_size)
        finally:
            os.close(descriptor)


class Archive:
    """See `Files`. Nothing is unpacked to disk, so no name in it can lead anywhere."""

    def __init__(self, path: Path, limit: int, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.budget = Budget(limit)
        self._archive = archive

    def names(self) -> set[str]:
        return {name for name in self._archive.namelist() if "/" not in name}

    def read(self, name: str) -> bytes | None:
        try:
            entry = self._archive.getinfo(name)
        except KeyError:
            return None
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise BookRefused([f"{name} is a link, or leads out of the folder"], LINK_HINT)
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            reason = f"{name} is encrypted, or packed in an unusual way"
            raise BookRefused([reason], "unpack it with another program, and name the folder")
        self.budget.take(entry.file_size)
        with translated_errors(name), self._archive.open(entry) as file:
            # In pieces: one read of all may unpack up to 2 GB before it looks at the size that the zip claims.
            return b"".join(iter(lambda: file.read(_PIECE), b""))


@contextmanager
def opened(path: Path, limit: int) -> Iterator[Files]:
    """
    The folder, or the zip, for as long as the block lasts. ``limit``: bytes that may be read of it, unpacked.

    Raises `BookRefused`.
    """
    if path.is_dir():
        yield Folder(path, limit)
        return
    if not path.is_file():
        raise BookRefused([f"{path.name} is neither a file nor a folder"], "name a folder or a file")
    with ExitStack() as stack:
        with translated_errors(path.name):
            file = stack.enter_context(path.open("rb"))
            archive = stack.enter_context(zipfile.ZipFile(_WithinBounds(file)))
        yield Archive(path, limit, archive)


class _WithinBounds:
    """The file of a zip, which says how long its list of files is and need not be right."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of files claims {size:,} bytes")
        return self._file.read(_DIRECTORY_BYTES if size < 0 else size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """``name``: of what is read in the block. Whatever goes wrong in it becomes a `BookRefused`."""
    try:
        yield
    except OSError as error:
        reason = f"{name} cannot be read: {(error.strerror or str(error)).lower()}"
        raise BookRefused([reason], "make it readable") from error
    except _BROKEN as error:
        raise BookRefused([f"{name} is a broken zip: {one_line(error) or type(error).__name__}"], _AGAIN) from error


def decode(name: str, data: bytes, shape: type[T]) -> T:
    """The JSON document in these bytes. Raises `BookRefused` for anything but that, and for another shape."""
    try:
        return msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"{name} is not what its program writes: {one_line(error)}"
        raise BookRefused([reason], "write it again with that program, or repair it") from error


def state_of(path: Path) -> str:
    """
    Another one whenever a file of the source has been written: a digest of names, sizes and times. Opens no file.

    Raises `OSError`.
    """
    digest = sha256()
    for name, status in sorted(_files_of(path, ""), key=lambda file: file[0]):
        digest.update(os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"))
    return digest.hexdigest()


def _files_of(path: Path | str, within: str) -> Iterator[tuple[str, os.stat_result]]:
    if not os.path.isdir(path):  # noqa: PTH112 — strings are faster, and an output has thousands of files
        yield within, os.stat(path)  # noqa: PTH116
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_of(entry.path, f"{within}{entry.name}/")
            # SQLite writes its -shm files even when it only reads.
            elif not entry.name.endswith("-shm"):
                yield within + entry.name, entry.stat(follow_symlinks=False)
