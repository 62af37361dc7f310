"""Looking, and changing nothing: whether all is well, what there is, and whether the tables equal the storage."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import click
import msgspec

from novelsync.cli.doctor import examine
from novelsync.cli.groups.options import (
    OK,
    PROBLEMS,
    Command,
    bar,
    complete_slug,
    exit_code,
    is_quiet,
    json_option,
    start_logs,
    unknown_novel,
)
from novelsync.cli.groups.syncing import signals_stop
from novelsync.cli.library import print_history, print_more, print_novel, print_novels, print_runs
from novelsync.cli.output import (
    escape,
    explain,
    notes,
    out,
    print_changes,
    print_database,
    print_direction,
    print_finding,
    print_json,
)
from novelsync.cli.reports import (
    print_listed,
    print_missing,
    print_problems,
    print_status,
    print_verdict_of,
    print_verification,
)
from novelsync.cli.verification import verification_of
from novelsync.contracts.desk import Desk
from novelsync.models.desk.novels import NovelDetail, NovelQuery, NovelRow, Show, Sort
from novelsync.models.desk.runs import RunSummary
from novelsync.models.report import NAMED_MISSING
from novelsync.models.run import SyncOptions
from novelsync.models.status import Verdict
from novelsync.settings.loading import load_settings
from novelsync.status_service import LISTED_KINDS, MISSING
from novelsync.wiring.databases import open_database
from novelsync.wiring.parts import connected


@click.command(cls=Command, section="Look", example="novelsync status --kind held")
@click.option("--kind", type=click.Choice(LISTED_KINDS), help="List every problem of this kind, each for itself.")
@click.option("--all", "everything", is_flag=True, help="List every problem and every missing novel.")
@json_option
def status(kind: str | None, everything: bool, as_json: bool) -> int:
    """Show whether all is well. Prints what is stored, what is pending and how the last run went."""
    settings = load_settings()
    start_logs(settings)
    kinds = [kind] if kind else list(LISTED_KINDS) if everything else []
    with connected(settings) as parts:
        service = parts.status_service
        stored = parts.database.status()
        parts.alert_service.look(stored)
        answer = service.status(stored=stored, named=sys.maxsize if MISSING in kinds else NAMED_MISSING)
        # What is missing is in the answer itself, unless the storage could not be looked at.
        apart = [] if answer.missing is None else [MISSING]
        listed = [problem for each in kinds if each not in apart for problem in service.every_problem(each)]
    if as_json:
        print_json(answer.as_dict() | ({"problems": listed} if kinds else {}))
    elif is_quiet():
        print_verdict_of(answer)
    else:
        print_status(answer)
        if kinds:
            print_listed(listed)
        else:
            print_problems(answer.problems, answer.problems_total)
        if not kinds or MISSING in kinds:
            print_missing(answer.missing or (), answer.pending.missing if answer.pending else 0)
    if answer.storage_error:
        return exit_code(answer.storage_error)
    return OK if answer.verdict is Verdict.OK else PROBLEMS


@click.command(cls=Command, section="Look", example="novelsync verify --json")
@json_option
def verify(as_json: bool) -> int:
    """Compare storage and tables text by text. Lists every difference, and changes nothing."""
    settings = load_settings()
    terminal = start_logs(settings)
    with connected(settings) as parts:
        print_direction(parts.storage.location, parts.database.name)
        service = parts.sync_service
        with signals_stop(service.stop), bar(terminal) as progress:
            report = service.dry_run(progress=progress, options=SyncOptions(reread=True))
        if report.error is not None:
            explain(report.error)
            return exit_code(report.error)
    answer = verification_of(report)
    if as_json:
        print_json(answer)
    elif not (is_quiet() and answer.equal):
        if not is_quiet():
            print_changes(report.changes or ())
        print_verification(answer)
    return OK if answer.equal else PROBLEMS


@click.command(cls=Command, section="Look", example="novelsync doctor")
@json_option
def doctor(as_json: bool) -> int:
    """Check every part. Says what to do about each that does not work."""
    code, findings = OK, []
    for finding in examine():
        works = finding.error is None
        findings.append({"part": finding.part, "works": works, "said": finding.said, "hint": finding.hint})
        if not as_json and not (is_quiet() and works and not finding.hint):
            print_finding(finding.part, finding.said, finding.hint, works=works)
        if code in (OK, PROBLEMS) and finding.error:
            code = exit_code(finding.error)
        elif finding.hint:
            code = code or PROBLEMS
    if as_json:
        print_json({"ok": code == OK, "findings": findings})
    return code


PAGE: Final = 50
"""Novels and runs that are listed unless all are asked for."""


@click.command(cls=Command, section="Look", example="novelsync novels --kind without-text --search austen")
@click.option("--kind", type=click.Choice([each.value for each in Show if each is not Show.ALL]), help="Only these.")
@click.option("--search", metavar="WORDS", default="", help="Only what has this in slug, title or author.")
@click.option(
    "--sort",
    type=click.Choice([each.value for each in Sort]),
    default=Sort.UPDATED.value,
    show_default=True,
    help="What comes first: changed last, got a chapter last, by title, most chapters.",
)
@click.option("--all", "everything", is_flag=True, help=f"List all, and not only the first {PAGE}.")
@json_option
def novels(kind: str | None, search: str, sort: str, everything: bool, as_json: bool) -> int:
    """List novels, those that readers see or of a kind. With -q their slugs alone."""
    query = NovelQuery(Show(kind or Show.ALL), search, Sort(sort), limit=500 if everything else PAGE)
    listed: list[NovelRow] = []
    with looked_up(as_json) as desk:
        while True:
            page = desk.novels(query)
            if as_json:
                listed += page.novels
            elif is_quiet():
                for row in page.novels:
                    out.print(escape(row.slug))
            else:
                print_novels(page.novels)
            if not everything or page.next is None:
                break
            query = replace(query, after=page.next)
    if as_json:
        print_json({"total": page.total, "counts": page.counts, "novels": listed, "next": page.next})
    elif not page.total:
        notes.print("there are none")
    elif page.next and not is_quiet():
        kinds = f" --kind {kind}" if kind else ""
        words = f" --search {shlex.quote(search)}" if search else ""
        print_more(len(page.novels), page.total, f"novelsync novels{kinds}{words} --all")
    return OK


@click.command(cls=Command, section="Look", example="novelsync show emma")
@click.argument("slug", shell_complete=complete_slug)
@click.option("--all", "everything", is_flag=True, help="List every chapter, with its id.")
@json_option
def show(slug: str, everything: bool, as_json: bool) -> int:
    """Show one novel: its fields, chapters with and without text, problems and last changes."""
    with looked_up(as_json) as desk:
        novel = page = _novel(desk, slug)
        chapters = [*novel.chapters]
        wanted = everything or as_json or novel.chapters_with_text < novel.chapters_total
        while wanted and page.next is not None:
            page = desk.novel(slug, page.next) or page
            chapters += page.chapters
            if not page.chapters:
                break
    if as_json:
        print_json(msgspec.structs.replace(novel, chapters=chapters, next=None))
    else:
        without_text = [chapter for chapter in chapters if not chapter.bytes]
        print_novel(novel, without_text, chapters if everything else None)
    return OK


@click.command(cls=Command, section="Look", example="novelsync history emma")
@click.argument("slug", required=False, shell_complete=complete_slug)
@click.option("--all", "everything", is_flag=True, help=f"List all runs of 30 days, and not only the last {PAGE}.")
@json_option
def history(slug: str | None, everything: bool, as_json: bool) -> int:
    """List the last runs or, with a SLUG, what changed in that novel, the newest first."""
    if slug and everything:
        raise click.UsageError("--all is for runs; of a novel, the last changes are listed anyway.")
    with looked_up(as_json) as desk:
        if slug is not None:
            changes = _novel(desk, slug).changes
            if as_json:
                print_json({"slug": slug, "changes": changes})
            elif changes:
                print_history(changes)
            else:
                notes.print("nothing changed in the last 30 days")
            return OK
        listed: list[RunSummary] = []
        page = desk.runs(None, PAGE)
        while True:
            listed += page.runs
            if not as_json:
                print_runs(page.runs)
            if not everything or page.next is None:
                break
            page = desk.runs(page.next, PAGE)
    if as_json:
        print_json({"runs": listed})
    elif not listed:
        notes.print("there has been no run yet")
    return OK


@contextmanager
def looked_up(as_json: bool) -> Iterator[Desk]:
    """What an operator looks up in the database that the settings name, which is said first."""
    settings = load_settings()
    start_logs(settings)
    with open_database(settings) as database:
        if not as_json:
            print_database(database.name)
        yield database.desk


def _novel(desk: Desk, slug: str) -> NovelDetail:
    """Raises `click.UsageError` if there is none."""
    if found := desk.novel(slug):
        return found
    raise unknown_novel(desk, slug)
