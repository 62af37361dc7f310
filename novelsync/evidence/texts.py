"""The texts of one novel, in the table and in the file, each looked at only where its bytes do not decide. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from statistics import median
from typing import Final

from novelsync.evidence.labels import labels
from novelsync.evidence.seen import (
    ALIKE,
    NOTHING_SEEN,
    TELLING_LETTERS,
    Seen,
    likeness,
    plainly_tells,
    says_something,
    see,
)
from novelsync.models.source import BookChapter
from novelsync.models.stored import KnownChapter

_FRACTION_OF_TYPICAL: Final = 5
"""A text of less than a fifth of what is usual in its novel may be a notice that nobody knows yet."""

UNLIKE: Final = 0.05
"""Below this two texts have nothing in common but a few turns of phrase."""

_TELLING_BYTES: Final = 3 * TELLING_LETTERS
"""Of a text that would have to be read again to be looked at: in most scripts a letter has one to three."""


def rows_to_see(rows: Sequence[KnownChapter], chapters: Sequence[BookChapter]) -> list[KnownChapter]:
    """
    Those rows whose stored texts have to be looked at to tell which chapter is which, and which text is worse.

    That is none, unless the file has a text that is not stored under the same labels: then those rows whose text the
    file no longer has. Of removed rows only those that have a label of such a chapter.
    """
    if not rows:
        return []
    stored = {(row.content_hash, *labels(row)) for row in rows}
    new = [each for each in chapters if each.fetched and (each.content_hash, *labels(each)) not in stored]
    if not new:
        return []
    there = {chapter.content_hash for chapter in chapters if chapter.fetched}
    called = {label for chapter in new for label in enumerate(labels(chapter)) if label[1] is not None}
    return [
        row
        for row in rows
        if row.content_bytes
        and row.content_hash not in there
        and not (row.removed and called.isdisjoint(enumerate(labels(row))))
    ]


class Texts:
    """What the rows and the chapters of a novel say."""

    def __init__(
        self,
        rows: Sequence[KnownChapter],
        chapters: Sequence[BookChapter],
        seen: Mapping[str, Seen] | None = None,
        holders: Mapping[bytes, Set[str]] | None = None,
    ) -> None:
        """``seen``: of the rows of `rows_to_see`, by id. ``holders``: by hash, the slugs of novels that have a text."""
        self._holders = holders or {}
        self._rows = rows
        self._chapters = chapters
        self._seen = seen or {}
        self._of_chapters: dict[int, Seen] = {}
        self._saying: dict[int, bool] = {}

    def of_chapter(self, f: int) -> Seen:
        if f not in self._of_chapters:
            chapter = self._chapters[f]
            self._of_chapters[f] = see(chapter.text(), chapter.title) if chapter.fetched else NOTHING_SEEN
        return self._of_chapters[f]

    def novels_with(self, content_hash: bytes) -> Set[str]:
        """Slugs of novels that readers see a text in; empty, if nobody looked."""
        return self._holders.get(content_hash, frozenset())

    def of_row(self, k: int) -> Seen:
        """Nothing, if nobody looked."""
        row = self._rows[k]
        if row.id in self._seen:
            return self._seen[row.id]
        f = self._by_hash.get(row.content_hash)
        return NOTHING_SEEN if f is None else self.of_chapter(f)

    def was_seen(self, k: int) -> bool:
        return self._rows[k].id in self._seen

    def is_new(self, f: int) -> bool:
        """Whether a chapter of the file has a text that no row has, byte for byte."""
        return self._chapters[f].fetched and self._chapters[f].content_hash not in self._stored

    def is_at_hand(self, f: int) -> bool:
        """Whether the text can be looked at without opening a file of its own: where it is stored, it was not read."""
        return not self._chapters[f].filename or self.is_new(f)

    def key_of_row(self, k: int) -> bytes | None:
        """Equal for texts that look the same; None: there is no text."""
        row = self._rows[k]
        return self._key(row.content_hash, self._seen.get(row.id)) if row.content_bytes else None

    def key_of_chapter(self, f: int) -> bytes | None:
        chapter = self._chapters[f]
        if not chapter.fetched:
            return None
        # Where the bytes are stored, they decide; the others are looked at if there is anything to compare them with.
        return self._key(
            chapter.content_hash,
            self.of_chapter(f) if self._seen and self.is_new(f) else None,
        )

    def _key(self, content_hash: bytes, seen: Seen | None) -> bytes:
        return seen.sign if seen and seen.letters else content_hash

    def tells(self, f: int) -> bool:
        """Whether the text of a chapter of the file says which one it is, if no other has it."""
        chapter = self._chapters[f]
        if chapter.content_bytes * _FRACTION_OF_TYPICAL < self._typical:
            return False
        if not self.is_at_hand(f):
            return chapter.content_bytes >= _TELLING_BYTES
        return chapter.is_prose or plainly_tells(bytes(chapter.stored()), chapter.title) or self.of_chapter(f).tells

    def says_something(self, f: int) -> bool:
        """Whether a chapter of the file has a text that is one; of one that is stored already, that was asked then."""
        if f not in self._saying:
            chapter = self._chapters[f]
            self._saying[f] = chapter.fetched and (
                not self.is_at_hand(f) or chapter.is_prose or says_something(bytes(chapter.stored()), chapter.title)
            )
        return self._saying[f]

    def are_alike(self, k: int, f: int) -> bool:
        """Whether one may be the other, edited."""
        if not self.was_seen(k) or not self._chapters[f].fetched:
            return False
        row, chapter = self.of_row(k), self.of_chapter(f)
        return row.sign == chapter.sign or likeness(row, chapter) >= ALIKE

    def are_unlike(self, k: int, f: int) -> bool:
        """Whether both say which chapter they are, and not the same one."""
        if not self.was_seen(k) or not self._chapters[f].fetched:
            return False
        row, chapter = self.of_row(k), self.of_chapter(f)
        return row.tells and chapter.tells and likeness(row, chapter) < UNLIKE

    def shrinks(self, k: int, f: int) -> int:
        """The most letters that a row has shown within a day, if the text of the file shows fewer; else 0."""
        most = max(self.of_row(k).letters, self._rows[k].peak_letters)
        return most if self.was_seen(k) and self.of_chapter(f).letters < most else 0

    @cached_property
    def in_rows(self) -> Counter[bytes | None]:
        """How many published rows have a text, by its key."""
        return Counter(self.key_of_row(k) for k, row in enumerate(self._rows) if not row.removed)

    @cached_property
    def in_file(self) -> Counter[bytes | None]:
        return Counter(map(self.key_of_chapter, range(len(self._chapters))))

    @cached_property
    def _stored(self) -> frozenset[bytes]:
        return frozenset(row.content_hash for row in self._rows)

    @cached_property
    def _by_hash(self) -> Mapping[bytes, int]:
        return {chapter.content_hash: f for f, chapter in enumerate(self._chapters) if chapter.fetched}

    @cached_property
    def _typical(self) -> float:
        sizes = [row.content_bytes for row in self._rows if row.content_bytes and not row.removed]
        return median(sizes) if sizes else 0.0
