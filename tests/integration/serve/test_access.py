"""Keys, sessions, grants, and sign-in with Google, over real stores; and that every refusal is in the audit log."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from sqlalchemy import text as sql_text

from actors.rate_limits import Rate, RatesConfig
from cluster.simulator.process import start_simulator
from serve.assembly import Assembly
from serve.config import GoogleConfig, ServeConfig, TokenConfig
from serve.settings import Settings
from storage.control.api_keys import TooManyKeys
from storage.db.audit import Audit, Entry
from storage.db.engines import transaction
from tests.integration.serve.conftest import Archive, RecordingOwners, mail, signed_in

AUTH = "/api/v1/auth"
QUICK = TokenConfig(revocations_s=0.01, audit_s=0.01)
RATES = RatesConfig(login=Rate(per_s=100, burst=1000))


@asynccontextmanager
async def gateway(
    archive: Archive, config: ServeConfig | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Assembly]]:
    """A client of the applications as the proxy has them."""
    assembly = Assembly(Settings(archive.backup, config or ServeConfig(rates=RATES, tokens=QUICK)), RecordingOwners())
    transport = httpx.ASGITransport(assembly.together())
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway") as client:
        yield client, assembly
    assembly.close()


@pytest.fixture
async def http(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(archive) as (client, _):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def audited(archive: Archive, action: str, **detail: object) -> list[Entry]:
    """The entries of an action, once there is one with this detail."""
    log = Audit(archive.databases.control)
    async with asyncio.timeout(10):
        while True:
            found = log.newest(2**62, 500, action)
            if any(detail.items() <= entry.detail.items() for entry in found):
                return found
            await asyncio.sleep(0.01)


async def until(client: httpx.AsyncClient, path: str, headers: dict[str, str], status: int) -> httpx.Response:
    """The answer, once it has this status."""
    async with asyncio.timeout(10):
        while (answer := await client.get(path, headers=headers)).status_code != status:
            await asyncio.sleep(0.01)
    return answer


async def test_a_key_does_not_outlive_the_one_that_it_was_made_with(archive: Archive, http: httpx.AsyncClient) -> None:
    _, key = archive.add_user("ann@example.com")
    owner = await signed_in(http, key)
    short = (await http.post(f"{AUTH}/keys", json={"expires_in": 3600}, headers=owner)).json()
    with_short = await signed_in(http, short["api_key"])

    for asked in ({}, {"expires_in": 7200}):
        made = (await http.post(f"{AUTH}/keys", json=asked, headers=with_short)).json()
        assert made["expires_at"] == short["expires_at"], asked
    sooner = (await http.post(f"{AUTH}/keys", json={"expires_in": 60}, headers=with_short)).json()
    tokens = (await http.post(f"{AUTH}/token", json={"api_key": sooner["api_key"]})).json()
    again = (await http.post(f"{AUTH}/token", json={"refresh_token": tokens["refresh_token"]})).json()
    for short_lived in (tokens, again):
        claims = (await http.post(f"{AUTH}/verify", headers=bearer(short_lived["access_token"]))).json()
        assert claims["exp"] - claims["iat"] == short_lived["expires_in"] <= 60, "no token outlives its key"
    assert sooner["expires_at"] < short["expires_at"]
    assert (await http.post(f"{AUTH}/keys", json={}, headers=owner)).json()["expires_at"] is None


async def test_the_number_of_active_keys_per_user_is_limited(archive: Archive, http: httpx.AsyncClient) -> None:
    _, key = archive.add_user("ann@example.com")
    owner = await signed_in(http, key)
    made = [await http.post(f"{AUTH}/keys", json={}, headers=owner) for _ in range(100)]

    assert [answer.status_code for answer in made] == [201] * 99 + [409]  # one of the hundred is the first one
    assert made[-1].json()["code"] == "too_many_keys"
    assert (await http.delete(f"{AUTH}/keys/{made[0].json()['key_id']}", headers=owner)).status_code == 204
    assert (await http.post(f"{AUTH}/keys", json={}, headers=owner)).status_code == 201


async def test_a_key_is_made_narrowed_used_and_revoked(archive: Archive, http: httpx.AsyncClient) -> None:
    user, text = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("one"))])
    owner = await signed_in(http, text)

    made = await http.post(f"{AUTH}/keys", json={"scopes": ["mail"], "expires_in": 3600}, headers=owner)
    assert made.status_code == 201, made.text
    key = made.json()
    assert (key["role"], key["scopes"]) == ("owner", ["mail"])
    listed = (await http.get(f"{AUTH}/keys", headers=owner)).json()["items"]
    assert key["key_id"] in [each["key_id"] for each in listed]
    assert key["api_key"] not in (await http.get(f"{AUTH}/keys", headers=owner)).text

    reader = await signed_in(http, key["api_key"])
    assert (await http.get("/api/v1/emails", headers=reader)).status_code == 200
    beyond = (("GET", "/api/v1/sync/status"), ("GET", f"{AUTH}/keys"), ("POST", f"{AUTH}/sign-out-everywhere"))
    for method, path in beyond:
        refused = await http.request(method, path, headers=reader)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_required")

    assert (await http.delete(f"{AUTH}/keys/{key['key_id']}", headers=owner)).status_code == 204
    assert (await http.delete(f"{AUTH}/keys/{key['key_id']}", headers=owner)).status_code == 404
    await until(http, "/api/v1/emails", reader, 401)
    assert (await http.post(f"{AUTH}/token", json={"api_key": key["api_key"]})).status_code == 401
    await audited(archive, "token.refused", what="revoked")
    await audited(archive, "token.refused", what="secret refused")


async def test_no_key_can_do_more_than_its_maker(archive: Archive, http: httpx.AsyncClient) -> None:
    _, text = archive.add_user("ann@example.com")
    owner = await signed_in(http, text)
    refused = await http.post(f"{AUTH}/keys", json={"role": "operator"}, headers=owner)
    assert (refused.status_code, refused.json()["code"]) == (403, "role_required")

    narrow = (await http.post(f"{AUTH}/keys", json={"scopes": ["keys", "mail"]}, headers=owner)).json()
    narrowed = await signed_in(http, narrow["api_key"])
    beyond = await http.post(f"{AUTH}/keys", json={"scopes": ["keys", "sync"]}, headers=narrowed)
    assert (beyond.status_code, beyond.json()["code"]) == (403, "scope_required")
    same = await http.post(f"{AUTH}/keys", json={}, headers=narrowed)
    assert same.json()["scopes"] == ["keys", "mail"]


async def test_scopes_and_sessions_survive_a_refresh_and_end_when_told(
    archive: Archive, http: httpx.AsyncClient
) -> None:
    _, text = archive.add_user("ann@example.com")
    owner = await signed_in(http, text)
    narrow = (await http.post(f"{AUTH}/keys", json={"scopes": ["keys"]}, headers=owner)).json()["api_key"]
    first = (await http.post(f"{AUTH}/token", json={"api_key": narrow})).json()
    second = (await http.post(f"{AUTH}/token", json={"refresh_token": first["refresh_token"]})).json()
    assert (await http.get("/api/v1/emails", headers=bearer(second["access_token"]))).status_code == 403

    stolen = await http.post(f"{AUTH}/token", json={"refresh_token": first["refresh_token"]})
    ended = await http.post(f"{AUTH}/token", json={"refresh_token": second["refresh_token"]})
    assert (stolen.status_code, ended.status_code) == (401, 401)
    await until(http, f"{AUTH}/keys", bearer(second["access_token"]), 401)

    session = (await http.post(f"{AUTH}/token", json={"api_key": text})).json()
    other = (await http.post(f"{AUTH}/token", json={"api_key": text})).json()
    assert (await http.post(f"{AUTH}/sign-out", headers=bearer(session["access_token"]))).status_code == 204
    gone = await http.post(f"{AUTH}/token", json={"refresh_token": session["refresh_token"]})
    kept = await http.post(f"{AUTH}/token", json={"refresh_token": other["refresh_token"]})
    assert (gone.status_code, kept.status_code) == (401, 200)


async def test_signing_out_everywhere_ends_every_session_and_a_later_one_works(
    archive: Archive, http: httpx.AsyncClient
) -> None:
    _, text = archive.add_user("ann@example.com")
    session = (await http.post(f"{AUTH}/token", json={"api_key": text})).json()
    headers = bearer(session["access_token"])
    assert (await http.get(f"{AUTH}/keys", headers=headers)).status_code == 200
    while int(time.time()) == json.loads(_part(session["access_token"], 1))["iat"]:
        await asyncio.sleep(0.05)  # tokens are told apart by the second

    assert (await http.post(f"{AUTH}/sign-out-everywhere", headers=headers)).status_code == 204
    await until(http, f"{AUTH}/keys", headers, 401)
    assert (await http.post(f"{AUTH}/token", json={"refresh_token": session["refresh_token"]})).status_code == 401
    async with asyncio.timeout(10):  # tokens are told apart by the second
        while (await http.get(f"{AUTH}/keys", headers=await signed_in(http, text))).status_code != 200:
            await asyncio.sleep(0.05)


async def test_a_grant_reads_one_mailbox_for_a_while_and_everybody_knows(
    archive: Archive, http: httpx.AsyncClient
) -> None:
    ann, anns = archive.add_user("ann@example.com")
    _, bobs = archive.add_user("bob@example.com")
    archive.commit(ann, [(1, ["INBOX"], mail("private"))])
    owner, other = await signed_in(http, anns), await signed_in(http, bobs)
    auditor = await signed_in(http, archive.add_user("eve@example.com", "auditor")[1])
    assert (await http.get("/api/v1/emails/1", headers=auditor)).status_code == 404

    asked = {"email": "ann@example.com", "reason": "court order 7", "expires_in": 10**9}
    assert (await http.post(f"{AUTH}/grants", json=asked, headers=other)).status_code == 403
    assert (await http.post(f"{AUTH}/grants", json=asked | {"reason": ""}, headers=auditor)).status_code == 422
    unknown = await http.post(f"{AUTH}/grants", json=asked | {"email": "no@example.com"}, headers=auditor)
    assert unknown.status_code == 404
    grant = (await http.post(f"{AUTH}/grants", json=asked, headers=auditor)).json()
    assert (grant["mailbox"], grant["reader"], grant["alive"]) == ("ann@example.com", "eve@example.com", True)
    path = f"{AUTH}/grants/{grant['grant_id']}"

    answer = (await http.post(f"{path}/token", headers=auditor)).json()
    assert answer["refresh_token"] is None
    reading = bearer(answer["access_token"])
    assert (await http.get("/api/v1/emails/1", headers=reading)).json()["subject"] == "private"
    claims = (await http.post(f"{AUTH}/verify", headers=reading)).json()
    assert (claims["act"], claims["grant"]) == ({"sub": "eve@example.com"}, grant["grant_id"])
    for method, forbidden in (
        ("POST", "/api/v1/sync/stop"),
        ("GET", f"{AUTH}/keys"),
        ("POST", f"{AUTH}/sign-out"),
        ("GET", "/api/v1/admin/audit"),
        ("POST", f"{path}/token"),
    ):
        assert (await http.request(method, forbidden, headers=reading)).status_code == 403

    seen = (await http.get(f"{AUTH}/grants", headers=owner)).json()["items"]
    assert [each["grant_id"] for each in seen] == [grant["grant_id"]]
    assert (await http.get(f"{AUTH}/grants", headers=other)).json()["items"] == []
    for foreign in (await http.delete(path, headers=other), await http.post(f"{path}/token", headers=owner)):
        assert foreign.status_code in (403, 404)
    assert (await http.delete(path, headers=owner)).json()["alive"] is False
    await until(http, "/api/v1/emails/1", reading, 401)
    assert (await http.post(f"{path}/token", headers=auditor)).status_code == 404
    read = (await audited(archive, "grant.read", what="GET /api/v1/emails/1"))[0]
    assert (read.actor, read.subject) == ("eve@example.com", grant["grant_id"])
    log = (await http.get("/api/v1/admin/audit", headers=auditor)).json()["items"]
    assert {"grant.create", "grant.use", "grant.revoke"} <= {entry["action"] for entry in log}


def _part(token: str, number: int) -> bytes:
    part = token.split(".")[number]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ("expired", "expired"),
        ("from the future", "not valid yet"),
        ("other algorithm", "wrong algorithm"),
        ("none", "wrong algorithm"),
        ("key confusion", "wrong algorithm"),
        ("other key", "forged"),
        ("unknown key id", "unknown key"),
        ("other audience", "foreign"),
        ("other issuer", "foreign"),
        ("altered", "forged"),
        ("oversize", "too long"),
        ("junk", "no token"),
    ],
)
async def test_a_token_that_is_not_ours_is_refused_and_audited(archive: Archive, forged: str, reason: str) -> None:
    _, text = archive.add_user("ann@example.com")
    async with gateway(archive) as (http, assembly):
        token = (await http.post(f"{AUTH}/token", json={"api_key": text})).json()["access_token"]
        head, claims, now = json.loads(_part(token, 0)), json.loads(_part(token, 1)), int(time.time())
        [public] = (await http.get(f"{AUTH}/jwks")).json()["keys"]
        key = assembly._signing.current()

        def signed(**changes: object) -> str:
            return jwt.encode(head, claims | changes, key, algorithms=["Ed25519"])

        def hashed(algorithm: str) -> str:
            body = f"{_encoded(head | {'alg': algorithm})}.{_encoded(claims)}"
            mac = hmac.digest(base64.urlsafe_b64decode(public["x"] + "="), body.encode(), "sha256")
            return f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

        made = {
            "expired": signed(exp=now - 60),
            "from the future": signed(nbf=now + 600),
            "other algorithm": hashed("HS512"),
            "none": f"{_encoded(head | {'alg': 'none'})}.{_encoded(claims)}.",
            "key confusion": hashed("HS256"),
            "other key": jwt.encode(head, claims, OKPKey.generate_key("Ed25519"), algorithms=["Ed25519"]),
            "unknown key id": jwt.encode(head | {"kid": "0" * 16}, claims, key, algorithms=["Ed25519"]),
            "other audience": signed(aud="elsewhere"),
            "other issuer": signed(iss="elsewhere"),
            "altered": ".".join([token.split(".")[0], _encoded(claims | {"sub": "1"}), token.split(".")[2]]),
            "oversize": "a" * 5000,
            "junk": "a.b.c",
        }[forged]
        answer = await http.get("/api/v1/emails", headers=bearer(made))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
        assert reason not in answer.text
        entries = await audited(archive, "token.refused", what=reason)
        assert made[:40] not in str(entries)
        assert (await http.get("/api/v1/emails", headers=bearer(token))).status_code == 200


async def test_another_key_signs_after_its_time_and_old_tokens_stay_good(archive: Archive) -> None:
    _, text = archive.add_user("ann@example.com")
    async with gateway(archive) as (http, assembly):
        before = await signed_in(http, text)
        rotated = assembly._signing.rotate()
        after = await signed_in(http, text)
        kids = [each["kid"] for each in (await http.get(f"{AUTH}/jwks")).json()["keys"]]
        assert kids[0] == rotated
        assert len(kids) == 2
        for headers in (before, after):
            assert (await http.get("/api/v1/emails", headers=headers)).status_code == 200
    async with gateway(archive) as (http, _):  # another replica
        for headers in (before, after):
            assert (await http.get("/api/v1/emails", headers=headers)).status_code == 200


async def test_repeated_refusals_are_one_line(archive: Archive) -> None:
    async with gateway(archive, ServeConfig(tokens=TokenConfig(audit_s=0.2))) as (http, _):
        for _ in range(15):
            assert (await http.get("/api/v1/emails", headers=bearer("a.b.c"))).status_code == 401
        async with asyncio.timeout(10):
            entries: list[Entry] = []
            while sum(int(entry.detail["times"] or 0) for entry in entries) < 15:
                entries = await audited(archive, "token.refused")
        assert len(entries) <= 5


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

    async def consent(http: httpx.AsyncClient, email: str) -> dict[str, str]:
        """What Google sends the browser back with."""
        begun = await http.get(f"{AUTH}/google/login")
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


async def test_revoking_a_key_revokes_the_keys_and_tokens_made_with_it(
    archive: Archive, http: httpx.AsyncClient
) -> None:
    user, text = archive.add_user("ann@example.com")
    owner = await signed_in(http, text)
    stolen = (await http.post(f"{AUTH}/keys", json={}, headers=owner)).json()
    thief = await signed_in(http, stolen["api_key"])
    second = (await http.post(f"{AUTH}/keys", json={}, headers=thief)).json()
    third = (await http.post(f"{AUTH}/keys", json={}, headers=await signed_in(http, second["api_key"]))).json()
    granted = (await http.post(f"{AUTH}/token", json={"api_key": third["api_key"]})).json()

    assert (await http.delete(f"{AUTH}/keys/{stolen['key_id']}", headers=owner)).status_code == 204

    for made in (stolen, second, third):
        assert (await http.post(f"{AUTH}/token", json={"api_key": made["api_key"]})).status_code == 401
    assert (await http.post(f"{AUTH}/token", json={"refresh_token": granted["refresh_token"]})).status_code == 401
    await _refused_soon(http, bearer(granted["access_token"]))
    assert (await http.get("/api/v1/emails", headers=owner)).status_code == 200
    assert [key.revoked_at is None for key in archive.control.keys(user.user_id)] == [True, False, False, False]
    assert await audited(archive, "key.revoke", made_with=stolen["key_id"])


async def test_a_key_that_has_ended_makes_no_other(archive: Archive) -> None:
    user, text = archive.add_user("ann@example.com")
    archive.control.revoke_key(text[4:14])
    with pytest.raises(TooManyKeys):
        archive.control.save_key("aaaaaaaaaa", user.user_id, "owner", b"x" * 32, None, maker=text[4:14])


async def test_who_signs_out_has_no_access_token_any_more(archive: Archive, http: httpx.AsyncClient) -> None:
    _, text = archive.add_user("ann@example.com")
    session, other = await signed_in(http, text), await signed_in(http, text)
    assert (await http.post(f"{AUTH}/sign-out", headers=session)).status_code == 204
    await _refused_soon(http, session)
    assert (await http.get("/api/v1/emails", headers=other)).status_code == 200


async def _refused_soon(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    async with asyncio.timeout(10):
        while (await http.get("/api/v1/emails", headers=headers)).status_code != 401:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("scopes", "status"), [(["audit"], 403), (["audit", "analytics"], 201)])
async def test_a_grant_is_no_wider_than_the_key_that_asks(
    archive: Archive, http: httpx.AsyncClient, scopes: list[str], status: int
) -> None:
    _, text = archive.add_user("eve@example.com", role="operator")
    archive.add_user("ann@example.com")
    whole = await signed_in(http, text)
    asked = {"email": "ann@example.com", "reason": "a good one"}
    key = (await http.post(f"{AUTH}/keys", json={"role": "operator", "scopes": scopes}, headers=whole)).json()
    narrow = await signed_in(http, key["api_key"])

    made = await http.post(f"{AUTH}/grants", json=asked, headers=narrow)
    assert made.status_code == status, made.text
    if status == 403:
        grant = (await http.post(f"{AUTH}/grants", json=asked, headers=whole)).json()["grant_id"]
        refused = await http.post(f"{AUTH}/grants/{grant}/token", headers=narrow)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_required")
        return
    token = await http.post(f"{AUTH}/grants/{made.json()['grant_id']}/token", headers=narrow)
    reader = bearer(token.json()["access_token"])
    assert (await http.get("/api/v1/emails", headers=reader)).status_code == 403
    verified = (await http.post(f"{AUTH}/verify", headers=reader)).json()
    assert verified["scope"] == "analytics"


async def test_who_reads_by_a_grant_is_charged_and_not_the_owner(archive: Archive) -> None:
    few = RatesConfig(login=RATES.login, principal=Rate(per_s=0.001, burst=200))
    _, owners = archive.add_user("ann@example.com")
    _, auditors = archive.add_user("eve@example.com", role="auditor")
    async with gateway(archive, ServeConfig(rates=few, tokens=QUICK)) as (http, _):
        auditor = await signed_in(http, auditors)
        asked = {"email": "ann@example.com", "reason": "a good one"}
        grant = (await http.post(f"{AUTH}/grants", json=asked, headers=auditor)).json()["grant_id"]
        token = (await http.post(f"{AUTH}/grants/{grant}/token", headers=auditor)).json()["access_token"]
        told = [(await http.get("/api/v1/emails", headers=bearer(token))).status_code for _ in range(100)]
        assert 429 in told
        owner = await signed_in(http, owners)
        assert (await http.get("/api/v1/emails", headers=owner)).status_code == 200


@pytest.mark.parametrize("ending", ["sign-out", "sign-out-everywhere"])
async def test_a_grants_token_ends_with_the_session_that_asked_for_it(
    archive: Archive, http: httpx.AsyncClient, ending: str
) -> None:
    archive.add_user("ann@example.com")
    _, auditors = archive.add_user("eve@example.com", role="auditor")
    auditor = await signed_in(http, auditors)
    asked = {"email": "ann@example.com", "reason": "a good one"}
    grant = (await http.post(f"{AUTH}/grants", json=asked, headers=auditor)).json()["grant_id"]
    token = (await http.post(f"{AUTH}/grants/{grant}/token", headers=auditor)).json()
    assert token["expires_in"] <= 900
    reader = bearer(token["access_token"])
    assert (await http.get("/api/v1/emails", headers=reader)).status_code == 200

    assert (await http.post(f"{AUTH}/{ending}", headers=auditor)).status_code == 204
    await until(http, "/api/v1/emails", reader, 401)


async def test_what_has_ended_for_good_is_refused_by_a_replica_whose_clock_is_ahead(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = archive.add_user("ann@example.com")
    async with gateway(archive) as (http, assembly):
        owner = await signed_in(http, text)
        made = (await http.post(f"{AUTH}/keys", json={}, headers=owner)).json()
        monkeypatch.setattr(assembly._tokens, "_now", lambda: time.time() + 4)  # less than what is allowed for
        later = await signed_in(http, made["api_key"])
        assert (await http.get(f"{AUTH}/keys", headers=later)).status_code == 200
        assert (await http.delete(f"{AUTH}/keys/{made['key_id']}", headers=owner)).status_code == 204
        await until(http, f"{AUTH}/keys", later, 401)
