"""What counts as a placeholder, and above all what does not."""

import json
import time
from collections.abc import Iterator
from unicodedata import normalize

import pytest

from novelsync.planning.recognition.placeholders import SHORT_BYTES, placeholder_in
from tests.running.test_sync import needs_real_novels
from tests.support.library import REAL_NOVELS

LNCRAWL = (
    "<h1>Chapter 12: The Storm</h1><p><i>Failed to download chapter body</i></p><br><p><small>Source: "
    '<a href="https://example.com/novel/the-storm/chapter-12-the-storm">'
    "https://example.com/novel/the-storm/chapter-12-the-storm</a></small></p>"
)
FANFICFARE = (
    "<div>\n<p><b>Error</b></p>\n<p>FanFicFare failed to download this chapter.  Because\n"
    "<b>continue_on_chapter_error</b> is set to <b>true</b>, the download continued.</p>\n"
    '<p>Chapter URL:<br><a href="https://example.com/1">https://example.com/1</a></p>\n<p>Error:<br><pre>'
    + 'File "base_adapter.py", line 361, in getStory\n' * 30
    + "</pre></p>\n</div>"
)
CLOUDFLARE = (
    '<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title>'
    '<meta http-equiv="Content-Type" content="text/html; charset=UTF-8"><style>*{box-sizing:border-box}</style></head>'
    '<body><noscript><div class="h2">Enable JavaScript and cookies to continue</div></noscript>'
    "<script>(function(){window._cf_chl_opt = {cvId: '3'" + ",a:1" * 3_000 + "}})()</script></body></html>"
)
CLOUDFLARE_522 = (
    "<!DOCTYPE html>\n<!--[if lt IE 7]> <html class='no-js ie6 oldie' lang='en-US'> <![endif]-->\n<html><head>\n"
    "<title>example.com | 522: Connection timed out</title></head><body><h1>Connection timed out</h1>"
    "<p>The initial connection between Cloudflare's network and the origin web server timed out. As a result, the web "
    "page can not be displayed.</p>" + "<p>Contact your hosting provider.</p>" * 20 + "</body></html>"
)

PLACEHOLDERS = {
    "of lightnovel-crawler": (LNCRAWL, "Failed to download chapter body"),
    "of FanFicFare, with a long traceback": (FANFICFARE, "FanFicFare failed to download this chapter"),
    "of WebToEpub": (
        "This is a placeholder.  Attempt to fetch chapter from 'https://example.com/1' failed with error: \r\n 403",
        "This is a placeholder. Attempt to fetch chapter from",
    ),
    "of biquge sites": (
        "《诡秘之主》 正在手打中，请稍等片刻，内容更新后，请重新刷新页面，即可获取最新更新！",
        "正在手打中",
    ),
    "with narrow punctuation": ("章节内容缺失或章节不存在!请稍后重新尝试!", "章节内容缺失或章节不存在"),
    "where a chapter is missing": ("（本章暂缺）", "本章暂缺"),
    "in Vietnamese": ("Nhấp vào để tải chương...", "Nhấp vào để tải chương"),
    "in decomposed Vietnamese": (normalize("NFD", "Nhấp vào để tải chương..."), "Nhấp vào để tải chương"),
    "in Korean": ("본문을 불러올 수 없습니다. (웹뷰에서 확인해 주세요)", "본문을 불러올 수 없습니다"),
    "in Japanese": ("<p>本文を取得できませんでした。</p>", "本文を取得できませんでした"),
    "in Russian": ("<p><em>Текст главы отсутствует.</em></p>", "Текст главы отсутствует"),
    "behind a password": (
        "<p>This content is password protected. To view it please enter your password below:</p>",
        "This content is password protected",
    ),
    "Cloudflare's challenge as a page": (CLOUDFLARE, "Just a moment..."),
    "Cloudflare's challenge as text": (
        "Enable JavaScript and cookies to continue",
        "Enable JavaScript and cookies to continue",
    ),
    "Cloudflare's challenge as a heading": ("<h1>Just a moment…</h1>", "Just a moment..."),
    "Cloudflare's challenge under a title": ("<h1>Chapter 12</h1><p>Just a moment...</p>", "Just a moment..."),
    "Cloudflare's challenge in Russian": (
        "\ufeff<html><head><title>Один момент…</title></head><body></body></html>",
        "Один момент…",
    ),
    "an older challenge": (
        "Just a moment... Checking your browser before accessing example.com. This process is automatic.",
        "Checking your browser before accessing",
    ),
    "a server in trouble, as a page": (CLOUDFLARE_522, "522: Connection timed out"),
    "a server in trouble, as text": ("error code: 1020\n", "error code: 1020"),
    "a refusal": (
        "<html><head><title>Access denied | example.com used Cloudflare to restrict access</title></head></html>",
        "used Cloudflare to restrict access",
    ),
    "nginx": (
        "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
        "<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n",
        "404 Not Found",
    ),
    "nginx as text": ("502 Bad Gateway\nnginx", "502 Bad Gateway"),
    "Apache as text": (
        "Not Found\nThe requested URL was not found on this server.\nApache/2.4.41 (Ubuntu) Server at x Port 80",
        "Not Found The requested URL",
    ),
    "with a typographic apostrophe": ("Making sure you’re not a bot!", "Making sure you're not a bot"),
    "in capitals": ("FAILED TO DOWNLOAD CHAPTER BODY", "Failed to download chapter body"),
    "with blanks around and within": (
        "\n\u3000 Failed\u00a0to \t download\nchapter body \u200b\n",
        "Failed to download chapter body",
    ),
    "with entities": ("&lt;Press &amp; Hold to confirm you are a human&gt;", "Press & Hold to confirm you are"),
}

STORY = "She waited at the door while the rain went on. "

CHAPTERS = {
    "nothing": "",
    "blanks": " \n ",
    "a chapter that begins like a challenge": "“Just a moment…” she said.\n\n" + STORY * 100,
    "a chapter of one line that begins so": "“Just a moment…” she said.",
    "a chapter of one line that ends so": "She said: Just a moment...",
    "a chapter that mentions 404": "The screen said 404 Not Found. " + STORY * 5,
    "a short chapter about locks": "Access denied, said the door, and he laughed.",
    "a chapter that quotes a crawler": "Failed to download chapter body, it said. " + STORY * 20,
    "a chapter with a note of its site": STORY * 20 + "内容更新后，请重新刷新页面，即可获取最新更新！",
    "a warning that sites put under good text": "请勿开启浏览器阅读模式，否则将导致章节内容缺失及无法阅读下一章。",
    "a chapter in Chinese that is typed by hand": "他的手稿正在打字机上。" * 5,
    "a whole page with a chapter under such a title": (
        f"<html><head><title>Just a moment...</title></head><body><p>{STORY * 50}</p></body></html>"
    ),
    "a page with another title": f"<html><head><title>Just a moment, please</title></head><body>{STORY}</body></html>",
    "a page without a title": f"<!doctype html><html><body>{STORY * 500}</body></html>",
    "a chapter under a heading like a page's title": f"<h1>Access denied</h1><p>{STORY}</p>",
    "a chapter that is preformatted": f"<pre>{STORY * 5}</pre>",
    "markup that never ends": "<" * 3_000 + "<!--" * 200,
    "a lone surrogate": "\ud800",
}


@pytest.mark.parametrize(("text", "phrase"), PLACEHOLDERS.values(), ids=PLACEHOLDERS)
def test_a_placeholder_is_known(text: str, phrase: str) -> None:
    assert placeholder_in(text) == phrase


@pytest.mark.parametrize("text", CHAPTERS.values(), ids=CHAPTERS)
def test_a_chapter_is_no_placeholder(text: str) -> None:
    assert placeholder_in(text) is None


@pytest.mark.parametrize("letter", ["x", "ж", "雨"])
def test_the_limit_is_in_bytes_and_leaves_out_markup(letter: str) -> None:
    room = SHORT_BYTES - len("Failed to download chapter body ")
    filled = letter * (room // len(letter.encode()))
    text = f'<p class="{"x" * 2_000}">Failed to download chapter body</p> {filled}'
    assert placeholder_in(text)
    assert not placeholder_in(text + letter)


def real_texts() -> Iterator[str]:
    for path in REAL_NOVELS.glob("*/book_info.json"):
        yield from (chapter["content"] for chapter in json.loads(path.read_bytes())["chapters"])


@needs_real_novels
def test_no_chapter_of_a_real_novel_is_a_placeholder_nor_any_paragraph_of_one() -> None:
    texts = list(real_texts())
    assert len(texts) == 713
    assert [text for text in texts if placeholder_in(text)] == []
    assert [line for text in texts for line in text.split("\n") if placeholder_in(line)] == []


def test_a_text_costs_next_to_nothing_whatever_is_in_it() -> None:
    page = "<html><head><title>Just a moment...</title></head>"
    # The worst found: each would take minutes if it were looked through once for each of its marks.
    for text in (
        STORY * 100_000,
        *(page + mark * 200_000 for mark in ("<a ", "<!--", "<pre>", "<script>", "&amp;", "<")),
    ):
        start = time.process_time()
        placeholder_in(text)
        assert time.process_time() - start < 2
