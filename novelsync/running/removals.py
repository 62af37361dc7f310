"""
Novels that a complete listing no longer has: marked, looked for under another name, and in the end removed.

Only what is absent is gone. What cannot be read, or is being written, is there.
"""

from collections.abc import Mapping, Sequence

import structlog

from novelsync.contracts import Database, Storage
from novelsync.models.run import RunState
from novelsync.planning.guards import Limits, guard_removals
from novelsync.planning.run_plan import Plan
from novelsync.running.report import Report

log = structlog.get_logger()


class Removals:
    """One run's part of it. Every method raises `DatabaseUnavailable` and `LeaseLost`."""

    def __init__(self, storage: Storage, database: Database, limits: Limits, report: Report) -> None:
        self._storage = storage
        self._database = database
        self._limits = limits
        self._report = report

    def mark(self, plan: Plan) -> None:
        """Remembers since when novels are missing, and that others are back with the files they had."""
        if plan.newly_missing or plan.returned or plan.forgotten:
            self._database.mark_missing(self._report.run_id, plan.newly_missing, plan.returned, plan.forgotten)

    def renamed(self, plan: Plan) -> Mapping[str, str]:
        """
        Stored novels that are what went missing under another name: a folder was copied, then deleted.

        Slug to former slug. They are added to what is read, to be compared with the older rows.
        """
        if not plan.missing:
            return {}
        former = self._database.find_renames(None)
        unread = former.keys() - {novel.slug for novel in plan.to_read}
        for slug, known in self._database.known_novels(dict.fromkeys(unread)).items():
            plan.known[slug] = known.revision
        for place, novel in enumerate(plan.listing):
            if novel.slug in unread:
                plan.to_read.add(place)
        return former

    def remove(self, plan: Plan, begun: RunState, accepted: int | None) -> None:
        """
        Takes what has been missing for long enough from the readers, unless that is too much at once.

        ``accepted``: so many a person said may go, at once. Raises `StorageUnavailable`.
        """
        report = self._report
        missing = [file for file in plan.missing if file.slug not in report.renamed_from]
        report.missing = len(missing)
        meant = accepted is not None and accepted == len(missing)
        if accepted is not None and not meant:
            report.warn("", f"{len(missing)} novels are missing, and not {accepted}, so no removal was accepted")
        if report.deferred:
            # Where time ran out, the new name of a missing novel may not have been read yet.
            if meant:
                report.warn("", "some novels were left over, so no removal was accepted; run it again")
            return
        hold = None
        if not meant:
            hold = guard_removals(len(missing), plan.stored, begun.removed_lately, self._limits.removals)
        going = {
            file.slug: file.revision
            for file in (() if hold else missing)
            if meant or (file.missing_for or 0) >= self._limits.grace
        }
        gone = {slug: revision for slug, revision in going.items() if self._storage.find(slug) is None}
        removed: Sequence[str] = ()
        if gone or hold != begun.hold:
            removed = self._database.remove(report.run_id, gone, accepted=meant, held=hold)
        for slug in removed:
            log.info("novel_removed", slug=slug)
        report.removed = len(removed)
        report.missing -= len(removed)
        # What was removed lately counts for a day, and after that less may have to be held.
        if report.missing and (hold is None or begun.removed_lately):
            report.settled = False
