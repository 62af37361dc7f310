"""A planned write as a diff that a person can read, and that two plans can be compared by. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from novelsync.models.book import BookChapter, url_hash
from novelsync.models.stored import KnownChapter
from novelsync.models.writing import NovelWrite
from novelsync.text.formatting import quoted, shortened

ADDED, CHANGED, MOVED, REMOVED, HELD = "+", "~", ">", "-", "!"
"""What the marks mean, of a novel as of a chapter. A novel that moved was renamed."""


SHOWN_TITLE = 200
"""Characters; a title may have megabytes."""


@dataclass(frozen=True, slots=True)
class ChapterDiff:
    """One line of the diff."""

    mark: str
    position: int | None
    """As it is to be; None for what is removed or keeps its place."""
    title: str
    number: str | None
    said: str = ""
    """What is different, as far as the mark does not say it."""


@dataclass(frozen=True, slots=True)
class NovelDiff:
    """What happens to one novel."""

    mark: str
    slug: str
    said: str = ""
    chapter_count: int = 0
    """As it is to be."""
    chapters: Sequence[ChapterDiff] = ()
    """Empty for a novel that is new, all of whose chapters are."""

    def as_dict(self) -> Mapping[str, Any]:
        """As published with a dry run's report."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        chapters = [
            {each.name: getattr(line, each.name) for each in fields(line)}
            | {"title": shortened(line.title, SHOWN_TITLE)}
            for line in self.chapters
        ]
        return own | {"chapters": chapters}


def diff_of(write: NovelWrite) -> NovelDiff | None:
    """What a write does, for people; None if it does nothing that anybody would see."""
    said = "; ".join(_said(write))
    if write.is_new:
        return NovelDiff(ADDED, write.slug, said, write.chapter_count)
    chapters = [*_chapters(write)]
    if write.former:
        mark = MOVED
    elif write.restored:
        mark = ADDED
    elif write.visible:
        mark = CHANGED
    elif chapters or any(problem.kind == "refused" for problem in write.problems or ()):
        mark = HELD
    else:
        return None
    return NovelDiff(mark, write.slug, said, write.chapter_count, chapters)


def _said(write: NovelWrite) -> Iterator[str]:
    if write.former:
        yield f"was {write.former.slug}"
    if write.restored:
        yield "is back"
    if write.afresh:
        yield "another novel than the one removed under this name"
    for field in fields(write.fields) if write.fields and write.stored else ():
        old, new = getattr(write.stored, field.name), getattr(write.fields, field.name)
        if old != new:
            yield f"{field.name}: {_value(old)} → {_value(new)}"
    yield from (problem.message for problem in write.problems or () if problem.kind != "warning")


def _chapters(write: NovelWrite) -> Iterator[ChapterDiff]:
    """In the order they are to have, what goes at the end."""
    lines = [
        *((c.position, _line(ADDED, c.position, c.chapter)) for c in write.created),
        *((c.position, _changed(c.row, c.position, c.chapter, new_text=c.new_text)) for c in write.changed),
        *((m.position, _line(MOVED, m.position, m.row, f"was {m.row.position}")) for m in write.moved),
    ]
    yield from (line for _, line in sorted(lines, key=lambda line: line[0]))
    yield from (_line(HELD, None, row, "no longer in the file, and stays") for row in write.held_chapters)
    yield from (_line(HELD, None, row, "its text stays") for row in write.held_texts)
    yield from (_line(REMOVED, None, row) for row in write.removed)


def _line(mark: str, position: int | None, chapter: BookChapter | KnownChapter, said: str = "") -> ChapterDiff:
    return ChapterDiff(mark, position, chapter.title, _number(chapter.number), said)


def _changed(row: KnownChapter, position: int, chapter: BookChapter, *, new_text: bool) -> ChapterDiff:
    said = []
    if row.removed:
        said.append("is back")
    elif row.position != position:
        said.append(f"was {row.position}")
    if row.title != chapter.title:
        said.append(f"title: {_value(row.title)} → {_value(chapter.title)}")
    if row.number != chapter.number:
        said.append(f"number: {_number(row.number)} → {_number(chapter.number)}")
    if row.url_hash != url_hash(chapter.url):
        said.append("url")
    if new_text:
        said.append(f"text: {row.content_bytes:,} → {chapter.content_bytes:,} bytes")
    return _line(ADDED if row.removed else CHANGED, position, chapter, ", ".join(said))


def _number(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _value(text: str | None) -> str:
    return "nothing" if text is None else quoted(text)
