"""Problems as pages show them: those that are alike as one, each with where to go from there. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from novelsync.text.formatting import counted
from novelsync.text.grouping import Group, Problem, grouped
from novelsync.text.hints import Say
from novelsync.web.page.views.words import Text, plain, sentence, text
from novelsync.web.request import addresses
from novelsync.web.request.addresses import address

SHOWN: Final = 10
"""Of each kind; those that are alike count as one."""

REMARK: Final = "warning"
"""The kind of problem that waits for nobody."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A novel that is refused, held or warned about, or the library itself."""

    kind: str
    title: str
    slug: str
    message: Text
    hint: Text
    address: str
    """Of the novel's page; empty if it is about several novels or none."""
    decide: str
    """The address at which somebody can see what is held and decide; empty: nothing of one novel is."""
    count: int = 1
    """How many novels it is about."""


@dataclass(frozen=True, slots=True)
class More:
    """Problems of a kind that the page does not show, and the address of the list of all."""

    count: int
    kind: str
    address: str


class Told(Problem, Protocol):
    """A problem with what to do about it."""

    @property
    def hint(self) -> str: ...


def troubles(
    problems: Iterable[Told], totals: Mapping[str, int], titles: Mapping[str, str], say: Say
) -> tuple[list[Trouble], list[More]]:
    """
    What is shown, in the order of the problems; and how many of each kind are not.

    ``totals``: by kind. ``titles``: by slug. ``say``: how commands in hints are written where the page is read.
    """
    shown: list[Trouble] = []
    places: Counter[str] = Counter()
    for group in grouped(problems):
        places[group.first.kind] += 1
        if places[group.first.kind] <= SHOWN:
            shown.append(_trouble(group, titles, say))
    left = Counter(totals)
    for trouble in shown:
        left[trouble.kind] -= trouble.count
    return shown, [More(count, kind, list_of(kind)) for kind, count in left.items() if count > 0]


def list_of(kind: str) -> str:
    """The address of all novels that have a problem of that kind."""
    return address(addresses.NOVEL_LIST, show=kind)


def split(shown: Sequence[Trouble]) -> tuple[list[Trouble], list[Trouble]]:
    """What waits for somebody, and remarks."""
    return [each for each in shown if each.kind != REMARK], [each for each in shown if each.kind == REMARK]


def _trouble(group: Group[Told], titles: Mapping[str, str], say: Say) -> Trouble:
    problem = group.first
    slug = problem.slug or ""
    hint = text(sentence(say(problem.hint)))
    message = plain(sentence(group.message))
    if group.count > 1:
        return Trouble(problem.kind, counted(group.count, "novel"), "", message, hint, "", "", group.count)
    decide = address(addresses.HELD, slug=slug) if slug and problem.kind == "held" else ""
    page = address(addresses.NOVEL, slug=slug) if slug else ""
    return Trouble(problem.kind, titles.get(slug) or slug or "The whole library", slug, message, hint, page, decide)
