"""A run's messages to other processes, and their answers, as ``…_novelsync_messages_status.sql`` remembers them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from novelsync.database.functions import ANSWER, ANSWERS, HAND_OUT, SqlFunction
from novelsync.models.results import NovelResult
from novelsync.models.run import MessageState

ANSWERS_PER_PAGE: Final = 5_000
"""Answers to a run's messages per call: about 1.5 MB."""


class MessageClient:
    """A `novelsync.contracts.cloud.Messages`. ``call``: how a function of the database is called."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def hand_out(self, run_id: str, slugs: Sequence[str], *, formers: Sequence[str] = (), close: bool = False) -> int:
        request = {"run_id": run_id, "slugs": slugs, "formers": formers, "close": close}
        return int(self._call(HAND_OUT, request)["open"])

    def state(self, run_id: str, slug: str) -> MessageState:
        return MessageState(self._call(ANSWER, {"run_id": run_id, "slug": slug})["state"])

    def answer(self, run_id: str, result: NovelResult) -> None:
        self._call(ANSWER, {"run_id": run_id, "slug": result.slug, "result": result})

    def answers(self, run_id: str) -> Iterator[NovelResult]:
        after = ""
        while page := self._call(ANSWERS, {"run_id": run_id, "after": after, "limit": ANSWERS_PER_PAGE}):
            yield from (msgspec.convert(entry["result"], NovelResult) for entry in page)
            after = page[-1]["slug"]
