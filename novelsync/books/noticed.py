"""What is noticed while a file is read: why it is refused, and what was fixed or left out. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from novelsync.books.slices import ABSENT, kind_of, shown


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
