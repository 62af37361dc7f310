"""Looking, and changing nothing: whether all is well, and whether the tables equal the storage."""

import sys

import click

from novelsync.cli.doctor import examine
from novelsync.cli.groups.options import OK, PROBLEMS, Command, bar, exit_code, is_quiet, json_option, start_logs
from novelsync.cli.groups.syncing import signals_stop
from novelsync.cli.output import explain, print_changes, print_direction, print_finding, print_json
from novelsync.cli.reports import (
    print_listed,
    print_missing,
    print_problems,
    print_status,
    print_verdict_of,
    print_verification,
)
from novelsync.cli.verification import verification_of
from novelsync.models.report import NAMED_MISSING
from novelsync.models.run import SyncOptions
from novelsync.models.status import Verdict
from novelsync.settings import load_settings
from novelsync.status_service import LISTED_KINDS, MISSING
from novelsync.wiring import connected


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
