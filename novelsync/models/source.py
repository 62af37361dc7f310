"""What a storage lists."""

from typing import NamedTuple


class SourceFile(NamedTuple):
    """
    One novel as the storage lists it, before any file is opened.

    A tuple and not a dataclass, because a listing makes 100,000 of them.
    """

    slug: str
    version: str
    """Changes whenever the file is written: Cloud Storage's generation; locally mtime, size and inode."""
    size: int
    """Bytes."""
    checksum: str = ""
    """Of the file's bytes, where the storage knows it without reading them."""
    unreadable: str = ""
    """Why the file cannot be read, where the listing can tell already: a link that leads out, permissions."""
