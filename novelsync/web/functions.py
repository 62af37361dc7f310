"""The deployed functions, under their names. Their logic is in `routes` and `events`."""

import functions_framework
from cloudevents.http import CloudEvent
from flask import Request, Response

from novelsync.web import events, routes


@functions_framework.http
def sync(request: Request) -> Response:
    """Changes things: mirrors the storage into the database."""
    return routes.answer(request, routes.SYNC)


@functions_framework.http
def status(request: Request) -> Response:
    """Only shows whether all is well."""
    return routes.answer(request, routes.STATUS_FUNCTION)


@functions_framework.cloud_event
def novel_changed(event: CloudEvent) -> None:
    """Takes events, and mirrors the one novel that each is about."""
    events.receive(event)


@functions_framework.http
def app(request: Request) -> Response:
    """``sync`` and ``status`` in one process, for a laptop."""
    return routes.answer(request, routes.APP)
