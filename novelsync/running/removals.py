"""
Novels that a complete listing no longer has: marked, looked for under another slug, and in the end removed.

Only what is absent from the listing is missing. A novel that cannot be read, or is being written, is present.
"""

from collections.abc import Mapping
from typing import Final

import structlog

from novelsync.contracts.storages import Storage
from novelsync.contracts.syncing import Novels
from novelsync.models.problems import Problem
from novelsync.models.results import Execution, NovelStatus, Removal
from novelsync.models.run import RunState, SyncOptions
from novelsync.planning.acceptance import in_place_of, why_no_removal
from novelsync.planning.guards.limits import Limits, guard_removals
from novelsync.planning.run_plan import RunPlan, missing_longest

_WAIT_FOR_UNREAD: Final = 24 * 3600.0
"""Seconds that a novel is missing at least before it is removed, while a new one could not be read."""

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
        self, run_id: str, plan: RunPlan, execution: Execution, state: RunState, options: SyncOptions
    ) -> Removal:
        """
        ``execution``: what became of the novels that are there. ``options``: they may confirm what is held.

        Raises `DatabaseUnavailable`, `LeaseLost`, `StorageUnavailable`.
        """
        missing = [file for file in plan.missing if file.slug not in execution.tally.renamed_from]
        asked = options.accept_removals is not None
        if execution.tally.finished < len(plan.to_read):
            # A novel that was not read may be a missing one under another slug.
            message = "some novels were not read, so no removal was accepted; run it again"
            remarks = [Problem.remark("", message)] if asked else []
            return Removal(missing=len(missing), longest=missing_longest(missing), remarks=remarks)
        slugs = [file.slug for file in missing]
        stored = plan.stored + _added(execution)
        held = guard_removals(slugs, stored, state.removed_lately, self._limits.removals)
        nothing_held = asked and not held
        why_not = why_no_removal(options, slugs, held, state.held_removals) if asked else ""
        remarks = [Problem.remark("", why_not, held.hint if held else "")] if why_not else []
        confirmed = asked and not why_not
        held = None if confirmed or not held else in_place_of(state.held_removals, held, told=asked)
        # So may a new one that could not be read; if it never can, the missing ones go all the same.
        new_ones_unread = execution.tally.unread - plan.revisions.keys()
        wait = max(self._limits.grace, _WAIT_FOR_UNREAD) if new_ones_unread else self._limits.grace
        due = {
            file.slug: file.revision
            for file in (() if held else missing)
            if confirmed or (file.missing_for or 0) >= wait
        }
        gone = {slug: revision for slug, revision in due.items() if self._storage.find(slug) is None}
        removed: frozenset[str] = frozenset()
        if gone or held != state.held_removals:
            removed = frozenset(self._novels.remove(run_id, gone, accepted=confirmed, held=held))
        for slug in sorted(removed):
            log.info("novel_removed", slug=slug)
        left = [file for file in missing if file.slug not in removed]
        # What was removed in the last 24 hours counts towards the limit, so what is held now may be allowed tomorrow.
        settled = not left or (held is not None and not state.removed_lately)
        return Removal(len(removed), len(left), missing_longest(left), held is not None, settled, remarks, nothing_held)


def _added(execution: Execution) -> int:
    """How many novels readers see since this run that they did not see before."""
    return sum(execution.tally.novels.get(status, 0) for status in (NovelStatus.CREATED, NovelStatus.RESTORED))
