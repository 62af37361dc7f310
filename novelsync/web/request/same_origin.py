"""Keeps pages of other web sites from sending requests that change something, and from reading our answers."""

import ipaddress
import socket
from urllib.parse import urlsplit

from flask import Request


def is_from_elsewhere(request: Request, *, in_cloud: bool) -> bool:
    """
    Whether a page of another web site sends the request, or could read its answer.

    A browser does not let a page read what another site answers. But an attacker can point the page's own name at
    127.0.0.1 (DNS rebinding), and then the browser takes us for the page's site. So on a laptop the name must be one
    that nobody else can own. In the cloud, Google routes only our own names to us.
    """
    if not in_cloud and not _is_ours(request.host):
        return True
    if request.method in ("GET", "HEAD"):
        return False
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    return site not in ("none", "same-origin") or (origin is not None and _netloc(origin) != request.host)


def may_be_sent_a_token(host: str) -> bool:
    """Whether a command that is shown may send a token to this host, which comes from a header the client chose."""
    name = _name(host)
    return name.endswith((".run.app", ".cloudfunctions.net")) or name == "localhost" or _is_loopback(name)


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_ours(host: str) -> bool:
    """Whether it is an IP address, this machine's name, or a name without a dot, which public DNS does not have."""
    name = _name(host)
    if not name:
        return False
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        own = socket.gethostname().lower()
        return "." not in name or name in (own, f"{own}.local")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The host without its port, in lower case; empty if it cannot be read."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
