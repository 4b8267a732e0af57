"""Sign-in with Google over real stores: who may, and that every refusal is in the audit log."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import text as sql_text

from cluster.simulator.process import start_simulator
from serve.config import GoogleConfig, ServeConfig
from storage.db.engines import transaction
from tests.integration.serve.access import AUTH, QUICK, RATES, audited, bearer, gateway
from tests.integration.serve.conftest import Archive


@pytest.fixture
async def http(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(archive) as (client, _):
        yield client


@pytest.fixture(scope="module")
def google() -> Any:
    """A simulated Google with two accounts."""
    simulator = start_simulator(["--generate", "4", "--users", "2"])
    yield simulator
    simulator.close()


@dataclass(frozen=True)
class SigningIn:
    """A gateway with Google's client, and the two accounts of Google; the mailbox of the first is backed up."""

    http: httpx.AsyncClient
    emails: list[str]
    consent_page: str

    async def consent(self, email: str, page: bool = False) -> dict[str, str]:
        """What Google sends the browser back with."""
        begun = await self.http.get(f"{AUTH}/google/login", params={"page": page})
        assert begun.status_code == 302
        assert "secret" not in begun.headers["location"]
        cookie = begun.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "secure", "samesite=lax"))
        query = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
        assert query["code_challenge_method"] == "S256"
        async with httpx.AsyncClient() as browser:
            back = await browser.post(self.consent_page, data=query | {"email": email, "decision": "allow"})
        return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}

    async def come_back(self, given: dict[str, str]) -> httpx.Response:
        """The gateway's answer to the browser that comes back from Google."""
        return await self.http.get(f"{AUTH}/google/callback", params=given)


@pytest.fixture
async def signing_in(archive: Archive, google: Any) -> AsyncIterator[SigningIn]:
    async with httpx.AsyncClient(base_url=google.url) as asking:
        document = (await asking.get("/_sim/client")).json()["installed"]
        emails = [each["email"] for each in (await asking.get("/_sim/users")).json()]
    archive.add_user(emails[0])
    config = GoogleConfig(
        client_id=document["client_id"],
        client_secret=document["client_secret"],
        redirect_uri="http://127.0.0.1:1/api/v1/auth/google/callback",
        auth_uri=document["auth_uri"],
        token_uri=document["token_uri"],
        keys_url=f"{google.url}/oauth2/v3/certs",
    )
    async with gateway(archive, ServeConfig(rates=RATES, tokens=QUICK, google=config)) as (http, _):
        yield SigningIn(http, emails, document["auth_uri"])


async def test_an_owner_signs_in_and_another_google_account_of_the_address_does_not(
    archive: Archive, signing_in: SigningIn
) -> None:
    http, email = signing_in.http, signing_in.emails[0]
    answer = await signing_in.come_back(await signing_in.consent(email))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    verified = await http.post(f"{AUTH}/verify", headers=bearer(answer.json()["access_token"]))
    assert (verified.json()["email"], verified.json()["role"]) == (email, "owner")
    refreshed = await http.post(f"{AUTH}/token", json={"refresh_token": answer.json()["refresh_token"]})
    assert refreshed.status_code == 200

    user = archive.control.user(email)
    assert not archive.control.bind_google(user.user_id, "of another account"), "bound at the first sign-in"
    with transaction(archive.databases.control) as connection:
        connection.execute(sql_text("UPDATE users SET google_sub = 'of another account'"))
    changed = await signing_in.come_back(await signing_in.consent(email))
    assert (changed.status_code, changed.json()["code"]) == (401, "sign_in_failed")
    await audited(archive, "token.refused", what=f"another Google account than before for {email}")


async def test_the_web_interface_gets_cookies_or_a_reason(signing_in: SigningIn) -> None:
    http, (owner, stranger) = signing_in.http, signing_in.emails
    back = await signing_in.come_back(await signing_in.consent(owner, page=True))
    assert (back.status_code, back.headers["location"], back.text) == (303, "/", "")
    assert [each.partition("=")[0] for each in back.headers.get_list("set-cookie")] == [
        "gbm_signin",
        "gbm_session",
        "gbm_refresh",
    ]
    http.cookies.delete("gbm_signin")
    assert (await http.get(f"{AUTH}/session")).json()["google"] is True
    refused = await signing_in.come_back(await signing_in.consent(stranger, page=True))
    assert (refused.status_code, refused.headers["location"]) == (303, "/#refused=not_backed_up")


async def test_strangers_and_answers_of_other_attempts_are_refused_and_audited(
    archive: Archive, signing_in: SigningIn
) -> None:
    owner, stranger = signing_in.emails
    unknown = await signing_in.come_back(await signing_in.consent(stranger))
    assert (unknown.status_code, unknown.json()["code"]) == (403, "not_backed_up")
    given = await signing_in.consent(owner)
    forged = await signing_in.come_back(given | {"state": "x"})
    assert (forged.status_code, forged.json()["code"]) == (401, "sign_in_failed")
    signing_in.http.cookies.clear()
    assert (await signing_in.come_back(given)).status_code == 401  # another browser
    await signing_in.consent(owner)
    assert (await signing_in.come_back(given)).status_code == 401  # another attempt's answer
    await audited(archive, "token.refused", what="state")
    await audited(archive, "token.refused", what="cookie")
    await audited(archive, "token.refused", what="not backed up here")


async def test_without_a_client_there_is_no_sign_in_with_google(http: httpx.AsyncClient) -> None:
    for path in ("login", "callback"):
        assert (await http.get(f"{AUTH}/google/{path}")).status_code == 404
