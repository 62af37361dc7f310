"""
Commands that messages speak of, written as they work where they are read.

A hint may outlive the process that wrote it: it says `novelsync sync --accept emma`, whoever wrote it, and becomes a
command line on a laptop and a request in the cloud when it is shown.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

_COMMAND: Final = re.compile(r"`novelsync ([^`]+)`")
_FLAGS: Final = ("--dry-run", "--reread")

Say = Callable[[str], str]


def as_command_line(text: str) -> str:
    """For whoever has a shell on this machine."""
    return _COMMAND.sub(r"`python -m novelsync \1`", text)


def as_request(url: str) -> Say:
    """For whoever has the deployed function; ``url``: of its sync route."""

    def say(text: str) -> str:
        return _COMMAND.sub(lambda found: _curl(url, shlex.split(found[1])) or found[0], text)

    return say


def _curl(url: str, words: Sequence[str]) -> str:
    """Empty for what no route does."""
    if words[0] != "sync":
        return ""
    rest = iter(words[1:])
    query = [(word[2:].replace("-", "_"), "1" if word in _FLAGS else next(rest, "")) for word in rest]
    address = shlex.quote(f"{url}?{urlencode(query)}" if query else url)
    return f'`curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" {address}`'


def said(document: Any, say: Say) -> Any:
    """The document with every ``hint`` in it as it is to be read."""
    if isinstance(document, Mapping):
        return {
            key: say(value) if key == "hint" and isinstance(value, str) else said(value, say)
            for key, value in document.items()
        }
    return [said(each, say) for each in document] if isinstance(document, list) else document
