from pathlib import Path

import pytest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Where other programs write."""
    return tmp_path / "crawled"


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "novels"
