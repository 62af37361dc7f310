"""Dry runs: they show what a deployment does, and do nothing."""

import re

from tests.support.deploying import KEY, Cloud, commands_of


def test_a_dry_run_needs_no_login_no_network_and_no_key_and_calls_nothing(cloud: Cloud) -> None:
    everything = (
        "--alert",
        "ann@example.com",
        "--viewer",
        "user:a@example.com",
        "--rotate-key",
        "--events",
        "--fanout",
    )
    for flags in (everything, ("--delete",)):
        dry = cloud.deploy(*flags, "--dry-run", SUPABASE_URL="", SUPABASE_SECRET_KEY=KEY)
        assert (dry.code, dry.commands) == (0, [])
        assert dry.curls == ""
        assert dry.err.splitlines()[-1].startswith("Nothing was done: this was a dry run")
        assert not re.search("^(Deployed:|  it is new and empty|Readers keep)", dry.err, re.MULTILINE)
        assert KEY not in dry.out + dry.err
        assert all(line.startswith("gcloud ") for line in dry.out.splitlines())
        assert len(dry.out.splitlines()) == len(commands_of(dry.out, cloud))
    assert '< <(printf %s "$SUPABASE_SECRET_KEY")' in cloud.deploy("--dry-run").out


def test_a_deployment_does_what_a_dry_run_shows(cloud: Cloud) -> None:
    flags = ("--viewer", "user:ann@example.com", "--set", 'NOVELSYNC_LOG_FORMAT=it\'s $5, "spaced"')
    for events, times in ((("--events", "--fanout"), 2), ((), 1)):
        shown = commands_of(cloud.deploy(*flags, *events, "--dry-run").out, cloud)
        for _ in range(times):
            deployed = cloud.deploy(*flags, *events)
            assert deployed.code == 0, deployed.err
            assert [command for command in deployed.commands if command not in shown and command[0] != "version"] == []
