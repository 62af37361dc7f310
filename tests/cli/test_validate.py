"""What people who write crawlers are told: doubts that are worth their time, and a schema that tells the truth."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from novelsync.books.reader import read_book
from novelsync.cli.validate import FileVerdict, schema, validate
from novelsync.errors import BookRefused, ConfigurationError
from novelsync.evidence.lint import lint_book
from tests.books.test_reader import ACCEPTED
from tests.books.test_refusals import REFUSED
from tests.conftest import Run
from tests.running.test_sync import needs_real_novels
from tests.support.library import REAL_NOVELS, Library, chapter, chapters, text_of

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "storage" / "novels"
CHECK = Draft202012Validator(schema())


def verdicts(path: Path, max_file_bytes: int = 1_000_000_000) -> list[FileVerdict]:
    return list(validate(path, max_file_bytes))


def numbered(*numbers: Any) -> list[dict[str, Any]]:
    """Chapters that differ in everything, with these numbers."""
    return [chapter(f"{i}", number=number, title=f"T{i}") for i, number in enumerate(numbers)]


DOUBTS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    # Nothing to say
    "nothing in an ordinary novel": (chapters(30), []),
    "nothing in a novel without chapters": ([], []),
    "nothing about titles that repeat": ([chapter(n, title="Chapter") for n in range(1, 5)], []),
    "nothing about short texts that repeat beside others": (
        [*chapters(5), *(chapter(n, content="To be continued.") for n in range(6, 10))],
        [],
    ),
    "one short text in most chapters": (
        [*chapters(1), *(chapter(n, content="Unlock this one with 10 coins.") for n in range(2, 6))],
        [
            '4 chapters have the same short text, is it a notice? chapters[1] "Chapter 2", chapters[2] "Chapter 3",'
            ' chapters[3] "Chapter 4", 1 more'
        ],
    ),
    "nothing about texts that are not fetched yet": ([chapter(n, content="") for n in range(1, 5)], []),
    "nothing about a prologue, halves, and parts of one number": (numbered(0, 1, 1.5, 2, 2, 2, 3, 4.1, 4.2, 5), []),
    "nothing about negative numbers": (numbered(-2, -1, 1, 2), []),
    "nothing about missing numbers": (numbered(None, 1, None, 2, "x"), []),
    # Texts
    "the same text under several titles": (
        [*chapters(3), chapter(4, content=text_of("chapter 2"))],
        ['1 text appears in several chapters: chapters[1] "Chapter 2" = chapters[3] "Chapter 4"'],
    ),
    "a chapter that is there twice": (
        [chapter(1), chapter(1)],
        ['1 text appears in several chapters: chapters[0] "Chapter 1" = chapters[1] "Chapter 1"'],
    ),
    "many texts that stand in many chapters, at a handful of examples": (
        [chapter(n, content=text_of(f"{n % 5}")) for n in range(1, 51)],
        [
            "5 texts appear in several chapters: "
            'chapters[0] "Chapter 1" = chapters[5] "Chapter 6" = chapters[10] "Chapter 11" = 7 more; '
            'chapters[1] "Chapter 2" = chapters[6] "Chapter 7" = chapters[11] "Chapter 12" = 7 more; '
            'chapters[2] "Chapter 3" = chapters[7] "Chapter 8" = chapters[12] "Chapter 13" = 7 more; 2 more'
        ],
    ),
    "placeholders, and not that they repeat": (
        [chapter(1), *(chapter(n, content="<p>Failed to download chapter body</p>" + " " * 300) for n in range(2, 7))],
        [
            "5 chapters have no text but a notice: "
            'chapters[1] "Chapter 2" (a placeholder, "Failed to download chapter body"), '
            'chapters[2] "Chapter 3" (a placeholder, "Failed to download chapter body"), '
            'chapters[3] "Chapter 4" (a placeholder, "Failed to download chapter body"), 2 more'
        ],
    ),
    "letters that could not be read": (
        [chapter(1), chapter(2, content="caf\ufffd")],
        ['1 chapter has U+FFFD in place of letters, was the page in another encoding? chapters[1] "Chapter 2"'],
    ),
    "chapters whose keys are called otherwise": (
        [{"name": "One", "body": "text", "number": None}, chapter(1), {"name": "Two", "body": "text"}],
        [
            "2 chapters have neither title, number, url nor content, is a key misspelt? chapters[0], chapters[2]",
        ],
    ),
    # Numbers
    "a gap": (
        numbered(1, 2, 5, 6, 8),
        ['the numbers leave gaps in 2 places: no 3 to 4, next is chapters[2] "T2", no 7, next is chapters[4] "T4"'],
    ),
    "a beginning that is missing": (
        numbered(41, 42),
        ['the numbers leave gaps in 1 place: no 1 to 40, next is chapters[0] "T0"'],
    ),
    "no gap where a number stands elsewhere": (
        numbered(1, 2, 4, 3, 5),
        ['the numbers go back in 1 place: chapters[3] "T3" (3 after 4)'],
    ),
    "the newest first": (
        numbered(5, 4, 3, 1),
        [
            'the numbers go down, from 5 at chapters[0] "T0" to 1 at chapters[3] "T3": '
            "is the newest chapter first? Readers get the order of the file",
            'the numbers leave gaps in 1 place: no 2, next is chapters[2] "T2"',
        ],
    ),
    "volumes that each begin at one": (
        numbered(1, 2, 3, 1, 2, 1, 2, 3),
        [
            "the numbers begin again in 2 places, which is fine if each volume counts from 1: "
            'chapters[3] "T3" (1 after 3), chapters[5] "T5" (1 after 2)'
        ],
    ),
    "volumes that each begin with a prologue, one with a gap": (
        numbered(0, 1, 2, 0, 1, 3),
        [
            "the numbers begin again in 1 place, which is fine if each volume counts from 1: "
            'chapters[3] "T3" (0 after 2)',
            'the numbers leave gaps in 1 place: no 2, next is chapters[5] "T5"',
        ],
    ),
    "a volume whose first chapter has just come out": (
        numbered(1, 2, 3, 1),
        [
            "the numbers begin again in 1 place, which is fine if each volume counts from 1: "
            'chapters[3] "T3" (1 after 3)'
        ],
    ),
    "an extra that is numbered as the first": (
        numbered(1, 2, 3, 1, 4),
        ['the numbers go back in 1 place: chapters[3] "T3" (1 after 3)'],
    ),
    "numbers that are no count at all": (
        numbered(*range(7_000, 17_000, 100)),
        [
            'the numbers leave gaps in 100 places: no 1 to 6999, next is chapters[0] "T0", '
            'no 7001 to 7099, next is chapters[1] "T1", no 7101 to 7199, next is chapters[2] "T2", 97 more'
        ],
    ),
    "numbers without end": (
        numbered(1, 123456789012345678901234567890),
        ['the numbers leave gaps in 1 place: no 2 to 123456789012345678901234567889, next is chapters[1] "T1"'],
    ),
    "titles on one line, and not at length": (
        [chapter(1), chapter(3, title="A\nB\x1b[31m" + "c" * 100)],
        [f'the numbers leave gaps in 1 place: no 2, next is chapters[1] "A B [31m{"c" * 51}…"'],
    ),
}


@pytest.mark.parametrize(("book", "doubts"), DOUBTS.values(), ids=DOUBTS)
def test_doubts(library: Library, book: list[dict[str, Any]], doubts: list[str]) -> None:
    library.write("emma", book)
    (verdict,) = verdicts(library.folder)
    assert verdict.refused == ()
    assert list(verdict.doubts) == doubts


def test_a_lone_surrogate_is_told_once(library: Library) -> None:
    path = library.write_raw("emma", rb'{"title": "Emma", "chapters": [{"number": 1, "content": "a\ud800"}]}')
    (verdict,) = verdicts(path)
    assert list(verdict.warnings) == ["1 lone surrogate was replaced by U+FFFD: Postgres cannot store it"]
    assert verdict.doubts == []


def test_texts_that_are_not_fetched_yet_are_counted(library: Library) -> None:
    library.write("emma", [chapter(1), chapter(2, content=None), chapter(3, content=" ")])
    (verdict,) = verdicts(library.folder)
    assert (verdict.chapters, verdict.without_text, verdict.doubts) == (3, 2, [])


def test_nothing_is_doubtful_in_the_samples() -> None:
    assert [verdict.doubts for verdict in verdicts(SAMPLES)] == [[]] * 4


@needs_real_novels
def test_nothing_is_doubtful_in_real_novels() -> None:
    assert [verdict.path for verdict in verdicts(REAL_NOVELS) if verdict.doubts or verdict.refused] == []


def test_the_page_for_crawlers_shows_a_file_that_nothing_can_be_said_against() -> None:
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    example = page.split("```json\n")[1].split("```")[0]
    book = read_book(example.encode())
    assert (len(book.chapters), book.warnings, lint_book(book).doubts) == (3, [], [])
    assert CHECK.is_valid(json.loads(example))
    keys = [*schema()["properties"], *schema()["$defs"]["BookFileChapter"]["properties"]]
    assert [key for key in keys if f"\n| `{key}` | " not in page] == []


def test_a_refusal_names_the_page_for_crawlers() -> None:
    with pytest.raises(BookRefused) as refusal:
        read_book(b"{}")
    page = refusal.value.hint.split("; ")[1].split()[0]
    assert (ROOT / page).name == "format.md"
    assert (ROOT / page).exists()


# What can be named -------------------------------------------------------------------


def test_a_file_a_folder_and_a_library_are_the_same_novel(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    path = library.write("emma", chapters(2))
    monkeypatch.chdir(path.parent)
    for named in (path, path.parent, library.folder, Path(), Path("../emma"), Path("..")):
        assert [(Path(verdict.path).name, verdict.chapters) for verdict in verdicts(named)] == [("book_info.json", 2)]


def test_a_file_may_have_any_name(library: Library) -> None:
    path = library.write("emma", chapters(2)).rename(library.folder / "emma.json")
    assert [verdict.path for verdict in verdicts(path)] == [str(path)]


@pytest.mark.parametrize("name", ["", "emma", "nobody", "emma/book_info.json"])
def test_where_nothing_is_found_that_is_said(library: Library, name: str) -> None:
    (library.folder / "emma" / "book_info.json").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="there is no "):
        verdicts(library.folder / name)
    assert not (library.folder / "nobody").exists()


def test_what_cannot_be_read_is_refused(library: Library, tmp_path: Path) -> None:
    (tmp_path / "far.json").write_bytes(b'{"title": "Far"}')
    (library.folder / "far").mkdir()
    (library.folder / "far" / "book_info.json").symlink_to(tmp_path / "far.json")
    (library.folder / "gone").symlink_to(tmp_path / "nowhere")
    library.write_raw("latin", '{"title": "Émile"}'.encode("latin-1"))
    library.write_raw("large", b'{"title": "' + b"x" * 1_000 + b'"}')
    library.write("locked").chmod(0)
    library.write("sound")
    refused = [Path(verdict.path).parent.name for verdict in verdicts(library.folder, 1_000) if verdict.refused]
    assert refused == ["far", "gone", "large", "latin"] + (["locked"] if os.getuid() else [])
    assert verdicts(library.path("large"), 1_000)[0].refused == ("the file has 1,013 bytes, over the limit of 1,000",)
    assert "cannot be read" in verdicts(library.path("locked"))[0].refused[0] if os.getuid() else True


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "novelsync", "validate", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


def test_doubts_are_printed_and_leave_the_exit_code_alone(library: Library) -> None:
    library.write("[b]", [chapter(1), chapter(2, content="本章暂缺"), chapter(4, content=None)], author=5)
    done = run(str(library.folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"warning {library.folder}/[b]/book_info.json (3 chapters, 2 without text yet)\n"
        "    author is a number and was stored as text: 5\n"
        '    doubtful: 1 chapter has no text but a notice: chapters[1] "Chapter 2" (a placeholder, "本章暂缺")\n'
        '    doubtful: the numbers leave gaps in 1 place: no 3, next is chapters[2] "Chapter 4"\n'
        "! 1 file, 0 would be refused, 1 would be fixed, 1 doubtful\n"
    )


def test_an_empty_folder_is_a_wrong_path(tmp_path: Path) -> None:
    done = run(str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no <slug>/book_info.json in {tmp_path}" in done.stderr


# The schema ---------------------------------------------------------------------------


def test_the_schema_is_printed_as_one_document() -> None:
    done = run("--schema")
    printed = json.loads(done.stdout)
    assert (done.returncode, printed) == (0, schema())
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (printed["title"], bool(printed["description"])) == ("book_info.json", True)
    Draft202012Validator.check_schema(printed)


SAID_BY_NO_SCHEMA = {"a title of NUL"}
"""Rules of the reader that JSON Schema has no words for."""


def as_json(data: bytes) -> Any:
    """None for what is not JSON, or not UTF-8."""
    try:
        # int() reads no number of 5,000 digits, and refuses NaN.
        return json.loads(data.decode("utf-8-sig"), parse_int=float, parse_constant=int)
    except (ValueError, RecursionError):
        return None


@pytest.mark.parametrize("data", [data for data, _ in ACCEPTED.values()], ids=ACCEPTED)
def test_the_schema_accepts_what_is_accepted(data: bytes) -> None:
    assert [error.message for error in CHECK.iter_errors(as_json(data))] == []


@pytest.mark.parametrize(
    "file",
    [file for name, (data, _) in REFUSED.items() if (file := as_json(data)) and name not in SAID_BY_NO_SCHEMA],
    ids=lambda file: json.dumps(file)[:60],
)
def test_the_schema_refuses_what_is_refused(file: Any) -> None:
    with pytest.raises(BookRefused):
        read_book(json.dumps(file).encode())
    assert not CHECK.is_valid(file)


@pytest.mark.parametrize("number", [1, 10.5, "10.5", " 7 ", None, "chapter-12", "10,5", True, [1]])
def test_the_schema_takes_any_number_and_marks_those_that_are_left_out(number: Any) -> None:
    file = {"title": "Emma", "chapters": [{"number": number}]}
    assert CHECK.is_valid(file)
    strict = schema()
    numbers = strict["$defs"]["BookFileChapter"]["properties"]["number"]
    numbers["anyOf"] = [one for one in numbers["anyOf"] if not one.get("deprecated")]
    warned = any("decimal" in warning for warning in read_book(json.dumps(file).encode()).warnings)
    assert Draft202012Validator(strict).is_valid(file) is not warned


@needs_real_novels
def test_the_schema_accepts_real_novels() -> None:
    for path in [*REAL_NOVELS.glob("*/book_info.json"), *SAMPLES.glob("*/book_info.json")]:
        assert CHECK.is_valid(json.loads(path.read_bytes())), path


def test_files_are_looked_at_though_the_settings_for_a_database_are_half_filled(run: Run, library: Library) -> None:
    library.write("emma", [chapter(1)])
    validated = run("validate", str(library.folder), SUPABASE_SECRET_KEY="sb_secret_x", NOVELSYNC_STORAGE="gs://b/p")
    assert validated.code == 0, validated.err
    refused = run("validate", NOVELSYNC_STORAGE="gs://b/p")
    assert (refused.code, "not at gs://b/p" in refused.err) == (2, True)


def test_what_is_fine_is_counted_and_not_listed(run: Run, library: Library) -> None:
    for n in range(50):
        library.write(f"fine-{n}", chapters(2))
    library.write_raw("cut", b"{")
    library.write("odd", [chapter(1, number="chapter-12")])
    said = run("validate", str(library.folder))
    assert said.code == 1
    assert "fine-" not in said.out
    assert "refused " in said.out
    assert "warning " in said.out
    summary = "✗ 52 files, 1 would be refused, 1 would be fixed, 0 doubtful\n"
    assert said.out.endswith(summary)
    assert run("validate", "-q", str(library.folder)).out == summary
    document = json.loads(run("validate", "--json", str(library.folder)).out)
    assert {key: document[key] for key in ("files", "refused", "fixed", "doubtful")} == {
        **{"files": 52, "refused": 1, "fixed": 1, "doubtful": 0}
    }
    assert [Path(finding["path"]).parent.name for finding in document["findings"]] == ["cut", "odd"]
    assert run("validate", str(library.path("fine-1"))).out.startswith("✓ 1 file, 0 would be refused")
