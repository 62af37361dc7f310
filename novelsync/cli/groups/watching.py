"""``sync --watch``: a folder is watched, and each novel synced as soon as a file of it changes."""

import stat
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from novelsync.cli.output import explain, notes, print_synced
from novelsync.errors import ConfigurationError, NovelSyncError, Unavailable
from novelsync.models.report import Report
from novelsync.models.results import NovelStatus
from novelsync.notice_service import EVENT_SECONDS
from novelsync.wiring.parts import Parts

WHOLE_RUN_SECONDS: Final = 3600.0
"""Between two whole runs, which alone notice what is gone."""

MANY: Final = 100
"""So many novels that changed at once are a whole run's work, which writes several in one call."""

TICK_MS: Final = 1000
"""How often it looks what is to be tried again, if nothing changes meanwhile."""

GATHER_MS: Final = 300
"""Changes in a row are gathered for so long, so that a novel of many files is not synced for each of them."""

TROUBLE_SECONDS: Final = 5.0
"""The pause after the storage or the database was away, or another run held the lease. Each further one is doubled."""

LONGEST_PAUSE: Final = 60.0
"""Seconds."""


def check_watchable(storage: str) -> None:
    """Raises `ConfigurationError` for a bucket, and where the library is missing."""
    if "://" in storage:
        raise ConfigurationError(
            f"--watch watches a folder on this machine, and {storage} is a bucket",
            "for a bucket, `./deploy.sh --events` syncs each novel within seconds of its file being written",
        )
    try:
        import watchfiles  # noqa: F401, PLC0415 — an extra
    except ImportError as error:
        raise ConfigurationError(
            "--watch needs the package watchfiles, which is not installed", "`pip install '.[watch]'` in the clone"
        ) from error


def watch_folder(parts: Parts, stop: threading.Event, run: Callable[[], Report]) -> NovelSyncError | None:
    """
    Begins with a whole run, and then syncs each novel of which a file changes, until ``stop`` is set.

    ``run``: a whole run, which prints what it did. Returns what ended the first one, if that failed. Raises
    `ConfigurationError` if the folder cannot be watched.
    """
    folder = Path(parts.storage.location)
    if not folder.is_dir() and (error := run().error):
        return error  # what a run says of a storage that is not there
    changes = _changes(folder, stop)
    next(changes, None)  # from here on nothing is missed
    first = run()
    if first.error and not stop.is_set():
        return first.error
    notes.print(f"watching {folder}: a novel is synced when it changes; all of them every hour; Ctrl-C ends it")
    waiting: set[str] = set()
    pause, resting_until = TROUBLE_SECONDS, 0.0
    whole_run_at = time.monotonic() + _until_next(first, pause)
    told = ""
    for slugs in changes:
        if slugs is None:
            whole_run_at = 0.0
        else:
            waiting |= slugs
        now = time.monotonic()
        if now < resting_until:
            continue
        trouble: NovelSyncError | None = None
        try:
            if len(waiting) >= MANY or now >= whole_run_at:
                report = run()
                trouble = report.error
                if not trouble:
                    # What changed meanwhile has not been handed out yet.
                    waiting.clear()
                    whole_run_at = time.monotonic() + _until_next(report, pause)
            else:
                waiting = {slug for slug in sorted(waiting) if not stop.is_set() and not _sync(parts, slug)}
        except Unavailable as away:
            trouble = away
        if not trouble:
            pause, told = TROUBLE_SECONDS, ""
            continue
        if trouble.message != told:
            explain(trouble)
        told = trouble.message
        resting_until = time.monotonic() + pause
        pause = min(2 * pause, LONGEST_PAUSE)
    return None


def _until_next(report: Report, pause: float) -> float:
    """Seconds to the next whole run: soon, if this one has left novels to it."""
    return pause if report.novels.in_flight or report.novels.deferred else WHOLE_RUN_SECONDS


def _sync(parts: Parts, slug: str) -> bool:
    """Whether it is done with; else it has to be tried again. Raises `NovelSyncError`."""
    if parts.storage.find(slug) is None:
        # Only a complete listing shows that a novel is gone, and not on its way from one folder to another.
        return True
    result = parts.sync_service.sync_novel_to_db(slug)
    print_synced(result)
    parts.notice_service.send(EVENT_SECONDS)
    return result.status not in (NovelStatus.IN_FLIGHT, NovelStatus.UNAVAILABLE)


def _changes(folder: Path, stop: threading.Event) -> Iterator[set[str] | None]:
    """
    The novels of which a file has changed, again and again; none of them at least every `TICK_MS`.

    None: the folder has gone, or another one has taken its place, and what changed meanwhile is not known. Ends when
    ``stop`` is set. Raises `ConfigurationError`.
    """
    missed = False
    while not stop.is_set():
        watched = _identity(folder)
        if watched is None:
            yield None
            stop.wait(TICK_MS / 1000)
        else:
            try:
                with closing(_watched(folder.resolve(), stop)) as changes:
                    for slugs in changes:
                        yield None if missed else slugs
                        missed = False
                        # A watch is of a folder, and not of whatever has its name.
                        if slugs is None or _identity(folder) != watched:
                            break
            except FileNotFoundError:
                pass  # it went just now
            except OSError as error:
                raise ConfigurationError(
                    f"the folder {folder} cannot be watched: {error.strerror or error}",
                    "on Linux, fs.inotify.max_user_watches has to be above the number of folders; or `novelsync serve`,"
                    " which syncs every hour",
                ) from error
        missed = True


def _identity(folder: Path) -> tuple[int, int] | None:
    """Another one for another folder, whatever leads there; None if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _watched(root: Path, stop: threading.Event) -> Generator[set[str] | None]:
    """The same as `_changes`, of this very folder; None: it was deleted. Raises `OSError`."""
    from watchfiles import Change, watch  # noqa: PLC0415 — an extra

    for changes in watch(
        root,
        watch_filter=None,
        debounce=GATHER_MS,
        stop_event=stop,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        if any(change is Change.deleted and Path(path) == root for change, path in changes):
            yield None
            return
        names = {Path(path).relative_to(root).parts[:1] for _, path in changes}
        yield {name for (name,) in filter(None, names) if not name.startswith(".")}
