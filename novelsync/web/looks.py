"""What the GET routes show. None of them changes anything but what the verdict's alerts remember."""

from datetime import UTC, datetime
from typing import Final

from flask import Request

from novelsync.models.status import Verdict
from novelsync.settings.shown import shown_settings
from novelsync.web.answers import Answer, Reader
from novelsync.web.metrics import exposition
from novelsync.web.page.render import View
from novelsync.web.page.views.decisions import held_view, takedowns_view
from novelsync.web.page.views.novels import novel_view, novels_view
from novelsync.web.page.views.runs import run_view, runs_view
from novelsync.web.page.views.status.view import Setting, status_view
from novelsync.web.request.parameters import (
    LISTING,
    Refused,
    listing_parameters,
    novel_parameter,
    novels_parameters,
    parameters,
    position_parameter,
    run_parameter,
)
from novelsync.wiring.parts import Parts

_ALARMING: Final = {
    "1": (Verdict.NEVER_RUN, Verdict.FAILING, Verdict.STALE),
    "strict": tuple(verdict for verdict in Verdict if verdict is not Verdict.OK),
}

RUNS_PER_PAGE: Final = 100


def scheduler(parts: Parts, request: Request) -> Answer:
    parameters(request)
    return Answer(200, {"success": True, "data": parts.scheduler_service.get_scheduler_status()})


def status(parts: Parts, request: Request) -> Answer:
    given = parameters(request, "check", *LISTING)
    check = given.get("check")
    if check is not None and check not in _ALARMING:
        raise Refused(400, f"check is {check!r}", "it can be 1 or strict")
    if listing := listing_parameters(given):
        return Answer(200, parts.status_service.problems(*listing))
    stored = parts.database.status()
    parts.alert_service.look(stored)
    shown = parts.status_service.status(look_at_storage=check is None, stored=stored)
    settings = [Setting(*setting) for setting in shown_settings(parts.settings)]

    def view(reader: Reader) -> View:
        return status_view(shown, reader.actions, reader.say, datetime.now(UTC), reader.act, settings)

    return Answer(503 if check and shown.verdict in _ALARMING[check] else 200, shown, view)


def metrics(parts: Parts, request: Request) -> Answer:
    parameters(request)
    if not parts.settings.metrics:
        raise Refused(404, "/metrics was not asked for here", "set NOVELSYNC_METRICS=1")
    stored = parts.database.status()
    parts.alert_service.look(stored)
    shown = parts.status_service.status(look_at_storage=False, stored=stored)
    return Answer(200, exposition(stored, shown, datetime.now(UTC)))


def novels(parts: Parts, request: Request) -> Answer:
    query = novels_parameters(request)
    page = parts.database.desk.novels(query)
    return Answer(200, page, lambda reader: novels_view(page, query))


def novel(parts: Parts, request: Request) -> Answer:
    given = parameters(request, "slug", "after")
    slug, after = novel_parameter(given), position_parameter(given)
    detail = parts.database.desk.novel(slug, after)
    if detail is None:
        raise Refused(404, f"there is no novel {slug!r}", "the folder's name is the slug")
    return Answer(200, detail, lambda reader: novel_view(detail, after, reader.say, reader.act))


def held(parts: Parts, request: Request) -> Answer:
    slug = novel_parameter(parameters(request, "slug"))
    look = parts.held_service.look(slug)
    if look is None:
        raise Refused(404, f"there is no novel {slug!r}", "the folder's name is the slug")
    return Answer(200, look, lambda reader: held_view(look, reader.act))


def takedowns(parts: Parts, request: Request) -> Answer:
    parameters(request)
    found = parts.takedown_service.listed()
    shown = [{name: getattr(each, name) for name in each.__struct_fields__ if name != "signs"} for each in found]
    return Answer(200, {"takedowns": shown}, lambda reader: takedowns_view(found, reader.act))


def runs(parts: Parts, request: Request) -> Answer:
    given = parameters(request, "before")
    found = parts.database.desk.runs(run_parameter(given, "before") if "before" in given else None, RUNS_PER_PAGE)
    return Answer(200, found, lambda reader: runs_view(found))


def run(parts: Parts, request: Request) -> Answer:
    run_id = run_parameter(parameters(request, "run_id"))
    detail = parts.database.desk.run(run_id)
    if detail is None:
        raise Refused(404, f"there is no run {run_id}", "runs are kept for 30 days")
    report = detail.report and detail.report.as_dict()
    body = {name: getattr(detail, name) for name in detail.__struct_fields__} | {"report": report}
    return Answer(200, body, lambda reader: run_view(detail, reader.say))
