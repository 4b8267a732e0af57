"""What changes a mailbox, and the history that tells of it."""

from typing import Any

import pybase64
import pytest
import urllib3

from tests.integration.cluster.simulator.client import Client, error
from tests.integration.cluster.simulator.conftest import Serve

_RAW = b"From: a@example.org\r\nMessage-ID: <new@x>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nnew \xff\r\n"


def _history(client: Client, start: str, **params: Any) -> list[Any]:
    pages = client.pages("history", startHistoryId=start, **params)
    return [record for page in pages for record in page.get("history", ())]


def test_history_tells_every_change_in_order(serve: Serve) -> None:
    client = serve()
    start = client.get("profile")["historyId"]
    users = f"users/{client.email}/messages"
    id_ = client.sim("POST", users, body=_RAW).json()["id"]
    client.sim("POST", f"{users}/{id_}/labels", json={"add": ["STARRED"], "remove": ["UNREAD"]})
    client.sim("POST", f"{users}/{id_}/delete")

    records = _history(client, start, maxResults=1)

    kinds = ["messagesAdded", "labelsAdded", "labelsRemoved", "messagesDeleted"]
    assert [next(kind for kind in kinds if kind in record) for record in records] == kinds
    assert [record["messages"][0]["id"] for record in records] == [id_] * 4
    assert records[1]["labelsAdded"][0]["labelIds"] == ["STARRED"]
    assert set(records[2]["labelsRemoved"][0]["message"]["labelIds"]) == {"INBOX", "STARRED"}
    assert client.get("history", startHistoryId=records[-1]["id"]).keys() == {"historyId"}


def test_history_can_be_narrowed_to_types_and_a_label(serve: Serve) -> None:
    client = serve()
    start = client.get("profile")["historyId"]
    users = f"users/{client.email}/messages"
    for label in ("INBOX", "SENT"):
        client.sim("POST", f"{users}?label={label}", body=_RAW)
    client.call("POST", f"messages/{next(iter(client.held()))}/modify", json={"addLabelIds": ["Label_2"]})

    assert len(_history(client, start, historyTypes=["messageAdded", "messageDeleted"])) == 2
    assert len(_history(client, start, labelId="SENT", historyTypes="messageAdded")) == 1
    wrong = client.call("GET", "history", {"startHistoryId": start, "historyTypes": "nothing"})
    assert error(wrong)[0] == 400


def test_imported_mail_can_get_trace_fields(serve: Serve) -> None:
    client = serve(trace_imports=True)
    raw = pybase64.urlsafe_b64encode(_RAW).decode()
    made = client.call("POST", "messages/import", json={"raw": raw, "labelIds": ["INBOX"]}).json()

    there = client.raw(made["id"])

    assert there.startswith(b"Delivered-To: ") and there.endswith(b"\r\n" + _RAW)


def test_empty_history_pages_carry_a_token(serve: Serve) -> None:
    client = serve(empty_history_pages=True)
    start = client.get("profile")["historyId"]
    for number in range(5):
        client.sim("POST", f"users/{client.email}/messages", body=_RAW + b"%d" % number)

    pages = client.pages("history", startHistoryId=start, maxResults=2)

    assert [len(page.get("history", ())) for page in pages] == [0, 2, 0, 2, 0, 1]


def test_expired_history_is_404(serve: Serve) -> None:
    client = serve()
    start = client.get("profile")["historyId"]
    client.sim("POST", f"users/{client.email}/expire-history")

    assert error(client.call("GET", "history", {"startHistoryId": start}))[:2] == (404, "notFound")
    now = client.get("profile")["historyId"]
    assert client.get("history", startHistoryId=now) == {"historyId": now}


def test_a_message_is_relabelled_trashed_and_deleted(serve: Serve) -> None:
    client = serve()
    id_ = client.get("messages")["messages"][0]["id"]

    starred = client.call("POST", f"messages/{id_}/modify", json={"addLabelIds": ["STARRED"]}).json()
    assert "STARRED" in starred["labelIds"]
    assert error(client.call("POST", f"messages/{id_}/modify", json={"addLabelIds": ["Nothing"]}))[0] == 400
    assert "TRASH" in client.call("POST", f"messages/{id_}/trash").json()["labelIds"]
    assert "TRASH" not in client.call("POST", f"messages/{id_}/untrash").json()["labelIds"]
    deleted = client.call("DELETE", f"messages/{id_}")
    assert (deleted.status, deleted.data) == (204, b"")
    assert error(client.call("GET", f"messages/{id_}"))[0] == 404


def test_many_messages_are_relabelled_and_deleted_at_once(serve: Serve) -> None:
    client = serve()
    ids = [m["id"] for m in client.get("messages", maxResults=20)["messages"]]

    changed = client.call("POST", "messages/batchModify", json={"ids": ids, "addLabelIds": ["Label_1"]})
    assert changed.status == 204
    assert all("Label_1" in client.held()[id_]["labels"] for id_ in ids)
    assert client.call("POST", "messages/batchDelete", json={"ids": ids}).status == 204
    assert not client.held().keys() & set(ids)


@pytest.mark.parametrize("way", ["json", "media", "related", "related with bare newlines"])
def test_mail_is_imported_bit_for_bit(serve: Serve, way: str) -> None:
    client = serve()
    url = f"{client.url}/upload/gmail/v1/users/me/messages/import"
    options: dict[str, Any] = {}
    if way == "json":
        url = url.replace("/upload", "")
        raw = pybase64.urlsafe_b64encode(_RAW).decode().rstrip("=")
        options = {"json": {"raw": raw, "labelIds": ["STARRED"]}}
    elif way == "media":
        options = {"body": _RAW, "headers": {"Content-Type": "message/rfc822"}}
    else:
        head = b'--r\r\nContent-Type: application/json\r\n\r\n{"labelIds": ["STARRED"]}\r\n'
        envelope = [head + b"--r\r\nContent-Type: message/rfc822\r\n\r\n", b"\r\n--r--"]
        if way.endswith("newlines"):
            envelope = [piece.replace(b"\r\n", b"\n") for piece in envelope]
        body = _RAW.join(envelope)
        options = {"body": body, "headers": {"Content-Type": 'multipart/related; boundary="r"'}}
    options["headers"] = options.get("headers", {}) | {"Authorization": f"Bearer {client.token}"}

    answer = client.http.request("POST", url, **options)

    assert answer.status == 200, answer.data
    id_ = answer.json()["id"]
    assert client.raw(id_) == _RAW
    assert ("STARRED" in client.held()[id_]["labels"]) == (way != "media")
    assert client.get(f"messages/{id_}", format="minimal")["internalDate"] == "1704067200000"


def test_labels_are_made_renamed_and_removed(serve: Serve) -> None:
    client = serve()

    made = client.call("POST", "labels", json={"name": "Höhle"}).json()
    assert error(client.call("POST", "labels", json={"name": "höhle"}))[0] == 409
    assert client.call("PATCH", f"labels/{made['id']}", json={"name": "Cave"}).json()["name"] == "Cave"
    assert client.call("DELETE", f"labels/{made['id']}").status == 204
    assert error(client.call("GET", f"labels/{made['id']}"))[0] == 404
    assert error(client.call("DELETE", "labels/INBOX"))[0] == 400


def test_a_watch_tells_when_it_expires(serve: Serve) -> None:
    client = serve()

    watch = client.call("POST", "watch", json={"topicName": "projects/p/topics/t"}).json()

    assert watch["historyId"] == client.get("profile")["historyId"] and watch["expiration"].isdecimal()
    assert client.call("POST", "stop").status == 204


def _uploaded(client: Client, kind: str, **options: Any) -> Any:
    path = f"{client.url}/upload/gmail/v1/users/me/messages/import?uploadType={kind}"
    headers = {"Authorization": f"Bearer {client.token}"} | options.pop("headers", {})
    return client.http.request("POST", path, headers=headers, **options)


def test_a_large_message_comes_in_parts_and_a_part_may_be_repeated(serve: Serve) -> None:
    client = serve()
    raw = _RAW + b"x" * (600 * 1024)
    begun = _uploaded(
        client, "resumable", json={"labelIds": ["INBOX"]}, headers={"X-Upload-Content-Length": str(len(raw))}
    )
    target, step = begun.headers["Location"], 256 * 1024

    def put(span: str, body: bytes = b"") -> Any:
        headers = {"Authorization": f"Bearer {client.token}", "Content-Range": f"bytes {span}/{len(raw)}"}
        return client.http.request("PUT", target, headers=headers, body=body)

    for _ in range(2):
        assert put(f"0-{step - 1}", raw[:step]).status == 308
    assert put("*").headers["Range"] == f"bytes=0-{step - 1}"
    assert put(f"{step}-{step + 99}", raw[step : step + 100]).status == 400, "a part is a multiple of 256 KiB"
    whole = put(f"{step}-{len(raw) - 1}", raw[step:])

    assert client.raw(whole.json()["id"]) == raw
    assert put("*").json() == whole.json(), "who asks again is told again"
    assert client.sim("GET", "stats").json()["answered"]["messages.import"] == 1


def test_labels_have_a_colour_of_the_palette_a_visibility_and_a_name_that_is_free(serve: Serve) -> None:
    client = serve()
    look = {
        "messageListVisibility": "hide",
        "labelListVisibility": "labelHide",
        "color": {"textColor": "#000000", "backgroundColor": "#fb4c2f"},
    }
    made = client.call("POST", "labels", json={"name": "Taxes/2024", **look}).json()
    assert {key: made[key] for key in look} == look
    patched = client.call("PATCH", f"labels/{made['id']}", json={"messageListVisibility": "show"}).json()
    assert patched == made | {"messageListVisibility": "show"}

    assert error(client.call("POST", "labels", json={"name": "taxes/2024"}))[0] == 409
    for wrong in ({"name": "Muted"}, {"name": "a//b"}, {"name": "x" * 226}):
        assert error(client.call("POST", "labels", json=wrong))[0] == 400, wrong
    red = {"textColor": "#000000", "backgroundColor": "#ff0000"}
    assert error(client.call("POST", "labels", json={"name": "Red", "color": red}))[0] == 400


def test_what_cannot_be_imported_or_applied_is_refused(serve: Serve) -> None:
    client = serve()
    raw = pybase64.urlsafe_b64encode(_RAW).decode()
    for labels in (["CHAT"], ["Label_999"]):
        assert error(client.call("POST", "messages/import", json={"raw": raw, "labelIds": labels}))[0] == 400
    lost = client.call("POST", "messages/import", json={"raw": raw, "threadId": "1234567890abcdef"})
    assert error(lost)[0] == 404
    made = client.call("POST", "messages/import", json={"raw": raw, "labelIds": ["SENT", "DRAFT"]}).json()
    assert made["labelIds"] == ["DRAFT", "SENT"]
    for label in ("SENT", "DRAFT", "CHAT"):
        refused = client.call("POST", f"messages/{made['id']}/modify", json={"removeLabelIds": [label]})
        assert error(refused)[0] == 400


def test_a_lost_answer_is_of_a_call_that_was_made(serve: Serve) -> None:
    client = serve(fault_rate=1.0, faults=("lost",))
    before = len(client.held())
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.call("POST", "messages/import", json={"raw": pybase64.urlsafe_b64encode(_RAW).decode()})
    assert len(client.held()) == before + 1
