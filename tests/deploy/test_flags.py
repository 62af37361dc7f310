"""The flags of deploy.sh, the same from the environment, and how wrong ones are refused."""

import re

import pytest

from novelsync.settings.model import Settings
from tests.support.deploying import FLAGS, KEY, ROOT, Cloud, flag


def test_flags_and_the_environment_say_more(cloud: Cloud) -> None:
    deployed = cloud.deploy(
        *("--set", "NOVELSYNC_STALE_AFTER=9000", "--set=NOVELSYNC_WORKERS=2", "--prefix", "", "--name", "staging"),
        DEPLOY_SCHEDULE="30 * * * *",
        DEPLOY_MEMORY="2Gi",
        DEPLOY_VIEWER="user:ann@example.com\ngroup:all@example.com",
    )
    assert deployed.code == 0, deployed.err
    sync = next(command for command in deployed.commands if command[:3] == ["functions", "deploy", "staging-sync"])
    assert "NOVELSYNC_STORAGE=gs://my-novels|" in flag(sync, "set-env-vars")
    assert flag(sync, "set-env-vars").endswith("|NOVELSYNC_STALE_AFTER=9000|NOVELSYNC_WORKERS=2")
    assert flag(sync, "memory") == "2Gi"
    assert deployed.called("scheduler jobs create http staging-hourly .*--schedule=30 ")
    assert (
        len(deployed.called("staging-status --member=(user:ann|group:all)@example.com --role=roles/run.invoker")) == 2
    )


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--project", "p"), "not said: --region --bucket"),
        (("--region",), "--region needs a value"),
        (("--region", "Europe"), "a region is meant"),
        (("--bucket", "gs://my-novels/novels"), "the folder in it is --prefix"),
        (("--viewer", "allUsers"), "not for all the world"),
        (("--alert", "ann"), "an email address is meant"),
        (("--instances", "many"), "a number from 1 to 100 is meant"),
        (("--instances", "0"), "a number from 1 to 100 is meant"),
        (("--instances", "101"), "a number from 1 to 100 is meant"),
        (("--set", "NOVELSYNC_STAEL_AFTER=1"), "there is no such setting"),
        (("--set", "NOVELSYNC_STORAGE=x"), "deploy.sh sets it"),
        (("--set", "NOVELSYNC_FANOUT_TOPIC=x"), "deploy.sh sets it"),
        (("--set", ".*=x"), "there is no such setting"),
        (("--set", "json=1"), "there is no such setting"),
        (("--set", ".env=1"), "there is no such setting"),
        (("--set", "K_SERVICE=x"), "there is no such setting"),
        (("--set", "NOVELSYNC_TIME_BUDGE.=1"), "there is no such setting"),
        (("--set", "NOVELSYNC_TIME_BUDGET=1701"), "seconds, from 1 to 1700"),
        (("--set", "NOVELSYNC_TIME_BUDGET=1e9"), "seconds, from 1 to 1700"),
        (("--set", "NOVELSYNC_TIME_BUDGET=99999999999999999999"), "seconds, from 1 to 1700"),
        (("--prefix", "x|NOVELSYNC_WORKERS=1"), "--prefix cannot have"),
        (("--prefix", "a\tb"), "--prefix cannot have"),
        (("--set", "NOVELSYNC_WORKERS"), "has no value"),
        (("--name", "-"), "small letters"),
        (("--project", "x\nmy-project", *FLAGS[2:]), "more than one line"),
        (("--speed", "fast"), "there is no --speed"),
        (("--supabase-key", KEY), "a key is no flag"),
        ((KEY,), "a value stands alone"),
        (("--set", f"SUPABASE_SECRET_KEY={KEY}"), "deploy.sh sets it"),
    ],
)
def test_wrong_usage_is_explained_and_exits_with_2(cloud: Cloud, flags: tuple[str, ...], says: str) -> None:
    refused = cloud.deploy(*flags)
    assert (refused.code, refused.commands) == (2, [])
    assert says in refused.err
    assert KEY not in refused.err


def test_a_prefix_of_several_lines_is_refused(cloud: Cloud) -> None:
    refused = cloud.deploy(DEPLOY_PREFIX="a\nb")
    assert (refused.code, refused.commands) == (2, [])
    assert "--prefix cannot have" in refused.err


def test_commands_that_a_person_is_told_can_be_pasted_whatever_the_prefix_is(cloud: Cloud) -> None:
    deployed = cloud.deploy("--prefix", "my novels/$HOME")
    assert deployed.code == 0, deployed.err
    told = "gcloud storage rsync --recursive storage/novels 'gs://my-novels/my novels/$HOME'"
    assert deployed.err.count(told) == deployed.err.count("rsync") == 2


def test_help_names_every_flag(cloud: Cloud) -> None:
    helped = cloud.deploy("--help")
    assert helped.code == 0
    known = set(re.findall(r"^\s+(--[a-z-]+)\)", (ROOT / "deploy" / "flags.sh").read_text(), re.MULTILINE))
    assert known <= set(re.findall(r"--[a-z-]+", helped.out))
    assert len(known) > 10


def test_the_docs_say_what_to_do_about_what_it_really_says() -> None:
    scripts = "".join(path.read_text() for path in (ROOT / "deploy.sh", *(ROOT / "deploy").glob("*.sh")))
    said = re.sub(r"\$\{?[a-z_]+(:-[^}]*)?\}?", "…", scripts.replace("DELETE_REQUESTED", "…"))
    docs = (ROOT / "docs" / "deploy.md").read_text().partition("## What deploy.sh says")[2].partition("\n## ")[0]
    quoted = re.findall("`(.+?)`", "\n".join(row.split("|")[1] for row in re.findall(r"^\| `.*", docs, re.MULTILINE)))
    assert len(quoted) > 15
    for words in quoted:
        for part in words.replace("DELETE_REQUESTED", "…").replace("'failed'", "'…'").split("…"):
            assert part.strip() in said, words


def test_every_setting_can_be_set(cloud: Cloud) -> None:
    ours = {"NOVELSYNC_STORAGE", "NOVELSYNC_SCHEDULER_JOB", "NOVELSYNC_FANOUT_TOPIC", "NOVELSYNC_ALERT_URL"}
    ours |= {"NOVELSYNC_NOTIFY_URL", "NOVELSYNC_NOTIFY_SECRET"}
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    settings = [f"--set={name}=1" for name in sorted(names) if name.startswith("NOVELSYNC_") and name not in ours]
    assert cloud.deploy(*settings, "--dry-run").code == 0
