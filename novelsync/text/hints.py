"""
Commands in messages, rewritten when they are shown so that they work where they are read.

A hint may be stored by one process and shown by another. So it is written the same way everywhere, as in
`novelsync sync --accept emma`, and becomes a command line on a laptop and a request in the cloud.
"""

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

_COMMAND: Final = re.compile(r"`novelsync ([^`]+)`")
_FLAGS: Final = ("--dry-run", "--reread")

Say = Callable[[str], str]
"""Rewrites the commands in a text."""


def as_command_line(text: str) -> str:
    """Rewrites commands for readers who have a shell on this machine."""
    return _COMMAND.sub(rf"`{_program()} \1`", text)


def _program() -> str:
    """``novelsync`` if that started this process, or if a shell finds this Python's; otherwise what always works."""
    started = Path(sys.argv[0]).stem == "novelsync"
    found = shutil.which("novelsync")
    ours = found is not None and Path(found).parent == Path(sys.executable).parent
    return "novelsync" if started or ours else "python -m novelsync"


def as_request(path: str, root: str = "", job: str = "") -> Say:
    """
    Returns what rewrites commands for readers who can call the deployed functions, and have no shell where they run.

    ``path``: the path of the sync route. ``root``: the function that has this route, as ``https://host``; empty if
    that is not known here. ``job``: the Cloud Scheduler job that calls the route; a shell can ask it for the URL.
    """

    def say(text: str) -> str:
        return _COMMAND.sub(lambda found: _request(path, root, job, found[1]) or found[0], text)

    return say


def _request(path: str, root: str, job: str, command: str) -> str:
    """The request that does what the command does; empty if no route does it."""
    try:
        parameters = query_of(f"novelsync {command}")
    except ValueError:  # a backtick in a slug cuts the command short, or it is another command
        return ""
    if not root and not job:
        return f"`POST {path}{parameters}` to the function sync"
    url = shlex.quote(root + path + parameters)
    if not root:
        uri = f"gcloud scheduler jobs describe {job} --format='value(httpTarget.uri)'"
        url = f'"$({uri})"' + (parameters and shlex.quote(parameters))
    header = '-H "Authorization: Bearer $(gcloud auth print-identity-token)"'
    return f"`curl -X POST {header} {url}`"


def query_of(command: str) -> str:
    """The parameters, with the question mark, with which the sync route does the same. Raises `ValueError`."""
    program, verb, *rest = shlex.split(command)
    if (program, verb) != ("novelsync", "sync"):
        raise ValueError(f"no route does {command}")
    words = iter(rest)
    query = [(word[2:].replace("-", "_"), "1" if word in _FLAGS else next(words, "")) for word in words]
    return f"?{urlencode(query)}" if query else ""


def said(document: Any, say: Say) -> Any:
    """The document, a value of JSON, with every ``hint`` in it rewritten."""
    if isinstance(document, Mapping):
        return {
            key: say(value) if key == "hint" and isinstance(value, str) else said(value, say)
            for key, value in document.items()
        }
    return [said(each, say) for each in document] if isinstance(document, list) else document
