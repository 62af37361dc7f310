"""No web page may press our buttons or read our answers: what a browser says of a request, and what it is worth."""

import ipaddress
import socket
from urllib.parse import urlsplit

from flask import Request


def is_from_elsewhere(request: Request, *, in_cloud: bool) -> bool:
    """
    Whether a web page of another site sends it, or could read its answer.

    A browser shows no page what another site answers. But a page's own name can be made to lead to 127.0.0.1, and then
    we are its site, so on a laptop the name must be one that nobody else can have. In the cloud somebody else sees to
    it that only our name leads to us.
    """
    if not in_cloud and not _is_ours(request.host):
        return True
    if request.method in ("GET", "HEAD"):
        return False
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    return site not in ("none", "same-origin") or (origin is not None and _netloc(origin) != request.host)


def may_be_sent_a_token(host: str) -> bool:
    """Whether a command that is shown may name it: whoever asks chooses the header it comes from."""
    name = _name(host)
    return name.endswith((".run.app", ".cloudfunctions.net")) or name == "localhost" or _is_loopback(name)


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_ours(host: str) -> bool:
    """A number, this machine's name, or one without a dot, which the public DNS does not have."""
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
    """Without its port, in lower case; empty if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
