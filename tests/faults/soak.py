"""
``make soak``: faults of every kind, chosen at random, for ten minutes or as long as you like.

    make soak ARGS="--seconds 600 --kills 200 --pairs 50 --seed 7 --keep"

Each fault is followed by one clean run, after which nothing may be lost or doubled; a reader looks all the time, and
may see no novel half. It exits with 1 if anything was found, and says what. The same seed makes the same choices, but
what a run is doing just then is up to the machine.
"""

import argparse
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg.conninfo import make_conninfo

from bench import libraries
from bench.results import Table, keep
from novelsync.database.migrations import migrate
from tests.faults import rounds
from tests.faults.crawler import OF_FILES, Crawler
from tests.faults.network import FAULTS, ROADS
from tests.faults.world import Findings, World
from tests.running.test_sync import assert_equal_to_files
from tests.support.library import REAL_NOVELS
from tests.support.postgres_server import PostgresServer, newest_programs

ROUNDS_OF_A_WORLD: Final = 12
"""Then comes another library, in another database."""

USUAL_SECONDS: Final = 0.15
"""That a run takes after so little was edited, about."""

KINDS: Final = {
    "network": 8,
    "network, real waits": 2,
    "files": 4,
    rounds.KILLED: 4,
    "overtaken": 2,
    "restarted": 2,
    "raced": 2,
}
"""How often each is chosen, of 24: those with processes of their own take longer."""


@dataclass
class Killings:
    """Imports that were killed: how many, how many left tables partly filled, and how many were equal after one run."""

    kills: int = 0
    partly: int = 0
    equal: int = 0


@dataclass
class Races:
    """Pairs of runs: how many, and in how many one was told that the other was running."""

    pairs: int = 0
    overlapped: int = 0


class Soak:
    def __init__(self, server: PostgresServer, folder: Path, seed: int) -> None:
        self.findings = Findings()
        self.killings = Killings()
        self.races = Races()
        self._server = server
        self._folder = folder
        self._seed = seed
        self._numbers = count(1)
        self._said = 0
        migrate(server.url, "the soak's server")
        self._command("create database migrated template postgres")

    # Import, killed ------------------------------------------------------------------------

    def kill(self, times: int) -> None:
        """An import of the real novels into empty tables, killed so often; each is finished by one clean run."""
        library = REAL_NOVELS
        if not library.exists():
            library = self._folder / "in place of the real novels"
            libraries.make(library, novels=20, chapters=36, size=15_000)
        dice, transports = random.Random(f"{self._seed} kills"), cycle(ROADS)  # noqa: S311 — the same choices again
        with self._world("kills", library) as world:
            for path in sorted(library.glob("*/book_info.json")):
                world.expect(path.parent.name, json.loads(path.read_bytes()))
            whole = sum(len(version.chapters) for version in world.in_storage.values())
            usual = {}
            for transport in ROADS:
                usual[transport] = rounds.usual_seconds(world, transport)
                world.empty()
            while self.killings.kills < times:
                transport = next(transports)
                if rounds.killed(world, transport, dice, usual[transport]):
                    self._count_kill(world, library, whole)
                world.lease_lapses()
                world.empty()

    def _count_kill(self, world: World, library: Path, whole: int) -> None:
        self.killings.kills += 1
        with world.tables() as tables:
            ((stored,),) = tables.rows("select count(*) from chapters")
            self.killings.partly += 0 < stored < whole
            before = len(self.findings.lost + self.findings.doubled)
            world.settle()
            try:
                assert_equal_to_files(tables, library)
            except AssertionError as error:
                self.findings.lost.append(f"after a kill: {error}")
        self.killings.equal += before == len(self.findings.lost + self.findings.doubled)
        self._progress(f"killed {self.killings.kills}, {stored} chapters were there")

    # Two runs at once ------------------------------------------------------------------------

    def race(self, times: int) -> None:
        dice = random.Random(f"{self._seed} pairs")  # noqa: S311
        pairs = cycle(rounds.ROAD_PAIRS)
        with self._world("pairs") as world:
            crawler = Crawler(world, (5,), dice)
            world.settle()
            for _ in range(times):
                self._race(world, crawler, next(pairs), dice)
                self._progress(f"pair {self.races.pairs}")

    def _race(self, world: World, crawler: Crawler, transports: tuple[str, str], dice: random.Random) -> None:
        sizes = tuple(dice.randint(1, 20) for _ in range(dice.randint(1, 5)))
        self.races.overlapped += rounds.raced(world, crawler, transports, sizes)
        self.races.pairs += 1
        world.settle()

    # Anything ----------------------------------------------------------------------------------

    def go_on(self, seconds: float) -> None:
        """Rounds of any kind, in one world after the other."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            name = f"world-{next(self._numbers)}"
            dice = random.Random(f"{self._seed} {name}")  # noqa: S311
            with self._world(name) as world:
                crawler = Crawler(world, (3, 8, 20), dice)
                for book in dice.choice([lambda dice: [], _large_book, _real_books])(dice):
                    crawler.put(book)
                for _ in range(ROUNDS_OF_A_WORLD):
                    if time.monotonic() >= ends:
                        break
                    said = self._round(world, crawler, dice)
                    world.settle()
                    self._progress(f"{name}: {said}")
                    dice.choices((crawler.edit, crawler.put_large), (4, 1))[0]()

    def _round(self, world: World, crawler: Crawler, dice: random.Random) -> str:
        (kind,) = dice.choices(list(KINDS), list(KINDS.values()))
        transport = dice.choice(ROADS)
        match kind:
            case "network":
                kind = dice.choice(FAULTS[transport])
                rounds.network_fails(world, transport, kind, dice)
            case "network, real waits":
                kind = dice.choice(FAULTS[transport])
                rounds.network_fails_a_process(world, transport, kind, dice)
            case "files":
                kind = dice.choice(list(OF_FILES))
                rounds.files_change(world, crawler, transport, kind, dice)
            case rounds.KILLED:
                crawler.add(40, 40)
                rounds.killed(world, transport, dice, USUAL_SECONDS)
            case "overtaken":
                crawler.add(3)
                rounds.overtaken(world, transport)
            case "restarted":
                crawler.add(40, 40)
                mode = dice.choice(["fast", "immediate"])
                rounds.restarted(world, self._server, transport, mode, dice, USUAL_SECONDS)
            case "raced":
                world.settle()
                pair = dice.choice(rounds.ROAD_PAIRS)
                self._race(world, crawler, pair, dice)
                transport = " and ".join(pair)
        return f"{kind} over {transport}"

    # Around them -------------------------------------------------------------------------------

    @contextmanager
    def _world(self, name: str, library: Path | None = None) -> Iterator[World]:
        database = name.replace("-", "_")
        self._command(f"create database {database} template migrated strategy file_copy")
        url = make_conninfo(self._server.url, dbname=database)
        with World(library or self._folder / name / "novels", url, self.findings) as world:
            yield world
        self._command(f"drop database {database} with (force)")

    def _command(self, command: str) -> None:
        with psycopg.connect(make_conninfo(self._server.url, dbname="template1"), autocommit=True) as connection:
            connection.execute(command)

    def _progress(self, said: str) -> None:
        """One line for each round, and what was found in it."""
        print(said, file=sys.stderr, flush=True)
        wrong = self.findings.wrong
        for finding in wrong[self._said :]:
            print(f"WRONG: {finding}", file=sys.stderr, flush=True)
        self._said = len(wrong)

    def tables(self) -> Iterator[Table]:
        findings = self.findings
        kinds = sorted({kind for kind, _ in findings.struck})
        transports = [*ROADS, *sorted({transport for _, transport in findings.struck} - set(ROADS))]
        rows = [[kind, *(f"{findings.struck[kind, transport]:,}" for transport in transports)] for kind in kinds]
        yield Table("Faults that struck, by kind and road", ["", *transports], rows)
        wrong = (("lost", findings.lost), ("doubled", findings.doubled), ("seen half", findings.half_seen))
        yield Table(
            "What came of them",
            ["", ""],
            [
                ["runs", f"{findings.runs.total():,}"],
                *([f"… {how}", f"{n:,}"] for how, n in findings.runs.most_common()),
                ["faults that struck", f"{findings.struck.total():,}"],
                ["clean runs that were judged", f"{findings.judged:,}"],
                ["a reader's looks", f"{findings.looks:,}"],
                *([f"**{what}**", f"**{len(found)}**"] for what, found in wrong),
            ],
        )
        killings, races = self.killings, self.races
        if killings.kills:
            rows = [
                ["imports killed", f"{killings.kills}"],
                ["… that left the tables partly filled", f"{killings.partly}"],
                ["**equal, byte for byte, after the next run**", f"**{killings.equal} of {killings.kills}**"],
            ]
            yield Table("SIGKILL at any moment of an import of the real novels", ["", ""], rows)
        if races.pairs:
            rows = [
                ["pairs of simultaneous runs", f"{races.pairs}"],
                ["… of which one was told of the other", f"{races.overlapped}"],
            ]
            yield Table("Two runs at once", ["", ""], rows)


def _large_book(dice: random.Random) -> list[dict[str, Any]]:
    """Of more text than goes into one call."""
    chapters = [libraries.chapter(dice, "large", n, 100_000) for n in range(1, 41)]
    return [{"title": "Large", "chapters": chapters}]


def _real_books(dice: random.Random) -> list[dict[str, Any]]:
    """A few small ones, all texts of which are different and long enough to tell a chapter by."""
    books = []
    for path in sorted(REAL_NOVELS.glob("*/book_info.json")):
        if path.stat().st_size < 500_000:
            book = json.loads(path.read_bytes())
            texts = Counter(chapter["content"] for chapter in book["chapters"])
            if texts.total() == len(texts) and all(len(text) >= 200 for text in texts):
                books.append(book)
    return dice.sample(books, min(3, len(books)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--seconds", type=float, default=600, help="of rounds of any kind")
    parser.add_argument("--kills", type=int, default=0, help="imports of the real novels, killed")
    parser.add_argument("--pairs", type=int, default=0, help="pairs of simultaneous runs")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--keep", action="store_true", help="put the tables into docs/numbers.md")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="novelsync-soak-") as folder, PostgresServer(newest_programs()) as server:
        soak = Soak(server, Path(folder), options.seed)
        if options.kills:
            soak.kill(options.kills)
        if options.pairs:
            soak.race(options.pairs)
        soak.go_on(options.seconds)
    text = "\n\n".join(table.markdown() for table in soak.tables())
    print(text)
    if options.keep:
        arguments = f"--seconds {options.seconds:.0f} --kills {options.kills} --pairs {options.pairs}"
        keep(
            "soak" if options.seconds else "kills" if options.kills else "pairs",
            f'`make soak ARGS="{arguments} --seed {options.seed}"`\n\n{text}',
        )
    if soak.findings.wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
