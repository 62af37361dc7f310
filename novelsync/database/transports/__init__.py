"""How a call reaches the database: directly, or over Supabase's REST API; and how it is repeated if it fails."""

from collections.abc import Mapping
from typing import Any, Protocol


class Transport(Protocol):
    """Carries calls to a database. Raises what `novelsync.contracts.databases.Database` promises."""

    name: str

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        """Calls ``public.<function>`` in a transaction of its own and returns its JSON."""

    def close(self) -> None: ...
