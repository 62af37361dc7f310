"""From what a handler answers to a response: a page for a browser, JSON for everybody else, and every status code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from flask import Request, Response

from novelsync.errors import ConfigurationError, DatabaseNotReady, NovelSyncError, SchedulerStopped, Unavailable
from novelsync.models.report import Report
from novelsync.models.status import Status
from novelsync.text.formatting import shortened
from novelsync.text.hints import Say, said
from novelsync.web.metrics import Exposition
from novelsync.web.page.render import View, headers, page
from novelsync.web.page.views.notice import notice
from novelsync.web.page.views.words import Act, Action, Actions
from novelsync.web.request.addresses import STATUS

MAX_MESSAGE: Final = 1000
"""Characters of a message about a request, because it may quote the request."""


class Acknowledgement(NamedTuple):
    """An answer with a ``message``: what was done, or why not."""

    success: bool
    message: str
    more: Mapping[str, Any] = {}
    """Further keys of the JSON document."""
    report: Report | None = None
    """Published as ``data``."""

    def as_dict(self) -> dict[str, Any]:
        document = {"success": self.success, "message": self.message, **self.more}
        return document | {"data": self.report.as_dict()} if self.report else document


Document = Status | Acknowledgement | Mapping[str, Any] | msgspec.Struct

Body = Document | Exposition


_NO_ACTIONS: Final = Actions(Action())


@dataclass(frozen=True, slots=True)
class Reader:
    """Where an answer is read: how commands are written there, and what can be done from there."""

    say: Say = str
    act: Act = lambda command: Action()
    actions: Actions = _NO_ACTIONS
    home: str = ""
    """The address of the status page; empty if this function has none."""


class Answer(NamedTuple):
    """What a handler answers. ``view``: the page that a browser gets; None: JSON, or a notice."""

    status: int
    body: Body
    view: Callable[[Reader], View] | None = None
    headers: Mapping[str, str] = {}


def failure(message: str, hint: str) -> Acknowledgement:
    return Acknowledgement(success=False, message=shortened(message, MAX_MESSAGE), more={"hint": hint})


def status_of(error: NovelSyncError) -> int:
    match error:
        case ConfigurationError() | DatabaseNotReady():
            return 500
        case Unavailable():
            return 503
        case SchedulerStopped():
            return 409
        case _:
            return 500


_ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}


def is_browser(request: Request) -> bool:
    """Whether a person will look at the answer: a browser that opens a page accepts XHTML, and no other client does."""
    return "application/xhtml+xml" in request.headers.get("Accept", "") and "check" not in request.args


def respond(request: Request, answer: Answer, reader: Reader) -> Response:
    """The answer for whoever sent the request."""
    status, body = answer.status, answer.body
    if is_browser(request):
        if answer.view:
            return _page(status, answer.view(reader), answer.headers)
        if isinstance(body, Acknowledgement):
            return _page(status, _notice(request, status, body, reader), answer.headers)
    if isinstance(body, Exposition):
        return Response(body.text, status, _ALWAYS, content_type=body.content_type)
    return in_json(status, body, answer.headers, reader.say)


def in_json(status: int, body: Document, more: Mapping[str, str] = {}, say: Say = str) -> Response:
    """The answer for whoever is no browser. ``more``: further headers."""
    document = body if isinstance(body, (Mapping, msgspec.Struct)) else body.as_dict()
    content = msgspec.json.encode(said(msgspec.to_builtins(document), say))
    return Response(content, status, _ALWAYS | dict(more), content_type="application/json; charset=utf-8")


def _notice(request: Request, status: int, body: Acknowledgement, reader: Reader) -> View:
    again = request.method == "GET" and request.path.rstrip("/") in ("", STATUS)
    hint = reader.say(str(body.more.get("hint", "")))
    return notice(status, body.message, hint, body.report, reader.say, back=reader.home, again=again)


def _page(status: int, view: View, more: Mapping[str, str]) -> Response:
    return Response(page(view), status, _ALWAYS | headers() | dict(more), content_type="text/html; charset=utf-8")
