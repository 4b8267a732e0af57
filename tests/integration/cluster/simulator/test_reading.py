"""What a backup reads: profile, lists, messages, attachments, labels, threads."""

import email
from collections import Counter
from hashlib import sha256

import pybase64

from tests.integration.cluster.simulator.client import error
from tests.integration.cluster.simulator.conftest import Serve


def test_every_message_is_listed_once_and_comes_back_bit_for_bit(serve: Serve) -> None:
    client = serve(hostile=True)

    pages = client.pages("messages", maxResults=7, includeSpamTrash="true")
    ids = [m["id"] for page in pages for m in page["messages"]]

    held = client.held()
    assert len(ids) == len(set(ids)) == 72 and set(ids) == set(held)
    assert {id_: sha256(client.raw(id_)).hexdigest() for id_ in ids} == {i: m["sha256"] for i, m in held.items()}


def test_the_list_leaves_spam_and_trash_out_unless_asked(serve: Serve) -> None:
    client = serve()
    id_ = client.get("messages")["messages"][0]["id"]
    client.call("POST", f"messages/{id_}/trash")

    assert id_ not in {m["id"] for m in client.get("messages", maxResults=500)["messages"]}
    assert id_ in {m["id"] for m in client.get("messages", labelIds="TRASH")["messages"]}
    assert id_ in {m["id"] for m in client.get("messages", q="in:trash")["messages"]}


def test_the_list_is_newest_first_and_all_its_labels_must_match(serve: Serve) -> None:
    client = serve()
    held = client.held()

    listed = client.get("messages", labelIds=["INBOX", "UNREAD"], maxResults=500)["messages"]

    hidden = {"SPAM", "TRASH"}
    assert {m["id"] for m in listed} == {
        i for i, m in held.items() if {"INBOX", "UNREAD"} <= set(m["labels"]) and not hidden & set(m["labels"])
    }
    dates = [int(client.get(f"messages/{m['id']}", format="minimal")["internalDate"]) for m in listed]
    assert dates == sorted(dates, reverse=True)


def test_mail_that_arrives_during_a_listing_does_not_disturb_it(serve: Serve) -> None:
    client = serve()
    before = set(client.held())
    page = client.get("messages", maxResults=10, includeSpamTrash="true")
    seen = [m["id"] for m in page["messages"]]
    while "nextPageToken" in page:
        client.sim("POST", f"users/{client.email}/messages", body=b"Subject: just in\r\n\r\n" + seen[-1].encode())
        token = page["nextPageToken"]
        page = client.get("messages", maxResults=10, includeSpamTrash="true", pageToken=token)
        seen += [m["id"] for m in page["messages"]]

    counts = Counter(seen)
    assert before <= counts.keys() and max(counts.values()) == 1


def test_a_message_is_found_by_its_message_id(serve: Serve) -> None:
    client = serve()
    id_ = client.get("messages")["messages"][0]["id"]
    wanted = email.message_from_bytes(client.raw(id_))["Message-ID"]

    found = client.get("messages", q=f"rfc822msgid:{wanted}")["messages"]

    assert [m["id"] for m in found] == [id_]
    assert "messages" not in client.get("messages", q="rfc822msgid:nobody@nowhere")


def test_the_four_formats_agree(serve: Serve) -> None:
    client = serve()
    id_ = client.get("messages")["messages"][0]["id"]
    by_format = {f: client.get(f"messages/{id_}", format=f) for f in ("minimal", "metadata", "full", "raw")}

    common = {name: by_format["minimal"][name] for name in ("id", "threadId", "historyId", "internalDate", "snippet")}
    assert all(common.items() <= document.items() for document in by_format.values())
    assert by_format["full"]["payload"]["headers"] == by_format["metadata"]["payload"]["headers"]
    assert "payload" not in by_format["minimal"] and "payload" not in by_format["raw"]
    assert by_format["raw"]["sizeEstimate"] == len(client.raw(id_))


def test_metadata_gives_the_headers_asked_for(serve: Serve) -> None:
    client = serve()
    id_ = client.get("messages")["messages"][0]["id"]

    document = client.get(f"messages/{id_}", format="metadata", metadataHeaders=["subject", "From"])

    assert {h["name"] for h in document["payload"]["headers"]} == {"Subject", "From"}


def test_attachments_are_fetched_by_id(serve: Serve) -> None:
    client = serve()
    for listed in client.get("messages")["messages"]:
        document = client.get(f"messages/{listed['id']}", format="full")
        for part in document["payload"].get("parts", ()):
            if part["filename"].endswith(".png"):
                path = f"messages/{listed['id']}/attachments/{part['body']['attachmentId']}"
                attachment = client.get(path)
                data = pybase64.urlsafe_b64decode(attachment["data"])
                assert data.startswith(b"\x89PNG") and len(data) == attachment["size"] == part["body"]["size"]
                assert error(client.call("GET", path + "x"))[0] == 404
                return
    raise AssertionError("no picture among the generated mail")


def test_every_format_of_a_hostile_message_is_an_answer(serve: Serve) -> None:
    client = serve(generate=0, hostile=True)

    for id_ in client.held():
        for format_ in ("full", "metadata", "minimal"):
            assert client.get(f"messages/{id_}", format=format_)["id"] == id_


def test_fields_select_a_part_of_the_answer(serve: Serve) -> None:
    client = serve()

    listed = client.get("messages", fields="messages(id),nextPageToken", maxResults=2)
    message = client.get(f"messages/{listed['messages'][0]['id']}", fields="id,payload/headers(name)")

    assert listed.keys() == {"messages", "nextPageToken"} and listed["messages"][0].keys() == {"id"}
    assert message.keys() == {"id", "payload"} and message["payload"]["headers"][0].keys() == {"name"}
    assert error(client.call("GET", "messages", {"fields": "a(b"}))[0] == 400


def test_profile_and_labels_tell_what_is_there(serve: Serve) -> None:
    client = serve()
    profile, labels = client.get("profile"), client.get("labels")["labels"]

    assert (profile["emailAddress"], profile["messagesTotal"]) == (client.email, 60)
    assert {"INBOX", "SPAM", "CATEGORY_SOCIAL", "Label_1"} <= {label["id"] for label in labels}
    inbox = client.get("labels/INBOX")
    assert inbox["messagesTotal"] == sum("INBOX" in m["labels"] for m in client.held().values())


def test_threads_hold_their_messages(serve: Serve) -> None:
    client = serve()

    listed = [t["id"] for page in client.pages("threads", maxResults=9) for t in page["threads"]]
    thread = client.get(f"threads/{listed[0]}", format="minimal")

    assert len(listed) == len(set(listed))
    assert {m["threadId"] for m in thread["messages"]} == {listed[0]}


def test_what_is_not_there_is_404_and_what_cannot_be_is_400(serve: Serve) -> None:
    client = serve()

    assert error(client.call("GET", "messages/1000000000000000")) == (404, "notFound", "NOT_FOUND")
    assert error(client.call("GET", "messages/not-an-id"))[0] == 400
    assert error(client.call("GET", "labels/Label_99"))[0] == 404
    assert error(client.call("GET", "nothing"))[0] == 404
    assert error(client.call("GET", "messages", {"pageToken": "?"}))[0] == 400
    assert error(client.call("GET", "messages", {"q": "wonder:ful"}))[0] == 400
    assert error(client.call("GET", "messages", {"maxResults": "many"}))[0] == 400


def test_a_restart_serves_the_same_mailbox(serve: Serve) -> None:
    first, second = serve(seed=5, users=3), serve(seed=5, users=3)

    assert first.sim("GET", "users").json() == second.sim("GET", "users").json()
    assert first.held() == second.held()
    assert first.get("profile") == second.get("profile")
