"""
Which chapters of a file nobody can tell, from what is stored and what the file says, and why.

It knows the truth, which chapter is which, and asks of each whether its signs say so too; it pairs nothing itself. The
rules, in plain words, stand in `tests.running.test_identity`.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from tests.support.editing import Number

TELLING_LETTERS = 200


class Seen(NamedTuple):
    """A chapter as it is stored, or as a file has it."""

    root: int
    """Which chapter it is."""
    title: str
    number: Number
    url: str
    text: str


Sign: TypeAlias = Callable[[Seen], Hashable]


def text(seen: Seen) -> Hashable:
    return seen.text if sum(map(len, seen.text.split())) >= TELLING_LETTERS else None


def url(seen: Seen) -> Hashable:
    return seen.url or None


def number_and_title(seen: Seen) -> Hashable:
    return (seen.number, seen.title) if seen.number is not None and seen.title else None


def title(seen: Seen) -> Hashable:
    return seen.title or None


def number(seen: Seen) -> Hashable:
    return seen.number


def too_many(gone: int, of: int) -> bool:
    """Whether the novel guard holds so many chapters."""
    return gone > 0 and (gone == of or (gone >= 5 and gone > 0.3 * of))


class Verdict:
    """On one file of one novel."""

    def __init__(
        self, published: Sequence[Seen], removed: Sequence[Seen], file: Sequence[Seen], *, held: bool = False
    ) -> None:
        """``held``: some of the published ones are no longer in the file, and are held."""
        self.undecidable: dict[int, str] = {}
        """Roots, and why."""
        self._told: set[int] = set()
        self._hinted: set[int] = set()
        """By a sign that they have kept and that others have too, so that it may tell them in the end."""
        self._published, self._removed, self._file = published, removed, file

        self._ask_texts(published)
        self._ask_texts(removed)
        neighbours = {seen.root: other for seen, other in _same_texts(published, file)}
        for label in (url, number_and_title):
            self._ask(label, _believed(published, (*published, *removed), file, neighbours, label))
        self._ask_copies(published)
        for label in (title, number):
            self._ask(label, _believed(published, (*published, *removed), file, neighbours, label))
        self._ask(url, removed)
        by_place = self._ask_places()
        self._told |= by_place
        for rows, weaker in ((published, (title, number)), (removed, (title,))):
            for label in (url, number_and_title):
                self._ask(label, rows)
            self._ask_copies(rows)
            for label in weaker:
                self._ask(label, rows)
        stored = {seen.root for seen in (*published, *removed)}
        self._give_up(stored.intersection(seen.root for seen in file), "nothing tells it")
        self._doubt_strangers(by_place, held)
        for doubles in _by_value(lambda seen: seen[1:], published).values():
            if any(seen.root in self.undecidable for seen in doubles):
                self._give_up((seen.root for seen in doubles), "another is like it in everything")

    def _ask_texts(self, rows: Sequence[Seen]) -> None:
        """What a text says that there is once on both sides."""
        for were, are in self._sharing(text, rows):
            if self.undecidable.keys() & {*were, *are}:
                self._give_up({*were, *are}, "a copy of its text was taken for another")
            elif len(were) == len(are) == 1:
                self._tell_or_give_up(were, are, "a text went from one chapter to another")

    def _ask_copies(self, rows: Sequence[Seen]) -> None:
        """What a text says that there is more than once, but as often on both sides."""
        for were, are in self._sharing(text, rows):
            if self.undecidable.keys() & {*were, *are}:
                self._give_up({*were, *are}, "a copy of its text was taken for another")
            elif len(were) == len(are):
                self._tell_or_give_up(were, are, "copies of one text, and another order")
            else:
                self._hinted |= {*were, *are}

    def _ask(self, label: Sign, rows: Sequence[Seen]) -> None:
        for were, are in self._sharing(label, rows):
            if were == are and len(were) == 1:
                self._told |= set(were) - self.undecidable.keys()
                continue
            # One that has kept its label is never taken for another because of it.
            kept = set(were).intersection(are)
            self._hinted |= kept
            self._give_up({*were, *are} - kept, "a label went from one chapter to another")

    def _ask_places(self) -> set[int]:
        """Those that stand between two that are told, as before, and in the same company."""
        returned = self._told.difference(seen.root for seen in self._published)
        were = _stretches([seen.root for seen in self._published], self._told)
        are = _stretches([seen.root for seen in self._file if seen.root not in returned], self._told)
        told: set[int] = set()
        for neighbours in were.keys() | are.keys():
            before, after = were.get(neighbours, []), are.get(neighbours, [])
            company = {*before, *after}
            if company & self.undecidable.keys():
                self._give_up(company, "what stood beside it was taken for another")
            elif before == after:
                told |= company
            elif before and after and (len(before) == len(after) or company & self._hinted):
                self._give_up(company, "it stands where another stood")
        return told

    def _doubt_strangers(self, by_place: set[int], held: bool) -> None:
        """Chapters that have nothing but their place in common with what is stored, where the guard forbids it."""
        file = {seen.root: seen for seen in self._file}
        strangers = {
            seen.root for seen in self._published if seen.root in by_place and _are_strangers(seen, file[seen.root])
        }
        blank = {seen.root for seen in self._published if seen.root in strangers and seen.text}
        blank = {root for root in blank if not file[root].text.strip()}
        self.undecidable |= dict.fromkeys(blank, "nothing of it is as it was, and it brings no text")
        going = strangers | {
            seen.root for seen in self._published if seen.root not in file or seen.root in self.undecidable
        }
        if held or too_many(len(going), len(self._published)):
            self.undecidable |= dict.fromkeys(strangers, "nothing of it is as it was, and of many others")

    def _sharing(self, sign: Sign, rows: Sequence[Seen]) -> list[tuple[list[int], list[int]]]:
        """What shares a sign, and is not told yet: stored, and in the file."""
        before = _by_value(sign, (seen for seen in rows if seen.root not in self._told))
        after = _by_value(sign, (seen for seen in self._file if seen.root not in self._told))
        return [
            ([seen.root for seen in before[value]], [seen.root for seen in after[value]])
            for value in before.keys() & after.keys()
        ]

    def _tell_or_give_up(self, were: Sequence[int], are: Sequence[int], why: str) -> None:
        if were == are:
            self._told |= set(were) - self.undecidable.keys()
        else:
            self._give_up({*were, *are}, why)

    def _give_up(self, roots: Iterable[int], why: str) -> None:
        for root in roots:
            if root not in self._told:
                self.undecidable.setdefault(root, why)


def _by_value(sign: Sign, chapters: Iterable[Seen]) -> dict[Hashable, list[Seen]]:
    by_value: defaultdict[Hashable, list[Seen]] = defaultdict(list)
    for seen in chapters:
        by_value[sign(seen)].append(seen)
    by_value.pop(None, None)
    return by_value


def _same_texts(rows: Sequence[Seen], file: Sequence[Seen]) -> list[tuple[Seen, Seen]]:
    before, after = _by_value(text, rows), _by_value(text, file)
    return [
        (before[value][0], after[value][0])
        for value in before.keys() & after.keys()
        if len(before[value]) == len(after[value]) == 1
    ]


def _believed(
    rows: Sequence[Seen], every: Sequence[Seen], file: Sequence[Seen], same_text: dict[int, Seen], label: Sign
) -> list[Seen]:
    """Rows that do not stand between two that were told by their text, and whose label has moved on."""
    stored, in_file = {label(row) for row in every}, {label(seen) for seen in file}

    def with_changed_neighbour(rows: Iterable[Seen]) -> dict[int, bool | None]:
        """Whether the last neighbour's has; None: there is none."""
        last: bool | None = None
        changed: dict[int, bool | None] = {}
        for row in rows:
            changed[row.root] = last
            if row.root in same_text:
                was, now = label(row), label(same_text[row.root])
                last = was != now and (was in in_file or now in stored)
        return changed

    left, right = with_changed_neighbour(rows), with_changed_neighbour(reversed(rows))
    return [row for row in rows if {left[row.root], right[row.root]} not in ({True}, {True, None})]


def _are_strangers(row: Seen, chapter: Seen) -> bool:
    both = [(label(row), label(chapter)) for label in (url, title, number)]
    both = [(was, is_) for was, is_ in both if was is not None and is_ is not None]
    return bool(both) and all(was != is_ for was, is_ in both)


def _stretches(roots: Sequence[int], told: set[int]) -> dict[tuple[int | None, int | None], list[int]]:
    """What stands between two neighbours that are told; None: the beginning or the end."""
    stretches: dict[tuple[int | None, int | None], list[int]] = {}
    left: int | None = None
    between: list[int] = []
    for root in roots:
        if root in told:
            stretches[left, root] = between
            left, between = root, []
        else:
            between.append(root)
    stretches[left, None] = between
    return stretches
