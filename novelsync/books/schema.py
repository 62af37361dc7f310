"""
What a ``book_info.json`` may say. Pure.

msgspec cuts the file into raw slices of its bytes, and the validators that pydantic calls decode them one by one. A
chapter's text, which is most of the bytes, is decoded alone, hashed and dropped.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Raw
from msgspec.json import Decoder
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.config import JsonDict

from novelsync.books import values
from novelsync.books.slices import ABSENT, in_capitals, is_crowded, kind_of
from novelsync.books.values import DECIMAL, NOT_FETCHED, BookFileAuthor, Text, misfits, noticed_in, refusal
from novelsync.models.source import UNSET, OptionalText

MOST_CHAPTERS: Final = 100_000
"""More than any novel has. Each takes 600 bytes of memory, even if the file has only ``{}`` for it."""

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "filename": ("file", "content_file"),
    "title": ("volume_name",),  # of a volume
}
"""What other programs call the same thing."""


# Lists of objects ----------------------------------------------------------------------


def _chapters(raw: Raw, info: ValidationInfo) -> list[msgspec.Struct]:
    if kind_of(raw) == "null":
        return []
    if kind_of(raw) != "an array":
        raise refusal(f"is {kind_of(raw)}, and an array of objects is needed")
    try:
        chapters = None if is_crowded(raw, b"{") else _CHAPTERS.decode(raw)
    except msgspec.ValidationError:
        raise misfits(raw, "object", noticed_in(info).within) from None
    if chapters is None or len(chapters) > MOST_CHAPTERS:
        raise refusal(f"has more than {MOST_CHAPTERS:,} items")
    return chapters


def _chapter(slices: msgspec.Struct, info: ValidationInfo) -> msgspec.Struct:
    noticed = noticed_in(info)
    noticed.index += 1
    noticed.look_for_capitals(slices, "content", noticed.place)
    return _by_alias(slices, "filename")


def _volumes(raw: Raw) -> list[msgspec.Struct]:
    """Empty for what other programs mean by the word: a count, a list of names."""
    if kind_of(raw) != "an array" or is_crowded(raw, b"{"):
        return []
    try:
        return _VOLUMES.decode(raw)
    except msgspec.ValidationError:
        return []


def _volume(slices: msgspec.Struct, info: ValidationInfo) -> msgspec.Struct:
    noticed_in(info).next_volume()
    return _by_alias(slices, "title")


def _by_alias(slices: msgspec.Struct, name: str) -> msgspec.Struct:
    if kind_of(getattr(slices, name)) == "null":
        for alias in ALIASES[name]:
            if (value := getattr(slices, alias)) is not ABSENT:
                setattr(slices, name, value)
                break
    return slices


# The format: validated from slices, never from plain values ------------------------------
# The input types are only for the JSON schema, which accepts what is accepted and marks what is fixed as deprecated.


def _accepted(fate: str) -> WithJsonSchema:
    return WithJsonSchema({"deprecated": True, "description": f"Anything else is accepted with a warning: {fate}."})


_FIXED: TypeAlias = Annotated[object, _accepted("a number or boolean is stored as text, a list or object left out")]
_LEFT_OUT: TypeAlias = Annotated[object, _accepted("the chapter has no number then")]
_DECIMAL_TEXT: TypeAlias = Annotated[str, Field(pattern=rf"^\s*{DECIMAL.pattern}\s*$")]

_OptionalText: TypeAlias = Annotated[
    OptionalText, PlainValidator(values.optional_text, json_schema_input_type=str | list[str] | None | _FIXED)
]
_Author: TypeAlias = Annotated[
    OptionalText,
    PlainValidator(values.author, json_schema_input_type=str | list[str] | BookFileAuthor | None | _FIXED),
]
_Status: TypeAlias = Annotated[
    OptionalText, PlainValidator(values.status, json_schema_input_type=str | bool | list[str] | None | _FIXED)
]
_Title: TypeAlias = Annotated[
    str, PlainValidator(values.title, json_schema_input_type=Annotated[str, Field(pattern=r"\S")])
]
_Label: TypeAlias = Annotated[str, PlainValidator(values.label, json_schema_input_type=str | None | _FIXED)]
_Volume: TypeAlias = Annotated[
    str | None, PlainValidator(values.volume, json_schema_input_type=str | float | None | _FIXED)
]
_Filename: TypeAlias = Annotated[str, PlainValidator(values.filename, json_schema_input_type=str | None | _FIXED)]
_Number: TypeAlias = Annotated[
    Decimal | None, PlainValidator(values.number, json_schema_input_type=float | _DECIMAL_TEXT | None | _LEFT_OUT)
]
_Content: TypeAlias = Annotated[Text, PlainValidator(values.content, json_schema_input_type=str | list[str] | None)]


def _unset() -> OptionalText:
    return UNSET


def _needs_lower_case(*keys: str) -> JsonDict:
    """The JSON schema's rule that refuses ``Content`` without ``content``."""
    return {"dependentRequired": {other: [key] for key in keys for other in in_capitals(key)}}


class BookFileChapter(BaseModel):
    """One chapter. Its place in the list is its place in the novel."""

    model_config = ConfigDict(json_schema_extra=_needs_lower_case("content"))

    title: _Label = Field("", description="As readers see it. Two chapters may have the same.")
    number: _Number = Field(
        None, description='What the novel calls it, as 10.5 or "10.5". It may repeat or be missing.'
    )
    content: _Content = Field(
        default_factory=lambda: NOT_FETCHED,
        description="The text, kept byte for byte; the strings of a list are joined with blank lines. Missing, null or "
        "blank means not fetched yet: a text that is stored already stays.",
    )
    filename: _Filename = Field(
        "",
        description="The file that the text is in, if it is not in content: a path inside the novel's folder, as "
        "1.html or chapters/0001.md, in UTF-8. The keys file and content_file mean the same.",
    )
    url: _Label = Field("", description="Where the chapter was found.")
    volume: _Volume = Field(None, description="The title or the number of the volume that the chapter belongs to.")


_ChapterList: TypeAlias = Annotated[
    list[Annotated[BookFileChapter, BeforeValidator(_chapter)]],
    BeforeValidator(
        _chapters,
        json_schema_input_type=Annotated[list[BookFileChapter], Field(max_length=MOST_CHAPTERS)] | None,
    ),
]


class BookFileVolume(BaseModel):
    """One volume, and its chapters in their order."""

    title: _Volume = Field(None, description="As readers see it. The key volume_name means the same.")
    chapters: _ChapterList = Field(default_factory=list, description="The volume's chapters.")


class BookFile(BaseModel):
    """
    One novel: a book_info.json in UTF-8. Keys are in lower case; unknown keys are ignored.

    Of the optional texts, one that is missing leaves what is stored, and null clears it.
    """

    model_config = ConfigDict(title="book_info.json", json_schema_extra=_needs_lower_case("title", "chapters"))

    title: _Title = Field(description="As readers see it, kept byte for byte; not blank.")
    author: _Author = Field(default_factory=_unset, description="A name, a list of names, or an object with a name.")
    description: _OptionalText = Field(
        default_factory=_unset, description="What the novel is about; the strings of a list are joined."
    )
    cover_url: _OptionalText = Field(default_factory=_unset, description="Where the cover picture is.")
    status: _Status = Field(default_factory=_unset, description="In any words and language; stored as written.")
    chapters: _ChapterList = Field(
        default_factory=list, description="All chapters in the order they are read, not only the new ones."
    )
    volumes: Annotated[
        list[Annotated[BookFileVolume, BeforeValidator(_volume)]],
        BeforeValidator(_volumes, json_schema_input_type=list[BookFileVolume] | object),
    ] = Field(default_factory=list, description="The volumes in their order, if chapters are kept in these instead.")


# How msgspec cuts: at the same keys -------------------------------------------------------


def _slices(model: type[BaseModel], *more: str) -> type[msgspec.Struct]:
    """What msgspec cuts into: a slice for each field of ``model``, and for some keys besides."""
    return msgspec.defstruct(f"{model.__name__}Slices", [(key, Raw, ABSENT) for key in (*model.model_fields, *more)])


BookSlices: Final = _slices(BookFile, *in_capitals("title"), *in_capitals("chapters"))
_CHAPTERS: Final[Decoder[list[msgspec.Struct]]] = Decoder(
    list[_slices(BookFileChapter, *in_capitals("content"), *ALIASES["filename"])]  # type: ignore[misc]
)
_VOLUMES: Final[Decoder[list[msgspec.Struct]]] = Decoder(
    list[_slices(BookFileVolume, *ALIASES["title"])]  # type: ignore[misc]
)
