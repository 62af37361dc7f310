"""
What a ``book_info.json`` may say, and what becomes of each value. Pure.

msgspec cuts the file into raw slices of its bytes, and the validators that pydantic calls decode them one by one. A
chapter's text, which is most of the bytes, is decoded alone, hashed and dropped.
"""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw
from msgspec.json import Decoder
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from novelsync.models.source import EMPTY_HASH, UNSET, OptionalText
from novelsync.text.formatting import printable, shortened

_MOST_CHAPTERS: Final = 100_000
"""More than any novel has. Each takes 600 bytes of memory, even if the file has only ``{}`` for it."""
_MOST_ITEMS: Final = 1_000_000
"""Of any list that is cut, because each item takes a hundred bytes of memory even before it is decoded."""
SHOWN: Final = 40
"""Characters of a value that a message shows."""

# What is noticed on the way ---------------------------------------------------------


class _Cause(NamedTuple):
    """Why something was fixed or left out, in words for one case and for several."""

    one: str
    many: str


_NO_NUMBER: Final = _Cause("chapter has no number", "chapters have no number")
_NOT_DECIMAL: Final = _Cause(
    "chapter number is not a decimal number and was left out",
    "chapter numbers are not decimal numbers and were left out",
)
_NUL: Final = _Cause(
    "NUL character was removed: Postgres cannot store it", "NUL characters were removed: Postgres cannot store them"
)
SURROGATE: Final = _Cause(
    "lone surrogate was replaced by U+FFFD: Postgres cannot store it",
    "lone surrogates were replaced by U+FFFD: Postgres cannot store them",
)


@dataclass(slots=True)
class Noticed:
    """What the validators notice in one file; pydantic hands it to each of them as its context."""

    index: int = -1
    """Of the chapter that is validated: pydantic tells a validator its field, but not its place."""
    reasons: list[str] = field(default_factory=list)
    """Why the file is refused."""
    remarks: list[str] = field(default_factory=list)
    """Warnings about the novel's own fields."""
    counts: Counter[_Cause] = field(default_factory=Counter)
    """Warnings of which there may be one for each chapter, counted."""
    firsts: dict[_Cause, str] = field(default_factory=dict)
    """The first chapter of each of those, and what it has."""

    def in_chapter(self, cause: _Cause, raw: Raw) -> None:
        if cause not in self.firsts:
            self.firsts[cause] = f"chapters[{self.index}]" + ("" if kind_of(raw) == "null" else f": {_shown(raw)}")
        self.counts[cause] += 1

    def storable(self, text: str) -> str:
        """``text`` without NUL characters, which are counted."""
        if "\0" not in text:
            return text
        self.counts[_NUL] += text.count("\0")
        return text.replace("\0", "")

    def look_for_capitals(self, slices: msgspec.Struct, key: str, place: str) -> None:
        """Refuses ``Content`` for ``content``: ignored like other unknown keys, it would pass for a missing key."""
        for other in _in_capitals(key) if getattr(slices, key) is _ABSENT else ():
            if getattr(slices, other) is not _ABSENT:
                self.reasons.append(f'{place} has the key "{other}", which must be written "{key}"')

    def warnings(self) -> list[str]:
        lines = list(self.remarks)
        for cause, count in self.counts.items():
            said, at = (f"1 {cause.one}", "at") if count == 1 else (f"{count:,} {cause.many}", "the first at")
            lines.append(f"{said}, {at} {self.firsts[cause]}" if cause in self.firsts else said)
        return lines


def _noticed(info: ValidationInfo) -> Noticed:
    noticed: Noticed = info.context  # type: ignore[assignment]  # a cast would be called six times per chapter
    return noticed


# What a slice is worth --------------------------------------------------------------


@dataclass(slots=True)
class BookFileAuthor:
    """An author written as an object."""

    name: str


class _Text(NamedTuple):
    """What is remembered of a chapter's text: see `BookChapter`."""

    content_hash: bytes
    content_bytes: int
    as_json: Callable[[], bytes | memoryview]


_NOT_FETCHED: Final = _Text(EMPTY_HASH, 0, lambda: b'""')

_ABSENT: Final = Raw(b"null")
"""In place of a missing key. It decodes as null; ``is`` tells the two apart where they mean different things."""

_KINDS: Final = {
    ord(first): kind
    for first, kind in zip(
        '"{[tfn', ("a string", "an object", "an array", "a boolean", "a boolean", "null"), strict=True
    )
}
_SCALARS: Final = ("a number", "a boolean")

_STRING: Final = Decoder(str)
_ITEMS: Final = Decoder(list[Raw])
_AUTHOR: Final[Decoder[list[str] | BookFileAuthor]] = Decoder(list[str] | BookFileAuthor)
_CONTENT: Final[Decoder[str | list[str] | None]] = Decoder(str | list[str] | None)

# More digits than any novel counts to. Without a limit, 1e999 would become a number of a thousand digits.
_DECIMAL: Final = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})", re.ASCII)
_SCIENTIFIC: Final = re.compile(r"-?\d{1,60}(\.\d{1,60})?[eE][+-]?\d{1,3}", re.ASCII)


def kind_of(raw: Raw) -> str:
    return _KINDS.get(memoryview(raw)[0], "a number")


def _crowded(raw: Raw, mark: bytes) -> bool:
    """Whether ``mark``, which separates or begins the items of an array, occurs more than `_MOST_ITEMS` times."""
    marks = re.finditer(re.escape(mark), memoryview(raw))
    return memoryview(raw).nbytes > _MOST_ITEMS and next(islice(marks, _MOST_ITEMS, None), None) is not None


def _shown(raw: Raw) -> str:
    """A value on one line, without characters that a terminal or a database cannot take."""
    if kind_of(raw) == "a string":
        return f'"{printable(shortened(_STRING.decode(raw), SHOWN))}"'
    return printable(shortened(bytes(memoryview(raw)[: 4 * SHOWN]).decode(errors="ignore"), SHOWN))


def _refusal(reason: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{reason}", {"reason": reason})


def _misfits(raw: Raw, wanted: str, place: str) -> PydanticCustomError:
    """The refusal of the array at ``place``, which has items that are no ``wanted``."""
    if _crowded(raw, b","):
        return _refusal(f"must hold {wanted}s only, and not all of its many items are")
    kinds = [kind_of(item) for item in _ITEMS.decode(raw)]
    wrong = [index for index, kind in enumerate(kinds) if not kind.endswith(wanted)]
    first = f"the first is {kinds[wrong[0]]}, {place}[{wrong[0]}]"
    return _refusal(f"must hold {wanted}s only, and {len(wrong):,} of {len(kinds):,} items are not: {first}")


def _title(raw: Raw, info: ValidationInfo) -> str:
    if kind_of(raw) != "a string":
        raise _refusal("is missing" if raw is _ABSENT else f"is {kind_of(raw)}, and a string is needed")
    title = _noticed(info).storable(_STRING.decode(raw))
    if not title.strip():
        raise _refusal("is blank")
    return title


def _optional_text(raw: Raw, info: ValidationInfo) -> OptionalText:
    kind = kind_of(raw)
    if kind == "a string":
        return _noticed(info).storable(_STRING.decode(raw))
    if kind == "null":
        return UNSET if raw is _ABSENT else None
    fate = "stored as text" if kind in _SCALARS else "left out"
    _noticed(info).remarks.append(f"{info.field_name} is {kind} and was {fate}: {_shown(raw)}")
    return str(raw, "utf-8") if kind in _SCALARS else None


def _author(raw: Raw, info: ValidationInfo) -> OptionalText:
    """A list of names and an object with a name are accepted too; any other list or object is left out."""
    if kind_of(raw) in ("an array", "an object") and not _crowded(raw, b","):
        with suppress(msgspec.ValidationError):
            author = _AUTHOR.decode(raw)
            return _noticed(info).storable(author.name if isinstance(author, BookFileAuthor) else ", ".join(author))
    return _optional_text(raw, info)


def _status(raw: Raw, info: ValidationInfo) -> OptionalText:
    return str(raw, "utf-8") if kind_of(raw) == "a boolean" else _optional_text(raw, info)


def _chapter_text(raw: Raw, info: ValidationInfo) -> str:
    kind, name = kind_of(raw), f"chapter {info.field_name}"
    if kind == "a string":
        return _noticed(info).storable(_STRING.decode(raw))
    if kind == "null":
        return ""
    fate = "stored as text" if kind in _SCALARS else "left out"
    cause = _Cause(f"{name} is not a string and was {fate}", f"{name}s are not strings and were {fate}")
    _noticed(info).in_chapter(cause, raw)
    return str(raw, "utf-8") if kind in _SCALARS else ""


def _number(raw: Raw, info: ValidationInfo) -> Decimal | None:
    kind = kind_of(raw)
    if kind == "null":
        _noticed(info).in_chapter(_NO_NUMBER, raw)
        return None
    # Taken from the file's own digits, because a float drops the last zero of 10.50 and rounds long numbers.
    digits = _STRING.decode(raw).strip() if kind == "a string" else str(raw, "utf-8")
    if kind == "a number" and _SCIENTIFIC.fullmatch(digits):
        digits = format(Decimal(digits), "f")
    if _DECIMAL.fullmatch(digits):
        return Decimal(digits)
    _noticed(info).in_chapter(_NOT_DECIMAL, raw)
    return None


def _content(raw: Raw, info: ValidationInfo) -> _Text:
    kind = kind_of(raw)
    if kind not in ("a string", "an array", "null"):
        raise _refusal(f"is {kind}, and a string is needed")
    if kind == "an array" and _crowded(raw, b","):
        raise _refusal(f"is an array of more than {_MOST_ITEMS:,} items, and a string is needed")
    try:
        decoded = _decoded(raw)
    except msgspec.ValidationError:
        raise _misfits(raw, "string", f"chapters[{_noticed(info).index}].content") from None
    text = _noticed(info).storable(decoded)
    if not text or text.isspace():
        return _NOT_FETCHED
    stored = text.encode()
    as_it_is = kind == "a string" and text is decoded
    return _Text(sha256(stored).digest(), len(stored), partial(memoryview if as_it_is else _encoded, raw))


def _decoded(raw: Raw) -> str:
    content = _CONTENT.decode(raw)
    return "\n\n".join(content) if isinstance(content, list) else content or ""


def _encoded(raw: Raw) -> bytes:
    return msgspec.json.encode(_decoded(raw).replace("\0", ""))


def _chapters(raw: Raw) -> list[msgspec.Struct]:
    if kind_of(raw) == "null":
        return []
    if kind_of(raw) != "an array":
        raise _refusal(f"is {kind_of(raw)}, and an array of objects is needed")
    try:
        chapters = None if _crowded(raw, b"{") else _CHAPTERS.decode(raw)
    except msgspec.ValidationError:
        raise _misfits(raw, "object", "chapters") from None
    if chapters is None or len(chapters) > _MOST_CHAPTERS:
        raise _refusal(f"has more than {_MOST_CHAPTERS:,} items")
    return chapters


def _chapter(slices: msgspec.Struct, info: ValidationInfo) -> msgspec.Struct:
    _noticed(info).index += 1
    _noticed(info).look_for_capitals(slices, "content", f"chapters[{_noticed(info).index}]")
    return slices


def _in_capitals(key: str) -> tuple[str, str]:
    return key.capitalize(), key.upper()


# The format: validated from slices, never from plain values -------------------------
# The input types are only for the JSON schema, which accepts what is accepted and marks what is fixed as deprecated.


def _accepted(fate: str) -> WithJsonSchema:
    return WithJsonSchema({"deprecated": True, "description": f"Anything else is accepted with a warning: {fate}."})


_FIXED: TypeAlias = Annotated[object, _accepted("a number or boolean is stored as text, a list or object left out")]
_LEFT_OUT: TypeAlias = Annotated[object, _accepted("the chapter has no number then")]
_DECIMAL_TEXT: TypeAlias = Annotated[str, Field(pattern=rf"^\s*{_DECIMAL.pattern}\s*$")]

_OptionalText: TypeAlias = Annotated[
    OptionalText, PlainValidator(_optional_text, json_schema_input_type=str | None | _FIXED)
]
_Author: TypeAlias = Annotated[
    OptionalText, PlainValidator(_author, json_schema_input_type=str | list[str] | BookFileAuthor | None | _FIXED)
]
_Status: TypeAlias = Annotated[OptionalText, PlainValidator(_status, json_schema_input_type=str | bool | None | _FIXED)]
_Title: TypeAlias = Annotated[str, PlainValidator(_title, json_schema_input_type=Annotated[str, Field(pattern=r"\S")])]
_ChapterText: TypeAlias = Annotated[str, PlainValidator(_chapter_text, json_schema_input_type=str | None | _FIXED)]
_Number: TypeAlias = Annotated[
    Decimal | None, PlainValidator(_number, json_schema_input_type=float | _DECIMAL_TEXT | None | _LEFT_OUT)
]
_Content: TypeAlias = Annotated[_Text, PlainValidator(_content, json_schema_input_type=str | list[str] | None)]


def _unset() -> OptionalText:
    return UNSET


def _needs_lower_case(*keys: str) -> JsonDict:
    """The JSON schema's rule that refuses ``Content`` without ``content``."""
    return {"dependentRequired": {other: [key] for key in keys for other in _in_capitals(key)}}


class BookFileChapter(BaseModel):
    """One chapter. Its place in the list is its place in the novel."""

    model_config = ConfigDict(json_schema_extra=_needs_lower_case("content"))

    title: _ChapterText = Field("", description="As readers see it. Two chapters may have the same.")
    number: _Number = Field(
        None, description='What the novel calls it, as 10.5 or "10.5". It may repeat or be missing.'
    )
    content: _Content = Field(
        default_factory=lambda: _NOT_FETCHED,
        description="The text, kept byte for byte; the strings of a list are joined with blank lines. Missing, null or "
        "blank means not fetched yet: a text that is stored already stays.",
    )
    url: _ChapterText = Field("", description="Where the chapter was found.")


class BookFile(BaseModel):
    """
    One novel: a book_info.json in UTF-8. Keys are in lower case; unknown keys are ignored.

    Of the optional texts, one that is missing leaves what is stored, and null clears it.
    """

    model_config = ConfigDict(title="book_info.json", json_schema_extra=_needs_lower_case("title", "chapters"))

    title: _Title = Field(description="As readers see it, kept byte for byte; not blank.")
    author: _Author = Field(default_factory=_unset, description="A name, a list of names, or an object with a name.")
    description: _OptionalText = Field(default_factory=_unset, description="What the novel is about.")
    cover_url: _OptionalText = Field(default_factory=_unset, description="Where the cover picture is.")
    status: _Status = Field(default_factory=_unset, description="In any words and language; stored as written.")
    chapters: Annotated[
        list[Annotated[BookFileChapter, BeforeValidator(_chapter)]],
        BeforeValidator(
            _chapters,
            json_schema_input_type=Annotated[list[BookFileChapter], Field(max_length=_MOST_CHAPTERS)] | None,
        ),
    ] = Field(default_factory=list, description="All chapters in the order they are read, not only the new ones.")


# How msgspec cuts: at the same keys ---------------------------------------------------


def _slices(model: type[BaseModel], *never_in_capitals: str) -> type[msgspec.Struct]:
    """What msgspec cuts into: a slice for each field of ``model``, and for some in capitals, to refuse them."""
    keys = [*model.model_fields, *(other for key in never_in_capitals for other in _in_capitals(key))]
    return msgspec.defstruct(f"{model.__name__}Slices", [(key, Raw, _ABSENT) for key in keys])


BOOK_SLICES: Final = Decoder(_slices(BookFile, "title", "chapters"))
_CHAPTERS: Final[Decoder[list[msgspec.Struct]]] = Decoder(list[_slices(BookFileChapter, "content")])  # type: ignore[misc]
