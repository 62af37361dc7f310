"""Waiting for what another thread or process brings about, but not for ever."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

PATIENCE = 60.0
"""Seconds. More than a busy machine needs: only a bug takes so long."""


def wait_until(condition: Callable[[], Value], seconds: float = PATIENCE) -> Value:
    """What ``condition`` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.01)
    return value


class Time(threading.Event):
    """A clock that waiting moves on, and a stop that a test gives after so much of it."""

    def __init__(self, stops_after: float = float("inf")) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self._stops_at = self.now + stops_after

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0
        self.waits.append(timeout or 0)
        if self.now >= self._stops_at:
            self.set()
        return self.is_set()
