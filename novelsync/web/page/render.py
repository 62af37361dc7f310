"""Renders the pages, with headers that allow a page nothing but its own style and script."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from novelsync.web.page import chart
from novelsync.web.page.notice import Notice
from novelsync.web.page.view import View

_HERE: Final = Path(__file__).parent
_DOTS: Final = {"good": "#3d8b66", "fair": "#c98a1b", "bad": "#cf4a34"}


def status_page(view: View) -> str:
    return _template("status.html").render(view=view, icon=_icon(view.verdict.tone))


def notice_page(notice: Notice) -> str:
    return _template("notice.html").render(notice=notice, icon=_icon(notice.tone))


@cache
def headers() -> dict[str, str]:
    """For every page. They allow the style and the script that have these hashes, and requests to this server."""
    policy = {
        "default-src": "'none'",
        "style-src": _hash("status.css"),
        "script-src": _hash("status.js"),
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


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"style": _inline("status.css"), "script": _inline("status.js"), "chart": chart}
    return environment.get_template(name)


@cache
def _inline(name: str) -> Markup:
    return Markup((_HERE / name).read_text(encoding="utf-8"))  # noqa: S704 — our own file


def _hash(name: str) -> str:
    return f"'sha256-{b64encode(sha256(_inline(name).encode()).digest()).decode()}'"


def _icon(tone: str) -> str:
    """A dot in the verdict's colour."""
    circle = f'<circle cx="8" cy="8" r="6" fill="{_DOTS[tone]}"/>'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{circle}</svg>'
    return f"data:image/svg+xml,{quote(drawing)}"
