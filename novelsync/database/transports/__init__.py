"""How a call reaches the database: to Postgres itself, or over Supabase's REST API; repeated where that may help."""

from collections.abc import Mapping
from typing import Any, Protocol


class Transport(Protocol):
    """Raises as `novelsync.contracts.Database` promises."""

    name: str

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        """Calls ``public.<function>(json)`` in a transaction of its own and returns its JSON."""

    def close(self) -> None: ...
