"""
Secrets, left out of errors and log lines.

NovelSync puts no secret into a message itself, but it quotes APIs, gateways and libraries, and those may repeat a
secret that they were sent. So every secret is registered here before it is used.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

REDACTED: Final = "[secret]"

SHORTEST: Final = 8
"""Characters. A shorter secret is not replaced: it turns up in ordinary text, and is easily guessed anyway."""

_hidden: Final[list[str]] = []
"""Every form of every registered secret."""


def register_secret(secret: str) -> None:
    """From now on, `redacted` replaces the secret in this process."""
    if len(secret) >= SHORTEST:
        _hidden.extend(form for form in _forms(secret) if form not in _hidden)


def redacted(text: str) -> str:
    """The text with `REDACTED` in place of every registered secret, plain or encoded."""
    for form in _hidden:
        text = text.replace(form, REDACTED)
    return text


def _forms(secret: str) -> Iterator[str]:
    """The secret as plain text, in a URL, in JSON, in Python's notation, and in base64."""
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    data = secret.encode()
    for encode in (b64encode, urlsafe_b64encode):
        # A character has six bits, so the encoding depends on where in a group of three bytes the secret begins. The
        # characters at its edges also have bits of what stands beside it, and are left out.
        for before in range(3):
            encoded = encode(bytes(before) + data).decode()
            yield encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
