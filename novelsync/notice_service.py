"""
Tells everybody who is to know of what changes for readers: the change feed, delivered in order and at least once.

How far that has come, who is sending, and when the next call may be made is the database's record. So what one process
leaves, or is killed at, the next one goes on with.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import uuid4

import structlog

from novelsync.contracts.notices import NoticeReceiver, NoticeRecord
from novelsync.errors import NovelSyncError
from novelsync.text.formatting import shortened

MOST_CHANGES: Final = 500
"""In one message: about 200 kB."""

CLAIM_SECONDS: Final = 15.0
"""How long nobody else sends a batch that was claimed: longer than sending it can take."""

RUN_SECONDS: Final = 20.0
"""How long a run goes on with it at its end. What is left then is left to the next one."""

EVENT_SECONDS: Final = 3.0
"""How long an event goes on with it, and the command that watches a folder."""

REASON: Final = 300
"""Characters of why something was not taken."""

log = structlog.get_logger()


class NoticeService:
    """Sends what has not been sent."""

    def __init__(
        self,
        record: NoticeRecord,
        receivers: Sequence[NoticeReceiver],
        *,
        stopped: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``stopped``: setting it ends all waiting."""
        self._record = record
        self._receivers = receivers
        self._stopped = stopped or threading.Event()
        self._monotonic = monotonic
        self._since = monotonic()

    def send(self, seconds: float) -> int:
        """
        Sends each receiver what it has not taken yet, for so many seconds, and returns how many changes were taken.

        Begins nothing after that; what was begun may take a few seconds more. Raises nothing, because a notice is never
        a reason for something else to fail: what goes wrong is logged.
        """
        if not self._receivers or self._stopped.is_set():
            return 0
        ends = self._monotonic() + seconds
        if len(self._receivers) == 1:
            return self._send_to(self._receivers[0], ends)
        # Each in a thread of its own, so that one that hangs delays no other.
        with ThreadPoolExecutor(len(self._receivers), thread_name_prefix="notices") as pool:
            return sum(pool.map(lambda receiver: self._send_to(receiver, ends), self._receivers))

    def _send_to(self, receiver: NoticeReceiver, ends: float) -> int:
        claim, taken = str(uuid4()), 0
        try:
            while self._monotonic() < ends and not self._stopped.is_set():
                batch = self._record.take(
                    receiver,
                    claim,
                    known_for=self._monotonic() - self._since,
                    seconds=CLAIM_SECONDS,
                    most=MOST_CHANGES,
                )
                if batch.changes is not None and batch.upto is not None:
                    taken += self._deliver(receiver, claim, batch.changes, batch.upto)
                elif batch.wait is None or self._monotonic() + batch.wait > ends:
                    break
                else:
                    self._stopped.wait(batch.wait)
        except NovelSyncError as error:
            log.warning("notices_not_looked_at", receiver=receiver.name, reason=error.message)
        return taken

    def _deliver(self, receiver: NoticeReceiver, claim: str, changes: Sequence[Mapping[str, Any]], upto: int) -> int:
        """Returns how many changes were taken."""
        try:
            receiver.deliver(f"changes-{changes[0]['id']}-{upto}", document(changes))
        except NovelSyncError as error:
            log.warning("notices_not_taken", receiver=receiver.name, reason=error.message, hint=error.hint)
            self._record.taken(receiver, claim, upto, shortened(error.message, REASON))
            return 0
        self._record.taken(receiver, claim, upto, None)
        log.info("notices_taken", receiver=receiver.name, changes=len(changes), upto=upto)
        return len(changes)


def document(changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is sent, in the form that Standard Webhooks recommends. The same changes are the same document."""
    return {"type": "chapter_changes", "timestamp": changes[-1]["changed_at"], "data": {"changes": list(changes)}}
