"""
What the bytes of a text say of it at once: that it is prose, as nearly every text is. Pure.

Each text of a new novel is asked this. What is not plain is decoded and looked at, which takes many times as long.
"""

import re
from typing import Final
from unicodedata import is_normalized

from novelsync.evidence.visible import IGNORABLE, MOST_OF_NOTHING, has_invisible, has_letters

_FIRST_LOOK, _SECOND_LOOK = 3_000, 8_000
"""Bytes: nearly always the first part is enough."""
_SHOWN: Final = 2_200
"""More bytes than any page that is no chapter shows (see `placeholders`), if NFC makes three of them one too."""

REPLACEMENT: Final = "\ufffd".encode()
"""What stands for letters that were lost when a page was read in another encoding."""

_START: Final = 200
_PLAIN_LETTER: Final = re.compile(rb"[0-9A-Za-z]")

_PAGE: Final = re.compile(rb"<(?:!--|(?:!doctype|html|head|body|script|style|title|template|pre|a)\b)", re.IGNORECASE)
_FORM_OR_LINK: Final = re.compile(rb"<(?:(form|input)\b|a )", re.IGNORECASE)  # the group is empty for a link
_FEW_LINKS: Final = 4
_HEADING: Final = re.compile(rb"\A[\s\x1c-\x1f\x80-\xff]*<h([1-6])\b.*?(?:</h\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
"""As `below_heading` finds it, or to the end of what is looked at; before it may be wide blanks."""
_TAG: Final = re.compile(rb"<[^<>]*(?:>|\Z)")  # the last one may be cut, or its text may be
_ENTITY: Final = re.compile(rb"&#?\w+;?")
_BLANKS: Final = bytes(byte for byte in range(0x80) if chr(byte).isspace())
_ASCII: Final = bytes(range(0x80))
_WIDE_BLANKS: Final = [(letter, letter) for letter in map(chr, range(0x80, 0x3001)) if letter.isspace()]
_UNSEEN_BEGINS: Final = sorted(
    {
        letter.encode()[:2]
        for first, last in (*IGNORABLE, *_WIDE_BLANKS)
        for letter in map(chr, range(ord(first), ord(last) + 1))
    }
)
"""How invisible characters and wide blanks begin in UTF-8. Some that are seen begin so as well: dashes, quotes."""
_MAYBE_UNSEEN: Final = re.compile(b"|".join(map(re.escape, _UNSEEN_BEGINS)))
_SEEN: Final = bytes(set(range(0x100)) - set(_BLANKS) - {begin[0] for begin in _UNSEEN_BEGINS})
"""Bytes that begin nothing that is unseen, or that begin no character."""


def is_plain_prose(text: bytes) -> bool:
    """Whether a text in UTF-8 shows so much that it is a chapter, and lost no letter; False: it has to be looked at."""
    if len(text) < _SHOWN or (REPLACEMENT[0] in text and REPLACEMENT in text):
        return False
    # Below all prose there may be so many links, or a form, that they are what the page is.
    if b"<" in text and (len(found := _FORM_OR_LINK.findall(text)) > _FEW_LINKS or any(found)):
        return False
    return _shows_much(text[:_FIRST_LOOK]) or (len(text) > _FIRST_LOOK and _shows_much(text[:_SECOND_LOOK]))


def _shows_much(start: bytes) -> bool:
    shown = start
    if b"<" in shown:
        if _PAGE.search(shown):
            return False
        shown = _TAG.sub(b"", _HEADING.sub(b"", shown))
        if b"<" in shown:  # what stands around a tag may be one once that is gone
            shown = _TAG.sub(b"", shown)
    if b"&" in shown:
        shown = _ENTITY.sub(b"", shown)
    if not _shows(shown, _SHOWN):
        return False
    return _PLAIN_LETTER.search(shown) is not None or has_letters(shown.decode(errors="ignore"))  # the last may be cut


def _shows(text: bytes, size: int) -> bool:
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


def plainly_shows(text: bytes, size: int) -> bool:
    """
    Whether a text in UTF-8 has letters, no markup, is in NFC, and shows at least ``size`` bytes.

    False: it has to be looked at.
    """
    if b"<" in text or b"&" in text or not _shows(text, size):
        return False
    if text.isascii():
        return _PLAIN_LETTER.search(text) is not None
    decoded = text.decode()
    may_have_invisible = _MAYBE_UNSEEN.search(text.translate(None, _ASCII)) is not None
    return (
        is_normalized("NFC", decoded) and not (may_have_invisible and has_invisible(decoded)) and has_letters(decoded)
    )


def plainly_shows_something(text: bytes) -> bool:
    """Of a text in UTF-8: whether `shows_nothing` would deny it, where that can be told without decoding all of it."""
    if len(text) > 4 * MOST_OF_NOTHING:  # bytes; as characters they are still more than is looked at for markup
        start = text[:_START].decode(errors="ignore")
        return bool(start) and not start.isspace()
    return b"<" not in text and b"&" not in text and _PLAIN_LETTER.search(text) is not None
