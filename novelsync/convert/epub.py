"""
EPUB 2 and 3: a zip, or what was unpacked from it.

With the standard library alone: a document that declares entities of its own is refused, and nothing outside the file
is ever loaded.
"""

import html
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from novelsync.convert.files import Files
from novelsync.convert.source import Format, SourceChapter, SourceNovel
from novelsync.errors import BookRefused
from novelsync.text.formatting import counted, one_line

_CONTAINER: Final = "META-INF/container.xml"
_TEXTS: Final = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")
_NCX: Final = "application/x-dtbncx+xml"
_REPAIR: Final = "repair it with an EPUB editor, or get it again from where it came from"


class _Node(NamedTuple):
    """An entry of the contents."""

    title: str
    document: str
    """Its path in the zip; empty if it names none."""
    within: bool
    """Whether it points into the middle of the document."""
    children: Sequence["_Node"]


class _Label(NamedTuple):
    title: str
    volume: str | None = None


def _matches(files: Files) -> bool:
    return files.read(_CONTAINER) is not None


def _read(files: Files) -> SourceNovel:
    root = next((each for each in _parsed(files, _CONTAINER).iter("rootfile")), None)
    package_path = "" if root is None else root.get("full-path", "")
    package = _Package(_parsed(files, package_path), posixpath.dirname(package_path))
    nodes = package.contents(files)
    labels = _labels(nodes)
    spine = package.spine(labels)
    lost = sum(bool(node.document) for node, _ in _flat(nodes)) - len(labels.keys() & set(spine))
    own = "has no document of its own; its" if lost == 1 else "have no documents of their own; their"
    remarks = [f"{counted(lost, 'title')} of the contents {own} text is in that of another"] if lost else []
    chapters = _chapters(files, spine, labels, package.contents_path)
    return SourceNovel(
        package.title(), package.author(), package.description(), chapters, suffix=".xhtml", remarks=remarks
    )


def _chapters(files: Files, spine: Sequence[str], labels: dict[str, _Label], contents: str) -> Iterator[SourceChapter]:
    """
    In the order in which they are read.

    What stands before everything that the contents name (cover, imprint), and pages without a word are left out. A
    document that they do not name continues the one before it.
    """
    label: _Label | None = None if labels.keys() & set(spine) else _Label("")
    number = 0
    for document in spine:
        label = labels.get(document, label)
        if label is None or document == contents:
            continue
        data = files.read(document)
        if data is None or _is_blank(document, data):
            continue
        number += 1
        title = label.title or _title_in(data)
        yield SourceChapter(document, title, number, volume=label.volume, text=data)


class _Package:
    """The OPF file: what the book is called, and what it consists of."""

    def __init__(self, root: Element, folder: str) -> None:
        self._root, self._folder = root, folder
        self._items = {item.get("id", ""): item for item in root.iter("item")}
        self.contents_path = ""

    def title(self) -> str | None:
        return next((words for each in self._metadata("title") if (words := _words(each))), None)

    def description(self) -> str | None:
        return "\n\n".join("".join(each.itertext()).strip() for each in self._metadata("description")) or None

    def author(self) -> str | None:
        """All of them, but neither translators nor illustrators."""
        creators = self._metadata("creator")
        return ", ".join(_words(each) for each in creators if each.get("role", "aut") == "aut") or None

    def _metadata(self, name: str) -> list[Element]:
        return [element for metadata in self._root.iter("metadata") for element in metadata.iter(name)]

    def spine(self, labels: dict[str, _Label]) -> list[str]:
        """Documents in the order in which they are read, without those on the side that the contents do not name."""
        found: dict[str, None] = {}
        for reference in self._root.iter("itemref"):
            item = self._items.get(reference.get("idref", ""))
            if item is not None and item.get("media-type") in _TEXTS:
                path = _path(self._folder, item.get("href", ""))
                if path and (reference.get("linear") != "no" or path in labels):
                    found[path] = None
        return list(found)

    def contents(self, files: Files) -> list[_Node]:
        """Those of EPUB 3 or, if there are none, of EPUB 2; empty if there are neither."""
        nodes: list[_Node] = []
        for item in self._items.values():
            path = _path(self._folder, item.get("href", ""))
            if "nav" in item.get("properties", "").split():
                self.contents_path = path
                navs = [nav for nav in _parsed(files, path).iter("nav") if "toc" in nav.get("type", "").split()]
                return [node for nav in navs for ol in nav.findall("ol") for node in _nav(ol, posixpath.dirname(path))]
            if item.get("media-type") == _NCX and not nodes:
                maps = _parsed(files, path).findall("navMap")
                nodes = [node for each in maps for node in _ncx(each, posixpath.dirname(path))]
        return nodes


def _nav(ol: Element, folder: str) -> list[_Node]:
    nodes = []
    for li in ol.findall("li"):
        label = next((each for each in li if each.tag in ("a", "span")), None)
        href = "" if label is None else label.get("href", "")
        children = [node for each in li.findall("ol") for node in _nav(each, folder)]
        title = "" if label is None else _words(label)
        nodes.append(_Node(title, _path(folder, href), "#" in href, children))
    return nodes


def _ncx(parent: Element, folder: str) -> list[_Node]:
    nodes = []
    for point in parent.findall("navPoint"):
        text, content = point.find("navLabel/text"), point.find("content")
        source = "" if content is None else content.get("src", "")
        title = "" if text is None else _words(text)
        nodes.append(_Node(title, _path(folder, source), "#" in source, _ncx(point, folder)))
    return nodes


def _flat(nodes: Sequence[_Node], volume: str | None = None) -> Iterator[tuple[_Node, str | None]]:
    """Each with the title of the one that it is below."""
    for node in nodes:
        yield node, volume
        yield from _flat(node.children, node.title or volume)


def _labels(nodes: Sequence[_Node]) -> dict[str, _Label]:
    """By document. The first entry counts, but one that points to the whole document before all that do not."""
    labels: dict[str, _Label] = {}
    for node, volume in sorted(_flat(nodes), key=lambda pair: pair[0].within):
        if node.document:
            labels.setdefault(node.document, _Label(node.title, volume))
    return labels


def _path(folder: str, href: str) -> str:
    """The path in the zip of what a document in ``folder`` refers to; empty for what is outside."""
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    path = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
    return "" if path.startswith(("/", "../")) or path in (".", "..") else path


def _parsed(files: Files, name: str) -> Element:
    """The root element, with names that have lost their namespaces. Raises `BookRefused`."""
    data = files.read(name) if name else None
    if data is None:
        raise BookRefused([f"the EPUB lacks the file {name or 'that container.xml names'}"], _REPAIR)
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    # As if there were definitions outside, which are never loaded: otherwise &nbsp; would be an error.
    parser.UseForeignDTD(True)
    parser.StartElementHandler = lambda tag, attributes: builder.start(
        _local(tag), {_local(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda tag: builder.end(_local(tag))
    parser.CharacterDataHandler = builder.data
    parser.SkippedEntityHandler = lambda entity, _: builder.data(html.unescape(f"&{entity};"))
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise BookRefused([f"{name} is not XML as an EPUB needs it: {one_line(error)}"], _REPAIR) from error


def _refuse_entity(name: str, *_: Any) -> None:
    raise BookRefused([f"it declares the entity {one_line(name, 40)}, which no EPUB needs"], _REPAIR)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _words(element: Element) -> str:
    return _on_one_line("".join(element.itertext()))


def _on_one_line(text: str) -> str:
    """Without line ends; other spaces, the ideographic one among them, stay as they are."""
    return _XML_SPACE.sub(" ", text).strip()


_XML_SPACE: Final = re.compile(r"[ \t\r\n]+")
_TITLE: Final = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
_TITLE_WITHIN: Final = 20_000


def _is_blank(document: str, data: bytes) -> bool:
    """Raises `BookRefused` for anything but UTF-8: then it is protected, or of an encoding that is not stored."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        reason = f"{document} is not UTF-8: it is protected against copying, or in another encoding"
        raise BookRefused([reason], "save it as UTF-8 with an EPUB editor; what is protected cannot be read") from error
    # Without a regular expression, which would take quadratic time for a document made of "<".
    start = max(text.find("<body"), 0)
    while start >= 0 and (end := text.find(">", start)) >= 0:
        start = text.find("<", end)
        if html.unescape(text[end + 1 : start if start >= 0 else None]).strip():
            return False
    return True


def _title_in(data: bytes) -> str:
    found = _TITLE.search(data.decode(), 0, _TITLE_WITHIN)
    return _on_one_line(html.unescape(found[1])) if found else ""


FORMAT: Final = Format("EPUB", "an .epub, version 2 or 3, without copy protection", _matches, _read)
