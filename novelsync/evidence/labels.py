"""What a chapter is called: its url, number, volume and title, in forms that can be compared. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, TypeAlias
from unicodedata import normalize

from novelsync.models.source import BookChapter, url_hash
from novelsync.models.stored import KnownChapter

Chapter: TypeAlias = KnownChapter | BookChapter

_WORD: Final = re.compile(r"\d+|[^\W\d_]+")
_COUNTING: Final = frozenset(
    "chapter chap ch chương chuong hồi quyển tập phần volume vol book part episode ep section no"
    " capítulo capitulo chapitre kapitel capitolo rozdział bölüm глава часть том"
    " 第 章 回 节 節 话 話 卷 巻 部 集 화 제 장 권 ตอนที่ ตอน บทที่ บท".split()
)
_OF_CHINESE_NUMBERS: Final = re.compile("[第]?[0-9〇零一二三四五六七八九十百千万两]+[章回节節话話卷巻部集]")
_FEWEST_TITLES: Final = 4


def url(chapter: Chapter) -> Hashable:
    return (chapter.url_hash if isinstance(chapter, KnownChapter) else url_hash(chapter.url)) or None


def number(chapter: Chapter) -> Hashable:
    return chapter.number


def title(chapter: Chapter) -> Hashable:
    return chapter.title or None


def number_and_title(chapter: Chapter) -> Hashable:
    return (chapter.number, chapter.title) if chapter.number is not None and chapter.title else None


def labels(chapter: Chapter) -> tuple[Hashable, ...]:
    """Number, title and url; None for what is missing."""
    return number(chapter), title(chapter), url(chapter)


def telling_volumes(rows: Sequence[Chapter], chapters: Sequence[Chapter]) -> frozenset[str]:
    """
    The volumes that are part of a chapter's name, because each begins again with "Chapter 1": those of both sides.

    None of them where nothing begins again, so that chapters may change volumes; and none that has got another name.
    """
    both = {row.volume for row in rows} & {chapter.volume for chapter in chapters}
    again = bool(both - {None}) and (_begins_again(rows) or _begins_again(chapters))
    return frozenset(volume for volume in both if volume) if again else frozenset()


def _begins_again(chapters: Sequence[Chapter]) -> bool:
    """Whether a number, or the title of a chapter without one, is in several volumes."""
    first: dict[Hashable, str | None] = {}
    names = ((title(each) if each.number is None else each.number, each.volume) for each in chapters)
    return any(name is not None and first.setdefault(name, volume) != volume for name, volume in names)


def within_volumes(label: Callable[[Chapter], Hashable], volumes: frozenset[str]) -> Callable[[Chapter], Hashable]:
    """The label, and a volume with it if that is one of ``volumes``."""

    def sign(chapter: Chapter) -> Hashable:
        value = label(chapter)
        return None if value is None else (chapter.volume if chapter.volume in volumes else None, value)

    return sign if volumes else label


class Names:
    """
    What the titles of a novel say beyond their numbers.

    "Chapter 5: Storm" says "storm", and so does "5. Storm"; "Chapter 5" says nothing, nor does a word that stands in
    most titles of the novel.
    """

    def __init__(self, chapters: Sequence[Chapter]) -> None:
        words = [_words(chapter) for chapter in chapters]
        counts = Counter(word for some in words for word in set(some))
        most = len(chapters) / 2 if len(chapters) >= _FEWEST_TITLES else len(chapters)
        self._common = {word for word, count in counts.items() if count > most}
        names = [self._name(some) for some in words]
        self.names: list[Hashable] = [name or None for name in names]
        """In the order of the chapters; None for those that say nothing."""
        self.words: list[Hashable] = [name if any(map(str.isalpha, name)) else None for name in names]
        """The same, without those that are but another number: the volume's, or that of another site."""

    def _name(self, words: Iterable[str]) -> tuple[str, ...]:
        return tuple(word for word in words if word not in self._common and word not in _COUNTING)


def _words(chapter: Chapter) -> list[str]:
    """Without the chapter's own number, or the first one if it has none."""
    text = chapter.title
    if not text.isascii():
        text = _OF_CHINESE_NUMBERS.sub(" ", normalize("NFC", text))
    words = _WORD.findall(text.casefold())
    own = None if chapter.number is None else f"{chapter.number:f}".partition(".")[0]
    for at, word in enumerate(words):
        if word.isdigit() and own in (None, word.lstrip("0") or "0"):
            return words[:at] + words[at + 1 :]
    return words
