"""A project of one's own in which deploy.sh is called, and what first deployments leave in theirs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deploying import OTHERS, Cloud, Database, Deployed, cloud_with, served
from tests.support.gcloud import BASH


@pytest.fixture(autouse=True, scope="session")
def _tools_of_deploy_sh() -> None:
    if not BASH or not shutil.which("curl"):
        pytest.skip("deploy.sh needs bash and curl, and one of them is not there")


@pytest.fixture
def database() -> Iterator[Database]:
    with served() as database:
        yield database


@pytest.fixture
def cloud(tmp_path: Path, database: Database) -> Iterator[Cloud]:
    with cloud_with(database, tmp_path / "cloud") as cloud:
        yield cloud


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """A first deployment, with an alert; for tests that only look at it."""
    with served() as database, cloud_with(database, tmp_path_factory.mktemp("first") / "cloud") as cloud:
        deployed = cloud.deploy("--alert", "ann@example.com")
    assert deployed.code == 0, deployed.err
    return deployed


@pytest.fixture
def deployed_cloud(cloud: Cloud, first: Deployed) -> Cloud:
    """What the first deployment left."""
    cloud.change(things=first.state["things"], versions=first.state["versions"])
    return cloud


@pytest.fixture(scope="session")
def first_with_events(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """A first deployment with events and fan-out, into a bucket that others are told about, too."""
    with served() as database, cloud_with(database, tmp_path_factory.mktemp("events") / "cloud") as cloud:
        cloud.change(notifications=[OTHERS])
        deployed = cloud.deploy("--events", "--fanout")
    assert deployed.code == 0, deployed.err
    return deployed


@pytest.fixture
def cloud_with_events(cloud: Cloud, first_with_events: Deployed) -> Cloud:
    """What that left."""
    cloud.change(**{name: first_with_events.state[name] for name in ("things", "versions", "notifications", "made")})
    return cloud
