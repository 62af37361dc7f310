"""Which hosts are ours: what a header says must not lead a token, or another site's page, anywhere."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from novelsync.web.request.same_origin import is_from_elsewhere, may_be_sent_a_token


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("novelsync-sync-abc.a.run.app", True),
        ("EUROPE-WEST1-mine.cloudfunctions.net:443", True),
        ("localhost:8080", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        *((host, False) for host in ("evilrun.app", "run.app.evil.example", "evilcloudfunctions.net", "192.168.1.1")),
        *((host, False) for host in ("", "[", "a.run.app@evil.example")),
    ],
)
def test_a_command_sends_a_token_only_to_google_and_to_this_machine(host: str, ours: bool) -> None:
    assert may_be_sent_a_token(host) is ours


def sent(method: str, host: str, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(method=method, headers={"Host": host, **named}).get_environ())


HERE = "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("request_", "elsewhere"),
    [
        (sent("POST", HERE), False),
        (sent("POST", HERE, Origin=f"http://{HERE}", Sec_Fetch_Site="same-origin"), False),
        (sent("POST", HERE, Origin="http://evil.example"), True),
        (sent("POST", HERE, Origin="http://127.0.0.1:9000"), True),
        (sent("POST", HERE, Origin="null"), True),
        (sent("POST", HERE, Sec_Fetch_Site="cross-site"), True),
        (sent("POST", HERE, Sec_Fetch_Site="same-site"), True),
        (sent("GET", HERE, Origin="http://evil.example", Sec_Fetch_Site="cross-site"), False),
        (sent("GET", "evil.example"), True),
        (sent("GET", "laptop:8080"), False),
    ],
)
def test_on_a_laptop_only_its_own_pages_and_no_name_of_others_are_answered(request_: Request, elsewhere: bool) -> None:
    assert is_from_elsewhere(request_, in_cloud=False) is elsewhere


def test_in_the_cloud_any_name_is_ours_and_another_sites_page_still_presses_no_button() -> None:
    assert not is_from_elsewhere(sent("GET", "sync.example.com"), in_cloud=True)
    assert is_from_elsewhere(sent("POST", "sync.example.com", Origin="https://evil.example"), in_cloud=True)
