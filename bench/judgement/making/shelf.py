"""The real novels, in pieces."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.judgement.making import texts

_LONGEST_UNIT: Final = 300


class Shelf:
    """The real novels in small units. No unit is taken twice; when a novel is used up, it goes on in other words."""

    def __init__(self, folder: Path) -> None:
        self._units: dict[str, Sequence[str]] = {}
        self.languages: dict[str, str] = {}
        self.vocabularies: dict[str, Sequence[str]] = {}
        for path in sorted(folder.glob("*/book_info.json")):
            text = "\n".join(c["content"] for c in json.loads(path.read_text(encoding="utf-8"))["chapters"])
            plain = html.unescape(re.sub(r"<[^>]*>", "\n", text))
            self._units[path.parent.name] = list(_units(plain))
            self.languages[path.parent.name] = texts.language(plain)
            self.vocabularies[path.parent.name] = texts.vocabulary(plain[:200_000])
        self._next: dict[str, int] = {}
        self._others: dict[tuple[str, int], str] = {}

    def clear(self) -> None:
        """All units may be taken again."""
        self._next = {}

    def choose(self, languages: Sequence[str], number: int) -> str:
        """One novel after another, as long as they last."""
        names = [name for name, spoken in self.languages.items() if spoken in languages]
        left = [name for name in names if self._next.get(name, 0) < len(self._units[name])]
        return (left or names)[number % len(left or names)]

    def take(self, novel: str, letters: int) -> str:
        units, at, size, taken = self._units[novel], self._next.get(novel, 0), 0, []
        while size < letters:
            taken.append(units[at] if at < len(units) else self._in_other_words(novel, at))
            size += len(taken[-1])
            at += 1
        self._next[novel] = at
        text = "\n\n".join(taken)
        if size > 2 * letters:
            return re.sub(r"\W*\w*$", "", text[: round(1.3 * letters)]) if " " in text[:letters] else text[:letters]
        return text

    def _in_other_words(self, novel: str, at: int) -> str:
        """The unit that comes after so many, when the novel has been used up."""
        if (novel, at) not in self._others:
            round_, unit = divmod(at, len(self._units[novel]))
            vocabulary = self.vocabularies[novel]
            self._others[novel, at] = texts.translated(self._units[novel][unit], f"{round_}", vocabulary, kept=0.05)
        return self._others[novel, at]


def _units(text: str) -> Iterator[str]:
    """Paragraphs, or sentences where those are long."""
    for line in text.split("\n"):
        parts = texts.sentences(line.strip()) if len(line) > _LONGEST_UNIT else [line.strip()]
        yield from (part for part in parts if part)
