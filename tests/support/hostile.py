"""
Files that are made to fill the memory or to last for ever, at any size; and what one of them comes to.

``python -m tests.support.hostile MEGABYTES [NAME …]`` reads these or all of them, and prints for each the seconds, and
the bytes of memory it took besides its own. On Linux, where the account of a process' peak can be begun anew.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from novelsync.books.reader import read_book
from novelsync.errors import BookRefused
from novelsync.text.formatting import counted


def _filled(start: bytes, unit: bytes, end: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: b"".join((start, unit * ((size - len(start) - len(end)) // len(unit)), end))


def _numbered(start: bytes, unit: bytes, end: bytes) -> Callable[[int], bytes]:
    """As `_filled`, but ``%d`` is another number each time."""
    return lambda size: b"".join((start, b"".join(unit % n for n in range(size // len(unit % 1_000_000))), end))


EMMA = b'{"title": "Emma", '
CHAPTERS = EMMA + b'"chapters": ['

FILES: dict[str, Callable[[int], bytes]] = {
    "open brackets": _filled(b"", b"["),
    "open brackets in a key": _filled(EMMA + b'"x": ', b"["),
    "open objects": _filled(b"", b'{"a":'),
    "open objects in a chapter": _filled(CHAPTERS, b'{"content":'),
    "closed brackets": lambda size: EMMA + b'"x": ' + b"[" * (size // 2) + b"]" * (size // 2) + b"}",
    "one string": _filled(b'"', b"a", b'"'),
    "one title": _filled(b'{"title": "', b"a", b'"}'),
    "one string without end": _filled(b'{"title": "', b"a"),
    "one text": _filled(CHAPTERS + b'{"content": "', b"a", b'"}]}'),
    "one text of emoji": _filled(CHAPTERS + b'{"content": "', "😀".encode(), b'"}]}'),
    "one text of escapes": _filled(CHAPTERS + b'{"content": "', rb"\n", b'"}]}'),
    "one text in pieces": _filled(CHAPTERS + b'{"content": ["a"', b',"a"', b"]}]}"),
    "one author in pieces": _filled(EMMA + b'"author": ["a"', b',"a"', b"]}"),
    "empty chapters": _filled(CHAPTERS + b"{}", b",{}", b"]}"),
    "chapters that are numbers": _filled(CHAPTERS + b"1", b",1", b"]}"),
    "chapters of the wrong kind": _filled(CHAPTERS + b'{"content": 1}', b', {"content": 1}', b"]}"),
    "chapters with everything": _filled(CHAPTERS + b"{}", b',{"title":"a","number":1,"content":"a","url":"a"}', b"]}"),
    "as many chapters as there may be": lambda size: CHAPTERS + b",".join([b"{}"] * 100_000) + b"]}",
    "as many of the wrong kind": lambda size: CHAPTERS + b",".join([b'{"content":1}'] * 100_000) + b"]}",
    "as many pieces of a text": lambda size: CHAPTERS + b'{"content": [' + b",".join([b'"a"'] * 1_000_000) + b"]}]}",
    "as many of the wrong kind of pieces": lambda size: (
        CHAPTERS + b'{"content": [' + b",".join([b"1"] * 1_000_000) + b"]}]}"
    ),
    "keys": _numbered(EMMA, b'"%d":0,', b'"x":0}'),
    "keys in a chapter": _numbered(CHAPTERS + b"{", b'"%d":0,', b'"x":0}]}'),
    "duplicate keys": _filled(b"{", b'"title": "Emma", ', b'"title": "Emma"}'),
    "duplicate chapters": _filled(EMMA, b'"chapters": [{},{},{}], ', b'"x": 0}'),
    "one number": _filled(b'{"title": ', b"9", b"}"),
    "one status that is a number": _filled(EMMA + b'"status": ', b"9", b"}"),
    "one chapter's number": _filled(CHAPTERS + b'{"number": ', b"9", b"}]}"),
    "one chapter's number as text": _filled(CHAPTERS + b'{"number": "', b"9", b'"}]}'),
    "NUL escapes": _filled(CHAPTERS + b'{"content": "', rb"\u0000", b'"}]}'),
    "NUL escapes in a title": _filled(b'{"title": "', rb"\u0000", b'"}'),
    "surrogates": _filled(CHAPTERS + b'{"content": "', rb"\ud800", b'"}]}'),
    "backslashes": _filled(b'{"title": "', b"\\\\", b'"}'),
    "backslashes, then a surrogate": _filled(b'{"title": "\\ud800', b"\\\\", b'"}'),
    "an odd number of backslashes": lambda size: b'{"title": "' + b"\\" * (size | 1) + b'"}',
    "blanks": _filled(b"", b" "),
    "line ends, then a mistake": _filled(b"{", b"\n", b"x"),
    "NUL bytes": _filled(b"", b"\0"),
    "bytes that are not UTF-8": _filled(b"{}", b"\x80"),
}


def main() -> None:
    size = int(float(sys.argv[1]) * 1_000_000)
    for name in sys.argv[2:] or FILES:
        data = FILES[name](size)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: it is not to be that of making the file
        before, start = _status("VmRSS"), time.perf_counter()
        try:
            came = counted(len(read_book(data).chapters), "chapter")
        except BookRefused as refusal:
            came = refusal.message
        seconds = time.perf_counter() - start
        taken = (_status("VmHWM") - before) * 1024
        print(
            json.dumps({"name": name, "size": len(data), "seconds": seconds, "taken": taken, "came": came}), flush=True
        )


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


if __name__ == "__main__":
    main()
