"""What a deployment makes: all of it at first, and nothing twice."""

import json

from tests.support.deploying import KEY, Cloud, Deployed, flag


def test_a_first_deployment_makes_everything_runs_once_and_prints_the_report(first: Deployed) -> None:
    assert {thing for thing in first.state["things"] if not thing.startswith("monitoring ")} == {
        "storage buckets gs://my-novels",
        "secrets novelsync-supabase-key",
        "iam roles novelsync_sync",
        "iam roles novelsync_status",
        "functions novelsync-sync",
        "functions novelsync-status",
        "scheduler jobs novelsync-hourly",
        *(f"iam service-accounts novelsync-{who}" for who in ("sync", "status", "caller", "build")),
    }
    assert json.loads(first.out)["problems"] == [{"slug": "kiếm hiệp"}]
    assert "ok: everything in storage is in the tables" in first.err
    assert "\nDeployed: gs://my-novels/novels → " in first.err
    assert "Nothing was done" not in first.err
    assert "gcloud storage rsync --recursive storage/novels gs://my-novels/novels" in first.err
    assert "gcloud run services proxy novelsync-status --region=europe-west1 --project=my-project" in first.err
    assert "https://novelsync-status-abc.a.run.app/api/v1/sync/novels/status" in first.err


def test_the_functions_are_private_pinned_to_a_key_and_find_their_settings(first: Deployed) -> None:
    sync, status = (command for command in first.commands if command[:2] == ["functions", "deploy"])
    for command, name in ((sync, "sync"), (status, "status")):
        assert command[2] == f"novelsync-{name}"
        assert {"--gen2", "--trigger-http", "--no-allow-unauthenticated"} <= set(command)
        assert (flag(command, "concurrency"), flag(command, "max-instances")) == ("1", "3")
        assert flag(command, "entry-point") == name
        assert flag(command, "runtime") == "python313"
        assert flag(command, "service-account") == f"novelsync-{name}@my-project.iam.gserviceaccount.com"
        assert flag(command, "set-secrets") == "SUPABASE_SECRET_KEY=novelsync-supabase-key:1"
        assert dict(pair.split("=", 1) for pair in flag(command, "set-env-vars").removeprefix("^|^").split("|")) == {
            "NOVELSYNC_STORAGE": "gs://my-novels/novels",
            "SUPABASE_URL": first.url,
            "NOVELSYNC_SCHEDULER_JOB": "projects/my-project/locations/europe-west1/jobs/novelsync-hourly",
            "GOOGLE_CLOUD_PROJECT": "my-project",
        }
    assert (flag(sync, "timeout"), flag(sync, "memory")) == ("1800s", "1Gi")
    assert (flag(status, "timeout"), flag(status, "memory")) == ("180s", "512Mi")


def test_the_schedule_calls_with_a_token_and_waits_as_long_as_it_may(first: Deployed) -> None:
    (job,) = (command for command in first.commands if command[:3] == ["scheduler", "jobs", "create"])
    assert flag(job, "schedule") == "0 * * * *"
    assert flag(job, "uri") == "https://novelsync-sync-abc.a.run.app/api/v1/sync/novels"
    assert flag(job, "oidc-token-audience") == "https://novelsync-sync-abc.a.run.app"
    assert flag(job, "oidc-service-account-email") == "novelsync-caller@my-project.iam.gserviceaccount.com"
    assert (flag(job, "attempt-deadline"), flag(job, "max-retry-attempts")) == ("1800s", "2")


def test_each_account_may_do_its_own_work_and_nothing_else(first: Deployed) -> None:
    granted = {
        (
            " ".join(command[:2]),
            flag(command, "member").partition("@")[0].rpartition("novelsync-")[2],
            flag(command, "role"),
        )
        for command in first.commands
        if "add-iam-policy-binding" in command
    }
    assert granted == {
        ("projects add-iam-policy-binding", "sync", "projects/my-project/roles/novelsync_sync"),
        ("projects add-iam-policy-binding", "status", "projects/my-project/roles/novelsync_status"),
        ("projects add-iam-policy-binding", "build", "roles/cloudbuild.builds.builder"),
        ("storage buckets", "sync", "roles/storage.objectViewer"),
        ("storage buckets", "status", "roles/storage.objectViewer"),
        ("secrets add-iam-policy-binding", "sync", "roles/secretmanager.secretAccessor"),
        ("secrets add-iam-policy-binding", "status", "roles/secretmanager.secretAccessor"),
        ("run services", "caller", "roles/run.invoker"),
        ("run services", "serviceAccount:service-42", "roles/run.invoker"),
    }
    roles = {
        command[3]: flag(command, "permissions")
        for command in first.commands
        if command[:3] == ["iam", "roles", "create"]
    }
    assert roles == {
        "novelsync_sync": ",".join(f"cloudscheduler.jobs.{act}" for act in ("get", "run", "pause", "enable")),
        "novelsync_status": "cloudscheduler.jobs.get",
    }


def test_a_repeated_deployment_makes_nothing_twice(deployed_cloud: Cloud) -> None:
    again = deployed_cloud.deploy("--alert", "ann@example.com")
    assert again.code == 0, again.err
    assert again.called(" create| add ") == []
    assert len(again.called("^functions deploy")) == 2
    assert len(again.called("^scheduler jobs update http")) == 1


def test_a_cut_deployment_goes_on_where_it_stopped(cloud: Cloud) -> None:
    cloud.fail("^functions deploy novelsync-status", "quota exceeded")
    cut = cloud.deploy()
    assert cut.code == 1
    assert "quota exceeded" in cut.err
    assert "gcloud could not do this: gcloud functions deploy novelsync-status" in cut.err
    assert "functions novelsync-sync" in cut.state["things"]
    assert cut.called("^scheduler jobs (create|run)") == []
    cloud.change(faults=[])
    finished = cloud.deploy()
    assert finished.code == 0, finished.err
    made = set(finished.state["things"]) - set(cut.state["things"])
    assert made == {"functions novelsync-status", "scheduler jobs novelsync-hourly"}
    assert [line.split()[:4] for line in finished.called(" create | add ")] == [["scheduler", "jobs", "create", "http"]]
    assert finished.state["versions"] == [[KEY, True]]
    assert finished.changes()[-1].startswith("scheduler jobs run novelsync-hourly ")
    assert json.loads(finished.out)["outcome"] == "ok"


def test_what_was_just_made_is_waited_for(cloud: Cloud) -> None:
    cloud.fail("projects add-iam-policy-binding", "Service account novelsync-sync does not exist.", times=3)
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert len(deployed.called("projects add-iam-policy-binding.*novelsync_sync")) == 4


def test_a_build_that_fails_is_not_repeated_for_half_an_hour(deployed_cloud: Cloud) -> None:
    deployed_cloud.fail("^functions deploy", "Build failed: module not found")
    refused = deployed_cloud.deploy()
    assert (refused.code, len(refused.called("^functions deploy"))) == (1, 3)
    assert "module not found" in refused.err


def test_a_role_that_was_deleted_lately_is_brought_back(cloud: Cloud) -> None:
    cloud.change(things=["iam roles novelsync_sync"], deleted_roles=["novelsync_sync"])
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert deployed.called("^iam roles") == [
        "iam roles describe novelsync_sync --format=value(deleted) --project=my-project",
        "iam roles undelete novelsync_sync --project=my-project",
        *deployed.called("^iam roles update novelsync_sync"),
        *deployed.called("^iam roles .* novelsync_status"),
    ]


def test_a_schedule_that_somebody_stopped_stays_stopped(cloud: Cloud) -> None:
    cloud.change(job_state="PAUSED")
    deployed = cloud.deploy()
    assert deployed.code == 0, deployed.err
    assert deployed.called("jobs (run|resume)") == []
    assert "gcloud scheduler jobs resume novelsync-hourly" in deployed.err
