"""What a scheduler says about itself, and how that is published."""

from dataclasses import dataclass
from datetime import datetime

import msgspec


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a scheduler says about itself."""

    is_running: bool
    next_run: datetime | None
    """None if it is stopped, or does not say."""


class SchedulerStatus(msgspec.Struct, frozen=True):
    """A `Schedule` as it is published."""

    is_running: bool
    next_job: datetime | None
    jobs_count: int
