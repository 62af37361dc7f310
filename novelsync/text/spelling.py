"""Which known name somebody probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

ANY = 0.6
"""How alike two names are, from 0 to 1, when a name is certainly wrong and only the right one is looked for."""

SAME = 0.9
"""The same, when a name may well be right: one letter too many, too few or swapped, but not DATABASE_USER."""


def meant(name: str, known: Iterable[str], alike: float = ANY) -> str:
    """The known name that is most like this one; empty if none is ``alike`` enough."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=alike)), "")
