"""The port that a browser comes back to, with real connections."""

import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cluster.consent import ConsentLate, ConsentPort


def test_the_answer_with_the_right_state_is_taken_and_others_are_turned_away() -> None:
    with ConsentPort() as port, ThreadPoolExecutor(1) as pool, httpx.Client() as browser:
        waiting = pool.submit(port.wait, "right", 30)

        stray = browser.get(port.uri + "favicon.ico")
        wrong = browser.get(port.uri, params={"state": "wrong", "code": "evil"})
        right = browser.get(port.uri, params={"state": "right", "code": "4/abc"})

        assert (stray.status_code, wrong.status_code, right.status_code) == (400, 400, 200)
        assert waiting.result(30) == ("4/abc", "")
        assert "no-store" in right.headers["cache-control"]


def test_a_refusal_is_an_answer() -> None:
    with ConsentPort() as port, ThreadPoolExecutor(1) as pool, httpx.Client() as browser:
        waiting = pool.submit(port.wait, "right", 30)
        browser.get(port.uri, params={"state": "right", "error": "access_denied"})

        assert waiting.result(30) == ("", "access_denied")


def test_nobody_coming_is_an_error_that_says_what_to_do() -> None:
    with ConsentPort() as port, pytest.raises(ConsentLate, match="run the command again"):
        port.wait("right", 0.05)


def test_a_connection_that_says_nothing_does_not_hold_the_login_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.consent._Handler.timeout", 0.1)
    with ConsentPort() as port, ThreadPoolExecutor(1) as pool, httpx.Client(timeout=30) as browser:
        number = int(port.uri.rsplit(":", 1)[1].strip("/"))
        with socket.create_connection(("127.0.0.1", number)):
            waiting = pool.submit(port.wait, "right", 30)
            browser.get(port.uri, params={"state": "right", "code": "4/abc"})

        assert waiting.result(30) == ("4/abc", "")
