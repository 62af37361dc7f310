"""Where novels are read from."""

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Protocol

from novelsync.models.source import SourceFile, TextFile


class Storage(Protocol):
    """Where crawlers keep ``<slug>/book_info.json``."""

    @property
    def location(self) -> str:
        """The setting as it was written, to be shown to people."""

    def listing(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[SourceFile]:
        """
        Every novel once, in the order of the bytes of ``slug + "/"``; no file is opened.

        ``with_texts``: novels of which all other files of the folder count too, because they may be its texts.
        ``stray``: called with each folder that has files and no ``book_info.json``, and the name of one of them; a
        bucket looks only at the objects it needs, and so may miss some.
        Raises `StorageUnavailable` if anything stops the listing: what a complete one lacks may be removed, so a
        partial one must never look complete. A file that is there but cannot be read is listed, with the reason.
        """

    def lines(
        self, with_texts: Container[str] = (), stray: Callable[[str, str], object] = lambda slug, file: None
    ) -> Iterator[str]:
        """The same, each novel as `novelsync.models.source.line_of` writes it."""

    def read(self, novel: SourceFile) -> bytes | None:
        """
        The bytes of exactly the listed version; None if that version is no longer there.

        Raises `BookRefused` if the file is there but cannot be read, `StorageUnavailable` if the storage cannot be
        asked.
        """

    def settling(self, novel: SourceFile) -> bool:
        """Whether the file was written so recently that it may not be complete yet."""

    def find(self, slug: str) -> SourceFile | None:
        """One novel as a listing would have it; None if there is none. Raises `StorageUnavailable`."""

    def slug_of(self, bucket: str, name: str) -> str | None:
        """The novel whose file that object of a bucket is; None if it is of no novel in here. Makes no call."""

    def folder_of(self, bucket: str, name: str) -> str | None:
        """The novel in whose folder that object of a bucket is, likewise."""

    def texts(self, slug: str) -> Sequence[TextFile]:
        """All other files in a novel's folder; none if there is no such folder. Raises `StorageUnavailable`."""

    def read_texts(self, slug: str, files: Sequence[TextFile]) -> Iterator[tuple[TextFile, bytes | str]]:
        """
        The bytes of exactly these versions, in any order; or why one cannot be read: it changed meanwhile, permissions.

        Raises `StorageUnavailable` if the storage cannot be asked.
        """
