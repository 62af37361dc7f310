"""What somebody is to be told: that the verdict has changed, and what has changed for readers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from novelsync.models.status import Verdict


class Alert(msgspec.Struct, frozen=True):
    """A change of the verdict that somebody is to be told of."""

    id: int
    """Later changes have higher ones. If a change is ever told twice, it has the same one."""
    verdict: Verdict
    former: Verdict
    reasons: Sequence[str]
    changed_at: datetime
    """When it was noticed."""


class NoticeBatch(msgspec.Struct, frozen=True):
    """What is to be sent next to one receiver of notices."""

    changes: Sequence[Mapping[str, Any]] | None
    """As `novelsync.notices` of ``supabase/migrations`` makes them, in the order of the feed; None: nothing now."""
    upto: int | None
    """The id of the last entry of the feed that this covers."""
    wait: float | None
    """Seconds after which there may be something; None: there is no need to ask again."""
