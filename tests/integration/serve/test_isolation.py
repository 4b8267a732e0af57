"""Nobody reads another's mail, on any route."""

import httpx
import pytest

from tests.integration.serve.conftest import Archive, mail, signed_in


@pytest.fixture
def keys(archive: Archive) -> dict[str, str]:
    """API keys of two users with one message each, whose ids the other knows."""
    keys = {}
    for name, message_id in (("ann", 0xA1), ("bob", 0xB2)):
        user, keys[name] = archive.add_user(f"{name}@example.com")
        archive.commit(user, [(message_id, ["INBOX"], mail(f"secret of {name}"))])
    return keys


async def test_a_list_has_only_the_callers_mail(client: httpx.AsyncClient, keys: dict[str, str]) -> None:
    for name, own in (("ann", "a1"), ("bob", "b2")):
        header = await signed_in(client, keys[name])
        for query in ("", "secret", "in:anywhere"):
            answer = await client.get("/api/v1/emails", params={"q": query}, headers=header)

            assert [item["id"] for item in answer.json()["items"]] == [own]


@pytest.mark.parametrize("route", ["/api/v1/emails/{id}", "/api/v1/emails/{id}/raw"])
async def test_anothers_message_is_not_found(client: httpx.AsyncClient, keys: dict[str, str], route: str) -> None:
    header = await signed_in(client, keys["ann"])

    own = await client.get(route.format(id="a1"), headers=header)
    others = await client.get(route.format(id="b2"), headers=header)
    nobodys = await client.get(route.format(id="c3"), headers=header)

    assert own.status_code == 200
    assert others.status_code == nobodys.status_code == 404
    same = ("type", "title", "status", "detail", "code")
    assert [others.json()[name] for name in same] == [nobodys.json()[name] for name in same]


async def test_anothers_cursor_shows_only_own_mail(client: httpx.AsyncClient, archive: Archive) -> None:
    ann, ann_key = archive.add_user("ann@example.com")
    bob, bob_key = archive.add_user("bob@example.com")
    archive.commit(ann, [(number, ["INBOX"], mail(f"ann {number}")) for number in (1, 2, 3)])
    archive.commit(bob, [(number, ["INBOX"], mail(f"bob {number}")) for number in (1, 2, 3)])
    first = await client.get("/api/v1/emails", params={"limit": 1}, headers=await signed_in(client, ann_key))

    answer = await client.get(
        "/api/v1/emails",
        params={"cursor": first.json()["next_cursor"]},
        headers=await signed_in(client, bob_key),
    )

    assert [item["subject"] for item in answer.json()["items"]] == ["bob 2", "bob 1"]


async def test_sync_status_is_the_callers_own(
    client: httpx.AsyncClient, keys: dict[str, str], archive: Archive
) -> None:
    _, carol_key = archive.add_user("carol@example.com")

    ann = await client.get("/api/v1/sync/status", headers=await signed_in(client, keys["ann"]))
    new = await client.get("/api/v1/sync/status", headers=await signed_in(client, carol_key))

    assert (ann.json()["phase"], ann.json()["messages"]) == ("current", 1)
    assert (new.json()["phase"], new.json()["messages"]) == ("new", 0)


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/api/v1/emails"),
        ("GET", "/api/v1/emails/a1"),
        ("GET", "/api/v1/emails/a1/raw"),
        ("POST", "/api/v1/sync"),
        ("GET", "/api/v1/sync/status"),
        ("POST", "/api/v1/sync/stop"),
        ("POST", "/api/v1/auth/verify"),
    ],
)
async def test_nothing_is_open_without_a_token(
    client: httpx.AsyncClient, keys: dict[str, str], method: str, route: str
) -> None:
    token = (await signed_in(client, keys["ann"]))["Authorization"].removeprefix("Bearer ")

    for answer in (
        await client.request(method, route),
        await client.request(method, route, headers={"Authorization": "Bearer nonsense"}),
        await client.request(method, route, params={"access_token": token, "token": token}),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
