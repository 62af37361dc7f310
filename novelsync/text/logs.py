"""How log lines look: for a person, or as Google Cloud's log reads them. Only an entry point calls this."""

import logging
import sys
from collections.abc import Container, Mapping, MutableMapping
from typing import Any, Literal

import structlog

from novelsync.text.formatting import printable
from novelsync.text.redaction import redacted

MOST = 10_000
"""Characters of one field; Google cuts lines of more than 256 kB in pieces that are no JSON."""

_SEVERITY = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "critical": "CRITICAL"}


def configure_logs(
    log_format: Literal["json", "text"], stream: Literal["stdout", "stderr"], printed: Container[str] = ()
) -> None:
    """
    One line per event on that stream of ``sys``: its name, and what belongs to it as fields.

    A person sees warnings and worse, but for the events ``printed``, which the caller prints itself; the cloud's log
    has everything.
    """
    as_json = log_format == "json"
    renderer: list[Any]
    if as_json:
        as_lines = structlog.processors.JSONRenderer(ensure_ascii=False, default=lambda value: redacted(str(value)))
        renderer = [structlog.processors.format_exc_info, _for_cloud, _without_secrets, _bounded, as_lines]
    else:

        def unprinted(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            if event["event"] in printed:
                raise structlog.DropEvent
            return event

        renderer = [
            unprinted,
            _without_secrets,
            _bounded,
            _harmless,
            structlog.dev.ConsoleRenderer(
                colors=getattr(sys, stream).isatty(),
                # The default shows local variables, and a key may be one.
                exception_formatter=structlog.dev.plain_traceback,
            ),
            lambda logger, method, line: redacted(str(line)),  # the traceback, which comes in only here
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if as_json else logging.WARNING),
        # Looked up for every line, because functions-framework puts its own stream in place while it serves.
        logger_factory=lambda *_: structlog.PrintLogger(getattr(sys, stream)),
        cache_logger_on_first_use=False,
    )


def _for_cloud(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # https://cloud.google.com/logging/docs/structured-logging names the special fields.
    event["message"] = event.pop("event")
    event["severity"] = _SEVERITY[event.pop("level")]
    event["time"] = event.pop("timestamp")
    return event


def _without_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Before anything is cut or encoded, so that none is left by half or in another spelling."""
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
    """With the beginning and the end of what is too long: a traceback's end says what went wrong."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MOST:
            event[name] = f"{value[: MOST // 2]} … {value[-MOST // 2 :]}"
    return event


def _harmless(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Without what a terminal would obey: names of folders and texts of errors are other people's."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value)
    return event
