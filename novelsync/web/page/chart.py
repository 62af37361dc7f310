"""The last day's runs as the bars of a chart: where each stands, and how high. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Final

from novelsync.models.status import RunSummary

WIDTH: Final = 1440
"""A minute is one unit."""
HEIGHT: Final = 100
BAR: Final = 14
"""Two runs an hour apart leave air between them."""
LEAST: Final = 4
"""The height of a run that took no time to speak of."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One run, from the left end of the chart and its upper edge."""

    x: float
    y: float
    height: float
    run: RunSummary


def bars(runs: Sequence[RunSummary], now: datetime) -> list[Bar]:
    """The oldest first. Heights grow with the square root, so that one long run does not flatten all others."""
    longest = max((run.duration or 0 for run in runs), default=0)
    drawn = []
    for run in reversed(runs):
        minutes_ago = (now - run.end_time).total_seconds() / 60
        share = sqrt((run.duration or 0) / longest) if longest else 0
        height = round(LEAST + (HEIGHT - LEAST) * share, 1)
        x = min(max(WIDTH - minutes_ago - BAR, 0), WIDTH - BAR)
        drawn.append(Bar(round(x, 1), round(HEIGHT - height, 1), height, run))
    return drawn
