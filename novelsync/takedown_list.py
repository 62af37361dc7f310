"""The takedowns that are in force, as those who sync novels need them: asked for once a run."""

import threading

from novelsync.contracts.syncing import Novels
from novelsync.models.run import RunContext
from novelsync.planning.takedowns.withholding import Takedowns

_NONE = Takedowns()


class TakedownList:
    """May be used from several threads at once."""

    def __init__(self, database: Novels) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._run_id: str | None = None
        self._of_run = _NONE

    def current(self, context: RunContext, *, again: bool = False) -> Takedowns:
        """
        Those that a novel of this run is compared with; outside of runs, those of now.

        ``again``: something was written meanwhile, which may have been a takedown. Raises `DatabaseUnavailable`.
        """
        if context.run_id is None:
            return Takedowns(self._database.takedowns_in_force())
        with self._lock:
            if self._run_id == context.run_id and not again:
                return self._of_run
            if again or context.any_takedowns:
                self._of_run = Takedowns(self._database.takedowns_in_force())
            else:
                self._of_run = _NONE
            self._run_id = context.run_id
            return self._of_run
