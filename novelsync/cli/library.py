"""Novels, one novel, runs and changes, printed for a person."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len

from novelsync.cli.output import escape, out
from novelsync.models.desk.novels import ChapterRow, NovelChange, NovelDetail, NovelRow
from novelsync.models.desk.runs import RunSummary
from novelsync.models.report import timestamp
from novelsync.text.formatting import counted, quoted, shortened
from novelsync.text.hints import as_command_line

NAMED: Final = 10
"""Chapters without a text that are named, and changes that are told, unless all are asked for."""

_COLOURS: Final = {"refused": "red", "failed": "red", "ok": "green"}
_WIDEST: Final = 40
_DESCRIPTION: Final = 300


def print_novels(rows: Sequence[NovelRow]) -> None:
    """A page of novels, one a line: slug, chapters, when something changed, what is wrong, title and author."""
    width = min(max((cell_len(row.slug) for row in rows), default=0), _WIDEST)
    for row in rows:
        marks = [*row.problems, *(["missing"] if row.missing_since else []), *(["removed"] if row.removed_at else [])]
        said = "".join(f" [{_COLOURS.get(mark, 'yellow')}]{mark}[/]" for mark in dict.fromkeys(marks))
        by = f" — {escape(row.author)}" if row.author else ""
        title = "[dim]not stored[/]" if row.title is None else f"{escape(shortened(row.title))}[dim]{by}[/]"
        chapters = "–" if row.chapters is None else f"{row.chapters:,}"
        changed = row.updated_at.strftime("%Y-%m-%d") if row.updated_at else "–"
        out.print(f"{escape(_padded(row.slug, width))}  {chapters:>7}  {changed:<10} {said}{' ' * bool(said)} {title}")


def print_more(shown: int, total: int, command: str) -> None:
    """The last line of a list that was cut; nothing if it was not."""
    if total > shown:
        out.print(f"[dim]{shown:,} of {counted(total, 'novel')}; {as_command_line(f'`{command}`')} lists all[/]")


def print_novel(novel: NovelDetail, without_text: Sequence[ChapterRow], every: Sequence[ChapterRow] | None) -> None:
    """
    All that is known of one novel.

    ``without_text``: of its published chapters. ``every``: all of those; None: they are not to be listed.
    """
    _print_fields(novel)
    if novel.missing_since:
        out.print(f"[yellow]missing[/] from the storage since {timestamp(novel.missing_since)}")
    if novel.removed_at:
        out.print(f"[yellow]removed[/] {timestamp(novel.removed_at)}: readers do not see it")
    for problem in novel.problems:
        colour = _COLOURS.get(problem.kind, "yellow")
        out.print(f"[{colour}]{problem.kind}[/] since {timestamp(problem.since)}: {escape(problem.message)}")
        if problem.hint:
            out.print(f"    [dim]{escape(as_command_line(problem.hint))}[/]")
    if every is not None:
        for chapter in every:
            text = f"{chapter.bytes:,} bytes" if chapter.bytes else "[yellow]no text[/]"
            out.print(f"{chapter.position:>6}  {text:>14}  {escape(_named(chapter))}  [dim]id {escape(chapter.id)}[/]")
    elif without_text:
        named = ", ".join(f"{chapter.position} {quoted(chapter.title)}" for chapter in without_text[:NAMED])
        more = f" and {len(without_text) - NAMED:,} more" if len(without_text) > NAMED else ""
        out.print(f"without text: {escape(named)}{more}")
    if novel.changes:
        out.print("changes")
        print_history(novel.changes if every is not None else novel.changes[:NAMED])


def _print_fields(novel: NovelDetail) -> None:
    fields = novel.fields
    if fields is None:
        out.print(f"[bold]{escape(novel.slug)}[/]: nothing is stored; first seen {timestamp(novel.first_seen)}")
        return
    out.print(f"[bold]{escape(shortened(fields.title, 300))}[/]")
    values = {
        "slug": novel.slug,
        "id": fields.id,
        "author": fields.author,
        "status": fields.status,
        "cover": fields.cover_url,
        "about": shortened(" ".join((fields.description or "").split()), _DESCRIPTION),
        "chapters": f"{novel.chapters_total:,}: {novel.chapters_with_text:,} with text,"
        f" {novel.chapters_total - novel.chapters_with_text:,} without; {novel.removed_chapters:,} removed",
        "seen": f"first {timestamp(novel.first_seen)}, changed {timestamp(fields.updated_at)}",
    }
    for name, value in values.items():
        if value:
            out.print(f"{name:<9} {escape(value)}")


def _named(chapter: ChapterRow) -> str:
    number = "" if chapter.number is None else f"{chapter.number}: "
    volume = f" ({chapter.volume})" if chapter.volume else ""
    return f"{number}{quoted(chapter.title)}{volume}"


def print_history(changes: Iterable[NovelChange]) -> None:
    """What became of one novel, one line for each time."""
    for change in changes:
        counts = {"added": change.added, "changed": change.changed, "removed": change.removed}
        said = [f"{number:,} {word}" for word, number in (counts | {"restored": change.restored}).items() if number]
        chapters = [f"chapters {', '.join(said)}"] if said else []
        novel = [f"novel: {', '.join(change.novel)}"] if change.novel else []
        titles = f" ({', '.join(map(quoted, change.titles))}{', …' * _more(change)})" if change.titles else ""
        by = "" if change.run_id else " [dim](outside of runs)[/]"
        out.print(f"    {timestamp(change.at)}  {escape('; '.join([*chapters, *novel]))}{escape(titles)}{by}")


def _more(change: NovelChange) -> bool:
    return change.added + change.changed + change.removed + change.restored > len(change.titles)


def print_runs(runs: Iterable[RunSummary]) -> None:
    """Finished runs, one a line."""
    for run in runs:
        colour = _COLOURS.get(run.outcome, "yellow")
        numbers = {"new": run.created, "updated": run.updated, "removed": run.removed}
        counts = ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)
        took = "killed" if run.duration is None else f"{run.duration:,.1f} s"
        novels = "" if run.novels_processed is None else counted(run.novels_processed, "novel")
        out.print(
            f"{timestamp(run.end_time)}  [{colour}]{run.outcome:<7}[/]  {took:>9}  {run.trigger:<9}  {novels}"
            f"{': ' * bool(novels)}{counts or ('nothing changed' if novels else '')}"
        )


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))
