"""The container and compose.yaml, without a builder: read, checked against what they name, their steps carried out."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from novelsync.cli.commands import cli
from novelsync.settings.model import Settings
from tests.support.library import Library, chapters
from tests.support.postgres_server import PostgresServer, newest_programs
from tests.support.postgrest import ABSENT, postgrest_binary
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[1]
SETTINGS = {
    str(name)
    for field in Settings.model_fields.values()
    for name in getattr(field.validation_alias, "choices", [field.validation_alias])
}


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile, in order: what to do, and with what."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split()))
        for word, _, rest in (line.partition(" ") for line in joined.splitlines())
        if word
    ]


def stages() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What builds, and what is kept."""
    told = instructions()
    _, second = (number for number, (word, _) in enumerate(told) if word == "FROM")
    return told[:second], told[second:]


def only(stage: list[tuple[str, str]], word: str) -> str:
    (value,) = (value for name, value in stage if name == word)
    return value


def parses(arguments: list[str]) -> click.Context:
    """As the command line would take them; fails if it would not."""
    command = cli.commands[arguments[0]]
    return command.make_context(arguments[0], arguments[1:])


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint") or shutil.which("hadolint", path=Path(sys.executable).parent)
    if not hadolint:
        pytest.skip("hadolint is not there")
    said = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")


def test_the_image_is_pinned_slim_and_runs_as_nobody_special() -> None:
    build, kept = stages()
    bases = [only(stage, "FROM").split()[0] for stage in (build, kept)]
    assert bases[0] == bases[1]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases[0]), "a whole version"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only(kept, "USER")), "a number, which Kubernetes can tell is not root"
    names = set(re.findall(r"([A-Z_]+)=", only(kept, "ENV")))
    assert names <= SETTINGS | {"PATH", "PYTHONUNBUFFERED"}
    assert [value for word, value in kept if word == "COPY"] == ["--from=build /opt/novelsync/ /opt/novelsync/"]


def test_the_image_serves_all_addresses_by_default_and_is_healthy_when_that_answers() -> None:
    _, kept = stages()
    assert json.loads(only(kept, "ENTRYPOINT")) == ["novelsync"]
    context = parses(json.loads(only(kept, "CMD")))
    assert (context.info_name, context.params["host"], context.params["schedule"]) == ("serve", "0.0.0.0", True)  # noqa: S104
    assert only(kept, "EXPOSE") == str(context.params["port"])
    assert f"127.0.0.1:{context.params['port']}/healthz" in only(kept, "HEALTHCHECK")


def test_what_is_copied_is_there_and_not_ignored_and_nothing_else_is_sent() -> None:
    build, _ = stages()
    copied = {word.strip("/") for kind, value in build if kind == "COPY" for word in value.split()[:-1]}
    ignored = (ROOT / ".dockerignore").read_text().split("\n*\n")[1].splitlines()
    assert copied == {line.removeprefix("!/").strip("/") for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_the_steps_of_the_build_give_a_command_that_is_healthy(tmp_path: Path, settled: Library) -> None:
    pytest.importorskip("hatchling")
    settled.write("emma", chapters(1))
    build, kept = stages()
    source, target = tmp_path / "src", tmp_path / "opt"
    # What pip would fetch is there already; what it would build with, too.
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment |= {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for kind, value in build:
        if kind == "COPY":
            *names, place = value.split()
            for name in names:
                to = source / (name if place == "./" else place)
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
                to.parent.mkdir(parents=True, exist_ok=True)
                copy(ROOT / name, to)
        for step in value.split(" && ") if kind == "RUN" else ():
            command = shlex.split(step.replace("/opt/novelsync", str(target)))
            if "--requirement" in command:
                (packages,) = target.rglob("site-packages")
                (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
                continue
            known = {"python": [sys.executable], "pip": [sys.executable, "-m", "pip"]}
            command = [*known.get(command[0], command[:1]), *command[1:]]
            subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    port = _free_port()
    entry = [target / "bin" / "novelsync", *json.loads(only(kept, "CMD"))[:-1], str(port)]
    serving = subprocess.Popen(entry, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    check = json.loads(only(kept, "HEALTHCHECK").partition("CMD ")[2])
    check = [sys.executable, *(word.replace("8080", str(port)) for word in check[1:])]
    try:
        wait_until(lambda: subprocess.run(check, capture_output=True, check=False).returncode == 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(serving.pid, 15)
        serving.wait()
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1, "nobody answers any more"


# compose.yaml -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def services() -> Mapping[str, Mapping[str, Any]]:
    yaml = pytest.importorskip("yaml")
    read: Mapping[str, Mapping[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return read


def filled(value: str, **environment: str) -> str:
    """As compose fills in ``${NAME:-default}``."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: environment.get(found[1], found[2]), value)


def test_each_service_starts_when_what_it_needs_is_there(services: Mapping[str, Mapping[str, Any]]) -> None:
    waits = {
        name: {on: how["condition"] for on, how in each.get("depends_on", {}).items()}
        for name, each in services.items()
    }
    migrated = {"migrate": "service_completed_successfully"}
    assert waits == {
        "database": {},
        "migrate": {"database": "service_healthy"},
        "novelsync": migrated,
        "api": migrated,
    }
    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_images_are_pinned_and_ports_are_for_this_machine_alone(services: Mapping[str, Mapping[str, Any]]) -> None:
    for each in services.values():
        assert "build" in each or re.fullmatch(r"[a-z/]+:v?\d+\.\d+.*", each["image"]), each["image"]
        assert all(port.startswith("127.0.0.1:") for port in each.get("ports", ()))
    assert "ports" not in services["database"]


def test_what_is_called_and_set_is_known_to_novelsync(services: Mapping[str, Mapping[str, Any]]) -> None:
    assert parses(services["migrate"]["command"]).info_name == "migrate"
    assert "command" not in services["novelsync"], "it serves, as the image does by itself"
    for name in ("migrate", "novelsync"):
        assert set(services[name]["environment"]) <= SETTINGS
        assert (services[name]["read_only"], services[name]["cap_drop"]) == (True, ["ALL"])
    place = services["novelsync"]["environment"]["NOVELSYNC_STORAGE"]
    assert services["novelsync"]["volumes"] == [f"${{NOVELS_FOLDER:-./storage/novels}}:{place}:ro"]


def test_every_file_that_is_mounted_is_there(services: Mapping[str, Mapping[str, Any]]) -> None:
    mounted = [filled(volume).split(":")[0] for each in services.values() for volume in each.get("volumes", ())]
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()] == []


@pytest.mark.skipif(postgrest_binary() is None, reason=ABSENT)
def test_its_services_one_after_another_show_readers_the_novels_and_nothing_else(
    services: Mapping[str, Mapping[str, Any]], tmp_path: Path, library: Library
) -> None:
    if not (psql := shutil.which("psql")):
        pytest.skip("psql is not there, which the image of Postgres sets databases up with")
    library.write("emma", chapters(2))
    port = _free_port()
    with _postgres() as server:

        def moved(value: str) -> str:
            return filled(value).replace("@database:5432", f"@{server.url.partition('@')[2].partition('/')[0]}")

        roles = {"API_PASSWORD": filled(services["database"]["environment"]["API_PASSWORD"])}
        script = ROOT / services["database"]["volumes"][1].split(":")[0]
        subprocess.run([psql, server.url, "-v", "ON_ERROR_STOP=1", "-qf", script], env=os.environ | roles, check=True)
        for name, arguments in (("migrate", services["migrate"]["command"]), ("novelsync", ["sync"])):
            settings = {key: moved(value) for key, value in services[name]["environment"].items()}
            settings |= {"NOVELSYNC_STORAGE": str(library.folder)}
            command, settings = [sys.executable, "-m", "novelsync", *arguments], settings | {"PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                command, env=os.environ | settings, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        settings = {key: moved(value) for key, value in services["api"]["environment"].items()}
        settings |= {"PGRST_SERVER_PORT": str(port), "PGRST_SERVER_HOST": "127.0.0.1"}
        with (tmp_path / "log").open("w") as log:
            api = subprocess.Popen([str(postgrest_binary())], env=settings, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
                wait_until(lambda: _status(http, "/novels") == 200)
                assert [novel["slug"] for novel in http.get("/novels").json()] == ["emma"]
                assert len(http.get("/chapters", params={"select": "id,content"}).json()) == 2
                refused = (http.post("/rpc/novelsync_status", json={}), http.delete("/novels", params={"id": "gt.0"}))
                assert [answer.json()["code"] for answer in refused] == ["42501", "42501"]
        finally:
            api.kill()
            api.wait()


def _status(http: httpx.Client, path: str) -> int:
    try:
        return http.get(path).status_code
    except httpx.TransportError:
        return 0


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    try:
        with PostgresServer(newest_programs()) as server:
            yield server
    except PermissionError:
        pytest.skip("Postgres must not run as root, and nobody cannot enter the folder of this clone")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
