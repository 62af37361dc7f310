"""Making the tables equal to the storage: once, or whenever a file changes."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import click

from novelsync.cli.groups.options import (
    INTERRUPTED,
    OK,
    PROBLEMS,
    USAGE,
    Command,
    bar,
    complete_slug,
    dry_run_option,
    exit_code,
    is_quiet,
    json_option,
    make_storage,
    start_logs,
)
from novelsync.cli.groups.watching import check_watchable, watch_folder
from novelsync.cli.living import Terminal
from novelsync.cli.output import err, explain, print_changes, print_direction, print_json
from novelsync.cli.reports import print_report
from novelsync.contracts.storages import Storage
from novelsync.models.report import Report
from novelsync.models.results import Outcome
from novelsync.models.run import Acceptance, SyncOptions, accepted_twice, confirmed_removals
from novelsync.settings.loading import load_settings
from novelsync.wiring.parts import Parts, connected


@click.command(cls=Command, section="Act", example="novelsync sync --dry-run")
@dry_run_option("Show what would change, and change nothing.")
@click.option(
    "--slug",
    "slugs",
    multiple=True,
    metavar="SLUG",
    shell_complete=complete_slug,
    help="Sync only this novel; can be repeated.",
)
@click.option("--reread", is_flag=True, help="Read every file and check every stored text, even if nothing changed.")
@click.option(
    "--accept",
    multiple=True,
    metavar="SLUG[=ID]",
    help="Apply what is held for this novel, as it was shown. =in-order-ID keeps ids where the hint offers it.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="SLUG[=ID]",
    help="What is held for this novel stays away, and what readers have stays, until the file changes.",
)
@click.option("--accept-removals", metavar="N[=ID]", help="Remove the missing novels that were shown: so many.")
@click.option("--watch", is_flag=True, help="Stay, and sync each novel within a second of its change, until Ctrl-C.")
@json_option
def sync(
    dry_run: bool,
    slugs: Sequence[str],
    reread: bool,
    accept: Sequence[str],
    keep: Sequence[str],
    accept_removals: str | None,
    watch: bool,
    as_json: bool,
) -> int:
    """Make the tables equal to the storage."""
    options = _options(slugs, accept, keep, accept_removals, reread=reread)
    if watch and (dry_run or slugs or as_json or not options.is_default):
        raise click.UsageError("--watch begins with a plain run and goes on until Ctrl-C; give it alone.")
    settings = load_settings()
    if watch:
        check_watchable(settings.storage)
    terminal = start_logs(settings)
    if not dry_run:
        make_storage(settings)
    with connected(settings) as parts:
        print_direction(parts.storage.location, parts.database.name)
        _check_slugs(parts.storage, [*slugs, *options.acceptances])
        if watch:
            return _watch(parts, terminal)
        service = parts.sync_service
        with signals_stop(service.stop), bar(terminal) as progress:
            if dry_run:
                report = service.dry_run(slugs, "cli", progress, options)
            elif slugs:
                report = service.sync_some_novels(slugs, "cli", options)
            else:
                report = service.sync_all_novels("cli", progress, options)
        # Inside the block, because closing the database may fail.
        if as_json:
            print_json(report.as_dict())
        else:
            _print(report, parts)
        if report.error is not None:
            explain(report.error)
            return exit_code(report.error)
    if report.interrupted:
        return INTERRUPTED
    if report.nothing_held:
        return USAGE
    return OK if report.outcome is Outcome.OK else PROBLEMS


def _print(report: Report, parts: Parts) -> None:
    """Nothing of a run that failed, because its error is printed apart."""
    if report.error or (is_quiet() and report.outcome is Outcome.OK and not report.nothing_held):
        return
    if not is_quiet():
        print_changes(report.changes or ())
    print_report(report, parts.storage.location)


def _watch(parts: Parts, terminal: Terminal | None) -> int:
    service, stop = parts.sync_service, threading.Event()

    def run() -> Report:
        with bar(terminal) as progress:
            report = service.sync_all_novels("watch", progress)
        _print(report, parts)
        return report

    def end() -> None:
        stop.set()
        service.stop()

    with signals_stop(end):
        error = watch_folder(parts, stop, run)
    if error:
        explain(error)
        return exit_code(error)
    return INTERRUPTED


def _options(
    slugs: Sequence[str], accept: Sequence[str], keep: Sequence[str], accept_removals: str | None, *, reread: bool
) -> SyncOptions:
    """Raises `click.UsageError` for what cannot be meant."""
    if twice := accepted_twice(accept, keep):
        raise click.UsageError(f"{twice!r} is to be accepted or kept in two ways; give one of them.")
    for words in keep:
        if (kept := Acceptance.of(words)).in_order:
            raise click.UsageError(
                f"--keep is {words!r}; in-order is a way to accept. Give {kept.slug!r}, or SLUG=ID as shown."
            )
    options = SyncOptions(reread, frozenset(accept), keep=frozenset(keep))
    if accept_removals is None:
        return options
    if slugs:
        raise click.UsageError("--accept-removals cannot be used with --slug, because only a whole run removes novels.")
    confirmed = confirmed_removals(accept_removals)
    if confirmed is None:
        raise click.UsageError(f"--accept-removals is {accept_removals!r}; it takes what was shown, as in 36=4f1c2a0b.")
    count, shown = confirmed
    return replace(options, accept_removals=count, removals_shown=shown)


def _check_slugs(storage: Storage, slugs: Sequence[str]) -> None:
    """Raises `click.UsageError` for a novel that is not there. Raises `StorageUnavailable`."""
    for slug in dict.fromkeys(slugs):
        if storage.find(slug) is None:
            raise click.UsageError(
                f"there is no {slug!r} in {storage.location}, so nothing was done; the folder's name is the slug."
            )


@contextmanager
def signals_stop(end: Callable[[], object]) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls ``end``, which ends it in good order; the second ends the process at once."""

    def stop(number: int, frame: object) -> None:
        for each in before:
            # Not KeyboardInterrupt, which would wait for threads that may be waiting for a silent network. What is
            # being written is either complete or absent, and the lease expires within a minute.
            signal.signal(each, lambda *_: os._exit(INTERRUPTED))
        end()
        # Last, because whoever reads it may send the second signal at once.
        err.print("[dim]finishing what is being written, then stopping; Ctrl-C again stops at once[/]")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
