"""All the problems of a kind, page by page."""

from collections.abc import Sequence
from datetime import datetime

import msgspec


class ListedProblem(msgspec.Struct, frozen=True):
    """One of all the problems of a kind, or a missing novel."""

    slug: str | None
    kind: str
    message: str
    hint: str
    title: str | None
    since: datetime | None
    """None if that is not known."""


class ProblemPage(msgspec.Struct, frozen=True):
    """Some of all the problems of a kind."""

    kind: str
    total: int
    """Of the kind, on all pages."""
    problems: Sequence[ListedProblem]
    next: str | None
    """The slug after which the next page begins; None: this is the last."""
