"""
What looks wrong in a file that is accepted, for people who write crawlers. Pure.

There is one line for each kind of doubt, with the first places. A doubt may be unfounded, so nothing else depends on
it, and what would be said of every other novel is not said at all.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from novelsync.evidence.prose import REPLACEMENT
from novelsync.evidence.seen import TELLING_LETTERS
from novelsync.evidence.texts import Texts
from novelsync.evidence.visible import visible
from novelsync.models.source import Book, BookChapter
from novelsync.text.formatting import counted, quoted

EXAMPLES: Final = 3
"""So many places are named in a line."""

_FEWEST_ALIKE: Final = 3
"""So many short texts are alike by no chance."""


class Lint(NamedTuple):
    """What looks wrong in a file."""

    doubts: Sequence[str]
    """At most one line for each kind."""
    without_text: int
    """Chapters that have none, or what is none."""


class _Numbered(NamedTuple):
    number: Decimal
    at: int
    chapter: BookChapter

    @property
    def place(self) -> str:
        return _place(self.at, self.chapter)


def lint_book(book: Book, texts: Texts | None = None) -> Lint:
    """``texts``: of the book and of what is stored; files whose texts are stored are not opened again for this."""
    texts = texts or Texts((), book.chapters)
    notices = _notices(book.chapters, texts)
    without_text = len(notices) + sum(not chapter.fetched for chapter in book.chapters)
    return Lint([*_about_texts(book, texts, notices), *_about_numbers(book.chapters)], without_text)


def _notices(chapters: Sequence[BookChapter], texts: Texts) -> dict[int, str]:
    """By chapter, what it has in place of a text."""
    at_hand = (f for f, chapter in enumerate(chapters) if chapter.fetched and texts.is_at_hand(f))
    return {f: texts.of_chapter(f).notice for f in at_hand if not texts.says_something(f)}


def _about_texts(book: Book, texts: Texts, notices: dict[int, str]) -> Iterator[str]:
    blank: list[str] = []
    unreadable: list[str] = []
    by_text: defaultdict[bytes, list[int]] = defaultdict(list)
    short: defaultdict[str, list[int]] = defaultdict(list)
    for f, chapter in enumerate(book.chapters):
        if not (chapter.fetched or chapter.title or chapter.url or chapter.number is not None):
            blank.append(_place(f, chapter))
        if not chapter.fetched or f in notices:
            continue
        if chapter.content_bytes >= TELLING_LETTERS:
            by_text[chapter.content_hash].append(f)
        elif texts.is_at_hand(f) and (seen := visible(bytes(chapter.stored()).decode())):
            short[seen].append(f)
        if not chapter.is_prose and texts.is_at_hand(f) and REPLACEMENT in bytes(chapter.stored()):
            unreadable.append(_place(f, chapter))
    if blank:
        what = "neither title, number, url nor content, is a key misspelt?"
        yield f"{_chapters_have(blank)} {what} {_first(blank)}"
    if notices:
        places = [f"{_place(f, book.chapters[f])} ({notice})" for f, notice in notices.items()]
        yield f"{_chapters_have(places)} no text but a notice: {_first(places)}"
    alike = ([_place(f, book.chapters[f]) for f in group] for group in by_text.values() if len(group) > 1)
    if same := [" = ".join(_few(places)) for places in alike]:
        appear = "appears" if len(same) == 1 else "appear"
        yield f"{counted(len(same), 'text')} {appear} in several chapters: {_first(same, '; ')}"
    most = max(short.values(), key=len, default=[])
    if len(most) >= _FEWEST_ALIKE and 2 * len(most) >= sum(chapter.fetched for chapter in book.chapters):
        places = [_place(f, book.chapters[f]) for f in most]
        yield f"{_chapters_have(places)} the same short text, is it a notice? {_first(places)}"
    # Where the reader itself has put them in place of lone surrogates, it has said so.
    if unreadable and not any("U+FFFD" in warning for warning in book.warnings):
        what = "U+FFFD in place of letters, was the page in another encoding?"
        yield f"{_chapters_have(unreadable)} {what} {_first(unreadable)}"


def _about_numbers(chapters: Sequence[BookChapter]) -> Iterator[str]:
    numbered = [_Numbered(c.number, i, c) for i, c in enumerate(chapters) if c.number is not None]
    steps = list(pairwise(numbered))
    falls = [i for i, (one, other) in enumerate(steps, 1) if other.number < one.number]
    if len(falls) > sum(other.number > one.number for one, other in steps):
        first, last = numbered[0], numbered[-1]
        yield (
            f"the numbers go down, from {first.number:f} at {first.place} to {last.number:f} at {last.place}: "
            "is the newest chapter first? Readers get the order of the file"
        )
        numbered.reverse()
        falls = []
    volumes = [i for i in falls if _begins_again(numbered, i)]
    if volumes:
        yield (
            f"the numbers begin again in {_places(volumes)}, which is fine if each volume counts from 1: "
            + _first([_after(numbered, i) for i in volumes])
        )
    if back := [i for i in falls if i not in volumes]:
        yield f"the numbers go back in {_places(back)}: {_first([_after(numbered, i) for i in back])}"
    starts = [0, *volumes, len(numbered)]
    gaps = [gap for start, end in pairwise(starts) for gap in _gaps(numbered[start:end])]
    if gaps:
        yield f"the numbers leave gaps in {_places(gaps)}: {_first(gaps)}"


def _begins_again(numbered: Sequence[_Numbered], i: int) -> bool:
    """Whether a volume begins there, and it is not just one number that is out of place."""
    goes_on = i + 1 == len(numbered) or numbered[i + 1].number <= numbered[i - 1].number
    return numbered[i].number <= 1 and goes_on


def _gaps(volume: Sequence[_Numbered]) -> Iterator[str]:
    """What is missing from 1 on. 10.5 counts as 10, be it half of chapter 10 or an extra after it."""
    places = {int(one.number): one for one in reversed(volume) if one.number >= 1}
    before = 0
    for number in sorted(places):
        if number > before + 1:
            missing = f"{before + 1}" if number == before + 2 else f"{before + 1} to {number - 1}"
            yield f"no {missing}, next is {places[number].place}"
        before = number


def _after(numbered: Sequence[_Numbered], i: int) -> str:
    return f"{numbered[i].place} ({numbered[i].number:f} after {numbered[i - 1].number:f})"


def _place(index: int, chapter: BookChapter) -> str:
    return f"chapters[{index}] {quoted(chapter.title)}" if chapter.title else f"chapters[{index}]"


def _places(where: Sequence[object]) -> str:
    return counted(len(where), "place")


def _chapters_have(what: Sequence[object]) -> str:
    return f"{counted(len(what), 'chapter')} {'has' if len(what) == 1 else 'have'}"


def _few(items: Sequence[str]) -> list[str]:
    more = len(items) - EXAMPLES
    return [*items[:EXAMPLES], *([f"{more:,} more"] if more > 0 else [])]


def _first(items: Sequence[str], between: str = ", ") -> str:
    return between.join(_few(items))
