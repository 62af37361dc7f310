"""Who may open the status, and who is told when it is bad."""

import json

from tests.support.deploying import Cloud, Deployed, commands_of, flag


def test_a_viewer_may_open_the_status_and_nothing_else(cloud: Cloud) -> None:
    deployed = cloud.deploy("--viewer", "user:ann@example.com")
    granted = [(line.split()[3], line.split()[5]) for line in deployed.called("--member=user:ann@example.com")]
    assert granted == [
        ("novelsync-status", "--role=roles/run.invoker"),
        ("novelsync-status", "--role=roles/run.viewer"),
    ]


def test_an_alert_without_alpha_commands_is_refused_before_anything_is_touched(cloud: Cloud) -> None:
    cloud.change(version="528.0.0")
    refused = cloud.deploy("--alert", "ann@example.com")
    assert (refused.code, refused.changes()) == (1, [])
    assert "gcloud components install alpha" in refused.err
    assert cloud.deploy().code == 0


def test_an_alert_checks_the_status_with_a_token_and_tells_by_mail(first: Deployed) -> None:
    (check,) = (command for command in first.commands if command[:3] == ["monitoring", "uptime", "create"])
    assert flag(check, "resource-labels") == "host=novelsync-status-abc.a.run.app,project_id=my-project"
    assert flag(check, "path") == "/api/v1/sync/novels/status?check=1"
    assert flag(check, "service-agent-auth") == "oidc-token"
    assert first.called("novelsync-status --member=serviceAccount:service-42@gcp-sa-monitoring-notification.iam")
    (channel,) = (command for command in first.commands if command[:4] == ["alpha", "monitoring", "channels", "create"])
    assert flag(channel, "channel-labels") == "email_address=ann@example.com"
    (created,) = (command for command in first.commands if command[:4] == ["alpha", "monitoring", "policies", "create"])
    policy = json.loads(flag(created, "policy"))
    assert policy["notificationChannels"] == ["google/novelsync status in europe-west1"]
    (condition,) = policy["conditions"]
    assert 'check_id="google/novelsync status in europe-west1"' in condition["conditionThreshold"]["filter"]


HOOK, OTHER_HOOK = "https://hooks.example.com/services/canary-1", "https://hooks.example.com/services/canary-2?x=%20"


def test_a_webhook_is_a_secret_that_only_the_two_functions_may_read(cloud: Cloud) -> None:
    deployed = cloud.deploy("--events", NOVELSYNC_ALERT_URL=HOOK)
    assert deployed.code == 0, deployed.err
    with_key = "SUPABASE_SECRET_KEY=novelsync-supabase-key:1"
    secrets = {c[2]: flag(c, "set-secrets") for c in deployed.commands if c[:2] == ["functions", "deploy"]}
    assert secrets == {
        "novelsync-sync": f"{with_key},NOVELSYNC_ALERT_URL=novelsync-alert-url:1",
        "novelsync-status": f"{with_key},NOVELSYNC_ALERT_URL=novelsync-alert-url:1",
        "novelsync-events": with_key,
    }
    readers = deployed.called("secrets add-iam-policy-binding novelsync-alert-url")
    assert [line.split("novelsync-")[2].split("@")[0] for line in readers] == ["sync", "status"]
    assert deployed.state["alert_versions"] == [[HOOK, True]]
    (check,) = deployed.called("^monitoring uptime create")
    assert "--path=/api/v1/sync/novels/status?check=1" in check, "or nobody would look while nothing runs"
    assert deployed.called("^alpha monitoring") == [], "which only a mail needs"


def test_a_webhook_is_on_no_command_line_in_no_environment_and_never_printed(cloud: Cloud) -> None:
    deployed = cloud.deploy(NOVELSYNC_ALERT_URL=HOOK)
    dry = cloud.deploy("--dry-run", NOVELSYNC_ALERT_URL=HOOK)
    for call in deployed.calls:
        assert HOOK not in json.dumps([call["argv"], call["environment"]])
    assert "canary" not in deployed.out + deployed.err + deployed.curls + dry.out + dry.err


def test_a_webhook_stays_in_use_until_another_one_is_given(cloud: Cloud) -> None:
    cloud.deploy(NOVELSYNC_ALERT_URL=HOOK)
    same, silent = cloud.deploy(NOVELSYNC_ALERT_URL=HOOK), cloud.deploy()
    assert same.state["alert_versions"] == [[HOOK, True]]
    assert len(silent.called("NOVELSYNC_ALERT_URL=novelsync-alert-url:1")) == 2
    other = cloud.deploy(NOVELSYNC_ALERT_URL=OTHER_HOOK)
    assert len(other.called("NOVELSYNC_ALERT_URL=novelsync-alert-url:2")) == 2
    assert cloud.deploy("--delete", "--yes").called("secrets delete novelsync-alert-url")


def test_a_deployment_with_a_webhook_does_what_a_dry_run_shows(cloud: Cloud) -> None:
    shown = commands_of(cloud.deploy("--dry-run", NOVELSYNC_ALERT_URL=HOOK).out, cloud)
    for _ in range(2):
        deployed = cloud.deploy(NOVELSYNC_ALERT_URL=HOOK)
        assert deployed.code == 0, deployed.err
        hidden = [c for c in deployed.commands if c not in shown and c[0] != "version" and c[2] != "access"]
        assert hidden == []


def test_a_webhook_without_tls_or_as_a_setting_is_refused_and_not_shown(cloud: Cloud) -> None:
    for flags, url in (((), "http://hooks.example.com/canary"), (("--set", f"NOVELSYNC_ALERT_URL={HOOK}"), "")):
        refused = cloud.deploy(*flags, NOVELSYNC_ALERT_URL=url)
        assert (refused.code, refused.commands) == (2, [])
        assert "NOVELSYNC_ALERT_URL" in refused.err
        assert "canary" not in refused.err


SITE = {
    "NOVELSYNC_NOTIFY_URL": "https://site.example/canary-1, https://other.example:8443/canary-2?x=%20",
    "NOVELSYNC_NOTIFY_SECRET": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
}


def test_where_notices_go_and_what_signs_them_are_secrets_of_the_functions_that_send(cloud: Cloud) -> None:
    deployed = cloud.deploy("--events", **SITE)
    assert deployed.code == 0, deployed.err
    with_key = "SUPABASE_SECRET_KEY=novelsync-supabase-key:1"
    both = "NOVELSYNC_NOTIFY_SECRET=novelsync-notify-secret:1,NOVELSYNC_NOTIFY_URL=novelsync-notify-url:1"
    secrets = {c[2]: flag(c, "set-secrets") for c in deployed.commands if c[:2] == ["functions", "deploy"]}
    assert secrets == {
        "novelsync-sync": f"{with_key},{both}",
        "novelsync-status": with_key,
        "novelsync-events": f"{with_key},{both}",
    }
    for secret in ("notify-url", "notify-secret"):
        readers = deployed.called(f"secrets add-iam-policy-binding novelsync-{secret}")
        assert [line.split("novelsync-")[2].split("@")[0] for line in readers] == ["sync", "events"]
    assert deployed.state["notify_url_versions"] == [[SITE["NOVELSYNC_NOTIFY_URL"], True]]
    dry = cloud.deploy("--dry-run", **SITE)
    for call in deployed.calls:
        assert "canary" not in json.dumps([call["argv"], call["environment"]])
    assert "canary" not in deployed.out + deployed.err + deployed.curls + dry.out + dry.err


def test_where_notices_go_stays_in_use_until_it_is_deleted(cloud: Cloud) -> None:
    cloud.deploy(**SITE)
    assert len(cloud.deploy().called("NOVELSYNC_NOTIFY_URL=novelsync-notify-url:1")) == 1
    rotated = cloud.deploy(NOVELSYNC_NOTIFY_SECRET="whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ6")
    assert len(rotated.called("NOVELSYNC_NOTIFY_SECRET=novelsync-notify-secret:2")) == 1
    gone = cloud.deploy("--delete", "--yes")
    assert gone.called("secrets delete novelsync-notify-url")
    assert gone.called("secrets delete novelsync-notify-secret")


def test_a_deployment_with_notices_does_what_a_dry_run_shows(cloud: Cloud) -> None:
    shown = commands_of(cloud.deploy("--dry-run", "--events", **SITE).out, cloud)
    for _ in range(2):
        deployed = cloud.deploy("--events", **SITE)
        assert deployed.code == 0, deployed.err
        hidden = [c for c in deployed.commands if c not in shown and c[0] != "version" and c[2] != "access"]
        assert hidden == []


def test_notices_without_tls_or_unsigned_are_refused_and_not_shown(cloud: Cloud) -> None:
    for wrong in (
        SITE | {"NOVELSYNC_NOTIFY_URL": "https://site.example/, http://canary.example"},
        SITE | {"NOVELSYNC_NOTIFY_SECRET": "canary"},
        SITE | {"NOVELSYNC_NOTIFY_SECRET": ""},
    ):
        refused = cloud.deploy(**wrong)
        assert (refused.code, refused.commands) == (2, [])
        assert "NOVELSYNC_NOTIFY_" in refused.err
        assert "canary" not in refused.err
    refused = cloud.deploy("--set", f"NOVELSYNC_NOTIFY_URL={SITE['NOVELSYNC_NOTIFY_URL']}")
    assert (refused.code, "canary" in refused.err) == (2, False)
