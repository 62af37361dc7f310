"""By what a thing that is taken down will be recognised, whatever it is called then. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from hashlib import sha256
from typing import Final
from unicodedata import normalize
from urllib.parse import unquote

from novelsync.evidence.seen import TELLING_LETTERS, see
from novelsync.evidence.shingles import COARSE, shingles, under
from novelsync.evidence.visible import visible
from novelsync.models.desk.takedowns import NamedNovel, Signs, TakedownKind, TakenRow, TextSign

FEWEST: Final = 6
"""Numbers of a text: of fewer, a share says nothing."""

MANY_TEXTS: Final = 100
"""Of more texts together, fewer numbers of each are kept: 200 chapters are about 150 kB then."""

_OFTEN: Final = 3
"""A text that stands so often in one novel is a notice that nobody knows yet."""

_BEFORE_HOST: Final = re.compile(r"^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?|^//")
_SUBDOMAIN: Final = re.compile(r"^(?:www\d?|m|mobile|amp)\.(?=[^/]*\.)")
_TRACKING: Final = re.compile(r"(?<=[?&])(?:utm_[^&]*|ref|fbclid|gclid)(?:=[^&]*)?(?:&|$)")


def plain_url(url: str) -> str:
    """
    A url as it is compared: without its scheme, "www.", what tracks readers, a fragment and a slash at the end.

    A fragment that is a path, "#/novel/12", says which page it is.
    """
    page, _, fragment = url.strip().partition("#")
    plain = normalize("NFC", unquote(f"{page}#{fragment}" if fragment.startswith(("/", "!")) else page))
    host, slash, path = _BEFORE_HOST.sub("", plain[:8].lower() + plain[8:]).partition("/")
    plain = _SUBDOMAIN.sub("", host.lower()) + slash + path
    return _TRACKING.sub("", plain).rstrip("/?&#")


def host_of(url: str) -> str:
    """The host of a url as it is compared."""
    return re.split("[/?#]", plain_url(url))[0].partition(":")[0]


def begins_with(url: str, prefix: str) -> bool:
    """Both as `plain_url` has them. ".../novel/12" is no beginning of ".../novel/123"."""
    return url.startswith(prefix) and (len(url) == len(prefix) or not url[len(prefix)].isalnum())


def digest_of(*parts: str) -> str:
    """Twelve letters, others for other parts."""
    return sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:12]


def plain_title(title: str | None) -> str:
    """A title or an author as they are compared: letters and digits alone."""
    return "".join(re.findall(r"[^\W_]+", normalize("NFKC", visible(title or "")).casefold()))


def short_digest(text: str, title: str) -> str:
    """Of a text that is too short to be told by, together with its chapter's title."""
    return digest_of(plain_title(text), plain_title(title))


def signs_of(
    kind: TakedownKind, novel: NamedNovel | None, rows: Sequence[TakenRow], texts: Mapping[str, str]
) -> tuple[Signs, Set[str]]:
    """
    What recognises these rows. ``rows``: without copies. ``texts``: by their ids.

    Also the ids of those whose texts do. A text that is known to stand in place of a chapter, or that stands in many
    chapters of one novel, is no sign; nor is an url that several chapters have.
    """
    pages = Counter(plain_url(row.url) for row in rows if row.url)
    often = Counter(plain_title(texts.get(row.id, "")) for row in rows)
    telling: list[tuple[frozenset[int], int]] = []
    short: list[str] = []
    told: set[str] = set()
    for row in rows:
        text = texts.get(row.id, "")
        seen = see(text, row.title)
        if not seen.says_something or (len(rows) > 1 and often[plain_title(text)] >= _OFTEN):
            continue
        numbers, mask = shingles(text)
        if seen.letters >= TELLING_LETTERS and len(numbers) >= FEWEST:
            telling.append((numbers, mask))
            told.add(row.id)
        elif plain_title(text):
            short.append(short_digest(text, row.title))
    if len(telling) > MANY_TEXTS:
        telling = [(under(numbers, COARSE), COARSE) if mask else (numbers, mask) for numbers, mask in telling]
    whole = novel if kind is TakedownKind.NOVEL else None
    by_page = kind in (TakedownKind.NOVEL, TakedownKind.CHAPTER)
    signs = Signs(
        title=plain_title(whole.title) if whole else "",
        author=plain_title(whole.author) if whole else "",
        urls=sorted({digest_of(page) for page, times in pages.items() if times == 1}) if by_page else (),
        texts=[TextSign.of(numbers, mask) for numbers, mask in telling],
        short_texts=sorted(set(short)),
    )
    return signs, told
