"""docs/messages.md has every message: each error that is made, each log event, each verdict, each kind of problem."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from novelsync import errors
from novelsync.models.problems import ProblemKind

ROOT = Path(__file__).parents[1]
# Without what only marks it up, so that a message may be set in backticks and broken at any space.
RUNBOOK = re.sub(r"\s+", " ", (ROOT / "docs" / "messages.md").read_text(encoding="utf-8").replace("`", ""))

ERRORS = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
ERRORS |= {"Refused", "_Refused", "_unavailable"}

TREES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "novelsync").rglob("*.py"))
}

WITHIN = 12
"""Characters that a message must have in one piece to be looked for; a shorter one is other people's words alone."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            yield name, node


def pieces(message: ast.AST, scope: ast.AST) -> Iterator[str]:
    """What of a message is always the same, also where a variable of the same function holds it."""
    match message:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield from (part.value for part in values if isinstance(part, ast.Constant))
        case ast.List(elts=[reason]):
            yield from pieces(reason, scope)
        case ast.Name(id=name):
            for node in ast.walk(scope):
                if (
                    isinstance(node, ast.Assign)
                    and isinstance(node.targets[0], ast.Name)
                    and node.targets[0].id == name
                ):
                    yield from pieces(node.value, scope)


def messages() -> Iterator[tuple[str, str]]:
    """Where it is made, and the longest piece of it."""
    for place, tree in TREES.items():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            for name, call in calls(function):
                if name in ERRORS and call.args:
                    after = {"Refused": 1, "_unavailable": 1}.get(name, 0)
                    said = [piece.strip(" :;,.'()") for piece in pieces(call.args[after], function)]
                    if longest := max(said, key=len, default=""):
                        yield place, longest


MESSAGES = sorted({(place, said) for place, said in messages() if len(said) >= WITHIN})


def test_the_messages_are_found_in_the_code() -> None:
    assert len(MESSAGES) > 70
    assert ("novelsync/database/transports/postgres.py", "cannot be reached") in MESSAGES
    assert ("novelsync/web/routes.py", "this request comes from another site") in MESSAGES


@pytest.mark.parametrize(("place", "said"), MESSAGES, ids=[said[:40] for _, said in MESSAGES])
def test_the_runbook_has_every_message(place: str, said: str) -> None:
    assert re.sub(r"\s+", " ", said) in RUNBOOK, place


def test_the_runbook_has_every_log_event_verdict_and_kind_of_problem() -> None:
    levels = ("info", "warning", "error", "exception")
    events = {
        call.args[0].value
        for tree in TREES.values()
        for name, call in calls(tree)
        if name in levels and call.args and isinstance(call.args[0], ast.Constant)
    }
    assert {"run_started", "request_broke", "run_not_recorded"} <= events
    verdicts = {"never_run", "failing", "stopped", "stale", "attention", "ok"}
    # run_ended is logged at the level that its outcome has.
    for name in sorted({*events, "run_ended", *verdicts, *ProblemKind}):
        assert re.search(rf"\b{name}\b", RUNBOOK), name
