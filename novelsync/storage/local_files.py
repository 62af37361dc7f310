"""How a file of this machine is opened, read whole, and told from its other versions."""

import os
from typing import Final

from novelsync.errors import StorageUnavailable

# Not every platform has these; where they are missing, the checks around them still hold.
OPEN_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


def content(descriptor: int, size: int) -> bytes:
    """What is left in the file, but at most one byte more than ``size``: that shows that it has grown."""
    data = os.read(descriptor, size + 1)
    # One read may return less: on network file systems, and beyond 2 GB.
    while len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
        data += more
    return data


def read_version(descriptor: int, version: str, size: int) -> bytes | None:
    """The whole file, and closes it; None if it is not that version of it, or changed while it was read."""
    try:
        # The version includes the inode, so this is the file that was listed, even if links have changed since.
        if version_of(os.fstat(descriptor)) != version:
            return None
        data = content(descriptor, size)
        return data if len(data) == size and version_of(os.fstat(descriptor)) == version else None
    finally:
        os.close(descriptor)


def version_of(status: os.stat_result) -> str:
    """Another one whenever the file is written: time, size and inode."""
    # % is a third faster than f"{…:x}", and a listing does this 100,000 times.
    return "%x-%x-%x" % (status.st_mtime_ns, status.st_size, status.st_ino)  # noqa: UP031


def disk_failure(slug: str, what: str, error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"{slug}/{what} could not be read: {error.strerror}", "is the disk mounted and healthy?")
