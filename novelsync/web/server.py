"""The server behind `serve`: functions-framework's own, told how to begin and how to end."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from novelsync import wiring
from novelsync.errors import NovelSyncError, Unavailable

SOURCE: Final = Path(__file__).with_name("functions.py")

PAUSE: Final = 5.0
"""Seconds between two attempts to start the schedule: the database may be away for a while."""

log = structlog.get_logger()


def serve(host: str, port: int, *, schedule: bool, say: Callable[[str], object]) -> None:
    """
    Answers until a signal ends it.

    ``host``: a name or an address, of IPv6 without brackets. ``schedule``: sync every hour, too. ``say``: tells a
    person why that is not possible.
    """
    # Not above: no other command needs them, and they take a third of a second.
    from functions_framework import create_app  # noqa: PLC0415
    from functions_framework._http import create_server  # noqa: PLC0415

    app = create_app("app", str(SOURCE))  # type: ignore[no-untyped-call]
    # gunicorn forks the process that answers, and forks another if that one is killed. The schedule belongs
    # to the process that answers, so that it always comes back with it.
    forks = os.name == "posix"

    def begin(worker: Any) -> None:
        _take_signals(worker)
        if schedule:
            _start_schedule(say)

    hooks = {"post_worker_init": begin, "worker_exit": lambda arbiter, worker: _end()} if forks else {}
    server = create_server(app, debug=False, **hooks)  # type: ignore[no-untyped-call]
    if schedule and not forks:
        _start_schedule(say)
    server.run(f"[{host}]" if forks and ":" in host else host, port)
    _end()


def _start_schedule(say: Callable[[str], object]) -> None:
    """In a thread, because the database may be away, and the server answers all the same."""
    threading.Thread(target=start_schedule, args=(say, PAUSE), name="schedule", daemon=True).start()


def start_schedule(
    say: Callable[[str], object], pause: float, find_parts: Callable[..., wiring.Parts] = wiring.parts_of_this_process
) -> None:
    """Tries until it is started, the process ends, or the reason is none that passes."""
    while not wiring.stopping(0):
        try:
            find_parts(acts=True).scheduler_service.start_scheduler()
        except Unavailable as error:
            log.warning("schedule_not_started_yet", reason=error.message)
            wiring.stopping(pause)
        except NovelSyncError as error:
            say(f"the hourly sync was not started: {error.message}")
            return
        else:
            return


def _take_signals(worker: Any) -> None:
    """
    In the process that gunicorn forks: one way to end, for all signals that ask for it.

    Its own handlers take a lock, and so never return when one interrupts another; and they wait for no run.
    """

    ending = (signal.SIGTERM, signal.SIGQUIT)

    def end(number: int, frame: object) -> None:
        for other in ending:
            signal.signal(other, signal.SIG_IGN)
        wiring.stop_runs()
        worker.handle_exit(number, frame)

    # A terminal's Ctrl-C reaches gunicorn's first process too, which passes it on as SIGQUIT.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ending:
        signal.signal(number, end)


def _end() -> None:
    """While threads can still be started, which a run under way may have to."""
    wiring.stop_runs()
    wiring.close_parts()
