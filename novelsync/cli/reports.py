"""Reports and the status, printed for a person: short however much is wrong, and never wider than its words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from novelsync.cli.output import escape, out
from novelsync.cli.verification import Verification
from novelsync.models.desk.problems import ListedProblem
from novelsync.models.report import MissingNovel, NovelCounts, Report, ReportedProblem, timestamp
from novelsync.models.status import Comparing, Status, StatusProblem, Verdict
from novelsync.text.formatting import counted, size
from novelsync.text.grouping import Group, grouped
from novelsync.text.hints import as_command_line
from novelsync.verdict import nothing_in

SHOWN_GROUPS: Final = 10
"""Of each kind of problem."""

_OUTCOMES: Final = {
    "ok": "[green]✓[/] everything in storage is in the tables",
    "partial": "[yellow]![/] done, but something waits for a person or for the next run",
}
_COLOURS: Final = {"held": "yellow", "differs": "yellow", "warning": "yellow", "missing": "yellow"}


def print_report(report: Report, storage: str) -> None:
    """``report``: of a run that neither failed nor was skipped. ``storage``: where it looked."""
    _print_counts(report)
    print_problems(report.problems, report.problems_total)
    print_missing(report.missing, report.novels.missing)
    if in_flight := report.novels.in_flight:
        out.print(f"being written just now, will be read next time: {counted(in_flight, 'novel')}")
    out.print(
        f"{_outcome(report, storage)}: {counted(report.novels_processed, 'novel')},"
        f" {size(report.bytes_read)} read, {report.duration:.2f} s"
    )


def _outcome(report: Report, storage: str) -> str:
    if report.interrupted:
        left = counted(report.novels.deferred, "novel")
        return f"[yellow]![/] interrupted; {left} not in yet, the next run goes on there"
    if report.nothing_held:
        return "[yellow]![/] done, but nothing was held where something was to be accepted or kept"
    if not report.novels_processed:
        return f"[yellow]![/] {escape(nothing_in(storage))}"
    if report.dry_run:
        return "a dry run: nothing was written"
    if report.success and (blank := report.novels.without_text):
        return f"[yellow]![/] done, but readers see no text at all of {counted(blank, 'novel')}"
    if report.success and (differing := report.novels.differing):
        return f"[yellow]![/] done, but rows of {counted(differing, 'novel')} are not what the files have"
    if report.success:
        return _OUTCOMES["ok"] + _but(report.novels)
    return _OUTCOMES[report.outcome]


def _but(novels: NovelCounts) -> str:
    """How storage and tables differ although all is well, because that will pass; empty if they are equal."""
    parts = []
    if novels.in_flight:
        parts.append(f"{counted(novels.in_flight, 'novel')} {_are(novels.in_flight)} being written")
    if novels.missing:
        are = _are(novels.missing)
        parts.append(f"{counted(novels.missing, 'novel')} that {are} no longer in storage {are} still shown")
    return f", but {', and '.join(parts)}" if parts else ""


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _print_counts(report: Report) -> None:
    """Each novel of the storage is counted once; what is no longer there stands apart."""
    novels = report.novels
    all_stay = any(novel.goes is None for novel in report.missing)
    fates = _words(novels.by_fate())
    held = novels.held - all_stay * novels.missing
    besides = _words({"held": held, "without text": novels.without_text, "differing": novels.differing})
    taken_down = _taken_down(novels.taken_down, report.chapters.taken_down)
    out.print(
        f"novels    {report.novels_processed:,} in storage"
        + (f": {fates}" if fates else "")
        + (f"; of these, {besides}" if besides else "")
    )
    if gone := novels.removed + novels.missing:
        apart = _words({"removed": novels.removed, "missing": novels.missing})
        out.print(f"          {gone:,} no longer in storage: {apart}")
    if chapters := _words(msgspec.structs.asdict(report.chapters) | {"taken_down": 0}):
        out.print(f"chapters  {chapters}")
    if taken_down:
        out.print(f"taken down  {taken_down}")


def _taken_down(novels: int, chapters: int) -> str:
    """Empty: nothing is."""
    return f"{counted(novels, 'novel')}, {counted(chapters, 'chapter')} of files" if chapters or novels else ""


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in counts.items() if count)


def print_problems(problems: Sequence[ReportedProblem | StatusProblem], total: int) -> None:
    """Those that are alike together. ``total``: how many there are, with those that are not listed."""
    shown: dict[str, int] = {}
    told = 0
    for group in grouped(problems):
        shown[group.first.kind] = shown.get(group.first.kind, 0) + 1
        if shown[group.first.kind] <= SHOWN_GROUPS:
            _print_group(group)
            told += group.count
    if total > told:
        out.print(
            f"and {counted(total - told, 'more problem')}: {as_command_line('`novelsync status --all`')} lists all"
        )


def _print_group(group: Group[ReportedProblem | StatusProblem]) -> None:
    whom = counted(group.count, "novel") if group.count > 1 else group.first.slug or ""
    _print_problem(group.first.kind, whom, group.message, group.first.hint)


def print_listed(problems: Iterable[ListedProblem]) -> None:
    """Every one for itself."""
    for problem in problems:
        _print_problem(problem.kind, problem.slug or "", problem.message, problem.hint)


def _print_problem(kind: str, whom: str, message: str, hint: str) -> None:
    about = f" {escape(whom)}" if whom else ""
    out.print(f"[{_COLOURS.get(kind, 'red')}]{kind}[/]{about}: {escape(message)}")
    if hint:
        out.print(f"    [dim]{escape(as_command_line(hint))}[/]")


def print_missing(novels: Sequence[MissingNovel], total: int) -> None:
    """Novels that readers see and the storage no longer has. ``total``: with those that are not named."""
    if total:
        out.print(f"missing   {counted(total, 'novel')} that readers see and the storage no longer has")
    for novel in novels:
        goes = "stays: its removal is held"
        if novel.goes:
            goes = f"the first run after {timestamp(novel.goes)} hides it from readers"
        out.print(f"    {escape(novel.slug)}, since {timestamp(novel.since)}; {goes}")
    if total > len(novels):
        out.print(f"    and {total - len(novels):,} more: {as_command_line('`novelsync status --all`')} names all")


def print_verification(found: Verification) -> None:
    """What comparing storage and tables found, printed after the differences themselves."""
    print_problems(found.problems, found.problems_total)
    words = {
        "different": len(found.differences),
        "held": found.held.novels,
        "missing from storage": found.missing,
        "refused": found.refused,
        "not compared": found.not_compared,
    }
    mark = "[green]✓[/] equal" if found.equal else f"[yellow]![/] novels that are not equal: {_words(words)}"
    if taken_down := _taken_down(found.taken_down.novels, found.taken_down.chapters):
        out.print(f"taken down, and no difference: {taken_down}")
    novels, chapters = counted(found.novels, "novel"), counted(found.chapters, "chapter")
    out.print(f"{mark}; compared text by text: {novels}, {chapters}, {size(found.bytes_read)}, {found.duration:.2f} s")


def print_verdict_of(status: Status) -> None:
    """Whether all is well and, if not, every reason."""
    colour = "green" if status.verdict is Verdict.OK else "yellow"
    out.print(f"[{colour}]{status.verdict}[/]" + "".join(f"\n    {escape(reason)}" for reason in status.reasons))


def _compared(at: Comparing, novels: int | None) -> str:
    """When every novel was last compared with its file, and how far that is now."""
    of = "" if novels is None else f" of {novels:,}"
    now = f"{at.novels:,}{of} novels with their files since {timestamp(at.round_began)}"
    return f"every novel with its file since {timestamp(at.whole_since)}; again {now}" if at.whole_since else now


def print_status(status: Status) -> None:
    """All but the problems and the missing novels."""
    print_verdict_of(status)
    in_storage = "? novels" if status.novels_in_storage is None else counted(status.novels_in_storage, "novel")
    out.print(f"storage   {escape(status.storage_path)}: {in_storage}")
    novels, chapters = counted(status.novels_in_database, "novel"), counted(status.chapters_in_database, "chapter")
    out.print(f"database  {escape(status.database)}: {novels}, {chapters}, {size(status.database_bytes)}")
    if pending := status.pending:
        out.print(f"pending   {_words(msgspec.structs.asdict(pending)) or 'nothing'}")
    if at := status.comparing:
        out.print(f"compared  {escape(_compared(at, status.novels_in_storage))}")
    if run := status.running:
        waiting = f", waiting for {counted(run.open_messages, 'novel')}" if run.open_messages else ""
        out.print(f"running   {escape(run.holder)}, since {timestamp(run.since)}{waiting}")
    if schedule := status.scheduler:
        next_ = f", next at {timestamp(schedule.next_job)}" if schedule.next_job else ""
        out.print(f"schedule  {f'runs every hour{next_}' if schedule.is_running else 'stopped'}")
    if last := status.last_run:
        how = "interrupted" if last.interrupted else last.outcome
        out.print(f"last run  {how}, {timestamp(last.end_time)}, {last.duration:.2f} s ({last.trigger})")
