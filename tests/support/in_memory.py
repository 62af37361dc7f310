"""One novel's rows without a database: what is planned for them is done at once."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial
from hashlib import sha256
from itertools import count

from novelsync.evidence.seen import see
from novelsync.evidence.texts import rows_to_see
from novelsync.models.source import UNSET, Book, BookChapter, NovelFields, SourceFile, url_hash
from novelsync.models.stored import KnownChapter, KnownNovel
from novelsync.models.writing import NovelWrite
from novelsync.planning.acceptance import stays_held
from novelsync.planning.novel_plan import as_held, plan_novel
from tests.support.editing import Chapter, Number
from tests.support.ledger import Row

_FILE = SourceFile("a-novel", "version", 1)
_FIELDS = NovelFields("A novel")


class Table:
    def __init__(self, *, within_a_day: bool = False) -> None:
        """``within_a_day``: all of it happens; else a day passes each time."""
        self._within_a_day = within_a_day
        self.rows: list[Row] = []
        """In the order of their positions."""
        self._known: KnownNovel | None = None
        self._checksum = ""
        self._held_after: int | None = None
        """The last id that there was before something was held; None: nothing is."""
        self._removed_lately: set[str] = set()
        self._ids = count(1)

    def sync(self, chapters: Sequence[Chapter], accepted: bool = False, rules: str = "rules") -> NovelWrite:
        """What was written."""
        checksum = sha256(repr(chapters).encode()).hexdigest()
        known = replace(self._known, same=checksum == self._checksum) if self._known else None
        book = Book("A novel", UNSET, UNSET, UNSET, UNSET, [_in_book(chapter) for chapter in chapters])
        rows = rows_to_see(known.chapters if known else (), book.chapters)
        texts = {str(row.id): row.text for row in self.rows}
        seen = {row.id: _seen(texts[row.id], row.title) for row in rows}
        plan = partial(plan_novel, _FILE, checksum, book, known, request_id="", seen=seen, rules=rules)
        write = as_held(plan, stays_held(known, None, rules))(accepted=accepted)
        self._apply(write, accepted)
        self._checksum = checksum
        return write

    def _apply(self, write: NovelWrite, accepted: bool) -> None:
        last_id = max((row.id for row in self.rows), default=0)
        rows = {str(row.id): row for row in self.rows}
        for new in write.chapters.created:
            row = Row(next(self._ids), new.position, "", None, "", "", removed=False)
            rows[str(row.id)] = _with(row, new.position, new.chapter, new_text=True)
        for change in write.chapters.changed:
            rows[change.row.id] = _with(rows[change.row.id], change.position, change.chapter, new_text=change.new_text)
        for move in write.chapters.moved:
            rows[move.row.id] = replace(rows[move.row.id], position=move.position)
        for gone in write.chapters.removed:
            rows[gone.id] = replace(rows[gone.id], removed=True)
        self.rows = sorted(rows.values(), key=lambda row: (row.position, row.id))
        gone = {row.id for row in write.chapters.removed}
        self._removed_lately = self._removed_lately | gone if self._within_a_day and not accepted else set()
        if not write.held_id:
            self._held_after = None
        elif self._held_after is None:
            self._held_after = last_id
        known = [self._row(row) for row in sorted(self.rows, key=lambda row: row.removed)]
        held_in_a_row = write.held_in_a_row or 0
        self._known = KnownNovel(
            "a-novel",
            1,
            False,
            _FIELDS,
            known,
            write.chapter_count,
            held_id=write.held_id or "",
            held_in_a_row=held_in_a_row,
            version=write.version or "",
        )

    def _row(self, row: Row) -> KnownChapter:
        fresh = self._held_after is not None and row.id > self._held_after
        lately = row.removed and str(row.id) in self._removed_lately
        return replace(_known(row), fresh=fresh, removed_lately=lately)


def _with(row: Row, position: int, chapter: BookChapter, *, new_text: bool) -> Row:
    number = None if chapter.number is None else float(chapter.number)
    text = chapter.text() if new_text else row.text
    return Row(row.id, position, chapter.title, number, chapter.url, text, removed=False)


def _known(row: Row) -> KnownChapter:
    hash_, size = _hashed(row.text)
    labels = _exact(row.number), row.title, url_hash(row.url)
    return KnownChapter(str(row.id), row.position, *labels, hash_, size, row.removed)


def _in_book(chapter: Chapter) -> BookChapter:
    text = chapter.text
    number = _exact(chapter.number)
    return BookChapter(chapter.title, number, chapter.url, *_hashed(text), text.encode)


def _exact(number: Number) -> Decimal | None:
    return None if number is None else Decimal(str(number))


_seen = lru_cache(10_000)(see)


@lru_cache(10_000)
def _hashed(text: str) -> tuple[bytes, int]:
    data = text.encode()
    return sha256(data).digest(), len(data)
