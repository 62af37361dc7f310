"""What is done to a site's tables that a person may not expect, and what goes on being so. Pure."""

from collections.abc import Iterator

from novelsync.adoption.site.columns import COLUMNS, DERIVED
from novelsync.adoption.site.fitting import default_that_fits, quoted_name, stays, too_strict, unfilled
from novelsync.adoption.site.tables import Existing, Table


def remarks(existing: Existing) -> Iterator[str]:
    """What is done that a person may not expect, and what goes on being so."""
    for ours, table in existing.tables.items():
        if table.name != ours:
            yield (
                f"{table.name} becomes {ours}, and a view has its former name: the site reads and writes through it."
                f" Foreign keys and publications (Realtime) follow the table, and are called {ours}"
            )
        twins = [f"{theirs} = {name}" for name, theirs in table.twins.items()]
        if twins:
            yield f"these columns of {ours} stay, and are kept equal to ours: {', '.join(twins)}"
        if "content" in table.twins:
            yield f"each text is stored twice until the site reads content and {table.twins['content']} is dropped"
        for name, wanted in {**COLUMNS[ours], **DERIVED[ours]}.items():
            column = table.columns.get(table.source(name) or "")
            if column and stays(column, wanted.type):
                yield (
                    f"{ours}.{column.name} keeps its limit, because of {', '.join(column.used_by)}: a novel whose file"
                    " is over it is refused"
                )
        for column in unfilled(ours, table):
            if default := default_that_fits(column):
                yield f"{ours}.{column.name} is required and NovelSync does not fill it: new rows get {default}"
        for index in too_strict(ours, table):
            yield (
                f"{index.name} keeps {', '.join(index.columns)} of {ours} unique, and files repeat that, or renumber"
                " it: it becomes an index that forbids nothing, so `on conflict` cannot name it any more"
            )
        for check in table.checks:
            if {*COLUMNS[ours], *table.twins.values()} & set(check.columns):
                yield (
                    f"{check.name} of {ours} is {check.definition}: a novel whose file breaks it is refused, until"
                    f" alter table public.{ours} drop constraint {quoted_name(check.name)}"
                )
        yield from _of_triggers(ours, table)


def _of_triggers(ours: str, table: Table) -> Iterator[str]:
    for trigger in table.triggers:
        if trigger.state == "D":
            continue
        if trigger.unqualified:
            yield (
                f"trigger {trigger.name} of {ours}: {trigger.function} names {', '.join(trigger.unqualified)} without a"
                " schema and would fail, so it gets a search_path"
            )
        if trigger.counts and ours == "chapters":
            yield (
                f"trigger {trigger.name} of {ours} counts rows for each row: the time that a novel takes to come in"
                " grows with the square of its chapters, and removed rows count"
            )
