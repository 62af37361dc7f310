"""Everything that is printed for a person. Decides nothing, and escapes whatever comes from files."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
from rich import markup
from rich.console import Console

from novelsync.adoption.proposal import Proposal
from novelsync.cli.validate import FileVerdict, Validation
from novelsync.convert.registry import Conversion, Result
from novelsync.errors import NovelSyncError
from novelsync.models.report import ChapterDiff, NovelDiff
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.stored import Reference, Removed
from novelsync.planning.diff import ADDED, CHANGED
from novelsync.text.formatting import counted, printable, quoted, size
from novelsync.text.hints import as_command_line, said

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
notes = Console(stderr=True, highlight=False, soft_wrap=True)
"""For what is good to know and no trouble: ``--quiet`` silences it."""


def escape(text: str) -> str:
    """For text from files, folders and databases: it becomes neither markup nor a terminal's control sequence."""
    return markup.escape(printable(text))


READERS = {
    "anon": "everybody who has the site's key (anon, authenticated)",
    "authenticated": "users who are logged in (authenticated)",
    "none": "nobody yet; write your own policies",
}


def explain(error: NovelSyncError) -> None:
    """Prints what happened and what to do about it, on stderr."""
    err.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.hint:
        err.print(f"[bold]hint:[/]  {escape(as_command_line(error.hint))}")


def print_direction(storage: str, database: str) -> None:
    """The first line of a command, on stderr, so that a forgotten ``.env`` is noticed at once."""
    notes.print(f"[dim]{escape(storage)} → {escape(database)}[/]")


def print_database(name: str) -> None:
    """The first line of a command that only looks at the database."""
    notes.print(f"[dim]{escape(name)}[/]")


def print_finding(part: str, said: str, hint: str, *, works: bool) -> None:
    """One part that was looked at."""
    mark = "[red]✗[/]" if not works else "[yellow]![/]" if hint else "[green]✓[/]"
    out.print(f"{mark} {part:<9}  {escape(as_command_line(said))}")
    if hint:
        out.print(f"             [dim]{escape(as_command_line(hint))}[/]")


def print_verdict(verdict: FileVerdict) -> None:
    """One file that was validated."""
    mark = "[red]refused[/]" if verdict.refused else "[yellow]warning[/]" if verdict.warnings else "[green]ok[/]"
    without_text = f", {verdict.without_text:,} without text yet" if verdict.without_text else ""
    out.print(
        f"{mark} {escape(verdict.path)}"
        + ("" if verdict.refused else f" ({counted(verdict.chapters, 'chapter')}{without_text})")
    )
    for line in (*verdict.refused, *verdict.warnings):
        out.print(f"    {escape(line)}")
    for line in verdict.doubts:
        out.print(f"    [yellow]doubtful:[/] {escape(line)}")
    if verdict.hint:
        out.print(f"    [dim]{escape(verdict.hint)}[/]")


_CONVERTED = {Result.NEW: "green", Result.CHANGED: "cyan", Result.UNCHANGED: "dim"}


def print_conversion(conversion: Conversion) -> None:
    """One novel that was converted, or why it was not."""
    counts, source = conversion.counts, escape(str(conversion.source))
    if conversion.refusal:
        out.print(f"[red]refused[/] {source}: {escape(conversion.refusal.message)}")
        out.print(f"    [dim]{escape(as_command_line(conversion.refusal.hint))}[/]")
    elif conversion.result in _CONVERTED:
        without_text = f", {counts.without_text:,} without text yet" if counts.without_text else ""
        written = f", {counted(counts.written, 'text')} written" if counts.written else ""
        mark = f"[{_CONVERTED[conversion.result]}]{conversion.result}[/]"
        chapters = f"{counted(counts.chapters, 'chapter')}{without_text}{written}"
        out.print(f"{mark} {escape(conversion.slug)} ({chapters}), {conversion.format} {source}")
    for remark in _remarks(conversion):
        out.print(f"    [yellow]![/] {escape(remark)}")


def _remarks(conversion: Conversion) -> Iterator[str]:
    counts = conversion.counts
    yield from conversion.remarks
    if counts.kept:
        kept, first = counted(len(counts.kept), "text"), quoted(counts.kept[0])
        yield f"the source no longer has {kept}, the first that of {first}; what was converted earlier stays"
    if counts.gone:
        yield f"the source no longer has {counted(counts.gone, 'chapter')}; the files of their texts stay in chapters"
    if counts.problems:
        yield f"could not be read: {counted(len(counts.problems), 'text')}, the first: {counts.problems[0]}"


def print_conversions(conversions: Sequence[Conversion]) -> None:
    """The last lines of a command that converted."""
    if ignored := [each.source for each in conversions if each.result is Result.IGNORED]:
        named = ", ".join(escape(str(path)) for path in ignored[:3]) + (", …" if len(ignored) > 3 else "")
        out.print(f"[yellow]![/] in none of the formats, and left out: {len(ignored):,} ({named})")
    numbers = [(result, sum(each.result is result for each in conversions)) for result in (*_CONVERTED, Result.REFUSED)]
    said = ", ".join(f"{number:,} {result}" for result, number in numbers if number)
    out.print(f"{counted(sum(number for _, number in numbers), 'novel')}: {said}")


def print_validation(summary: Validation) -> None:
    """The last line, after the verdicts on the files that have something wrong."""
    mark = "[red]✗[/]" if summary.refused else "[yellow]![/]" if summary.findings else "[green]✓[/]"
    out.print(
        f"{mark} {counted(summary.files, 'file')}, {summary.refused:,} would be refused,"
        f" {summary.fixed:,} would be fixed, {summary.doubtful:,} doubtful"
    )


def print_migrated(database: str, applied: list[str], readers: str, *, search: bool) -> None:
    """What a migration did."""
    if applied:
        out.print(f"{escape(database)}: applied {', '.join(applied)}")
        out.print(f"readers of new tables: {READERS[readers]}")
    else:
        out.print(f"{escape(database)}: up to date")
    if search:
        out.print("search: whoever may read the novels may call search_novels")


def print_adopted(proposal: Proposal, remarks: Sequence[str], *, dry_run: bool) -> None:
    """What taking over tables does, or would do. ``remarks``: besides the proposal's own."""
    for statement in proposal.alterations.shown if proposal.alterations else ():
        out.print("\n".join(f"[dim]{escape(line)}[/]" for line in f"{statement};".splitlines()))
    for remark in [*(proposal.alterations.remarks if proposal.alterations else ()), *remarks]:
        out.print(f"[yellow]![/] {escape(remark)}")
    for write in proposal.writes:
        row = proposal.pairs[write.slug]
        missing = [*write.chapters.removed, *write.chapters.held]
        stay = write.chapter_count - len(write.chapters.created) - len(write.chapters.held)
        said = f"{counted(stay, 'chapter')} matched, {len(write.chapters.created):,} new"
        said += f"; its slug was {row.slug}" if row.slug and row.slug != write.slug else ""
        out.print(f"[green]=[/] {escape(write.slug)} is row {escape(row.id)}: {escape(said)}")
        for chapter in missing:
            out.print(f"    [yellow]?[/] {_row(chapter.id, chapter.title)}: the file does not have it")
    for row, why in proposal.unpaired_rows:
        out.print(f"[yellow]?[/] {_row(row.id, row.fields.title)}: {why}; it stays as it is")
    for slug, why in proposal.unpaired_folders:
        out.print(f"[yellow]?[/] folder {escape(slug)}: {escape(why)}")
    done = "a dry run: nothing was changed" if dry_run else "[green]✓[/] taken over; the next sync brings in the rest"
    out.print(
        f"{done}: {counted(len(proposal.pairs), 'novel')} paired, {counted(len(proposal.unpaired_rows), 'row')} and"
        f" {counted(len(proposal.unpaired_folders), 'folder')} not"
    )


def _row(id_: str, title: str) -> str:
    return escape(f"row {id_} {quoted(title)}")


def print_json(document: Any) -> None:
    """The one document that ``--json`` promises."""
    print(json.dumps(said(msgspec.to_builtins(document), as_command_line), ensure_ascii=False, indent=2))


SHOWN_CHANGES = 10
"""Lines of a run of changed chapters; the others are counted."""

_MARKS = {"+": "green", "~": "cyan", ">": "blue", "-": "red", "!": "yellow"}


def print_changes(changes: Sequence[NovelDiff]) -> None:
    """What a dry run would do, as a diff."""
    for change in changes:
        chapters = f", {counted(change.chapter_count, 'chapter')}" if change.mark == ADDED else ""
        said = f": {escape(change.said)}" if change.said else ""
        out.print(f"[{_MARKS[change.mark]}]{change.mark}[/] {escape(change.slug)}{chapters}{said}")
        for mark, lines in groupby(change.chapters, key=lambda line: line.mark):
            _print_lines(mark, list(lines))


def _print_lines(mark: str, lines: Sequence[ChapterDiff]) -> None:
    """``lines``: chapters in a row to which the same happens."""
    sign = f"    [{_MARKS[mark]}]{mark}[/]"
    if mark != CHANGED and len(lines) > 1:
        out.print(f"{sign} {_chapter(lines[0])} … {_chapter(lines[-1])}, {counted(len(lines), 'chapter')}")
        return
    for line in lines[:SHOWN_CHANGES]:
        out.print(f"{sign} {_chapter(line)}" + (f": {escape(line.said)}" if line.said else ""))
    if len(lines) > SHOWN_CHANGES:
        out.print(f"{sign} … and {len(lines) - SHOWN_CHANGES:,} more; --json has them all")


def _chapter(line: ChapterDiff) -> str:
    position = "" if line.position is None else f"{line.position} "
    return escape(f"{position}{quoted(line.title)}")


def print_removed(removed: Removed, *, blank: bool) -> None:
    """What purging would delete or empty, what of it readers see, and which rows of the site reference it."""
    if not removed.novels and not removed.chapters:
        out.print(f"there are no removed rows {'with anything left to empty' if blank else 'to delete'}")
        return
    novels, chapters = counted(removed.novels, "novel"), counted(removed.chapters, "chapter")
    what = "to empty" if blank else "to delete" if removed.published else "removed"
    out.print(f"{what}: {novels}, {chapters}, {size(removed.bytes)} of text")
    for chapter in removed.published:
        named = f"{chapter.id} {quoted(chapter.title)} of {chapter.slug}"
        out.print(f"[yellow]![/] readers see chapter {escape(named)}")
    if removed.published:
        out.print(
            "    If the file still has it, it comes back as a new chapter the next time that the file changes, or with"
            " --reread: take it out of the file first"
        )
    for reference in removed.references:
        rows = "some referencing rows" if reference.rows is None else named_rows(reference)
        then = "they stay, and point at what is empty then" if blank else reference.then
        out.print(f"    {escape(f'{reference.table}.{reference.columns}: {rows}; {then}')}")


def named_rows(reference: Reference) -> str:
    """How many rows of the site reference what is purged, and the first of them."""
    rows = counted(reference.rows or 0, "referencing row")
    if not reference.first:
        return rows
    between = "; " if "," in reference.keys else ", "
    first = [*reference.first, *(["…"] if (reference.rows or 0) > len(reference.first) else [])]
    return f"{rows} ({reference.keys}: {between.join(first)})"


_SYNCED: Final = {
    NovelStatus.CREATED: "green",
    NovelStatus.UPDATED: "cyan",
    NovelStatus.RENAMED: "blue",
    NovelStatus.RESTORED: "green",
    NovelStatus.REFUSED: "red",
    NovelStatus.UNAVAILABLE: "yellow",
}


def print_synced(result: NovelResult) -> None:
    """One novel that was synced by itself; nothing if nothing came of it."""
    colour = _SYNCED.get(result.status)
    if colour is None and not result.chapters.held:
        return
    names = ("created", "updated", "moved", "removed", "restored", "held", "without_text")
    counts = [f"{n:,} {name.replace('_', ' ')}" for name in names if (n := getattr(result.chapters, name))]
    said = f": chapters {', '.join(counts)}" if counts else ""
    out.print(f"[{colour or 'yellow'}]{result.status}[/] {escape(result.slug)}{said}")
    for problem in (result.problem, result.remark):
        if problem:
            out.print(f"    {escape(problem.message)}")
            if problem.hint:
                out.print(f"    [dim]{escape(as_command_line(problem.hint))}[/]")
