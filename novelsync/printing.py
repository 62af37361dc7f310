"""What a person reads on a terminal. Decides nothing, and escapes whatever comes from files."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from novelsync.errors import NovelSyncError
from novelsync.validation import Verdict

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

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
    """What happened and what to do about it, on stderr."""
    err.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.hint:
        err.print(f"[bold]hint:[/]  {escape(error.hint)}")


def print_direction(storage: str, database: str) -> None:
    """Every command's first line, so that a forgotten .env is seen at once."""
    err.print(f"[dim]{escape(storage)} → {escape(database)}[/]")


def print_verdict(verdict: Verdict) -> None:
    """One file that was validated."""
    mark = "[red]refused[/]" if verdict.refused else "[yellow]warning[/]" if verdict.warnings else "[green]ok[/]"
    without_text = f", {verdict.without_text:,} without text yet" if verdict.without_text else ""
    out.print(
        f"{mark} {escape(verdict.path)}"
        + ("" if verdict.refused else f" ({verdict.chapters:,} chapters{without_text})")
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


def progress_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    """Something to be called with what is done and what there is to do; shown on a terminal only."""
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


def print_json(document: Mapping[str, Any]) -> None:
    """The one document that ``--json`` promises."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def print_report(report: Mapping[str, Any]) -> None:
    """A REPORT of a run that ended by itself."""
    out.print(_counts({"novels": report["novels"], "chapters": report["chapters"]}))
    _print_problems(report)
    if in_flight := report["novels"]["in_flight"]:
        out.print(f"{in_flight} novels are being written just now and are read next time")
    out.print(
        f"{_OUTCOMES[report['outcome']]}: {report['novels_processed']} novels,"
        f" {report['bytes_read'] / 1e6:.1f} MB read, {report['duration']:.2f} s"
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


def _print_problems(answer: Mapping[str, Any]) -> None:
    for problem in answer["problems"]:
        colour = "yellow" if problem["kind"] in ("held", "warning") else "red"
        slug = f" {escape(problem['slug'])}" if problem["slug"] else ""
        out.print(f"[{colour}]{problem['kind']}[/]{slug}: {escape(problem['message'])}")
        if problem["hint"]:
            out.print(f"    [dim]{escape(problem['hint'])}[/]")
    hidden = answer["problems_total"] - len(answer["problems"])
    if hidden > 0:
        out.print(f"and {hidden} more problems")


def print_status(answer: Mapping[str, Any]) -> None:
    """A STATUS."""
    colour = "green" if answer["verdict"] == "ok" else "yellow"
    out.print(f"[{colour}]{answer['verdict']}[/]" + "".join(f"\n    {escape(reason)}" for reason in answer["reasons"]))
    in_storage = "?" if answer["novels_in_storage"] is None else f"{answer['novels_in_storage']:,}"
    out.print(f"storage   {escape(answer['storage_path'])}: {in_storage} novels")
    out.print(
        f"database  {escape(answer['database'])}: {answer['novels_in_database']:,} novels,"
        f" {answer['chapters_in_database']:,} chapters, {answer['database_bytes'] / 1e6:,.0f} MB"
    )
    if pending := answer["pending"]:
        words = ", ".join(f"{count:,} {word}" for word, count in pending.items() if count)
        out.print(f"pending   {words or 'nothing'}")
    if running := answer["running"]:
        out.print(f"running   {escape(running['holder'])}, since {running['since']}")
    if run := answer["last_run"]:
        out.print(f"last run  {run['outcome']}, {run['end_time']}, {run['duration']:.2f} s ({run['trigger']})")
    _print_problems(answer)
