"""
What the POST routes do.

A run that finished or was skipped is answered with 200, whatever happened to single novels, because a scheduler calls
again after anything else.
"""

from datetime import UTC, datetime
from typing import Final

from flask import Request

from novelsync.errors import RunInProgress
from novelsync.models.report import Report, timestamp
from novelsync.models.results import Outcome
from novelsync.web.answers import Acknowledgement, Answer, status_of
from novelsync.web.request.parameters import parameters, sync_parameters
from novelsync.wiring import Parts

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
