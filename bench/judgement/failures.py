"""One small example of each kind that fails, for whoever mends it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.judgement.books import Trial
from bench.judgement.judging import Verdict


def keep_smallest(folder: Path, kind: str, trials: Sequence[Trial], verdicts: Sequence[Verdict]) -> None:
    """``<folder>/<kind>/step1/<slug>/book_info.json`` and so on, and ``wrong.txt``; replaces what is there."""
    place = folder / kind.replace("/", " ")
    shutil.rmtree(place, ignore_errors=True)
    failed = [
        (trial, verdict)
        for trial, verdict in zip(trials, verdicts, strict=True)
        if verdict.faults or verdict.alarms or verdict.lost
    ]
    if not failed:
        return
    trial, verdict = min(failed, key=lambda each: _size(each[0]))
    for n, step in enumerate(trial.steps, start=1):
        for slug, book in step.files.items():
            path = place / f"step{n}{' (damaged)' if step.damaged else ''}" / slug / "book_info.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(book.in_file(), ensure_ascii=False, indent=1), encoding="utf-8")
    others = ", ".join(other.slug for other, _ in failed)
    lines = [
        *verdict.faults,
        *verdict.alarms,
        *verdict.misled,
        f"ids lost: {len(verdict.lost)}",
        f"all that fail: {others}",
    ]
    (place / "wrong.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _size(trial: Trial) -> int:
    return sum(
        len(chapter.text or "") for step in trial.steps for book in step.files.values() for chapter in book.chapters
    )
