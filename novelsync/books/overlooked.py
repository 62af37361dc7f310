"""
What a file has that is not read, where its novel would come in without chapters or without any text. Pure.

Other programs write files of the same name. What they mean is not guessed at; but nobody should have to wonder why a
novel is empty.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from novelsync.books.schema import ALIASES, BookFile, BookFileChapter
from novelsync.books.slices import ABSENT, is_crowded, kind_of
from novelsync.text.formatting import printable, shortened

_KNOWN: Final = frozenset(BookFile.model_fields)
_KNOWN_OF_CHAPTERS: Final = frozenset({*BookFileChapter.model_fields, *ALIASES["filename"]})

_OBJECT: Final = Decoder(dict[str, Raw])
_OBJECTS: Final = Decoder(list[dict[str, Raw]])
_ITEMS: Final = Decoder(list[Raw])

_LOOKED_AT: Final = 20
"""Chapters whose keys are looked at: all are written by one program."""

_LONG: Final = 100
"""Bytes from which a value may be a text."""

_SHOWN: Final = 5

_BESIDES: Final = frozenset({"tags", "genres", "categories", "characters", "reviews", "comments", "links", "sources"})
"""Lists of objects that are about a novel and are none of its text."""

TITLES: Final = ("book_name", "name", "bookName", "novel_title", "book_title")
"""What other programs call the title."""


def other_title(keys: Mapping[str, Raw]) -> str:
    """The key that another program has the title in; empty if there is none."""
    return next((key for key in TITLES if key in keys), "")


def other_lists(keys: Mapping[str, Raw]) -> Iterator[str]:
    """Unknown keys that hold lists of objects, as a message names them."""
    for key, raw in keys.items():
        if key not in _KNOWN and key.lower() not in _BESIDES and (count := _objects_in(raw)):
            yield f"{key} ({count:,} object{'' if count == 1 else 's'})"


def _objects_in(raw: Raw) -> int:
    if kind_of(raw) != "an array" or is_crowded(raw, b","):
        return 0
    try:
        return len(_OBJECTS.decode(raw))
    except msgspec.MsgspecError:
        return 0


def other_content(keys: Mapping[str, Raw]) -> Sequence[str]:
    """All keys of the top level that are not read, where there are no chapters at all."""
    return [key for key in keys if key not in _KNOWN or (key == "volumes" and not _are_volumes(keys[key]))]


def _are_volumes(raw: Raw) -> bool:
    """Whether each has a list of chapters, if only an empty one."""
    try:
        return kind_of(raw) == "null" or all("chapters" in volume for volume in _OBJECTS.decode(raw))
    except msgspec.ValidationError:
        return False


def has_chapters(volumes: Raw) -> bool:
    """Whether any of these volumes has chapters that could be read."""
    return any(True for _ in _chapters_of(volumes))


def _chapters_of(volumes: Raw) -> Iterator[Raw]:
    try:
        found = _OBJECTS.decode(volumes) if not is_crowded(volumes, b"{") else []
    except msgspec.ValidationError:
        return
    for volume in found:
        if "chapters" in volume and _objects_in(volume["chapters"]):
            yield from _ITEMS.decode(volume["chapters"])


def other_texts(keys: Mapping[str, Raw], without_text: Collection[int]) -> Sequence[str]:
    """
    Unknown keys of chapters that seem to hold their text: a long string, an array or an object.

    ``without_text``: the places of the chapters that have none.
    """
    chapters = _ITEMS.decode(keys["chapters"]) if kind_of(keys.get("chapters", ABSENT)) == "an array" else []
    each_chapter = iter(chapters) if chapters else _chapters_of(keys.get("volumes", ABSENT))
    blank = (raw for place, raw in enumerate(each_chapter) if place in without_text)
    found: dict[str, None] = {}
    for raw in islice(blank, _LOOKED_AT):
        for key, value in _OBJECT.decode(raw).items():
            if key not in _KNOWN_OF_CHAPTERS and memoryview(value).nbytes >= _LONG:
                found[key] = None
    return list(found)


_TEXTS: Final = (".html", ".htm", ".xhtml", ".md", ".txt", ".json")


def other_files(paths: Sequence[str]) -> str:
    """What lies beside a file that names no text: what of it may be texts, as a message says it; empty for nothing."""
    likely = sorted(path for path in paths if path.lower().endswith(_TEXTS))
    if not likely:
        return ""
    count = "another file" if len(likely) == 1 else f"{len(likely):,} other files"
    return f"its folder has {count} ({printable(shortened(likely[0]))}), and no chapter names one in filename"


def listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join([*names[:_SHOWN], *([f"and {more:,} more"] if more > 0 else [])])
