"""The formats, and the conversion of every novel that is in one of them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from unicodedata import normalize

from novelsync.convert import epub, lightnovel_crawler_3, lightnovel_crawler_4, novel_downloader
from novelsync.convert.files import LINK_HINT, Files, Folder, opened, state_of, translated_errors
from novelsync.convert.source import Format, SourceNovel
from novelsync.convert.writing import Counts, Draft, Record, earlier_in
from novelsync.errors import BookRefused, ConfigurationError
from novelsync.text.formatting import quoted

FORMATS: Final[tuple[Format, ...]] = (
    lightnovel_crawler_3.FORMAT,
    lightnovel_crawler_4.FORMAT,
    novel_downloader.FORMAT,
    epub.FORMAT,
)
"""In the order in which they are tried."""

_VERSION: Final = "1"
"""Of what is written; another one converts everything anew."""

_ARCHIVES: Final = (".zip", ".epub")
_HINT: Final = "`novelsync convert --formats` shows what can be converted"


class Result(StrEnum):
    """What became of one novel."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    IGNORED = "ignored"
    """A folder or a zip in none of the formats."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """One novel of SOURCE."""

    source: Path
    slug: str
    result: Result
    format: str = ""
    counts: Counts = field(default_factory=Counts)
    remarks: Sequence[str] = ()
    refusal: BookRefused | None = None


def convert(source: Path, dest: Path, max_file_bytes: int) -> Iterator[Conversion]:
    """
    Converts a novel, or a folder of novels; one that is refused stops none of the others.

    ``max_file_bytes``: of one novel, unpacked. Raises `ConfigurationError` if there is nothing to convert,
    `StorageUnavailable` if ``dest`` cannot be written.
    """
    if source.name in ("", ".."):
        source = source.resolve()
    taken: dict[str, Path] = {}
    found = False
    for path in _novels_in(source, os.path.realpath(dest), max_file_bytes):
        slug = _slug_of(path)
        try:
            conversion = _convert_or_refuse(path, dest / slug, max_file_bytes, taken.get(slug), path == source)
        except BookRefused as error:
            conversion = Conversion(path, slug, Result.REFUSED, refusal=error)
        except RecursionError:
            deep = BookRefused(["it has values nested too deeply to be read"], "write it again with its program")
            conversion = Conversion(path, slug, Result.REFUSED, refusal=deep)
        if conversion.result is not Result.IGNORED:
            taken.setdefault(slug, path)
            found = True
        yield conversion
    if not found:
        raise ConfigurationError(f"there is nothing to convert in {source}", _HINT)


def _novels_in(source: Path, dest: str, limit: int) -> Iterator[Path]:
    """``source`` itself, or what is in it, up to three levels below: sites or authors, their novels, their files."""
    if not source.exists():
        raise ConfigurationError(f"there is no {source}", "name what another program wrote: a folder or a file")
    yield from _walk(source, dest, limit, 3)


def _walk(path: Path, dest: str, limit: int, depth: int) -> Iterator[Path]:
    if not path.is_dir() or _is_novel(path, limit):
        yield path
        return
    children = _children(path) if depth else []
    if not children:
        yield path
    for child in children:
        if child.is_symlink():
            yield child
        elif os.path.realpath(child) != dest:
            yield from _walk(child, dest, limit, depth - 1)


def _children(folder: Path) -> list[Path]:
    """Folders and zips, in the order of their names."""
    with translated_errors(folder.name):
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 — no paths yet
    paths = [folder / name for name in names]
    return [path for path in paths if path.suffix.lower() in _ARCHIVES or path.is_dir()]


def _is_novel(folder: Path, limit: int) -> bool:
    try:
        return _format_of(Folder(folder, limit)) is not None
    except BookRefused:
        return True  # it looks like one, and what is wrong is told when it is converted


def _format_of(files: Files) -> Format | None:
    """Raises `BookRefused` for what looks like one of them and cannot be read."""
    return next((each for each in FORMATS if each.matches(files)), None)


def _slug_of(path: Path) -> str:
    """The name of the folder, or of the file without its endings; composed, so that it is the same on all systems."""
    name = path.name
    if path.suffix.lower() in _ARCHIVES and not path.is_dir():
        name = path.stem.removesuffix(".json")
    return normalize("NFC", name).strip(". ") or "novel"


def _convert_or_refuse(path: Path, folder: Path, limit: int, other: Path | None, named: bool) -> Conversion:
    """``other``: what has the same slug. ``named``: the command line names this path itself. Raises `BookRefused`."""
    if path.is_symlink() and not named:
        raise BookRefused([f"{path.name} is a link"], LINK_HINT)
    if not path.name.isprintable():
        raise BookRefused(["its name is not UTF-8, or has characters that cannot be shown"], "rename it")
    earlier = None if other else earlier_in(folder)
    state = _state_of(path)
    if earlier and earlier.converted.state == state and earlier.is_whole(folder):
        counts = Counts(earlier.converted.chapters, earlier.converted.without_text)
        return Conversion(path, folder.name, Result.UNCHANGED, earlier.converted.format, counts)
    with opened(path, limit) as files:
        format_ = _format_of(files)
        if format_ is None:
            return Conversion(path, folder.name, Result.IGNORED)
        if other:
            reason = f"{quoted(folder.name)} is also the slug of {other}, which comes before it"
            raise BookRefused([reason], "rename one of them, or convert them into different folders")
        novel = format_.read(files)
        record = Record(format_.name, path.name, state)
        counts = _write(novel, record, Draft(folder, earlier), path)
    result = Result.CHANGED if earlier else Result.NEW
    return Conversion(path, folder.name, result, format_.name, counts, novel.remarks)


def _write(novel: SourceNovel, record: Record, draft: Draft, path: Path) -> Counts:
    if not novel.title or novel.title.isspace():
        raise BookRefused(["it has no title, and readers need one"], "give it one with its program")
    with draft.open():
        for chapter in novel.chapters:
            draft.add(chapter, novel.suffix)
        if _state_of(path) != record.state:
            raise BookRefused(["it changed while it was read"], "convert again when its program has finished")
        draft.commit(novel, record)
    return draft.counts


def _state_of(path: Path) -> str:
    with translated_errors(path.name):
        return f"{_VERSION} {state_of(path)}"
