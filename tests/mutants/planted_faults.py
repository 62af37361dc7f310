"""The faults in ``planted/*.toml``: what each changes, and which tests are of the room that it is in."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PLANTED: Final = Path(__file__).parent / "planted"


@dataclass(frozen=True, slots=True)
class Fault:
    """A piece of code, and what somebody might have written in its place."""

    room: str
    """The file of ``planted`` that it is in."""
    name: str
    """What is wrong, in a few words."""
    file: str
    """From the root of the repository."""
    before: str
    """Stands in the file once."""
    after: str
    tests: tuple[str, ...]
    """Files and folders of tests of its own room: the nearest ones, so that they take seconds."""

    def planted_in(self, code: str) -> str:
        """The code with the fault. Raises `ValueError` if there is no one place for it."""
        if (times := code.count(self.before)) != 1:
            raise ValueError(f"{self.name}: what it changes stands {times} times in {self.file}, and not once")
        return code.replace(self.before, self.after)


def faults() -> list[Fault]:
    """All, by room."""
    return [
        Fault(path.stem, **{**entry, "tests": tuple(entry["tests"])})
        for path in sorted(PLANTED.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    ]
