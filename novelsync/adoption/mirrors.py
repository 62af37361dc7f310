"""
The triggers, in the private schema, that keep a site's own columns equal to ours, in both directions. Pure: SQL text.

They run before the site's own, so that those see a whole row. Moving a chapter compares no text.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple


class Mirror(NamedTuple):
    """A column of ours and the site's that means the same. What is SQL is quoted already."""

    ours: str
    theirs: str
    our_default: str
    their_default: str
    """``null`` if there is none, as in `our_default`."""
    our_fallback: str
    """What ours becomes where theirs is null."""
    their_fallback: str
    """Likewise."""


class Derived(NamedTuple):
    """Columns of the site's that ours has nothing of, or None."""

    file: str | None
    """Gets the name of the file that a chapter's text is in."""
    file_fallback: str
    word_count: str | None


_FIRST: Final = '"0_novelsync"'
"""The triggers' name: those of one table fire in the order of their names."""

_TEXTS: Final = '"0_novelsync_texts"'

# Tags are no words, and Chinese and Japanese have no blanks between theirs: there each character counts.
_MARKUP: Final = "'<[^>]*>'"
_WORDS: Final = r"'[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+'"


def novel_triggers(mirrors: Sequence[Mirror]) -> Iterator[str]:
    """Statements that create what keeps the site's columns of ``novels`` right."""
    if not mirrors:
        return
    yield _function("mirror_novels", [line for mirror in mirrors for line in _both_ways(mirror)])
    yield _trigger(_FIRST, "insert or update", "novels", "mirror_novels")


def chapter_triggers(mirrors: Sequence[Mirror], derived: Derived, server: int) -> Iterator[str]:
    """
    Likewise of ``chapters``; besides, chapters that the site itself adds get a position and the hash of their text.

    ``server``: the version of Postgres.
    """
    text = [mirror for mirror in mirrors if mirror.ours == "content"]
    lines = [line for mirror in mirrors if mirror not in text for line in _both_ways(mirror)]
    yield _function("mirror_chapters", list(_position(mirrors, lines)))
    yield _trigger(_FIRST, "insert or update", "chapters", "mirror_chapters")
    lines = [line for mirror in text for line in _both_ways(mirror)]
    yield _function("mirror_texts", [*lines, *_of_text(derived.word_count, server)])
    columns = ", ".join(["content", *(mirror.theirs for mirror in text)])
    yield _trigger(_TEXTS, f"insert or update of {columns}", "chapters", "mirror_texts")


def file_triggers(derived: Derived) -> Iterator[str]:
    """What brings the name of a text's file into the site's column. Needs the bookkeeping."""
    if not derived.file:
        return
    column, fallback = derived.file, derived.file_fallback
    yield _function(
        "mirror_files",
        [
            "if tg_op = 'DELETE' then",
            f"  update public.chapters c set {column} = {fallback}",
            f"  where c.id = old.chapter_id and c.{column} = old.file;",
            "else",
            f"  update public.chapters c set {column} = new.file",
            f"  where c.id = new.chapter_id and c.{column} is distinct from new.file;",
            "end if;",
        ],
        returned="null",
    )
    yield _trigger("mirror_files", "insert or update or delete", "texts", "mirror_files", "novelsync", when="after")


def _both_ways(mirror: Mirror) -> Iterator[str]:
    """Whoever is written wins; if both are, ours does."""
    ours, theirs = f"new.{mirror.ours}", f"new.{mirror.theirs}"
    our_change = f"{ours} is distinct from old.{mirror.ours}"
    neither = _or(theirs, mirror.their_fallback)
    if mirror.ours == "number" and mirror.their_fallback != "null":
        # A chapter without one is called after its place, which may change.
        our_change += f" or ({ours} is null and new.position is distinct from old.position)"
        neither = mirror.their_fallback
    to_theirs = f"{theirs} := {_or(ours, mirror.their_fallback)};"
    to_ours = f"{ours} := {_or(theirs, mirror.our_fallback)};"
    yield "if tg_op = 'INSERT' then"
    yield f"  if {ours} is distinct from {mirror.our_default} then"
    yield f"    {to_theirs}"
    yield f"  elsif {theirs} is distinct from {mirror.their_default} then"
    yield f"    {to_ours}"
    if mirror.their_fallback != "null":
        yield "  else"
        yield f"    {theirs} := {neither};"
    yield "  end if;"
    yield f"elsif {our_change} then"
    yield f"  {to_theirs}"
    yield f"elsif {theirs} is distinct from old.{mirror.theirs} then"
    yield f"  {to_ours}"
    yield "end if;"


def _or(value: str, fallback: str) -> str:
    return value if fallback == "null" else f"coalesce({value}, {fallback})"


def _position(mirrors: Sequence[Mirror], lines: Sequence[str]) -> Iterator[str]:
    """The lines, and a position for what the site adds: after the last chapter."""
    novel = next((mirror.theirs for mirror in mirrors if mirror.ours == "novel_id"), "novel_id")
    place = next((mirror for mirror in mirrors if mirror.ours == "position"), None)
    given = f" and new.{place.theirs} is not distinct from {place.their_default}" if place else ""
    yield f"if tg_op = 'INSERT' and new.position is null{given} then"
    yield "  new.position := (select coalesce(max(c.position), 0) + 1 from public.chapters c"
    yield f"                   where c.novel_id = coalesce(new.novel_id, new.{novel}) and c.removed_at is null);"
    yield "end if;"
    yield from lines


def _of_text(word_count: str | None, server: int) -> Iterator[str]:
    text = f"regexp_replace(new.content, {_MARKUP}, ' ', 'g')"
    counted = (
        f"regexp_count({text}, {_WORDS})"
        if server >= 150_000
        else f"(select count(*) from regexp_matches({text}, {_WORDS}, 'g'))"
    )
    words = [f"  new.{word_count} := {counted};"] if word_count else []
    hashed = "new.content_hash := sha256(convert_to(new.content, 'UTF8'));"
    yield "if tg_op = 'INSERT' and new.content <> '' then"
    yield "  if new.content_hash = sha256('') then"
    yield f"    {hashed}"
    yield "  end if;"
    yield from words
    yield "elsif tg_op = 'UPDATE' and new.content is distinct from old.content then"
    yield "  if new.content_hash = old.content_hash then"
    yield f"    {hashed}"
    yield "  end if;"
    yield from words
    yield "end if;"


def _function(name: str, lines: Sequence[str], returned: str = "new") -> str:
    body = "\n".join(f"  {line}" for line in [*lines, f"return {returned};"])
    return (
        f"create or replace function novelsync.{name}() returns trigger\n"
        f"language plpgsql security invoker set search_path = '' as $$\nbegin\n{body}\nend\n$$"
    )


def _trigger(name: str, event: str, table: str, function: str, schema: str = "public", when: str = "before") -> str:
    return (
        f"create trigger {name} {when} {event} on {schema}.{table} for each row execute function novelsync.{function}()"
    )
