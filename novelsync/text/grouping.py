"""Problems that say the same, put together, so that a thousand of them are read as one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

FEWEST: Final = 3
"""Fewer than these stand each for itself."""

NAMED: Final = 3
"""How many novels of a group are named."""

_NO_DIGITS: Final = str.maketrans("", "", "0123456789")


class Problem(Protocol):
    """What is needed of a problem."""

    @property
    def slug(self) -> str | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def alike(self) -> int:
        """How many say the same in all, those that are not listed included."""


P = TypeVar("P", bound=Problem)


@dataclass(frozen=True, slots=True)
class Group(Generic[P]):
    """One problem, or several that are alike."""

    first: P
    count: int
    slugs: Sequence[str]
    """At most `NAMED`."""

    @property
    def message(self) -> str:
        """That of the first; of a group, with whom it is about."""
        if self.count == 1 or not self.slugs:
            return self.first.message
        return f"{self.first.message}, for instance {', '.join(self.slugs)}"


def grouped(problems: Iterable[P]) -> list[Group[P]]:
    """In the order in which each is first met."""
    alike: dict[tuple[str, str], list[P]] = {}
    for problem in problems:
        alike.setdefault((problem.kind, pattern_of(problem.message)), []).append(problem)
    groups: list[Group[P]] = []
    for members in alike.values():
        count = max(len(members), *(problem.alike for problem in members))
        if count < FEWEST:
            groups += [Group(problem, 1, [problem.slug] if problem.slug else []) for problem in members]
        else:
            groups.append(Group(members[0], count, [problem.slug for problem in members if problem.slug][:NAMED]))
    return groups


def pattern_of(message: str) -> str:
    """
    What is the same for problems that are alike: all before what is quoted from a file, without digits.

    `public.novelsync_open_problems` does the same.
    """
    return message.split('"', 1)[0].split(", near ", 1)[0].translate(_NO_DIGITS)
