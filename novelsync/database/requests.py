"""
Builds what ``novelsync_write`` and ``novelsync_stage`` take. Pure.

A chapter's text goes beside the JSON, and is not made before it is sent. A key that is missing is null; so is an empty
list.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from novelsync.database.transports.bodies import SentText
from novelsync.models.source import BookChapter
from novelsync.models.writing import ChangedChapter, NovelWrite, PlacedChapter

KEPT: Final = " kept"
"""Behind the id of what is held, if somebody decided that it stays."""


def write_request(run_id: str | None, writes: Sequence[NovelWrite]) -> Mapping[str, Any]:
    """One write of these novels. A text that is staged is not sent again."""
    places = list(enumerate(writes, start=1))
    request: dict[str, Any] = {
        "run_id": run_id,
        "novels": [{"place": n, **_novel(write)} for n, write in places],
        "created": [
            {"novel": n, "position": c.position, **_labels(c.chapter), **_content(c.chapter)}
            for n, write in places
            for c in ([] if write.staged else write.chapters.created)
        ],
        "changed": [
            {
                "novel": n,
                "id": c.row.id,
                "position": c.position,
                **_labels(c.chapter),
                **(_content(c.chapter) if c.new_text and not write.staged else {}),
            }
            for n, write in places
            for c in write.chapters.changed
        ],
        "moved": [
            {"novel": n, "ids": [m.row.id for m in moved], "positions": [m.position for m in moved]}
            for n, write in places
            if (moved := write.chapters.moved)
        ],
        "removed": [
            {"novel": n, "ids": [row.id for row in removed]}
            for n, write in places
            if (removed := write.chapters.removed)
        ],
        "texts": [
            {
                "novel": n,
                "positions": [text.position for text in texts],
                "files": [text.file for text in texts],
                "versions": [text.version for text in texts],
            }
            for n, write in places
            if (texts := write.chapters.texts)
        ],
        "shrunk": [
            {"novel": n, "ids": [text.id for text in shrunk], "letters": [text.letters for text in shrunk]}
            for n, write in places
            if (shrunk := write.chapters.shrunk)
        ],
        "problems": [
            {"novel": n, "slug": p.slug, "kind": p.kind, "message": p.message, "hint": p.hint}
            for n, write in places
            for p in write.problems or ()
        ],
    }
    return {key: value for key, value in request.items() if value}


def stage_requests(run_id: str | None, write: NovelWrite, part_bytes: int) -> Iterator[Mapping[str, Any]]:
    """
    The texts of one large novel, in parts of about ``part_bytes`` of text each; but the first part has one text.

    That part goes alone, because it opens the staging, and the others have to wait for it.
    """
    novel = {
        "run_id": run_id,
        "slug": write.slug,
        "request_id": write.request_id,
        "revision": write.revision,
        **_origin(write),
    }
    for part, (created, texts) in enumerate(_parts(write, part_bytes), start=1):
        yield {**novel, "part": part, "created": created, "texts": texts}


def halves(part: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Two requests with the texts of one, which need numbers of their own; None if it has only one text."""
    created, texts = part["created"], part["texts"]
    if len(created) + len(texts) < 2:
        return None
    c, t = (len(created) + 1) // 2, len(texts) // 2
    return {**part, "created": created[:c], "texts": texts[:t]}, {**part, "created": created[c:], "texts": texts[t:]}


def _parts(write: NovelWrite, part_bytes: int) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """The chapters to create and the texts to replace, in lists of about ``part_bytes`` of text; the first has one."""
    created: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    size, enough = 0, 0  # for the first part
    chapters: Iterator[PlacedChapter | ChangedChapter] = chain(
        write.chapters.created, (changed for changed in write.chapters.changed if changed.new_text)
    )
    for each in chapters:
        content = _content(each.chapter)
        if isinstance(each, PlacedChapter):
            created.append({"position": each.position, **_labels(each.chapter), **content})
        else:
            texts.append({"id": each.row.id, **content})
        size += each.chapter.content_bytes
        if size >= enough:
            yield created, texts
            # New lists, because the caller may send the old ones later, or again.
            created, texts, size, enough = [], [], 0, part_bytes
    if created or texts:
        yield created, texts


def _novel(write: NovelWrite) -> dict[str, Any]:
    fields = write.fields and {
        "title": write.fields.title,
        "author": write.fields.author,
        "description": write.fields.description,
        "cover_url": write.fields.cover_url,
        "status": write.fields.status,
    }
    keys = {
        "slug": write.slug,
        "request_id": write.request_id,
        "revision": write.revision,
        "version": write.version,
        "checksum": write.checksum,
        "visible": write.visible,
        "is_new": write.is_new,
        **_origin(write),
        "staged": write.staged,
        "fields": fields,
        "chapter_count": write.chapter_count,
        "chapters_added": len(write.chapters.created),
        "problems_stay": write.problems is None,
        "held_in_a_row": write.held_in_a_row,
        "accepted": write.accepted,
        "held": f"{write.held_id}{KEPT}" if write.held_id and write.kept else write.held_id,
        "told": write.told,
        "has_texts": write.has_texts,
        "blank": write.blank,
        "result": write.result,
    }
    return {key: value for key, value in keys.items() if value is not None}


def _origin(write: NovelWrite) -> dict[str, Any]:
    """Which stored novel is written to, if it is not simply the one under the same slug."""
    slug, revision = write.rename or (None, None)
    return {"former": slug, "former_revision": revision, "afresh": write.afresh}


def _labels(chapter: BookChapter) -> dict[str, Any]:
    labels = {"title": chapter.title, "url": chapter.url}
    if chapter.volume is not None:
        labels["volume"] = chapter.volume
    if chapter.number is not None:
        labels["number"] = str(chapter.number)
    return labels


def _content(chapter: BookChapter) -> dict[str, Any]:
    return {"content": SentText(chapter), "size": chapter.content_bytes}
