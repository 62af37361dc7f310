"""What a person should look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SHOWN_PROBLEMS: Final = 100
"""Of all that are open, the gravest; the database answers no more either."""


class ProblemKind(StrEnum):
    """Why something in storage is not, or not quite, in the tables."""

    REFUSED = "refused"
    """The file cannot be accepted; what is stored of the novel stays."""
    HELD = "held"
    """Something in the tables was kept that the file no longer has."""
    WARNING = "warning"
    """The novel is in; something in its file was mended or left out."""
    UNAVAILABLE = "unavailable"
    """Passing trouble; it is tried again next time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a person should look at."""

    slug: str
    """Empty for what concerns the whole library."""
    kind: ProblemKind
    message: str
    hint: str = ""
    """A command in it is written `novelsync …`; whoever shows it writes it as it works there."""


@dataclass(frozen=True, slots=True)
class HeldRemovals:
    """Novels that stay, though storage no longer has them, because they are too many at once."""

    novels: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class OpenProblems:
    """The problems that stand in the database."""

    counts: Mapping[str, int]
    """Novels per kind of problem."""
    problems: Sequence[Problem]
    """At most `SHOWN_PROBLEMS`, the gravest first."""
    held: int = 0
    """Novels that keep something storage no longer has, those whose removal is held included."""
