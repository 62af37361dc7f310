"""
Every kind of fault a few times, each followed by one clean run that must leave nothing lost, doubled or seen half.

`make soak` does the same for ten minutes or as long as you like, with other choices for another seed.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from novelsync.database.migrations import migrate
from tests.faults import rounds
from tests.faults.crawler import OF_FILES, Crawler
from tests.faults.network import FAULTS, ROADS
from tests.faults.world import Findings, World
from tests.support.library import chapters
from tests.support.postgres_server import PostgresServer, newest_programs


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.node.name)  # noqa: S311 — the same choices every time


@pytest.fixture
def findings() -> Findings:
    return Findings()


@pytest.fixture
def world(tmp_path: Path, database_url: str, findings: Findings) -> Iterator[World]:
    with World(tmp_path / "novels", database_url, findings) as world:
        yield world
    assert findings.wrong == []
    assert findings.looks > 0
    assert findings.judged > 0


@pytest.fixture
def crawler(world: World, dice: random.Random) -> Crawler:
    return Crawler(world, (3, 8, 20), dice)


@pytest.mark.parametrize("transport", ROADS)
def test_calls_that_fail_in_any_way_cost_nothing(
    world: World, crawler: Crawler, findings: Findings, transport: str, dice: random.Random
) -> None:
    for kind in FAULTS[transport]:
        for change in (crawler.put_large, crawler.edit):
            change()
            rounds.network_fails(world, transport, kind, dice)
            world.settle()
        assert findings.struck[kind, transport] > 0, f"{kind} never struck"


@pytest.mark.parametrize("kind", OF_FILES)
def test_files_that_change_while_they_are_read_are_seen_whole_or_as_they_were(
    world: World, crawler: Crawler, findings: Findings, kind: str, dice: random.Random
) -> None:
    for transport in ROADS:
        rounds.files_change(world, crawler, transport, kind, dice)
        world.settle()
        assert findings.struck[kind, transport] > 0, f"{kind} never happened"


@pytest.mark.parametrize("transport", ROADS)
def test_a_run_that_is_killed_at_any_moment_is_finished_by_the_next_one(
    world: World, crawler: Crawler, findings: Findings, transport: str, dice: random.Random
) -> None:
    crawler.add(40, 60)
    for _ in range(2):
        crawler.put_large()
        rounds.killed(world, transport, dice, 0.3)
        world.settle()


@pytest.mark.parametrize("transport", ROADS)
def test_a_run_that_stood_still_and_was_overtaken_writes_nothing_more_and_says_so(
    world: World, crawler: Crawler, transport: str
) -> None:
    ended = rounds.overtaken(world, transport)
    assert (ended.code, ended.report["outcome"]) == (4, "failed")


def test_two_runs_that_begin_at_once_do_the_work_once(world: World, crawler: Crawler) -> None:
    world.settle()
    rounds.raced(world, crawler, (ROADS[0], ROADS[-1]), (1, 5, 30))
    world.settle()


def test_a_run_in_which_postgres_is_restarted_is_made_up_for(
    tmp_path: Path, findings: Findings, dice: random.Random
) -> None:
    with PostgresServer(newest_programs()) as server:
        migrate(server.url, "the test's server")
        with World(tmp_path / "novels", server.url, findings) as world:
            crawler = Crawler(world, (3, 8, 60), dice)
            for transport, mode in zip(ROADS, ("fast", "immediate"), strict=False):
                rounds.restarted(world, server, transport, mode, dice, 0.1)
                world.settle()
                crawler.edit()
    assert findings.wrong == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("update novels set chapter_count = 99 where slug = 'emma'", "half_seen"),
        ("update chapters set content = 'x' where position = 2", "half_seen"),
        ("update chapters set removed_at = now() where position = 2", "half_seen"),
        ("delete from chapters where position = 2", "half_seen"),
        ("update chapters set id = id + 100", "lost"),
        ("update novels set removed_at = now()", "lost"),
        ("insert into novels (slug, title) values ('another', '')", "lost"),
        (
            "insert into chapters (novel_id, position, content, content_hash, removed_at)"
            " select novel_id, 9, content, content_hash, now() from chapters where position = 2",
            "doubled",
        ),
        ("insert into novelsync.staging (slug, request_id) values ('emma', gen_random_uuid())", "doubled"),
    ],
)
def test_what_is_lost_doubled_or_half_is_found(
    tmp_path: Path, database_url: str, findings: Findings, damage: str, found: str
) -> None:
    with World(tmp_path / "novels", database_url, findings) as world:
        world.publish("emma", {"title": "Emma", "chapters": chapters(3)})
        world.settle()
        assert findings.wrong == []
        with world.tables() as tables:
            tables.connection.execute(damage)
        world.judge()
    assert getattr(findings, found) != []
