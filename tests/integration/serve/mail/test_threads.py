"""Threads and labels, over real stores."""

import httpx

from storage.model.records import DELETED, LabelChange
from tests.integration.serve.conftest import Archive, mail, signed_in


async def test_a_thread_is_read_from_its_beginning_in_pages(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    _, other = archive.add_user("bob@example.com")
    archive.commit(user, [(n, ["INBOX"], mail(f"mail {n}")) for n in (1, 2, 3, 4)], thread_id=1)
    archive.commit(user, [(9, ["INBOX"], mail("elsewhere"))], [LabelChange(user.user_id, 2, DELETED, True, 20)])
    headers = await signed_in(client, key)

    whole = (await client.get("/api/v1/threads/1", headers=headers)).json()
    assert [(item["id"], item["deleted_at"] is not None) for item in whole["items"]] == [
        ("1", False),
        ("2", True),
        ("3", False),
        ("4", False),
    ]
    assert whole["next_cursor"] is None
    first = (await client.get("/api/v1/emails/3/thread?limit=3", headers=headers)).json()
    rest = (await client.get(f"/api/v1/emails/3/thread?limit=3&cursor={first['next_cursor']}", headers=headers)).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ["1", "2", "3", "4"]

    before = whole["items"][0]["date"]
    assert (await client.get(f"/api/v1/threads/1?as_of={before}", headers=headers)).status_code == 404
    strangers = await signed_in(client, other)
    for path in ("threads/1", "emails/3/thread", "threads/zz", "threads/ffffffffffffffffff", "emails/77/thread"):
        answer = await client.get(f"/api/v1/{path}", headers=strangers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_labels_say_how_much_carries_them(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(
        user,
        [
            (1, ["INBOX", "UNREAD"], mail("one")),
            (2, ["INBOX", "Label_1"], mail("two")),
            (3, ["INBOX", "Label_9"], mail("three")),
        ],
        [LabelChange(user.user_id, 3, DELETED, True, 20)],
    )
    items = (await client.get("/api/v1/labels", headers=await signed_in(client, key))).json()["items"]

    assert {item["id"]: (item["name"], item["type"], item["messages"], item["unread"]) for item in items} == {
        "INBOX": ("INBOX", "system", 2, 1),
        "Label_1": ("Receipts", "user", 1, 0),
        "UNREAD": ("UNREAD", "user", 1, 1),
    }
    assert {item["id"]: (item["visibility"], item["color"]) for item in items} == {
        "INBOX": ("", ""),
        "Label_1": ("hide/labelShow", "#000000/#ffffff"),
        "UNREAD": ("", ""),
    }
