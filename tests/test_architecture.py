"""The shape: imports point one way, and one file reads the environment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "novelsync"

STOREYS = (
    {"masking"},
    {"errors", "wording", "starting", "google_errors"},
    {"models", "commands", "placeholders", "request_ids"},
    {"book_file", "reader", "matching", "plan", "guards", "changes", "changelist"},
    {"contracts"},
    {
        "report",
        "lease",
        "settings",
        "logs",
        "storage.local",
        "storage.gcs",
        "database.sqlstates",
        "database.idle",
        "database.requests",
        "doubts",
    }
    | {"database.embedded_places"},
    {"scheduler_service", "schedulers.in_process", "schedulers.cloud", "page.chart"}
    | {
        "database.functions",
        "database.postgres",
        "database.supabase",
        "database.migrations",
        "database.embedded_server",
    },
    {
        "publishers.pubsub",
        "database.existing_tables",
        "database.retrying",
        "transfer",
        "departures",
        "rehearsal",
        "status",
        "validation",
        "verification",
        "database.embedded",
    },
    {"workers", "fan_out"},
    {"sync_service", "adoption", "page.view"},
    {"wiring", "printing", "page.notice"},
    {"doctor", "page.render", "origin", "server"},
    {"cli", "http", "events"},
    {"__main__"},
)
"""From the ground up: a module imports only from below, or, where named here, beside it."""

BESIDE = {
    ("changes", "matching"),
    ("changes", "guards"),
    ("reader", "book_file"),
    ("database.migrations", "database.postgres"),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not name.endswith("__init__"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("novelsync."):
            module = str(node.module).removeprefix("novelsync.")
            folder = PACKAGE / module.replace(".", "/")
            yield from (f"{module}.{name.name}" for name in node.names) if folder.is_dir() else [module]


def storey(name: str) -> int:
    (level,) = (level for level, names in enumerate(STOREYS) if name in names)
    return level


def test_every_module_has_its_storey() -> None:
    assert {name for name, _ in modules()} == set.union(*STOREYS)


@pytest.mark.parametrize(("name", "tree"), list(modules()), ids=[name for name, _ in modules()])
def test_imports_point_one_way(name: str, tree: ast.Module) -> None:
    for other in imported(tree):
        assert storey(other) < storey(name) or (name, other) in BESIDE, f"{name} imports {other}"


@pytest.mark.parametrize(("name", "tree"), list(modules()), ids=[name for name, _ in modules()])
def test_only_settings_reads_the_environment(name: str, tree: ast.Module) -> None:
    reads = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    ]
    assert reads == []


@pytest.mark.parametrize(
    "name",
    [
        *("matching", "plan", "changes", "book_file", "reader", "models", "report", "placeholders", "doubts"),
        *("page.chart", "page.view", "page.notice"),
    ],
)
def test_what_is_pure_touches_nothing_outside(name: str) -> None:
    tree = ast.parse(PACKAGE.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    roots = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    roots |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert roots & {"os", "pathlib", "time", "socket", "psycopg", "threading", "structlog", "subprocess"} == set()
