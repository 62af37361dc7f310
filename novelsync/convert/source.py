"""A novel of another program's, as each format hands it on to be written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from msgspec import Raw

from novelsync.convert.files import Files, decode
from novelsync.errors import BookRefused

Text: TypeAlias = str | None
"""Of a JSON document: most programs write null for what they do not know."""
Number: TypeAlias = int | float | str | None


class SourceChapter(NamedTuple):
    """In the order in which the program has them."""

    key: str
    """By which it is recognised the next time: its url, or what identifies it in the format."""
    title: Text
    number: Number
    url: Text = None
    volume: Text = None
    text: bytes | None = None
    """None: not fetched yet."""
    problem: str = ""
    """Why there is no text, although there should be one."""


@dataclass(frozen=True, slots=True)
class SourceNovel:
    """``None`` stands for what the format has no place for."""

    title: Text
    author: Text
    description: Text
    chapters: Iterable[SourceChapter]
    """Read one by one, because their texts together may be large. Raises `BookRefused`."""
    cover_url: Text = None
    status: Text = None
    suffix: str = ".html"
    """Of the names of its texts."""
    remarks: Sequence[str] = ()
    """What a person should know that is no reason to refuse it."""


@dataclass(frozen=True, slots=True)
class Format:
    """What some program writes."""

    name: str
    looks: str
    """How a person recognises it."""
    matches: Callable[[Files], bool]
    """Raises `BookRefused` for what looks so and cannot be read."""
    read: Callable[[Files], SourceNovel]
    """Raises `BookRefused`."""


def as_text(text: str | None) -> bytes | None:
    """The bytes of a text; None for one that is not there, or blank."""
    return text.encode() if text and not text.isspace() else None


def text_in(name: str, data: bytes | None, key: str) -> tuple[bytes | None, str]:
    """
    The text under this key of a chapter's JSON file, and why there is none although there is a file.

    One broken file is no reason to refuse the novel: crawlers write them in place, and may be killed meanwhile.
    """
    if data is None:
        return None, ""
    try:
        value = decode(name, data, dict[str, Raw]).get(key)
        return as_text(decode(name, bytes(value), Text) if value else None), ""  # type: ignore[arg-type]
    except BookRefused as refusal:
        return None, refusal.message
