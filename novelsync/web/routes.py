"""
From requests to answers: routes, methods, and every status code. A translation table that decides nothing else.

A run that finished or was skipped is answered with 200, whatever happened to single novels, because a scheduler calls
again after anything else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from flask import Request, Response

from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    NovelSyncError,
    RunInProgress,
    SchedulerStopped,
    Unavailable,
)
from novelsync.models.report import Report, timestamp
from novelsync.models.results import Outcome
from novelsync.models.status import Status, Verdict
from novelsync.text.formatting import shortened
from novelsync.text.hints import Say, as_command_line, as_request, said
from novelsync.web.metrics import Exposition, exposition
from novelsync.web.page.notice import notice
from novelsync.web.page.render import headers, notice_page, status_page
from novelsync.web.page.view import Action, Actions, text, view
from novelsync.web.parameters import LISTING, Refused, check_size, listing_parameters, parameters, sync_parameters
from novelsync.web.same_origin import is_from_elsewhere, may_be_sent_a_token
from novelsync.wiring import Parts, parts_of_this_process

NOVELS: Final = "/api/v1/sync/novels"
BACKGROUND: Final = "/api/v1/sync/novels/background"
STATUS: Final = "/api/v1/sync/novels/status"
HEALTH: Final = "/healthz"
METRICS: Final = "/metrics"
SCHEDULER_START: Final = "/api/v1/sync/scheduler/start"
SCHEDULER_STOP: Final = "/api/v1/sync/scheduler/stop"
SCHEDULER_STATUS: Final = "/api/v1/sync/scheduler/status"

_MESSAGES: Final = {
    Outcome.OK: "Sync job completed",
    Outcome.PARTIAL: "Sync job completed with problems",
    Outcome.SKIPPED: "Sync job skipped: another run is in progress",
    Outcome.FAILED: "Sync job failed",
}
_ALARMING: Final = {
    "1": (Verdict.NEVER_RUN, Verdict.FAILING, Verdict.STALE),
    "strict": tuple(verdict for verdict in Verdict if verdict is not Verdict.OK),
}

MAX_MESSAGE: Final = 1000
"""Characters of a message about a request, because it may quote the request."""

log = structlog.get_logger()


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


Body = Status | Acknowledgement | Exposition | Mapping[str, Any]
Answer = tuple[int, Body]
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


def answer(request: Request, function: Function, find_parts: Callable[..., Parts] = parts_of_this_process) -> Response:
    """Answers any request whatever, and never raises."""
    structlog.contextvars.clear_contextvars()  # what this thread bound for its last request
    say: Say = as_command_line
    try:
        check_size(request)
        if request.path == HEALTH and request.method in ("GET", "HEAD"):
            return _respond(request, function, 200, {"status": "ok"})
        handler = _route(request, function)
        parts = find_parts(acts=any(route.method == "POST" for route in function.routes))
        structlog.contextvars.bind_contextvars(**_trace(request, parts.settings.cloud_project))
        _check_origin(parts, request)
        say = _say(parts, request, function)
        status, body = handler(parts, request)
        if isinstance(body, Status) and _is_browser(request):
            return _page(status, status_page(view(body, _actions(parts, function, say), say, datetime.now(UTC))))
        return _respond(request, function, status, body, say)
    except Refused as refusal:
        allow = {"Allow": refusal.allow} if refusal.allow else {}
        return _respond(request, function, refusal.status, _failure(refusal.message, refusal.hint), more=allow)
    except NovelSyncError as error:
        log.error("request_failed", reason=error.message, hint=error.hint)  # noqa: TRY400 — it says all there is
        return _respond(request, function, _status_of(error), _failure(error.message, error.hint), say)
    except Exception:
        # The outermost boundary: beyond it, functions-framework would answer with a page of its own.
        log.exception("request_broke")
        broke = _failure("something is wrong in NovelSync itself", "the log has the details")
        return _respond(request, function, 500, broke)


def _say(parts: Parts, request: Request, function: Function) -> Say:
    """How commands in hints are written for whoever sent the request."""
    if not parts.settings.in_cloud:
        return as_command_line
    # Always https: TLS ends before the request gets here, so it says http, and a token must not be sent in the clear.
    root = f"https://{request.host}" if function.has(NOVELS) and may_be_sent_a_token(request.host) else ""
    return as_request(NOVELS, root, parts.settings.scheduler_job or "")


def _actions(parts: Parts, function: Function, say: Say) -> Actions:
    """Buttons if this function has the routes for them, else commands."""
    if function.has(NOVELS):
        return Actions(Action(NOVELS), Action(SCHEDULER_START), Action(SCHEDULER_STOP))
    if job := parts.settings.scheduler_job:
        verbs = ("run", "resume", "pause")
        return Actions(*(Action(command=text(f"`gcloud scheduler jobs {verb} {job}`")) for verb in verbs))
    return Actions(Action(command=text(say("`novelsync sync`"))))


# Routes -----------------------------------------------------------------------------


def _sync(parts: Parts, request: Request) -> Answer:
    slugs, options, dry_run = sync_parameters(request)
    trigger = "scheduler" if "X-CloudScheduler" in request.headers else "http"
    service = parts.sync_service
    if dry_run:
        return _published(service.dry_run(slugs, trigger, options=options))
    if slugs:
        return _published(service.sync_some_novels(slugs, trigger, options))
    return _published(service.sync_all_novels(trigger, options=options))


def _published(report: Report) -> Answer:
    status = _status_of(report.error) if report.outcome is Outcome.FAILED and report.error else 200
    return status, Acknowledgement(status == 200, _MESSAGES[report.outcome], report=report)


def _background(parts: Parts, request: Request) -> Answer:
    parameters(request)
    message = "Sync job started in background"
    try:
        parts.scheduler_service.run_sync_job()
    except RunInProgress:
        message = _MESSAGES[Outcome.SKIPPED]
    return 200, Acknowledgement(success=True, message=message, more={"timestamp": timestamp(datetime.now(UTC))})


def _start(parts: Parts, request: Request) -> Answer:
    parameters(request)
    parts.scheduler_service.start_scheduler()
    return 200, Acknowledgement(success=True, message="Scheduler started successfully")


def _stop(parts: Parts, request: Request) -> Answer:
    parameters(request)
    parts.scheduler_service.stop_scheduler()
    return 200, Acknowledgement(success=True, message="Scheduler stopped successfully")


def _scheduler(parts: Parts, request: Request) -> Answer:
    parameters(request)
    return 200, {"success": True, "data": parts.scheduler_service.get_scheduler_status()}


def _status(parts: Parts, request: Request) -> Answer:
    given = parameters(request, "check", *LISTING)
    check = given.get("check")
    if check is not None and check not in _ALARMING:
        raise Refused(400, f"check is {check!r}", "it can be 1 or strict")
    if listing := listing_parameters(given):
        page = parts.status_service.problems(*listing)
        return 200, {name: getattr(page, name) for name in page.__struct_fields__}
    stored = parts.database.status()
    parts.alert_service.look(stored)
    status = parts.status_service.status(look_at_storage=check is None, stored=stored)
    return 503 if check and status.verdict in _ALARMING[check] else 200, status


def _metrics(parts: Parts, request: Request) -> Answer:
    parameters(request)
    if not parts.settings.metrics:
        raise Refused(404, "/metrics was not asked for here", "set NOVELSYNC_METRICS=1")
    stored = parts.database.status()
    parts.alert_service.look(stored)
    return 200, exposition(stored, parts.status_service.status(look_at_storage=False, stored=stored), datetime.now(UTC))


_POSTS: Final = (
    Route("POST", NOVELS, _sync),
    Route("POST", BACKGROUND, _background),
    Route("POST", SCHEDULER_START, _start),
    Route("POST", SCHEDULER_STOP, _stop),
)
_GETS: Final = (
    Route("GET", STATUS, _status),
    Route("GET", SCHEDULER_STATUS, _scheduler),
    Route("GET", METRICS, _metrics),
)

SYNC: Final = Function("sync", _POSTS)
STATUS_FUNCTION: Final = Function("status", _GETS)
APP: Final = Function("app", _GETS + _POSTS)


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


# Answers ----------------------------------------------------------------------------


def _status_of(error: NovelSyncError) -> int:
    match error:
        case ConfigurationError() | DatabaseNotReady():
            return 500
        case Unavailable():
            return 503
        case SchedulerStopped():
            return 409
        case _:
            return 500


def _failure(message: str, hint: str) -> Acknowledgement:
    return Acknowledgement(success=False, message=shortened(message, MAX_MESSAGE), more={"hint": hint})


_ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}


def _is_browser(request: Request) -> bool:
    """Whether a person will look at the answer: a browser that opens a page accepts XHTML, and no other client does."""
    return "application/xhtml+xml" in request.headers.get("Accept", "") and "check" not in request.args


def _respond(
    request: Request,
    function: Function,
    status: int,
    body: Body,
    say: Say = str,
    more: Mapping[str, str] | None = None,
) -> Response:
    """
    An acknowledgement for a browser as a page, everything else as JSON.

    ``say``: how the commands in hints are written. ``more``: further headers.
    """
    if isinstance(body, Acknowledgement) and _is_browser(request):
        here = request.path.rstrip("/")
        again = request.method == "GET" and here in ("", STATUS)
        hint = str(body.more.get("hint", ""))
        words = notice(
            status, body.message, say(hint), body.report, say, back=STATUS if function.has(STATUS) else "", again=again
        )
        return _page(status, notice_page(words), more)
    if isinstance(body, Exposition):
        return Response(body.text, status, _ALWAYS, content_type=body.content_type)
    document = body if isinstance(body, Mapping) else body.as_dict()
    content = msgspec.json.encode(said(msgspec.to_builtins(document), say))
    return Response(content, status, _ALWAYS | dict(more or {}), content_type="application/json; charset=utf-8")


def _page(status: int, page: str, more: Mapping[str, str] | None = None) -> Response:
    return Response(page, status, _ALWAYS | headers() | dict(more or {}), content_type="text/html; charset=utf-8")


def _trace(request: Request, project: str | None) -> dict[str, str]:
    """The field by which Cloud Logging shows the lines of one request together; empty if the request has no trace."""
    named = re.match(r"([0-9a-f]{32})/", request.headers.get("X-Cloud-Trace-Context", "")) or re.match(
        r"00-([0-9a-f]{32})-", request.headers.get("traceparent", "")
    )
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{named[1]}"} if named and project else {}
