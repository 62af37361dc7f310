"""What a site's tables let whom do, before and after, and the states of their triggers. Pure: SQL text."""

from collections.abc import Iterator, Sequence
from typing import Final

from novelsync.adoption.site.fitting import grantees, quoted_name
from novelsync.adoption.site.tables import Grant, Table, Trigger


def silence(ours: str, triggers: Sequence[Trigger]) -> Iterator[str]:
    """Statements after which the site's triggers do not fire, whatever their state."""
    for trigger in triggers:
        if trigger.state != "D":
            yield f"alter table public.{ours} disable trigger {quoted_name(trigger.name)}"


_STATES: Final = {"O": "enable", "R": "enable replica", "A": "enable always"}


def awaken(ours: str, triggers: Sequence[Trigger]) -> Iterator[str]:
    """Statements after which they are as they were."""
    for trigger in triggers:
        if trigger.state != "D":
            yield f"alter table public.{ours} {_STATES[trigger.state]} trigger {quoted_name(trigger.name)}"


def access(ours: str, table: Table) -> Iterator[str]:
    """
    Privileges stay as they are, except that removed rows are hidden from all but NovelSync and the tables' owner.

    A table without row-level security gets it, with a policy for each privilege that somebody has.
    """
    shown = "removed_at is null"
    if ours == "chapters":
        shown += " and exists (select from public.novels n where n.id = novel_id and n.removed_at is null)"
    yield f"grant select, insert, update, delete on public.{ours} to service_role"
    yield f'create policy "novelsync writes" on public.{ours} for all to service_role using (true) with check (true)'
    yield (
        f'create policy "novelsync hides what was removed" on public.{ours} as restrictive for select to public'
        f" using ((select pg_has_role('service_role', 'usage')) or ({shown}))"
    )
    if ours == "novels":
        # The policy on chapters reads these two columns with the privileges of whoever reads chapters.
        for role in grantees(table, "select"):
            yield f"grant select (id, removed_at) on public.novels to {_role(role)}"
    if table.secured:
        return
    for privilege, rule in _RULES.items():
        for role in grantees(table, privilege):
            name = quoted_name(f"{role} may {privilege} as before")
            yield f"create policy {name} on public.{ours} for {privilege} to {_role(role)} {rule}"
    yield f"alter table public.{ours} enable row level security"


_RULES: Final = {
    "select": "using (true)",
    "insert": "with check (true)",
    "update": "using (true) with check (true)",
    "delete": "using (true)",
}


def view(ours: str, table: Table) -> Iterator[str]:
    """Under its former name a renamed table goes on for the site: as a view through which it also writes."""
    if table.name == ours:
        return
    name = f"public.{quoted_name(table.name)}"
    columns = ", ".join(map(quoted_name, table.columns))
    # With the reader's own privileges, so that row-level security holds for the reader and not for the owner.
    yield f"create view {name} with (security_invoker = true) as select {columns} from public.{ours}"
    yield f"alter view {name} owner to {table.owner}"
    # Older Supabase projects grant everything on new views to everybody.
    yield f"revoke all on {name} from public, anon, authenticated"
    yield f"grant select, insert, update, delete on {name} to service_role"
    for grant in table.grants:
        yield from _granted(name, grant)


def _granted(view: str, grant: Grant) -> Iterator[str]:
    if grant.privilege in ("select", "insert", "update", "delete"):
        column = f" ({quoted_name(grant.column)})" if grant.column else ""
        yield f"grant {grant.privilege}{column} on {view} to {_role(grant.grantee)}"


def _role(name: str) -> str:
    return "public" if name == "public" else quoted_name(name)
