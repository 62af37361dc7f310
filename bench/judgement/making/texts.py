"""What becomes of a text: the work of people, and of machines."""

import html
import random
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final

_TOKEN: Final = re.compile(r"<[^>]*>|&#?\w+;|[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_SENTENCE: Final = re.compile(r"(?<=[.!?…。！？])\s*(?=\S)")
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"


def language(text: str) -> str:
    """``en``, ``vi``, ``zh``, ``ja`` or ``ru``."""
    sample = text[:20_000]
    for name, letters in (
        ("ja", "[\u3040-\u30ff]"),
        ("zh", "[\u4e00-\u9fff]"),
        ("ru", "[а-яё]"),
        ("vi", "[ạảấầẩậđơưộ]"),
    ):
        if len(re.findall(letters, sample)) > len(sample) / 50:
            return name
    return "en"


def spaced(text: str) -> bool:
    """Whether its words stand between blanks."""
    return language(text) in ("en", "vi", "ru")


def words(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(text) if token[0] not in "<&"]


def reworded(text: str, change: Callable[[str], str]) -> str:
    return _TOKEN.sub(lambda found: found[0] if found[0][0] in "<&" else change(found[0]), text)


def sentences(text: str) -> list[str]:
    return _SENTENCE.split(text)


def paragraphs(text: str) -> list[str]:
    return [part for part in re.split(r"\n\s*\n", text) if part.strip()]


def joined(parts: Sequence[str]) -> str:
    """Sentences as a text, a paragraph of every four."""
    blank = " " if spaced("".join(parts)) else ""
    return "\n\n".join(blank.join(part.strip() for part in parts[n : n + 4]) for n in range(0, len(parts), 4))


# The work of people -------------------------------------------------------------------


def proofread(text: str, rng: random.Random, share: float = 0.01) -> str:
    """A few words are others."""
    vocabulary = words(text)
    places = set(rng.sample(range(len(vocabulary)), min(len(vocabulary), max(2, int(len(vocabulary) * share)))))
    count = iter(range(len(vocabulary)))
    return reworded(text, lambda word: rng.choice(vocabulary) if next(count) in places else word)


def retranslated(text: str, seed: int, kept: float = 0.2) -> str:
    """
    Other words for the same, the same for each, and some sentences less. ``kept``: a share of the words, as names and
    numbers are.
    """
    parts = sentences(translated(text, str(seed), vocabulary(text), kept))
    rng = random.Random(f"{seed} {len(text)}")  # noqa: S311
    for _ in range(len(parts) // 12):
        del parts[rng.randrange(len(parts))]
    return joined(parts)


def vocabulary(text: str) -> list[str]:
    return sorted({word.lower() for word in words(text)})


def translated(text: str, seed: str, vocabulary: Sequence[str], kept: float) -> str:
    """Each word by another of the vocabulary, but for a share that is kept."""

    def other(word: str) -> str:
        sign = zlib.crc32(f"{seed} {word.lower()}".encode())
        if sign % 1000 < kept * 1000:
            return word
        new = vocabulary[sign // 1000 % len(vocabulary)]
        return new.capitalize() if word[0].isupper() else new

    return reworded(text, other)


def rewritten(text: str, rng: random.Random, share: float) -> str:
    """Shorter, and in part in other words."""
    return retranslated(shortened(text, rng, share), rng.randrange(10**6), kept=0.7)


def shortened(text: str, rng: random.Random, share: float) -> str:
    """Some of its sentences."""
    parts, kept = sentences(text), list[int]()
    for n in rng.sample(range(len(parts)), len(parts)):
        if sum(len(parts[m]) for m in kept) < share * len(text):
            kept.append(n)
    return joined([parts[n] for n in sorted(kept)])


def split(text: str, pieces: int) -> list[str]:
    """At the ends of sentences, into about as many letters each."""
    parts: list[list[str]] = [[] for _ in range(pieces)]
    size = 0
    for sentence in sentences(text):
        parts[min(pieces - 1, (size + len(sentence) // 2) * pieces // len(text))].append(sentence)
        size += len(sentence)
    return [joined(part) for part in parts]


def quoting(text: str, phrase: str) -> str:
    """Somebody in it sees an error message."""
    parts = sentences(text)
    middle = len(parts) // 2
    return joined([*parts[:middle], f"“{phrase}”", *parts[middle:]])


_SIMPLIFIED: Final = (
    "这说个们来时国为对学会样发里后经么过还动现开间问关见长门马车书头话语认识让请谁读课谢记讲论许设证词试诗该"
    "爱亲点无当从东乐习乡买乱争云产亿仅仪价众优传伤伦体余儿党兰兴养写军农决况冻净凉减凤凭凯击创别剑剧劝办务劳势"
)
_TRADITIONAL: Final = (
    "這說個們來時國為對學會樣發裡後經麼過還動現開間問關見長門馬車書頭話語認識讓請誰讀課謝記講論許設證詞試詩該"
    "愛親點無當從東樂習鄉買亂爭雲產億僅儀價眾優傳傷倫體餘兒黨蘭興養寫軍農決況凍淨涼減鳳憑凱擊創別劍劇勸辦務勞勢"
)


def traditional(text: str) -> str:
    """The commonest letters of simplified Chinese in the traditional way of writing."""
    return text.translate(str.maketrans(_SIMPLIFIED, _TRADITIONAL))


# The work of machines -----------------------------------------------------------------


def in_paragraphs(text: str) -> str:
    return "\n".join(f"<p>{html.escape(part, quote=False)}</p>" for part in paragraphs(text))


def in_page(text: str) -> str:
    inner = "<br/>\n<br/>\n".join(html.escape(part, quote=False) for part in paragraphs(text))
    return f'<div class="chapter-content" id="content">\n{inner}\n</div>'


def with_invisible_marks(text: str, rng: random.Random) -> str:
    """Zero-width letters that tell who has copied it, others each time."""
    mark = "".join(rng.choices(_INVISIBLE, k=16))
    at = rng.randrange(len(text) // 4, len(text))
    return text[:at] + mark + text[at:]


def with_line(text: str, line: str, rng: random.Random) -> str:
    parts = paragraphs(text)
    parts.insert(rng.randrange(len(parts) + 1), line)
    return "\n\n".join(parts)


def with_other_blanks(text: str, rng: random.Random) -> str:
    """Indented, with other line ends and other blanks."""
    indent, end = rng.choice(["\u3000\u3000", "    ", "\u00a0\u00a0"]), rng.choice(["\r\n\r\n", "\n", "\n\n\n"])
    return end.join(indent + re.sub(r"\s+", " ", part) for part in paragraphs(text)) + "\n"


def with_entities(text: str) -> str:
    """Every letter that is not ASCII, and what HTML itself uses, as an entity."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def with_curly_quotes(text: str) -> str:
    text = re.sub(r"[“”„]", '"', text).replace("’", "'")
    return re.sub(r'"([^"\n]*)"', r"«\1»", text).replace("'", "’").replace("...", "…").replace(" - ", " — ")


def with_straight_quotes(text: str) -> str:
    return re.sub(r"[“”„«»]", '"', text).replace("’", "'").replace("…", "...").replace("—", "-")


def undecodable(text: str) -> str:
    """UTF-8 read as ASCII, and U+FFFD for what that has not."""
    return text.encode().decode("ascii", "replace")


def misread(text: str, encoding: str) -> str:
    """UTF-8 read as another encoding."""
    return text.encode().decode(encoding, "replace" if encoding != "latin-1" else "strict")


def beginning(text: str, share: float) -> str:
    """Cut off in the middle of something."""
    return text[: max(20, round(len(text) * share))].rstrip()
