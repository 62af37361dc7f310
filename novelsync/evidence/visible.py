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

MOST_OF_NOTHING: Final = 1_000
"""Characters: so short is all markup that crawlers leave where a page has nothing."""

IGNORABLE: Final = (
    *(("\u00ad", "\u00ad"), ("\u034f", "\u034f"), ("\u061c", "\u061c"), ("\u115f", "\u1160"), ("\u17b4", "\u17b5")),
    *(("\u180b", "\u180f"), ("\u200b", "\u200f"), ("\u202a", "\u202e"), ("\u2060", "\u206f"), ("\u3164", "\u3164")),
    *(("\ufe00", "\ufe0f"), ("\ufeff", "\ufeff"), ("\uffa0", "\uffa0")),
    *(("\U0001d173", "\U0001d17a"), ("\U000e0000", "\U000e0fff")),
)
"""Unicode's Default_Ignorable_Code_Point, first and last: what sites weave into texts to find who copies them."""
_INVISIBLE: Final = re.compile(f"[{''.join(f'{first}-{last}' for first, last in IGNORABLE)}]")

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
    return len(text) <= MOST_OF_NOTHING and not visible(text) and not has_picture(text)


def has_letters(seen: str) -> bool:
    """Whether a text without markup, `visible` or not yet, says more than punctuation does."""
    return _LETTER.search(seen) is not None


def has_invisible(text: str) -> bool:
    """Whether `visible` leaves out a character that is neither markup nor a blank."""
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
