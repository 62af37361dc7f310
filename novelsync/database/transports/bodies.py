"""What a call sends: one JSON document; or, for the functions that take texts, those and then a document. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from novelsync.models.source import BookChapter

_HASH_BYTES: Final = 32
_LENGTH_BYTES: Final = 4


class SentText:
    """In a request, the text of a chapter. In its JSON stands where in the body the text's hash is, from 1."""

    __slots__ = ("chapter",)

    def __init__(self, chapter: BookChapter) -> None:
        self.chapter = chapter


def with_texts(request: Mapping[str, Any]) -> bytes:
    """
    The length of the texts (4 bytes, the highest first), the texts as they are to be stored, the request as JSON.

    Each text comes after its hash. Within JSON a text would have to be escaped, and each parser would read all of it.
    """
    pieces: list[bytes | memoryview] = [b""]
    end = _LENGTH_BYTES

    def put(text: SentText) -> int:
        nonlocal end
        begin = end + 1
        stored = text.chapter.stored()
        pieces.append(text.chapter.content_hash)
        pieces.append(stored)
        end += _HASH_BYTES + len(stored)
        return begin

    document = msgspec.json.encode(request, enc_hook=put)
    pieces[0] = (end - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES)
    return b"".join((*pieces, document))
