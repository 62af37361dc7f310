"""The deployed functions, by name. No logic: see `routes` and `events`."""

import functions_framework
from cloudevents.http import CloudEvent
from flask import Request, Response

from novelsync.web import events, routes


@functions_framework.http
def sync(request: Request) -> Response:
    """Does: mirrors the storage into the database."""
    return routes.answer(request, routes.SYNC)


@functions_framework.http
def status(request: Request) -> Response:
    """Shows: whether all is well."""
    return routes.answer(request, routes.STATUS_FUNCTION)


@functions_framework.cloud_event
def novel_changed(event: CloudEvent) -> None:
    """Takes events: mirrors the one novel that each is about."""
    events.receive(event)


@functions_framework.http
def app(request: Request) -> Response:
    """Both, for a laptop."""
    return routes.answer(request, routes.APP)
