"""Takedowns, as the SQL functions of ``…_novelsync_takedowns.sql`` make, list and lift them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from novelsync.database.functions import LIFT, TAKE_DOWN, TAKEDOWN_ROWS, TAKEDOWNS, SqlFunction
from novelsync.models.desk.takedowns import NamedNovel, Request, Takedown, TakedownKind, Taken, TakenRow

ROWS_PER_PAGE: Final = 5_000
"""Of those in which a host stands."""


class TakedownClient:
    """A `novelsync.contracts.desk.TakedownRecord`. ``call``: how a function of the database is called."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def rows(self, kind: TakedownKind, target: str, host: str = "") -> tuple[NamedNovel | None, Sequence[TakenRow]]:
        request: dict[str, Any] = {"kind": kind, "target": target, "host": host, "limit": ROWS_PER_PAGE}
        answer = self._call(TAKEDOWN_ROWS, request | {"after": None})
        novel = msgspec.convert(answer["novel"], NamedNovel | None)
        rows = page = msgspec.convert(answer["chapters"], list[TakenRow])
        while kind is TakedownKind.URL and len(page) == ROWS_PER_PAGE:
            answer = self._call(TAKEDOWN_ROWS, request | {"after": page[-1].id})
            page = msgspec.convert(answer["chapters"], list[TakenRow])
            rows = [*rows, *page]
        return novel, rows

    def make(self, request: Request) -> Taken:
        return msgspec.convert(self._call(TAKE_DOWN, request._asdict()), Taken)

    def listed(self) -> Sequence[Takedown]:
        return msgspec.convert(self._call(TAKEDOWNS, {"signs": False}), list[Takedown])

    def lift(self, id_: int) -> int | None:
        answer = self._call(LIFT, {"id": id_})
        return int(answer["files"]) if answer["lifted"] else None
