"""lightnovel-crawler 3: a folder with ``meta.json``, and one file for each chapter in ``json``."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType

from novelsync.convert.files import Files, decode
from novelsync.convert.source import Format, Number, SourceChapter, SourceNovel, Text, text_in

META: Final = "meta.json"

FAILED: Final = b"<p><i>Failed to download chapter body</i></p>"
"""What it writes, below the chapter's title, in place of a text that it could not fetch."""


class _Volume(Struct):
    id: Number = None
    title: Text = None


class _Chapter(Struct):
    id: int
    url: Text = None
    title: Text = None
    volume: Number = None
    volume_title: Text = None


class _Novel(Struct):
    title: Text = None
    authors: Sequence[str] | Text = None
    synopsis: Text = None
    cover_url: Text = None
    volumes: Sequence[_Volume] | None = None
    chapters: Sequence[_Chapter] | None = None


class _Meta(Struct):
    novel: _Novel


class _Keys(Struct):
    novel: Raw | UnsetType = UNSET


def _matches(files: Files) -> bool:
    data = files.read(META)
    return data is not None and decode(META, data, _Keys).novel is not UNSET


def _read(files: Files) -> SourceNovel:
    novel = decode(META, files.read(META) or b"", _Meta).novel
    author = ", ".join(novel.authors) if not isinstance(novel.authors, str | None) else novel.authors
    return SourceNovel(novel.title, author, novel.synopsis, _chapters(files, novel), novel.cover_url)


def _chapters(files: Files, novel: _Novel) -> Iterator[SourceChapter]:
    volumes = {volume.id: volume.title for volume in novel.volumes or ()}
    for chapter in sorted(novel.chapters or (), key=lambda chapter: chapter.id):
        volume = chapter.volume_title or volumes.get(chapter.volume)
        text, problem = _text(files, chapter)
        key = chapter.url or str(chapter.id)
        yield SourceChapter(key, chapter.title, chapter.id, chapter.url, volume, text, problem)


def _text(files: Files, chapter: _Chapter) -> tuple[bytes | None, str]:
    """The text, and why there is none although there should be one."""
    name = f"{chapter.id:05}.json"
    data = files.read(f"json/{name}")
    if data is None and isinstance(chapter.volume, int):
        data = files.read(f"json/Volume {chapter.volume:02}/{name}")
    text, problem = text_in(name, data, "body")
    return (None, "") if text and FAILED in text else (text, problem)


FORMAT: Final = Format("lightnovel-crawler 3", "a folder with meta.json and json/00001.json", _matches, _read)
