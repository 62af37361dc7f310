"""What comparing every novel with its file costs: the slice of an hour that has all of a round to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

from bench import libraries
from bench.parts import TRANSPORTS, database, sync, transport
from bench.results import Table
from novelsync.running.comparing.rounds import Pace

NOVELS: Final = 1_000
CHAPTERS: Final = 30
SIZE: Final = 2_000
"""Bytes of a text."""

_ALL_DUE: Final = b"update novelsync.comparing set began_at = began_at - interval '8 days'"


def main(folder: Path) -> Iterator[Table]:
    library = folder / "library"
    libraries.make(library, novels=NOVELS, chapters=CHAPTERS, size=SIZE)
    bytes_ = sum(file.stat().st_size for file in library.glob("*/book_info.json"))
    rows = []
    for kind in TRANSPORTS:
        with database() as conninfo, transport(kind, conninfo) as (way, api):
            sync(library, way)
            if api:
                api.passed()
            calls = way.calls
            quiet, _ = sync(library, way)
            quiet_calls, passed = way.calls - calls, api.passed() if api else {}
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute(_ALL_DUE)
                connection.execute("vacuum analyze")  # as by itself, long before anything is due
            calls = way.calls
            seconds, _ = sync(library, way, Pace(seconds=600))
            with psycopg.connect(conninfo) as connection:
                (whole,) = connection.execute("select whole_since is not null from novelsync.comparing").fetchone() or (
                    0,
                )
            if not whole:
                raise SystemExit("the round did not come to its end")
            took = seconds - quiet
            row = [kind, f"{took:.2f}", f"{NOVELS / took:,.0f}", f"{bytes_ / took / 1e6:,.0f}"]
            row.append(f"{way.calls - calls - quiet_calls:,}")
            if api:
                more = api.passed()
                row += [f"{(more[way_] - passed[way_]) / NOVELS / 1e3:.1f}" for way_ in ("bytes_in", "bytes_out")]
            rows.append(row if api else [*row, "", ""])
    columns = ["over", "seconds", "novels a second", "MB of files a second", "requests"]
    columns += ["kB a novel to Supabase", "kB a novel from it"]
    note = f"{bytes_ / 1e6:.0f} MB of files, beyond what a quiet hour takes. No row was written but the bookkeeping's."
    yield Table(f"Comparing {NOVELS:,} novels of {CHAPTERS} chapters", columns, rows, note)
