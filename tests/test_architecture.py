"""The shape: rooms of few files, imports that point one way, and one room that reads the environment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "novelsync"

LAYERS: tuple[set[str], ...] = (
    {"errors", "text", "process"},
    {"models"},
    {"evidence"},
    {"planning", "verdict"},
    {"books"},
    {"contracts"},
    {"gcp", "settings", "storage", "database", "schedulers", "novel_reader", "takedown_list", "webhook"},
    {"running", "adoption", "convert"},
    {"sync_service", "scheduler_service", "held_service", "takedown_service"},
    {"status_service"},
    {"alert_service", "notice_service"},
    {"wiring"},
    {"web", "cli"},
    {"__main__", "main"},
)
"""
From the ground up: a room is a folder of the package, or a file beside the folders.

A room imports from below. Rooms of one layer are strangers to each other, but for `NEIGHBOURS`.
"""

NEIGHBOURS: set[tuple[str, str]] = {
    ("errors", "text"),  # a message is redacted where it is made
    ("storage", "gcp"),
    ("schedulers", "gcp"),
    ("cli", "web"),  # `serve`
}

PURE = (
    "errors",
    "models",
    "evidence",
    "planning",
    "verdict",
    "books",
    "web.page.views",
)
"""What these decide, they decide from their arguments alone."""

MOST_FILES = 8
"""In a room. Whoever needs a ninth has found a second purpose."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Dotted names inside the package, and what is in them. A folder's ``__init__`` has the folder's name."""
    yield "main", ast.parse(PACKAGE.with_name("main.py").read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


def room(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def layer(name: str) -> int:
    (level,) = (level for level, rooms in enumerate(LAYERS) if name in rooms)
    return level


def imported_rooms(tree: ast.Module) -> Iterator[str]:
    """Of the package, wherever in the module the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (room(name.name.removeprefix("novelsync.")) for name in node.names if "novelsync." in name.name)
        elif isinstance(node, ast.ImportFrom) and node.module == "novelsync":
            yield from (name.name for name in node.names if name.name != "__version__")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("novelsync."):
            yield room(str(node.module).removeprefix("novelsync."))


def test_every_room_has_its_layer() -> None:
    assert {room(name) for name in MODULES} - {"__init__"} == set.union(*LAYERS)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_imports_point_one_way(name: str) -> None:
    here = room(name)
    for other in imported_rooms(MODULES[name]):
        allowed = other == here or layer(other) < layer(here) or (here, other) in NEIGHBOURS
        assert allowed, f"{name} imports from {other}"


ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


@pytest.mark.parametrize("folder", ROOMS, ids=lambda folder: folder.name)
def test_a_room_has_few_files(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= MOST_FILES


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) != "settings"])
def test_only_settings_reads_the_environment(name: str) -> None:
    reads = [
        node
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    ]
    assert reads == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(PURE)])
def test_what_is_pure_touches_nothing_outside(name: str) -> None:
    tree = MODULES[name]
    roots = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    roots |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    impure = {"os", "pathlib", "time", "random", "uuid", "socket", "psycopg", "threading", "structlog", "subprocess"}
    assert roots & impure == set()
