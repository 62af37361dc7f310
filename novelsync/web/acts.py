"""
What the POST routes do.

A run that finished or was skipped is answered with 200, whatever happened to single novels, because a scheduler calls
again after anything else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from flask import Request

from novelsync.errors import RunInProgress, TakedownRefused
from novelsync.models.report import Report, timestamp
from novelsync.models.results import Outcome
from novelsync.notice_service import RUN_SECONDS
from novelsync.web.answers import Acknowledgement, Answer, status_of
from novelsync.web.request.parameters import Refused, parameters, sync_parameters, takedown_number, takedown_parameters
from novelsync.wiring.parts import Parts

_MESSAGES: Final = {
    Outcome.OK: "Sync job completed",
    Outcome.PARTIAL: "Sync job completed with problems",
    Outcome.SKIPPED: "Sync job skipped: another run is in progress",
    Outcome.FAILED: "Sync job failed",
}


def sync(parts: Parts, request: Request) -> Answer:
    slugs, options, dry_run = sync_parameters(request)
    trigger = "scheduler" if "X-CloudScheduler" in request.headers else "http"
    service = parts.sync_service
    if dry_run:
        return _published(service.dry_run(slugs, trigger, options=options))
    if slugs:
        return _published(service.sync_some_novels(slugs, trigger, options))
    return _published(service.sync_all_novels(trigger, options=options))


def _published(report: Report) -> Answer:
    status = status_of(report.error) if report.outcome is Outcome.FAILED and report.error else 200
    return Answer(status, Acknowledgement(status == 200, _MESSAGES[report.outcome], report=report))


def sync_in_background(parts: Parts, request: Request) -> Answer:
    parameters(request)
    message = "Sync job started in background"
    try:
        parts.scheduler_service.run_sync_job()
    except RunInProgress:
        message = _MESSAGES[Outcome.SKIPPED]
    return Answer(200, Acknowledgement(success=True, message=message, more={"timestamp": timestamp(datetime.now(UTC))}))


def start_scheduler(parts: Parts, request: Request) -> Answer:
    parameters(request)
    parts.scheduler_service.start_scheduler()
    return Answer(200, Acknowledgement(success=True, message="Scheduler started successfully"))


def stop_scheduler(parts: Parts, request: Request) -> Answer:
    parameters(request)
    parts.scheduler_service.stop_scheduler()
    return Answer(200, Acknowledgement(success=True, message="Scheduler stopped successfully"))


def take_down(parts: Parts, request: Request) -> Answer:
    kind, target, reason = takedown_parameters(request)
    with _refusals():
        taken = parts.takedown_service.take_down(kind, target, reason)
    parts.notice_service.send(RUN_SECONDS)
    said = {"takedown": taken.id, "novels": taken.novels, "chapters": taken.chapters}
    return Answer(200, Acknowledgement(success=True, message="Taken down", more=said))


def lift(parts: Parts, request: Request) -> Answer:
    number = takedown_number(request)
    with _refusals():
        files = parts.takedown_service.lift(number)
    return Answer(200, Acknowledgement(success=True, message="Takedown lifted", more={"files": files}))


@contextmanager
def _refusals() -> Iterator[None]:
    """Whoever named something that is not there has to hear it, and the log does not."""
    try:
        yield
    except TakedownRefused as refused:
        raise Refused(422, refused.message, refused.hint) from refused
