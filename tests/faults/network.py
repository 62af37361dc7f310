"""Both roads to a database, and what goes wrong on each."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Final, TypeAlias

from novelsync.database.transports import Transport
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.database.transports.supabase import SupabaseTransport
from tests.support.postgres_proxy import Fate, PostgresProxy
from tests.support.postgrest import CUT, Answer, Request, StandIn, postgrest_binary

PSYCOPG: Final = "psycopg"
POSTGREST: Final = "PostgREST"
ROADS: Final = (PSYCOPG, POSTGREST) if postgrest_binary() else (PSYCOPG,)

_FATES: Final = {
    "cut before it arrived": Fate.CUT,
    "answer lost": Fate.LOST,
    "answer cut in half": Fate.HALF,
    "answer garbled": Fate.GARBLED,
}
_STATUSES: Final = ("429", "500", "502", "503", "504")

DELAY: Final = 0.1
"""Seconds of a call that is delayed."""

FAULTS: Final = {PSYCOPG: ("delayed", *_FATES), POSTGREST: ("delayed", *_FATES, *_STATUSES)}
"""Road to kinds of faults, each of a single call."""

CallHook: TypeAlias = Callable[[bytes], Fate | int | None]
"""Given what names the function; gives what becomes of the call: a number is the status of an answer in its place."""


class Strikes:
    """Which calls a fault strikes, at least one of the first two: said beforehand, the same for the same seed."""

    def __init__(
        self,
        kind: str,
        transport: str,
        dice: random.Random,
        struck: Counter[tuple[str, str]],
        share: float = 0.4,
        most: int = 6,
    ) -> None:
        """``struck``: what counts them. ``share``: of the calls, and ``most`` in all."""
        self.kind = kind
        self._road = transport
        calls = [dice.random() < share for _ in range(200)]
        calls[dice.randrange(2)] = True
        self._calls = iter(calls)
        self._struck = struck
        self._left = most
        self._guard = threading.Lock()

    def take(self) -> bool:
        """Whether this call is struck."""
        with self._guard:
            if not self._left or not next(self._calls, False):
                return False
            self._left -= 1
            self._struck[self.kind, self._road] += 1
            return True


class Network:
    """Open until the block is left. Nothing fails but within `failing`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = ExitStack()
        self._act: CallHook = _nothing

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def _proxy(self) -> PostgresProxy:
        proxy = self._stack.enter_context(PostgresProxy(self._url))
        proxy.fate = self._fate
        return proxy

    @cached_property
    def _gateway(self) -> StandIn:
        gateway = self._stack.enter_context(StandIn(self._url))
        gateway.answer = self._answer
        return gateway

    def transport(self, name: str) -> Transport:
        if name == PSYCOPG:
            return PostgresTransport(self._proxy.url, "the database")
        return SupabaseTransport(self._gateway.url, self._gateway.secret_key)

    def settings(self, name: str) -> Mapping[str, str]:
        """How a process is told to take that road."""
        if name == PSYCOPG:
            return {"DATABASE_URL": self._proxy.url}
        return {"SUPABASE_URL": self._gateway.url, "SUPABASE_SECRET_KEY": self._gateway.secret_key}

    @contextmanager
    def before_calls(self, act: CallHook) -> Iterator[None]:
        """``act`` happens before a call of one of our functions goes on to the database, over either road."""
        self._act = act
        try:
            yield
        finally:
            self._act = _nothing

    @contextmanager
    def failing(self, strikes: Strikes) -> Iterator[None]:
        """What it strikes fails in the way of its kind."""

        def act(call: bytes) -> Fate | int | None:
            if not strikes.take():
                return None
            if strikes.kind == "delayed":
                time.sleep(DELAY)
                return None
            return _FATES.get(strikes.kind) or int(strikes.kind)

        with self.before_calls(act):
            yield

    def _fate(self, data: bytes) -> Fate:
        fate = self._act(data) if b"novelsync_" in data else None
        return fate if isinstance(fate, Fate) else Fate.COMES

    def _answer(self, request: Request) -> Answer | None:
        """The same fates as HTTP has them, or a status."""
        self._gateway.requests.clear()  # with all the texts that were sent
        match self._act(request.path.encode()):
            case None:
                return None
            case int(status):
                return Answer(status, b"<html>later</html>", {"Content-Type": "text/html", "Retry-After": "1"})
            case Fate.CUT:
                return CUT
            case fate:
                whole = self._gateway.forward(request)
        if fate is Fate.HALF:
            length = {"Content-Length": str(len(whole.body))}
            return Answer(whole.status, whole.body[: len(whole.body) // 2], {**whole.headers, **length})
        if fate is Fate.GARBLED:
            return Answer(whole.status, bytes(255 - byte for byte in whole.body), whole.headers)
        return CUT


def _nothing(call: bytes) -> None:
    pass
