"""A login against the real simulator: consent, refusal, and whoever tampers with either."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest

from jobs.gmail.credentials import AuthorizedUser, refresh
from jobs.gmail.errors import ConsentMissing, WrongMailbox
from jobs.gmail.login import Login, OAuthClient
from tests.integration.jobs.gmail.conftest import Simulator

REDIRECT = "http://127.0.0.1:1/"


def attempt(simulator: Simulator, email: str = "") -> Login:
    client = OAuthClient.parse(orjson.dumps(simulator.ask("client")))
    return Login(client, simulator.config(), email or simulator.email, REDIRECT)


def decide(url: str, decision: str, email: str, **changed: str) -> dict[str, str]:
    """Press a button of the consent page; returns what the browser would bring back."""
    page = urlsplit(url)
    form = {name: values[0] for name, values in parse_qs(page.query).items()} | changed
    with httpx.Client() as browser:
        answer = browser.post(url.partition("?")[0], data={**form, "decision": decision, "email": email})
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


def finish(login: Login, back: dict[str, str]) -> bytes:
    return login.finish(back.get("code", ""), back.get("error", ""), datetime.now(UTC))


def test_a_consent_gives_a_grant_that_opens_the_mailbox(simulator: Simulator) -> None:
    login = attempt(simulator)
    back = decide(login.url, "allow", simulator.email)

    user = AuthorizedUser.parse(simulator.email, finish(login, back))

    assert back["state"] == login.state
    assert refresh(user, simulator.config(), datetime.now(UTC)).token.get_secret_value()


def test_a_login_renews_a_grant_that_was_revoked(simulator: Simulator) -> None:
    simulator.act("revoke")
    login = attempt(simulator)

    user = AuthorizedUser.parse(simulator.email, finish(login, decide(login.url, "allow", simulator.email)))

    assert refresh(user, simulator.config(), datetime.now(UTC)).token.get_secret_value()


def test_a_refusal_says_so(simulator: Simulator) -> None:
    login = attempt(simulator)

    with pytest.raises(ConsentMissing, match="access_denied"):
        finish(login, decide(login.url, "deny", simulator.email))


def test_the_consent_of_another_mailbox_is_not_taken(simulator: Simulator) -> None:
    login = attempt(simulator, "somebody@example.com")

    with pytest.raises(WrongMailbox, match=simulator.email):
        finish(login, decide(login.url, "allow", simulator.email))


def test_a_code_works_once(simulator: Simulator) -> None:
    login = attempt(simulator)
    back = decide(login.url, "allow", simulator.email)
    finish(login, back)

    with pytest.raises(ConsentMissing, match="not valid"):
        finish(login, back)


def test_a_code_is_of_no_use_without_the_verifier(simulator: Simulator) -> None:
    login, thief = attempt(simulator), attempt(simulator)

    with pytest.raises(ConsentMissing, match="not valid"):
        finish(thief, decide(login.url, "allow", simulator.email))


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with closing(httpx.Client()) as client:
        yield client


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "https://example.com/"},
        {"code_challenge_method": "plain"},
        {"client_id": "unknown"},
        {"code_challenge": ""},
    ],
)
def test_the_page_sends_nobody_away_for_a_wrong_request(
    simulator: Simulator, browser: httpx.Client, changed: dict[str, Any]
) -> None:
    page, _, query = attempt(simulator).url.partition("?")
    asked = {name: values[0] for name, values in parse_qs(query).items()} | changed

    assert browser.get(page, params=asked).status_code == 400
    assert browser.post(page, data={**asked, "decision": "allow", "email": simulator.email}).status_code == 400


def test_the_page_renders_nothing_that_it_was_given(simulator: Simulator, browser: httpx.Client) -> None:
    page, _, query = attempt(simulator).url.partition("?")
    asked = {name: values[0] for name, values in parse_qs(query).items()} | {"scope": "<script>alert(1)</script>"}

    answer = browser.get(page, params=asked)

    assert answer.status_code == 200
    assert "<script" not in answer.text and simulator.email in answer.text
