"""Signatures by the specification's test vector, and which URLs and addresses receive anything."""

import base64
from collections.abc import Sequence

import pytest

from jobs.webhooks.sending import WebhookUrlRefused, is_public, post, require_url
from jobs.webhooks.signing import new_secret, sign


def test_a_signature_is_that_of_the_specification() -> None:
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_has_the_size_that_the_specification_asks_for() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert new_secret() != secret


PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "240.0.0.1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_within_a_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "example.com", "https://", "https:///x", "https://[::1", ""),
        *(
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://a.localhost/",
            "https://10.0.0.1:444/",
        ),
        *("https://user:pass@example.com/", "https://example.com:99999/", "https://exämple.com/", "https://a b/"),
        *("https://example.com/\r\nx: y", "https://example.com/" + "x" * 2000, "file:///etc/passwd"),
    ],
)
def test_urls_that_are_not_of_a_public_server_are_refused(url: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        require_url(url, allow_private=False)


def test_a_usable_url_has_a_host_and_a_port() -> None:
    assert require_url("https://hooks.example.com/a?b=c", allow_private=False) == ("hooks.example.com", 443)
    assert require_url("http://127.0.0.1:8080/", allow_private=True) == ("127.0.0.1", 8080)


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], []])
def test_a_name_of_which_any_address_is_private_is_not_connected_to(addresses: Sequence[str]) -> None:
    answer = post("https://hooks.example.com/", [], b"", 1.0, resolver=lambda _host, _port: addresses)
    assert (answer.status, answer.delivered) == (None, False)
    assert "not public" in answer.error


def test_a_name_that_cannot_be_resolved_is_an_error_of_the_delivery() -> None:
    def fail(_host: str, _port: int) -> list[str]:
        raise OSError

    assert "cannot be resolved" in post("https://hooks.example.com/", [], b"", 1.0, resolver=fail).error
