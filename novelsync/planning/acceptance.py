"""
What somebody confirms, and whether it is what is held now. Pure.

What is held has an id, which is another one whenever it is something else. Whoever accepts it names the id they were
shown. Without an id they mean what is recorded, and that counts only as long as nothing else has taken its place.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from shlex import quote
from typing import Final

from novelsync.models.problems import HeldRemovals, Problem, ProblemKind
from novelsync.models.run import Acceptance, SyncOptions
from novelsync.models.stored import KnownNovel
from novelsync.models.writing import NovelWrite
from novelsync.text.formatting import counted, printable, shortened

_FILES_BEFORE_HINT: Final = 3
"""So many files in a row that lack chapters look like a crawler that writes only the new ones."""

_NAMED: Final = 3
"""Missing novels that a message names."""


def held_id(*held: object) -> str:
    """Eight hexadecimal digits, others for other arguments. ``held``: strings, and lists of what may be here."""
    return sha256(repr(held).encode()).hexdigest()[:8]


def accept_hint(slug: str, held: str, held_in_a_row: int = 1, pairable: int = 0) -> str:
    """
    What to do about a held novel. ``held``: its id. ``held_in_a_row``: see `KnownNovel`.

    ``pairable``: see `novelsync.models.writing.ChapterChanges`.
    """
    hint = f"if this is meant: `novelsync sync --accept {quote(f'{slug}={held}')}`"
    if pairable:
        hint += (
            f", which drops {counted(pairable, 'id')} that bookmarks may point at; if the file's"
            f" {counted(pairable, 'new chapter')} are the same ones in the same order, `novelsync sync --accept"
            f" {quote(f'{slug}=in-order-{held}')}` keeps their ids"
        )
    if held_in_a_row >= _FILES_BEFORE_HINT:
        hint += (
            "; a file is taken as the whole novel, so a crawler that writes only new chapters must write all of them"
        )
    return f"{hint}; if it is not: `novelsync sync --keep {quote(f'{slug}={held}')}`, and what readers have stays"


def stays_held(known: KnownNovel | None, acceptance: Acceptance | None, rules: str) -> str:
    """
    The id of what stays held while the file is the same, even if its reason passes; empty: nothing.

    What a guard held once is not let go by ``rules`` that are the same: the rest of the file was taken then, and so
    says less for what was not; and a day passes. What somebody decides to keep, or has decided to, stays by all rules.
    """
    if known is None or not (known.same or known.has_texts):
        return ""
    decides = acceptance is not None and acceptance.keep and acceptance.shown in ("", known.held_id)
    return known.held_id if known.kept or decides or known.rules in ("", rules) else ""


def why_not_accepted(acceptance: Acceptance, known: KnownNovel | None, write: NovelWrite) -> Problem | None:
    """
    Why what is held stays held although somebody accepts it; None if it is what they were shown.

    ``write``: planned as if nobody did.
    """
    slug = write.slug
    if not write.held_id:
        return Problem.remark(slug, f"nothing was held of it, so nothing was {acceptance.word}")
    held = next(problem for problem in write.problems or () if problem.kind is not ProblemKind.REFUSED)
    recorded = known.held_id if known else ""
    if acceptance.shown:
        shown = acceptance.shown == write.held_id
    else:
        shown = recorded == write.held_id and not (known and known.held_changed)
    if not shown and not recorded:
        message = f"nothing was held of it before, so nothing was {acceptance.word}; now {held.message}"
        return Problem.remark(slug, message, held.hint)
    if not shown:
        message = f"what is held of it is not what was shown, so nothing was {acceptance.word}; now {held.message}"
        return Problem.remark(slug, message, held.hint)
    if acceptance.in_order and not write.chapters.pairable:
        gone = sum(not row.fresh for row in write.chapters.held)
        have = f"the file has {counted(write.chapters.newcomers, 'new chapter')} in place of {gone:,}"
        return Problem.remark(slug, f"{have}, so they cannot be taken in order, and nothing was accepted", held.hint)
    return None


def removals_id(missing: Sequence[str]) -> str:
    """The id of removing these novels."""
    return held_id(sorted(missing))


def named(missing: Sequence[str]) -> str:
    """The first of them, and how many there are besides."""
    first = ", ".join(printable(shortened(slug, 200)) for slug in sorted(missing)[:_NAMED])
    more = len(missing) - _NAMED
    return f"{first} and {more:,} more" if more > 0 else first


def why_no_removal(
    options: SyncOptions, missing: Sequence[str], held: HeldRemovals | None, recorded: HeldRemovals | None
) -> str:
    """
    Why missing novels stay although somebody accepts their removal; empty if they are those that were shown.

    ``held``: as if nobody did. ``recorded``: what the last run held.
    """
    if not missing:
        return "no novel is missing from the storage, so no removal was accepted"
    if held is None:
        are = "1 novel is" if len(missing) == 1 else f"{len(missing):,} novels are"
        return f"{are} missing and none is held, so no removal was accepted; what stays missing is removed by itself"
    if len(missing) != options.accept_removals:
        are = "1 novel is" if len(missing) == 1 else f"{len(missing):,} novels are"
        return f"{are} missing, not {options.accept_removals}, so no removal was accepted"
    if options.removals_shown:
        shown = options.removals_shown == held.id
    else:
        shown = recorded is not None and recorded.id == held.id and not recorded.changed
    if shown:
        return ""
    return f"the missing novels are others than those that were shown, so no removal was accepted; now {named(missing)}"


def in_place_of(recorded: HeldRemovals | None, held: HeldRemovals, *, told: bool) -> HeldRemovals:
    """
    What is recorded as held from now on.

    ``told``: somebody who wanted to accept what was recorded is told by this run's report what is held now.
    """
    other = recorded is not None and (recorded.changed or recorded.id != held.id)
    return replace(held, changed=other and not told)
