"""--delete: takes down what was made, and nothing else."""

import pytest

from tests.support.deploying import Cloud


def test_deleting_lists_what_there_is_asks_and_leaves_bucket_and_database(deployed_cloud: Cloud) -> None:
    unanswered = deployed_cloud.deploy("--delete")
    assert unanswered.code == 1
    assert "add --yes, if it is meant" in unanswered.err
    assert unanswered.changes() == []
    for listed in ("the schedule novelsync-hourly", "the function novelsync-sync", "the alert policy", "the secret"):
        assert listed in unanswered.err
    deleted = deployed_cloud.deploy("--delete", "--yes", SUPABASE_URL="", SUPABASE_SECRET_KEY="")
    assert deleted.code == 0, deleted.err
    assert deleted.called("storage|bucket") == []
    assert sorted(deleted.state["things"]) == [
        "iam roles novelsync_status",
        "iam roles novelsync_sync",
        "storage buckets gs://my-novels",
    ]
    nothing = deployed_cloud.deploy("--delete", "--yes")
    assert (nothing.code, nothing.changes()) == (0, [])
    assert "nothing" in nothing.err


@pytest.mark.parametrize(("answer", "code", "left"), [("no", 1, 14), ("yes", 0, 3)])
def test_only_a_yes_deletes(deployed_cloud: Cloud, answer: str, code: int, left: int) -> None:
    ended, shown = deployed_cloud.deploy_on_a_terminal({"Take down what is listed? (yes/no) ": answer}, "--delete")
    assert ended == code, shown
    deployed_cloud.change()
    assert len(deployed_cloud.state["things"]) == left, shown


def test_deleting_without_alpha_commands_leaves_alerts_and_says_so(deployed_cloud: Cloud) -> None:
    deployed_cloud.change(version="528.0.0")
    deleted = deployed_cloud.deploy("--delete", "--yes")
    assert deleted.code == 0, deleted.err
    assert deleted.called("^alpha |^monitoring ") == []
    assert "what --alert makes is not looked for, and stays" in deleted.err
    assert "functions novelsync-sync" not in deleted.state["things"]


def test_what_was_deleted_can_be_deployed_again(cloud: Cloud) -> None:
    cloud.change(things=["iam roles novelsync_status", "iam roles novelsync_sync", "storage buckets gs://my-novels"])
    again = cloud.deploy()
    assert again.code == 0, again.err
    assert again.called("storage buckets create|iam roles create") == []
