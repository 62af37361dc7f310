"""Waiting for what another thread or process brings about, but not for ever."""

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
