"""
What of a file takedowns keep from the readers: some of its chapters, or the novel. Pure.

It is decided from the file alone, so that it makes no difference what the folder is called and what is stored.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from novelsync.evidence.seen import ALIKE
from novelsync.evidence.shingles import COARSE, FINE, shingles
from novelsync.models.desk.takedowns import Takedown, TakedownKind, Withheld
from novelsync.models.source import Book, BookChapter
from novelsync.planning.takedowns.signs import FEWEST, begins_with, digest_of, plain_title, plain_url, short_digest

MOST_OF_A_NOVEL: Final = 0.5
"""Share of what a file says that a novel that is taken down says too: then it is that novel, whatever was added."""

_OF_SAME_TITLE: Final = 0.2
"""The same, where title and author are the same."""

_SHORT_BYTES: Final = 2_000
"""Of a text that may be too short to be told by."""


class _Text(NamedTuple):
    """A text that is taken down."""

    takedown: int
    mask: int
    sizes: Mapping[int, int]
    """By mask, how many numbers it has."""


class _Found(NamedTuple):
    """What the text of a chapter has in common with what is taken down."""

    numbers: int
    """Of the chapter's text, as many as a coarse sample has."""
    common: Mapping[int, int]
    """How many of these each takedown has."""
    takedowns: Set[int]
    """Those of which it is a text."""


@dataclass(frozen=True)
class Takedowns:
    """Those that are in force, made ready to be compared with files."""

    takedowns: Sequence[Takedown] = ()

    def __bool__(self) -> bool:
        return bool(self.takedowns)

    @cached_property
    def _texts(self) -> tuple[Sequence[_Text], Mapping[int, int]]:
        """All texts, and by number the place of one that has it."""
        texts: list[_Text] = []
        index: dict[int, int] = {}
        for takedown in self.takedowns:
            for sign in takedown.signs.texts if takedown.signs else ():
                numbers = sign.numbers
                sizes = {mask: sum(not number & mask for number in numbers) for mask in (0, FINE, COARSE)}
                for number in numbers:
                    index.setdefault(number, len(texts))
                texts.append(_Text(takedown.id, sign.mask, sizes))
        return texts, index

    @cached_property
    def _urls(self) -> Mapping[str, Set[int]]:
        return _by_sign((each.id, each.signs.urls) for each in self.takedowns if each.signs)

    @cached_property
    def _short_texts(self) -> Mapping[str, Set[int]]:
        return _by_sign((each.id, each.signs.short_texts) for each in self.takedowns if each.signs)

    @cached_property
    def _prefixes(self) -> Sequence[tuple[str, int]]:
        return [(prefix, each.id) for each in self.takedowns if each.signs for prefix in each.signs.prefixes]

    @cached_property
    def _novels(self) -> Sequence[Takedown]:
        return [each for each in self.takedowns if each.kind is TakedownKind.NOVEL]

    def of_book(self, book: Book, judged: Set[bytes] = frozenset()) -> Withheld:
        """``judged``: hashes of texts of this novel that were compared before, and that readers see."""
        chapters = book.chapters
        if not self.takedowns or not chapters:
            return Withheld()
        by_chapter: list[Set[int]] = []
        said = 0
        common: Counter[int] = Counter()
        for chapter in chapters:
            takedowns = set(self._by_url(chapter.url))
            if chapter.fetched and chapter.content_hash not in judged:
                found = self._by_text(chapter)
                takedowns |= found.takedowns
                said += found.numbers
                common.update(found.common)
            elif chapter.fetched:
                said += chapter.content_bytes // 100
            by_chapter.append(takedowns)
        by_novel = {each.id for each in self._novels if self._is_novel(each, book, common, said)} | self._most(
            by_chapter
        )
        kept_back = {f for f, takedowns in enumerate(by_chapter) if takedowns}
        whole = bool(by_novel) or len(kept_back) == len(chapters)
        ids = set.union(by_novel, *by_chapter)
        return Withheld(whole, frozenset(range(len(chapters)) if whole else kept_back), tuple(sorted(ids)))

    def _is_novel(self, takedown: Takedown, book: Book, common: Mapping[int, int], said: int) -> bool:
        if not takedown.signs or common.get(takedown.id, 0) < FEWEST:
            return False
        author = plain_title(book.author) if isinstance(book.author, str) else ""
        same = (plain_title(book.title), author) == (takedown.signs.title, takedown.signs.author)
        return common[takedown.id] >= (_OF_SAME_TITLE if same else MOST_OF_A_NOVEL) * said

    def _most(self, by_chapter: Sequence[Set[int]]) -> set[int]:
        """The novels that most chapters are of."""
        times = Counter(takedown for takedowns in by_chapter for takedown in takedowns)
        novels = {each.id for each in self._novels}
        return {id_ for id_, count in times.items() if id_ in novels and count > MOST_OF_A_NOVEL * len(by_chapter)}

    def _by_url(self, url: str) -> Iterable[int]:
        if not url or not (self._urls or self._prefixes):
            return
        plain = plain_url(url)
        yield from self._urls.get(digest_of(plain), ())
        yield from (id_ for prefix, id_ in self._prefixes if begins_with(plain, prefix))

    def _by_text(self, chapter: BookChapter) -> _Found:
        texts, index = self._texts
        text = chapter.text()
        takedowns: set[int] = set()
        if self._short_texts and chapter.content_bytes <= _SHORT_BYTES:
            takedowns |= self._short_texts.get(short_digest(text, chapter.title), set())
        if not texts:
            return _Found(0, {}, takedowns)
        numbers, mask = shingles(text)
        sizes = {of: sum(not number & of for number in numbers) for of in (mask, FINE, COARSE)}
        # By text and by takedown, the numbers in common under either mask.
        hits = [(number, index[number]) for number in numbers if number in index]
        of_texts: dict[int, list[int]] = defaultdict(list)
        of_takedowns: dict[int, list[int]] = defaultdict(list)
        for number, place in hits:
            of_texts[place].append(number)
            of_takedowns[texts[place].takedown].append(number)
        for place, shared in of_texts.items():
            both = mask | texts[place].mask
            if _are_alike(shared, both, min(sizes[both], texts[place].sizes[both])):
                takedowns.add(texts[place].takedown)
        masks: dict[int, int] = {}
        for text_ in texts:
            if text_.takedown in of_takedowns:
                masks[text_.takedown] = masks.get(text_.takedown, mask) | text_.mask
        for takedown, shared in of_takedowns.items():
            both = masks[takedown]
            if _are_alike(shared, both, sizes[both]):
                takedowns.add(takedown)
        common = {id_: sum(not number & COARSE for number in shared) for id_, shared in of_takedowns.items()}
        return _Found(sizes[COARSE], common, takedowns)


def _are_alike(shared: Sequence[int], mask: int, of: int) -> bool:
    return of >= FEWEST and sum(not number & mask for number in shared) >= ALIKE * of


def _by_sign(signs: Iterable[tuple[int, Sequence[str]]]) -> Mapping[str, Set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for takedown, each in signs:
        for sign in each:
            found[sign].add(takedown)
    return found
