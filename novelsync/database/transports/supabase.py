"""Calls to Supabase, over its REST API with supabase-py."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, SupabaseException, create_client

from novelsync.database.functions import BY_NAME
from novelsync.database.transports.bodies import with_texts
from novelsync.database.transports.pool import ConnectionPool
from novelsync.database.transports.sqlstates import NOT_READY_HINT, error_of_state
from novelsync.errors import ConfigurationError, DatabaseNotReady, DatabaseUnavailable, NovelSyncError, PayloadTooLarge
from novelsync.text.formatting import one_line

TIMEOUT: Final = httpx.Timeout(connect=10, read=75, write=75, pool=10)
"""The API gives a request 60 s, and our functions stop after 55: an answer always comes before we hang up."""

_URL_HINT: Final = "SUPABASE_URL is https://<ref>.supabase.co, as the project's settings show it"
_KEY_HINT: Final = (
    "set SUPABASE_SECRET_KEY to the project's secret key (sb_secret_…); a legacy service_role key works only until"
    " Supabase switches it off"
)
_RELOAD_HINT: Final = f"{NOT_READY_HINT}; if it is applied, the API has not noticed: run notify pgrst, 'reload schema'"


class SupabaseTransport:
    """A `novelsync.database.transports.Transport` over PostgREST."""

    def __init__(self, url: str, key: str) -> None:
        self.name = f"Supabase at {urlsplit(url).hostname}"
        self._connections = ConnectionPool(lambda: _Connection(url, key), lambda connection: True)
        self.close = self._connections.close

    def call(self, function: str, request: Mapping[str, Any]) -> Any:
        with self._translated_errors(), self._connections.one() as connection:
            return connection.call(function, request)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raises the exceptions of httpx and supabase-py as `NovelSyncError`."""
        try:
            yield
        except _ErrorAnswer as answer:
            error = _translated(answer, self.name)
            error.retry_after = answer.retry_after
            raise error from answer.error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, SupabaseException) as error:
            raise ConfigurationError(f"SUPABASE_URL cannot be used: {error}", _URL_HINT) from error
        except httpx.LocalProtocolError:
            # Its message quotes the header, and with it the key.
            raise ConfigurationError("the key for Supabase cannot be sent", _KEY_HINT) from None
        except _NotJson as error:
            message = f"{self.name} sent an answer that is not JSON"
            hint = "try again later; is there a proxy in front of it?"
            raise DatabaseUnavailable(message, hint, transient=True) from error
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            hint = f"check the network, and that {_URL_HINT}"
            transient = isinstance(error, httpx.TransportError | httpx.DecodingError)
            raise DatabaseUnavailable(f"{self.name} cannot be reached: {said}", hint, transient=transient) from error


class _ErrorAnswer(Exception):
    """An error that the API answered, with its HTTP status and headers, which APIError does not have."""

    def __init__(self, error: APIError, response: httpx.Response | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = response.status_code if response else 0
        wait = response.headers.get("Retry-After", "") if response else ""
        # The header may also be a date, but by a clock that is not ours.
        self.retry_after = int(wait) if re.fullmatch("[0-9]{1,6}", wait) else 0


class _NotJson(Exception):
    """An answer that claims to be JSON and is not."""


class _Client(httpx.Client):
    """
    Sends ``body`` in place of the body that supabase-py makes, and a new key in one header where that sends it in two.

    ``content_type``: of the body.

    supabase-py encodes with the standard library, which takes longer for a novel than PostgREST does, and makes a
    second copy of it in memory, as a str.
    """

    body = b""
    content_type = ""

    def build_request(self, *arguments: Any, **options: Any) -> httpx.Request:
        request = super().build_request(*arguments, **options | {"content": self.body})
        request.headers["Content-Type"] = self.content_type
        # A legacy key is a token as well. A new one (sb_secret_…) is none, and must not be sent as one.
        if request.headers.get("Authorization", "").startswith("Bearer sb_"):
            del request.headers["Authorization"]
        return request


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
                # supabase-py returns whatever came with status 200, even a web page.
                raise _ErrorAnswer(APIError({"message": "no JSON"}), self._response)
            if not isinstance(data, dict | list):  # all our functions answer one of the two
                raise _NotJson
            return data
        finally:
            self._http.body = b""
            if self._response:
                # A response and its stream refer to each other and so keep the request's body, 4 MB per call, until the
                # garbage collector runs, which counts objects and not their size.
                self._response.stream = httpx.ByteStream(b"")
                self._response = None

    def _data(self, function: str, request: Mapping[str, Any]) -> Any:
        """The decoded answer; a str or None if it is not JSON. Raises `_ErrorAnswer` if it is an error."""
        try:
            call = self._client.rpc(function, {})
            if BY_NAME[function].takes_texts:
                self._http.body, self._http.content_type = with_texts(request), "application/octet-stream"
            else:
                self._http.body, self._http.content_type = msgspec.json.encode(request), "application/json"
                # PostgREST parses a body only to learn its keys. If they are named here, whatever the names, it passes
                # the body on to Postgres as it is: half the time and half the memory for 4 MB.
                call.request.params = call.request.params.add("columns", "body")
            return call.execute().data
        except APIError as error:
            raise _ErrorAnswer(error, self._response) from error
        except UnicodeDecodeError:
            return None

    def close(self) -> None:
        self._http.close()


def _translated(answer: _ErrorAnswer, database: str) -> NovelSyncError:
    code, status = answer.error.code or "", answer.status
    said = one_line(answer.error.message or f"status {status}")
    if answer.error.code == "":
        # PostgREST's answer if Postgres crashes during a call: status 400, an empty code and an empty message.
        return DatabaseUnavailable(f"{database} lost its Postgres during the call", "try again", transient=True)
    match code:
        case "PGRST202":
            return DatabaseNotReady(f"{database} has not been migrated: {said}", _RELOAD_HINT)
        case "PGRST000" | "PGRST001" | "PGRST002" | "PGRST003":
            message = f"{database} has no connection to its Postgres: {said} ({code})"
            return DatabaseUnavailable(message, "try again", transient=True)
        case "PGRST303" if "issued at future" in said:
            # The gateway makes a token for each call with a new key, and PostgREST 14 up to 14.17 may read it a moment
            # too early.
            message = f"{database} did not accept the token of its own gateway: {said} ({code})"
            return DatabaseUnavailable(message, "try again", transient=True)
        case _ if code.startswith("PGRST3"):
            return ConfigurationError(f"{database} does not accept the key: {said} ({code})", _KEY_HINT)
        case _ if re.fullmatch("[0-9A-Z]{5}", code) and not code.startswith("PGRST"):
            # If our function were missing, it would be PGRST202, so this was raised inside of it.
            return error_of_state(code, said, database, inside=True)
    return _of_status(status, said, database)


def _of_status(status: int, said: str, database: str) -> NovelSyncError:
    """The error for an HTTP status without a code, from a gateway in front of PostgREST."""
    match status:
        case 401 | 403:
            return ConfigurationError(f"{database} does not accept the key: {said} ({status})", _KEY_HINT)
        case 413:
            message = f"{database} says that the request is too large ({status})"
            return PayloadTooLarge(message, "calls are halved until they pass; raise the limit, or shorten the text")
        case 540:
            return DatabaseUnavailable(f"{database}: the project is paused ({status})", "restore it in its dashboard")
        case 408 | 429:
            message = f"{database} asks for fewer calls: {said} ({status})"
            return DatabaseUnavailable(message, "try again later", transient=True)
        case _ if status >= 500:
            message = f"{database} could not answer: {said} ({status})"
            return DatabaseUnavailable(message, "try again later", transient=True)
    # A web page, a redirect, another service: whatever it is, it is not Supabase's API.
    return ConfigurationError(f"{database} does not answer as Supabase does: {said} (status {status})", _URL_HINT)
