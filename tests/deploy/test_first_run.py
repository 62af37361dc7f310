"""After deploying the schedule is run once, and its report is printed."""

import json
import sys
from pathlib import Path

import pytest

from tests.support.deploying import ROOT, Cloud, Database
from tests.support.library import Library, chapters
from tests.support.postgrest import ABSENT, StandIn, postgrest_binary


def test_a_run_that_failed_is_shown_and_exits_with_1(cloud: Cloud, database: Database) -> None:
    database.outcome = "failed"
    deployed = cloud.deploy()
    assert deployed.code == 1
    assert json.loads(deployed.out)["outcome"] == "failed"
    assert "the run ended as 'failed'" in deployed.err
    assert "https://novelsync-status-abc.a.run.app/api/v1/sync/novels/status" in deployed.err
    assert deployed.err.splitlines()[-1] == (
        "  → fix it; then: gcloud scheduler jobs run novelsync-hourly --location=europe-west1 --project=my-project"
    )


def test_where_the_bucket_has_no_novels_yet_it_says_how_to_bring_them(cloud: Cloud, database: Database) -> None:
    cloud.change(things=["storage buckets gs://my-novels"])
    database.outcome = "failed"
    database.problem = {"message": "there is nothing under gs://my-novels/novels, and the bucket has other objects"}
    deployed = cloud.deploy()
    assert deployed.code == 1
    assert deployed.err.splitlines()[-1] == (
        "  → bring the novels there: gcloud storage rsync --recursive storage/novels gs://my-novels/novels; "
        "then: gcloud scheduler jobs run novelsync-hourly --location=europe-west1 --project=my-project"
    )


def test_a_run_that_never_shows_is_not_waited_for_without_end(cloud: Cloud, database: Database) -> None:
    database.runs_when = lambda: False
    deployed = cloud.deploy()
    assert deployed.code == 1
    assert "no run has come to its end" in deployed.err
    assert "gcloud run services proxy novelsync-status" in deployed.err
    assert "gcloud functions logs read novelsync-sync --gen2 --region=europe-west1 --project=my-project" in deployed.err


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_the_report_is_that_of_a_real_run_over_the_real_api(
    tmp_path: Path, library: Library, database_url: str, empty_database_url: str
) -> None:
    library.write("emma", chapters(2))
    with StandIn(database_url) as supabase, StandIn(empty_database_url) as bare:
        cloud = Cloud(tmp_path / "cloud", supabase.url)
        keys = {"SUPABASE_URL": supabase.url, "SUPABASE_SECRET_KEY": supabase.secret_key}
        environment = {"PYTHONPATH": str(ROOT), "NOVELSYNC_STORAGE": str(library.folder), **keys}
        cloud.change(run={"args": [sys.executable, "-m", "novelsync", "sync"], "env": environment})
        deployed = cloud.deploy(**keys)
        assert deployed.code == 0, deployed.err
        assert json.loads(deployed.out)["novels"]["created"] == 1
        wrong = {"SUPABASE_URL": supabase.url, "SUPABASE_SECRET_KEY": "sb_secret_of-another-project"}
        assert "does not accept the key" in cloud.deploy(**wrong).err
        unmigrated = cloud.deploy(SUPABASE_URL=bare.url, SUPABASE_SECRET_KEY=bare.secret_key)
        assert "has not been migrated" in unmigrated.err
        assert unmigrated.changes() == []
