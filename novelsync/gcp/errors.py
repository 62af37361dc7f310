"""What Google's libraries raise, sorted by what to do about it. Every client of theirs raises all of these."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from novelsync.errors import ConfigurationError
from novelsync.text.formatting import one_line

REFUSED_CREDENTIALS: Final = (api.Unauthorized, auth.RefreshError, auth.DefaultCredentialsError)
AWAY: Final = (api.GoogleAPIError, auth.TransportError, requests.exceptions.RequestException, ConnectionError)
"""The network or Google is unavailable. Caught last, because every error that an API answers is one of these too."""

LOGIN_HINT: Final = (
    "on a laptop: `gcloud auth application-default login`; in the cloud the function has a service account"
)


@contextmanager
def credentials_needed(name: str) -> Iterator[None]:
    """Around the making of a client: raises `ConfigurationError` if there are no credentials for ``name``."""
    try:
        yield
    except (auth.GoogleAuthError, OSError) as error:
        raise ConfigurationError(f"there are no credentials for {name}: {one_line(error)}", LOGIN_HINT) from error
