"""A folder on a disk that cannot read some files."""

from novelsync.errors import StorageUnavailable
from novelsync.models.source import SourceFile
from novelsync.storage.local import LocalStorage


class BadBlocks(LocalStorage):
    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.slugs: set[str] = set()
        """Of the novels whose files it cannot read."""

    def read(self, novel: SourceFile) -> bytes | None:
        if novel.slug in self.slugs:
            raise StorageUnavailable(f"{novel.slug} is on a bad block")
        return super().read(novel)
