"""Sessions of the web interface: cookies, what requests with them must prove, renewal, codes, the end of a session."""

from collections.abc import AsyncIterator

import httpx
import pytest

from serve.auth import sign_in_codes
from serve.auth.cookies import CSRF_HEADER
from storage.control.principal import Principal
from tests.integration.serve.access import audited, bearer, gateway, until
from tests.integration.serve.conftest import Archive, mail

SESSION = "/api/v1/auth/session"
PAGE = {CSRF_HEADER: "none yet", "Origin": "https://gateway", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def http(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(archive) as (client, _):
        yield client


async def _begin(http: httpx.AsyncClient, key: str) -> dict[str, str]:
    """Sign in; gives the headers of the page's requests. The client keeps the cookies, as a browser does."""
    answer = await http.post(SESSION, json={"api_key": key}, headers=PAGE)
    assert answer.status_code == 200, answer.text
    assert "gb" not in answer.text.replace("gbm", ""), "no token is in the body"
    return {**PAGE, CSRF_HEADER: answer.json()["csrf_token"]}


async def test_a_session_reads_mail_by_cookies_that_scripts_cannot_read(
    http: httpx.AsyncClient, archive: Archive
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("hello"))])

    answer = await http.post(SESSION, json={"api_key": key}, headers=PAGE)

    told = answer.json()
    assert (told["email"], told["role"], told["renewable"]) == ("ann@example.com", "owner", True)
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert {"HttpOnly", "Secure", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert [cookie.rpartition("Path=")[2].partition(";")[0] for cookie in cookies] == ["/api/v1", SESSION]
    listed = await http.get("/api/v1/emails")
    assert [item["subject"] for item in listed.json()["items"]] == ["hello"]
    assert "Cookie" in listed.headers["vary"]
    assert (await http.get(SESSION)).json()["email"] == "ann@example.com"
    await audited(archive, "token.issued", what="signed in by key")


async def test_cookies_need_https_unless_the_page_came_over_http(http: httpx.AsyncClient, archive: Archive) -> None:
    _, key = archive.add_user("ann@example.com")
    for origin, secure in (("http://127.0.0.1:8000", False), ("https://mail.example.com", True), (None, True)):
        headers = {CSRF_HEADER: "x"} | ({"Origin": origin} if origin else {})
        answer = await http.post(SESSION, json={"api_key": key}, headers=headers)
        assert all(("Secure" in cookie) is secure for cookie in answer.headers.get_list("set-cookie")), origin


async def test_a_change_needs_the_token_of_the_session(http: httpx.AsyncClient, archive: Archive) -> None:
    _, key = archive.add_user("ann@example.com")
    page = await _begin(http, key)
    other = {**PAGE, CSRF_HEADER: "0" * 32}

    for headers in ({}, PAGE, other, {**page, "Sec-Fetch-Site": "same-site"}, {**page, "Sec-Fetch-Site": "cross-site"}):
        answer = await http.post("/api/v1/auth/keys", json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), headers
    assert (await http.get("/api/v1/emails", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await http.get("/api/v1/emails", headers={"Sec-Fetch-Site": "none"})).status_code == 200

    assert (await http.post("/api/v1/auth/keys", json={}, headers=page)).status_code == 201


async def test_a_form_of_another_site_can_neither_sign_in_nor_out(http: httpx.AsyncClient, archive: Archive) -> None:
    _, key = archive.add_user("ann@example.com")
    assert (await http.post(SESSION, json={"api_key": key})).status_code == 422
    await _begin(http, key)

    assert (await http.post(f"{SESSION}/refresh")).status_code == 422
    assert (await http.delete(SESSION)).status_code == 422
    assert (await http.delete(SESSION, headers=PAGE)).status_code == 403
    assert (await http.get(SESSION)).json()["email"] == "ann@example.com"


async def test_signing_out_ends_the_session(http: httpx.AsyncClient, archive: Archive) -> None:
    _, key = archive.add_user("ann@example.com")
    page = await _begin(http, key)
    access, refresh = http.cookies["gbm_session"], http.cookies["gbm_refresh"]

    answer = await http.delete(SESSION, headers=page)

    assert answer.status_code == 204
    assert [cookie.partition(";")[0] for cookie in answer.headers.get_list("set-cookie")] == [
        'gbm_session=""',
        'gbm_refresh=""',
    ]
    assert (await http.get(SESSION)).json()["email"] is None
    await until(http, "/api/v1/emails", bearer(access), 401)
    http.cookies.set("gbm_refresh", refresh)
    assert (await http.post(f"{SESSION}/refresh", headers=PAGE)).status_code == 401
    await audited(archive, "session.end")


async def test_a_session_whose_access_token_has_expired_is_ended_by_its_refresh_token(
    http: httpx.AsyncClient, archive: Archive
) -> None:
    _, key = archive.add_user("ann@example.com")
    await _begin(http, key)
    access = http.cookies["gbm_session"]
    http.cookies.delete("gbm_session")  # what a browser does then

    assert (await http.delete(SESSION, headers=PAGE)).status_code == 204

    await until(http, "/api/v1/emails", bearer(access), 401)


async def test_renewal_keeps_the_session_and_a_stolen_cookie_ends_it(http: httpx.AsyncClient, archive: Archive) -> None:
    _, key = archive.add_user("ann@example.com")
    page = await _begin(http, key)
    stolen = http.cookies["gbm_refresh"]

    renewed = await http.post(f"{SESSION}/refresh", headers=page)

    assert renewed.status_code == 200
    assert renewed.json()["csrf_token"] == page[CSRF_HEADER], "tabs go on with the token that they have"
    kept = dict(http.cookies.items())
    http.cookies.clear()
    http.cookies.set("gbm_refresh", stolen)
    assert (await http.post(f"{SESSION}/refresh", headers=PAGE)).status_code == 401
    await until(http, "/api/v1/emails", bearer(kept["gbm_session"]), 401)


async def test_a_revoked_key_ends_its_session(http: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    await _begin(http, key)

    archive.control.revoke_key(key[4:14], user.user_id, user.email)

    await until(http, "/api/v1/emails", {}, 401)
    assert (await http.post(f"{SESSION}/refresh", headers=PAGE)).status_code == 401


async def test_a_code_signs_in_once(http: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    principal = Principal(user.user_id, user.email, user.shard_id, "owner")
    code = sign_in_codes.new_code(archive.control, principal, key[4:14])

    as_refresh_token = await http.post("/api/v1/auth/token", json={"refresh_token": code})
    assert as_refresh_token.status_code == 401, "a code is no refresh token"
    first = await http.post(SESSION, json={"code": code}, headers=PAGE)
    assert first.json()["email"] == "ann@example.com"
    await audited(archive, "token.issued", what="signed in by link")
    again = await http.post(SESSION, json={"code": code}, headers=PAGE)
    assert (again.status_code, again.json()["code"]) == (401, "secret_refused")
    assert (await http.get("/api/v1/emails")).status_code == 200, "a second use does not end the session of the first"

    archive.control.revoke_key(key[4:14], user.user_id, user.email)
    await until(http, "/api/v1/emails", {}, 401)


async def test_a_code_expires(http: httpx.AsyncClient, archive: Archive) -> None:
    user, _ = archive.add_user("ann@example.com")
    principal = Principal(user.user_id, user.email, user.shard_id, "owner")
    code = sign_in_codes.new_code(archive.control, principal, None, lives_s=0.0)

    assert (await http.post(SESSION, json={"code": code}, headers=PAGE)).status_code == 401


@pytest.mark.parametrize("secret", ["gbm_wrong", "", "gbc_" + "x" * 43, "gbr_" + "x" * 43, "\0"])
async def test_other_secrets_sign_nobody_in(http: httpx.AsyncClient, archive: Archive, secret: str) -> None:
    for body in ({"api_key": secret}, {"code": secret}):
        answer = await http.post(SESSION, json=body, headers=PAGE)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("cookie", ["x", "a.b.c", 'gbm_session="', "\x80", "=;" * 100, "x" * 20_000])
async def test_strange_cookies_are_no_session(http: httpx.AsyncClient, cookie: str) -> None:
    header = {"Cookie": f"gbm_session={cookie}".encode("latin-1")}
    answer = await http.get("/api/v1/emails", headers=header)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_a_narrowed_key_has_a_narrowed_session(http: httpx.AsyncClient, archive: Archive) -> None:
    _, key = archive.add_user("ann@example.com")
    made = await http.post("/api/v1/auth/keys", json={"scopes": ["analytics"]}, headers=await _begin(http, key))
    await _begin(http, made.json()["api_key"])

    assert (await http.get(SESSION)).json()["scopes"] == ["analytics"]
    assert (await http.get("/api/v1/emails")).json()["code"] == "scope_required"
