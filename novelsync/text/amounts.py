"""Durations, sizes and shares as people write them: ``5m``, ``256MB``, ``10%``. Plain numbers stay what they are."""

import re
from typing import Final

from pydantic import ByteSize, TypeAdapter, ValidationError

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORT: Final = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d"}
_PART: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) *([a-z]*) *", re.ASCII)

_size: Final = TypeAdapter(ByteSize)


def seconds(written: object) -> int:
    """``300``, ``5m``, ``1h30m`` or ``2 days`` in seconds. Raises `ValueError` for anything else."""
    text = str(written).strip().lower()
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(text)
    total = sum(float(part[1]) * _unit(part[2], alone=len(parts) == 1) for part in parts)
    if total != int(total):
        raise ValueError(text)
    return int(total)


def _unit(word: str, *, alone: bool) -> int:
    """How many seconds it has. A number without a unit is in seconds, if no other stands beside it."""
    if not word and alone:
        return 1
    unit = word if word in _SECONDS else _SHORT.get(word.removesuffix("s"), "")
    if not unit:
        raise ValueError(word)
    return _SECONDS[unit]


def byte_count(written: object) -> int:
    """``268435456``, ``256MB``, ``256 MiB`` or ``1.5GB`` in bytes. Raises `ValueError` for anything else."""
    try:
        return int(_size.validate_python(written if isinstance(written, int) else str(written).strip()))
    except ValidationError as error:
        raise ValueError(written) from error


def share(written: object) -> float:
    """``0.1`` or ``10%`` as a number from 0 to 1. Raises `ValueError` for anything else."""
    text = str(written).strip()
    value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value
