"""How messages write what comes from files: on one line, without what a terminal would choke on, and not too long."""

from novelsync.text.redaction import redacted

SHOWN = 60
"""Characters of a title or a value that a message shows."""


def printable(text: str) -> str:
    """On one line, with a space for every character that has no shape of its own."""
    return "".join(char if char.isprintable() else " " for char in text)


def shortened(text: str, most: int = SHOWN) -> str:
    """At most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def one_line(said: object, most: int = 300) -> str:
    """What somebody else's error says, on one line and at most so many characters of it."""
    # Masked before it is cut, because half a secret would not be found.
    return " ".join(redacted(str(said)).split())[:most]


def quoted(text: str) -> str:
    """In quotation marks, as messages show titles."""
    return f'"{printable(shortened(text))}"'


def counted(number: int, noun: str) -> str:
    """``1 novel``, ``1,234 novels``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
