"""The server behind the command ``serve``: functions-framework's own, with hooks for its start and its end."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from novelsync.errors import NovelSyncError, Unavailable
from novelsync.wiring import this_process
from novelsync.wiring.parts import Parts

SOURCE: Final = Path(__file__).with_name("functions.py")

PAUSE: Final = 5.0
"""Seconds between two attempts to start the schedule, because the database may be unavailable for a while."""

WATCH_SECONDS: Final = 300.0
"""Between two looks at the verdict, for alerts."""

log = structlog.get_logger()


def serve(host: str, port: int, *, schedule: bool, watch_alerts: bool, say: Callable[[str], object]) -> None:
    """
    Answers until a signal ends it.

    ``host``: a name or an address, IPv6 without brackets. ``schedule``: also sync every hour. ``watch_alerts``: also
    look at the verdict every few minutes. ``say``: is told, for a person, why there is no hourly sync.
    """
    # Imported here, because no other command needs them, and they take a third of a second.
    from functions_framework import create_app  # noqa: PLC0415
    from functions_framework._http import create_server  # noqa: PLC0415

    app = create_app("app", str(SOURCE))  # type: ignore[no-untyped-call]
    # gunicorn forks the process that answers, and forks another if that one is killed. The schedule belongs
    # to the process that answers, so that it always comes back with it.
    forks = os.name == "posix"

    def begin(worker: Any) -> None:
        _take_signals(worker)
        if watch_alerts:
            _start_watch_thread()
        if schedule:
            _start_schedule_thread(say)

    hooks = {"post_worker_init": begin, "worker_exit": lambda arbiter, worker: _shut_down()} if forks else {}
    server = create_server(app, debug=False, **hooks)  # type: ignore[no-untyped-call]
    if schedule and not forks:
        _start_schedule_thread(say)
    if watch_alerts and not forks:
        _start_watch_thread()
    server.run(f"[{host}]" if forks and ":" in host else host, port)
    _shut_down()


def _start_schedule_thread(say: Callable[[str], object]) -> None:
    """In a thread, because the database may be unavailable, and the server answers all the same."""
    threading.Thread(target=start_schedule, args=(say, PAUSE), name="schedule", daemon=True).start()


def start_schedule(
    say: Callable[[str], object], pause: float, find_parts: Callable[..., Parts] = this_process.parts_of_this_process
) -> None:
    """
    Starts the schedule, and tries again every ``pause`` seconds while the database is unavailable, or something broke.

    Gives up when the process ends, and on any other error of ours, which ``say`` is told.
    """
    while not this_process.stopping(0):
        try:
            find_parts(acts=True).scheduler_service.start_scheduler()
        except Unavailable as error:
            log.warning("schedule_not_started_yet", reason=error.message)
            this_process.stopping(pause)
        except NovelSyncError as error:
            say(f"the hourly sync was not started: {error.message}")
            return
        except Exception:
            # The outermost boundary of its thread, which nobody starts again.
            log.exception("schedule_broke")
            this_process.stopping(pause)
        else:
            return


def _start_watch_thread() -> None:
    threading.Thread(target=watch, args=(WATCH_SECONDS,), name="alerts", daemon=True).start()


def watch(
    every: float,
    find_parts: Callable[..., Parts] = this_process.parts_of_this_process,
    stopping: Callable[[float], bool] = this_process.stopping,
) -> None:
    """Looks at the verdict every so many seconds until the process ends: it also changes while nothing runs."""
    while not stopping(every):
        try:
            find_parts(acts=True).alert_service.look()
        except NovelSyncError as error:
            log.warning("alerts_not_looked_at", reason=error.message)
        except Exception:
            # The outermost boundary of its thread, which nobody starts again.
            log.exception("alerts_broke")


def _take_signals(worker: Any) -> None:
    """
    Replaces the signal handlers of the process that gunicorn forked.

    Gunicorn's own take a lock, and so deadlock when one interrupts another; and they do not wait for a run.
    """
    ending = (signal.SIGTERM, signal.SIGQUIT)

    def end(number: int, frame: object) -> None:
        for other in ending:
            signal.signal(other, signal.SIG_IGN)
        this_process.stop_runs()
        worker.handle_exit(number, frame)

    # A terminal's Ctrl-C reaches gunicorn's first process too, which passes it on as SIGQUIT.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ending:
        signal.signal(number, end)


def _shut_down() -> None:
    """Called while threads can still be started, because a run in progress may have to start some."""
    this_process.stop_runs()
    this_process.close_parts()
