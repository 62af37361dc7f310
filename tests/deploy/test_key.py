"""The key: where it goes, where it never is, and how another one takes its place."""

import json

import pytest

from tests.support.deploying import KEY, OTHER_KEY, Cloud, Database, Deployed


def test_the_key_is_on_no_command_line_in_no_environment_and_never_printed(first: Deployed) -> None:
    assert "rpc/novelsync_status" in first.curls
    (added,) = (call for call in first.calls if call["argv"][:3] == ["secrets", "versions", "add"])
    assert added["stdin"] == KEY
    for call in first.calls:
        assert KEY not in json.dumps([call["argv"], call["environment"]])
    assert KEY not in first.out + first.err + first.curls


def test_a_key_that_is_not_set_is_asked_for_without_an_echo(cloud: Cloud) -> None:
    code, shown = cloud.deploy_on_a_terminal({"is not shown): ": KEY}, SUPABASE_SECRET_KEY="")
    assert code == 0, shown
    assert "SUPABASE_SECRET_KEY (sb_secret_…, is not shown): " in shown
    assert KEY not in shown
    cloud.change()
    assert cloud.state["versions"] == [[KEY, True]]


def test_without_a_key_and_a_terminal_it_says_where_the_key_goes(cloud: Cloud) -> None:
    refused = cloud.deploy(SUPABASE_SECRET_KEY="")
    assert (refused.code, refused.changes()) == (1, [])
    assert "SUPABASE_SECRET_KEY is not set" in refused.err


def test_a_stored_key_that_may_not_be_read_stays_in_use_until_it_is_rotated(cloud: Cloud) -> None:
    cloud.fail("^secrets versions access", "PERMISSION_DENIED")
    assert "may not be read" not in cloud.deploy().err
    again = cloud.deploy(SUPABASE_SECRET_KEY=OTHER_KEY)
    assert again.code == 0, again.err
    assert "the stored key, version 1, may not be read by ann@example.com: it stays in use" in again.err
    assert len(again.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:1 ")) == 2
    assert again.state["versions"] == [[KEY, True]]
    rotated = cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 0, rotated.err
    assert rotated.state["versions"] == [[KEY, False], [OTHER_KEY, True]]


def test_a_repeated_deployment_needs_no_key(deployed_cloud: Cloud) -> None:
    again = deployed_cloud.deploy(SUPABASE_SECRET_KEY="")
    assert again.code == 0, again.err
    assert len(again.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:1 ")) == 2


def test_a_rotated_key_replaces_the_old_one_once_it_has_worked(deployed_cloud: Cloud) -> None:
    rotated = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 0, rotated.err
    assert len(rotated.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:2 ")) == 2
    assert rotated.state["versions"] == [[KEY, False], [OTHER_KEY, True]]
    assert rotated.changes()[-1].startswith("secrets versions disable 1 ")
    assert "delete the old key in Supabase's settings" in rotated.err


def test_an_old_key_stays_as_long_as_the_new_one_has_not_worked(deployed_cloud: Cloud, database: Database) -> None:
    database.outcome = "failed"
    rotated = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 1
    assert "the old key is not disabled" in rotated.err
    deployed_cloud.change(job_state="PAUSED")
    database.outcome = "ok"
    stopped = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=KEY)
    assert stopped.code == 1
    assert "no run has shown that it works" in stopped.err
    assert rotated.called("disable") == stopped.called("disable") == []


@pytest.mark.parametrize("cut", ["^functions deploy", "^scheduler jobs update", "^secrets versions disable"])
def test_a_rotation_that_was_cut_is_finished_by_the_same_call(deployed_cloud: Cloud, cut: str) -> None:
    deployed_cloud.fail(cut, "quota exceeded")
    assert deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY).code == 1
    deployed_cloud.change(faults=[])
    finished = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert finished.code == 0, finished.err
    assert finished.state["versions"] == [[KEY, False], [OTHER_KEY, True]]
    assert len(finished.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:2 ")) == 2


def test_a_rotation_that_goes_on_while_the_schedule_is_stopped_names_the_old_version(deployed_cloud: Cloud) -> None:
    deployed_cloud.change(versions=[[KEY, True], [OTHER_KEY, True]], job_state="PAUSED")
    stopped = deployed_cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert stopped.code == 1
    assert "gcloud secrets versions disable 1 --secret=novelsync-supabase-key --project=my-project\n" in stopped.err


def test_the_key_in_use_is_no_new_one(deployed_cloud: Cloud) -> None:
    refused = deployed_cloud.deploy("--rotate-key")
    assert (refused.code, refused.changes()) == (1, [])
    assert "this is the key that is in use" in refused.err


def test_a_new_key_is_sent_as_a_key_and_a_legacy_one_as_a_token_too(cloud: Cloud, database: Database) -> None:
    legacy = "eyJhbGciOiJIUzI1NiJ9.canary.signature"
    database.keys = {legacy, OTHER_KEY}
    warned = cloud.deploy(SUPABASE_SECRET_KEY=legacy)
    assert warned.code == 0, warned.err
    assert "this is a legacy key. Supabase switches those off, anon and service_role together" in warned.err
    rotated = cloud.deploy("--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert (rotated.code, "legacy" in rotated.err) == (0, False), rotated.err
    assert "canary" not in warned.err + rotated.err


def test_a_key_for_readers_is_refused_before_it_is_sent(cloud: Cloud) -> None:
    refused = cloud.deploy(SUPABASE_SECRET_KEY="sb_publishable_canary")
    assert (refused.code, refused.changes(), refused.curls) == (1, [], "")
    assert "this is the publishable key" in refused.err
