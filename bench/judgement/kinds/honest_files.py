"""What people and sites do to lists, labels, fields and folders. All of it must go in."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bench.judgement.books import Chapter, Step
from bench.judgement.making import texts
from bench.judgement.making.desk import Desk

# The list ----------------------------------------------------------------------------


def appended(desk: Desk) -> list[Step]:
    book = desk.novel()
    books, chapters = [book], list(book.chapters)
    for _ in range(3):
        chapters = desk.label([*chapters, *desk.chapters(desk.rng.randrange(1, 4))])
        books.append(book.having(chapters))
    return desk.steps(*books)


def in_front(desk: Desk) -> list[Step]:
    book = desk.novel()
    return desk.steps(book, book.having(desk.label([*desk.chapters(desk.rng.randrange(1, 3)), *book.chapters])))


def in_the_middle(desk: Desk) -> list[Step]:
    book = desk.novel()
    at = desk.rng.randrange(1, len(book.chapters))
    new = desk.chapters(desk.rng.randrange(1, 4))
    return desk.steps(book, book.having(desk.label([*book.chapters[:at], *new, *book.chapters[at:]])))


def a_half_number(desk: Desk) -> list[Step]:
    book = desk.novel(number=True)
    at = desk.rng.randrange(1, len(book.chapters))
    new = desk.label(desk.chapters(1))[0]
    new = replace(new, title=desk.style.word.format(f"{at}.5"), number=at + 0.5, url=f"{desk.style.site}/{at}-5")
    return desk.steps(book, book.having([*book.chapters[:at], new, *book.chapters[at:]]))


def withdrawn_and_added(desk: Desk) -> list[Step]:
    """Of more than a hundred, twenty go anywhere, and thirty come at the end."""
    book = desk.novel(count=desk.rng.randrange(101, 110), letters=350)
    gone = set(desk.rng.sample(range(len(book.chapters) - 3), 20))
    left = [c for n, c in enumerate(book.chapters) if n not in gone]
    chapters = [*left, *desk.chapters(30)]
    if desk.rng.random() < 0.5:
        return desk.steps(book, book.having(desk.label(chapters)))
    new = desk.style.label(chapters[-30:], start=len(book.chapters) + 1)
    return desk.steps(book, book.having([*left, *new]))


def last_removed(desk: Desk) -> list[Step]:
    book = desk.novel()
    return desk.steps(book, book.having(book.chapters[: -desk.rng.randrange(1, 4)]))


def a_new_volume(desk: Desk) -> list[Step]:
    """Its chapters are counted from 1 again."""
    book = desk.novel(title="told")
    old = [replace(c, volume="1") for c in book.chapters]
    new = [replace(c, volume="2") for c in desk.label(desk.chapters(desk.rng.randrange(3, 9)))]
    new = [replace(c, url=f"{c.url}-v2" if c.url else "") for c in new]
    first = book if desk.rng.random() < 0.5 else book.having(old)
    return desk.steps(first, book.having([*old, *new]))


def reversed_and_back(desk: Desk) -> list[Step]:
    book = desk.novel()
    return desk.steps(book, book.having(book.chapters[::-1]), book)


# Labels ------------------------------------------------------------------------------


def volume_renumbered(desk: Desk) -> list[Step]:
    """What was counted through begins at 1 in its second half, or the other way round."""
    book = desk.novel()
    half = len(book.chapters) // 2
    again = [*book.chapters[:half], *desk.label(book.chapters[half:])]
    again = [replace(c, url=old.url) for c, old in zip(again, book.chapters, strict=True)]
    return desk.steps(book, book.having(again)) if desk.rng.random() < 0.5 else desk.steps(book.having(again), book)


def site_moved(desk: Desk) -> list[Step]:
    book = desk.novel(url=desk.rng.choice(["own", "counted"]))
    site = desk.rng.choice(["https://elsewhere.example/book", f"http://novels.example/{desk.slug}?p="])
    moved = [replace(c, url=f"{site}/{desk.rng.randrange(10**8)}") for c in book.chapters]
    return desk.steps(book, replace(book, cover_url=f"{site}/cover.png").having(moved))


def site_moved_with_everything(desk: Desk) -> list[Step]:
    """New urls, other titles, marks in the texts, no numbers; as many chapters in the same order."""
    book = desk.novel(title="told", number=False, url="own")
    old = [replace(c, text=texts.with_invisible_marks(c.text or "", desk.rng)) for c in book.chapters]
    new = [
        replace(
            c,
            title=f"{n}. {c.name}",
            url=f"https://b.example/m-{n}.html",
            text=texts.with_invisible_marks(c.text or "", desk.rng),
        )
        for n, c in enumerate(book.chapters, start=1)
    ]
    return desk.steps(book.having(old), book.having(new))


def titles_reformatted(desk: Desk) -> list[Step]:
    book = desk.novel(title="told")
    form: Callable[[int, Chapter], str] = desk.rng.choice(
        [
            lambda n, c: f"{n}. {c.name}",
            lambda n, c: c.name,
            lambda n, c: f"{c.name} [{n}/{len(book.chapters)}]",
            lambda n, c: f"{book.title} - {c.title}",
            lambda n, c: c.title.upper(),
        ]
    )
    return desk.steps(book, book.having(replace(c, title=form(n, c)) for n, c in enumerate(book.chapters, start=1)))


def typos_in_titles(desk: Desk) -> list[Step]:
    book = desk.novel(title=desk.rng.choice(["told", "bare"]))

    def mended(chapter: Chapter) -> Chapter:
        at = desk.rng.randrange(len(chapter.title) - 1)
        return replace(chapter, title=chapter.title[:at] + chapter.title[at + 1 :])

    return desk.steps(book, desk.in_some(book, mended))


# Fields and folders ------------------------------------------------------------------


def fields_changed(desk: Desk) -> list[Step]:
    book = desk.novel()
    new = desk.other(book, 1)
    names = desk.rng.sample(["title", "author", "description", "cover_url", "status"], desk.rng.randrange(1, 5))
    changes = {name: getattr(new, name) for name in names}
    if "status" in changes:
        changes["status"] = "hiatus"
    if desk.rng.random() < 0.3:
        changes["description"] = None
    return desk.steps(book, replace(book, **changes))


def folder_renamed(desk: Desk) -> list[Step]:
    """And a chapter is added in some cases, or all are proofread a little."""
    book = desk.novel()
    new = desk.grown(book)
    return [Step({desk.slug: book}), Step({f"{desk.slug}-b": new}), Step({f"{desk.slug}-b": desk.grown(new)})]


def folders_swapped(desk: Desk) -> list[Step]:
    """Two novels, or a chain of three, go on under each other's names."""
    first = desk.novel()
    books = [first, *(desk.other(first) for _ in range(desk.rng.randrange(1, 3)))]
    slugs = [f"{desk.slug}{end}" for end in ("", "-b", "-c")][: len(books)]
    return [Step(dict(zip(slugs, books, strict=True))), Step(dict(zip(slugs, [*books[1:], books[0]], strict=True)))]


def slug_reused(desk: Desk) -> list[Step]:
    """A novel moves to another folder, and another novel into its own."""
    old = desk.novel()
    new, moved = desk.other(old), f"{desk.slug}-b"
    return [Step({desk.slug: old}), Step({desk.slug: new, moved: desk.grown(old)})]


KINDS: Final[Mapping[str, Callable[[Desk], list[Step]]]] = {
    "chapters added": appended,
    "chapters inserted in front": in_front,
    "chapters inserted in the middle": in_the_middle,
    "number 10.5 inserted": a_half_number,
    "20 of 100 chapters withdrawn, 30 added": withdrawn_and_added,
    "the last chapters removed": last_removed,
    "a new volume": a_new_volume,
    "the order reversed, and back": reversed_and_back,
    "a volume renumbered": volume_renumbered,
    "the site moved": site_moved,
    "the site moved, everything new but the order": site_moved_with_everything,
    "titles in another form": titles_reformatted,
    "typos in titles": typos_in_titles,
    "title, author, status changed": fields_changed,
    "the folder renamed": folder_renamed,
    "folders swapped": folders_swapped,
    "a folder's name reused for another novel": slug_reused,
}
