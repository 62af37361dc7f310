"""Does the steps of many trials: all of a kind are one library, and a step is one whole run."""

import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg

from bench.judgement.books import Step, Trial
from bench.judgement.judging import NovelRow, Row, Tables, Truth, Verdict
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.results import Outcome
from novelsync.storage.local import LocalStorage
from novelsync.sync_service import SyncConfig, SyncService

_ENDED: Final = (Outcome.OK, Outcome.PARTIAL)


def judged(trials: Sequence[Trial], folder: Path, conninfo: str) -> list[Verdict]:
    """
    The verdict on each trial. ``folder`` is empty, and the database is new.

    Ends the bench if a run fails.
    """
    truths = [Truth() for _ in trials]
    with (
        closing(SqlClient(PostgresTransport(conninfo))) as database,
        psycopg.connect(conninfo, autocommit=True) as connection,
    ):
        service = SyncService(LocalStorage(str(folder)), database, SyncConfig(workers=2, max_file_bytes=2**30))
        for n in range(max(len(trial.steps) for trial in trials)):
            now = [(trial.steps[n], truth) for trial, truth in zip(trials, truths, strict=True) if n < len(trial.steps)]
            for trial in trials:
                if n < len(trial.steps):
                    write(folder, trial.steps[n - 1] if n else Step({}), trial.steps[n])
            report = service.sync_all_novels("bench")
            if report.outcome not in _ENDED:
                raise SystemExit(f"{folder.name}: {report.outcome}: {report.problems}")
            tables = read(connection)
            for step, truth in now:
                truth.look(step, tables)
    return [truth.verdict for truth in truths]


def write(folder: Path, before: Step, step: Step) -> None:
    """As a careful crawler does it, and only what has changed."""
    for slug in before.files.keys() - step.files.keys():
        shutil.rmtree(folder / slug)
    for slug, book in step.files.items():
        if before.files.get(slug) == book:
            continue
        path = folder / slug / "book_info.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(book.in_file(), ensure_ascii=False, indent=1), encoding="utf-8")
        a_minute_ago = time.time_ns() - 60_000_000_000
        os.utime(fresh, ns=(a_minute_ago, a_minute_ago))
        fresh.rename(path)


def read(connection: psycopg.Connection) -> Tables:
    chapters: defaultdict[int, list[Row]] = defaultdict(list)
    for novel, id_, title, number, url, text, removed in connection.execute(
        "select novel_id, id, title, number::float8, url, content, removed_at is not null from public.chapters"
        " order by novel_id, position, id"
    ):
        chapters[novel].append(Row(id_, title, number, url, text, removed))
    novels = []
    for id_, slug, removed, title, author, description, cover_url, status in connection.execute(
        "select id, slug, removed_at is not null, title, author, description, cover_url, status from public.novels"
    ):
        fields = {
            "title": title,
            "author": author,
            "description": description,
            "cover_url": cover_url,
            "status": status,
        }
        novels.append(NovelRow(id_, slug, removed, fields, chapters[id_]))
    held = connection.execute("select slug, message from novelsync.problems where kind = 'held'").fetchall()
    return Tables(novels, dict(held))


@contextmanager
def copy_of(conninfo: str) -> Iterator[str]:
    """A database like that one, which nobody is connected to."""
    server, name = conninfo.rsplit("/", 1)
    with psycopg.connect(f"{server}/template1", autocommit=True) as connection:
        connection.execute(f'create database judged template "{name}"')
        connection.execute("alter database judged set synchronous_commit = off")  # none of it is needed after a crash
        try:
            yield f"{server}/judged"
        finally:
            connection.execute("drop database judged with (force)")
