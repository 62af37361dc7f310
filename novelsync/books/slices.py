"""Raw slices of a file's bytes: what kind of JSON each is, and how a message shows it. Pure."""

import re
from itertools import islice
from typing import Final

from msgspec import Raw
from msgspec.json import Decoder

from novelsync.text.formatting import printable, shortened

MOST_ITEMS: Final = 1_000_000
"""Of any list that is cut, because each item takes a hundred bytes of memory even before it is decoded."""

SHOWN: Final = 40
"""Characters of a value that a message shows."""

ABSENT: Final = Raw(b"null")
"""In place of a missing key. It decodes as null; ``is`` tells the two apart where they mean different things."""

_KINDS: Final = {
    ord(first): kind
    for first, kind in zip(
        '"{[tfn', ("a string", "an object", "an array", "a boolean", "a boolean", "null"), strict=True
    )
}
SCALARS: Final = ("a number", "a boolean")

STRING: Final = Decoder(str)


def kind_of(raw: Raw) -> str:
    return _KINDS.get(memoryview(raw)[0], "a number")


def is_crowded(raw: Raw | bytes | bytearray | memoryview, mark: bytes) -> bool:
    """Whether ``mark``, which separates or begins the items of an array, occurs more than `MOST_ITEMS` times."""
    if memoryview(raw).nbytes <= MOST_ITEMS:
        return False
    return next(islice(re.finditer(re.escape(mark), memoryview(raw)), MOST_ITEMS, None), None) is not None


def shown(raw: Raw) -> str:
    """A value on one line, without characters that a terminal or a database cannot take."""
    if kind_of(raw) == "a string":
        return f'"{printable(shortened(STRING.decode(raw), SHOWN))}"'
    return printable(shortened(bytes(memoryview(raw)[: 4 * SHOWN]).decode(errors="ignore"), SHOWN))
