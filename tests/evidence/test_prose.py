"""What the bytes of a text tell at once is what looking at it tells: no text is taken for a chapter that is none."""

from unicodedata import normalize

from hypothesis import given, settings
from hypothesis import strategies as st

from novelsync.evidence.prose import is_plain_prose
from novelsync.evidence.seen import plainly_tells, says_something, see

ENGLISH = "It was a dark and stormy night; the rain fell in torrents. "
VIETNAMESE = "Đêm ấy trời mưa rất to, và không ai dám ra khỏi nhà. "
CHINESE = "那天夜里风雨大作，没有人敢走出家门。"
KOREAN = "그날 밤은 비바람이 몹시 불었다. "

WORDS = [
    *(ENGLISH, "a", "7", "A short, true chapter. ", "naïve café — “quoted” … "),
    *(VIETNAMESE, normalize("NFD", VIETNAMESE), normalize("NFD", "ế")),
    *(CHINESE, "字", KOREAN, "한", normalize("NFD", KOREAN), "\u11ab", "のべる", "เรื่อง", "роман ", "\u212a", "𐎀"),
]
SYMBOLS = ["★", "*", "—", "… ", "。", "😀", "\u0301", "※ ", "_", "\ufffd", "\u25a1"]
UNSEEN = [" ", "\n", "\u00a0", "\u3000", "\u2003", "\u200b", "\ufeff", "\u00ad", "\u3164", "\ufe0f", "\U000e0041"]
MARKUP = [
    *(
        "<p>",
        "</p>\n",
        "<br/>",
        "<b>",
        "</b>",
        "<h1>",
        "</h1>",
        "<pre>",
        "</pre>",
        "<",
        ">",
        "< 3 ",
        "<p title='",
        "'>",
    ),
    *("<!--", "-->", "<script>", "</script>", "<title>", "</title>", "<html><body>", "<!DOCTYPE html>"),
    *("<a href='/2'>", "</a>", "<form>", "<input>", "<img src='a'>"),
]
ENTITIES = [
    *("&nbsp;", "&nbsp", "&amp;", "&#8203;", "&#x3000;", "&ZeroWidthSpace;", "&lt;p&gt;"),
    *("&", "&#", "0", "nbsp;", ";"),
]
PHRASES = [
    *("Failed to download chapter body", "Just a moment...", "404 Not Found", "Chương này chưa có nội dung"),
    *("本章下载失败", "본문을 불러올 수 없습니다", normalize("NFD", "본문을 불러올 수 없습니다 ")),
]

FRAGMENTS = st.sampled_from([WORDS, SYMBOLS, UNSEEN, MARKUP, ENTITIES, PHRASES]).flatmap(st.sampled_from)
UNITS = st.lists(FRAGMENTS, min_size=1, max_size=3).map("".join)
STRETCHES = st.tuples(UNITS, st.sampled_from([0, 0, 500, 1_000, 3_000])).map(
    lambda drawn: drawn[0] * max(1, drawn[1] // len(drawn[0]))
)
"""A few fragments, as they are or again and again, up to so many characters."""
TEXTS = st.lists(STRETCHES, max_size=5).map("".join)
TITLES = st.just("") | UNITS

SAME_ONES = settings(max_examples=300, deadline=None, derandomize=True, database=None, print_blob=True)


@SAME_ONES
@given(TEXTS)
def test_plain_prose_says_something_and_tells(text: str) -> None:
    if is_plain_prose(text.encode()):
        seen = see(text)
        assert seen.says_something
        assert seen.tells


@SAME_ONES
@given(TEXTS, TITLES, st.booleans())
def test_the_quick_looks_at_a_text_under_a_title_agree_with_the_long_one(text: str, title: str, is_text: bool) -> None:
    title = text if is_text else title
    seen = see(text, title)
    assert says_something(text.encode(), title) == seen.says_something
    assert seen.tells or not plainly_tells(text.encode(), title)
