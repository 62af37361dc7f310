"""What an operator looks up, as the SQL functions of ``…_novelsync_desk.sql`` answer it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from novelsync.database.functions import NOVEL, NOVEL_COUNTS, NOVELS, RUN, RUNS, SqlFunction
from novelsync.models.desk.novels import NovelDetail, NovelPage, NovelQuery, NovelRow
from novelsync.models.desk.runs import RunDetail, RunPage, RunSummary
from novelsync.models.report import whole_seconds
from novelsync.models.results import Outcome

CHAPTERS_PER_PAGE: Final = 200
CHANGES: Final = 30
"""Of one novel."""
CHANGED_NOVELS: Final = 200
"""Of one run."""


class DeskClient:
    """A `novelsync.contracts.desk.Desk`. ``call``: how a function of the database is called."""

    def __init__(self, call: Callable[[SqlFunction, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def novels(self, query: NovelQuery) -> NovelPage:
        # One more than is shown, to know whether there is a next page.
        request = {"show": query.show, "search": query.search, "sort": query.sort}
        answer = self._call(NOVELS, request | {"after": query.after, "limit": query.limit + 1})
        rows = msgspec.convert(answer["novels"], list[NovelRow])
        counts = self._call(NOVEL_COUNTS, {})
        total = counts[query.show] if answer["total"] is None else answer["total"]
        shown = rows[: query.limit]
        return NovelPage(total, shown, shown[-1].slug if len(rows) > query.limit else None, counts)

    def novel(self, slug: str, after: int = 0) -> NovelDetail | None:
        request = {"slug": slug, "after": after, "limit": CHAPTERS_PER_PAGE + 1, "changes": CHANGES}
        detail = msgspec.convert(self._call(NOVEL, request)["novel"], NovelDetail | None)
        if detail is None or len(detail.chapters) <= CHAPTERS_PER_PAGE:
            return detail
        shown = detail.chapters[:CHAPTERS_PER_PAGE]
        return msgspec.structs.replace(detail, chapters=shown, next=shown[-1].position)

    def runs(self, before: str | None, limit: int) -> RunPage:
        found = [run_summary(run) for run in self._call(RUNS, {"before": before, "limit": limit + 1})]
        shown = found[:limit]
        return RunPage(shown, shown[-1].run_id if len(found) > limit else None)

    def run(self, run_id: str) -> RunDetail | None:
        return msgspec.convert(self._call(RUN, {"run_id": run_id, "limit": CHANGED_NOVELS})["run"], RunDetail | None)


def run_summary(run: Mapping[str, Any]) -> RunSummary:
    """From the JSON of the SQL function ``novelsync.run_summary``."""
    return RunSummary(
        run["run_id"],
        Outcome(run["outcome"]),
        run["trigger"],
        whole_seconds(datetime.fromisoformat(run["finished_at"])),
        run["duration"],
        run["novels"],
        run["created"],
        run["updated"],
        run["removed"],
    )
