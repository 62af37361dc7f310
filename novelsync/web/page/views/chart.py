"""The last day's runs as the bars of a chart: the position and height of each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Final

from novelsync.models.desk.runs import RunSummary

WIDTH: Final = 1440
"""One unit per minute of the day."""
HEIGHT: Final = 100
SLOT: Final = 17
"""From the beginning of a bar to that of the next, where they would touch."""
BAR: Final = 0.8
"""The width of a bar, as a part of its slot."""
LEAST: Final = 4
"""The height of the shortest run, so that its bar can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One run. ``x`` and ``y`` are the bar's upper left corner, counted from the chart's."""

    x: float
    y: float
    width: float
    height: float
    run: RunSummary


def bars(runs: Sequence[RunSummary], now: datetime) -> list[Bar]:
    """
    Oldest first; ``runs`` are newest first.

    Each stands where it ended, or as far from there as it takes for all of them to be told apart. Heights grow with the
    square root of the duration, so that one long run does not flatten all others.
    """
    longest = max((run.duration or 0 for run in runs), default=0)
    slot = min(SLOT, WIDTH / max(len(runs), 1))
    minutes_ago = [(now - run.end_time).total_seconds() / 60 for run in reversed(runs)]
    drawn = []
    for x, run in zip(_apart([WIDTH - minutes - slot for minutes in minutes_ago], slot), reversed(runs), strict=True):
        share = sqrt((run.duration or 0) / longest) if longest else 0
        height = round(LEAST + (HEIGHT - LEAST) * share, 1)
        drawn.append(Bar(round(x, 1), round(HEIGHT - height, 1), round(slot * BAR, 1), height, run))
    return drawn


def _apart(wanted: Sequence[float], slot: float) -> list[float]:
    """The places, ascending, moved as little to the left as keeps each a slot from the next; none leaves the chart."""
    places = list(wanted)
    latest = WIDTH - slot
    for n in reversed(range(len(places))):
        latest = places[n] = min(places[n], latest)
        latest -= slot
    earliest = 0.0
    for n in range(len(places)):
        earliest = places[n] = max(places[n], earliest)
        earliest += slot
    return places
