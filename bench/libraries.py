"""Makes libraries of any size; the same seed makes the same library."""

import json
import random
from pathlib import Path
from typing import Any

WORDS = """
the a of and in to river lamp winter door night bread stone quiet letter harbour train garden window song
mưa đêm sông đèn sách nhà chợ gió trăng mùa thu người bạn cũ con đường làng biển xanh
she he they walked waited answered remembered closed opened turned wrote kept found lost
""".split()


def text(random_: random.Random, size: int) -> str:
    """About ``size`` bytes of words, which compress about as well as prose does."""
    paragraphs, length = [], 0
    while length < size:
        paragraph = " ".join(random_.choices(WORDS, k=60)).capitalize() + "."
        paragraphs.append(paragraph)
        length += len(paragraph.encode()) + 2
    return "\n\n".join(paragraphs).encode()[:size].decode(errors="ignore")


def chapter(random_: random.Random, slug: str, n: int, size: int) -> dict[str, Any]:
    return {
        "title": f"Chương {n}: {' '.join(random_.choices(WORDS, k=4))}",
        "number": n,
        "content": text(random_, size),
        "url": f"https://example.com/{slug}/chuong-{n}",
    }


def book(random_: random.Random, slug: str, chapters: int, size: int) -> dict[str, Any]:
    return {
        "title": f"Novel {slug}",
        "author": "Somebody",
        "description": text(random_, 300),
        "cover_url": f"https://example.com/{slug}.jpg",
        "status": "ongoing",
        "chapters": [chapter(random_, slug, n, size) for n in range(1, chapters + 1)],
    }


def write(folder: Path, slug: str, document: dict[str, Any]) -> None:
    path = folder / slug / "book_info.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def make(folder: Path, novels: int, chapters: int, size: int, seed: int = 1) -> None:
    """``novels`` novels of ``chapters`` chapters of about ``size`` bytes."""
    random_ = random.Random(seed)  # noqa: S311 — no secret
    for n in range(novels):
        slug = f"novel-{n:06d}"
        write(folder, slug, book(random_, slug, chapters, size))


def make_beside(folder: Path, novels: int, chapters: int, size: int, seed: int = 1) -> None:
    """The same, with each text in a file of its own."""
    random_ = random.Random(seed)  # noqa: S311
    for n in range(novels):
        slug = f"novel-{n:06d}"
        document = book(random_, slug, chapters, size)
        (folder / slug).mkdir(parents=True)
        for each in document["chapters"]:
            each["filename"] = f"{each['number']}.html"
            (folder / slug / each["filename"]).write_text(each.pop("content"), encoding="utf-8")
        write(folder, slug, document)


def make_one(folder: Path, slug: str, chapters: int, size: int) -> None:
    """Adds one novel."""
    write(folder, slug, book(random.Random(slug), slug, chapters, size))  # noqa: S311
