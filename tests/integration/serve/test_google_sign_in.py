"""Sign-in with Google over real stores: who may, and that every refusal is in the audit log."""

from collections.abc import AsyncIterator
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


async def test_only_owners_of_backed_up_mailboxes_sign_in_with_google(archive: Archive, google: Any) -> None:
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

    async def consent(http: httpx.AsyncClient, email: str, page: bool = False) -> dict[str, str]:
        """What Google sends the browser back with."""
        begun = await http.get(f"{AUTH}/google/login", params={"page": page})
        assert begun.status_code == 302
        assert "secret" not in begun.headers["location"]
        cookie = begun.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "secure", "samesite=lax"))
        query = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
        assert query["code_challenge_method"] == "S256"
        async with httpx.AsyncClient() as browser:
            back = await browser.post(document["auth_uri"], data=query | {"email": email, "decision": "allow"})
        return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}

    async with gateway(archive, ServeConfig(rates=RATES, tokens=QUICK, google=config)) as (http, _):
        callback = f"{AUTH}/google/callback"
        answer = await http.get(callback, params=await consent(http, emails[0]))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        verified = await http.post(f"{AUTH}/verify", headers=bearer(answer.json()["access_token"]))
        assert (verified.json()["email"], verified.json()["role"]) == (emails[0], "owner")
        refreshed = await http.post(f"{AUTH}/token", json={"refresh_token": answer.json()["refresh_token"]})
        assert refreshed.status_code == 200

        back = await http.get(callback, params=await consent(http, emails[0], page=True))
        assert (back.status_code, back.headers["location"], back.text) == (303, "/", "")
        assert [each.partition("=")[0] for each in back.headers.get_list("set-cookie")] == [
            "gbm_signin",
            "gbm_session",
            "gbm_refresh",
        ]
        http.cookies.delete("gbm_signin")
        assert (await http.get(f"{AUTH}/session")).json()["google"] is True
        refused = await http.get(callback, params=await consent(http, emails[1], page=True))
        assert (refused.status_code, refused.headers["location"]) == (303, "/#refused=not_backed_up")

        user = archive.control.user(emails[0])
        assert not archive.control.bind_google(user.user_id, "of another account"), "bound at the first sign-in"
        with transaction(archive.databases.control) as connection:
            connection.execute(sql_text("UPDATE users SET google_sub = 'of another account'"))
        changed = await http.get(callback, params=await consent(http, emails[0]))
        assert (changed.status_code, changed.json()["code"]) == (401, "sign_in_failed")
        await audited(archive, "token.refused", what=f"another Google account than before for {emails[0]}")
        with transaction(archive.databases.control) as connection:
            connection.execute(sql_text("UPDATE users SET google_sub = NULL"))

        stranger = await http.get(callback, params=await consent(http, emails[1]))
        assert (stranger.status_code, stranger.json()["code"]) == (403, "not_backed_up")
        given = await consent(http, emails[0])
        forged = await http.get(callback, params=given | {"state": "x"})
        assert (forged.status_code, forged.json()["code"]) == (401, "sign_in_failed")
        http.cookies.clear()
        assert (await http.get(callback, params=given)).status_code == 401  # another browser
        await consent(http, emails[0])
        assert (await http.get(callback, params=given)).status_code == 401  # another attempt's answer
        await audited(archive, "token.refused", what="state")
        await audited(archive, "token.refused", what="cookie")
        await audited(archive, "token.refused", what="not backed up here")


async def test_without_a_client_there_is_no_sign_in_with_google(http: httpx.AsyncClient) -> None:
    for path in ("login", "callback"):
        assert (await http.get(f"{AUTH}/google/{path}")).status_code == 404
