"""What a person should look at, as reports and the status show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SHOWN_PROBLEMS: Final = 100
"""A report, the status and the database list at most this many problems. Their totals count all."""


class ProblemKind(StrEnum):
    """Why something in storage is not, or not quite, in the tables."""

    REFUSED = "refused"
    """The file cannot be accepted; what is stored of the novel stays."""
    HELD = "held"
    """Something that the storage lacks or has worse stays in the tables until somebody confirms the change."""
    WARNING = "warning"
    """The novel was accepted; something in its file was fixed or left out."""
    UNAVAILABLE = "unavailable"
    """A transient failure; the next run tries again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a person should look at."""

    slug: str
    """Empty if the problem concerns the whole library."""
    kind: ProblemKind
    message: str
    hint: str = ""
    """What to do. Its commands are written `novelsync …`; `novelsync.text.hints` adapts them to where they are read."""

    @classmethod
    def remark(cls, slug: str, message: str, hint: str = "") -> "Problem":
        """A warning for whoever asked for the run. It is in the report, and never becomes an open problem."""
        return cls(slug, ProblemKind.WARNING, message, hint)


@dataclass(frozen=True, slots=True)
class HeldRemovals:
    """Novels that stay although the storage no longer has them, because too many are missing at once."""

    novels: int
    message: str
    hint: str
    id: str
    """Another one for other novels. See `novelsync.planning.acceptance`."""
    changed: bool = False
    """They took the place of others that were held, and nobody who wanted to accept those has been told."""


@dataclass(frozen=True, slots=True)
class OpenProblems:
    """The problems that the database records until their files change or somebody accepts what is held."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """How many problems there are of each kind."""
    problems: Sequence[Problem] = ()
    """At most `SHOWN_PROBLEMS`, the gravest first."""
    held: int = 0
    """How many novels have something held, including those whose removal is held."""
    blank: int = 0
    """How many novels came in without any text, although their files have something."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())
