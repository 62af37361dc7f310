"""A text as a reader sees it: without markup and invisible characters. Pure; what is stored stays the file's own."""

import re
from html import unescape
from typing import Final
from unicodedata import normalize

_UNSEEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_WITHIN_WORDS: Final = re.compile(
    r"</?(?:a|abbr|b|big|bdi|bdo|cite|code|em|font|i|ins|mark|q|rb|rt|ruby|s|small|span|strike|strong|sub|sup|u|wbr)\b"
    r"[^<>]*>",
    re.IGNORECASE,
)
"""Tags that a reader may find in the middle of a word. Each other one ends it."""

_TAG: Final = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)

_PICTURE: Final = re.compile(r"<(?:audio|canvas|embed|iframe|image|img|object|picture|svg|video)\b", re.IGNORECASE)

_MOST_OF_NOTHING: Final = 1_000
"""Characters: so short is all markup that crawlers leave where a page has nothing."""

_START: Final = 200
_PLAIN_LETTER: Final = re.compile(rb"[0-9A-Za-z]")

_IGNORABLE: Final = (
    *(("\u00ad", "\u00ad"), ("\u034f", "\u034f"), ("\u061c", "\u061c"), ("\u115f", "\u1160"), ("\u17b4", "\u17b5")),
    *(("\u180b", "\u180f"), ("\u200b", "\u200f"), ("\u202a", "\u202e"), ("\u2060", "\u206f"), ("\u3164", "\u3164")),
    *(("\ufe00", "\ufe0f"), ("\ufeff", "\ufeff"), ("\uffa0", "\uffa0")),
    *(("\U0001d173", "\U0001d17a"), ("\U000e0000", "\U000e0fff")),
)
"""Unicode's Default_Ignorable_Code_Point, first and last: what sites weave into texts to find who copies them."""
_INVISIBLE: Final = re.compile(f"[{''.join(f'{first}-{last}' for first, last in _IGNORABLE)}]")

_LETTER: Final = re.compile("[^\\W_\u115f\u1160\u3164\uffa0]")  # those four are letters, and invisible
_HAN_AND_KANA: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_HANGUL: Final = re.compile("[\uac00-\ud7af]+")


def visible(text: str) -> str:
    """In NFC, each run of blanks as one."""
    if "<" in text:
        text = _TAG.sub(" ", _WITHIN_WORDS.sub("", _UNSEEN.sub(" ", text)))
    if "&" in text:
        text = unescape(text)
    if not text.isascii():
        text = normalize("NFC", _INVISIBLE.sub("", text))
    return " ".join(text.split())


def has_picture(text: str) -> bool:
    """Whether a reader sees something that is no text; a chapter may be nothing but an illustration."""
    return "<" in text and _PICTURE.search(text) is not None


def shows_nothing(text: str) -> bool:
    """Whether a text is but blanks, or short and but markup and invisible characters: ``<p></p>``, U+200B."""
    if not text or text.isspace():
        return True
    return len(text) <= _MOST_OF_NOTHING and not visible(text) and not has_picture(text)


def plainly_shows_something(text: bytes) -> bool:
    """Of a text in UTF-8: whether `shows_nothing` would deny it, where that can be told without decoding all of it."""
    if len(text) > 4 * _MOST_OF_NOTHING:  # bytes; as characters they are still more than is looked at for markup
        start = text[:_START].decode(errors="ignore")
        return bool(start) and not start.isspace()
    return b"<" not in text and b"&" not in text and _PLAIN_LETTER.search(text) is not None


def has_letters(seen: str) -> bool:
    """Whether a text without markup, `visible` or not yet, says more than punctuation does."""
    return _LETTER.search(seen) is not None


def has_invisible(text: str) -> bool:
    """Whether `visible` leaves out a character that is neither markup nor a blank."""
    if text.isascii() or not _MAYBE_UNSEEN.search(text.encode(errors="replace").translate(None, _ASCII)):
        return False
    return _INVISIBLE.search(text) is not None


def letters_in(seen: str) -> int:
    """
    How much a text that is `visible` says, in letters of an alphabet; 0 if it has but punctuation.

    A Chinese character or a kana counts three, as it has three bytes in UTF-8, and a Korean syllable two.
    """
    if not has_letters(seen):
        return 0
    letters = len(seen) - seen.count(" ")
    if seen.isascii():
        return letters
    return letters + 2 * _length(_HAN_AND_KANA, seen) + _length(_HANGUL, seen)


def _length(pattern: re.Pattern[str], text: str) -> int:
    return sum(map(len, pattern.findall(text)))


_LOOKED_AT: Final = (4_000, 8_000)
"""Bytes: nearly always the first part is enough."""
_SHOWN: Final = 2_200
"""More bytes than any page that is no chapter shows (see `placeholders`), if NFC makes three of them one too."""

_PAGE: Final = re.compile(rb"<(?:!--|(?:!doctype|html|head|body|script|style|title|template|pre|a)\b)", re.IGNORECASE)
_TAG_OR_ENTITY: Final = re.compile(rb"<[^<>]*(?:>|\Z)|&#?\w{1,32};?")  # the last tag may be cut, or its text may be
_MAYBE_LETTER: Final = re.compile(rb"[0-9A-Za-z\x80-\xff]")
_BLANKS: Final = bytes(byte for byte in range(0x80) if chr(byte).isspace())
_ASCII: Final = bytes(range(0x80))
_WIDE_BLANKS: Final = [(letter, letter) for letter in map(chr, range(0x80, 0x3001)) if letter.isspace()]
_UNSEEN_BEGINS: Final = sorted(
    {
        letter.encode()[:2]
        for first, last in (*_IGNORABLE, *_WIDE_BLANKS)
        for letter in map(chr, range(ord(first), ord(last) + 1))
    }
)
"""How invisible characters and wide blanks begin in UTF-8. Some that are seen begin so as well: dashes, quotes."""
_MAYBE_UNSEEN: Final = re.compile(b"|".join(map(re.escape, _UNSEEN_BEGINS)))
_SEEN: Final = bytes(set(range(0x100)) - set(_BLANKS) - {begin[0] for begin in _UNSEEN_BEGINS})
"""Bytes that begin nothing that is unseen, or that begin no character."""


def is_plainly_prose(raw: bytes | memoryview) -> bool:
    """
    Whether so much is seen of a text that it is a chapter; False: it has to be looked at.

    ``raw``: in UTF-8, as a JSON string or as it is. This saves decoding nearly all texts of a novel.
    """
    return len(raw) >= _SHOWN and any(_shows_much(bytes(raw[:size])) for size in _LOOKED_AT)


def _shows_much(start: bytes) -> bool:
    escapes = start.count(b"\\") if b"\\" in start else 0
    # An escaped character may be any: the few files that escape all of them are looked at.
    if (escapes and b"\\u" in start) or (b"<" in start and _PAGE.search(start)):
        return False
    shown = _TAG_OR_ENTITY.sub(b"", start) if b"<" in start or b"&" in start else start
    return shows(shown, _SHOWN + 2 * escapes) and _MAYBE_LETTER.search(shown) is not None


def shows(text: bytes, size: int) -> bool:
    """
    Whether so many bytes are surely seen of a text in UTF-8 without markup, before NFC. That may leave a third of them.

    A character has up to four. Mostly it is enough to know how many of them may begin as invisible ones do.
    """
    unseen = text.translate(None, _SEEN)
    begins = unseen.translate(None, _BLANKS)
    seen = len(text) - len(unseen) + len(begins)
    if seen - 4 * len(begins) >= size:
        return True
    return seen >= size and seen - 4 * len(_MAYBE_UNSEEN.findall(text.translate(None, _ASCII))) >= size
