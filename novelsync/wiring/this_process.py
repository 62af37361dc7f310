"""The parts of a server, which live as long as its process, and how that ends in good order."""

import atexit
import threading
from contextlib import ExitStack

from novelsync.settings.loading import load_settings
from novelsync.text.logs import configure_logs
from novelsync.wiring.parts import Parts, connected

_of_this_process: Parts | None = None
_opened = ExitStack()
_stopping = threading.Event()
_lock = threading.Lock()


def parts_of_this_process(*, acts: bool) -> Parts:
    """
    The parts for a server, made by the first request and kept until the process ends.

    They are not made at import, because gunicorn imports before it forks. If making them fails, the next request tries
    again. ``acts``: this server does more than show the status, so it can itself be the scheduler; see `connected`.
    """
    global _of_this_process  # noqa: PLW0603 — one for the whole process
    with _lock:
        if _of_this_process is None:
            settings = load_settings()
            configure_logs(settings.effective_log_format, "stdout")
            _of_this_process = _opened.enter_context(connected(settings, serving=acts))
            atexit.register(close_parts)
            if _stopping.is_set():
                _of_this_process.sync_service.stop()
        return _of_this_process


def stop_runs() -> None:
    """Ends this process's runs soon and in good order, later ones too. A signal handler may call it."""
    _stopping.set()
    if _of_this_process:
        _of_this_process.sync_service.stop()


def stopping(seconds: float) -> bool:
    """Waits up to so many seconds for `stop_runs`; returns whether it was called."""
    return _stopping.wait(seconds)


def close_parts() -> None:
    """Waits for runs in the background, and closes what `parts_of_this_process` made."""
    with _lock:
        _opened.close()
