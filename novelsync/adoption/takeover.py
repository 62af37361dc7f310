"""
Carries out what makes tables NovelSync's, in one transaction, and proves before it ends that both can go on writing.

A rehearsal does the same without what writes every row, and takes it back.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import psycopg
from psycopg import sql

from novelsync.adoption.access import awaken, silence
from novelsync.adoption.alterations import Alterations
from novelsync.adoption.obstacles import cannot
from novelsync.adoption.proposal import Proposal
from novelsync.adoption.site.fitting import grantees
from novelsync.adoption.site.looking import Connection, one, triggers
from novelsync.adoption.site.rows import ExistingNovel
from novelsync.adoption.site.tables import Existing
from novelsync.database.migrations import apply_missing
from novelsync.errors import DatabaseNotReady, DatabaseUnavailable


def adopt_tables(connection: Connection, proposal: Proposal, readers: str, *, dry_run: bool = False) -> list[str]:
    """
    Makes the tables ours and pairs folders with rows, in one transaction; the next sync reads those novels' files.

    ``dry_run``: changes nothing, but raises what would be raised, as far as that can be known without writing every
    row. Returns what a person should know besides the proposal's remarks. Raises `DatabaseNotReady` if a statement
    fails, or the site's triggers do, and `DatabaseUnavailable` if somebody else has locked the tables; nothing was
    changed then.
    """
    with connection.transaction(force_rollback=dry_run):
        # While we wait for a lock, the site's own queries queue up behind us: not longer than some seconds.
        connection.execute("set local lock_timeout = '5s'; set local statement_timeout = 0")
        if proposal.existing and proposal.alterations:
            rest = (readers, proposal.pairs)
            return _take_over(connection, proposal.existing, proposal.alterations, *rest, filling=not dry_run)
        _pair_later(connection, proposal.pairs)
        return []


def _pair_later(connection: Connection, pairs: Mapping[str, ExistingNovel]) -> None:
    """Pairs folders with rows of tables that were taken over before."""
    found = triggers(connection, "novels")
    for statement in silence("novels", found):
        _execute(connection, statement)
    _set_slugs(connection, pairs)
    _remember(connection, pairs)
    for statement in awaken("novels", found):
        _execute(connection, statement)


def _take_over(
    connection: Connection,
    existing: Existing,
    alterations: Alterations,
    readers: str,
    pairs: Mapping[str, ExistingNovel],
    *,
    filling: bool,
) -> list[str]:
    for statement in alterations.domains:
        _execute(connection, statement)
    reading = list(_readers(connection, existing)) if filling or "novel_id" not in existing.chapters.twins else []
    # This creates the roles that the alterations grant privileges to.
    apply_missing(connection, readers, foundation_only=True)
    for statement in alterations.shape:
        _execute(connection, statement)
    for statement in alterations.filling if filling else ():
        _execute(connection, statement)
    _set_slugs(connection, pairs)
    for statement in [*(alterations.rules if filling else ()), *alterations.access]:
        _execute(connection, statement)
    apply_missing(connection, readers)
    for statement in alterations.bookkeeping:
        _execute(connection, statement)
    _remember(connection, pairs)
    reasons = [*_failing(connection), *_blinded(connection, reading)]
    if reasons:
        raise cannot(reasons, "fix the trigger or the policy, or disable the trigger until it is fixed")
    # Over the REST API a sync writes with less than the owner's privileges.
    over_api = _failing(connection, "service_role") if one(connection, _MAY_ACT) else []
    return [f"over Supabase's API, as service_role, {reason}" for reason in over_api]


def _set_slugs(connection: Connection, pairs: Mapping[str, ExistingNovel]) -> None:
    """While the site's triggers are silent: a row that only gets its folder's name is not a row that was updated."""
    if pairs:
        connection.execute(
            "update public.novels n set slug = p.slug from unnest(%s::text[], %s::text[]) as p(slug, id)"
            " where n.id = p.id::novelsync.novel_id and n.slug is distinct from p.slug",
            [list(pairs), [novel.id for novel in pairs.values()]],
        )


def _remember(connection: Connection, pairs: Mapping[str, ExistingNovel]) -> None:
    connection.execute(
        "insert into novelsync.files (slug, novel_id)"
        " select p.slug, p.id::novelsync.novel_id from unnest(%s::text[], %s::text[]) as p(slug, id)"
        " on conflict (slug) do update set novel_id = excluded.novel_id, version = ''",
        [list(pairs), [novel.id for novel in pairs.values()]],
    )


def _execute(connection: Connection, statement: str) -> None:
    try:
        connection.execute(statement.encode())
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseUnavailable(
            "somebody is using the tables, so they could not be locked; nothing was changed",
            "try again; pg_stat_activity shows who has an open transaction",
        ) from error
    except psycopg.Error as error:
        said = " ".join((error.diag.message_primary or str(error)).split())
        raise DatabaseNotReady(
            f"the tables cannot be taken over, and nothing was changed: {said}, at: {statement}",
            "drop what is in the way (view, policy, constraint) and make it again later, or alter the column first",
        ) from error


# Proofs --------------------------------------------------------------------------------

_WRITES: Final = (
    (
        "a new novel",
        "insert into public.novels (slug, title, author, chapter_count, last_chapter_at)"
        " values ('novelsync-tries-this', 'tried', 'tried', 1, now())",
    ),
    (
        "a new chapter",
        "insert into public.chapters (novel_id, volume, position, number, title, content, url, content_hash)"
        " select id, null, 1, 1, 'tried', 'tried', 'tried', sha256('tried') from public.novels"
        " where slug = 'novelsync-tries-this'",
    ),
    (
        "a changed chapter",
        "update public.chapters set title = 'tried again', content = 'tried again', number = null, updated_at = now()"
        " where url = 'tried' and novel_id = (select id from public.novels where slug = 'novelsync-tries-this')",
    ),
    (
        "a changed novel",
        "update public.novels set title = 'tried again', chapter_count = 0, updated_at = now(), removed_at = now()"
        " where slug = 'novelsync-tries-this'",
    ),
    (
        "a chapter that is deleted",
        "delete from public.chapters"
        " where novel_id = (select id from public.novels where slug = 'novelsync-tries-this')",
    ),
    ("a novel that is deleted", "delete from public.novels where slug = 'novelsync-tries-this'"),
)
"""What a sync does, each with what it is, so that every trigger of the site's fires."""


_MAY_ACT: Final = "select pg_has_role('service_role', 'member')"


def _failing(connection: Connection, role: str = "none") -> list[str]:
    """Writes as a sync does, under its search_path and a role, and says what fails; all of it is taken back."""
    reasons: list[str] = []
    with connection.transaction(force_rollback=True):
        connection.execute(f"set local search_path = ''; set local role {role}".encode())
        for what, statement in _WRITES:
            try:
                with connection.transaction():
                    connection.execute(statement.encode())
                    connection.execute("set constraints all immediate")
            except psycopg.Error as error:
                reasons.append(_said(what, error))
    return reasons


def _said(what: str, error: psycopg.Error) -> str:
    where = " ".join((error.diag.context or "").split())
    place = f" ({where})" if where else ""
    return f"{what} would be refused: {error.diag.message_primary or error}{place}"


def _readers(connection: Connection, existing: Existing) -> Iterator[str]:
    """The roles that see chapters as things are."""
    roles = {"anon" if role == "public" else role for role in grantees(existing.chapters, "select")}
    for role in sorted(roles):
        if _sees(connection, role, existing.chapters.name):
            yield role


def _blinded(connection: Connection, reading: Sequence[str]) -> Iterator[str]:
    for role in reading:
        if not _sees(connection, role, "chapters"):
            yield f"{role} sees chapters, and would see none: a policy has to show it their novels (select on novels)"


def _sees(connection: Connection, role: str, table: str) -> bool:
    """Whether a role sees any row; no, if we cannot act as it."""
    query = sql.SQL("select exists (select from {})").format(sql.Identifier("public", table)).as_string()
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            return bool(one(connection, query))
    except psycopg.Error:
        return False
