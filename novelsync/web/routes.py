"""Which function answers what: routes, methods, and the way from a request to its handler."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from flask import Request, Response

from novelsync.errors import NovelSyncError
from novelsync.text.hints import Say, as_command_line, as_request, query_of
from novelsync.web import acts, looks
from novelsync.web.answers import Answer, Reader, failure, in_json, respond, status_of
from novelsync.web.page.views.words import Act, Action, Actions, text
from novelsync.web.request.addresses import (
    BACKGROUND,
    HEALTH,
    HELD,
    LIFT,
    METRICS,
    NOVEL,
    NOVEL_LIST,
    NOVELS,
    RUN,
    RUNS,
    SCHEDULER_START,
    SCHEDULER_STATUS,
    SCHEDULER_STOP,
    STATUS,
    TAKEDOWNS,
    address,
)
from novelsync.web.request.parameters import Refused, check_size
from novelsync.web.request.same_origin import is_from_elsewhere, may_be_sent_a_token
from novelsync.wiring.parts import Parts
from novelsync.wiring.this_process import parts_of_this_process

log = structlog.get_logger()

Handler = Callable[[Parts, Request], Answer]


class Route(NamedTuple):
    """The handler for a method and a path."""

    method: str
    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Function:
    """One deployed function: its name, and its routes. The first route of each method answers at ``/`` too."""

    name: str
    routes: tuple[Route, ...]

    def has(self, path: str) -> bool:
        return any(route.path == path for route in self.routes)


_POSTS: Final = (
    Route("POST", NOVELS, acts.sync),
    Route("POST", BACKGROUND, acts.sync_in_background),
    Route("POST", SCHEDULER_START, acts.start_scheduler),
    Route("POST", SCHEDULER_STOP, acts.stop_scheduler),
    Route("POST", TAKEDOWNS, acts.take_down),
    Route("POST", LIFT, acts.lift),
)
_GETS: Final = (
    Route("GET", STATUS, looks.status),
    Route("GET", NOVEL_LIST, looks.novels),
    Route("GET", NOVEL, looks.novel),
    Route("GET", HELD, looks.held),
    Route("GET", TAKEDOWNS, looks.takedowns),
    Route("GET", RUNS, looks.runs),
    Route("GET", RUN, looks.run),
    Route("GET", SCHEDULER_STATUS, looks.scheduler),
    Route("GET", METRICS, looks.metrics),
)

SYNC: Final = Function("sync", _POSTS)
STATUS_FUNCTION: Final = Function("status", _GETS)
APP: Final = Function("app", _GETS + _POSTS)


_BROKEN: Final = failure("something is wrong in NovelSync itself", "the log has the details")


def answer(request: Request, function: Function, find_parts: Callable[..., Parts] = parts_of_this_process) -> Response:
    """Answers any request whatever, and never raises."""
    structlog.contextvars.clear_contextvars()  # what this thread bound for its last request
    reader = Reader(as_command_line, home=STATUS if function.has(STATUS) else "")
    try:
        check_size(request)
        if request.path == HEALTH and request.method in ("GET", "HEAD"):
            return respond(request, Answer(200, {"status": "ok"}), reader)
        handler = _route(request, function)
        parts = find_parts(acts=any(route.method == "POST" for route in function.routes))
        structlog.contextvars.bind_contextvars(**_trace(request, parts.settings.cloud_project))
        _check_origin(parts, request)
        reader = _reader(parts, request, function)
        answered = handler(parts, request)
    except Refused as refusal:
        allow = {"Allow": refusal.allow} if refusal.allow else {}
        answered = Answer(refusal.status, failure(refusal.message, refusal.hint), headers=allow)
        reader = Reader(home=reader.home)
    except NovelSyncError as error:
        log.error("request_failed", reason=error.message, hint=error.hint)  # noqa: TRY400 — it says all there is
        answered = Answer(status_of(error), failure(error.message, error.hint))
    except Exception:
        # The outermost boundary: beyond it, functions-framework would answer with a page of its own.
        log.exception("request_broke")
        answered = Answer(500, _BROKEN)
    try:
        return respond(request, answered, reader)
    except Exception:
        # As JSON, because a page that breaks may break the page about it too.
        log.exception("request_broke")
        return in_json(500, _BROKEN)


def _reader(parts: Parts, request: Request, function: Function) -> Reader:
    """How commands in hints are written for whoever sent the request, and what can be done from there."""
    say: Say = as_command_line
    if parts.settings.in_cloud:
        # Always https: TLS ends before the request gets here, so it says http, and a token must not be sent in the
        # clear.
        root = f"https://{request.host}" if function.has(NOVELS) and may_be_sent_a_token(request.host) else ""
        say = as_request(NOVELS, root, parts.settings.scheduler_job or "")

    def by_button(command: str) -> Action:
        return Action(_route_of(command))

    def by_command(command: str) -> Action:
        return Action(command=text(say(f"`{command}`")))

    act: Act = by_button if function.has(NOVELS) else by_command
    return Reader(say, act, _actions(parts, function, act), STATUS if function.has(STATUS) else "")


def _route_of(command: str) -> str:
    """The route, with its parameters, that does what a command does."""
    _, verb, *rest = shlex.split(command)
    if verb != "takedown":
        return NOVELS + query_of(command)
    first, last = rest
    return address(LIFT, id=last) if first == "lift" else address(TAKEDOWNS, slug=last)


def _actions(parts: Parts, function: Function, act: Act) -> Actions:
    """Buttons if this function has the routes for them, else commands."""
    if function.has(NOVELS):
        return Actions(Action(NOVELS), Action(SCHEDULER_START), Action(SCHEDULER_STOP))
    if job := parts.settings.scheduler_job:
        verbs = ("run", "resume", "pause")
        return Actions(*(Action(command=text(f"`gcloud scheduler jobs {verb} {job}`")) for verb in verbs))
    return Actions(act("novelsync sync"))


def _route(request: Request, function: Function) -> Handler:
    method = "GET" if request.method == "HEAD" else request.method
    path = request.path.rstrip("/")
    handlers: dict[str, Handler] = {}
    for route in function.routes:
        if path in ("", route.path):
            handlers.setdefault(route.method, route.handler)
    if method in handlers:
        return handlers[method]
    if handlers:
        allow = ", ".join(sorted(handlers))
        raise Refused(405, f"{request.method} is not for {request.path}", f"use {allow}", allow)
    for sibling in (SYNC, STATUS_FUNCTION):
        if sibling.has(path):
            raise Refused(404, f"the function {function.name} has no {path}", f"the function {sibling.name} answers it")
    known = ", ".join(f"{route.method} {route.path}" for route in function.routes)
    raise Refused(404, f"there is no {request.path}", f"there is: {known}")


_ORIGIN_HINT: Final = (
    "call it with curl, or from NovelSync's own page; on your own machine open that as http://127.0.0.1:8080,"
    " because a name could be anybody's and still lead there"
)


def _check_origin(parts: Parts, request: Request) -> None:
    if is_from_elsewhere(request, in_cloud=parts.settings.in_cloud):
        raise Refused(403, "this request comes from another site", _ORIGIN_HINT)


def _trace(request: Request, project: str | None) -> dict[str, str]:
    """The field by which Cloud Logging shows the lines of one request together; empty if the request has no trace."""
    named = re.match(r"([0-9a-f]{32})/", request.headers.get("X-Cloud-Trace-Context", "")) or re.match(
        r"00-([0-9a-f]{32})-", request.headers.get("traceparent", "")
    )
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{named[1]}"} if named and project else {}
