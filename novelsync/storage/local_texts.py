"""The files beside a novel's ``book_info.json`` in a folder of this machine. Reads, and writes nothing."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Final

from novelsync.models.source import BOOK_FILE, TextFile
from novelsync.storage.local_files import OPEN_FLAGS, read_version, version_of

LEADS_OUT: Final = "it is a link that leads out of the novel's folder"
# How Python writes a byte that is not UTF-8.
_ESCAPED: Final = re.compile("[\udc80-\udcff]")

_DENIED: Final = "permission denied"
_CHANGED: Final = "it changed while it was read"

DEEPEST: Final = 50
"""Folders inside each other, so that a hostile tree exhausts nothing."""


def walk(folder: str, within: str = "") -> Iterator[tuple[str, str, int, str]]:
    """
    Path, version, size and why it is unreadable, of each file below a folder but for the ``book_info.json`` in it.

    Hidden files, and what is behind a link to a folder, are left out, and so is what goes while it is looked at: that
    is no reason to miss the others. Raises `OSError`.
    """
    try:
        entries = os.scandir(folder)
    except PermissionError:
        yield within, "", 0, _DENIED
        return
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            name = entry.name
            # A chapter cannot name a file whose name is not UTF-8.
            if name[0] == "." or (name == BOOK_FILE and not within) or not (name.isascii() or _is_utf8(name)):
                continue
            if entry.is_dir(follow_symlinks=False):
                if within.count("/") < DEEPEST:
                    yield from walk(entry.path, f"{within}{name}/")
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield within + name, version_of(status), status.st_size, ""
            elif stat.S_ISLNK(status.st_mode):
                yield from _linked(folder, within, name)


def _is_utf8(name: str) -> bool:
    return not _ESCAPED.search(name)


def _linked(folder: str, within: str, name: str) -> Iterator[tuple[str, str, int, str]]:
    """A link to a file inside the novel's folder is that file; one to a folder, or to nothing, is none."""
    path = os.path.join(folder, name)  # noqa: PTH118 — names that are not UTF-8 pass through
    try:
        real = Path(os.path.realpath(path, strict=True))
        status = real.stat()
    except OSError:
        return
    root = Path(folder, *([".."] * within.count("/"))).resolve()
    if not real.is_relative_to(root):
        yield within + name, "", 0, LEADS_OUT
    elif stat.S_ISREG(status.st_mode):
        yield within + name, version_of(status), status.st_size, ""


def read(folder: str, files: Sequence[TextFile]) -> Iterator[tuple[TextFile, bytes | str]]:
    """See `Storage.read_texts`. Raises `OSError` for what is neither missing nor forbidden."""
    root = os.path.realpath(folder)
    for within, some in groupby(files, key=lambda file: file.path.rpartition("/")[0]):
        with _opened(root, within) as parent:
            for file in some:
                yield file, file.unreadable or _read(root, parent, file)


@contextmanager
def _opened(root: str, within: str) -> Iterator[int | None]:
    """
    An open folder, so that the way to it is gone once for all files in it.

    None where that cannot be; then it is gone for each file, and that says what is wrong.
    """
    real = os.path.realpath(os.path.join(root, within))  # noqa: PTH118 — as above
    descriptor = None
    if os.open in os.supports_dir_fd and f"{real}{os.sep}".startswith(root + os.sep):
        with suppress(OSError):
            descriptor = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _read(root: str, parent: int | None, file: TextFile) -> bytes | str:
    try:
        descriptor = None if parent is None else _open_plain(parent, file.path.rpartition("/")[2])
        if descriptor is None:
            real = os.path.realpath(os.path.join(root, file.path))  # noqa: PTH118 — as above
            if not real.startswith(root + os.sep):
                return LEADS_OUT
            descriptor = os.open(real, OPEN_FLAGS)
        data = read_version(descriptor, file.version, file.size)
    except (FileNotFoundError, NotADirectoryError):
        return _CHANGED
    except PermissionError:
        return _DENIED
    return _CHANGED if data is None else data


def _open_plain(parent: int, name: str) -> int | None:
    """The descriptor of a file in an open folder; None if it is a link. Raises `OSError`."""
    try:
        return os.open(name, OPEN_FLAGS, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP:  # O_NOFOLLOW
            return None
        raise
