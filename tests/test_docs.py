"""The documentation is true: links lead somewhere, commands and flags exist, the example for Python runs."""

import re
from pathlib import Path

import pytest

from novelsync.cli.commands import cli
from tests.support.library import Library, chapters

ROOT = Path(__file__).parents[1]
PAGES = {str(path.relative_to(ROOT)): path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}


def prose(path: Path) -> str:
    """Without what stands in blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(PAGES[page]))
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (PAGES[page].parent / target).resolve() if target else PAGES[page]
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_folder_of_the_package_that_is_named_is_there(page: str) -> None:
    named = set(re.findall(r"\b(?:novelsync|tests|bench|deploy|supabase)/[\w/]+\.(?:py|sh|sql)\b", prose(PAGES[page])))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_names_every_command() -> None:
    section = PAGES["README.md"].read_text(encoding="utf-8").split("## Commands")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z]+)", section, re.MULTILINE)) == set(cli.commands)


def test_the_page_on_deploying_has_every_flag_of_deploy_sh() -> None:
    section = PAGES["docs/deploy.md"].read_text(encoding="utf-8").split("## Flags")[1].split("\n## ")[0]
    usage = (ROOT / "deploy.sh").read_text(encoding="utf-8").split("<<'USAGE'")[1].split("\nUSAGE")[0]
    told = re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE)
    assert [*told, "--help"] == re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE)


def test_the_example_of_the_library_runs(settled: Library, capsys: pytest.CaptureFixture[str]) -> None:
    settled.write("emma", chapters(2))
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGES["docs/operate.md"].read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(example, "docs/operate.md", "exec"), {})  # noqa: S102 — our own
    assert "ok {'created': 1" in capsys.readouterr().out
