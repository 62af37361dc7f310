"""
Which novel a file is, whatever its folder is called: by its bytes, by most of the texts that tell novels apart, or, if
it has the same title, by most of its chapters' urls.

Pure.

What two novels may have in common says nothing: a notice, a preface, "Chapter 1".
"""

import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from novelsync.evidence.labels import Names
from novelsync.evidence.seen import TELLING_LETTERS
from novelsync.evidence.texts import Texts
from novelsync.models.source import Book, Fingerprint, SourceFile, url_hash
from novelsync.models.stored import KnownNovel

_Sign = TypeVar("_Sign", bound=Hashable)

FEW: Final = 3
"""Fewer texts in common may be what many novels have: a preface, a notice of the site, an advertisement."""

ASKED_TEXTS: Final = 16
"""Of a file, for which the database is asked. Of a novel that is mostly the same, it nearly always has a quarter."""


def fingerprint(checksum: str, book: Book) -> Fingerprint:
    """What to ask the database for. ``checksum``: of the file's bytes."""
    return Fingerprint(checksum, tuple(islice(telling_texts(book), ASKED_TEXTS)), book.title)


def telling_texts(book: Book) -> Iterator[bytes]:
    """
    The hashes of the file's texts that tell it from other novels, in an order that has nothing to do with chapters.

    Each is long enough, stands in one chapter only, and is no known placeholder.
    """
    by_hash = {chapter.content_hash: f for f, chapter in enumerate(book.chapters)}
    texts = Texts((), book.chapters)
    # A text in a file of its own may be stored already, and is not read again for this.
    return (
        text
        for text in sorted(_long_texts(book))
        if book.chapters[by_hash[text]].filename or texts.tells(by_hash[text])
    )


def is_novel(book: Book, known: KnownNovel, *, same_bytes: bool) -> bool:
    """
    Whether a file is that stored novel: the same bytes of a file that says something, or most of the telling texts.

    That is more than half of those of both sides, so that an omnibus is none of its novels, and at least `FEW`. A novel
    that has fewer is recognised if they are all the same, and its title is too. So is one whose texts were all edited,
    if most of its chapters have their urls still.
    """
    if same_bytes and says_something(book):
        return True
    if _has_same_title(book, known) and has_same_urls(book, known):
        return True
    theirs = _known_texts(known)
    if not theirs & _long_texts(book):
        return False
    ours = set(telling_texts(book))
    common = len(ours & theirs)
    if common >= FEW:
        return 2 * common > max(len(ours), len(theirs))
    return common > 0 and ours == theirs and _has_same_title(book, known)


def says_something(book: Book) -> bool:
    """Whether the same bytes elsewhere are the same novel: empty files, or files of notices, may be alike."""
    if any(chapter.url for chapter in book.chapters) or any(True for _ in telling_texts(book)):
        return True
    by_hash = {chapter.content_hash: f for f, chapter in enumerate(book.chapters) if chapter.fetched}
    texts = Texts((), book.chapters)
    own = (f for f in by_hash.values() if book.chapters[f].filename or texts.says_something(f))
    return len(list(islice(own, FEW))) == FEW


def shares_text(book: Book, known: KnownNovel) -> bool:
    """Whether they have a telling text in common, or one of them has none."""
    ours, theirs = _long_texts(book), _known_texts(known)
    return not ours or not theirs or bool(ours & theirs)


def has_same_urls(book: Book, known: KnownNovel) -> bool:
    """
    Whether most chapters of both have the same url, and at least `FEW`; and no other author.

    Only of whole urls: "/chapter-1" is one of many novels. Nor do names tell: many have a prologue, and another
    translation has all names of the first.
    """
    author = known.fields.author if known.fields else None
    if author and isinstance(book.author, str) and book.author and _plain(author) != _plain(book.author):
        return False
    urls = {url_hash(chapter.url) for chapter in book.chapters if "://" in chapter.url}
    rows = [row for row in known.chapters if not row.removed]
    common = len(urls & {row.url_hash for row in rows if row.url_hash})
    return common >= FEW and 2 * common > max(len(book.chapters), len(rows))


def is_another(book: Book, known: KnownNovel) -> bool:
    """
    Whether nothing says that a file is that stored novel, although there is something to compare.

    Another title, no url in common, and neither a text nor most of what the chapters' titles say.
    """
    if known.fields is None or _may_be_title(book.title, known.fields.title):
        return False
    urls = {url_hash(chapter.url) for chapter in book.chapters if chapter.url}
    known_urls = {row.url_hash for row in known.chapters if row.url_hash}
    ours, theirs = _long_texts(book), _known_texts(known)
    if urls & known_urls or ours & theirs or not ((urls and known_urls) or (ours and theirs)):
        return False
    names, known_names = (set(Names(each).words) - {None} for each in (book.chapters, known.chapters))
    return not 2 * len(names & known_names) > min(len(names), len(known_names))


def is_same_file(one: SourceFile, other: SourceFile) -> bool:
    """
    Whether two slugs lead to one file, because the file system does not tell their names apart.

    Some do not distinguish case, or the forms in which Unicode can spell a name.
    """
    return one.version == other.version and one.size == other.size and _plain(one.slug) == _plain(other.slug)


def _long_texts(book: Book) -> set[bytes]:
    return _once(c.content_hash for c in book.chapters if c.content_bytes >= TELLING_LETTERS)


def _known_texts(known: KnownNovel) -> set[bytes]:
    rows = (row for row in known.chapters if not row.removed and row.content_bytes >= TELLING_LETTERS)
    return _once(row.content_hash for row in rows)


def _once(signs: Iterable[_Sign]) -> set[_Sign]:
    return {sign for sign, times in Counter(signs).items() if times == 1}


def _has_same_title(book: Book, known: KnownNovel) -> bool:
    return known.fields is not None and _plain(known.fields.title) == _plain(book.title)


def _may_be_title(one: str, other: str) -> bool:
    """Whether a novel may have both titles: "Emma", and "Emma (second translation)"."""
    ours, theirs = _plain(one), _plain(other)
    words, other_words = set(ours.split()), set(theirs.split())
    return ours in theirs or theirs in ours or 2 * len(words & other_words) >= min(len(words), len(other_words))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
