"""
What crawlers store in place of a chapter's text: their own error messages, and challenge and error pages. Pure.

Every phrase is one that programs or sites do write, listed under who writes it. A phrase alone proves nothing: a
character may say "Just a moment…", and a chapter may quote an error. It counts only where no chapter would fit.
"""

import re
from collections.abc import Mapping
from html import unescape
from typing import Final
from unicodedata import normalize

from novelsync.evidence.visible import has_letters, visible

SHORT_BYTES: Final = 600
"""
A longer text, in UTF-8 and without markup, is a chapter: 600 letters of English, 200 Chinese characters.

It is in bytes because a Chinese character says as much as three letters. The placeholders that were found have 20 to
300; the shortest chapter of a real novel has 486 (a preface of Hong lou meng).
"""

_PAGE_BYTES: Final = 2_000
"""The same for a page with a known title: the longest of them, Cloudflare's for a server in trouble, has as much."""

_MOST_CHARACTERS: Final = 4_000
"""Of a short text with its markup, which may repeat a url or contain a traceback."""

_TITLE_WITHIN: Final = 20_000
"""The title of a page is looked for in so many characters."""

_PHRASES_BY_SOURCE: Final[Mapping[str, tuple[str, ...]]] = {
    # Downloaders
    "lightnovel-crawler, lncrawl/core/download_chapters.py": ("Failed to download chapter body",),
    "WebToEpub, plugin/_locales/en/messages.json": ("This is a placeholder. Attempt to fetch chapter from",),
    "FanFicFare, fanficfare/adapters/base_adapter.py": ("FanFicFare failed to download this chapter",),
    "LNReader plugins and readers made like them": (
        "Chapter content is not available",
        "Chapter content not available",
        "Could not extract chapter content",
    ),
    "LNReader plugin booktoki, and other Korean scrapers": (
        "본문을 불러올 수 없습니다",
        "본문 내용을 찾을 수 없습니다",
        "챕터를 불러올 수 없습니다",
    ),
    "Japanese scrapers of novels and articles": (
        "本文を取得できませんでした",
        "本文が取得できませんでした",
        "本文の取得に失敗しました",
    ),
    "downloaders for fanqie, qidian and biquge sites": (
        "本章下载失败",
        "该章节下载失败",
        "本章内容获取失败",
        "章节内容获取失败",
        "章节内容加载失败",
        "加载正文失败",
        "获取正文失败",
    ),
    "vBook extensions": (
        "Không tải được nội dung chương",
        "Không thể tải nội dung chương",
        "Không tìm thấy nội dung chương",
    ),
    "scrapers of ranobe sites": ("Текст главы отсутствует", "Текст главы недоступен"),
    # Sites
    "biquge sites, see gedoor/legado#2159": ("正在手打中", "内容更新后，请重新刷新页面"),
    "sites run with ShipSay, shipsay/app/reader.php": ("章节内容缺失或章节不存在",),
    "sites run with PTCMS, setting greenread_errormsg": ("转码失败！请您使用右上换源",),
    "sites and cleaners of typed books, where a chapter is missing": ("本章暂缺",),
    "sangtacviet.com, until the reader clicks": ("Nhấp vào để tải chương",),
    "Vietnamese reading sites": (
        "Chương này chưa có nội dung",
        "Nội dung chương đang được cập nhật",
        "Bạn cần đăng nhập để đọc chương",
        "Chương này đã bị khóa",
    ),
    "WordPress, for a post with a password, in its translations": (
        "This content is password protected",
        "This content is password-protected",
        "Nội dung này được bảo mật. Hãy nhập mật khẩu",
        "このコンテンツはパスワードで保護されています",
        "이 콘텐츠는 비밀번호로 보호되어 있습니다",
        "此内容受密码保护",
        "Это содержимое защищено паролем",
    ),
    "WordPress, wp-includes and its themes": (
        "Briefly unavailable for scheduled maintenance. Check back in a minute",
        "There has been a critical error on this website",
        "Error establishing a database connection",
        "Oops! That page can't be found",
    ),
    "React's public/index.html": ("You need to enable JavaScript to run this app",),
    "Python's requests and urllib3": ("Max retries exceeded with url",),
    "OneTrust": ("We and our partners store and/or access information on a device",),
    # Challenges and refusals
    "Cloudflare's challenge, from 2016 to today": (
        "Enable JavaScript and cookies to continue",
        "Please turn JavaScript on and reload the page",
        "Checking your browser before accessing",
        "Checking if the site connection is secure",
        "needs to review the security of your connection before proceeding",
        "Verifying you are human. This may take a few seconds",
        "Verify you are human by completing the action below",
        "This website uses a security service to protect against malicious bots",
        "Trang web này sử dụng dịch vụ bảo mật để chống bot độc hại",
        "악의적 봇으로부터 보호",
        "本网站使用安全服务防护恶意自动程序",
        "此网站使用安全服务来防止恶意机器人",
        "Этот веб-сайт использует службу безопасности",
    ),
    "Cloudflare's refusals and error pages": (
        "This website is using a security service to protect itself from online attacks",
        "used Cloudflare to restrict access",
        "Visit cloudflare.com for more information",
    ),
    "Apache and Akamai, heading and first words": (
        "Not Found The requested URL",
        "Forbidden You don't have permission to access",
        "Access Denied You don't have permission to access",
    ),
    "Anubis": ("Making sure you're not a bot",),
    "AWS WAF": ("In order to continue, we need to verify that you're not a robot",),
    "CloudFront": ("Generated by cloudfront (CloudFront)",),
    "DataDome": ("Please enable JS and disable any ad blocker",),
    "Google": ("Our systems have detected unusual traffic from your computer network",),
    "Imperva": ("Request unsuccessful. Incapsula incident ID",),
    "PerimeterX": ("Press & Hold to confirm you are",),
    "Sucuri": ("Sucuri WebSite Firewall - Access Denied",),
    "Wordfence": ("Your access to this site has been limited by the site owner",),
}
"""What no chapter consists of: these count anywhere in a short text."""

_ASKING_BY_SOURCE: Final[Mapping[str, tuple[str, ...]]] = {
    "reading sites, of chapters that one has to log in for": (
        "log in to continue reading",
        "log in to read this chapter",
        "logged in to read this chapter",
        "sign in to continue reading",
        "sign in to read this chapter",
        "您需要登录后才能阅读",
        "请登录后阅读",
        "Для чтения главы необходимо авторизоваться",
        "Debes iniciar sesión para leer",
        "Você precisa estar logado para ler",
        "Vui lòng đăng nhập để đọc",
        "Anda harus login untuk membaca",
        "กรุณาเข้าสู่ระบบเพื่ออ่าน",
        "Bu bölümü okumak için giriş yap",
    ),
    "reading sites, of chapters that cost something": (
        "This chapter is locked",
        "This is a premium chapter",
        "Subscribe to read this chapter",
        "本章为VIP章节",
        "本章节为付费章节",
        "该章节已被锁定",
        "Эта глава платная",
        "유료 회차입니다",
        "この話は有料です",
        "Este capítulo es de pago",
        "Chương VIP, vui lòng mua",
        "Ce chapitre est réservé aux abonnés",
        "Dieses Kapitel ist gesperrt",
    ),
}
"""What a short chapter may quote: these count only where little stands beside them."""

_ASKING_BYTES: Final = 300
"""Of a text that asks for a log-in or for money, as `SHORT_BYTES`."""

_TITLES_BY_SOURCE: Final[Mapping[str, tuple[str, ...]]] = {
    "Cloudflare's challenge, in the visitor's language": (
        "Just a moment...",
        "Chờ một chút...",
        "잠시만 기다리십시오…",
        "请稍候…",
        "Один момент…",
    ),
    "Cloudflare's refusals, as FlareSolverr knows them": ("Attention Required! | Cloudflare", "Access denied"),
    "Cloudflare, for a server in trouble": (
        *(f"error code: {code}" for code in (502, 504, *range(520, 527), 530, 1006, 1009, 1010, 1015, 1020)),
        "502: Bad gateway",
        "504: Gateway time-out",
        "520: Web server is returning an unknown error",
        "521: Web server is down",
        "522: Connection timed out",
        "523: Origin is unreachable",
        "524: A timeout occurred",
        "525: SSL handshake failed",
        "526: Invalid SSL certificate",
    ),
    "older challenges, as FlareSolverr knows them": ("DDoS-Guard", "Checking your browser..."),
    "programs, of a value that they lack": ("undefined", "null", "NaN", "[object Object]", "N/A"),
    "pages that are still loading": (
        "Loading...",
        "Loading, please wait...",
        "加载中",
        "正在加载中",
        "正在加载，请稍候",
        "章节内容正在加载中",
        "読み込み中",
        "로딩 중",
        "Загрузка...",
        "Đang tải...",
        "Cargando...",
    ),
    "sites, of pages and chapters that are not there": (
        "Page not found",
        "Chapter not found",
        "Content not found",
        "章节不存在",
        "页面不存在",
        "404 页面不存在",
        "Страница не найдена",
        "Глава не найдена",
        "Глава недоступна",
        "페이지를 찾을 수 없습니다",
        "ページが見つかりません",
        "お探しのページは見つかりませんでした",
        "Página no encontrada",
        "Capítulo no encontrado",
        "Capítulo no disponible",
        "Không tìm thấy trang",
        "Không tìm thấy chương",
    ),
    "sites, of visitors whom they do not know": (
        "Log in",
        "Login",
        "Sign in",
        "登录",
        "请先登录",
        "Вход",
        "로그인이 필요합니다",
        "ログイン",
        "会員登録が必要です",
        "Capítulo bloqueado",
        "Security check",
        "请输入验证码",
    ),
    "sites in trouble": (
        "Error",
        "Internal Server Error",
        "Too many requests",
        "Too many requests. Please try again later",
        "Rate limit exceeded",
        "网站维护中，请稍后再试",
        "访问过于频繁，请稍后再试",
        "内容加载失败，请刷新重试",
        "Доступ запрещен",
        "Слишком много запросов",
        "Сайт на техническом обслуживании",
        "서비스 점검 중입니다",
        "ただいまメンテナンス中です",
        "アクセスが集中しています",
        "Trang web đang bảo trì",
    ),
    "Imperva": ("Pardon Our Interruption",),
    "Vercel": ("Vercel Security Checkpoint",),
    "CloudFront": ("ERROR: The request could not be satisfied",),
    "nginx and Apache": (
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "503 Service Temporarily Unavailable",
        "504 Gateway Time-out",
    ),
}
"""What a novel may well say: these count only as the whole text, or as the title of a page with little in it."""

_EQUIVALENTS: Final = str.maketrans({"\u2019": "'", "\u200b": None, "\ufeff": None})
_PAGE: Final = re.compile(
    r"[\s\ufeff]*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,500}?-->\s*)?<(?:!doctype\s+html|html|head)\b",
    re.IGNORECASE | re.DOTALL,
)
_PAGE_TITLE: Final = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
_HEADING: Final = re.compile(r"\A\s*<h([1-6])\b[^>]*>.*?</h\1\s*>", re.IGNORECASE | re.DOTALL)
_PREFORMATTED: Final = re.compile(r"<pre\b.*?(?:</pre\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_SERVER_SIGNATURE: Final = re.compile(r" (?:nginx|openresty|tengine|cloudflare|apache)(?:/[\w.]+)?$")


def _plain(text: str) -> str:
    """A form for comparing, without differences of case, width, composition, apostrophes, ellipses and blanks."""
    return " ".join(normalize("NFKC", text).translate(_EQUIVALENTS).casefold().split())


def _bare(plain: str) -> str:
    return plain.strip(" .!。|*-_[](){}【】")


_PHRASES: Final = {_plain(phrase): phrase for phrases in _PHRASES_BY_SOURCE.values() for phrase in phrases}
_ASKING: Final = {_plain(phrase): phrase for phrases in _ASKING_BY_SOURCE.values() for phrase in phrases}
_PHRASES_OF_LITTLE: Final = _PHRASES | _ASKING
_TITLES: Final = {_bare(_plain(title)): title for titles in _TITLES_BY_SOURCE.values() for title in titles}


def placeholder_in(text: str) -> str | None:
    """The known phrase if ``text`` is a placeholder for a chapter, else None."""
    if _PAGE.match(text) and (title := _page_title(text)):
        return title
    if len(text) > _MOST_CHARACTERS:
        return None
    seen = _visible(text, SHORT_BYTES)
    if seen is None:
        return None
    plain = _plain(seen)
    if known := _phrase_in(plain) or _known_title(plain):
        return known
    # lightnovel-crawler writes the chapter's title above whatever it has.
    below = below_heading(text)
    return _known_title(_plain(_visible(below, SHORT_BYTES) or "")) if below != text else None


def below_heading(text: str) -> str:
    """Without the heading that it begins with, if that is marked as one."""
    return _HEADING.sub("", text)


def title_is_placeholder(title: str) -> bool:
    """
    Whether a novel's title is that of an error page, or of a page that asks who is there; or nothing is seen of it.

    The site's name may stand before or behind it. What is but one word beside that may be the novel's own.
    """
    plain = _plain(title)
    parts = [part for part in re.split(r" [|–—-] ", plain) if " " in part]
    return not has_letters(unescape(plain)) or bool(_phrase_in(plain) or any(map(_known_title, (plain, *parts))))


def _page_title(text: str) -> str | None:
    """The title of a known challenge or error page, if there is no more text on the page than such a page has."""
    found = _PAGE_TITLE.search(text, 0, _TITLE_WITHIN)
    title = _plain(unescape(found[1])) if found else ""
    # The last part counts as well: "example.com | 522: Connection timed out".
    known = _phrase_in(title) or _known_title(title) or _known_title(title.rpartition(" | ")[2])
    return known if known and _visible(text, _PAGE_BYTES) is not None else None


def _visible(text: str, limit: int) -> str | None:
    """What a reader sees of ``text``, except what is preformatted; None if that has more than ``limit`` bytes."""
    seen = visible(_PREFORMATTED.sub(" ", text))
    return seen if len(seen) <= limit and len(seen.encode(errors="replace")) <= limit else None


def _phrase_in(plain: str) -> str | None:
    known = _PHRASES if len(plain.encode(errors="replace")) > _ASKING_BYTES else _PHRASES_OF_LITTLE
    return next((phrase for each, phrase in known.items() if each in plain), None)


def _known_title(plain: str) -> str | None:
    return _TITLES.get(_bare(plain)) or _TITLES.get(_bare(_SERVER_SIGNATURE.sub("", plain)))
