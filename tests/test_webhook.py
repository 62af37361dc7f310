"""What is sent to an address on the web, to whom it is refused, and how long that may take."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from novelsync.errors import ConfigurationError, ReceiverUnavailable
from novelsync.settings.loading import load_settings
from novelsync.text.redaction import redacted
from novelsync.webhook import Webhook, is_public
from novelsync.wiring.opening import open_notice_receivers, open_receiver
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import PATIENCE


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_one_post_of_json_is_sent_with_path_and_query(receiver: Receiver) -> None:
    Webhook(receiver.url).send({"text": "Kiếm Hiệp"})
    ((path, headers),) = receiver.requests
    assert (path, receiver.told) == ("/services/T0/B0/canary-path?key=canary-query", [{"text": "Kiếm Hiệp"}])
    assert headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_name_for_this_machine_is_told(receiver: Receiver) -> None:
    Webhook(receiver.root.replace("127.0.0.1", "localhost")).send({})
    assert receiver.told == [{}]


@pytest.mark.parametrize("status", [101, 199, 400, 403, 404, 429, 500, 503])
def test_what_is_not_taken_is_unavailable_and_names_no_secret(receiver: Receiver, status: int) -> None:
    receiver.trouble = lambda: status
    with pytest.raises(ReceiverUnavailable, match=rf"did not take it \(status {status}\)") as refused:
        Webhook(receiver.url).send({})
    assert "canary" not in refused.value.message + refused.value.hint


def test_a_request_that_breaks_is_not_taken_for_one_that_was_told(receiver: Receiver) -> None:
    with pytest.raises(ReceiverUnavailable, match="cannot be told: "):
        Webhook(receiver.url).post(b"{}", {"X-Broken": None})  # type: ignore[dict-item]
    assert receiver.requests == []


def test_what_is_given_up_on_while_its_name_is_looked_up_is_not_sent_later(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, look_up = threading.Event(), socket.getaddrinfo

    def slowly(*arguments: Any, **options: Any) -> Any:
        found.wait(PATIENCE)
        return look_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    with pytest.raises(ReceiverUnavailable, match="did not answer within"):
        Webhook(receiver.url, seconds=0.1).send({})
    (late,) = [thread for thread in threading.enumerate() if thread.name == "webhook"]
    found.set()
    late.join(PATIENCE)
    assert receiver.requests == []


@pytest.mark.parametrize("name", ["NOVELSYNC_ALERT_URL", "NOVELSYNC_NOTIFY_URL"])
def test_of_an_address_its_path_and_its_query_are_secrets_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path, query = f"/services/{name.lower()}/one-of-a-kind", f"key={name.lower()}-another"
    monkeypatch.setenv("NOVELSYNC_NOTIFY_SECRET", "whsec_c2VjcmV0LW9mLW1hbnktYnl0ZXMtaW4tYmFzZTY0")
    monkeypatch.setenv(name, f"https://hooks.example.com{path}?{query}")
    settings = load_settings()
    assert open_receiver(settings) or open_notice_receivers(settings)
    assert redacted(f"POST {path} HTTP/1.1, {query}") == "POST [secret] HTTP/1.1, [secret]"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.trouble, receiver.location = lambda: 307, receiver.root
    with pytest.raises(ReceiverUnavailable, match=r"redirect \(307\), which is not followed"):
        Webhook(receiver.url).send({})
    assert len(receiver.requests) == 1


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    Webhook(receiver.url).send({})
    assert receiver.told == [{}]


def test_a_cut_connection_and_nobody_there_are_unavailable(receiver: Receiver) -> None:
    receiver.trouble = lambda: None
    with pytest.raises(ReceiverUnavailable, match="cannot be told"):
        Webhook(receiver.url).send({})
    receiver.server.shutdown()
    receiver.server.server_close()
    with pytest.raises(ReceiverUnavailable, match="cannot be told"):
        Webhook(receiver.url).send({})


def test_an_answer_byte_by_byte_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hung_up = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not hung_up.is_set():
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        hung_up.set()
                    time.sleep(0.01)

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        began = time.monotonic()
        with pytest.raises(ReceiverUnavailable, match=r"did not answer within 0\.3 seconds"):
            Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=0.3).send({})
        assert time.monotonic() - began < 3
        dripping.join(10)
        assert hung_up.is_set(), "the connection is given up, too"


def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    port = receiver.server.server_address[1]
    name = socket.gethostname()
    addresses = {str(each[4][0]) for each in socket.getaddrinfo(name, port)}
    if all(
        address.count(".") == 3 and address.split(".")[0] not in ("10", "127", "172", "192") for address in addresses
    ):
        pytest.skip("this machine's own name leads to a public address")
    with pytest.raises(ReceiverUnavailable, match="which is not a public address, and is not told"):
        Webhook(f"http://{name}:{port}/").send({})
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("::ffff:8.8.8.8", True),
        *((address, False) for address in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254")),
        *(
            (address, False)
            for address in ("::1", "fe80::1%eth0", "fd00::1", "::ffff:169.254.169.254", "::ffff:10.1.2.3")
        ),
        *((address, False) for address in ("0.0.0.0", "100.64.0.1", "224.0.0.1", "ff02::1")),  # noqa: S104
    ],
)
def test_it_is_known_of_each_address_whether_it_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_private_address_that_was_written_down_is_told(receiver: Receiver) -> None:
    Webhook(receiver.url).send({})
    assert receiver.told == [{}]


def test_over_tls_the_receivers_certificate_is_checked(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not there, which makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
    subprocess.run([openssl, *made.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http://", "https://")
    with pytest.raises(ReceiverUnavailable, match="certificate verify failed"):
        Webhook(url).send({})
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(ReceiverUnavailable, match="IP address mismatch"):
        Webhook(url).send({})
    Webhook(url.replace("127.0.0.1", "localhost")).send({"text": "safely"})
    assert receiver.told == [{"text": "safely"}]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://10.0.0.7:8443/alerts?key=x",
        "https://[fd00::7]/x",
        "http://localhost:9000/x",
        "http://127.0.0.1:9000",
        "http://[::1]/x",
    ],
)
def test_an_address_with_tls_or_on_this_machine_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NOVELSYNC_ALERT_URL", f" {url} ")
    assert load_settings().alert_url == SecretStr(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/canary",
        "http://localhost.example.com/canary",
        "https://user:canary@example.com/",
        "https://example.com/can ary",
        "ftp://canary.example.com",
        "file:///canary",
        "canary",
        "https://",
        "https://example.com\r\nX-Canary: canary",
    ],
)
def test_any_other_address_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NOVELSYNC_ALERT_URL", url)
    with pytest.raises(
        ConfigurationError, match="NOVELSYNC_ALERT_URL: it must be https://…, or http://localhost…"
    ) as no:
        load_settings()
    assert "canary" not in no.value.message.lower()
