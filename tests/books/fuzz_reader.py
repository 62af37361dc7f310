"""
``make fuzz``: libFuzzer makes up files, led by which lines of the reader they reach, and `judge` looks at each outcome.

Ends with 1 if anything escaped; the file that did it is kept.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.support.limited import memory

MEMORY = 600_000_000
"""Bytes the whole process may take: enforced by the kernel, so that an explosion is a crash. Python takes 100 MB."""
LARGEST = 64_000
"""Bytes of a file; `tests.support.hostile` has the large ones."""
SLOWEST = 5
"""Seconds for one of them."""
FOUND = Path(".tools/escaped")
"""Where a file is kept that did what none may do."""

TOKENS = [
    *('"title":', '"author":', '"name":', '"description":', '"cover_url":', '"status":', '"chapters":[{', '"number":'),
    *('"content":', '"url":', '"Content":', '"CHAPTERS":', "null", "true", "false", "NaN", "Infinity", "[[[[", "}]}"),
    *(r"\u0000", r"\ud800", r"\udfff", r"\ud83d\ude00", r"\\", r"\"", "\ufeff", "\u3000", "1e999", "-0.10", "[]", "{}"),
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=120)
    seconds = parser.parse_args().seconds
    if not find_spec("atheris"):
        raise SystemExit("not fuzzed: there is no wheel of atheris for this machine and Python")
    FOUND.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus, tokens = Path(folder, "corpus"), Path(folder, "tokens")
        corpus.mkdir()
        for number, seed in enumerate(_seeds()):
            (corpus / str(number)).write_bytes(seed)
        tokens.write_text("".join(map(_as_libfuzzer_reads_it, TOKENS)))
        limits = [f"-max_len={LARGEST}", f"-timeout={SLOWEST}", f"-max_total_time={seconds}", f"-dict={tokens}"]
        command = [sys.executable, "-m", "tests.books.fuzz_reader", "--inside", str(corpus), *limits]
        start = time.monotonic()
        done = subprocess.run(
            [*command, "-print_final_stats=1", f"-artifact_prefix={FOUND}/"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            preexec_fn=memory(MEMORY),
        )
        said = done.stdout.decode(errors="replace")
        kept = len(list(corpus.iterdir()))
    executions, peak = (
        re.search(rf"stat::{key}:\s*(\d+)", said) for key in ("number_of_executed_units", "peak_rss_mb")
    )
    if not executions or not peak:
        raise SystemExit(said)
    print(f"{int(executions[1]):,} executions in {time.monotonic() - start:.0f} s, peak memory {peak[1]} MB")
    if done.returncode:
        raise SystemExit(f"ESCAPED; what did it is in {FOUND}:\n{said[-5_000:]}")
    reached = re.findall(r"cov: (\d+) ft: (\d+)", said)[-1]
    print(f"{kept:,} files in the corpus, which reach {reached[0]} places of the reader in {reached[1]} ways")
    print("nothing escaped")


def _seeds() -> list[bytes]:
    from tests.books import test_reader, test_refusals
    from tests.support.library import REAL_NOVELS

    small = Path("storage/novels").glob("*/book_info.json")
    told = [data for data, _ in [*test_reader.ACCEPTED.values(), *test_refusals.REFUSED.values()]]
    cut = [path.read_bytes()[:4_000] for path in REAL_NOVELS.glob("*/book_info.json")]
    return [seed for seed in [*told, *cut, *(path.read_bytes() for path in small)] if len(seed) <= LARGEST]


def _as_libfuzzer_reads_it(token: str) -> str:
    escaped = "".join(f"\\x{byte:02x}" for byte in token.encode())
    return f'"{escaped}"\n'


def fuzz(arguments: list[str]) -> None:
    """In a process of its own, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(
        include=[
            "novelsync.books.reader",
            "novelsync.books.quick",
            "novelsync.books.schema",
            "novelsync.text.formatting",
        ]
    ):
        from tests.support.judging import judge

    atheris.Setup([sys.argv[0], *arguments], lambda data: judge(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[2:]) if sys.argv[1:2] == ["--inside"] else main()
