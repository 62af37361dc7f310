"""What is held of a novel, and what accepting it would do: planned as a run would, and not written."""

from collections.abc import Iterator, Sequence
from typing import Final

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import SyncDatabase
from novelsync.models.desk.held import GoneChapter, HeldChange, HeldLook, TextBesideText
from novelsync.models.problems import Problem, ProblemKind
from novelsync.models.results import NovelStatus
from novelsync.models.run import RunContext, SyncOptions
from novelsync.models.stored import KnownChapter
from novelsync.models.writing import ChangedChapter, NovelWrite
from novelsync.planning.diff import CHANGED, MOVED, diff_of
from novelsync.planning.guards.limits import DEFAULT_LIMITS, Limits
from novelsync.running.dry_run import DryRunDatabase
from novelsync.running.novels.novel_syncer import NovelSyncer

SHOWN_TEXTS: Final = 20
"""Texts of each sort. All the others are still listed by their titles."""

SHOWN_CHARACTERS: Final = 400
"""Of each text, from where it differs."""

BEFORE: Final = 60
"""Characters that are the same, to show where that is."""

BEGINNING: Final = 160
"""Characters of a text that would go."""

_CHANGED: Final = "its file is being written just now; look again in a moment"

_NOBODY: Final = "00000000"
"""An id that nothing has, so that the file is read and judged, and nothing is accepted."""


class HeldService:
    """Shows what is held. Writes nothing."""

    def __init__(
        self, storage: Storage, database: SyncDatabase, max_file_bytes: int, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._storage = storage
        self._database = database
        self._max_file_bytes = max_file_bytes
        self._limits = limits

    def look(self, slug: str) -> HeldLook | None:
        """
        What is held of this novel now; None if nothing is known of it.

        Reads its file. Raises `StorageUnavailable`, `DatabaseUnavailable`.
        """
        known = self._database.known_novels({slug: None}).get(slug)
        if known is None:
            return None
        now, why = self._planned(slug, known.revision, _NOBODY)
        if now is None or not now.held_id:
            return HeldLook(slug, None, why)
        accepted, why = self._planned(slug, known.revision, now.held_id)
        if accepted is None or accepted.held_id:
            return HeldLook(slug, None, why or _CHANGED)
        problem = next(each for each in now.problems or () if each.kind is not ProblemKind.REFUSED)
        return HeldLook(slug, self._shown(now, accepted, problem), "")

    def _planned(self, slug: str, revision: int, accepted: str) -> tuple[NovelWrite | None, str]:
        """What a run would write if somebody accepts what has that id; or why there is nothing to tell."""
        novel = self._storage.find(slug)
        if novel is None:
            return None, f"{self._storage.location} has no file of it; what readers have stays until it is back or goes"
        database = DryRunDatabase(self._database)
        syncer = NovelSyncer(self._storage, database, self._max_file_bytes, self._limits)
        options = SyncOptions(accept=frozenset([f"{slug}={accepted}"]))
        (result,) = syncer.sync_batch([novel], {slug: revision}, RunContext(options=options))
        if result.status is NovelStatus.IN_FLIGHT:
            return None, _CHANGED
        if result.problem:
            return None, f"its file cannot be taken at all: {result.problem.message}"
        return database.write_of(slug), ""

    def _shown(self, now: NovelWrite, accepted: NovelWrite, problem: Problem) -> HeldChange:
        stay = {row.id for row in now.chapters.removed}
        gone = [row for row in accepted.chapters.removed if row.id not in stay]
        held_texts = {row.id for row in now.chapters.held_texts}
        replaced = [each for each in accepted.chapters.changed if each.new_text and each.row.id in held_texts]
        diff = diff_of(accepted)
        seen = {each.position for each in replaced}
        lines = [
            line
            for line in (diff.chapters if diff else ())
            if line.mark in (CHANGED, MOVED) and not (line.position in seen and line.said.startswith("text: "))
        ]
        stored = now.stored or accepted.stored
        return HeldChange(
            slug=now.slug,
            title=stored.title if stored else now.slug,
            id=now.held_id or "",
            message=problem.message,
            hint=problem.hint,
            kept=now.kept,
            gone=list(self._gone(gone)),
            texts=list(self._texts(replaced[:SHOWN_TEXTS])),
            texts_total=len(replaced),
            created=len(accepted.chapters.created),
            others=lines,
            said=diff.said if diff else "",
            chapters_before=now.chapter_count,
            chapters_after=accepted.chapter_count,
            pairable=now.chapters.pairable,
        )

    def _gone(self, rows: Sequence[KnownChapter]) -> Iterator[GoneChapter]:
        texts = dict(self._database.texts(rows[:SHOWN_TEXTS]))
        for row in rows:
            number = None if row.number is None else str(row.number)
            beginning = texts.get(row.id, "")[:BEGINNING]
            yield GoneChapter(row.id, row.position, number, row.title, row.content_bytes, beginning)

    def _texts(self, changes: Sequence[ChangedChapter]) -> Iterator[TextBesideText]:
        stored = dict(self._database.texts(change.row for change in changes))
        for change in changes:
            old, new = stored.get(change.row.id, ""), change.chapter.text()
            skipped = _word_before(old, _alike(old, new) - BEFORE)
            yield TextBesideText(
                change.row.position,
                change.row.title,
                old[skipped : skipped + SHOWN_CHARACTERS],
                new[skipped : skipped + SHOWN_CHARACTERS],
                len(old),
                len(new),
                skipped,
            )


def _alike(old: str, new: str) -> int:
    """How many characters both begin with."""
    return next(
        (n for n, (mine, yours) in enumerate(zip(old, new, strict=False)) if mine != yours), min(len(old), len(new))
    )


def _word_before(text: str, at: int) -> int:
    """Where a word begins, at that place or shortly before it; at least 0."""
    space = text.rfind(" ", max(0, at - BEFORE), max(0, at))
    return space + 1 if space >= 0 else max(0, at if at > BEFORE else 0)
