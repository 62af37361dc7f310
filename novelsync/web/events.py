"""
Events to single novels: what each asks for, and what is answered. The rest of a whole run is never an event's business.

They come twice, late, in any order, and for objects that are gone again; none of that does any harm, because a novel is
always brought to what storage has now. An event that nobody could ever carry out is logged and acknowledged, so that it
does not come for ever; what may pass is answered with 503, and comes again.
"""

import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
import structlog
from cloudevents.http import CloudEvent
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from werkzeug.exceptions import InternalServerError, ServiceUnavailable

from novelsync.errors import NovelSyncError, StorageUnavailable, Unavailable
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import NovelMessage
from novelsync.text.formatting import one_line
from novelsync.wiring import Parts, parts_of_this_process

FINALIZED: Final = "google.cloud.storage.object.v1.finalized"
DELETED: Final = "google.cloud.storage.object.v1.deleted"
PUBLISHED: Final = "google.cloud.pubsub.topic.v1.messagePublished"

_OF_NOTIFICATIONS: Final = {"OBJECT_FINALIZE": FINALIZED, "OBJECT_DELETE": DELETED}
"""What a bucket's own notifications call them, https://cloud.google.com/storage/docs/pubsub-notifications#attributes."""

log = structlog.get_logger()


class ObjectWritten(NamedTuple):
    """An object has a new generation."""

    bucket: str
    name: str
    generation: int


class IgnoredEvent(Exception):
    """Nothing is to be done, and nothing is wrong: another kind of event."""


class MalformedEvent(Exception):
    """It says what it is and is not that; coming again would not help."""


Asked: TypeAlias = ObjectWritten | NovelMessage


class _Object(BaseModel):
    bucket: str
    name: str
    generation: Annotated[int, Field(ge=0)]


class _Notification(BaseModel):
    bucket: Annotated[str, Field(alias="bucketId")]
    name: Annotated[str, Field(alias="objectId")]
    generation: Annotated[int, Field(alias="objectGeneration", ge=0)]


class _Message(BaseModel):
    attributes: dict[str, str] | None = None
    data: str = ""


class _Published(BaseModel):
    message: _Message


_published: Final = TypeAdapter(_Published)


def asked(kind: str, data: Any) -> Asked:
    """
    What an event of this type asks for. Pure. Raises `IgnoredEvent`, `MalformedEvent`.

    ``data``: an object's metadata, or a Pub/Sub message with a bucket's notification or a `NovelMessage` in it.
    """
    try:
        if kind == PUBLISHED:
            message = _published.validate_python(data).message
            attributes = message.attributes or {}
            if "eventType" in attributes:
                return _written(_OF_NOTIFICATIONS.get(attributes["eventType"], ""), _Notification, attributes)
            asks = msgspec.json.decode(b64decode(message.data, validate=True), type=NovelMessage)
            uuid.UUID(asks.context.run_id or "")
            _storable(asks.slug)
            return asks
        return _written(kind, _Object, data)
    except (ValidationError, msgspec.MsgspecError, ValueError) as error:
        raise MalformedEvent(one_line(error)) from error


def _written(kind: str, shape: type[_Object] | type[_Notification], data: Any) -> ObjectWritten:
    if kind != FINALIZED:
        # A deletion too: one look at one object is no statement about a library, a whole run's listing is.
        raise IgnoredEvent
    found = shape.model_validate(data)
    _storable(found.name)
    return ObjectWritten(found.bucket, found.name, found.generation)


def _storable(name: str) -> None:
    """Raises `ValueError` for what no storage has, and no database could be asked for."""
    if not name or "\0" in name:
        raise ValueError("a name is empty, or holds a NUL")
    name.encode()


def receive(event: CloudEvent, find_parts: Callable[..., Parts] = parts_of_this_process) -> None:
    """Carries out what an event asks for. Raises werkzeug's exceptions, and then the event has to come again."""
    with structlog.contextvars.bound_contextvars(event_id=event["id"]):
        try:
            parts = find_parts(acts=False)
            _carry_out(parts, asked(event["type"], event.get_data()))
        except IgnoredEvent:
            pass
        except MalformedEvent as error:
            log.error("event_refused", type=event["type"], reason=str(error))  # noqa: TRY400 — it says all there is
        except NovelSyncError as error:
            tell = log.warning if isinstance(error, Unavailable) else log.error
            tell("event_comes_again", reason=error.message, hint=error.hint)
            raise ServiceUnavailable(error.message) from error
        except Exception as error:
            log.exception("event_broke")
            raise InternalServerError("something is wrong in NovelSync itself; the log has the details") from error


def _carry_out(parts: Parts, wanted: Asked) -> None:
    if isinstance(wanted, NovelMessage):
        with structlog.contextvars.bound_contextvars(run_id=wanted.context.run_id):
            _tell(wanted.slug, parts.sync_service.answer_message(wanted, parts.messages))
        return
    slug = parts.storage.slug_of(wanted.bucket, wanted.name)
    if slug is None:
        return
    result = parts.sync_service.sync_changed_novel(slug, wanted.generation)
    _tell(slug, result)
    if result is not None and result.status in (NovelStatus.UNAVAILABLE, NovelStatus.IN_FLIGHT):
        why = result.problem.message if result.problem else "it changed while it was read"
        raise StorageUnavailable(f"{slug}: {why}", "the event comes again")


def _tell(slug: str, result: NovelResult | None) -> None:
    if result is None:
        log.info("event_was_done", slug=slug)
        return
    counts: Mapping[str, int] = msgspec.to_builtins(result.chapters)
    chapters = {name: count for name, count in counts.items() if count}
    log.info("novel_synced", slug=slug, status=result.status, chapters=chapters, bytes_read=result.bytes_read)
