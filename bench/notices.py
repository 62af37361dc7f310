"""
Notices to a receiver that fails, hangs and is restarted, from senders that are killed at any moment.

The receiver writes down what it takes before it answers, as a site would do in its database.
"""

import json
import multiprocessing
import os
import random
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog

from bench.parts import database
from bench.results import Table
from novelsync.database.client import SqlClient
from novelsync.database.transports.postgres import PostgresTransport
from novelsync.notice_service import NoticeService
from novelsync.webhook import SignedWebhook

CHANGES: Final = 10_000
NOVELS: Final = 200
SECONDS: Final = 150
"""In which the changes are made, by two writers at once."""
SENDERS: Final = 3
FAILS: Final = 0.3
"""The share of calls that are answered with 500; of these, a third after the message was taken."""
HANGS: Final = 0.05
"""The share of calls that are not answered in time; of these, half after the message was taken."""
SECRET: Final = f"whsec_{b64encode(bytes(32)).decode()}"
SEED: Final = 7

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["bench.notices"])


def main(folder: Path) -> Iterator[Table]:
    dice, journal = random.Random(SEED), folder / "journal"  # noqa: S311 — faults, no secrets
    with database() as conninfo, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        url = f"http://127.0.0.1:{port}/"
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(
                "insert into novels (slug, title) select 'novel-' || n, 'Novel ' || n from generate_series(1, %s) n",
                [NOVELS],
            )
            _service(conninfo, url).send(0.1)  # from now on it is known
            writers = [threading.Thread(target=_write, args=(conninfo, seed)) for seed in range(2)]
            receiver = _start(_receive, port, journal)
            senders = [_start(_send, conninfo, url) for _ in range(SENDERS)]
            for writer in writers:
                writer.start()
            killed, restarts, restart_at, ends = 0, 0, time.monotonic() + 10, time.monotonic() + 3 * SECONDS
            try:
                while time.monotonic() < ends and (any(each.is_alive() for each in writers) or _behind(connection)):
                    time.sleep(dice.uniform(0.2, 3))
                    chosen = dice.randrange(SENDERS)
                    _kill(senders[chosen])
                    senders[chosen] = _start(_send, conninfo, url)
                    killed += 1
                    if time.monotonic() > restart_at:
                        _kill(receiver)
                        time.sleep(dice.uniform(0, 2))
                        receiver = _start(_receive, port, journal)
                        restarts, restart_at = restarts + 1, time.monotonic() + dice.uniform(5, 15)
            finally:
                for process in (*senders, receiver):
                    _kill(process)
            made = [id_ for (id_,) in connection.execute("select id from chapter_changes order by id").fetchall()]
    yield _table(made, [json.loads(line) for line in journal.read_text().splitlines()], killed, restarts)


def _table(made: list[int], calls: list[dict[str, Any]], killed: int, restarts: int) -> Table:
    """``calls``: those that reached the receiver: when, what they held, and whether that was taken."""
    seen: set[int] = set()
    highest = out_of_order = repeats = 0
    for call in calls:
        for id_ in call["ids"] if call["taken"] else ():
            repeats += id_ in seen
            out_of_order += id_ not in seen and id_ < highest
            seen.add(id_)
            highest = max(highest, id_)
    pauses = [later["at"] - call["at"] for call, later in pairwise(calls)]
    row = [
        f"{len(made):,} changes",
        *(f"{count:,}" for count in (killed, restarts, len(calls), sum(call["answer"] != 200 for call in calls))),
        f"{min(pauses):.2f}",
        *(f"{count:,}" for count in (len(set(made) - seen), out_of_order, repeats)),
    ]
    columns = ["", "senders killed", "receiver restarted", "calls", "failed or hung", "least seconds between two"]
    columns += ["missed", "out of order", "repeats"]
    note = (
        f"Made in {SECONDS} s by two writers, which also roll back; sent by {SENDERS} processes, of which one is"
        f" killed every 1.6 s. {FAILS:.0%} of the calls fail and {HANGS:.0%} hang, some of them after the message was"
        " taken: those are the repeats, which their ids tell."
    )
    return Table("A receiver that fails, hangs and is restarted", [*columns], [row], note)


def _service(conninfo: str, url: str) -> NoticeService:
    return NoticeService(SqlClient(PostgresTransport(conninfo)).notices, [SignedWebhook(url, [SECRET])])


def _behind(connection: psycopg.Connection[Any]) -> bool:
    ((behind,),) = connection.execute(
        "select (select max(id) from chapter_changes) > (select position from novelsync.receivers)"
    ).fetchall()
    return bool(behind)


def _write(conninfo: str, seed: int) -> None:
    dice, left = random.Random(seed), CHANGES // 2  # noqa: S311 — amounts, no secrets
    ends = time.monotonic() + SECONDS
    with psycopg.connect(conninfo) as connection:
        while left:
            count = min(left, dice.randint(1, 100))
            connection.execute(
                "select novelsync.append_changes(null, array("
                "select row((select id from novels where slug = 'novel-' || n), null, 'changed', '{title}', null)"
                "::novelsync.chapter_change from unnest(%s::int[]) n))",
                [[dice.randint(1, NOVELS) for _ in range(count)]],
            )
            if dice.random() < 0.1:
                connection.rollback()
            else:
                connection.commit()
                left -= count
            time.sleep(max(0, (ends - time.monotonic()) / (left / 50 + 1)))


def _start(what: Callable[..., object], *arguments: Any) -> multiprocessing.process.BaseProcess:
    # Forked from a server that has everything imported: a process that is killed while it starts shows nothing.
    process = _FORKS.Process(target=what, args=arguments, daemon=True)
    process.start()
    return process


def _kill(process: multiprocessing.process.BaseProcess) -> None:
    process.kill()
    process.join()


def _send(conninfo: str, url: str) -> None:
    """A process as one that syncs: it tells what there is to tell, again and again, until it is killed."""
    structlog.configure(processors=[lambda *_: (_ for _ in ()).throw(structlog.DropEvent)])
    with closing(SqlClient(PostgresTransport(conninfo))) as client:
        service = NoticeService(client.notices, [SignedWebhook(url, [SECRET])])
        while True:
            service.send(20)
            time.sleep(0.1)


def _receive(port: int, journal: Path) -> None:
    dice, lock = random.Random(), threading.Lock()  # noqa: S311 — faults, no secrets

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at, chance = time.time(), dice.random()
            changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]["changes"]
            answer, taken, hangs = 200, True, False
            if chance < FAILS:
                answer, taken = 500, dice.random() < 1 / 3
            elif chance < FAILS + HANGS:
                answer, taken, hangs = 0, dice.random() < 1 / 2, True
            line = {"at": at, "ids": [change["id"] for change in changes], "taken": taken, "answer": answer}
            with lock, journal.open("a") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
            if hangs:
                time.sleep(15)
            self.send_response(answer or 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
