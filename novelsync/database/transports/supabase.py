"""The road to Supabase: the same functions, called over its REST API with supabase-py."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, SupabaseException, create_client

from novelsync.database.transports.pool import ConnectionPool
from novelsync.database.transports.sqlstates import NOT_READY_HINT, error_of_state
from novelsync.errors import ConfigurationError, DatabaseNotReady, DatabaseUnavailable, NovelSyncError, PayloadTooLarge
from novelsync.text.formatting import one_line

TIMEOUT: Final = httpx.Timeout(connect=10, read=75, write=75, pool=10)
"""The API gives a request 60 s, and a function of ours stops after 55: an answer comes before we hang up."""

_URL_HINT: Final = "SUPABASE_URL is https://<ref>.supabase.co, as the project's settings show it"
_KEY_HINT: Final = "set SUPABASE_SECRET_KEY to the project's secret key (sb_secret_…), or to its service_role key"
_RELOAD_HINT: Final = f"{NOT_READY_HINT}; if it is applied, the API has not noticed: run notify pgrst, 'reload schema'"


class SupabaseTransport:
    """A `novelsync.database.client.Transport` over PostgREST."""

    def __init__(self, url: str, key: str) -> None:
        self.name = f"Supabase at {urlsplit(url).hostname}"
        self._connections = ConnectionPool(lambda: _Connection(url, key), lambda connection: True)
        self.close = self._connections.close

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        with self._translated_errors(), self._connections.one() as connection:
            return connection.call(function, request)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Lets no exception of httpx or supabase-py out."""
        try:
            yield
        except _Answered as answer:
            error = _translated(answer, self.name)
            error.retry_after = answer.retry_after
            raise error from answer.error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, SupabaseException) as error:
            raise ConfigurationError(f"SUPABASE_URL cannot be used: {error}", _URL_HINT) from error
        except httpx.LocalProtocolError:
            # Its message quotes the header, and with it the key.
            raise ConfigurationError("the key for Supabase cannot be sent", _KEY_HINT) from None
        except _Garbled as error:
            message = f"{self.name} answered what is not JSON"
            raise DatabaseUnavailable(
                message, "try again later; does a proxy stand before it?", transient=True
            ) from error
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            hint = f"check the network, and that {_URL_HINT}"
            transient = isinstance(error, httpx.TransportError | httpx.DecodingError)
            raise DatabaseUnavailable(f"{self.name} cannot be reached: {said}", hint, transient=transient) from error


class _Answered(Exception):
    """An answer that is an error, with its HTTP status and headers, which APIError does not have."""

    def __init__(self, error: APIError, response: httpx.Response | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = response.status_code if response else 0
        wait = response.headers.get("Retry-After", "") if response else ""
        # It may be a date, too, by a clock that is not ours.
        self.retry_after = int(wait) if re.fullmatch("[0-9]{1,6}", wait) else 0


class _Garbled(Exception):
    """An answer that says it is JSON and is not."""


class _Client(httpx.Client):
    """
    Sends ``body`` in place of what it is told to.

    supabase-py encodes with the standard library, which takes longer over a novel than PostgREST and has it in memory
    once more as one long str.
    """

    body = b""

    def build_request(self, *arguments: Any, **options: Any) -> httpx.Request:
        return super().build_request(*arguments, **options | {"content": self.body})


class _Connection:
    """A client with an HTTP connection of its own, for one call at a time."""

    def __init__(self, url: str, key: str) -> None:
        # HTTP/2, the default, is not thread safe, and a GOAWAY frame ends it: supabase-py issue 1064.
        self._http = _Client(http2=False, timeout=TIMEOUT, event_hooks={"response": [self._note]})
        self._response: httpx.Response | None = None
        options = ClientOptions(
            httpx_client=self._http, auto_refresh_token=False, persist_session=False, postgrest_client_retry=False
        )
        self._client: Client = create_client(url, key, options)

    def _note(self, response: httpx.Response) -> None:
        self._response = response

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        try:
            data = self._data(function, request)
            if self._response and not self._response.headers.get("Content-Type", "").startswith("application/json"):
                # supabase-py hands on whatever came with a status of 200, a page for people too.
                raise _Answered(APIError({"message": "no JSON"}), self._response)
            if not isinstance(data, dict | list):  # what all our functions answer
                raise _Garbled
            return data
        finally:
            self._http.body = b""
            if self._response:
                # A response and its stream hold each other, and with them the request's body: 4 MB a call, until the
                # garbage collector comes by, which counts objects and not their size.
                self._response.stream = httpx.ByteStream(b"")
                self._response = None

    def _data(self, function: str, request: Mapping[str, Any]) -> Any:
        """What was answered; text or nothing, if it was no JSON."""
        try:
            self._http.body = msgspec.json.encode(request)
            call = self._client.rpc(function, {})
            # PostgREST parses a body only to learn its keys. Named here (as anything), they need not be learned, and
            # the body goes on to Postgres as it is: half the time and half the memory for 4 MB.
            call.request.params = call.request.params.add("columns", "body")
            return call.execute().data
        except APIError as error:
            raise _Answered(error, self._response) from error
        except UnicodeDecodeError:
            return None

    def close(self) -> None:
        self._http.close()


def _translated(answer: _Answered, database: str) -> NovelSyncError:
    code, status = answer.error.code or "", answer.status
    said = one_line(answer.error.message or f"status {status}")
    if answer.error.code == "":
        # What PostgREST says of a Postgres that crashed in the middle: status 400, and no code and no message.
        return DatabaseUnavailable(f"{database} lost its Postgres in the middle of it", "try again", transient=True)
    match code:
        case "PGRST202":
            return DatabaseNotReady(f"{database} has not been migrated: {said}", _RELOAD_HINT)
        case "PGRST000" | "PGRST001" | "PGRST002" | "PGRST003":
            message = f"{database} has no connection to its Postgres: {said} ({code})"
            return DatabaseUnavailable(message, "try again", transient=True)
        case _ if code.startswith("PGRST3"):
            return ConfigurationError(f"{database} does not accept the key: {said} ({code})", _KEY_HINT)
        case _ if re.fullmatch("[0-9A-Z]{5}", code) and not code.startswith("PGRST"):
            # A missing function would be PGRST202, so whatever is missing here was missed by a function.
            return error_of_state(code, said, database, inside=True)
    return _of_status(status, said, database)


def _of_status(status: int, said: str, database: str) -> NovelSyncError:
    """What a gateway says that stands before PostgREST."""
    match status:
        case 401 | 403:
            return ConfigurationError(f"{database} does not accept the key: {said} ({status})", _KEY_HINT)
        case 413:
            message = f"{database} says that the request is too large ({status})"
            return PayloadTooLarge(message, "calls are halved until they pass; raise the limit, or shorten the text")
        case 540:
            return DatabaseUnavailable(f"{database}: the project is paused ({status})", "restore it in its dashboard")
        case 408 | 429:
            message = f"{database} asks to be called less: {said} ({status})"
            return DatabaseUnavailable(message, "try again later", transient=True)
        case _ if status >= 500:
            message = f"{database} could not answer: {said} ({status})"
            return DatabaseUnavailable(message, "try again later", transient=True)
    # A web page, a redirect, another service: whatever it is, it is not Supabase's API.
    return ConfigurationError(f"{database} does not answer as Supabase does: {said} (status {status})", _URL_HINT)
