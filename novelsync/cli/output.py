"""Everything that is printed for a person. Decides nothing, and escapes whatever comes from files."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any

import msgspec
from rich import markup
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from novelsync.adoption.proposal import Proposal
from novelsync.cli.validate import FileVerdict
from novelsync.cli.verification import Verification
from novelsync.errors import NovelSyncError
from novelsync.models.report import ChapterDiff, NovelDiff, Report, ReportedProblem, timestamp
from novelsync.models.results import Outcome
from novelsync.models.status import Status, StatusProblem, Verdict
from novelsync.models.stored import Removed
from novelsync.planning.diff import ADDED, CHANGED
from novelsync.text.formatting import counted, printable, quoted
from novelsync.text.hints import as_command_line, said
from novelsync.verdict import nothing_in

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

_OUTCOMES = {
    "ok": "[green]✓[/] everything in storage is in the tables",
    "partial": "[yellow]![/] done, but not everything in storage is in the tables",
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


def progress_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    """Gives a function that is called with the novels done and the novels in all; shown on a terminal only."""
    if not err.is_terminal:
        return nullcontext(lambda done, total: None)
    return _TerminalBar()


class _TerminalBar:
    def __enter__(self) -> Callable[[int, int], None]:
        columns = (TextColumn("novels"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=err, transient=True)
        task = self._progress.add_task("novels", total=None)
        self._progress.start()
        return lambda done, total: self._progress.update(task, completed=done, total=total)

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()


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


def print_report(report: Report, storage: str) -> None:
    """``report``: of a run that neither failed nor was skipped. ``storage``: where it looked."""
    rows = {"novels": msgspec.structs.asdict(report.novels), "chapters": msgspec.structs.asdict(report.chapters)}
    out.print(_counts(rows))
    _print_problems(report.problems, report.problems_total)
    if in_flight := report.novels.in_flight:
        out.print(f"being written just now, will be read next time: {counted(in_flight, 'novel')}")
    outcome = "a dry run: nothing was written" if report.dry_run else _OUTCOMES[report.outcome]
    if report.outcome is Outcome.OK and (blank := report.novels.without_text) and not report.dry_run:
        outcome = f"[yellow]![/] done, but readers see no text at all of {counted(blank, 'novel')}"
    if report.interrupted:
        left = counted(report.novels.deferred, "novel")
        outcome = f"[yellow]![/] interrupted; {left} not in yet, the next run goes on there"
    elif not report.novels_processed:
        outcome = f"[yellow]![/] {escape(nothing_in(storage))}"
    out.print(
        f"{outcome}: {counted(report.novels_processed, 'novel')},"
        f" {report.bytes_read / 1e6:.1f} MB read, {report.duration:.2f} s"
    )


def _counts(rows: Mapping[str, Mapping[str, int]]) -> Table:
    """One column per word that has a number in any row."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    words = [word for word in dict.fromkeys(word for row in rows.values() for word in row) if _any(rows, word)]
    table.add_column("")
    for word in words:
        table.add_column(word.replace("_", " "), justify="right")
    for name, row in rows.items():
        if not any(row.values()):
            continue
        table.add_row(name, *(f"{row[word]:,}" if row.get(word) else "" for word in words))
    return table


def _any(rows: Mapping[str, Mapping[str, int]], word: str) -> bool:
    return any(row.get(word) for row in rows.values())


def _print_problems(problems: Sequence[ReportedProblem | StatusProblem], total: int) -> None:
    for problem in problems:
        colour = "yellow" if problem.kind in ("held", "warning") else "red"
        slug = f" {escape(problem.slug)}" if problem.slug else ""
        out.print(f"[{colour}]{problem.kind}[/]{slug}: {escape(problem.message)}")
        if problem.hint:
            out.print(f"    [dim]{escape(as_command_line(problem.hint))}[/]")
    if total > len(problems):
        out.print(f"and {counted(total - len(problems), 'more problem')}")


def print_verification(found: Verification) -> None:
    """What comparing storage and tables found, printed after the differences themselves."""
    _print_problems(found.problems, found.problems_total)
    words = {
        "different": len(found.differences),
        "held": found.held.novels,
        "missing from storage": found.missing,
        "refused": found.refused,
        "not compared": found.not_compared,
    }
    said = ", ".join(f"{count:,} {word}" for word, count in words.items() if count)
    mark = "[green]✓[/] equal" if found.equal else f"[yellow]![/] novels that are not equal: {said}"
    novels, chapters = counted(found.novels, "novel"), counted(found.chapters, "chapter")
    out.print(
        f"{mark}; compared text by text: {novels}, {chapters}, {found.bytes_read / 1e6:.1f} MB, {found.duration:.2f} s"
    )


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


def print_status(status: Status) -> None:
    colour = "green" if status.verdict is Verdict.OK else "yellow"
    out.print(f"[{colour}]{status.verdict}[/]" + "".join(f"\n    {escape(reason)}" for reason in status.reasons))
    in_storage = "? novels" if status.novels_in_storage is None else counted(status.novels_in_storage, "novel")
    out.print(f"storage   {escape(status.storage_path)}: {in_storage}")
    novels, chapters = counted(status.novels_in_database, "novel"), counted(status.chapters_in_database, "chapter")
    out.print(f"database  {escape(status.database)}: {novels}, {chapters}, {status.database_bytes / 1e6:,.0f} MB")
    if pending := status.pending:
        counts = msgspec.structs.asdict(pending)
        words = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
        out.print(f"pending   {words or 'nothing'}")
    if run := status.running:
        waiting = f", waiting for {counted(run.open_messages, 'novel')}" if run.open_messages else ""
        out.print(f"running   {escape(run.holder)}, since {timestamp(run.since)}{waiting}")
    if schedule := status.scheduler:
        next_ = f", next at {timestamp(schedule.next_job)}" if schedule.next_job else ""
        out.print(f"schedule  {f'runs every hour{next_}' if schedule.is_running else 'stopped'}")
    if last := status.last_run:
        out.print(f"last run  {last.outcome}, {timestamp(last.end_time)}, {last.duration:.2f} s ({last.trigger})")
    _print_problems(status.problems, status.problems_total)
