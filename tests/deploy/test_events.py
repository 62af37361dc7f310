"""Events and fan-out: what is made for them, and how it changes and goes."""

import pytest

from tests.support.deploying import FLAGS, OTHER_KEY, OTHERS, Cloud, Deployed, flag, settings_of

TOPIC = "projects/my-project/topics/novelsync-novels"
PARTS = {
    "functions novelsync-events",
    "pubsub topics novelsync-novels",
    "pubsub topics novelsync-novels-dead",
    "pubsub subscriptions novelsync-novels-push",
    "pubsub subscriptions novelsync-novels-dead",
}


def test_events_and_fan_out_are_one_function_between_two_topics(first_with_events: Deployed) -> None:
    made = {thing for thing in first_with_events.state["things"] if thing.startswith(("pubsub", "functions"))}
    assert made == PARTS | {"functions novelsync-sync", "functions novelsync-status"}
    events, sync, status = (line for line in first_with_events.commands if line[:2] == ["functions", "deploy"])
    assert (events[2], flag(events, "entry-point")) == ("novelsync-events", "novel_changed")
    assert {"--gen2", "--trigger-http", "--no-allow-unauthenticated"} <= set(events)
    assert (flag(events, "concurrency"), flag(events, "max-instances")) == ("1", "10")
    assert (flag(events, "timeout"), flag(events, "memory")) == ("540s", "1Gi")
    assert flag(events, "service-account") == "novelsync-events@my-project.iam.gserviceaccount.com"
    assert flag(events, "set-secrets") == "SUPABASE_SECRET_KEY=novelsync-supabase-key:1"
    assert settings_of(events) == settings_of(status)
    assert settings_of(sync) == settings_of(status) | {"NOVELSYNC_FANOUT_TOPIC": TOPIC}
    assert first_with_events.called("^services enable .*pubsub.googleapis.com")
    assert "gcloud functions logs read novelsync-events " in first_with_events.err


def test_messages_are_pushed_with_a_token_and_what_cannot_be_delivered_is_kept(first_with_events: Deployed) -> None:
    dead, push = (line for line in first_with_events.commands if line[:3] == ["pubsub", "subscriptions", "create"])
    assert push[3:] == [
        "novelsync-novels-push",
        "--topic=novelsync-novels",
        "--push-endpoint=https://novelsync-events-abc.a.run.app/",
        "--push-auth-service-account=novelsync-caller@my-project.iam.gserviceaccount.com",
        "--push-auth-token-audience=https://novelsync-events-abc.a.run.app",
        "--ack-deadline=600",
        "--min-retry-delay=10s",
        "--max-retry-delay=120s",
        "--message-retention-duration=1d",
        "--dead-letter-topic=novelsync-novels-dead",
        "--max-delivery-attempts=50",
        "--expiration-period=never",
        "--project=my-project",
    ]
    assert dead[3:] == [
        "novelsync-novels-dead",
        "--topic=novelsync-novels-dead",
        "--message-retention-duration=7d",
        "--expiration-period=never",
        "--project=my-project",
    ]


def test_a_bucket_tells_of_files_that_were_written_under_the_prefix(first_with_events: Deployed) -> None:
    (create,) = (
        line for line in first_with_events.commands if line[:4] == "storage buckets notifications create".split()
    )
    assert create[4:] == [
        "gs://my-novels",
        f"--topic={TOPIC}",
        "--event-types=OBJECT_FINALIZE",
        "--object-prefix=novels/",
        "--payload-format=json",
        "--project=my-project",
    ]


def test_of_a_whole_bucket_every_object_is_told(cloud: Cloud) -> None:
    deployed = cloud.deploy("--events", "--prefix", "")
    assert deployed.code == 0, deployed.err
    assert "prefix" not in "".join(deployed.called("notifications create"))
    assert cloud.deploy("--events", "--prefix", "").called("notifications (create|delete)") == []


@pytest.mark.parametrize(
    ("flags", "publishers", "topics"),
    [
        (("--events",), ["service-42@gs-project-accounts"], []),
        (("--fanout",), ["novelsync-sync@my-project"], [TOPIC]),
        (("--events", "--fanout"), ["novelsync-sync@my-project", "service-42@gs-project-accounts"], [TOPIC]),
    ],
)
def test_only_who_has_to_may_fill_the_topic(
    cloud: Cloud, flags: tuple[str, ...], publishers: list[str], topics: list[str]
) -> None:
    deployed = cloud.deploy(*flags)
    assert deployed.code == 0, deployed.err
    granted = set()
    for command in deployed.commands:
        if "add-iam-policy-binding" in command and (command[0] == "pubsub" or "novelsync-events" in " ".join(command)):
            verb = command.index("add-iam-policy-binding")
            account = flag(command, "member").removeprefix("serviceAccount:").removesuffix(".iam.gserviceaccount.com")
            granted.add(
                (" ".join([*command[:verb], command[verb + 1]]), account, flag(command, "role").partition("/")[2])
            )
    assert granted == {
        *(("pubsub topics novelsync-novels", publisher, "pubsub.publisher") for publisher in publishers),
        ("pubsub topics novelsync-novels-dead", "service-42@gcp-sa-pubsub", "pubsub.publisher"),
        ("pubsub subscriptions novelsync-novels-push", "service-42@gcp-sa-pubsub", "pubsub.subscriber"),
        ("run services novelsync-events", "novelsync-caller@my-project", "run.invoker"),
        ("storage buckets gs://my-novels", "novelsync-events@my-project", "storage.objectViewer"),
        ("secrets novelsync-supabase-key", "novelsync-events@my-project", "secretmanager.secretAccessor"),
    }
    assert len(deployed.state["notifications"]) == ("--events" in flags)
    (sync,) = (command for command in deployed.commands if command[:3] == ["functions", "deploy", "novelsync-sync"])
    assert [value for name, value in settings_of(sync).items() if name == "NOVELSYNC_FANOUT_TOPIC"] == topics


def test_a_sync_gives_novels_out_only_when_all_is_there_that_takes_them(first_with_events: Deployed) -> None:
    changes = first_with_events.changes()
    sync = next(number for number, line in enumerate(changes) if line.startswith("functions deploy novelsync-sync "))
    takers = [number for number, line in enumerate(changes) if line.startswith("pubsub ") or "novelsync-events" in line]
    assert len(takers) > 8
    assert max(takers) < sync


def test_events_that_are_deployed_again_are_not_made_twice(cloud_with_events: Cloud) -> None:
    again = cloud_with_events.deploy("--events", "--fanout", "--instances", "3")
    assert again.code == 0, again.err
    assert again.called(" create| add | delete ") == []
    assert len(again.called("^pubsub subscriptions update ")) == 2
    assert len(again.called("^functions deploy novelsync-events .*--max-instances=3 ")) == 1
    assert len(again.called("^functions deploy .*--max-instances=3 ")) == 3


def test_of_several_notifications_the_right_one_is_left(cloud_with_events: Cloud) -> None:
    ours = f"//pubsub.googleapis.com/{TOPIC}"
    cloud_with_events.change(
        notifications=[["8", ours, "old/"], OTHERS, ["9", ours, "novels/"], ["10", ours, "novels/"]]
    )
    again = cloud_with_events.deploy("--events")
    assert again.code == 0, again.err
    assert again.state["notifications"] == [OTHERS, ["9", ours, "novels/"]]
    moved = cloud_with_events.deploy("--events", "--prefix", "my novels")
    assert moved.code == 0, moved.err
    assert [notification[2] for notification in moved.state["notifications"]] == ["novels/", "my novels/"]


def test_what_a_call_does_not_ask_for_goes(cloud_with_events: Cloud) -> None:
    only_fan_out = cloud_with_events.deploy("--fanout")
    assert only_fan_out.code == 0, only_fan_out.err
    assert only_fan_out.state["notifications"] == [OTHERS]
    assert set(only_fan_out.state["things"]) > PARTS
    neither = cloud_with_events.deploy()
    assert neither.code == 0, neither.err
    assert set(neither.state["things"]) & PARTS == set()
    assert "gone: the function novelsync-events" in neither.err
    assert neither.called("deploy .*FANOUT") == []
    assert neither.called("enable .*pubsub") == []
    # The sync has stopped writing into the topic before that goes.
    changes = neither.changes()
    gone = [number for number, line in enumerate(changes) if " delete " in line]
    assert min(gone) > next(number for number, line in enumerate(changes) if "deploy novelsync-sync" in line)
    assert cloud_with_events.deploy().called("pubsub|notifications") == []


@pytest.mark.parametrize("cut", ["topics create novelsync-novels ", "notifications create"])
def test_events_that_were_cut_while_they_were_made_are_finished_or_taken_away(cloud: Cloud, cut: str) -> None:
    cloud.fail(cut, "quota exceeded")
    assert cloud.deploy("--events").code == 1
    cloud.change(faults=[])
    left = dict(cloud.state)
    finished = cloud.deploy("--events")
    assert (finished.code, len(finished.state["notifications"])) == (0, 1), finished.err
    assert set(finished.state["things"]) > PARTS
    cloud.change(things=left["things"], notifications=left["notifications"])
    away = cloud.deploy()
    assert (away.code, away.state["notifications"], set(away.state["things"]) & PARTS) == (0, [], set()), away.err


@pytest.mark.parametrize("cut", ["notifications delete", "functions delete"])
def test_events_that_were_cut_while_they_were_taken_away_go_all_the_same(cloud_with_events: Cloud, cut: str) -> None:
    cloud_with_events.fail(cut, "quota exceeded", times=1)
    assert cloud_with_events.deploy().code == 1
    away = cloud_with_events.deploy()
    assert away.code == 0, away.err
    assert (away.state["notifications"], set(away.state["things"]) & PARTS) == ([OTHERS], set())


def test_a_rotated_key_reaches_the_function_of_events(cloud_with_events: Cloud) -> None:
    rotated = cloud_with_events.deploy("--events", "--rotate-key", SUPABASE_SECRET_KEY=OTHER_KEY)
    assert rotated.code == 0, rotated.err
    assert len(rotated.called("set-secrets=SUPABASE_SECRET_KEY=novelsync-supabase-key:2 ")) == 3


def test_a_bucket_whose_notifications_may_not_be_seen_gets_none(cloud: Cloud) -> None:
    cloud.fail("notifications list", "HTTPError 403: ann@example.com does not have storage.buckets.get access")
    refused = cloud.deploy("--events")
    assert refused.code == 1
    assert "does not have storage.buckets.get access" in refused.err
    assert "gcloud could not do this: gcloud storage buckets notifications list gs://my-novels " in refused.err
    assert refused.called("notifications create|deploy novelsync-sync") == []


@pytest.mark.parametrize("agent", ["", "none"])
def test_a_cloud_storage_that_does_not_say_who_it_is_is_given_no_rights(cloud: Cloud, agent: str) -> None:
    cloud.change(storage_agent=agent)
    refused = cloud.deploy("--events")
    assert refused.code == 1
    assert "Cloud Storage does not say which account it announces new objects with" in refused.err
    assert "gcloud storage service-agent --project=my-project should print an address" in refused.err
    assert refused.called("notifications create|novelsync-novels --member") == []


@pytest.mark.parametrize("named", [FLAGS, FLAGS[:4]])
def test_deleting_takes_events_down_with_the_bucket_named_or_not(
    cloud_with_events: Cloud, named: tuple[str, ...]
) -> None:
    unanswered = cloud_with_events.deploy(*named, "--delete")
    assert unanswered.changes() == []
    for listed in (
        "the notification projects/_/buckets/my-novels/notificationConfigs/1",
        "the topic novelsync-novels-dead",
    ):
        assert f"  {listed}\n" in unanswered.err
    deleted = cloud_with_events.deploy(*named, "--delete", "--yes")
    assert deleted.code == 0, deleted.err
    assert deleted.called("storage buckets (?!notifications)") == []
    assert deleted.state["notifications"] == [OTHERS]
    assert sorted(deleted.state["things"]) == [
        "iam roles novelsync_status",
        "iam roles novelsync_sync",
        "storage buckets gs://my-novels",
    ]
    assert deleted.called("^(scheduler|functions|pubsub|storage).* delete ")[0].startswith("scheduler jobs delete")
