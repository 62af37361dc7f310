"""Which novels a folder on this machine has, without opening any of their files."""

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from novelsync.errors import ConfigurationError, StorageUnavailable
from novelsync.models.source import BOOK_FILE, PLAIN_LINE, SourceFile, line_of, texts_digest
from novelsync.storage import local_texts
from novelsync.storage.local_files import disk_failure, version_of

LEADS_OUT = "it is a link that leads out of the storage folder"


class LocalFolder:
    """The folder that holds ``<slug>/book_info.json``."""

    def __init__(self, location: str) -> None:
        self.location = os.fsencode(location).decode("utf-8", "backslashreplace")
        self.root = Path(location)
        self.prefix = f"{self.root}{os.sep}"

    def lines(self, with_texts: Container[str], stray: Callable[[str, str], object]) -> Iterator[str]:
        """See `Storage.lines`."""
        folders, unusual = self._folders()
        folders.sort()  # by code points, whose order is that of their UTF-8
        with self._looking() as lstat:
            yield from self._listed(folders, unusual, lstat, with_texts, stray)

    @contextmanager
    def _looking(self) -> Iterator[Callable[[str], os.stat_result]]:
        """What ``lstat`` says of a path inside the root: from an open root, so that the way to it is gone once."""
        if os.stat not in os.supports_dir_fd:
            yield lambda path: os.lstat(self.prefix + path)
            return
        try:
            root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._not_listed(error) from error
        try:
            yield partial(os.stat, dir_fd=root, follow_symlinks=False)
        finally:
            os.close(root)

    def _listed(
        self,
        folders: Sequence[str],
        unusual: Mapping[str, tuple[str, bool]],
        lstat: Callable[[str], os.stat_result],
        with_texts: Container[str],
        stray: Callable[[str, str], object],
    ) -> Iterator[str]:
        is_regular, version, plain_line = stat.S_ISREG, version_of, PLAIN_LINE  # locals are faster
        for folder in folders:
            slug = folder[:-1]
            # Almost all of 100,000 are plain files, so these are dealt with here and not in a call for each.
            try:
                status = lstat(folder + BOOK_FILE)
                plain = is_regular(status.st_mode) and slug not in unusual and slug not in with_texts
            except OSError:
                plain = False
            if plain:
                yield plain_line % (slug, version(status), status.st_size)
            elif found := self._look_at(slug, *unusual.get(slug, (slug, False))):
                yield line_of(self._with_texts(found) if slug in with_texts else found)
            elif file := self._any_file(slug):
                stray(slug, file)

    def _with_texts(self, novel: SourceFile) -> SourceFile:
        if novel.unreadable:
            return novel
        files = [*self.files_beside(novel.slug)]
        return novel._replace(texts=texts_digest(files), text_bytes=sum(size for _, _, size, _ in files))

    def _any_file(self, name: str) -> str:
        """One in a folder without a novel's file, or in those within. Empty if there is none, or it is no folder."""
        try:
            with os.scandir(self.prefix + name) as entries:
                shown = [(each.name, each.is_dir(follow_symlinks=False)) for each in entries if each.name[0] != "."]
        except OSError:
            return ""
        files = [each for each, is_folder in shown if not is_folder]
        if files:
            return min(files, key=lambda file: (not file.endswith(".json"), file))
        if name.count(os.sep) >= local_texts.DEEPEST:
            return ""
        within = ((each, self._any_file(f"{name}{os.sep}{each}")) for each, _ in sorted(shown))
        return next((f"{each}/{file}" for each, file in within if file), "")

    def find(self, slug: str) -> SourceFile | None:
        """The novel in the folder of this name, which must be the name of a folder in the root."""
        novel = self._look_at(slug, slug, (self.root / slug).is_symlink())
        if novel is not None and not self._is_called(slug):
            return None
        if novel is None and not self.root.exists():
            raise self._away()  # whoever asks may be about to remove the novel
        return novel

    def _is_called(self, slug: str) -> bool:
        """Whether a folder that was found by this name has it; on some systems it answers to other spellings too."""
        if not any(os.path.lexists(self.prefix + each) for each in other_spellings(slug)):
            return True
        try:
            return any(each.name == slug for each in self.root.iterdir())
        except OSError as error:
            raise self._not_listed(error) from error

    def _not_listed(self, error: OSError) -> StorageUnavailable:
        message = f"the storage {self.location} could not be listed: {error.strerror}"
        return StorageUnavailable(message, "is it mounted and readable?")

    def _away(self) -> StorageUnavailable:
        """There is no folder: its disk may not be mounted, or the setting may be mistyped."""
        if self.root.is_symlink():
            return StorageUnavailable(f"the storage {self.location} is a link to nothing", "is the disk mounted?")
        hint = "mount its disk, make the folder if it is to be a new one, or correct NOVELSYNC_STORAGE"
        return StorageUnavailable(f"the storage {self.location} is not there: no such folder", hint)

    def files_beside(self, slug: str) -> Iterator[tuple[str, str, int, str]]:
        """Those that `local_texts.walk` yields. Raises `StorageUnavailable`."""
        try:
            yield from local_texts.walk(self.prefix + slug)
        except OSError as error:
            raise disk_failure(slug, "its folder", error) from error

    def _folders(self) -> tuple[list[str], dict[str, tuple[str, bool]]]:
        """
        Whatever may be a novel: ``slug/`` for each, unsorted; and the unusual ones by slug.

        Unusual are links, and names that are not UTF-8, whose slugs have escapes in place of the wrong bytes. Each
        comes with its name in the file system, and whether it is a link.
        """
        folders: list[str] = []
        unusual: dict[str, tuple[str, bool]] = {}
        undecodable: list[tuple[str, str, bool]] = []
        try:
            with os.scandir(self.root) as entries:
                for entry in entries:
                    name, linked = entry.name, entry.is_symlink()
                    if name[0] == "." or name == "lost+found":
                        continue
                    slug = name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
                    if slug != name:
                        undecodable.append((slug, name, linked))
                        continue
                    folders.append(slug + "/")
                    if linked:
                        unusual[slug] = name, True
        except FileNotFoundError as error:
            raise self._away() from error
        except NotADirectoryError as error:
            raise ConfigurationError(
                f"the storage {self.location} is a file, not a folder",
                "set NOVELSYNC_STORAGE to the folder that holds <slug>/book_info.json",
            ) from error
        except OSError as error:
            raise self._not_listed(error) from error

        # A name in UTF-8 may consist of another's escapes; then the slug belongs to the name in UTF-8.
        taken = set(folders) if undecodable else set()
        for slug, name, linked in undecodable:
            if f"{slug}/" not in taken:
                folders.append(f"{slug}/")
                taken.add(f"{slug}/")
                unusual[slug] = name, linked
        return folders, unusual

    def _look_at(self, slug: str, name: str, linked: bool) -> SourceFile | None:
        """The novel in the folder ``name``; None if there is none. ``linked``: the folder is a link."""
        folder = self.prefix + name
        try:
            status = os.lstat(f"{folder}{os.sep}{BOOK_FILE}")
            if linked or stat.S_ISLNK(status.st_mode):
                if self.inside(Path(folder, BOOK_FILE)) is None:
                    return SourceFile(slug, version_of(status), status.st_size, unreadable=LEADS_OUT)
                status = Path(folder, BOOK_FILE).stat()
        except (FileNotFoundError, NotADirectoryError):
            return self._dangling(slug, Path(folder, BOOK_FILE))
        except PermissionError:
            return SourceFile(slug, "", 0, unreadable="permission denied")
        except OSError as error:
            if error.errno == errno.ELOOP:
                return SourceFile(slug, "", 0, unreadable="it is a link that leads round in a circle")
            raise StorageUnavailable(
                f"{slug}/{BOOK_FILE} could not be looked at: {error.strerror}", "is the disk mounted and healthy?"
            ) from error
        if not stat.S_ISREG(status.st_mode):
            return None
        unreadable = "" if slug == name else "the folder's name is not UTF-8"
        return SourceFile(slug, version_of(status), status.st_size, unreadable=unreadable)

    def _dangling(self, slug: str, path: Path) -> SourceFile | None:
        """A link to nothing is a novel that cannot be read (its disk may not be mounted), not one that is gone."""
        if path.is_symlink() or path.parent.is_symlink():
            return SourceFile(slug, "", 0, unreadable="it is a link to nothing")
        return None

    def inside(self, path: Path) -> Path | None:
        """The path with its links resolved; None if it leads out of the storage folder. Raises `OSError`."""
        real = Path(os.path.realpath(path, strict=True))  # Path.resolve raises a RuntimeError for links in a circle
        return real if real.is_relative_to(self.root.resolve()) else None


def other_spellings(name: str) -> set[str]:
    """Of those that a file system may take for the same name, some: in another case, and in other Unicode forms."""
    swapped = "".join(each.swapcase() if len(each.swapcase()) == 1 else each for each in name)
    return {swapped, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)} - {name}
