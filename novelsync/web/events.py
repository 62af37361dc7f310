"""
Events about single novels: what each asks for, how it is carried out, and whether it has to be delivered again.

Events arrive twice, late, in any order, and for objects that are already gone. None of that does harm, because a novel
is always synced to what the storage has now. An event that can never be carried out is logged and acknowledged, or else
it would be delivered for ever; one that failed for a passing reason is answered with 503, and is delivered again.
"""

import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
import structlog
from cloudevents.http import CloudEvent
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import InternalServerError, ServiceUnavailable

from novelsync.errors import NovelSyncError, StorageUnavailable, Unavailable
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import NovelMessage
from novelsync.notice_service import EVENT_SECONDS
from novelsync.text.formatting import one_line
from novelsync.wiring.parts import Parts
from novelsync.wiring.this_process import parts_of_this_process

FINALIZED: Final = "google.cloud.storage.object.v1.finalized"
DELETED: Final = "google.cloud.storage.object.v1.deleted"
PUBLISHED: Final = "google.cloud.pubsub.topic.v1.messagePublished"

_BY_NOTIFICATION: Final = {"OBJECT_FINALIZE": FINALIZED, "OBJECT_DELETE": DELETED}
"""By a bucket's own names for them, https://cloud.google.com/storage/docs/pubsub-notifications#attributes."""

log = structlog.get_logger()


class ObjectWritten(NamedTuple):
    """An object has a new generation."""

    bucket: str
    name: str
    generation: int


class IgnoredEvent(Exception):
    """An event of a kind that asks for nothing. Nothing is wrong."""


class MalformedEvent(Exception):
    """An event whose data is not what its type promises. Delivering it again would not help."""


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


def asked(kind: str, data: Any) -> Asked:
    """
    What an event of the type ``kind`` asks for. Pure. Raises `IgnoredEvent`, `MalformedEvent`.

    ``data``: an object's metadata, or a Pub/Sub message with a bucket's notification or a `NovelMessage` in it.
    """
    try:
        if kind == PUBLISHED:
            message = _Published.model_validate(data).message
            attributes = message.attributes or {}
            if "eventType" in attributes:
                return _object_written(_BY_NOTIFICATION.get(attributes["eventType"], ""), _Notification, attributes)
            asks = msgspec.json.decode(b64decode(message.data, validate=True), type=NovelMessage)
            uuid.UUID(asks.context.run_id or "")
            _check_name(asks.slug)
            return asks
        return _object_written(kind, _Object, data)
    except (ValidationError, msgspec.MsgspecError, ValueError) as error:
        raise MalformedEvent(one_line(error)) from error


def _object_written(kind: str, shape: type[_Object] | type[_Notification], data: Any) -> ObjectWritten:
    if kind != FINALIZED:
        # A deletion too: only a whole run removes novels, because only a complete listing shows that one is missing.
        raise IgnoredEvent
    found = shape.model_validate(data)
    _check_name(found.name)
    return ObjectWritten(found.bucket, found.name, found.generation)


def _check_name(name: str) -> None:
    """Raises `ValueError` for a name that no storage has and no database accepts."""
    if not name or "\0" in name:
        raise ValueError("a name is empty, or holds a NUL")
    name.encode()


def receive(event: CloudEvent, find_parts: Callable[..., Parts] = parts_of_this_process) -> None:
    """Carries out what an event asks for. Raises one of werkzeug's exceptions if it has to be delivered again."""
    with structlog.contextvars.bound_contextvars(event_id=event["id"]):
        try:
            parts = find_parts(acts=False)
            _carry_out(parts, asked(event["type"], event.get_data()))
        except IgnoredEvent:
            pass
        except MalformedEvent as error:
            log.error("event_refused", type=event["type"], reason=str(error))  # noqa: TRY400 — it says all there is
        except NovelSyncError as error:
            write = log.warning if isinstance(error, Unavailable) else log.error
            write("event_comes_again", reason=error.message, hint=error.hint)
            raise ServiceUnavailable(error.message) from error
        except Exception as error:
            log.exception("event_broke")
            raise InternalServerError("something is wrong in NovelSync itself; the log has the details") from error


def _carry_out(parts: Parts, wanted: Asked) -> None:
    if isinstance(wanted, NovelMessage):
        with structlog.contextvars.bound_contextvars(run_id=wanted.context.run_id):
            _log(wanted.slug, parts.sync_service.answer_message(wanted, parts.database.messages))
        return
    book, folder = (of(wanted.bucket, wanted.name) for of in (parts.storage.slug_of, parts.storage.folder_of))
    slug = book or folder
    if slug is None:
        return
    result = parts.sync_service.sync_changed_novel(slug, wanted.generation, is_book=book is not None)
    _log(slug, result)
    if result is not None:
        parts.notice_service.send(EVENT_SECONDS)
    if result is not None and result.status in (NovelStatus.UNAVAILABLE, NovelStatus.IN_FLIGHT):
        why = result.problem.message if result.problem else "it changed while it was read"
        raise StorageUnavailable(f"{slug}: {why}", "the event comes again")


def _log(slug: str, result: NovelResult | None) -> None:
    if result is None:
        log.info("event_was_done", slug=slug)
        return
    counts: Mapping[str, int] = msgspec.to_builtins(result.chapters)
    chapters = {name: count for name, count in counts.items() if count}
    log.info("novel_synced", slug=slug, status=result.status, chapters=chapters, bytes_read=result.bytes_read)
