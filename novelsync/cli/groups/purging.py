"""Taking away: what is taken down until that is lifted, and what is deleted or emptied for good."""

import shlex
import sys
from collections.abc import Sequence

import click
import msgspec

from novelsync.cli.groups.options import (
    OK,
    Command,
    complete_slug,
    dry_run_option,
    is_quiet,
    json_option,
    start_logs,
    unknown_novel,
)
from novelsync.cli.output import escape, named_rows, out, print_direction, print_json, print_removed
from novelsync.contracts.databases import Database
from novelsync.errors import WriteRejected
from novelsync.models.desk.takedowns import Takedown, TakedownKind
from novelsync.models.report import timestamp
from novelsync.models.stored import Purged, PurgeSelection, Removed
from novelsync.notice_service import RUN_SECONDS, NoticeService
from novelsync.settings.loading import load_settings
from novelsync.settings.model import Settings
from novelsync.takedown_service import TakedownService
from novelsync.text.formatting import counted
from novelsync.wiring.databases import open_database
from novelsync.wiring.opening import open_notice_receivers


@click.command(cls=Command, section="Act", example="novelsync purge --slug emma --dry-run")
@click.option("--slug", metavar="SLUG", shell_complete=complete_slug, help="Only what was removed of this novel.")
@click.option(
    "--older-than",
    type=click.IntRange(0, 36_500),
    metavar="DAYS",
    help="Only what was removed at least this many days ago.",
)
@click.option(
    "--chapter",
    "chapters",
    multiple=True,
    metavar="ID",
    help="Only this chapter; can be repeated. One that readers still see only with --yes.",
)
@click.option(
    "--blank",
    is_flag=True,
    help="Empty titles and texts for good and keep the rows, for what foreign keys forbid to delete; with --slug or"
    " --chapter.",
)
@dry_run_option("Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def purge(
    slug: str | None,
    older_than: int | None,
    chapters: Sequence[str],
    blank: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Delete removed rows for good; nothing else does."""
    if chapters and (slug or older_than is not None):
        raise click.UsageError("--chapter already says which chapters; leave out --slug and --older-than.")
    if blank and not (slug or chapters):
        raise click.UsageError("--blank works on what you name: add --slug or --chapter.")
    selection = PurgeSelection(slug, older_than or 0, list(dict.fromkeys(chapters)), blank)
    settings = load_settings()
    start_logs(settings)
    with open_database(settings) as database:
        print_direction("purge", database.name)
        notices = _notices(settings, database)
        removed = database.removed_rows.count(selection)
        if removed.unknown:
            raise click.UsageError(f"Nothing was done: there is no chapter {', '.join(removed.unknown)}.")
        if slug is not None and not (removed.novels or removed.chapters):
            _check_slug(database, slug)
        if not (as_json or (is_quiet() and yes)):
            print_removed(removed, blank=blank)
        done: Purged | None = None
        try:
            if not dry_run and (removed.novels or removed.chapters):
                _check(selection, removed, yes=yes)
                if not yes and (as_json or not sys.stdin.isatty()):
                    raise click.UsageError("Nothing was done: without a terminal to ask on, --yes is needed.")
                if not yes and not click.confirm(f"{'Empty' if blank else 'Delete'} them for good?", err=True):
                    return OK
                done = Purged(0, 0)
                for piece in database.removed_rows.purge(selection, removed.before, published=yes):
                    done = Purged(done.novels + piece.novels, done.chapters + piece.chapters)
        finally:
            # Also what was done before an error.
            if as_json:
                print_json(_document(removed, done, blank=blank))
            elif done:
                word = "emptied, with the rows kept" if blank else "deleted"
                out.print(f"{word}: {counted(done.novels, 'novel')}, {counted(done.chapters, 'chapter')}")
        if done:
            notices.send(RUN_SECONDS)
    return OK


def _notices(settings: Settings, database: Database) -> NoticeService:
    """Tells of what readers no longer see. Made before that changes, so that an address that is new hears of it too."""
    return NoticeService(database.notices, open_notice_receivers(settings))


def _check_slug(database: Database, slug: str) -> None:
    """Raises `click.UsageError` if nothing is known of it. One that was emptied has rows, though no folder has it."""
    if database.desk.novel(slug) is None:
        every = database.removed_rows.count(PurgeSelection(slug))
        if not (every.novels or every.chapters):
            raise unknown_novel(database.desk, slug)


def _check(selection: PurgeSelection, removed: Removed, *, yes: bool) -> None:
    """Raises `WriteRejected`, `click.UsageError`."""
    forbidding = [each for each in removed.references if each.forbids and each.rows]
    if forbidding and not selection.blank:
        keys = "; ".join(f"{each.table}.{each.columns}, {named_rows(each)}" for each in forbidding)
        named = [part for id_ in selection.chapters for part in ("--chapter", id_)] or ["--slug", selection.slug or "…"]
        blank = f"`novelsync purge {shlex.join(named) if selection.slug or selection.chapters else '--slug …'} --blank`"
        raise WriteRejected(
            f"nothing was deleted, because foreign keys forbid it: {keys}",
            f"delete those rows first; or keep all rows, and have titles and texts emptied for good: {blank}",
        )
    if removed.published and not yes:
        number = counted(len(removed.published), "chapter")
        raise click.UsageError(
            f"Nothing was done: readers still see {number} of these, as shown above; --yes does it all the same."
        )


def _document(removed: Removed, done: Purged | None, *, blank: bool) -> dict[str, object]:
    """``done``: None if nothing was tried."""
    shown: dict[str, object] = msgspec.to_builtins(removed)
    return shown | {"blank": blank, "purged": done and done._asdict()}


@click.command(
    cls=Command, section="Act", example='novelsync takedown emma --reason "a letter of 3 May"', add_help_option=True
)
@click.argument("what", nargs=-1, metavar="[SLUG | list | lift N]", shell_complete=complete_slug)
@click.option("--chapter", metavar="ID", help="One chapter: its page and its text.")
@click.option("--url", metavar="PREFIX", help="All chapters whose urls begin like this.")
@click.option("--text-of", metavar="ID", help="The text of this chapter, wherever it stands.")
@click.option("--slug", "named", metavar="SLUG", help="The novel, if it is called list or lift.")
@click.option("--reason", default="", metavar="TEXT", help="Why; only the list shows it.")
@json_option
def takedown(
    what: Sequence[str],
    chapter: str | None,
    url: str | None,
    text_of: str | None,
    named: str | None,
    reason: str,
    as_json: bool,
) -> int:
    """Hide a novel, chapters or a text from readers, whatever files say; list and lift that."""
    lists, lifts = tuple(what) == ("list",), len(what) == 2 and what[0] == "lift"
    given = {TakedownKind.CHAPTER: chapter, TakedownKind.URL: url, TakedownKind.TEXT: text_of}
    named = what[0] if len(what) == 1 and not lists and named is None else named
    targets = [(kind, target) for kind, target in [*given.items(), (TakedownKind.NOVEL, named)] if target is not None]
    asks = lists or lifts
    if len(targets) != (0 if asks else 1) or (len(what) > 1 and not lifts) or (asks and reason):
        raise click.UsageError("Name one thing: a SLUG, --chapter, --url or --text-of; or say list, or lift N.")
    if lifts and not (what[1].isascii() and what[1].isdecimal()):
        raise click.UsageError(f"{what[1]!r} is not the number of a takedown; novelsync takedown list shows them.")
    settings = load_settings()
    start_logs(settings)
    with open_database(settings) as database:
        print_direction("takedown", database.name)
        notices = _notices(settings, database)
        service = TakedownService(database)
        if lists:
            _print_takedowns(service.listed(), as_json=as_json)
        elif lifts:
            files = service.lift(int(what[1]))
            if as_json:
                print_json({"lifted": int(what[1]), "files": files})
            else:
                out.print(f"lifted; the next run reads {counted(files, 'file')} again, and brings back what they have")
        else:
            taken = service.take_down(*targets[0], reason)
            if as_json:
                print_json(msgspec.to_builtins(taken))
            else:
                hidden = f"{counted(taken.novels, 'novel')}, {counted(taken.chapters, 'chapter')}"
                out.print(f"takedown {taken.id}: hidden from readers: {hidden}; the next run looks at every file")
            notices.send(RUN_SECONDS)
    return OK


def _print_takedowns(takedowns: Sequence[Takedown], *, as_json: bool) -> None:
    if as_json:
        print_json([{name: value for name, value in each.items() if name != "signs"} for each in _plain(takedowns)])
        return
    for each in takedowns:
        lifted = f", lifted {timestamp(each.lifted_at)}" if each.lifted_at else ""
        title = f" {escape(each.title)}" if each.title else ""
        out.print(f"{each.id:>4}  {each.kind} {escape(each.target)}{title}: {timestamp(each.made_at)}{lifted}")
        hidden = f"{counted(each.novels, 'novel')}, {counted(each.chapters, 'chapter')} hidden at once"
        out.print(f"      {hidden}" + (f"; {escape(each.reason)}" if each.reason else ""))
    if not takedowns:
        out.print("nothing is taken down")


def _plain(takedowns: Sequence[Takedown]) -> Sequence[dict[str, object]]:
    plain: list[dict[str, object]] = msgspec.to_builtins(takedowns)
    return plain
