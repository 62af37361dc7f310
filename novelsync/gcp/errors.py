"""What Google's libraries raise, by what is to be done about it. Every client of theirs raises all of these."""

from typing import Final

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

REFUSED_CREDENTIALS: Final = (api.Unauthorized, auth.RefreshError, auth.DefaultCredentialsError)
AWAY: Final = (api.GoogleAPIError, auth.TransportError, requests.exceptions.RequestException, ConnectionError)
"""Network or Google; caught last, because all answers of an API are among them."""

NO_CREDENTIALS: Final = (auth.GoogleAuthError, OSError)
"""What making a client raises where it finds none."""

LOGIN_HINT: Final = (
    "on a laptop: `gcloud auth application-default login`; in the cloud the function has a service account"
)
