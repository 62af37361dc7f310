"""The files beside a novel's ``book_info.json`` in a folder of this machine. Reads, and writes nothing."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
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
    """See `novelsync.contracts.Storage.read_texts`. Raises `OSError` for what is neither missing nor forbidden."""
    root = os.path.realpath(folder)
    for file in files:
        yield file, file.unreadable or _read(root, file)


def _read(root: str, file: TextFile) -> bytes | str:
    real = os.path.realpath(os.path.join(root, file.path))  # noqa: PTH118 — as above
    if not real.startswith(root + os.sep):
        return LEADS_OUT
    try:
        data = read_version(os.open(real, OPEN_FLAGS), file.version, file.size)
    except (FileNotFoundError, NotADirectoryError):
        return _CHANGED
    except PermissionError:
        return _DENIED
    return _CHANGED if data is None else data
