"""Everything that is printed for a person. Decides nothing, and escapes whatever comes from files."""

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from rich import markup
from rich.console import Console

from novelsync.adoption.proposal import Proposal
from novelsync.cli.validate import FileVerdict, Validation
from novelsync.errors import NovelSyncError
from novelsync.models.report import ChapterDiff, NovelDiff
from novelsync.models.stored import Removed
from novelsync.planning.diff import ADDED, CHANGED
from novelsync.text.formatting import counted, printable, quoted
from novelsync.text.hints import as_command_line, said

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


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
    err.print(f"[dim]{escape(storage)} → {escape(database)}[/]")


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


def print_validation(summary: Validation) -> None:
    """The last line, after the verdicts on the files that have something wrong."""
    mark = "[red]✗[/]" if summary.refused else "[yellow]![/]" if summary.findings else "[green]✓[/]"
    out.print(
        f"{mark} {counted(summary.files, 'file')}, {summary.refused:,} would be refused,"
        f" {summary.fixed:,} would be fixed, {summary.doubtful:,} doubtful"
    )


def print_migrated(database: str, applied: list[str], readers: str) -> None:
    """What a migration did."""
    if not applied:
        out.print(f"{escape(database)}: up to date")
        return
    out.print(f"{escape(database)}: applied {', '.join(applied)}")
    out.print(f"readers of new tables: {READERS[readers]}")


def print_adopted(proposal: Proposal, *, dry_run: bool) -> None:
    """What taking over tables does, or would do."""
    for statement in proposal.existing.alterations if proposal.existing else ():
        out.print(f"[dim]{escape(statement)};[/]")
    for remark in proposal.existing.remarks if proposal.existing else ():
        out.print(f"[yellow]![/] {escape(remark)}")
    for write in proposal.writes:
        row = proposal.pairs[write.slug]
        missing = [*write.chapters.removed, *write.chapters.held]
        stay = write.chapter_count - len(write.chapters.created) - len(write.chapters.held)
        said = f"{counted(stay, 'chapter')} matched, {len(write.chapters.created):,} new"
        out.print(f"[green]=[/] {escape(write.slug)} is row {escape(row.id)}: {said}")
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


def print_removed(removed: Removed) -> None:
    """What purging would delete, and which rows of the site reference it."""
    if not removed.novels and not removed.chapters:
        out.print("there are no removed rows to delete")
        return
    novels, chapters = counted(removed.novels, "novel"), counted(removed.chapters, "chapter")
    out.print(f"removed: {novels}, {chapters}, {removed.bytes / 1e6:,.1f} MB of text")
    for reference in removed.references:
        rows = "some referencing rows" if reference.rows is None else counted(reference.rows, "referencing row")
        out.print(f"    {escape(reference.table)}.{escape(reference.columns)}: {rows}; {reference.then}")
