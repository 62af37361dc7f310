"""Secrets are taken out of what is written, in every spelling in which they travel, and nothing else is."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest

from novelsync import masking
from novelsync.database.postgres import PostgresRoad, password_in
from novelsync.errors import ConfigurationError, NovelSyncError
from novelsync.masking import hide, masked
from novelsync.wording import one_line
from tests.postgres_proxy import PostgresProxy

PLANTED = 'sb_secret_+/=%&"\\~ö'


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    masking._hidden.clear()
    yield
    masking._hidden.clear()


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_secret_goes_in_every_spelling(before: str) -> None:
    hide(PLANTED)
    whole = f"{before}{PLANTED}:x".encode()
    for said in (PLANTED, quote(PLANTED, safe=""), json.dumps(PLANTED, ensure_ascii=True)):
        assert masked(f"{before} {said} after").replace('"', "") == f"{before} [secret] after"
    for encode in (b64encode, urlsafe_b64encode):
        assert "[secret]" in masked(encode(whole).decode())
        assert len(masked(encode(whole).decode())) < len(before) + 16


def test_half_a_secret_is_not_left_where_a_message_is_cut() -> None:
    hide("abcdefghijkl")
    assert one_line("x" * 290 + "abcdefghijkl") == "x" * 290 + "[secret]"
    assert "abcdef" not in one_line("x" * 295 + "abcdefghijkl")


def test_what_is_short_or_the_name_of_something_is_not_looked_for() -> None:
    hide("novel")
    assert masked("novelsync") == "novelsync"
    assert password_in("postgresql://postgres:postgres@localhost/x") == ""
    assert password_in("postgresql://ann:p%40ss@localhost/x") == "p@ss"
    assert password_in("postgresql://ann@localhost/x") == ""


def test_an_error_never_has_a_secret_whoever_makes_it() -> None:
    hide(PLANTED)
    error = NovelSyncError(f"it says {PLANTED}", f"not {PLANTED}")
    assert (error.message, error.hint, str(error)) == ("it says [secret]", "not [secret]", "it says [secret]")


def test_a_password_that_is_a_common_word_changes_no_verdict(database_url: str) -> None:
    hide("does not exist")
    with PostgresProxy(database_url) as proxy:
        road = PostgresRoad(psycopg.conninfo.make_conninfo(proxy.url, dbname="there_is_none"))
        with pytest.raises(ConfigurationError, match="refuses the connection"):
            road.call("novelsync_status", {})
        road.close()
