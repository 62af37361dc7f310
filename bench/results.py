"""Measurements as Markdown tables, which are put into the docs between two marks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

DOCS: Final = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True, slots=True)
class Table:
    """One table, with a note below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        lines = [f"**{self.title}**", "", *(f"| {' | '.join(row)} |" for row in (self.columns, *self.rows))]
        lines.insert(3, "|---" + "|--:" * (len(self.columns) - 1) + "|")
        return "\n".join(lines + (["", self.note] if self.note else []))


def keep(name: str, text: str, path: Path = DOCS / "numbers.md") -> None:
    """Replaces what is between the marks of that name in ``path`` with ``text``."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    document = path.read_text(encoding="utf-8")
    kept, count = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n{end}", document, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path} has no place for {name}: {begin} … {end}")
    path.write_text(kept, encoding="utf-8")


def rounds(values: Sequence[float], form: str = ",.0f") -> str:
    """The median, and all values in brackets."""
    return f"{median(values):{form}} ({', '.join(format(value, form) for value in values)})"


def seconds(value: float) -> str:
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:.2f} s"
