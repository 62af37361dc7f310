"""What a person should look at, as reports and the status show it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from novelsync.text.grouping import pattern_of

SHOWN_PROBLEMS: Final = 100
"""A report, the status and the database list at most this many problems. Their totals count all."""


class ProblemKind(StrEnum):
    """Why something in storage is not, or not quite, in the tables. First what only a person can end."""

    HELD = "held"
    """Something that the storage lacks or has worse stays in the tables until somebody confirms the change."""
    REFUSED = "refused"
    """The file cannot be accepted; what is stored of the novel stays."""
    UNDELIVERED = "undelivered"
    """Somebody who is to be told of changes has taken no notice for an hour."""
    DIFFERS = "differs"
    """Rows are not what the file has, although it has not changed: somebody edited one or the other."""
    UNAVAILABLE = "unavailable"
    """A transient failure; the next run tries again."""
    WARNING = "warning"
    """The novel was accepted; something in its file was fixed or left out."""


SHARES: Final = {
    ProblemKind.HELD: 30,
    ProblemKind.REFUSED: 30,
    ProblemKind.UNDELIVERED: 1,
    ProblemKind.DIFFERS: 10,
    ProblemKind.UNAVAILABLE: 15,
    ProblemKind.WARNING: 14,
}
"""Of `SHOWN_PROBLEMS`, what is kept for each kind, so that none is crowded out by another."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a person should look at."""

    slug: str
    """Empty if the problem concerns the whole library."""
    kind: ProblemKind
    message: str
    hint: str = ""
    """What to do. Its commands are written `novelsync …`; `novelsync.text.hints` adapts them to where they are read."""
    alike: int = 1
    """How many open problems say the same but for numbers, this one included."""

    @property
    def pattern(self) -> tuple[str, str]:
        """What is the same for problems that are alike."""
        return self.kind, pattern_of(self.message)

    @classmethod
    def remark(cls, slug: str, message: str, hint: str = "") -> "Problem":
        """A warning for whoever asked for the run. It is in the report, and never becomes an open problem."""
        return cls(slug, ProblemKind.WARNING, message, hint)


def most_urgent(problems: Iterable[Problem], most: int = SHOWN_PROBLEMS) -> list[Problem]:
    """
    At most so many, by who has to act: by kind, and within a kind as they were.

    Each kind has its share; what one does not need of it goes to the others, the more urgent first.
    """
    seen: Counter[ProblemKind] = Counter()
    places = []
    for problem in problems:
        place, seen[problem.kind] = seen[problem.kind], seen[problem.kind] + 1
        places.append((_GRAVITY[problem.kind], place, problem))
    kept = sorted(places, key=lambda each: (each[1] >= SHARES[each[2].kind], *each[:2]))[:most]
    return [problem for _, _, problem in sorted(kept, key=lambda each: each[:2])]


_GRAVITY: Final = {kind: n for n, kind in enumerate(ProblemKind)}


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
    """At most `SHOWN_PROBLEMS`, in the order of `most_urgent`."""
    held: int = 0
    """How many novels have something held, including those whose removal is held."""
    blank: int = 0
    """How many novels came in without any text, although their files have something."""
    taken_down: tuple[int, int] = (0, 0)
    """What takedowns keep back: novels, and chapters of files, those of such novels included."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())
