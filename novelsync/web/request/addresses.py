"""The paths of all routes, and the addresses that pages link to."""

from typing import Final
from urllib.parse import urlencode

NOVELS: Final = "/api/v1/sync/novels"
BACKGROUND: Final = "/api/v1/sync/novels/background"
STATUS: Final = "/api/v1/sync/novels/status"
NOVEL_LIST: Final = "/api/v1/sync/novels/list"
NOVEL: Final = "/api/v1/sync/novels/novel"
HELD: Final = "/api/v1/sync/novels/held"
TAKEDOWNS: Final = "/api/v1/sync/takedowns"
LIFT: Final = "/api/v1/sync/takedowns/lift"
RUNS: Final = "/api/v1/sync/runs"
RUN: Final = "/api/v1/sync/runs/run"
SCHEDULER_START: Final = "/api/v1/sync/scheduler/start"
SCHEDULER_STOP: Final = "/api/v1/sync/scheduler/stop"
SCHEDULER_STATUS: Final = "/api/v1/sync/scheduler/status"
HEALTH: Final = "/healthz"
METRICS: Final = "/metrics"


def address(path: str, **parameters: str | int | None) -> str:
    """A path with those of the parameters that are neither None nor empty."""
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path
