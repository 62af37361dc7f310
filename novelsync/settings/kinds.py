"""What people write as the values of settings, and how it is read. Pure."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, SecretStr

from novelsync.text.amounts import byte_count, seconds, share


def _read_as(read: Callable[[str], object], words: str, least: float = 0) -> BeforeValidator:
    """``words``: what a value has to be, where ``read`` does not understand it or it is below ``least``."""

    def validate(written: object) -> object:
        try:
            value = read(str(written))
        except ValueError:
            value = None
        if value is None or (isinstance(value, (int, float)) and value < least):
            raise ValueError(f"it must be {words}")
        return value

    return BeforeValidator(validate)


_DURATION: Final = "seconds, or a time like 90s, 5m, 1h30m or 2d"

Positive = Annotated[int, _read_as(int, "a whole number above 0", 1)]
Duration = Annotated[int, _read_as(seconds, f"above 0: {_DURATION}", 1)]
Patience = Annotated[int, _read_as(seconds, _DURATION)]
Size = Annotated[int, _read_as(byte_count, "above 0: bytes, or a size like 256MB or 1.5GiB", 1)]
Share = Annotated[float, _read_as(share, "a share from 0 to 1, or from 0% to 100%")]
Place = Annotated[str, _read_as(lambda written: written.strip() or None, "the name of a place, and it is blank")]
LogFormat = Annotated[
    Literal["json", "text"],
    _read_as(lambda written: written if written in ("json", "text") else None, "json or text"),
]


def web_address(written: str) -> str:
    """The address of a webhook. Raises `ValueError`, which does not show it."""
    plain = written.strip()
    local = r"http://(localhost|127\.0\.0\.1|\[::1\])"
    if not re.fullmatch(rf"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|{local})(:\d{{1,5}})?([/?][!-~]*)?", plain):
        raise ValueError("it must be https://…, or http://localhost…")
    return plain


def by_commas(secret: SecretStr | None) -> list[str]:
    return [each.strip() for each in secret.get_secret_value().split(",") if each.strip()] if secret else []
