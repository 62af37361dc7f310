"""Novels as other programs write them."""

import json
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

URL = "https://example.com"


@dataclass(frozen=True)
class Novel:
    """Its chapters are pairs of a title and a text; None: not fetched."""

    title: str = "Võ Luyện Đỉnh Phong"
    author: str = "Mạc Mặc"
    description: str = "Đỉnh phong của võ đạo."
    chapters: tuple[tuple[str, str | None], ...] = ()
    volume: str = "Quyển 1"

    def changed(self, index: int, text: str | None) -> "Novel":
        """With another text in one chapter."""
        chapters = list(self.chapters)
        chapters[index] = chapters[index][0], text
        return replace(self, chapters=tuple(chapters))


def a_novel(count: int = 3, title: str = "Võ Luyện Đỉnh Phong") -> Novel:
    texts = [
        (f"Chương {n}", f"<p>Đêm thứ {n}: mưa &amp; gió.</p>\r\n<p>{'Hết. ' * 9}</p>\n") for n in range(1, count + 1)
    ]
    return Novel(title, chapters=tuple(texts))


def write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8", newline="")


def write_crawler_3(path: Path, novel: Novel) -> Path:
    """A folder."""
    listed = [
        {"id": n, "url": f"{URL}/{n}", "title": title, "volume": 1, "volume_title": novel.volume, "body": None}
        for n, (title, _) in enumerate(novel.chapters, 1)
    ]
    meta = {
        "title": novel.title,
        "authors": [novel.author],
        "synopsis": novel.description,
        "cover_url": f"{URL}/cover.jpg",
        "volumes": [{"id": 1, "title": novel.volume}],
        "chapters": listed,
    }
    write_json(path / "meta.json", {"session": {"completed": True}, "novel": meta})
    for chapter, (_, text) in zip(listed, novel.chapters, strict=True):
        if text is not None:
            write_json(path / "json" / f"{chapter['id']:05}.json", chapter | {"body": text, "success": True})
    return path


def write_crawler_4(path: Path, novel: Novel) -> Path:
    """A zip."""
    listed = [
        {"serial": n, "url": f"{URL}/{n}", "title": title, "is_done": text is not None}
        for n, (title, text) in enumerate(novel.chapters, 1)
    ]
    meta = {
        "title": novel.title,
        "authors": novel.author,
        "synopsis": novel.description,
        "cover_url": f"{URL}/cover.jpg",
        "tags": ["wuxia"],
        "volumes": [{"serial": 1, "title": novel.volume, "chapters": listed}],
    }
    texts = {
        f"001/{chapter['serial']:05}.json": text for chapter, (_, text) in zip(listed, novel.chapters, strict=True)
    }
    files = {
        name: json.dumps({"content": text}, ensure_ascii=False) for name, text in texts.items() if text is not None
    }
    return write_zip(path.with_name(f"{path.name}.json.zip"), files | {"meta.json": json.dumps(meta)})


def write_downloader(path: Path, novel: Novel, info: str = "book_info.raw.json", stage: str = "raw") -> Path:
    """A folder with a database."""
    listed = [
        {"title": title, "url": f"{URL}/{n}", "chapterId": f"c{n}", "accessible": text is not None}
        for n, (title, text) in enumerate(novel.chapters, 1)
    ]
    book = {
        "book_name": novel.title,
        "author": novel.author,
        "summary": novel.description,
        "cover_url": f"{URL}/cover.jpg",
        "serial_status": "连载中",
        "extra": {},
        "volumes": [{"volume_name": novel.volume, "volume_intro": "", "chapters": listed}],
    }
    write_json(path / info, book)
    write_database(
        path / f"chapter.{stage}.sqlite", {f"c{n}": text for n, (_, text) in enumerate(novel.chapters, 1) if text}
    )
    return path


def write_database(path: Path, texts: Mapping[str, str], need_refetch: int = 0) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "create table chapters (id text not null primary key, title text not null, content text not null,"
            " need_refetch boolean not null default 0, extra text)"
        )
        rows = [(id_, id_, text, need_refetch, "{}") for id_, text in texts.items()]
        connection.executemany("insert into chapters values (?, ?, ?, ?, ?)", rows)


def xhtml(title: str, body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>{escape(title)}</title></head>\n<body>{body}</body></html>\n"
    )


CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def opf(novel: Novel, documents: list[str], contents: str) -> str:
    """``contents``: the item of the manifest that is the table of contents."""
    items = "".join(f'<item id="{d}" href="{d}" media-type="application/xhtml+xml"/>' for d in documents)
    spine = "".join(f'<itemref idref="{d}"/>' for d in documents)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' xmlns:opf="http://www.idpf.org/2007/opf"><metadata><dc:title>{escape(novel.title)}</dc:title>'
        f'<dc:creator opf:role="aut">{escape(novel.author)}</dc:creator><dc:creator opf:role="ill">Nobody</dc:creator>'
        f"<dc:description>{escape(novel.description)}</dc:description></metadata>"
        f"<manifest>{contents}{items}</manifest><spine>{spine}</spine></package>"
    )


def epub_documents(novel: Novel) -> dict[str, str]:
    return {f"c{n}.xhtml": xhtml(title, text or "") for n, (title, text) in enumerate(novel.chapters, 1)}


def write_epub_3(path: Path, novel: Novel, **changes: str) -> Path:
    """``changes``: other files, or files that are otherwise."""
    documents = epub_documents(novel)
    entries = "".join(
        f'<li><a href="{name}">{escape(title)}</a></li>'
        for name, (title, _) in zip(documents, novel.chapters, strict=True)
    )
    nav = (
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'
        f'<nav epub:type="toc"><ol><li><span>{escape(novel.volume)}</span><ol>{entries}</ol></li></ol>'
        "</nav></body></html>"
    )
    item = '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    return _write_epub(path, novel, documents, {"nav.xhtml": nav}, item, changes)


def write_epub_2(path: Path, novel: Novel, **changes: str) -> Path:
    documents = epub_documents(novel)
    points = "".join(
        f'<navPoint><navLabel><text>{escape(title)}</text></navLabel><content src="{name}"/></navPoint>'
        for name, (title, _) in zip(documents, novel.chapters, strict=True)
    )
    ncx = (
        '<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">'
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint>'
        f"<navLabel><text>{escape(novel.volume)}</text></navLabel>{points}</navPoint></navMap></ncx>"
    )
    item = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    return _write_epub(path, novel, documents, {"toc.ncx": ncx}, item, changes)


def _write_epub(
    path: Path, novel: Novel, documents: dict[str, str], contents: dict[str, str], item: str, changes: dict[str, str]
) -> Path:
    package = opf(novel, list(documents), item)
    files = {f"OEBPS/{name}": text for name, text in {**documents, **contents, "book.opf": package}.items()}
    return write_zip(
        path.with_name(f"{path.name}.epub"),
        {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, **files, **changes},
    )


def write_zip(path: Path, files: Mapping[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def stored_text(kind: str, novel: Novel, index: int) -> bytes | None:
    """What a chapter of this novel must become."""
    title, text = novel.chapters[index]
    if text is None:
        return None
    return (xhtml(title, text) if kind.startswith("epub") else text).encode()


PROGRAMS: dict[str, Callable[[Path, Novel], Path]] = {
    "lightnovel-crawler 3": write_crawler_3,
    "lightnovel-crawler 4": write_crawler_4,
    "novel-downloader": write_downloader,
    "epub 2": write_epub_2,
    "epub 3": write_epub_3,
}
"""Each writes a novel at a path, which it gives the ending that it has, and returns where it is."""
