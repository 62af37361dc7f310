"""What a person should look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SHOWN_PROBLEMS: Final = 100
"""So many problems are listed in a report, in the status, and by the database; all of them are counted."""


class ProblemKind(StrEnum):
    """Why something in storage is not, or not quite, in the tables."""

    REFUSED = "refused"
    """The file cannot be accepted; what is stored of the novel stays."""
    HELD = "held"
    """Something stays in the tables that the file no longer has, until somebody confirms that it may go."""
    WARNING = "warning"
    """The novel is in; something in its file was fixed or left out."""
    UNAVAILABLE = "unavailable"
    """Transient trouble; it is tried again next time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a person should look at."""

    slug: str
    """Empty for what concerns the whole library."""
    kind: ProblemKind
    message: str
    hint: str = ""
    """A command in it is written `novelsync …`; whoever shows it writes it as it works there."""

    @classmethod
    def remark(cls, slug: str, message: str) -> "Problem":
        """Something that whoever asked for the run should know; it is not recorded."""
        return cls(slug, ProblemKind.WARNING, message)


@dataclass(frozen=True, slots=True)
class HeldRemovals:
    """Novels that stay although the storage no longer has them, because they are too many at once."""

    novels: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class OpenProblems:
    """The problems that are recorded in the database, until their files change or somebody accepts what is held."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Novels per kind of problem."""
    problems: Sequence[Problem] = ()
    """At most `SHOWN_PROBLEMS`, the gravest first."""
    held: int = 0
    """Novels of which something is held, those whose removal is held included."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())
