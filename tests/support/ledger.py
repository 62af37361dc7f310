"""
Who has which id, as a test knows it, and what it demands of a novel's rows after every sync.

NovelSync is not asked: the rows before, the rows after and the file are compared with which chapter truly is which.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from tests.support.editing import Chapter, Number
from tests.support.telling import Seen, Verdict, too_many


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``chapters``."""

    id: int
    position: int
    title: str
    number: Number
    url: str
    text: str
    removed: bool

    @property
    def says(self) -> tuple[str, Number, str, str]:
        return self.title, self.number, self.url, self.text


class Ledger:
    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        """Of the file's chapters, after each sync: how many kept their ids, were new, or undecidable, and what then."""
        self._homes: dict[tuple[int, int], int] = {}
        """The id of a novel and the root of a chapter to the id of that chapter, for ever."""
        self._owners: dict[int, int] = {}
        """The id of every chapter there ever was to its root."""
        self._held: set[int] = set()
        """Novels of which chapters are held."""
        self._nobody = count(-1, -1)

    def check(
        self, novel: int, before: Sequence[Row], after: Sequence[Row], file: Sequence[Chapter], accepted: bool = False
    ) -> bool:
        """
        Demands all that is promised of one novel's rows, in the order of their positions. True: chapters are held.

        ``accepted``: a person said that what was held may go.
        """
        verdict = Verdict(
            [self._seen(row) for row in before if not row.removed],
            [self._seen(row) for row in before if row.removed],
            [Seen(c.root, c.title, c.number, c.url, c.text) for c in file],
            held=novel in self._held,
        )
        published = [row for row in after if not row.removed]
        assert [row.position for row in published] == list(range(1, len(published) + 1))
        found = Before(before, file, accepted)
        if found.is_short():
            # Of a file that is held, a chapter without a text is not taken.
            file = [c for c in file if c.text.strip() or any(_says(row, c) for row in published)]
        pairs = self._pairs(found, published, file)
        withheld = {row.id for chapter, row in pairs if not _says(row, chapter)}
        assert not (withheld and accepted)
        self.tally["withheld"] += len(withheld)
        pairs = [(chapter, row) for chapter, row in pairs if row.id not in withheld]
        self._check_ids(novel, pairs, verdict.undecidable)
        for chapter, row in pairs:
            self._give(novel, chapter, row)
        if withheld:
            # Which row a chapter is whose text or labels are held, nobody can see.
            _check_unchanged(before, after, {row.id for _, row in pairs})
            held = len(published) > len(file)
        else:
            held = _check_departures(before, after, {row.id for _, row in pairs}, accepted)
        (self._held.add if held else self._held.discard)(novel)
        self.tally["held"] += held
        return held or bool(withheld)

    def _seen(self, row: Row) -> Seen:
        return Seen(self._owners[row.id], row.title, row.number, row.url, row.text)

    def _pairs(self, before: "Before", published: Sequence[Row], file: Sequence[Chapter]) -> list[tuple[Chapter, Row]]:
        """The file's chapters, in its order, and their rows; what is left of the rows is as it was."""
        in_file = {chapter.root for chapter in file}
        stays = [
            row.id in before.rows and (before.rows[row.id].says, before.rows[row.id].removed) == (row.says, False)
            for row in published
        ]
        # Rows that stay may say the same as a chapter. So, from the end: from where on all the rest comes out even?
        even = {(len(published), len(file))}
        for at in reversed(range(len(published))):
            for here in range(max(0, at - len(published) + len(file)), min(at, len(file)) + 1):
                stay = stays[at] and (at + 1, here) in even
                if stay or ((at + 1, here + 1) in even and before.allows(published[at], file[here])):
                    even.add((at, here))
        assert (0, 0) in even, f"there should be {file}, and what is held, in {published}"
        pairs: list[tuple[Chapter, Row]] = []
        for at, row in enumerate(published):
            here = len(pairs)
            fits = (at + 1, here + 1) in even and before.allows(row, file[here])
            may_stay = stays[at] and (at + 1, here) in even
            if fits and not (may_stay and self._owners[row.id] not in in_file):
                pairs.append((file[here], row))
        return pairs

    def _check_ids(self, novel: int, pairs: Sequence[tuple[Chapter, Row]], undecidable: Mapping[int, str]) -> None:
        assert len({row.id for _, row in pairs}) == len(pairs)
        for chapter, row in pairs:
            home, owner = self._homes.get((novel, chapter.root)), self._owners.get(row.id)
            if chapter.root in undecidable:
                free = owner is None or owner < 0 or owner in undecidable
                assert free, f"{chapter} is undecidable, and has the id of {owner}, who is not"
                fate = "kept" if row.id == home else "new" if home is None else "lost"
                self.tally[f"undecidable, {fate}"] += 1
                self.tally[f"undecidable, {fate}: {undecidable[chapter.root]}"] += 1
            elif home is None:
                assert owner is None, f"{chapter} is new, and has the id of {owner}"
                self.tally["new"] += 1
            else:
                assert row.id == home, f"{chapter} has the id {row.id} and not {home}"
                self.tally["kept"] += 1

    def _give(self, novel: int, chapter: Chapter, row: Row) -> None:
        home, owner = self._homes.get((novel, chapter.root)), self._owners.get(row.id)
        if owner is not None and owner != chapter.root:
            self._homes.pop((novel, owner), None)
        if home is not None and home != row.id:
            self._owners[home] = next(self._nobody)
        self._homes[novel, chapter.root] = row.id
        self._owners[row.id] = chapter.root


def _check_unchanged(before: Sequence[Row], after: Sequence[Row], paired: set[int]) -> None:
    now = {row.id: row for row in after}
    for row in before:
        if row.id not in paired:
            assert now[row.id].says == row.says


def _check_departures(before: Sequence[Row], after: Sequence[Row], in_file: set[int], accepted: bool) -> bool:
    """What the file lacks is out of sight; or, if that is too much at once, as it was, behind what it stood behind."""
    published = [row.id for row in before if not row.removed]
    gone = [id_ for id_ in published if id_ not in in_file]
    held = too_many(len(gone), len(published)) and not accepted
    now = {row.id: row for row in after}
    for row in before:
        if row.id not in in_file:
            assert now[row.id].says == row.says
            assert now[row.id].removed == (row.removed or not held), f"held: {held}, and {now[row.id]}"
    if held:
        order = [row.id for row in after if not row.removed]
        behind = dict(zip(order, [None, *order], strict=False))
        stood_behind = dict(zip(published, [None, *published], strict=False))
        assert [behind[id_] for id_ in gone] == [stood_behind[id_] for id_ in gone]
    return held


def _says(row: Row, chapter: Chapter) -> bool:
    """Whether the row says what the chapter says, but for a text that is missing."""
    labels = (row.title, row.number, row.url) == (chapter.title, chapter.number, chapter.url)
    return labels and (row.text == chapter.text or not chapter.text.strip())


def _beginning(text: str) -> str:
    """By which texts are known to be copies of one, edited or cut."""
    return re.sub(r"^(word\d+ )+", "", text)[:200]


class Before:
    """What a sync finds: rows and a file."""

    def __init__(self, rows: Sequence[Row], file: Sequence[Chapter], accepted: bool) -> None:
        self.rows = {row.id: row for row in rows}
        self._accepted = accepted
        self._stored = Counter(_beginning(row.text) for row in rows if not row.removed)
        self._in_file = Counter(_beginning(chapter.text) for chapter in file)
        self._published = sum(not row.removed for row in rows)

    def allows(self, row: Row, chapter: Chapter) -> bool:
        """
        Whether a row may say this now that it is that chapter's: what the chapter says; or what it said before, if its
        text is held, or the file as a whole.
        """
        if _says(row, chapter):
            return row.text == chapter.text or (row.id in self.rows and row.text == self.rows[row.id].text)
        if self._accepted or row.id not in self.rows or row.says != self.rows[row.id].says:
            return False
        labels = zip(row.says, (chapter.title, chapter.number, chapter.url, chapter.text), strict=True)
        akin = any(was == now and was for was, now in labels)
        return self._is_worse(row.text, chapter.text) or (akin and self.is_short())

    def _is_worse(self, old: str, new: str) -> bool:
        """Much shorter, or another chapter's text too."""
        begins = _beginning(new)
        return 0.3 * len(old) > len(new) > 0 or self._in_file[begins] > 1 or self._stored[begins] > 0

    def is_short(self) -> bool:
        """Whether so much is missing from the file, or is held, that no label of it is taken."""
        kept = sum(_beginning(row.text) in self._in_file for row in self.rows.values() if not row.removed)
        doubtful = sum(count for text, count in self._in_file.items() if count > 1 or len(text) < 100)
        return too_many(self._published - kept, self._published) or doubtful > 0.3 * self._published
