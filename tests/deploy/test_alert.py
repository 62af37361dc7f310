"""Who may open the status, and who is told when it is bad."""

import json

from tests.support.deploying import Cloud, Deployed, flag


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
