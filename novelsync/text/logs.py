"""How log lines look: as text for a person, or as JSON for Google Cloud. Only an entry point calls this."""

import logging
import sys
from collections.abc import Callable, Container, Mapping, MutableMapping
from typing import Any, Literal

import structlog

from novelsync.text.formatting import printable
from novelsync.text.redaction import redacted

MOST = 10_000
"""Characters of one field. Google Cloud splits lines of more than 256 kB into pieces that are no longer JSON."""

TOLD_ANYWAY = ("database_call_succeeded",)
"""Events of no importance that a living line needs, because they end it."""

_SEVERITY = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "critical": "CRITICAL"}


def configure_logs(
    log_format: Literal["json", "text"],
    stream: Literal["stdout", "stderr"],
    printed: Container[str] = (),
    tell: Callable[[str, Mapping[str, Any]], object] | None = None,
    *,
    every: bool = False,
) -> None:
    """
    From now on, each event is a line on that stream of ``sys``: the event's name and its fields.

    As text, only warnings and worse are shown, or with ``every`` everything from INFO on; not the events in
    ``printed``, which the caller prints itself. As JSON, everything from INFO on is. ``tell``: takes each event
    instead, from INFO on, as text that can be printed.
    """
    as_json = log_format == "json"
    least = logging.INFO if as_json or tell or every else logging.WARNING
    processors: list[Any]
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=lambda value: redacted(str(value)))
        processors = [structlog.processors.format_exc_info, _for_cloud, _without_secrets, _bounded, renderer]
    else:

        def without_printed(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            if event["event"] in printed:
                raise structlog.DropEvent
            return event

        def told(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            if tell is None:
                return event
            if method != "info" or event["event"] in TOLD_ANYWAY:
                tell(event["event"], event)
            raise structlog.DropEvent

        processors = [
            without_printed,
            _without_secrets,
            _bounded,
            _printable,
            told,
            structlog.dev.ConsoleRenderer(
                colors=getattr(sys, stream).isatty(),
                # The default shows local variables, and a key may be one.
                exception_formatter=structlog.dev.plain_traceback,
            ),
            lambda logger, method, line: redacted(str(line)),  # the renderer has added the traceback
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *processors,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        # The stream is looked up for every line, because functions-framework replaces it while it serves.
        logger_factory=lambda *_: structlog.PrintLogger(getattr(sys, stream)),
        cache_logger_on_first_use=False,
    )


def _for_cloud(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # The special fields are those of https://cloud.google.com/logging/docs/structured-logging.
    event["message"] = event.pop("event")
    event["severity"] = _SEVERITY[event.pop("level")]
    event["time"] = event.pop("timestamp")
    return event


def _without_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Must run before anything is cut or encoded, because half a secret or another spelling would not be found."""
    for name, value in event.items():
        event[name] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case Mapping():
            return {name: _redacted(each) for name, each in value.items()}
        case list() | tuple():
            return [_redacted(each) for each in value]
    return value


def _bounded(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cuts the middle out of long values, because the end of a traceback says what went wrong."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MOST:
            event[name] = f"{value[: MOST // 2]} … {value[-MOST // 2 :]}"
    return event


def _printable(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Removes what a terminal would obey: folder names and other libraries' errors may have escape sequences."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value)
    return event
