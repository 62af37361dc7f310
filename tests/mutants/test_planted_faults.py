"""The planted faults fit the code: one that no longer does would never be looked for again."""

import ast
from collections import Counter

import pytest

from tests.mutants.planted_faults import ROOT, Fault, faults

FAULTS = faults()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_planted_fault_can_still_be_planted(fault: Fault) -> None:
    code = (ROOT / fault.file).read_text(encoding="utf-8")
    planted = fault.planted_in(code)
    assert planted != code
    if fault.file.endswith(".py"):
        ast.parse(planted)  # else any test would notice
    assert fault.tests
    for path in fault.tests:
        assert (ROOT / path).exists(), path


def test_no_two_faults_are_one() -> None:
    for what in ([fault.name for fault in FAULTS], [(fault.file, fault.before, fault.after) for fault in FAULTS]):
        assert [each for each, times in Counter(what).items() if times > 1] == []


def test_faults_are_planted_in_every_room_of_the_package_and_in_every_migration() -> None:
    planted = {fault.file for fault in FAULTS}
    rooms = {path.name for path in (ROOT / "novelsync").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    without = {name for name in rooms if not any(file.startswith(f"novelsync/{name}/") for file in planted)}
    assert without == {"contracts"}, "which do nothing"
    migrations = {str(path.relative_to(ROOT)) for path in (ROOT / "supabase/migrations").glob("*.sql")}
    assert migrations - planted == set()
