"""The last day's runs as the bars of a chart: the position and height of each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Final

from novelsync.models.status import RunSummary

WIDTH: Final = 1440
"""One unit per minute of the day."""
HEIGHT: Final = 100
BAR: Final = 14
"""The width of a bar, which leaves a gap between two runs an hour apart."""
LEAST: Final = 4
"""The height of the shortest run, so that its bar can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One run. ``x`` and ``y`` are the bar's upper left corner, counted from the chart's."""

    x: float
    y: float
    height: float
    run: RunSummary


def bars(runs: Sequence[RunSummary], now: datetime) -> list[Bar]:
    """
    Oldest first; ``runs`` are newest first.

    Heights grow with the square root of the duration, so that one long run does not flatten all others.
    """
    longest = max((run.duration or 0 for run in runs), default=0)
    drawn = []
    for run in reversed(runs):
        minutes_ago = (now - run.end_time).total_seconds() / 60
        share = sqrt((run.duration or 0) / longest) if longest else 0
        height = round(LEAST + (HEIGHT - LEAST) * share, 1)
        x = min(max(WIDTH - minutes_ago - BAR, 0), WIDTH - BAR)
        drawn.append(Bar(round(x, 1), round(HEIGHT - height, 1), height, run))
    return drawn
