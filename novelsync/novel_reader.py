"""Reads a novel from the storage: its file, and the texts that are files of their own beside it."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from shlex import quote

from novelsync.books.overlooked import other_files
from novelsync.books.reader import check_size, read_book
from novelsync.books.texts import FileText, files_of, read_text, text_path, with_texts
from novelsync.books.values import NOT_FETCHED, Text
from novelsync.contracts.storages import Storage
from novelsync.errors import BookRefused, StorageUnavailable
from novelsync.models.source import Book, SourceFile, TextFile, texts_digest
from novelsync.models.stored import KnownNovel


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A ``book_info.json`` that was read, or why it cannot be."""

    novel: SourceFile
    """Its ``texts`` are those that were there when it was read."""
    data: bytes = b""
    """Empty once it was looked into: the book has what is needed of it."""
    size: int = 0
    """Bytes of the file; 0 if it was not read."""
    checksum: str | None = None
    """Of the file; None if it was not read, so that the database is asked for the revision alone."""
    book: Book | BookRefused | None = None
    """None: not looked into."""
    version: str = ""
    """What to remember of it once it is dealt with; empty: it has to be read again, even if nothing changes."""
    texts_read: int = 0
    """Bytes of texts that are files of their own."""

    @property
    def bytes_read(self) -> int:
        return self.size + self.texts_read


@dataclass(frozen=True, slots=True)
class TextFiles:
    """The texts of one book that are files of their own: what is known of them, and what has to be read."""

    found: Mapping[str, FileText] = field(default_factory=dict)
    """By filename, as the book has it."""
    to_read: Mapping[str, TextFile] = field(default_factory=dict)
    """The files to read, by filename as the book has it."""

    @property
    def bytes(self) -> int:
        """Bytes that are in memory once all texts are read."""
        return sum(file.size for file in self.to_read.values())


class NovelReader:
    """May be used from several threads at once."""

    def __init__(self, storage: Storage, max_file_bytes: int) -> None:
        """``max_file_bytes``: of a novel's file and its texts together."""
        self._storage = storage
        self._max_file_bytes = max_file_bytes

    def read_whole(self, novel: SourceFile) -> ReadFile | None:
        """With its book and all texts; None if the listed version is not there. Raises `StorageUnavailable`."""
        file = self.read(novel)
        return file and self.read_texts(*self.look_for_texts(self.parse(file), None))

    def read(self, novel: SourceFile) -> ReadFile | None:
        """The file, not looked into; None if the listed version is no longer there. Raises `StorageUnavailable`."""
        try:
            check_size(novel.size, self._max_file_bytes)
            data = self._storage.read(novel)
        except BookRefused as refusal:
            # The size limit and what the listing says about a file are part of the listing's digest, so the refusal
            # may be remembered. But permissions may change and the version stay the same.
            in_digest = novel.unreadable or novel.size > self._max_file_bytes
            return ReadFile(novel, book=refusal, version=f"refused {novel.state}" if in_digest else "")
        if data is None:
            return None
        return ReadFile(novel, data, len(data), f"sha256:{sha256(data).hexdigest()}", version=novel.state)

    def parse(self, file: ReadFile) -> ReadFile:
        """With its book, or with the reasons why it has none."""
        if file.book:
            return file
        try:
            return replace(file, book=read_book(file.data), data=b"")
        except BookRefused as refusal:
            return replace(file, book=refusal, data=b"")

    def look_for_texts(self, file: ReadFile, known: KnownNovel | None) -> tuple[ReadFile, TextFiles]:
        """
        Which texts of the book have to be read; nothing is read yet.

        ``known``: what is stored of the novel, whose texts of unchanged files need not be read; None: read all.
        Raises `StorageUnavailable`.
        """
        book = file.book
        if not isinstance(book, Book) or not any(each.filename and not each.fetched for each in book.chapters):
            return self._without_texts(file), TextFiles()
        there = self._storage.texts(file.novel.slug)
        novel = file.novel._replace(texts=texts_digest(there), text_bytes=sum(text.size for text in there))
        file = replace(file, novel=novel, version=novel.state)
        by_path = _ByPath(there, {path for each in book.chapters if (path := text_path(each.filename))})
        remembered = {(row.file, row.file_version): row for row in (known.chapters if known else ()) if row.file}
        found: dict[str, FileText] = {}
        to_read: dict[str, TextFile] = {}
        size = 0
        for filename, path in files_of(book).items():
            text_file = by_path.find(path)
            size += text_file.size if text_file else 0
            if text_file is None:
                found[filename] = FileText(NOT_FETCHED, failure="it is not there")
            elif text_file.unreadable:
                found[filename] = FileText(NOT_FETCHED, failure=text_file.unreadable)
            elif row := remembered.get((filename, text_file.version)):
                reread = partial(self._read_again, novel.slug, text_file, row.content_hash)
                found[filename] = FileText(Text(row.content_hash, row.content_bytes, reread), text_file.version)
            else:
                to_read[filename] = text_file
        texts = TextFiles(found, to_read)
        try:
            check_size(novel.size, self._max_file_bytes, size)
        except BookRefused as refusal:
            return replace(file, book=refusal), TextFiles()
        return file, texts

    def _without_texts(self, file: ReadFile) -> ReadFile:
        """One that names none. If it has none in it either, what lies beside it is looked at: it may be in there."""
        file = replace(file, novel=file.novel._replace(texts="", text_bytes=0))
        if not isinstance(file.book, Book) or any(chapter.fetched for chapter in file.book.chapters):
            return file
        there = self._storage.texts(file.novel.slug)
        remarks = [file.book.overlooked, other_files([text.path for text in there])]
        return replace(file, book=replace(file.book, overlooked="; ".join(filter(None, remarks))))

    def read_texts(self, file: ReadFile, texts: TextFiles) -> ReadFile:
        """With all texts in its book. Raises `StorageUnavailable`."""
        if not isinstance(file.book, Book) or not any(chapter.filename for chapter in file.book.chapters):
            return file
        filenames: dict[TextFile, list[str]] = {}
        for filename, text_file in texts.to_read.items():
            filenames.setdefault(text_file, []).append(filename)
        found = dict(texts.found)
        version = file.version
        for text_file, data in self._storage.read_texts(file.novel.slug, list(filenames)):
            found |= dict.fromkeys(filenames[text_file], _text_of(text_file, data))
            if isinstance(data, str):  # the listing may say the same when there is something to read
                version = ""
        return replace(file, book=with_texts(file.book, found), texts_read=texts.bytes, version=version)

    def _read_again(self, slug: str, file: TextFile, content_hash: bytes) -> bytes | memoryview:
        """The text of a file that was known, for a chapter that is not the one it was known for."""
        for _, data in self._storage.read_texts(slug, [file]):
            if isinstance(data, bytes) and (text := read_text(file.path, data)).content_hash == content_hash:
                return text.raw()
        hint = f"if the next run says so too: `novelsync sync --slug {quote(slug)} --reread`"
        raise StorageUnavailable(f"{slug}/{file.path} has another text than when it was read last", hint)


def _text_of(file: TextFile, data: bytes | str) -> FileText:
    if isinstance(data, str):
        return FileText(NOT_FETCHED, failure=data)
    try:
        return FileText(read_text(file.path, data), file.version)
    except BookRefused as refusal:
        return FileText(NOT_FETCHED, failure=refusal.message)


class _ByPath:
    """Files by their paths, and by these in another spelling: some systems take that for the same, or list another."""

    def __init__(self, files: Sequence[TextFile], named: Set[str]) -> None:
        """``named``: the paths that the book has."""
        self._files = {file.path: file for file in files}
        self._named = named
        self._composed: dict[str, TextFile] | None = None
        self._folded: dict[str, TextFile] | None = None

    def find(self, path: str) -> TextFile | None:
        """The file of that name; or in another Unicode form; or in another case, if there is one name and one file."""
        return self._files.get(path) or self._in_another_form(path) or self._in_another_case(path)

    def _in_another_form(self, path: str) -> TextFile | None:
        if path.isascii():
            return None
        if self._composed is None:
            self._composed = {unicodedata.normalize("NFC", name): file for name, file in self._files.items()}
        return self._composed.get(unicodedata.normalize("NFC", path))

    def _in_another_case(self, path: str) -> TextFile | None:
        if self._folded is None:
            names, files = Counter(map(_folded, self._named)), Counter(map(_folded, self._files))
            by_folded = ((_folded(name), file) for name, file in self._files.items())
            self._folded = {name: file for name, file in by_folded if names[name] == files[name] == 1}
        return self._folded.get(_folded(path))


def _folded(path: str) -> str:
    """The same for names that only differ in case. Not ``casefold``, for which ``ß`` is ``ss``."""
    return unicodedata.normalize("NFC", path).lower()
