"""Rows that readers no longer see: how many there are, and deleting them for good."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import msgspec

from novelsync.database.functions import PURGE, REMOVED, SqlFunction
from novelsync.models.stored import Purged, PurgeSelection, Removed

PURGED_CHAPTERS: Final = 2_000
"""Chapters per call: deleting a text takes about a tenth of a millisecond per page."""


class RemovedRowsClient:
    """A `novelsync.contracts.desk.RemovedRows`. ``call``: how a function of the database is called."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def count(self, selection: PurgeSelection) -> Removed:
        return msgspec.convert(self._call(REMOVED, asdict(selection)), Removed)

    def purge(self, selection: PurgeSelection, before: str, *, published: bool = False) -> Iterator[Purged]:
        request = asdict(selection) | {"before": before, "published": published, "limit": PURGED_CHAPTERS}
        while any(piece := Purged(**self._call(PURGE, request))):
            yield piece
