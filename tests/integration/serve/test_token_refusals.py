"""Tokens that are forged, signed by another key, ended or early: refused, and recorded once."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from serve.config import ServeConfig, TokenConfig
from storage.db.audit import Entry
from tests.integration.serve.access import AUTH, audited, bearer, gateway, part, until
from tests.integration.serve.conftest import Archive, signed_in


@pytest.fixture
async def http(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(archive) as (client, _):
        yield client


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
        head, claims, now = json.loads(part(token, 0)), json.loads(part(token, 1)), int(time.time())
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
