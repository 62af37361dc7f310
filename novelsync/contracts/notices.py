"""Who is told of verdicts and of changes, and what is remembered of that."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from novelsync.models.desk.notices import Alert, NoticeBatch
from novelsync.models.status import Verdict


class VerdictRecord(Protocol):
    """The changes of the verdict, as the database remembers them: each is told once, whoever looks."""

    def note(self, verdict: Verdict, reasons: Sequence[str], at: datetime, claim: str, seconds: int) -> Alert | None:
        """
        Notes the verdict if it has changed, and claims the oldest change that has not been told; None: there is none.

        ``at``: `DatabaseStatus.at`. ``claim``: a UUID of this attempt; for so many ``seconds`` no other one gets it.
        """

    def told(self, alert: Alert, claim: str, *, told: bool, pause: int = 0) -> None:
        """Records that it was told; or else that it may be claimed again after ``pause`` seconds."""


class AlertReceiver(Protocol):
    """Who is told of changes of the verdict."""

    @property
    def name(self) -> str:
        """Which one this is, to be shown to people; without secrets."""

    def send(self, document: Mapping[str, Any]) -> None:
        """Returns once it was taken, within seconds. Raises `ReceiverUnavailable`."""


class NoticeReceiver(Protocol):
    """Who is told of every change that readers see."""

    @property
    def name(self) -> str:
        """Which one this is, to be shown to people; without secrets."""

    @property
    def id(self) -> str:
        """The same for the same receiver, in every process; it betrays nothing."""

    def deliver(self, message_id: str, document: Mapping[str, Any]) -> None:
        """Returns once it was taken, within seconds. Raises `ReceiverUnavailable`. The same id: it is sent again."""


class NoticeRecord(Protocol):
    """How far the change feed has been delivered, as the database remembers it, to each receiver."""

    def take(self, receiver: NoticeReceiver, claim: str, *, known_for: float, seconds: float, most: int) -> NoticeBatch:
        """
        Claims the next changes that this receiver has not taken, in order; for so many ``seconds`` nobody else does.

        ``known_for``: seconds; a receiver that is new begins with what changed since then. ``most``: changes.
        """

    def taken(self, receiver: NoticeReceiver, claim: str, upto: int, failure: str | None) -> None:
        """Records that the batch was taken; or else (``failure``) why not, and then it is claimed again, but later."""
