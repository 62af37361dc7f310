"""
Tells somebody of every change of the verdict, once.

What has changed and who has been told is the database's record. So of two instances one tells it, and if that one is
killed before it could, the next look does.
"""

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import structlog

from novelsync.contracts.databases import Database
from novelsync.contracts.notices import AlertReceiver
from novelsync.errors import NovelSyncError
from novelsync.models.desk.notices import Alert
from novelsync.models.report import timestamp
from novelsync.models.status import DatabaseStatus, Verdict
from novelsync.status_service import StatusService
from novelsync.text.formatting import printable, shortened

CLAIM_SECONDS: Final = 60
"""How long nobody else tells a change that was claimed: longer than telling it can take."""

PAUSE_SECONDS: Final = 60
"""After a failure nobody tries again for so long, so that a receiver that is away does not slow every request down."""

LOOK_SECONDS: Final = 10.0
"""A look at the record tells no further change after so long; the next look does."""

MOST_REASONS: Final = 10
"""Reasons in a message; a message is to be read on a phone."""

REASON: Final = 500
"""Characters of each."""

log = structlog.get_logger()


class AlertService:
    """Looks at the verdict, and tells its changes."""

    def __init__(
        self,
        status: StatusService,
        database: Database,
        receiver: AlertReceiver | None,
        *,
        storage: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``receiver``: None if nobody wants to be told; then nothing is looked at. ``storage``: its location."""
        self._status = status
        self._database = database
        self._receiver = receiver
        self._storage = storage
        self._monotonic = monotonic

    def look(self, stored: DatabaseStatus | None = None) -> int:
        """
        Notes the verdict, and tells each change of it that was not told yet, the oldest first. Returns how many.

        The verdict is that of a check, which does not list the storage: so it is the same wherever somebody looks.
        ``stored``: what the database says, if the caller has just asked it.
        Raises nothing, because an alert is never a reason for something else to fail: what goes wrong is logged.
        """
        if self._receiver is None:
            return 0
        claim, told, ends = str(uuid4()), 0, self._monotonic() + LOOK_SECONDS
        try:
            stored = stored or self._database.status()
            status = self._status.status(look_at_storage=False, stored=stored)
            reasons = [shortened(printable(reason), REASON) for reason in status.reasons[:MOST_REASONS]]
            while stored.at and self._monotonic() < ends:
                alert = self._database.verdicts.note(status.verdict, reasons, stored.at, claim, CLAIM_SECONDS)
                if alert is None or not self._tell(alert, claim, self._receiver):
                    break
                told += 1
        except NovelSyncError as error:
            log.warning("alerts_not_looked_at", reason=error.message)
        return told

    def _tell(self, alert: Alert, claim: str, receiver: AlertReceiver) -> bool:
        try:
            receiver.send(document(alert, self._database.name, self._storage))
        except NovelSyncError as error:
            log.warning("alert_not_told", verdict=alert.verdict, reason=error.message, hint=error.hint)
            self._database.verdicts.told(alert, claim, told=False, pause=PAUSE_SECONDS)
            return False
        self._database.verdicts.told(alert, claim, told=True)
        log.info("alert_told", verdict=alert.verdict, former=alert.former, alert=alert.id)
        return True


def document(alert: Alert, database: str, storage: str) -> dict[str, Any]:
    """What is sent: ``text`` for Slack and whoever does as Slack does, and the same in fields of its own."""
    return {
        "text": _text(alert, f"{storage} → {database}"),
        "id": alert.id,
        "verdict": alert.verdict,
        "former": alert.former,
        "reasons": list(alert.reasons),
        "changed_at": timestamp(alert.changed_at),
        "storage": storage,
        "database": database,
    }


def _text(alert: Alert, direction: str) -> str:
    again = " again" if alert.verdict is Verdict.OK else ""
    why = "".join(f"\n• {reason}" for reason in alert.reasons)
    # In Slack's notation < begins a command: the name of a folder must not be able to call a whole channel.
    escaped = f"{why}\n{direction}".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"NovelSync: *{alert.verdict}*{again}, was {alert.former}{escaped}"
