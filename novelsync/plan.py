"""
What a run has to look at. Pure: same arguments, same plan, no clock and no network.

A storage's listing and the bookkeeping are two streams in one order, so that
planning is a merge.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from novelsync.models import KnownFile, StoredNovel


class Listing:
    """
    A complete listing: iterable again and again, with a digest that tells it from any other.

    Kept as one line of bytes per novel, because a library may have 100,000 of them.
    """

    def __init__(self, novels: Iterable[StoredNovel], max_file_bytes: int) -> None:
        # A file refused for its size must be looked at again when the limit is raised.
        digest = sha256(f"{max_file_bytes}\n".encode())
        lines: list[bytes] = []
        for slug, version, size, checksum, unreadable in novels:
            line = f"{slug}\0{version}\0{size}\0{checksum}\0{unreadable}\n".encode()
            digest.update(line)
            lines.append(line)
        self._lines = lines
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[StoredNovel]:
        for line in self._lines:
            slug, version, size, checksum, unreadable = line[:-1].decode().split("\0")
            yield StoredNovel(slug, version, int(size), checksum, unreadable)


@dataclass(slots=True)
class Plan:
    """What a run has to look at. A plan with nothing to do is a plan too."""

    to_read: list[StoredNovel] = field(default_factory=list)
    """New, or of another version than the one last dealt with."""
    known: dict[str, int] = field(default_factory=dict)
    """The revisions of those of them that the bookkeeping has."""
    missing: int = 0
    """Stored novels that the listing does not have."""
    newly_missing: list[str] = field(default_factory=list)
    """Those of them that are not marked as missing yet."""
    forgotten: list[str] = field(default_factory=list)
    """Never stored, so nothing is left to remember once the listing does not have them."""
    refused: int = 0
    """Refused before, and of the same version since: refused still, without being read."""
    returned: list[str] = field(default_factory=list)
    """Marked as missing, and in the listing again with the version it had."""

    def starting_at(self, slug: str | None) -> "Plan":
        """The same plan, read from ``slug`` on and round again: where the last run ran out of time."""
        if slug is not None:
            at = listing_order(slug)
            self.to_read.sort(key=lambda novel: (listing_order(novel.slug) < at, listing_order(novel.slug)))
        return self


def listing_order(slug: str) -> bytes:
    # Cloud Storage sorts whole object names, so "a-b/…" comes before "a/…": compare with the slash on.
    return f"{slug}/".encode()


def make_plan(listing: Iterable[StoredNovel], known: Iterable[KnownFile]) -> Plan:
    """Merges the two streams, both in `listing_order`."""
    plan = Plan()
    known_files = iter(known)
    known_file = next(known_files, None)
    for novel in listing:
        order = listing_order(novel.slug)
        while known_file is not None and listing_order(known_file.slug) < order:
            _miss(plan, known_file)
            known_file = next(known_files, None)
        if known_file is None or known_file.slug != novel.slug:
            plan.to_read.append(novel)
            continue
        _compare(plan, novel, known_file)
        known_file = next(known_files, None)
    while known_file is not None:
        _miss(plan, known_file)
        known_file = next(known_files, None)
    return plan


def _miss(plan: Plan, known: KnownFile) -> None:
    if not known.stored:
        plan.forgotten.append(known.slug)
        return
    plan.missing += 1
    if not known.missing:
        plan.newly_missing.append(known.slug)


def _compare(plan: Plan, novel: StoredNovel, known: KnownFile) -> None:
    if novel.version != known.version or not (known.stored or known.refused):
        plan.to_read.append(novel)
        plan.known[novel.slug] = known.revision
        return
    plan.refused += known.refused
    if known.missing:
        plan.returned.append(novel.slug)
