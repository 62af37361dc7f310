"""lightnovel-crawler 4: a zip with ``meta.json``, and one file for each chapter in a folder for each volume."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType

from novelsync.convert.files import Files, decode
from novelsync.convert.source import Format, SourceChapter, SourceNovel, Text, text_in

META: Final = "meta.json"


class _Chapter(Struct):
    serial: int
    title: Text = None
    url: Text = None
    is_done: bool | None = None


class _Volume(Struct):
    serial: int
    title: Text = None
    chapters: Sequence[_Chapter] = ()


class _Meta(Struct):
    title: Text = None
    authors: Text = None
    synopsis: Text = None
    cover_url: Text = None
    volumes: Sequence[_Volume] = ()


class _Keys(Struct):
    title: Raw | UnsetType = UNSET
    volumes: Raw | UnsetType = UNSET


def _matches(files: Files) -> bool:
    data = files.read(META)
    return data is not None and UNSET not in ((keys := decode(META, data, _Keys)).title, keys.volumes)


def _read(files: Files) -> SourceNovel:
    meta = decode(META, files.read(META) or b"", _Meta)
    return SourceNovel(meta.title, meta.authors, meta.synopsis, _chapters(files, meta.volumes), meta.cover_url)


def _chapters(files: Files, volumes: Sequence[_Volume]) -> Iterator[SourceChapter]:
    for volume in sorted(volumes, key=lambda volume: volume.serial):
        for chapter in sorted(volume.chapters, key=lambda chapter: chapter.serial):
            text, problem = (None, "") if chapter.is_done is False else _text(files, volume, chapter)
            key = chapter.url or str(chapter.serial)
            yield SourceChapter(key, chapter.title, chapter.serial, chapter.url, volume.title, text, problem)


def _text(files: Files, volume: _Volume, chapter: _Chapter) -> tuple[bytes | None, str]:
    name = f"{volume.serial:03}/{chapter.serial:05}.json"
    return text_in(name, files.read(name), "content")


FORMAT: Final = Format("lightnovel-crawler 4", "a zip with meta.json and 001/00001.json", _matches, _read)
