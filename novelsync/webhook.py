"""
Sends documents to addresses on the web, each as one POST: alerts, and notices, which are signed.

Follows no redirect, uses no proxy, and connects only to addresses that it has checked itself.
"""

import hmac
import http.client
import socket
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from novelsync.errors import NovelSyncError, ReceiverUnavailable
from novelsync.text.formatting import one_line

SECONDS: Final = 5.0
"""For everything together: looking the name up, connecting, sending, and the status of the answer."""

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that may be told without TLS, because nothing leaves the machine."""


class Webhook:
    """A `novelsync.contracts.notices.AlertReceiver` over HTTP."""

    def __init__(self, url: str, *, seconds: float = SECONDS, setting: str = "NOVELSYNC_ALERT_URL") -> None:
        """``url``: a secret as a whole, because whoever has it can write there. ``setting``: where it was written."""
        self._url = urlsplit(url)
        self._seconds = seconds
        self._setting = setting
        self.name = f"{self._url.scheme}://{self._url.netloc}/…"

    def send(self, document: Mapping[str, Any]) -> None:
        self.post(msgspec.json.encode(document), {})

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Sends this JSON with these headers besides its own. Raises `ReceiverUnavailable`."""
        hint = f"it is tried again later; is {self._setting} still right?"
        # In a thread, because neither looking a name up nor an answer byte by byte ends by itself.
        post = _Post(self._url, body, headers, self._seconds, self._setting)
        post.start()
        post.join(self._seconds)
        if post.is_alive():
            post.break_off()
            raise ReceiverUnavailable(f"{self.name} did not answer within {self._seconds:g} seconds", hint)
        if isinstance(post.failure, NovelSyncError):
            raise post.failure
        if post.failure:
            said = one_line(str(post.failure) or type(post.failure).__name__)
            raise ReceiverUnavailable(f"{self.name} cannot be told: {said}", hint) from post.failure
        if 300 <= post.status < 400:
            message = f"{self.name} answers with a redirect ({post.status}), which is not followed"
            raise ReceiverUnavailable(message, f"set {self._setting} to the address it leads to")
        if not 200 <= post.status < 300:
            raise ReceiverUnavailable(f"{self.name} did not take it (status {post.status})", hint)


class SignedWebhook:
    """A `novelsync.contracts.notices.NoticeReceiver` over HTTP, as https://www.standardwebhooks.com has it."""

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        *,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``secrets``: each ``whsec_…``; the receiver accepts what is signed with one that it knows."""
        self._webhook = Webhook(url, seconds=seconds, setting="NOVELSYNC_NOTIFY_URL")
        self._keys = [b64decode(secret.removeprefix("whsec_")) for secret in secrets]
        self._now = now
        self.name = self._webhook.name
        self.id = sha256(url.encode()).hexdigest()

    def deliver(self, message_id: str, document: Mapping[str, Any]) -> None:
        body, at = msgspec.json.encode(document), str(int(self._now()))
        signatures = " ".join(signature(key, message_id, at, body) for key in self._keys)
        self._webhook.post(body, {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": signatures})


def signature(key: bytes, message_id: str, at: str, body: bytes) -> str:
    """``at``: in seconds since 1970. Of the time too, so that nobody can send later again what he has overheard."""
    return f"v1,{b64encode(hmac.digest(key, f'{message_id}.{at}.'.encode() + body, 'sha256')).decode()}"


class _Post(threading.Thread):
    """One request. Ends with a ``status`` or a ``failure``."""

    def __init__(self, url: SplitResult, body: bytes, headers: Mapping[str, str], seconds: float, setting: str) -> None:
        super().__init__(name="webhook", daemon=True)
        self._url, self._body, self._seconds, self._setting = url, body, seconds, setting
        self._headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "NovelSync",
            **headers,
        }
        self._socket: socket.socket | None = None
        self._broken_off = False
        self.status = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self.status = self._status()
        except Exception as error:  # noqa: BLE001 — the outermost boundary of its thread; `post` raises it
            self.failure = error

    def break_off(self) -> None:
        """
        For another thread: from now on no request is sent, and no answer is waited for.

        If this one is still looking a name up or connecting, that ends by itself.
        """
        self._broken_off = True
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _status(self) -> int:
        host, tls = self._url.hostname or "", self._url.scheme == "https"
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        connection = kind(host, self._url.port, timeout=self._seconds)
        # Connected here, so that the address that is used is the one that was checked.
        self._socket = connected = _connect(host, connection.port, self._seconds, self._setting)
        try:
            if tls:
                self._socket = connected = ssl.create_default_context().wrap_socket(connected, server_hostname=host)
            connection.sock = connected
            # Only now, because what is broken off from here on has a socket that `break_off` can shut down.
            if self._broken_off:
                raise TimeoutError
            target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            connection.request("POST", target, self._body, self._headers)
            return connection.getresponse().status
        finally:
            connection.close()
            connected.close()


def _connect(host: str, port: int, seconds: float, setting: str) -> socket.socket:
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    # An address that was written down was meant; a name may lead anywhere, and later elsewhere.
    if not (host in LOCAL or _is_address(host)):
        for address in found:
            if not is_public(address):
                message = f"{host} leads to {address}, which is not a public address, and is not told"
                raise ReceiverUnavailable(message, f"if it is meant, put that address itself into {setting}")
    for address in found[:-1]:
        try:
            return socket.create_connection((address, port), seconds)
        except OSError:
            continue
    return socket.create_connection((found[-1], port), seconds)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether it is one of the internet's, and of no network of somebody's own."""
    ip: IPv4Address | IPv6Address | None = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    return bool(ip and ip.is_global and not ip.is_multicast)
