"""
What moves on a terminal: the bar of a run, and one line that says what is being retried and for how long.

Both are one `Live`, because a terminal has room for one. A log line in the middle would tear it apart, so warnings are
printed above it, in words.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from novelsync.cli.output import err, escape

REPEATED: Final = "database_call_repeated"
SUCCEEDED: Final = "database_call_succeeded"

_WORDS: Final = {
    "lease_not_renewed": "the lease could not be renewed, and is tried again",
    "lease_broke": "something went wrong that should not; the lease is renewed again soon",
    "run_not_recorded": "what the run wrote is stored, but its report is not",
}


class Terminal:
    """The living lines of one command."""

    def __init__(self, console: Console = err, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._progress: Progress | None = None
        self._reason = ""
        self._since = 0.0
        self._most = 0.0

    def event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Takes a log event: a call that is repeated becomes the living line, any other a line of words."""
        with self._lock:
            if name == REPEATED:
                self._since = self._since if self._reason else self._clock()
                self._reason = str(fields.get("reason", ""))
                self._most = float(fields.get("most", 0))
            elif name == SUCCEEDED:
                self._reason = ""
            else:
                reason = f": {fields['reason']}" if fields.get("reason") else ""
                self._console.print(f"[yellow]![/] {escape(_WORDS.get(name, name.replace('_', ' ')) + reason)}")
            self._show()

    @contextmanager
    def bar(self) -> Iterator[Callable[[int, int], None]]:
        """Gives a function that is called with the novels done and the novels in all."""
        columns = (TextColumn("novels"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        progress = Progress(*columns, console=self._console)
        task = progress.add_task("novels", total=None)
        with self._lock:
            self._progress = progress
            self._show()
        try:
            yield lambda done, total: progress.update(task, completed=done, total=total)
        finally:
            with self._lock:
                self._progress = None
                self._show()

    def clear(self) -> None:
        """Takes the lines away, because the command prints its answer now."""
        with self._lock:
            self._reason = ""
            self._show()

    def _show(self) -> None:
        """Called with the lock held."""
        wanted = bool(self._reason or self._progress)
        if wanted and not self._live:
            self._live = Live(self, console=self._console, transient=True, refresh_per_second=8)
            self._live.start()
        elif not wanted and self._live:
            self._live.stop()
            self._live = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if progress := self._progress:
            yield progress.get_renderable()
        if reason := self._reason:
            waited = f"trying again, {self._clock() - self._since:.0f} s of at most {self._most:.0f} s: "
            yield Text(f"{waited}{reason}", style="yellow", no_wrap=True, overflow="ellipsis")
