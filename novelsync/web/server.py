"""The server behind `serve`: functions-framework's own, told how to end."""

import os
import signal
from pathlib import Path
from typing import Any, Final

from novelsync import wiring

SOURCE: Final = Path(__file__).with_name("functions.py")


def serve(host: str, port: int) -> None:
    """Answers until a signal ends it. ``host``: a name or an address, of IPv6 without brackets."""
    # Not above: no other command needs them, and they take a third of a second.
    from functions_framework import create_app  # noqa: PLC0415
    from functions_framework._http import create_server  # noqa: PLC0415

    app = create_app("app", str(SOURCE))  # type: ignore[no-untyped-call]
    posix = os.name == "posix"
    hooks = {"post_worker_init": _take_signals, "worker_exit": lambda arbiter, worker: _end()} if posix else {}
    server = create_server(app, debug=False, **hooks)  # type: ignore[no-untyped-call]
    server.run(f"[{host}]" if posix and ":" in host else host, port)
    _end()


def _take_signals(worker: Any) -> None:
    """
    In the process that gunicorn forks: one way to end, for all signals that ask for it.

    Its own handlers take a lock, and so never return when one interrupts another; and they wait for no run.
    """

    checkpoint = (signal.SIGTERM, signal.SIGQUIT)

    def end(number: int, frame: object) -> None:
        for other in checkpoint:
            signal.signal(other, signal.SIG_IGN)
        wiring.stop_runs()
        worker.handle_exit(number, frame)

    # A terminal's Ctrl-C reaches gunicorn's first process too, which passes it on as SIGQUIT.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in checkpoint:
        signal.signal(number, end)


def _end() -> None:
    """While threads can still be started, which a run under way may have to."""
    wiring.stop_runs()
    wiring.close_parts()
