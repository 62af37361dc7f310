"""Renders the pages, with headers that allow a page nothing but its own style and script."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from novelsync.web.page.views import chart
from novelsync.web.page.views.decisions import HeldView, TakedownsView
from novelsync.web.page.views.notice import Notice
from novelsync.web.page.views.novels import NovelsView, NovelView
from novelsync.web.page.views.runs import RunsView, RunView
from novelsync.web.page.views.status.view import StatusView
from novelsync.web.request import addresses

_TEMPLATES: Final = Path(__file__).parent / "templates"
_DOTS: Final = {"good": "#3d8b66", "fair": "#c98a1b", "bad": "#cf4a34", "": "#8a8378"}

View = StatusView | NovelsView | NovelView | HeldView | TakedownsView | RunView | RunsView | Notice


def page(view: View) -> str:
    """The whole page."""
    match view:
        case StatusView():
            return _render("status.html", view, view.verdict.tone)
        case NovelsView():
            return _render("novels.html", view)
        case NovelView():
            return _render("novel.html", view, view.tone)
        case HeldView():
            return _render("held.html", view, "fair" if view.choices or view.message else "good")
        case TakedownsView():
            return _render("takedowns.html", view)
        case RunView():
            return _render("run.html", view, view.tone)
        case RunsView():
            return _render("runs.html", view)
        case Notice():
            return _render("notice.html", view, view.tone)


@cache
def headers() -> dict[str, str]:
    """For every page. They allow the style and the script that have these hashes, and requests to this server."""
    policy = {
        "default-src": "'none'",
        "style-src": _hash("page.css"),
        "script-src": _hash("page.js"),
        "img-src": "data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        # Not "no-referrer": a form would then be sent with the origin "null", which is refused.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _render(name: str, view: View, tone: str = "") -> str:
    return _environment().get_template(name).render(view=view, icon=_icon(tone))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"style": _inline("page.css"), "script": _inline("page.js")}
    environment.globals |= {"chart": chart, "addresses": addresses}
    return environment


@cache
def _inline(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 — our own file


def _hash(name: str) -> str:
    return f"'sha256-{b64encode(sha256(_inline(name).encode()).digest()).decode()}'"


def _icon(tone: str) -> str:
    """A dot in the verdict's colour."""
    circle = f'<circle cx="8" cy="8" r="6" fill="{_DOTS[tone]}"/>'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{circle}</svg>'
    return f"data:image/svg+xml,{quote(drawing)}"
