"""What is done to runs, one fault at a time. What must be true afterwards, `World.settle` says."""

import random
import signal
import threading
import time
from itertools import combinations_with_replacement, count
from typing import Final

from novelsync.planning.guards.limits import DEFAULT_LIMITS
from tests.faults.crawler import Crawler
from tests.faults.network import ROADS, Strikes
from tests.faults.world import UNGUARDED, Ended, World
from tests.support.hours import everything
from tests.support.postgres_proxy import Fate
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import wait_until

KILLED: Final = "SIGKILL"
ROAD_PAIRS: Final = tuple(combinations_with_replacement(ROADS, 2))


def network_fails(world: World, transport: str, kind: str, dice: random.Random) -> None:
    """A run of which some calls fail; most get over it."""
    strikes = Strikes(kind, transport, dice, world.findings.struck)
    with world.network.failing(strikes):
        world.run(transport)


def network_fails_a_process(world: World, transport: str, kind: str, dice: random.Random) -> None:
    """The same with real waits."""
    strikes = Strikes(kind, transport, dice, world.findings.struck, most=3)
    with world.network.failing(strikes), world.process(transport) as process:
        world.ended(process)


def files_change(world: World, crawler: Crawler, transport: str, kind: str, dice: random.Random, runs: int = 4) -> None:
    """Runs while files are written badly."""
    with crawler.at_work(kind, transport):
        for _ in range(runs):
            world.run(transport, dice.choice([DEFAULT_LIMITS, UNGUARDED]))


def killed(world: World, transport: str, dice: random.Random, usual: float) -> bool:
    """
    SIGKILL at any moment of a run's work. False: it was too late for that.

    ``usual``: seconds from the lease to the end of an undisturbed run; there is nothing to lose before.
    """
    with world.process(transport) as process:
        world.working(process)
        time.sleep(dice.uniform(0, usual))
        killed = world.kill(process)
        world.findings.struck[KILLED, transport] += killed
        return killed


def overtaken(world: World, transport: str) -> Ended:
    """
    A run that stands still in its first write while another does all the work, and then goes on.

    What it was about to write arrives late, and must be refused.
    """
    stopped, goes_on = threading.Event(), threading.Event()
    with world.process(transport) as process:

        def stop(call: bytes) -> Fate | None:
            if b"novelsync_write" in call and not stopped.is_set():
                process.send_signal(signal.SIGSTOP)
                stopped.set()
                goes_on.wait(60)
            return None

        with world.network.before_calls(stop):
            wait_until(lambda: stopped.is_set() or process.poll() is not None)
            assert stopped.is_set(), "it wrote nothing"
            world.findings.struck["stopped and overtaken", transport] += 1
            world.settle()
            with world.tables() as tables:
                before = everything(tables)
            goes_on.set()
            process.send_signal(signal.SIGCONT)
            ended = world.ended(process)
    with world.tables() as tables:
        after = everything(tables)
    # Its own report is all that it may leave.
    written = [name for name, rows in after.items() if rows != before[name] and name != "novelsync.runs"]
    if written:
        world.findings.doubled.append(f"a run that was overtaken went on writing {written}")
    if "overtaken" not in str(ended.report["problems"]):
        world.findings.lost.append(f"a run that was overtaken does not say so: {ended.report}")
    return ended


def restarted(
    world: World, server: PostgresServer, transport: str, mode: str, dice: random.Random, usual: float
) -> Ended:
    """Postgres is restarted at any moment of a run's work."""
    with world.process(transport) as process:
        world.working(process)
        time.sleep(dice.uniform(0, usual))
        under_way = process.poll() is None
        server.restart(mode)
        world.findings.struck[f"Postgres restarted, {mode}", transport] += under_way
        return world.ended(process)


def raced(world: World, crawler: Crawler, transports: tuple[str, str], sizes: tuple[int, ...]) -> bool:
    """Two runs that ask for the lease at once, for the same new novels. True: one was told of the other."""
    crawler.add(*sizes)
    both, calls = threading.Barrier(2), count(1)

    def meet(call: bytes) -> None:
        if b"novelsync_begin" in call and next(calls) <= both.parties:
            both.wait(60)

    with world.network.before_calls(meet), world.process(transports[0]) as one, world.process(transports[1]) as other:
        ends = [world.ended(one), world.ended(other)]
    world.findings.struck["two runs at once", " and ".join(dict.fromkeys(transports))] += 1
    outcomes = sorted((end.code, end.report["outcome"]) for end in ends)
    if outcomes not in ([(0, "ok"), (4, "skipped")], [(0, "ok"), (0, "ok")]):
        world.findings.lost.append(f"two runs at once ended as {outcomes}")
    done = [sum(end.report[of]["created"] for end in ends) for of in ("novels", "chapters")]
    if done != [len(sizes), sum(sizes)]:
        world.findings.doubled.append(f"{len(sizes)} new novels of {sizes} chapters, and two runs created {done}")
    return (4, "skipped") in outcomes


def usual_seconds(world: World, transport: str) -> float:
    """From the lease to the end of a run that nobody disturbs."""
    with world.process(transport) as process:
        world.working(process)
        began = time.monotonic()
        ended = world.ended(process)
        assert ended.code == 0, ended.said
        return time.monotonic() - began
