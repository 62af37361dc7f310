"""
Requests to answers: routes, methods, parameters, and every status code. A translation table that decides nothing else.

A run that finished, and one that was skipped, is 200 whatever happened to single novels: a scheduler calls again
after anything else.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, NamedTuple

import structlog
from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from novelsync.errors import (
    ConfigurationError,
    DatabaseNotReady,
    NovelSyncError,
    RunInProgress,
    SchedulerStopped,
    Unavailable,
)
from novelsync.models.run import Outcome, SyncOptions
from novelsync.running.report import Report, timestamp
from novelsync.text.formatting import shortened
from novelsync.text.hints import Say, as_command_line, as_request, said
from novelsync.web.page.notice import notice
from novelsync.web.page.render import headers, notice_page, status_page
from novelsync.web.page.view import Action, Actions, text, view
from novelsync.web.same_origin import is_from_elsewhere, may_be_sent_a_token
from novelsync.wiring import Parts, parts_of_this_process

NOVELS: Final = "/api/v1/sync/novels"
BACKGROUND: Final = "/api/v1/sync/novels/background"
STATUS: Final = "/api/v1/sync/novels/status"
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
    "1": ("never_run", "failing", "stale"),
    "strict": ("never_run", "failing", "stopped", "stale", "attention"),
}

MOST_BODY: Final = 65_536
"""Bytes. None is needed; it is only looked into for parameters that belong elsewhere."""

MOST_ADDRESS: Final = 16_384
"""Bytes of the path and the query. Google's own limit is about this; functions-framework has none."""

MOST_SAID: Final = 1000
"""Characters of a message about a request, which may quote it."""

LONGEST_NAME: Final = 1024
"""Bytes of UTF-8, of an object in Cloud Storage. A folder's name has at most 255."""

log = structlog.get_logger()


class Refused(Exception):
    """A request that is answered with an error before anything is done."""

    def __init__(self, status: int, message: str, hint: str, allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        self.allow = allow


Answer = tuple[int, Mapping[str, Any]]


Handler = Callable[[Parts, Request], Answer]


class Route(NamedTuple):
    """What is done for a method and a path."""

    method: str
    path: str
    act: Handler


@dataclass(frozen=True, slots=True)
class Function:
    """One deployed function: its name, and the routes it answers; the first of each method answers at ``/`` too."""

    name: str
    routes: tuple[Route, ...]


def answer(request: Request, function: Function, find_parts: Callable[..., Parts] = parts_of_this_process) -> Response:
    """The answer to any request whatever; nothing gets out as an exception."""
    structlog.contextvars.clear_contextvars()  # what this thread bound for the request before
    say: Say = as_command_line
    try:
        _bound(request)
        act = _route(request, function)
        parts = find_parts(acts=any(route.method == "POST" for route in function.routes))
        structlog.contextvars.bind_contextvars(**_trace(request, parts.settings.cloud_project))
        _check_origin(parts, request)
        say = _say(parts, request, function)
        status, document = act(parts, request)
        document = said(document, say)
        if act is _status and _is_browser(request):
            return _page(status, status_page(view(document, _actions(parts, function, say), say, datetime.now(UTC))))
        return _told(request, function, status, document)
    except Refused as refusal:
        allow = {"Allow": refusal.allow} if refusal.allow else {}
        return _told(request, function, refusal.status, _failure(refusal.message, refusal.hint), allow)
    except NovelSyncError as error:
        log.error("request_failed", reason=error.message, hint=error.hint)  # noqa: TRY400 — it says all there is
        return _told(request, function, _status_of(error), _failure(error.message, say(error.hint)))
    except Exception:
        # The outermost boundary: functions-framework would answer with a page of its own.
        log.exception("request_broke")
        broke = _failure("something is wrong in NovelSync itself", "the log has the details")
        return _told(request, function, 500, broke)


def _bound(request: Request) -> None:
    """Reads all of the body that may be: whatever is left, functions-framework reads into memory after the answer."""
    request.max_content_length = MOST_BODY
    try:
        request.get_data()
        request.stream.read(1)  # a body in chunks is read up to the limit, and too long only then
    except RequestEntityTooLarge as error:
        request.stream = BytesIO()
        raise Refused(413, f"the body has more than {MOST_BODY:,} bytes", "none is needed") from error
    if len(request.path) + len(request.query_string) > MOST_ADDRESS:
        raise Refused(414, f"the address has more than {MOST_ADDRESS:,} bytes", "ask for fewer novels at a time")


def _say(parts: Parts, request: Request, function: Function) -> Say:
    if not parts.settings.in_cloud:
        return as_command_line
    has_it = any(route.path == NOVELS for route in function.routes)
    # Not as the request says: TLS ends before us, and a token must not be sent in clear.
    root = f"https://{request.host}" if has_it and may_be_sent_a_token(request.host) else ""
    return as_request(NOVELS, root, parts.settings.scheduler_job or "")


def _actions(parts: Parts, function: Function, say: Say) -> Actions:
    """Buttons where there are routes for them, else commands."""
    if any(route.path == NOVELS for route in function.routes):
        return Actions(Action(NOVELS), Action(SCHEDULER_START), Action(SCHEDULER_STOP))
    if job := parts.settings.scheduler_job:
        acts = ("run", "resume", "pause")
        return Actions(*(Action(command=text(f"`gcloud scheduler jobs {act} {job}`")) for act in acts))
    return Actions(Action(command=text(say("`novelsync sync`"))))


# Routes -----------------------------------------------------------------------------


def _sync(parts: Parts, request: Request) -> Answer:
    given = _parameters(request, *_SYNC_PARAMETERS)
    slugs, removals = given.getlist("slug"), given.get("accept_removals")
    if not all(
        0 < len(slug.encode()) <= LONGEST_NAME and "\0" not in slug for slug in (*slugs, *given.getlist("accept"))
    ):
        raise Refused(400, "a slug is empty, too long, or holds a NUL", "it is the name of the novel's folder")
    if removals is not None and (slugs or not re.fullmatch("[1-9][0-9]{0,8}", removals)):
        hint = "the number that was shown; and only a whole run removes, so no slug beside it"
        raise Refused(400, f"accept_removals is {removals!r}" + (" beside a slug" if slugs else ""), hint)
    options = SyncOptions(_flag(given, "reread"), frozenset(given.getlist("accept")), removals and int(removals))
    trigger = "scheduler" if "X-CloudScheduler" in request.headers else "http"
    service = parts.sync_service
    if _flag(given, "dry_run"):
        return _published(service.dry_run(slugs, trigger, options=options))
    if slugs:
        return _published(service.sync_some_novels(slugs, trigger, options))
    return _published(service.sync_all_novels(trigger, options=options))


def _flag(given: Any, name: str) -> bool:
    value = given.get(name, "0")
    if value not in ("0", "1"):
        raise Refused(400, f"{name} is {value!r}", "it can be 1 or 0")
    return bool(value == "1")


def _published(report: Report) -> Answer:
    status = 200
    if report.outcome is Outcome.FAILED and report.error:
        status = _status_of(report.error)
    return status, {"success": status == 200, "message": _MESSAGES[report.outcome], "data": report.as_dict()}


def _background(parts: Parts, request: Request) -> Answer:
    _parameters(request)
    message = "Sync job started in background"
    try:
        parts.scheduler_service.run_sync_job()
    except RunInProgress:
        message = _MESSAGES[Outcome.SKIPPED]
    return 200, {"success": True, "message": message, "timestamp": timestamp(datetime.now(UTC))}


def _start(parts: Parts, request: Request) -> Answer:
    _parameters(request)
    parts.scheduler_service.start_scheduler()
    return 200, {"success": True, "message": "Scheduler started successfully"}


def _stop(parts: Parts, request: Request) -> Answer:
    _parameters(request)
    parts.scheduler_service.stop_scheduler()
    return 200, {"success": True, "message": "Scheduler stopped successfully"}


def _scheduler(parts: Parts, request: Request) -> Answer:
    _parameters(request)
    return 200, {"success": True, "data": parts.scheduler_service.get_scheduler_status()}


def _status(parts: Parts, request: Request) -> Answer:
    check = _parameters(request, "check").get("check")
    if check is not None and check not in _ALARMING:
        raise Refused(400, f"check is {check!r}", "it can be 1 or strict")
    status = parts.status_service.status(look_at_storage=check is None)
    return 503 if check and status["verdict"] in _ALARMING[check] else 200, status


_POSTS: Final = (
    Route("POST", NOVELS, _sync),
    Route("POST", BACKGROUND, _background),
    Route("POST", SCHEDULER_START, _start),
    Route("POST", SCHEDULER_STOP, _stop),
)
_GETS: Final = (Route("GET", STATUS, _status), Route("GET", SCHEDULER_STATUS, _scheduler))

SYNC: Final = Function("sync", _POSTS)
"""Does: every POST route."""
STATUS_DOOR: Final = Function("status", _GETS)
"""Shows: every GET route."""
APP: Final = Function("app", _GETS + _POSTS)
"""Both in one process, for a laptop."""


def _route(request: Request, function: Function) -> Handler:
    method = "GET" if request.method == "HEAD" else request.method
    path = request.path.rstrip("/")
    acts: dict[str, Handler] = {}
    for route in function.routes:
        if path in ("", route.path):
            acts.setdefault(route.method, route.act)
    if method in acts:
        return acts[method]
    if acts:
        allow = ", ".join(sorted(acts))
        raise Refused(405, f"{request.method} is not for {request.path}", f"use {allow}", allow)
    for sibling in (SYNC, STATUS_DOOR):
        if any(route.path == path for route in sibling.routes):
            raise Refused(404, f"the function {function.name} has no {path}", f"the function {sibling.name} answers it")
    known = ", ".join(f"{route.method} {route.path}" for route in function.routes)
    raise Refused(404, f"there is no {request.path}", f"there is: {known}")


_SYNC_PARAMETERS: Final = ("dry_run", "slug", "reread", "accept", "accept_removals")
_REPEATABLE: Final = ("slug", "accept")


def _parameters(request: Request, *allowed: str) -> Any:
    """The query's. Refuses what would quietly do the wrong thing: a misspelled one, one given twice or in the body."""
    unknown = [name for name in request.args if name not in allowed]
    if unknown:
        hint = f"known here: {', '.join(allowed)}" if allowed else "there are none here"
        raise Refused(400, f"unknown parameter: {', '.join(unknown)}", hint)
    twice = [name for name, values in request.args.lists() if len(values) > 1 and name not in _REPEATABLE]
    if twice:
        raise Refused(400, f"given twice: {', '.join(twice)}", "once is enough")
    try:
        body = request.get_json(force=True, silent=True)
    except RecursionError as error:
        raise Refused(400, "the body is nested too deeply", "none is needed") from error
    misplaced = [name for name in _SYNC_PARAMETERS if name in request.form or (isinstance(body, dict) and name in body)]
    if misplaced:
        raise Refused(400, f"in the body: {', '.join(misplaced)}", "parameters go into the address, behind a ?")
    return request.args


_ORIGIN_HINT: Final = (
    "call it with curl, or from NovelSync's own page; on a machine of your own open that by number, as"
    " http://127.0.0.1:8080, because anybody's name can be made to lead there"
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


def _failure(message: str, hint: str) -> Mapping[str, Any]:
    return {"success": False, "message": shortened(message, MOST_SAID), "hint": hint}


_ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}


def _is_browser(request: Request) -> bool:
    """Whether somebody looks at it: browsers ask for XHTML too when they go to a page, and no other client does."""
    return "application/xhtml+xml" in request.headers.get("Accept", "") and "check" not in request.args


def _told(
    request: Request,
    function: Function,
    status: int,
    document: Mapping[str, Any],
    more: Mapping[str, str] | None = None,
) -> Response:
    """As a page, where there are words for a person who has a browser."""
    if "message" not in document or not _is_browser(request):
        return _json(status, document, more)
    here = request.path.rstrip("/")
    back = STATUS if any(route.act is _status for route in function.routes) else ""
    again = request.method == "GET" and here in ("", STATUS)
    return _page(status, notice_page(notice(status, document, back=back, again=again)), more)


def _page(status: int, page: str, more: Mapping[str, str] | None = None) -> Response:
    return Response(page, status, _ALWAYS | headers() | dict(more or {}), content_type="text/html; charset=utf-8")


def _json(status: int, document: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(document, ensure_ascii=False)
    return Response(body, status, _ALWAYS | dict(more or {}), content_type="application/json; charset=utf-8")


def _trace(request: Request, project: str | None) -> dict[str, str]:
    """So that Cloud Logging shows a request's lines together."""
    named = re.match(r"([0-9a-f]{32})/", request.headers.get("X-Cloud-Trace-Context", "")) or re.match(
        r"00-([0-9a-f]{32})-", request.headers.get("traceparent", "")
    )
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{named[1]}"} if named and project else {}
