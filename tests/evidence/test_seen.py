"""A text as a reader sees it: what it shows, what it says, and whether it is a chapter."""

from unicodedata import normalize

import pytest

from novelsync.evidence.prose import is_plain_prose, plainly_shows_something
from novelsync.evidence.seen import likeness, plainly_tells, says_something, see
from novelsync.evidence.visible import letters_in, shows_nothing, visible

PROSE = "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals. "


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<p>One <b>t</b>wo</p><p>three</p>", "One two three"),
        ("a&nbsp;b &amp; c", "a b & c"),
        ("w\u200bo\u00adr\u2060d", "word"),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("<script>let a = 1;</script><!-- no -->seen", "seen"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ],
)
def test_a_text_is_what_a_reader_sees(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["", " \n", "<p></p>", "\u200b", "<p>&nbsp;</p>\n<br/>", "<div class='c'></div>"])
def test_markup_and_invisible_characters_show_nothing(text: str) -> None:
    assert shows_nothing(text)


@pytest.mark.parametrize("text", ["<p><img src='map.png'></p>", "***", "1"])
def test_what_a_reader_sees_is_something(text: str) -> None:
    assert not shows_nothing(text)


@pytest.mark.parametrize(("text", "letters"), [("abc d", 4), ("* * *", 0), ("\u5b57\u5b57", 6), ("\ud55c\uae00", 4)])
def test_letters_are_weighed_by_script(text: str, letters: int) -> None:
    assert letters_in(text) == letters


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("Failed to download chapter body", 'a placeholder, "Failed to download chapter body"'),
        ("<h2>Chapter 1</h2><p>&nbsp;</p>", "nothing but a heading"),
        ("Chapter 1", "nothing but a heading"),
        ("***", "nothing but punctuation"),
        ("<div>" * 300, "nothing that is seen"),
        ("<form action='/login'>Your name <input></form>", "a form to fill in"),
        ("".join(f"<a href='/{n}'>Chapter {n}</a> " for n in range(20)), "little but links"),
        ("<img src='map.png'>", ""),
        (f"{PROSE * 20}<form><input></form>", ""),
        (f"{PROSE * 20}<a href='/2'>Next</a>", ""),
        ("A short, true chapter.", ""),
    ],
)
def test_what_is_no_chapter_is_called_by_what_it_is(text: str, notice: str) -> None:
    assert see(text, "Chapter 1").notice == notice


@pytest.mark.parametrize(
    ("text", "script"),
    [(PROSE, "Latin"), ("\u0441\u043b\u043e\u0432\u043e " * 9, "Cyrillic"), ("\u5929" * 30, "Chinese or Japanese")],
)
def test_the_script_of_most_letters_is_told(text: str, script: str) -> None:
    assert see(text).script == script


@pytest.mark.parametrize(
    ("text", "tells"), [("abcd " * 49 + "abc", False), ("abcd " * 50, True), ("\u5b57" * 67, True)]
)
def test_a_text_of_200_letters_says_which_chapter_it_is_and_a_shorter_one_does_not(text: str, tells: bool) -> None:
    assert see(text).tells is tells


@pytest.mark.parametrize("times", [1, 12], ids=["short", "sampled"])
def test_an_edited_text_is_like_what_it_was_and_another_is_not(times: int) -> None:
    one = see(" ".join(f"word{n} is followed by word{n * 7}" for n in range(40 * times)))
    edited = see(" ".join(f"word{n} is followed by word{n * 7 + (n % 9 == 0)}" for n in range(40 * times)))
    other = see(" ".join(f"term{n} comes before term{n * 7}" for n in range(40 * times)))
    assert likeness(one, edited) > 0.6
    assert likeness(one, other) == 0


@pytest.mark.parametrize(
    "text",
    [
        "\u200b" * 3_000,
        "*" + "\u00a0" * 3_000,
        "*" + "\u3000" * 3_000,
        "*" + "\n" * 3_000,
        PROSE * 40 + "\ufffd",
        "<p></p>" * 900,
        "*" * 3_000,
        "&nbsp" * 2_000,
        "&ZeroWidthSpace;" * 700,
        "<!-- <b>" + "x " * 4_000 + "-->",
        f"<div title='{'x' * 9_000}'></div>",
        "<title>Just a moment...</title>" + "x" * 4_000,
        "★" * 3_000,
        f"<h1>{PROSE * 40}</h1>",
        "<h1>Chapter 1</h1>" + "★" * 3_000,
        PROSE * 40 + f"<a href='/2'>{PROSE}</a>" * 200,
        # Letters of four bytes, and so few that a form below them says what the page is.
        "a" + "😀" * 560 + "<input>",
        # What is a tag or an entity without the tag within.
        "a<<b>" + PROSE * 40 + ">",
        "a" + "&<b></b>nbsp;" * 900,
        "a&#" + "0" * 4_000 + "32;",
        PROSE,
    ],
)
def test_what_may_be_no_chapter_is_not_taken_for_prose_unseen(text: str) -> None:
    assert not is_plain_prose(text.encode())


def test_prose_is_known_without_decoding_it() -> None:
    assert is_plain_prose((PROSE * 40).encode())
    assert is_plain_prose((f"<p>{PROSE}</p>" * 40).encode())
    assert is_plain_prose((f"<h1>Chapter 1</h1><p>{PROSE}</p>" + PROSE * 40 + "<a href='/2'>Next</a>").encode())
    assert is_plain_prose(("<<Skill: Storm>> " + PROSE * 40).encode())
    assert is_plain_prose(("「字字字字字字字字」" * 150).encode())
    assert is_plain_prose(("— abcdefgh\n" * 400).encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROSE,
        PROSE * 10,
        f"<p>{PROSE * 10}</p>",
        "Failed to download chapter body",
        "* * *",
        "<input>" + PROSE,
        "*" + "\u200b" * 1_000,
        "*" + "\u3000" * 1_000,
        "—" * 1_000,
        # Decomposed, so that they have three times as many bytes as what is seen, and are a placeholder.
        normalize("NFD", "본문을 불러올 수 없습니다 " * 12),
        "字" * 201,
        # Letters to Unicode, and nothing to a reader.
        "*" * 700 + "\u3164",
        # What is composed only once the invisible character between is gone: fewer bytes are seen than there are.
        "본문을 불러올 수 없습니다. " + "하\u200b\u11ab" * 115,
    ],
)
@pytest.mark.parametrize("title", ["", "Chapter 1", PROSE * 10, "字" * 201])
def test_whether_a_text_says_something_can_be_asked_alone(text: str, title: str) -> None:
    assert says_something(text.encode(), title) == see(text, title).says_something
    assert see(text, title).tells or not plainly_tells(text.encode(), title)


def test_of_plain_prose_it_is_known_at_once_that_it_tells() -> None:
    assert plainly_tells(b"Plain prose, and enough of it. " * 40, "Chapter 1")


@pytest.mark.parametrize(
    "text", ["", " " * 5_000, "\u3000" * 2_000, "a", "文", "<p></p>", "&nbsp;", PROSE * 60, "文" * 2_000]
)
def test_what_plainly_shows_something_does(text: str) -> None:
    assert not (plainly_shows_something(text.encode()) and shows_nothing(text))
    assert plainly_shows_something((text + PROSE).encode()) or text.isspace() or "<" in text or "&" in text
