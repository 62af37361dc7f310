"""What sites and crawlers put where a text should be: several wordings of each, so that it takes more than a list."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

LOCKED: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "This chapter is locked. Please support the translation team: unlock it with 12 coins, or wait until it becomes"
        " free for everybody in 7 days. VIP members of our site read ten chapters ahead of all others. Thank you!",
        "🔒 Premium chapter. You need 35 crystals to read on. Buy crystals in the shop, or watch an advertisement.",
        "Sorry, early access only! Patrons of the tier Inner Disciple and above can read this chapter today; it will be"
        " opened to the public on Friday evening. Join us over there, and have a look at the other stories as well.",
    ),
    "vi": (
        "Chương này đã bị khóa. Bạn cần mở khóa bằng 20 kim tệ để đọc tiếp, hoặc chờ đến khi chương được mở miễn phí."
        " Hãy nạp thêm kim tệ để ủng hộ nhóm dịch. Xin cảm ơn các bạn đã theo dõi truyện trong suốt thời gian vừa qua!",
        "Chương VIP. Vui lòng đăng nhập và nạp linh thạch để đọc nội dung chương này.",
    ),
    "zh": (
        "本章为付费章节，请登录后订阅阅读。您的账户余额不足，请先充值再继续阅读，支持作者，支持正版，感谢各位书友一路相伴与厚爱，多谢大家。",
        "【VIP章节】购买后才能查看全部内容，点此以20书币解锁。",
    ),
    "ja": (
        "この話は有料です。続きを読むにはポイントを購入してください。会員登録がお済みでない方は、こちらから無料でご登録いただけます。",
        "この話は現在ロックされています。30コインで読むことができます。",
    ),
    "ru": (
        "Эта глава доступна только по подписке. Чтобы прочитать её, пополните баланс и откройте доступ за 15 рублей,"
        " или подождите неделю: потом она станет бесплатной для всех. Спасибо, что поддерживаете переводчика!",
        "Глава закрыта. Войдите, чтобы купить её за 9 монет.",
    ),
}

SOON: Final[Mapping[str, Sequence[str]]] = {
    "en": ("Coming soon!", "[To be translated]", "Content is being updated, please come back later.", "TBA"),
    "vi": ("Đang cập nhật...", "Chương này sẽ sớm có.", "Nội dung đang được dịch, mời bạn quay lại sau."),
    "zh": ("正在手打中，请稍等片刻，内容更新后，请重新刷新页面，即可获取最新更新！", "本章正在更新", "内容待补"),
    "ja": ("準備中", "近日公開予定です。しばらくお待ちください。"),
    "ru": ("Скоро будет.", "Глава переводится, загляните позже."),
}

PAY: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "… Unlock this chapter to continue reading. 15 coins",
        "...\n\nThis is a preview. Subscribe to read the rest of this chapter.",
        " [Log in to read the full chapter]",
    ),
    "vi": ("…\n\nMở khóa chương để đọc tiếp: 15 kim tệ", "... Bạn đang xem phần đọc thử. Hãy đăng nhập để đọc tiếp."),
    "zh": ("……\n\n（本章未完，订阅后继续阅读，本章15书币）", "……以上为试读内容，登录后阅读全文"),
    "ja": ("……\n\n続きを読むには会員登録が必要です。", "（試し読みはここまでです。残りは30ポイントで読めます）"),
    "ru": ("…\n\nЧтобы читать дальше, откройте главу за 15 монет.", "... Это ознакомительный фрагмент. Купите главу."),
}

BUY: Final = (
    "This chapter has been removed because the book is now published on the store under an exclusive programme, which"
    " forbids the text to be shown here. You can buy the whole first volume as an e-book, as a paperback or as an"
    " audiobook. Thank you all for reading along for so long, and for every comment, rating and review. The later"
    " chapters go on here for free, three times each week, as before. See you there!",
    "STUBBED. The first arc leaves this site tonight, as announced. The publisher has asked me to take it down, and I"
    " have signed, so it is what it is. It is on sale wherever you get your books, with a new cover, a map, and two"
    " short stories that were never online. If you have come here to start at the beginning: I am sorry, and I hope"
    " that you will give it a try. Everything from the second arc on stays where it is, free as ever, and is going to.",
)

_PAGES: Final = (
    "<!DOCTYPE html><html lang='en'><head><title>Just a moment...</title><meta charset='utf-8'><style>body{{margin:0}}"
    "{padding}</style></head><body><noscript>Enable JavaScript and cookies to continue</noscript><script>(function()"
    "{{window._cf_chl_opt={{cRay:'{ray}',cZone:'novels.example'}};{padding}}}());</script></body></html>",
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx/1.18.0 (Ubuntu)</center>\r\n</body>\r\n</html>\r\n<!-- a padding to disable friendly error page"
    " -->\r\n",
    "<html><head><title>novels.example | 522: Connection timed out</title></head><body><h1>Connection timed out"
    "</h1><p>Error code 522. Visit <a href='https://www.cloudflare.com/5xx-error-landing'>cloudflare.com</a> for more"
    " information.</p><p>Cloudflare Ray ID: {ray}</p><!-- {padding} --></body></html>",
    "502 Bad Gateway",
    "Error 503: the service is not available at the moment. Request {ray}. Please try again in a few minutes.",
    "<h2>Too many requests</h2><p>You have opened too many pages in a short time. Your address has been limited for the"
    " next 60 minutes.</p><p>Ticket {ray}</p>",
)

_MENU: Final = (
    "Home,Latest,Completed,Ranking,Genres,Action,Romance,Fantasy,Xianxia,Forum,Log in,Register,Contact,Terms,Privacy",
    "Trang chủ,Mới cập nhật,Hoàn thành,Bảng xếp hạng,Thể loại,Tiên hiệp,Kiếm hiệp,Ngôn tình,Đăng nhập,Đăng ký,Liên hệ",
    "首页,玄幻小说,修真小说,都市小说,历史小说,网游小说,科幻小说,完本小说,排行榜,临时书架,登录,注册",
)

_LOGIN: Final[Mapping[str, str]] = {
    "en": "You must be logged in to read “{title}”. Do you have an account? Sign in below with your e-mail and your"
    " password, or create an account for free. It takes less than a minute. Forgot your password?",
    "vi": "Bạn cần đăng nhập để đọc “{title}”. Hãy nhập tên tài khoản và mật khẩu, hoặc đăng ký một tài khoản mới hoàn"
    " toàn miễn phí. Quên mật khẩu?",
    "zh": "请先登录，登录后方可阅读《{title}》。没有账号？立即免费注册，只需一分钟。忘记密码？",
    "ja": "「{title}」を読むにはログインしてください。"
    "アカウントをお持ちでない方は無料で会員登録ができます。パスワードをお忘れですか？",
    "ru": "Чтобы прочитать «{title}», войдите на сайт. Ещё нет учётной записи? Регистрация бесплатна и занимает"
    " минуту. Забыли пароль?",
}

EMPTY: Final = (
    "<p></p>",
    "<div>&nbsp;</div>",
    "<br/><br/>",
    "<p>&nbsp;</p>\n<p>&#160;</p>",
    '<div id="content"></div>',
)
INVISIBLE: Final = ("\u200b", "\ufeff\u200b\u200d", "<p>\u200b</p>", "&#8203;", "\u00a0\u200b\n\u2060")
CHALLENGES: Final = (
    "Just a moment...",
    "502 Bad Gateway",
    "Attention Required! | Cloudflare",
    "403 Forbidden",
    "Error",
)


def error_page(rng: random.Random) -> str:
    return next(ErrorPages(rng))


class ErrorPages:
    """One page again and again, in half of all cases with another number each time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._page = rng.choice(_PAGES)
        self._once = _filled(self._page, rng) if rng.random() < 0.5 else ""

    def __next__(self) -> str:
        return self._once or _filled(self._page, self._rng)


def _filled(page: str, rng: random.Random) -> str:
    ray = f"{rng.randrange(16**16):016x}"
    return page.format(ray=ray, padding="/* " + "x7 " * rng.choice([3, 60, 700]) + "*/") if "{" in page else page


def menu(rng: random.Random) -> str:
    """A page of nothing but links, as long as a chapter or longer."""
    names = rng.choice(_MENU).split(",")
    links = [
        f"<li><a class='nav-link' href='/p/{n}'>{rng.choice(names)}</a></li>" for n in range(rng.randrange(20, 150))
    ]
    return f"<html><body><nav><ul>{''.join(links)}</ul></nav></body></html>"


def login(language: str, title: str, rng: random.Random) -> str:
    said = _LOGIN[language].format(title=title)
    return rng.choice([said, f"<h1>{title}</h1>\n<form action='/login'><p>{said}</p><input name='user'/></form>"])


def wrapped(text: str, rng: random.Random) -> str:
    """As it is, or in one of the usual wrappers."""
    return rng.choice(["{}", "<p>{}</p>", "<div class='content'>\n<p>{}</p>\n</div>"]).format(text)
