"""What one text says of itself: whether it is a chapter at all, and what it has in common with another. Pure."""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence, Set
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from novelsync.evidence.placeholders import SHORT_BYTES, below_heading, placeholder_in
from novelsync.evidence.prose import plainly_shows
from novelsync.evidence.visible import has_letters, has_picture, letters_in, visible
from novelsync.text.formatting import quoted

TELLING_LETTERS: Final = 200
"""A shorter text ("To be continued", a notice) says nothing about which chapter it is. See `letters_in`."""

_TELLING_BYTES: Final = 4 * TELLING_LETTERS
"""No letter has more than four."""

_RUN: Final = 4
"""So many words in a row are hardly twice in a novel."""
_RUN_OF_CHARACTERS: Final = 8
"""The same in scripts that put no blanks between words."""
_LONGEST_WORD: Final = 25

_ALL_KEPT: Final = 400
"""Words: of a longer text one run in 16 is kept, so that thousands of chapters fit into memory."""
_SAMPLED: Final = 15

_GARBLED: Final = re.compile(
    # U+FFFD and boxes; controls; UTF-8 that was read as Latin-1 or Windows-1252; U+FFFD that was read so, and in GBK;
    # letters that became question marks.
    "[\ufffd\u25a1\u25af\ue000-\uf8ff\x00-\x08\x0e-\x1f\x7f-\x9f]"
    "|[\u00c2-\u00f4][\x80-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201e"
    "\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]|锟斤拷|烫烫烫|(?<=[^\\W\\d_])\\?(?=[^\\W\\d_])"
)
_START: Final = 80
_OBJECT: Final = re.compile(r"\s*\{.*\}\s*", re.DOTALL)
_FORM: Final = re.compile(r"<(?:form|input)\b", re.IGNORECASE)
_MOST_LETTERS_OF_A_FORM: Final = 600
_LINK: Final = re.compile(r"<a\b[^<>]*>(.*?)</a\s*>", re.IGNORECASE | re.DOTALL)
_MOSTLY: Final = 0.8

_SCRIPTS: Final = (
    (0x41, "Latin"),
    (0x370, "Greek"),
    (0x400, "Cyrillic"),
    (0x530, "Armenian"),
    (0x590, "Hebrew"),
    (0x600, "Arabic"),
    (0x900, "Indic"),
    (0xE00, "Thai"),
    (0xE80, ""),
    (0x10A0, "Georgian"),
    (0x1100, "Korean"),
    (0x1200, ""),
    (0x1C80, "Cyrillic"),
    (0x1C90, ""),
    (0x1D00, "Latin"),
    (0x1F00, "Greek"),
    (0x2000, ""),
    (0x3040, "Chinese or Japanese"),
    (0x3130, "Korean"),
    (0x3190, "Chinese or Japanese"),
    (0xA000, ""),
    (0xAC00, "Korean"),
    (0xD7B0, ""),
    (0xF900, "Chinese or Japanese"),
    (0xFB00, "Latin"),
    (0xFB1D, "Arabic"),
    (0xFF21, "Latin"),
    (0xFF66, "Chinese or Japanese"),
    (0xFFA0, ""),
    (0x20000, "Chinese or Japanese"),
)
_STARTS: Final = [start for start, _ in _SCRIPTS]
_LETTERS_ASKED: Final = 200


class Seen(NamedTuple):
    """A text as a reader sees it."""

    sign: bytes
    """Equal for texts that look the same: markup, entities, blanks and invisible characters aside, in NFC."""
    letters: int
    """See `letters_in`."""
    notice: str = ""
    """What it is in place of a chapter; empty if it may be one."""
    garbled: float = 0.0
    """Share of its letters that are not what was written, from 0 to 1."""
    script: str = ""
    """That of most of its letters, by its name."""
    runs: Set[int] = frozenset()
    """Of words. Comparable within one process."""
    sampled: bool = False
    """`runs` are only a sample."""
    start: str = ""
    """How it begins."""

    @property
    def says_something(self) -> bool:
        return self.letters > 0 and not self.notice

    @property
    def tells(self) -> bool:
        """Whether it says which chapter it is, if no other has it."""
        return self.letters >= TELLING_LETTERS and not self.notice


NOTHING_SEEN: Final = Seen(b"", 0)


def see(text: str, title: str = "") -> Seen:
    """``title``: of the chapter; a text that has nothing else is none."""
    seen = visible(text)
    runs, sampled = _runs(seen)
    letters = letters_in(seen) or int(has_picture(text))
    return Seen(
        sign=sha256(seen.replace(" ", "").encode(errors="replace")).digest()[:16],
        letters=letters,
        notice=_notice(text, seen, letters, title),
        garbled=min(1.0, len(_GARBLED.findall(seen)) / letters) if letters else 0.0,
        script=_script(seen),
        runs=runs,
        sampled=sampled,
        start=seen[:_START],
    )


def plainly_tells(stored: bytes, title: str = "") -> bool:
    """Whether a text, in UTF-8, tells for sure. False: `see` has to be asked, which takes many times as long."""
    return plainly_shows(stored, max(_TELLING_BYTES, _more_than(title)))


def says_something(stored: bytes, title: str = "") -> bool:
    """The same of `see`, of a text in UTF-8 and for a fraction of the time."""
    if plainly_shows(stored, max(SHORT_BYTES + 1, _more_than(title))):
        return True
    text = stored.decode()
    seen = visible(text)
    # Without markup, so long a text is no notice, unless it is all heading.
    if "<" not in text and len(seen.encode(errors="replace")) > SHORT_BYTES and has_letters(seen):
        # No letter has more than three in its place when case is folded.
        return len(seen) > 3 * len(title) or seen.casefold() != visible(title).casefold()
    letters = letters_in(seen) or int(has_picture(text))
    return letters > 0 and not _notice(text, seen, letters, title)


def _more_than(title: str) -> int:
    """Bytes that no text shows which is but its title: no letter has over four, nor over three when case is folded."""
    return 4 * 3 * len(title) + 1


def likeness(one: Seen, other: Seen) -> float:
    """Share of what the shorter one says that the other says as well, from 0 to 1; 0 if there is hardly anything."""
    ours, theirs = comparable(one, other)
    fewer = min(len(ours), len(theirs))
    return len(ours & theirs) / fewer if fewer >= FEWEST_RUNS else 0.0


ALIKE: Final = 0.5
"""What an edited text has in common with what it was; two chapters of a novel have next to nothing. See `likeness`."""

FEWEST_RUNS: Final = 8
"""Of fewer, a share says nothing."""


def comparable(one: Seen, other: Seen) -> tuple[Set[int], Set[int]]:
    """The runs of both, of a text that is compared with a sampled one only those that the sample could have."""
    if one.sampled == other.sampled:
        return one.runs, other.runs
    return _sample(one.runs), _sample(other.runs)


@lru_cache(maxsize=1 << 16)
def _code(word: str) -> int:
    """The same in every process, unlike ``hash``: what a dry run shows, another process has to find again."""
    return crc32(word.encode(errors="replace"))


def _runs(seen: str) -> tuple[frozenset[int], bool]:
    words: Sequence[str] = seen.casefold().split()
    length = _RUN
    if len(seen) > _LONGEST_WORD * len(words):
        words, length = "".join(words), _RUN_OF_CHARACTERS
    codes = tuple(map(_code, words))
    places: Sequence[int] = range(max(0, len(codes) - length + 1))
    sampled = len(codes) > _ALL_KEPT
    if sampled:
        places = [at for at in places if not codes[at] & _SAMPLED]
    # The last bits are those of the first word's code, so that a sample can be taken before and after.
    runs = frozenset(hash(codes[at : at + length]) & ~_SAMPLED | codes[at] & _SAMPLED for at in places)
    return runs, sampled


def _sample(runs: Set[int]) -> frozenset[int]:
    return frozenset(run for run in runs if not run & _SAMPLED)


def _notice(text: str, seen: str, letters: int, title: str) -> str:
    if phrase := placeholder_in(text):
        return f"a placeholder, {quoted(phrase)}"
    if len(text.encode(errors="replace")) <= SHORT_BYTES and _OBJECT.fullmatch(text) and _is_json(text):
        return "an answer in JSON"
    if not letters:
        return "nothing but punctuation" if seen else "nothing that is seen"
    if has_picture(text):
        return ""
    if not letters_in(visible(below_heading(text))) or (title and seen.casefold() == visible(title).casefold()):
        return "nothing but a heading"
    # Crawlers may take the buttons below a chapter along.
    if letters <= _MOST_LETTERS_OF_A_FORM and _FORM.search(text):
        return "a form to fill in"
    if text.lower().count("<a ") > 4:
        linked = letters_in(visible(" ".join(_LINK.findall(text))))
        if linked > _MOSTLY * letters:
            return "little but links"
    return ""


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _script(seen: str) -> str:
    some = [letter for letter in seen[:: max(1, len(seen) // _LETTERS_ASKED)] if letter.isalpha()]
    scripts = Counter(_SCRIPTS[bisect(_STARTS, ord(letter)) - 1][1] for letter in some)
    name, count = scripts.most_common(1)[0] if scripts else ("", 0)
    return name if count > _MOSTLY * len(some) else ""
