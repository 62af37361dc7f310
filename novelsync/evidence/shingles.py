"""
What a text says, as a set of numbers that is the same in every process and outlasts edits. Pure.

Each number is of a few words in a row. Markup, entities, punctuation, case and the forms of Unicode make no difference,
and whatever is put in between or cut away takes only the numbers next to it along.
"""

import re
from collections.abc import Set
from typing import Final
from unicodedata import normalize
from zlib import crc32

from novelsync.evidence.visible import visible

WORDS: Final = 4
CHARACTERS: Final = 8
"""In scripts that put no blanks between words."""

ALL_KEPT: Final = 200
"""Words: of a longer text one number in 4 is kept."""

FINE: Final = 3
COARSE: Final = 15
"""Masks: of the numbers whose bits under the mask are zero. One in 4, and of those one in 4."""

_WORD: Final = re.compile(r"[^\W_]+")
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_MOSTLY: Final = 0.3


def shingles(text: str) -> tuple[frozenset[int], int]:
    """The numbers of a text, below 2^32, and their mask: 0 if all are kept, else `FINE`."""
    seen = visible(text)
    if not seen.isascii():
        seen = normalize("NFKC", seen)
    words = _WORD.findall(seen.casefold())
    if not seen.isascii():
        letters = "".join(words)
        if len(_UNSPACED.findall(letters)) > _MOSTLY * len(letters):
            return _of_characters(letters)
    mask = FINE if len(words) > ALL_KEPT else 0
    firsts: dict[str, int] = {}
    kept = []
    for at in range(len(words) - WORDS + 1):
        first = words[at]
        low = firsts.get(first)
        if low is None:
            low = firsts[first] = crc32(first.encode())
        if not low & mask:
            kept.append(crc32(" ".join(words[at : at + WORDS]).encode()) & ~COARSE | low & COARSE)
    return frozenset(kept), mask


def _of_characters(letters: str) -> tuple[frozenset[int], int]:
    mask = FINE if len(letters) > 2 * ALL_KEPT else 0
    kept = []
    for at in range(len(letters) - CHARACTERS + 1):
        low = crc32(letters[at : at + 2].encode())
        if not low & mask:
            kept.append(crc32(letters[at : at + CHARACTERS].encode()) & ~COARSE | low & COARSE)
    return frozenset(kept), mask


def under(numbers: Set[int], mask: int) -> frozenset[int]:
    """Those of them that a sample with this mask has."""
    return frozenset(number for number in numbers if not number & mask)
