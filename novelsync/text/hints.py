"""
Commands that messages speak of, written as they work where they are read.

A hint may outlive the process that wrote it: it says `novelsync sync --accept emma`, whoever wrote it, and becomes a
command line on a laptop and a request in the cloud when it is shown.
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


def as_command_line(text: str) -> str:
    """For whoever has a shell on this machine."""
    return _COMMAND.sub(rf"`{_program()} \1`", text)


def _program() -> str:
    """``novelsync`` if that started this process, or if a shell would find this Python's; else what always works."""
    started = Path(sys.argv[0]).stem == "novelsync"
    found = shutil.which("novelsync")
    ours = found is not None and Path(found).parent == Path(sys.executable).parent
    return "novelsync" if started or ours else "python -m novelsync"


def as_request(path: str, root: str = "", job: str = "") -> Say:
    """
    For whoever has the deployed functions. ``path``: of the sync route.

    ``root``: where the function that has it is, as ``https://host``; empty if that is not known here.
    ``job``: the Cloud Scheduler job that calls it, which knows.
    """

    def say(text: str) -> str:
        return _COMMAND.sub(lambda found: _request(path, root, job, found[1]) or found[0], text)

    return say


def _request(path: str, root: str, job: str, command: str) -> str:
    """Empty for what no route does."""
    try:
        words = shlex.split(command)
    except ValueError:  # a slug with a backtick ends the command too early
        return ""
    if words[0] != "sync":
        return ""
    rest = iter(words[1:])
    query = [(word[2:].replace("-", "_"), "1" if word in _FLAGS else next(rest, "")) for word in rest]
    address = f"{path}?{urlencode(query)}" if query else path
    if not root and not job:
        return f"`POST {address}` to the function sync"
    url = shlex.quote(root + address)
    if not root:
        uri = f"gcloud scheduler jobs describe {job} --format='value(httpTarget.uri)'"
        url = f'"$({uri})"' + (shlex.quote(f"?{urlencode(query)}") if query else "")
    header = '-H "Authorization: Bearer $(gcloud auth print-identity-token)"'
    return f"`curl -X POST {header} {url}`"


def said(document: Any, say: Say) -> Any:
    """The document with every ``hint`` in it as it is to be read."""
    if isinstance(document, Mapping):
        return {
            key: say(value) if key == "hint" and isinstance(value, str) else said(value, say)
            for key, value in document.items()
        }
    return [said(each, say) for each in document] if isinstance(document, list) else document
