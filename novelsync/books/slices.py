"""Raw slices of a file's bytes: what kind of JSON each is, and what is noticed while they are read. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from novelsync.text.formatting import printable, shortened

MOST_ITEMS: Final = 1_000_000
"""Of any list that is cut, because each item takes a hundred bytes of memory even before it is decoded."""

SHOWN: Final = 40
"""Characters of a value that a message shows."""

ABSENT: Final = Raw(b"null")
"""In place of a missing key. It decodes as null; ``is`` tells the two apart where they mean different things."""

_KINDS: Final = {
    ord(first): kind
    for first, kind in zip(
        '"{[tfn', ("a string", "an object", "an array", "a boolean", "a boolean", "null"), strict=True
    )
}
SCALARS: Final = ("a number", "a boolean")

STRING: Final = Decoder(str)


def kind_of(raw: Raw) -> str:
    return _KINDS.get(memoryview(raw)[0], "a number")


def is_crowded(raw: Raw | bytes | bytearray | memoryview, mark: bytes) -> bool:
    """Whether ``mark``, which separates or begins the items of an array, occurs more than `MOST_ITEMS` times."""
    if memoryview(raw).nbytes <= MOST_ITEMS:
        return False
    # To find one byte takes a fraction of the time, and mostly there are few enough of the mark's last one.
    if isinstance(raw, bytes) and not _is_crowded_with(raw, mark[-1:]):
        return False
    return next(islice(re.finditer(re.escape(mark), memoryview(raw)), MOST_ITEMS, None), None) is not None


def _is_crowded_with(data: bytes, byte: bytes) -> bool:
    at = -1
    for _ in range(MOST_ITEMS + 1):
        at = data.find(byte, at + 1)
        if at < 0:
            return False
    return True


def shown(raw: Raw) -> str:
    """A value on one line, without characters that a terminal or a database cannot take."""
    if kind_of(raw) == "a string":
        return f'"{printable(shortened(STRING.decode(raw), SHOWN))}"'
    return printable(shortened(bytes(memoryview(raw)[: 4 * SHOWN]).decode(errors="ignore"), SHOWN))


# Why a file is refused, and what was fixed or left out ---------------------------------


class Cause(NamedTuple):
    """Why something was fixed or left out, in words for one case and for several."""

    one: str
    many: str


NO_NUMBER: Final = Cause("chapter has no number", "chapters have no number")
NOT_DECIMAL: Final = Cause(
    "chapter number is not a decimal number and was left out",
    "chapter numbers are not decimal numbers and were left out",
)
NUL: Final = Cause(
    "NUL character was removed: Postgres cannot store it", "NUL characters were removed: Postgres cannot store them"
)
SURROGATE: Final = Cause(
    "lone surrogate was replaced by U+FFFD: Postgres cannot store it",
    "lone surrogates were replaced by U+FFFD: Postgres cannot store them",
)


@dataclass(slots=True)
class Noticed:
    """What the validators notice in one file; pydantic hands it to each of them as its context."""

    within: str = "chapters"
    """The list of the chapter that is validated, and its place there: pydantic tells a validator only its field."""
    index: int = -1
    volume: int = -1
    reasons: list[str] = field(default_factory=list)
    """Why the file is refused."""
    remarks: list[str] = field(default_factory=list)
    """Warnings about the novel's own fields."""
    counts: Counter[Cause] = field(default_factory=Counter)
    """Warnings of which there may be one for each chapter, counted."""
    firsts: dict[Cause, str] = field(default_factory=dict)
    """The first chapter of each of those, and what it has."""

    @property
    def place(self) -> str:
        """As messages write it: ``chapters[3]``."""
        return f"{self.within}[{self.index}]"

    def next_volume(self) -> None:
        """What is validated from here on is one volume further."""
        self.volume += 1
        self.within, self.index = f"volumes[{self.volume}].chapters", -1

    def in_chapter(self, cause: Cause, raw: Raw) -> None:
        if cause not in self.firsts:
            self.firsts[cause] = self.place + ("" if kind_of(raw) == "null" else f": {shown(raw)}")
        self.counts[cause] += 1

    def lack_numbers(self, indexes: Iterable[int]) -> None:
        """Chapters of the novel's own list have no number."""
        for self.index in indexes:
            self.in_chapter(NO_NUMBER, ABSENT)

    def storable(self, text: str) -> str:
        """``text`` without NUL characters, which are counted."""
        if "\0" not in text:
            return text
        self.counts[NUL] += text.count("\0")
        return text.replace("\0", "")

    def look_for_capitals(self, slices: msgspec.Struct, key: str, place: str) -> None:
        """Refuses ``Content`` for ``content``: ignored like other unknown keys, it would pass for a missing key."""
        for other in in_capitals(key) if getattr(slices, key) is ABSENT else ():
            if getattr(slices, other) is not ABSENT:
                self.reasons.append(f'{place} has the key "{other}", which must be written "{key}"')

    def warnings(self) -> list[str]:
        lines = list(self.remarks)
        for cause, count in self.counts.items():
            said, at = (f"1 {cause.one}", "at") if count == 1 else (f"{count:,} {cause.many}", "the first at")
            lines.append(f"{said}, {at} {self.firsts[cause]}" if cause in self.firsts else said)
        return lines


def in_capitals(key: str) -> tuple[str, str]:
    return key.capitalize(), key.upper()
