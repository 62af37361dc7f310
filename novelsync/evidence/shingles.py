"""
What a text says, as a set of numbers that is the same in every process and outlasts edits. Pure.

Each number is of a few words in a row. Markup, entities, punctuation, case and the forms of Unicode make no difference,
and whatever is put in between or cut away takes only the numbers next to it along.
"""

import re
from collections.abc import Set
from itertools import pairwise
from typing import Final
from unicodedata import normalize
from zlib import crc32

from novelsync.evidence.visible import visible

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
_LOOKED_AT: Final = 5
"""One character of so many says which script a text is in."""

_HIGH: Final = 0xFFFFFFF0
_MIX: Final = 0x9E3779B1
"""A product with it has all bits of a sum in the upper ones, of which those below 2^32 are kept."""


def shingles(text: str) -> tuple[frozenset[int], int]:
    """The numbers of a text, below 2^32, and their mask: 0 if all are kept, else `FINE`."""
    seen = visible(text)
    if not seen.isascii():
        seen = normalize("NFKC", seen)
    words = _WORD.findall(seen.casefold())
    if not seen.isascii():
        letters = "".join(words)
        some = letters[::_LOOKED_AT]
        if len(_UNSPACED.findall(some)) > _MOSTLY * len(some):
            return _of_characters(letters)
    mask = FINE if len(words) > ALL_KEPT else 0
    numbers = {word: crc32(word.encode()) for word in set(words)}
    ones = [numbers[word] for word in words]
    fours = zip(ones, ones[1:], ones[2:], ones[3:], strict=False)
    return frozenset(
        (one * 3 + two * 5 + three * 7 + four * 11) * _MIX & _HIGH | one & COARSE
        for one, two, three, four in fours
        if not one & mask
    ), mask


def _of_characters(letters: str) -> tuple[frozenset[int], int]:
    mask = FINE if len(letters) > 2 * ALL_KEPT else 0
    twos = [one + two for one, two in pairwise(letters[: len(letters) - CHARACTERS + 2])]
    lows = {two: crc32(two.encode()) & COARSE for two in set(twos)}
    return frozenset(
        crc32(letters[at : at + CHARACTERS].encode()) & _HIGH | lows[two]
        for at, two in enumerate(twos)
        if not lows[two] & mask
    ), mask


def under(numbers: Set[int], mask: int) -> frozenset[int]:
    """Those of them that a sample with this mask has."""
    return frozenset(number for number in numbers if not number & mask)
