"""Who has been told what: of the verdict, and of every change that readers see."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from novelsync.contracts.notices import NoticeReceiver
from novelsync.database.functions import ALERT_TOLD, NOTE_VERDICT, NOTICES_TAKEN, TAKE_NOTICES, SqlFunction
from novelsync.models.desk.notices import Alert, NoticeBatch
from novelsync.models.status import Verdict


class VerdictClient:
    """A `novelsync.contracts.notices.VerdictRecord`. ``call``: how a function of the database is called."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def note(self, verdict: Verdict, reasons: Sequence[str], at: datetime, claim: str, seconds: int) -> Alert | None:
        request = {"verdict": verdict, "reasons": reasons, "at": at, "claim": claim, "seconds": seconds}
        return msgspec.convert(self._call(NOTE_VERDICT, request)["alert"], Alert | None)

    def told(self, alert: Alert, claim: str, *, told: bool, pause: int = 0) -> None:
        self._call(ALERT_TOLD, {"id": alert.id, "claim": claim, "told": told, "pause": pause})


class NoticeClient:
    """A `novelsync.contracts.notices.NoticeRecord`. ``call``: how a function of the database is called."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def take(self, receiver: NoticeReceiver, claim: str, *, known_for: float, seconds: float, most: int) -> NoticeBatch:
        request: dict[str, Any] = {"receiver": receiver.id, "name": receiver.name, "claim": claim}
        request |= {"known_for": known_for, "seconds": seconds, "most": most}
        return msgspec.convert(self._call(TAKE_NOTICES, request), NoticeBatch)

    def taken(self, receiver: NoticeReceiver, claim: str, upto: int, failure: str | None) -> None:
        self._call(NOTICES_TAKEN, {"receiver": receiver.id, "claim": claim, "upto": upto, "failure": failure})
