"""The words that all pages use: sentences with commands in them, times, sizes, and what can be done. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from novelsync.models.report import timestamp

_COMMAND: Final = re.compile(r"`([^`]+)`")


class Piece(NamedTuple):
    """A part of a sentence."""

    text: str
    is_command: bool


Text = Sequence[Piece]


class Moment(NamedTuple):
    """A time for machines, and in UTC for people; JavaScript shows it in their own zone."""

    iso: str
    utc: str


@dataclass(frozen=True, slots=True)
class Action:
    """How the reader can do something: with a button that posts to ``route`` or, if that is empty, by ``command``."""

    route: str = ""
    command: Text = ()


Act = Callable[[str], Action]
"""From a command as hints write it, ``novelsync sync …``, to how it is done where the page is read."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What can be done about the sync and its scheduler where the page is read."""

    sync: Action
    start: Action = Action()
    stop: Action = Action()


@dataclass(frozen=True, slots=True)
class Link:
    """A choice among several. ``count``: how much there is behind it; None: that is not known."""

    words: str
    address: str
    current: bool = False
    count: int | None = None


def text(sentence: str) -> Text:
    """A sentence in which words in backticks are commands."""
    return [Piece(part, i % 2 == 1) for i, part in enumerate(_COMMAND.split(sentence)) if part]


def plain(sentence: str) -> Text:
    """A sentence that may quote a file, so that nothing in it is taken for a command."""
    return [Piece(sentence, is_command=False)]


def sentence(words: str) -> str:
    """With a capital letter, because messages begin in lower case."""
    return words[:1].upper() + words[1:]


def moment(time: datetime) -> Moment:
    time = time.astimezone(UTC)
    return Moment(timestamp(time), f"{time.day} {time:%B, %H:%M} UTC")


def moment_or_none(time: datetime | None) -> Moment | None:
    return moment(time) if time else None


def took(seconds: float | None) -> str:
    """As a person would say it."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def told(*counts: tuple[int | None, str]) -> str:
    """``3 added, 1 changed``: those that there are; empty if there are none."""
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)
