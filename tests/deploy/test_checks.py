"""What deploy.sh looks at before it touches anything."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.deploying import KEY, NEWEST, Cloud, Database


@pytest.mark.parametrize(
    ("state", "says", "do"),
    [
        ({"version": "380.0.0"}, "gcloud is too old: 380.0.0", "gcloud components update"),
        ({"account": ""}, "nobody is logged in", "gcloud auth login"),
        ({"billing": "False"}, "has no billing account", "gcloud billing projects link my-project"),
    ],
)
def test_a_project_that_is_not_ready_is_refused_before_anything_is_touched(
    cloud: Cloud, state: Mapping[str, Any], says: str, do: str
) -> None:
    cloud.change(**state)
    refused = cloud.deploy()
    assert refused.code == 1
    assert says in refused.err
    assert do in refused.err
    assert refused.changes() == []


@pytest.mark.parametrize(
    ("call", "error", "says", "do"),
    [
        ("^projects describe", "does not have permission", "there is no project my-project, or ann@", "projects list"),
        ("^storage buckets describe", "HTTPError 403: no access", "a bucket gs://my-novels, and ann@", "take another"),
    ],
)
def test_what_belongs_to_others_is_refused_before_anything_is_touched(
    cloud: Cloud, call: str, error: str, says: str, do: str
) -> None:
    cloud.fail(call, error)
    refused = cloud.deploy()
    assert refused.code == 1
    assert error in refused.err
    assert says in refused.err
    assert do in refused.err
    assert refused.changes() == []


@pytest.mark.parametrize(
    ("status", "says", "do"),
    [
        (404, "has not been migrated", "novelsync migrate --print"),
        (540, "is paused", "restore it"),
        (500, "answers with status 500", "dashboard"),
    ],
)
def test_a_database_that_is_not_ready_is_refused_before_anything_is_touched(
    cloud: Cloud, database: Database, status: int, says: str, do: str
) -> None:
    database.status = status
    refused = cloud.deploy()
    assert refused.code == 1
    assert says in refused.err
    assert do in refused.err
    assert refused.changes() == []


@pytest.mark.parametrize(("schema", "named"), [("20261123210100", "20261123210100"), (None, "none that says so")])
def test_an_older_schema_is_refused_before_anything_is_touched(
    deployed_cloud: Cloud, database: Database, schema: str | None, named: str
) -> None:
    database.schema = schema
    refused = deployed_cloud.deploy()
    assert (refused.code, refused.changes()) == (1, [])
    assert f"its newest migration is {named}, and {NEWEST} is needed" in refused.err
    assert "novelsync migrate --print" in refused.err


def test_a_newer_schema_is_none_of_its_business(deployed_cloud: Cloud, database: Database) -> None:
    database.schema = "29991231235959"
    assert deployed_cloud.deploy().code == 0


def test_a_wrong_key_and_a_wrong_address_are_refused_and_not_shown(cloud: Cloud, database: Database) -> None:
    database.keys = set()
    wrong_key = cloud.deploy()
    gone = cloud.deploy(SUPABASE_URL="http://127.0.0.1:1")
    mixed_up = cloud.deploy(SUPABASE_URL=KEY)
    broken = cloud.deploy(SUPABASE_SECRET_KEY=f"{KEY} and more")
    assert "does not accept the key (401)" in wrong_key.err
    assert "cannot be reached at http://127.0.0.1:1" in gone.err
    assert "SUPABASE_URL is not an address" in mixed_up.err
    assert "characters that no key has" in broken.err
    for refused in (wrong_key, gone, mixed_up, broken):
        assert (refused.code, refused.changes()) == (1, [])
        assert KEY not in refused.out + refused.err


@pytest.mark.parametrize("url", ["http://ref.supabase.co", "http://localhost.example.com", "http://127.0.0.100:1"])
def test_an_address_that_would_show_the_key_to_the_network_is_not_called(cloud: Cloud, url: str) -> None:
    refused = cloud.deploy(SUPABASE_URL=url)
    assert (refused.code, refused.changes(), refused.curls) == (1, [], "")
    assert "SUPABASE_URL is not https" in refused.err


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1/"])
def test_this_machine_may_be_asked_without_https(cloud: Cloud, url: str) -> None:
    assert f"cannot be reached at {url.rstrip('/')}" in cloud.deploy(SUPABASE_URL=url).err


def test_billing_that_may_not_be_seen_is_no_reason_to_stop(cloud: Cloud) -> None:
    cloud.fail("^billing", "PERMISSION_DENIED")
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert "whether billing is enabled could not be seen" in deployed.err
