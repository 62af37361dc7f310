"""How messages write what comes from outside: on one line, printable, and not too long."""

from novelsync.text.redaction import redacted

SHOWN = 60
"""How many characters of a title or a value a message shows."""


def printable(text: str) -> str:
    """The text with a space in place of every control character, line end and other unprintable character."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)


def shortened(text: str, most: int = SHOWN) -> str:
    """The text, cut to at most so many characters; the last one is then an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def one_line(said: object, most: int = 300) -> str:
    """The message of another library's error: on one line, without secrets, cut to at most so many characters."""
    # Redacted before it is cut, because half a secret would not be found.
    return " ".join(redacted(str(said)).split())[:most]


def quoted(text: str) -> str:
    """The text in quotation marks, shortened, as messages show titles."""
    return f'"{printable(shortened(text))}"'


def counted(number: int, noun: str) -> str:
    """The number with its noun: ``1 novel``, ``1,234 novels``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(bytes_: int) -> str:
    """In the unit that keeps it short."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= factor:
            number = bytes_ / factor
            return f"{number:.1f} {unit}" if number < 10 else f"{number:,.0f} {unit}"
    return counted(bytes_, "byte")
