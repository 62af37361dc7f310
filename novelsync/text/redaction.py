"""
Secrets, kept out of what is written down.

We put none into a message; but an API, a gateway or a library that is quoted there may repeat the one it was sent.
Whoever is about to use a secret names it here first; errors and log lines then come without it.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

REDACTED: Final = "[secret]"

SHORTEST: Final = 8
"""Characters. What is shorter turns up by chance, and is found by trying."""

_hidden: Final[list[str]] = []


def register_secret(secret: str) -> None:
    """From now on, in this process."""
    if len(secret) >= SHORTEST:
        _hidden.extend(form for form in _forms(secret) if form not in _hidden)


def redacted(text: str) -> str:
    """Without the secrets, as they are or encoded as they travel."""
    for form in _hidden:
        text = text.replace(form, REDACTED)
    return text


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    data = secret.encode()
    for encode in (b64encode, urlsafe_b64encode):
        # Six bits a character: what stands before it decides how it looks, and at the edges is mixed with it.
        for before in range(3):
            encoded = encode(bytes(before) + data).decode()
            yield encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
