"""The JSON that the SQL functions answer becomes models. Pure."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from novelsync.database.clients.desk import run_summary
from novelsync.database.requests import KEPT
from novelsync.models.desk.problems import ListedProblem, ProblemPage
from novelsync.models.problems import HeldRemovals, OpenProblems, Problem, ProblemKind
from novelsync.models.report import Report, whole_seconds
from novelsync.models.results import Outcome
from novelsync.models.run import ComparingState, RunState
from novelsync.models.source import NovelFields
from novelsync.models.status import Comparing, DatabaseStatus, FinishedRun, Metrics, RunInFlight, ServerInfo
from novelsync.models.stored import KnownChapter, KnownNovel, MissingFile


def known_novel(answer: Mapping[str, Any]) -> KnownNovel:
    fields = answer["novel"] and NovelFields(**answer["novel"])
    chapters = [] if answer["chapters"] is None else list(_known_chapters(answer["chapters"]))
    return KnownNovel(
        answer["slug"],
        answer["revision"],
        bool(answer["same"]),
        fields,
        chapters,
        chapter_count=answer["chapter_count"],
        shown_as=answer["shown_as"],
        version=answer["version"],
        removed=answer["removed"],
        held_id=answer["held"].removesuffix(KEPT),
        kept=answer["held"].endswith(KEPT),
        held_changed=answer["held_changed"],
        held_in_a_row=answer["held_in_a_row"],
        has_texts=answer["has_texts"],
        withheld=(whole[0], whole[1], tuple(whole[2])) if (whole := answer["withheld"]) else None,
    )


def _known_chapters(answer: Mapping[str, Any]) -> Iterator[KnownChapter]:
    removed_lately = frozenset(answer["removed_lately"])
    columns = ("id", "volume", "position", "number", "title", "url_hash", "content_hash", "content_bytes")
    rows = zip(*(answer[column] for column in columns), strict=True)
    fresh = frozenset(answer["fresh"])
    taken_down = frozenset(answer["taken_down"])
    for k, (id_, volume, position, number, title, url, content_hash, size) in enumerate(rows):
        file, file_version = answer["files"].get(id_, ("", ""))
        yield KnownChapter(
            id=id_,
            position=position,
            number=None if number is None else Decimal(number),
            title=title,
            url_hash=url,
            content_hash=b64decode(f"{content_hash}=") if content_hash else b"",
            content_bytes=size,
            removed=k >= answer["published"],
            volume=volume,
            file=file,
            file_version=file_version,
            removed_lately=id_ in removed_lately,
            peak_letters=answer["peaks"].get(id_, 0),
            fresh=id_ in fresh,
            taken_down=id_ in taken_down,
        )


def open_problems(answer: Mapping[str, Any]) -> OpenProblems:
    problems = [
        Problem(p["slug"], ProblemKind(p["kind"]), p["message"], p["hint"], p["alike"]) for p in answer["problems"]
    ]
    down = answer["taken_down"]
    return OpenProblems(answer["counts"], problems, answer["held"], answer["blank"], (down["novels"], down["chapters"]))


def run_state(left: Mapping[str, Any], digest: str | None) -> RunState:
    held = left["held_removals"] and HeldRemovals(**left["held_removals"])
    problems = open_problems(left["open_problems"])
    return RunState(
        digest,
        left["resume_at"],
        left["missing"],
        left["removed_lately"],
        held,
        problems,
        any_texts=left["any_texts"],
        any_takedowns=left["any_takedowns"],
        comparing=(at := left.get("comparing")) and ComparingState(**at),
        missing_longest=[MissingFile(*file) for file in left["missing_longest"]],
    )


def database_status(answer: Mapping[str, Any]) -> DatabaseStatus:
    running = None
    if run := answer["running"]:
        since = whole_seconds(datetime.fromisoformat(run["since"]))
        running = RunInFlight(run["holder"], since, run["open_messages"], run["run_id"], run["done"], run["total"])
    return DatabaseStatus(
        novels=answer["novels"],
        removed_novels=answer["removed_novels"],
        chapters=answer["chapters"],
        bytes=answer["bytes"],
        running=running,
        last_runs=[_finished_run(run) for run in answer["last_runs"]],
        metrics=msgspec.convert(answer["metrics"], Metrics),
        open_problems=open_problems(answer["open_problems"]),
        runs=[run_summary(run) for run in answer["runs"]],
        titles=answer["titles"],
        killed_at=whole_seconds(datetime.fromisoformat(killed)) if (killed := answer["killed_at"]) else None,
        at=datetime.fromisoformat(answer["at"]),
        comparing=(round_ := answer.get("comparing")) and _comparing(round_),
    )


def _comparing(answer: Mapping[str, Any]) -> Comparing:
    since = answer["whole_since"]
    return Comparing(
        whole_since=whole_seconds(datetime.fromisoformat(since)) if since else None,
        round_began=whole_seconds(datetime.fromisoformat(answer["began_at"])),
        novels=answer["compared"],
    )


def _finished_run(run: Mapping[str, Any]) -> FinishedRun:
    report = run["report"] and Report.from_dict(run["report"])
    return FinishedRun(Outcome(run["outcome"]), datetime.fromisoformat(run["finished_at"]), report)


def problem_page(answer: Mapping[str, Any], kind: str, limit: int) -> ProblemPage:
    problems = [
        ListedProblem(
            p["slug"] or None,
            kind,
            p["message"],
            p["hint"],
            p["title"],
            whole_seconds(datetime.fromisoformat(p["since"])) if p["since"] else None,
        )
        for p in answer["problems"]
    ]
    return ProblemPage(kind, answer["total"], problems, problems[-1].slug if len(problems) == limit else None)


def server_info(answer: Mapping[str, Any]) -> ServerInfo:
    now = datetime.fromisoformat(answer["now"])
    return ServerInfo(answer["schema"], answer["server"], answer["role"], answer["bytes"], now)
