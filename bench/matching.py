"""What matching costs: 5,000 chapters of a file against 5,000 stored ones."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from bench.results import Table
from novelsync.models.source import BookChapter, url_hash
from novelsync.models.stored import KnownChapter
from novelsync.planning.recognition.matching import pair_chapters

CHAPTERS = 5_000
ROUNDS = 15

Change = Callable[[list[BookChapter]], list[BookChapter]]


def main(_folder: Path) -> Iterator[Table]:
    stored = [found(n) for n in range(CHAPTERS)]
    known_ = [known(n, chapter) for n, chapter in enumerate(stored)]
    rows = []
    for name, change in CHANGES.items():
        file = change(list(stored))
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            pairs = pair_chapters(known_, file)
            times.append((time.perf_counter() - start) * 1000)
        kept = sum(pair is not None for pair in pairs)
        rows.append([name, f"{statistics.median(times):.0f}", f"{max(times):.0f}", f"{kept:,} of {len(file):,}"])
    yield Table("5,000 chapters against 5,000", ["", "median, ms", "worst, ms", "ids kept"], rows)


WORDS: Final = 900
"""In a chapter: about 6 kB, as prose has it. Repeated phrases would have to be looked at more closely."""

_words = ["".join(Random(n).choices("aeioulmnrstdgh", k=Random(n).randrange(2, 10))) for n in range(4_000)]  # noqa: S311


def found(n: int, said: str = "") -> BookChapter:
    text = " ".join(Random(f"{n} {said}").choices(_words, k=WORDS))  # noqa: S311
    raw = text.encode()
    digest = sha256(raw).digest()
    return BookChapter(f"Chapter {n}", Decimal(n), f"https://example.com/{n}", digest, len(text), lambda: raw)


def known(n: int, chapter: BookChapter) -> KnownChapter:
    title, number, url = chapter.title, chapter.number, url_hash(chapter.url)
    return KnownChapter(str(n), n + 1, number, title, url, chapter.content_hash, chapter.content_bytes)


def edited(chapters: Sequence[BookChapter]) -> list[BookChapter]:
    return [found(n, "edited") for n in range(len(chapters))]


def shuffled(chapters: list[BookChapter]) -> list[BookChapter]:
    Random(1).shuffle(chapters)  # noqa: S311
    return chapters


def relabelled(chapters: Sequence[BookChapter]) -> list[BookChapter]:
    return [c._replace(title=f"New {n}", number=Decimal(n + 1), url=f"/{n}") for n, c in enumerate(chapters)]


def foreign(chapters: Sequence[BookChapter]) -> list[BookChapter]:
    return [found(n, "foreign")._replace(title="", number=None, url="") for n in range(len(chapters) + 1)]


CHANGES: dict[str, Change] = {
    "as they were": lambda chapters: chapters,
    "one put in front": lambda chapters: [found(CHAPTERS), *chapters],
    "shuffled": shuffled,
    "every title, number and url new": relabelled,
    "every text new": edited,
    "nothing in common": foreign,
}
