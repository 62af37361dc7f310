"""
Novels that a complete listing no longer has: marked, looked for under another slug, and in the end removed.

Only what is absent from the listing is missing. A novel that cannot be read, or is being written, is present.
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
    """Stores which novels are missing from now on, which are back, and which may be forgotten."""
    if plan.newly_missing or plan.returned or plan.forgotten:
        novels.mark_missing(run_id, plan.newly_missing, plan.returned, plan.forgotten)


def find_renames(novels: Novels, plan: RunPlan) -> tuple[Mapping[str, str], RunPlan]:
    """
    Finds stored novels that are missing ones under another slug: a folder was copied, and the original deleted later.

    Returns slug to former slug, and the plan with these novels to be read as well, to be matched with the older rows.
    """
    if not plan.missing:
        return {}, plan
    renames: dict[str, str] = {}
    for slug, name in novels.find_renames(None):
        if slug not in renames and name not in renames.values():
            renames[slug] = name
    unread = renames.keys() - {novel.slug for novel in plan.to_read}
    known = novels.known_novels(dict.fromkeys(unread))
    return renames, plan.reading_too(unread, {slug: novel.revision for slug, novel in known.items()})


class Removals:
    """Hides novels from readers that have been missing for long enough, unless it would be too many at once."""

    def __init__(self, storage: Storage, novels: Novels, limits: Limits) -> None:
        self._storage = storage
        self._novels = novels
        self._limits = limits

    def remove(
        self, run_id: str, plan: RunPlan, execution: Execution, state: RunState, accepted: int | None
    ) -> Removal:
        """
        ``execution``: what became of the novels that are there. ``accepted``: the number whose removal was confirmed.

        Raises `DatabaseUnavailable`, `LeaseLost`, `StorageUnavailable`.
        """
        missing = [file for file in plan.missing if file.slug not in execution.tally.renamed_from]
        confirmed = accepted is not None and accepted == len(missing)
        remarks: list[Problem] = []
        if accepted is not None and not confirmed:
            message = f"{len(missing)} novels are missing, not {accepted}, so no removal was accepted"
            remarks.append(Problem.remark("", message))
        if execution.tally.finished < len(plan.to_read):
            # A novel that was not read may be a missing one under another slug.
            if confirmed:
                message = "some novels were deferred, so no removal was accepted; run it again"
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
        # What was removed in the last 24 hours counts towards the limit, so what is held now may be allowed tomorrow.
        settled = not left or (held is not None and not state.removed_lately)
        return Removal(len(removed), left, settled, remarks)
