"""
An hour of a library of 1,000,000 novels, computed: each step is measured at a size this machine bears, and scaled up.

What cannot be measured is assumed, and the table says so: how far away Google and Supabase are, and what they charge.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from bench import buckets, fan_out, libraries
from bench.parts import database
from bench.results import Table
from novelsync.database.client import PAGE, SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.source import SourceFile, line_of
from novelsync.planning.listing import Listing
from novelsync.planning.run_plan import make_plan

NOVELS: Final = 1_000_000
SHARES: Final = (0.001, 0.1)
INSTANCES: Final = (10, 40)
MEASURED: Final = 100_000

LISTED: Final = 0.1
"""Assumed: seconds until a page of 1,000 objects has come from Cloud Storage."""
READ: Final = 0.06
"""Assumed: seconds until an object's metadata and content have come from Cloud Storage."""
PUBLISHED: Final = 0.1
"""Assumed: seconds for Pub/Sub to take 1,000 messages."""

# Google's list prices in US dollars (cloud.google.com/run, /pubsub and /storage, each under /pricing), to be looked up
# again before relying on them: a processor and 1 GiB for a second, a request, a kibibyte of Pub/Sub, an operation.
INSTANCE_SECOND: Final = 0.000024 + 0.0000025
REQUEST: Final = 0.40 / 1e6
KIBIBYTE: Final = 40 / 2**30
LIST: Final = 0.05 / 1e4
GET: Final = 0.004 / 1e4


def main(folder: Path) -> Iterator[Table]:
    _requests, _received, listing = buckets.listing(MEASURED)
    with database() as conninfo:
        knowing, planning, asking, answering = _bookkeeping(conninfo)
    library = folder / "library"
    libraries.make(library, novels=fan_out.NOVELS, chapters=fan_out.CHAPTERS, size=fan_out.SIZE)
    rounds = fan_out.given_out(library, 1, fan_out.DELAY)
    novel = fan_out.PER_WORKER * median(seconds for seconds, _ in rounds) / fan_out.NOVELS
    postgres = median(used["Postgres"] for _, used in rounds) / fan_out.NOVELS
    yield Table(
        "Measured here",
        ["", "seconds"],
        [
            ["listing 1,000 objects, this side's processor", f"{listing / MEASURED * 1000:.4f}"],
            ["reading 1,000 novels' bookkeeping", f"{knowing / MEASURED * 1000:.4f}"],
            ["planning 1,000 novels", f"{planning / MEASURED * 1000:.4f}"],
            ["remembering 1,000 messages", f"{asking:.4f}"],
            ["collecting 1,000 answers", f"{answering:.4f}"],
            ["one novel of 20 chapters in a worker, 20 ms from the database", f"{novel:.4f}"],
            ["the same, of Postgres' processors", f"{postgres:.4f}"],
        ],
    )

    pages = NOVELS / 1_000
    before = pages * (LISTED + (listing + knowing + planning) / MEASURED * 1000)
    rows = []
    for share in SHARES:
        for instances in INSTANCES:
            changed = NOVELS * share
            thousands = changed / 1_000
            giving = thousands * (asking + PUBLISHED)
            working = changed * (novel + READ) / instances
            # Messages are worked on while others are still given out.
            run = before + max(giving, working) + thousands * answering
            calls = 3 + NOVELS / PAGE + thousands + run + changed / 5_000 + 5 * changed
            money = (run + changed * (novel + READ)) * INSTANCE_SECOND + changed * (REQUEST + 2 * KIBIBYTE)
            money += pages * LIST + 2 * changed * GET
            rows.append(
                [
                    f"{share:.1%} changed, {instances} instances",
                    f"{before:,.0f}",
                    f"{max(giving, working):,.0f}",
                    f"{run:,.0f}",
                    f"{pages + 2 * changed:,.0f}",
                    f"{calls:,.0f}",
                    f"{changed * postgres / max(giving, working):.1f}",
                    f"{money:.2f}",
                ]
            )
    columns = [
        "",
        "s to list and plan",
        "s to carry over",
        "s in all",
        "requests to Cloud Storage",
        "calls of the database",
    ]
    columns += ["Postgres' processors at work meanwhile", "US dollars"]
    note = (
        f"Computed from the table above. Assumed: {LISTED} s for a page of 1,000 objects, {READ} s for an object,"
        f" {PUBLISHED} s for Pub/Sub to take 1,000 messages, and Google's list prices; Supabase's are not in it."
    )
    yield Table("Computed: an hour with 1,000,000 novels in a bucket, given out", columns, rows, note)


def _bookkeeping(conninfo: str) -> tuple[float, float, float, float]:
    """Seconds to read what is known of `MEASURED` novels, to plan them, to hand out 1,000, to collect the answers."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "insert into novelsync.files (slug, version, checksum, revision)"
            " select 'novel-' || to_char(n, 'FM000000'), '1700000000000000', repeat('0', 71), 1"
            " from generate_series(0, %s) n",
            [MEASURED - 1],
        )
        connection.execute("analyze novelsync.files")
    listing = Listing(line_of(SourceFile(f"novel-{n:06}", "1700000000000001", 1)) for n in range(MEASURED))
    with closing(SqlClient(PostgresTransport(conninfo))) as client:
        start = time.perf_counter()
        known = list(client.known_files())
        knowing = time.perf_counter() - start
        start = time.perf_counter()
        plan = make_plan(listing, iter(known))
        planning = time.perf_counter() - start
        run_id = str(uuid.uuid4())
        client.begin(run_id, "bench", "bench", 600)
        slugs = [novel.slug for _, novel in zip(range(1_000), plan.to_read, strict=False)]
        start = time.perf_counter()
        client.messages.hand_out(run_id, slugs)
        asking = time.perf_counter() - start
        for slug in slugs:
            client.messages.answer(run_id, NovelResult(slug, NovelStatus.UPDATED))
        start = time.perf_counter()
        answered = len(list(client.messages.answers(run_id)))
        answering = time.perf_counter() - start
    if answered != len(slugs):
        raise SystemExit(f"{answered} of {len(slugs)} answers came back")
    return knowing, planning, asking, answering
