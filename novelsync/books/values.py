"""What becomes of each value of a file: a validator per field, which pydantic calls with a raw slice. Pure."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.json import Decoder
from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from novelsync.books.slices import (
    ABSENT,
    MOST_ITEMS,
    NO_NUMBER,
    NOT_DECIMAL,
    SCALARS,
    STRING,
    Cause,
    Noticed,
    is_crowded,
    kind_of,
    shown,
)
from novelsync.evidence.prose import is_plain_prose
from novelsync.evidence.visible import shows_nothing
from novelsync.models.source import EMPTY_HASH, UNSET, OptionalText


@dataclass(slots=True)
class BookFileAuthor:
    """An author written as an object."""

    name: str


class Text(NamedTuple):
    """What is remembered of a chapter's text: see `novelsync.models.source.BookChapter`."""

    content_hash: bytes
    content_bytes: int
    raw: Callable[[], bytes | memoryview]
    escaped: bool = False
    is_prose: bool = False


NOT_FETCHED: Final = Text(EMPTY_HASH, 0, lambda: b"")


def text_of(stored: bytes, raw: Callable[[], bytes | memoryview], *, escaped: bool) -> Text:
    """Of a text as it is to be stored."""
    return Text(sha256(stored).digest(), len(stored), raw, escaped, is_plain_prose(stored))


# More digits than any novel counts to. Without a limit, 1e999 would become a number of a thousand digits.
DECIMAL: Final = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})", re.ASCII)
_SCIENTIFIC: Final = re.compile(r"-?\d{1,60}(\.\d{1,60})?[eE][+-]?\d{1,3}", re.ASCII)

_ITEMS: Final = Decoder(list[Raw])
_NAMES: Final = Decoder(list[str])
_AUTHOR: Final = Decoder(BookFileAuthor)
_CONTENT: Final[Decoder[str | list[str] | None]] = Decoder(str | list[str] | None)


def noticed_in(info: ValidationInfo) -> Noticed:
    noticed: Noticed = info.context  # type: ignore[assignment]  # a cast would be called six times per chapter
    return noticed


def refusal(reason: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{reason}", {"reason": reason})


def misfits(raw: Raw, wanted: str, place: str) -> PydanticCustomError:
    """The refusal of the array at ``place``, which has items that are no ``wanted``."""
    if is_crowded(raw, b","):
        return refusal(f"must hold {wanted}s only, and not all of its many items are")
    kinds = [kind_of(item) for item in _ITEMS.decode(raw)]
    wrong = [index for index, kind in enumerate(kinds) if not kind.endswith(wanted)]
    first = f"the first is {kinds[wrong[0]]}, {place}[{wrong[0]}]"
    return refusal(f"must hold {wanted}s only, and {len(wrong):,} of {len(kinds):,} items are not: {first}")


# A novel's own fields ----------------------------------------------------------------


def title(raw: Raw, info: ValidationInfo) -> str:
    if kind_of(raw) != "a string":
        raise refusal("is missing" if raw is ABSENT else f"is {kind_of(raw)}, and a string is needed")
    title = noticed_in(info).storable(STRING.decode(raw))
    if not title.strip():
        raise refusal("is blank")
    return title


def optional_text(raw: Raw, info: ValidationInfo) -> OptionalText:
    """Strings in a list are joined. What cannot be a text counts as missing, so that nothing stored is lost for it."""
    kind = kind_of(raw)
    if kind == "a string":
        return noticed_in(info).storable(STRING.decode(raw))
    if kind == "null":
        return UNSET if raw is ABSENT else None
    joined = _joined(raw, ", " if info.field_name == "author" else "\n\n") if kind == "an array" else None
    if joined is not None:
        return noticed_in(info).storable(joined)
    fate = "stored as text" if kind in SCALARS else "left out"
    noticed_in(info).remarks.append(f"{info.field_name} is {kind} and was {fate}: {shown(raw)}")
    return str(raw, "utf-8") if kind in SCALARS else UNSET


def _joined(raw: Raw, between: str) -> str | None:
    """None for an array that has other things than strings in it, or nothing, or more than anybody would write."""
    if is_crowded(raw, b","):
        return None
    with suppress(msgspec.ValidationError):
        return between.join(_NAMES.decode(raw)) or None
    return None


def author(raw: Raw, info: ValidationInfo) -> OptionalText:
    """An object with a name is accepted too."""
    if kind_of(raw) == "an object" and not is_crowded(raw, b","):
        with suppress(msgspec.ValidationError):
            return noticed_in(info).storable(_AUTHOR.decode(raw).name)
    return optional_text(raw, info)


def status(raw: Raw, info: ValidationInfo) -> OptionalText:
    return str(raw, "utf-8") if kind_of(raw) == "a boolean" else optional_text(raw, info)


# A chapter's ---------------------------------------------------------------------------


def label(raw: Raw, info: ValidationInfo) -> str:
    """A title or a url; empty if there is none."""
    kind, name = kind_of(raw), f"chapter {info.field_name}"
    if kind == "a string":
        return noticed_in(info).storable(STRING.decode(raw))
    if kind == "null":
        return ""
    fate = "stored as text" if kind in SCALARS else "left out"
    cause = Cause(f"{name} is not a string and was {fate}", f"{name}s are not strings and were {fate}")
    noticed_in(info).in_chapter(cause, raw)
    return str(raw, "utf-8") if kind in SCALARS else ""


def volume(raw: Raw, info: ValidationInfo) -> str | None:
    """A title or a number; None if there is none."""
    if raw is ABSENT:
        return None
    return (str(raw, "utf-8") if kind_of(raw) == "a number" else label(raw, info)) or None


def filename(raw: Raw, info: ValidationInfo) -> str:
    """As the file has it; empty if there is none."""
    return "" if raw is ABSENT else label(raw, info)


def number(raw: Raw, info: ValidationInfo) -> Decimal | None:
    kind = kind_of(raw)
    if kind == "null":
        noticed_in(info).in_chapter(NO_NUMBER, raw)
        return None
    # Taken from the file's own digits, because a float drops the last zero of 10.50 and rounds long numbers.
    digits = STRING.decode(raw).strip() if kind == "a string" else str(raw, "utf-8")
    if kind == "a number" and _SCIENTIFIC.fullmatch(digits):
        digits = format(Decimal(digits), "f")
    if DECIMAL.fullmatch(digits):
        return Decimal(digits)
    noticed_in(info).in_chapter(NOT_DECIMAL, raw)
    return None


def content(raw: Raw, info: ValidationInfo) -> Text:
    kind = kind_of(raw)
    if kind not in ("a string", "an array", "null"):
        raise refusal(f"is {kind}, and a string is needed")
    if kind == "an array" and is_crowded(raw, b","):
        raise refusal(f"is an array of more than {MOST_ITEMS:,} items, and a string is needed")
    try:
        decoded = _decoded(raw)
    except msgspec.ValidationError:
        raise misfits(raw, "string", f"{noticed_in(info).place}.content") from None
    text = noticed_in(info).storable(decoded)
    if shows_nothing(text):
        return NOT_FETCHED
    stored = text.encode()
    as_it_is = kind == "a string" and text is decoded
    as_stored = partial(memoryview if as_it_is else _as_stored, raw)
    return text_of(stored, as_stored, escaped=as_it_is)


def _decoded(raw: Raw) -> str:
    content = _CONTENT.decode(raw)
    return "\n\n".join(content) if isinstance(content, list) else content or ""


def _as_stored(raw: Raw) -> bytes:
    return _decoded(raw).replace("\0", "").encode()
