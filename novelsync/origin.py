"""No web page may press our buttons: a browser says where a request comes from, and this judges what it says."""

import ipaddress
from urllib.parse import urlsplit

from flask import Request


def is_from_elsewhere(request: Request, *, in_cloud: bool) -> bool:
    """Whether a web page of another site sends it. Whoever only looks may come from anywhere."""
    if request.method in ("GET", "HEAD"):
        return False
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    foreign = site not in ("none", "same-origin") or (origin is not None and _netloc(origin) != request.host)
    # A name that its owner makes point at 127.0.0.1 has an origin that equals our host.
    return foreign or (origin is not None and not in_cloud and not _is_local(request.host))


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return name == "localhost"
