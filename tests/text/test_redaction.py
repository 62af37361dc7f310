"""Secrets are taken out of what is written, in every spelling in which they travel, and nothing else is."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import structlog

from novelsync.database.transports.postgres import PostgresTransport, password_in
from novelsync.errors import ConfigurationError, NovelSyncError
from novelsync.text import redaction
from novelsync.text.formatting import one_line
from novelsync.text.logs import MOST, configure_logs
from novelsync.text.redaction import redacted, register_secret
from tests.support.postgres_proxy import PostgresProxy

PLANTED = 'sb_secret_+/=%&"\\~ö'


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    redaction._hidden.clear()
    yield
    redaction._hidden.clear()


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_secret_goes_in_every_spelling(before: str) -> None:
    register_secret(PLANTED)
    whole = f"{before}{PLANTED}:x".encode()
    for said in (PLANTED, quote(PLANTED, safe=""), json.dumps(PLANTED, ensure_ascii=True)):
        assert redacted(f"{before} {said} after").replace('"', "") == f"{before} [secret] after"
    for encode in (b64encode, urlsafe_b64encode):
        assert "[secret]" in redacted(encode(whole).decode())
        assert len(redacted(encode(whole).decode())) < len(before) + 16


def test_half_a_secret_is_not_left_where_a_message_is_cut() -> None:
    register_secret("abcdefghijkl")
    assert one_line("x" * 290 + "abcdefghijkl") == "x" * 290 + "[secret]"
    assert "abcdef" not in one_line("x" * 295 + "abcdefghijkl")


@pytest.mark.parametrize("secret", ["sb_secret_abcdefgh", 'pässword"x1', "a\\b\"c'defgh", "p@ssä\\word"])
def test_a_log_line_has_no_part_of_a_secret_however_it_is_spelt_or_cut(
    secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register_secret(secret)
    configure_logs("json", "stdout")
    for before in range(MOST // 2 - len(secret), MOST // 2 + 1):
        structlog.get_logger().error("x", reason=f"{'.' * before}{secret}{'.' * MOST}", deep={"a": [secret]})
    structlog.get_logger().error("x", reason=repr({"password": secret}), thing=Path(secret))
    try:
        int(secret)
    except ValueError:
        structlog.get_logger().exception("x")
    lines = capsys.readouterr().out.splitlines()
    assert all(json.loads(line)["severity"] == "ERROR" for line in lines)
    for piece in (secret[:6], secret[-6:]):
        for spelt in (piece, json.dumps(piece)[1:-1], json.dumps(piece, ensure_ascii=False)[1:-1], repr(piece)[1:-1]):
            assert not any(spelt in line for line in lines), spelt


def test_what_is_short_or_the_name_of_something_is_not_looked_for() -> None:
    register_secret("novel")
    assert redacted("novelsync") == "novelsync"
    assert password_in("postgresql://postgres:postgres@localhost/x") == ""
    assert password_in("postgresql://ann:p%40ss@localhost/x") == "p@ss"
    assert password_in("postgresql://ann@localhost/x") == ""


def test_an_error_never_has_a_secret_whoever_makes_it() -> None:
    register_secret(PLANTED)
    error = NovelSyncError(f"it says {PLANTED}", f"not {PLANTED}")
    assert (error.message, error.hint, str(error)) == ("it says [secret]", "not [secret]", "it says [secret]")


def test_a_password_that_is_a_common_word_changes_no_verdict(database_url: str) -> None:
    register_secret("does not exist")
    with PostgresProxy(database_url) as proxy:
        transport = PostgresTransport(psycopg.conninfo.make_conninfo(proxy.url, dbname="there_is_none"))
        with pytest.raises(ConfigurationError, match="refuses the connection"):
            transport.call("novelsync_status", {})
        transport.close()
