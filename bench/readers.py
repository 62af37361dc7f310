"""A reader's requests, as ``anon`` over PostgREST, in a library of 100,000 novels."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx
import psycopg

from bench import libraries
from bench.parts import Rest, database, rest, sync, transport
from bench.results import Table

NOVELS = 100_000
TIMES = 30


def main(folder: Path) -> Iterator[Table]:
    libraries.make(folder, novels=NOVELS, chapters=1, size=200)
    libraries.make_one(folder, "long", chapters=3_000, size=6_000)
    with database() as conninfo:
        with transport("psycopg", conninfo) as (transport_, _):
            sync(folder, transport_)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("vacuum analyze")
            rows = connection.execute("select id from novels where slug = 'long'").fetchall()
            ((novel,),) = rows
            ((chapter,),) = connection.execute(
                "select id from chapters where novel_id = %s and position = 1500", [novel]
            ).fetchall()
        requests = {
            "contents of a novel of 3,000 chapters (1,000 at a time)": [
                f"chapters?select=id,position,number,title&novel_id=eq.{novel}&order=position&offset={offset}&limit=1000"
                for offset in (0, 1000, 2000)
            ],
            "one chapter with its text, by id": [f"chapters?select=title,content&id=eq.{chapter}"],
            "one chapter with its text, by place": [
                f"chapters?select=title,content&novel_id=eq.{novel}&position=eq.1500"
            ],
            "the 50 novels with the latest chapters": [
                "novels?select=slug,title,last_chapter_at&order=last_chapter_at.desc.nullslast&limit=50"
            ],
            "one novel by its slug": ["novels?select=*&slug=eq.novel-050000"],
        }
        with rest(conninfo) as api:
            rows = [(name, *_timed(api, paths)) for name, paths in requests.items()]
    yield Table(f"A reader's requests at {NOVELS:,} novels", ["", "median, ms", "worst, ms", "rows"], rows)


def _timed(api: Rest, paths: list[str]) -> list[str]:
    headers = {"apikey": api.publishable_key}
    times, rows = [], 0
    with httpx.Client(base_url=f"{api.url}/rest/v1/", headers=headers) as client:
        for _ in range(TIMES):
            start = time.perf_counter()
            rows = sum(len(client.get(path).raise_for_status().json()) for path in paths)
            times.append((time.perf_counter() - start) * 1000)
    return [f"{median(times):.1f}", f"{max(times):.1f}", f"{rows:,}"]
