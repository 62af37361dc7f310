"""
Novels that a complete listing no longer has: marked, looked for under another name, and in the end removed.

Only what is absent is gone. What cannot be read, or is being written, is there.
"""

from collections.abc import Mapping, Sequence

import structlog

from novelsync.contracts import Novels, Storage
from novelsync.models.problems import Problem
from novelsync.models.results import Execution, Removal
from novelsync.models.run import RunState
from novelsync.planning.guards import Limits, guard_removals
from novelsync.planning.run_plan import RunPlan

log = structlog.get_logger()


def mark_missing(novels: Novels, run_id: str, plan: RunPlan) -> None:
    """Remembers since when novels are missing, and that others are back with the files they had."""
    if plan.newly_missing or plan.returned or plan.forgotten:
        novels.mark_missing(run_id, plan.newly_missing, plan.returned, plan.forgotten)


def find_renames(novels: Novels, plan: RunPlan) -> tuple[Mapping[str, str], RunPlan]:
    """
    Stored novels that are what went missing under another name: a folder was copied, then deleted.

    Slug to former slug; and the plan, in which they are read too, to be compared with the older rows.
    """
    if not plan.missing:
        return {}, plan
    renames = novels.find_renames(None)
    unread = renames.keys() - {novel.slug for novel in plan.to_read}
    known = novels.known_novels(dict.fromkeys(unread))
    return renames, plan.reading_too(unread, {slug: novel.revision for slug, novel in known.items()})


class Removals:
    """Hides novels from readers that have been missing for long enough, unless that is too much at once."""

    def __init__(self, storage: Storage, novels: Novels, limits: Limits) -> None:
        self._storage = storage
        self._novels = novels
        self._limits = limits

    def remove(
        self, run_id: str, plan: RunPlan, execution: Execution, state: RunState, accepted: int | None
    ) -> Removal:
        """
        ``execution``: what became of the novels that are there. ``accepted``: somebody confirmed that so many may go.

        Raises `DatabaseUnavailable`, `LeaseLost`, `StorageUnavailable`.
        """
        missing = [file for file in plan.missing if file.slug not in execution.tally.renamed_from]
        confirmed = accepted is not None and accepted == len(missing)
        remarks: list[Problem] = []
        if accepted is not None and not confirmed:
            message = f"{len(missing)} novels are missing, and not {accepted}, so no removal was accepted"
            remarks.append(Problem.remark("", message))
        if execution.tally.finished < len(plan.to_read):
            # Where time ran out, the new name of a missing novel may not have been read yet.
            if confirmed:
                message = "some novels were left over, so no removal was accepted; run it again"
                remarks.append(Problem.remark("", message))
            return Removal(missing=len(missing), remarks=remarks)
        held = None
        if not confirmed:
            held = guard_removals(len(missing), plan.stored, state.removed_lately, self._limits.removals)
        due = {
            file.slug: file.revision
            for file in (() if held else missing)
            if confirmed or (file.missing_for or 0) >= self._limits.grace
        }
        gone = {slug: revision for slug, revision in due.items() if self._storage.find(slug) is None}
        removed: Sequence[str] = ()
        if gone or held != state.held_removals:
            removed = self._novels.remove(run_id, gone, accepted=confirmed, held=held)
        for slug in removed:
            log.info("novel_removed", slug=slug)
        left = len(missing) - len(removed)
        # What was removed lately counts for a day, and after that less may have to be held.
        settled = not left or (held is not None and not state.removed_lately)
        return Removal(len(removed), left, settled, remarks)
